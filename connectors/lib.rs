//! The lower layer of outflow: contracts, and the systems it speaks to. It knows rows, changes and receipts, and
//! nothing of mappings, plans or the ledger.

#![deny(missing_docs)]
// The bans of `clippy.toml` hold for what is shipped; the build without tests is checked too.
#![cfg_attr(test, allow(clippy::disallowed_methods, clippy::disallowed_macros))]

pub mod bigquery;
pub mod brevo;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod contract;
pub mod customerio;
#[cfg(feature = "duckdb")]
pub mod duckdb;
pub mod files;
pub mod http;
pub mod hubspot;
pub mod json_api;
pub mod mysql;
pub mod nearest;
pub mod postgres;
pub mod registry;
pub mod rehearsal;
pub mod salesforce;
pub mod sandbox;
pub mod settings;
pub mod snowflake;
pub mod sql;
pub mod sqlite;
/// The smallest whole destination, of no vendor: `cargo xtask new-connector` copies it.
#[cfg(test)]
mod template;
