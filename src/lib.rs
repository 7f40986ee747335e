//! outflow: reverse ETL. What changed in the warehouse reaches the tools where people work.

// The bans of `clippy.toml` hold for what is shipped; the build without tests is checked too.
#![cfg_attr(test, allow(clippy::disallowed_methods, clippy::disallowed_macros))]

pub mod cli;
pub mod error;
pub mod ledger;
pub mod project;
pub mod report;
pub mod sync;
pub mod transform;
