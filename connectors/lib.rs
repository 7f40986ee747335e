//! The lower layer of outflow: contracts, and the systems it speaks to. It knows rows, changes and receipts, and
//! nothing of mappings, plans or the ledger.

#![deny(missing_docs)]
// The bans of `clippy.toml` hold for what is shipped; the build without tests is checked too.
#![cfg_attr(test, allow(clippy::disallowed_methods, clippy::disallowed_macros))]

pub mod bigquery;
pub mod braze;
pub mod brevo;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod contract;
pub mod creation;
pub mod customerio;
pub mod delimited;
#[cfg(feature = "duckdb")]
pub mod duckdb;
pub mod files;
pub mod google;
pub mod http;
pub mod hubspot;
pub mod json_api;
pub mod klaviyo;
pub mod mailchimp;
pub mod marketo;
pub mod mysql;
pub mod nearest;
pub mod options;
pub mod postgres;
pub mod reading;
pub mod registry;
pub mod rehearsal;
pub mod salesforce;
pub mod sandbox;
pub mod scan;
pub mod sendgrid;
pub mod settings;
pub mod snowflake;
pub mod split;
pub mod sql;
pub mod sqlite;
/// The smallest whole destination, of no vendor: `cargo xtask new-connector` copies it.
#[cfg(test)]
mod template;
#[cfg(test)]
mod testing;
