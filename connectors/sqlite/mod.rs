//! SQLite as a warehouse: a file, opened read-only and streamed from one read transaction.
//!
//! Columns have no fixed type there: the declared type is a hint, each value's own storage class decides.

mod config;
mod connection;
mod errors;
mod query;
mod source;
mod value;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::contract::{ConnectorError, Source};
use crate::registry::{Connector, Setting, Settings};

/// The registry's entry.
pub const CONNECTOR: Connector = Connector {
    name: "sqlite",
    title: "SQLite",
    summary: "Rows of a query on an SQLite file, which is opened read-only.",
    settings: &[Setting {
        name: "path",
        required: true,
        secret: false,
        help: "The database file; a relative path is relative to the project.",
    }],
    source: Some(open),
    ..Connector::BLANK
};

fn open(settings: &Settings) -> Result<Arc<dyn Source>, ConnectorError> {
    Ok(Arc::new(source::SqliteSource::new(config::Config::from_settings(settings)?)))
}
