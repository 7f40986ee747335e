//! Files of a local folder: Parquet, CSV and JSON Lines are read, JSON Lines are written.
//!
//! A file is read in its order by a thread that hands batches over; what is wrong with one cell stays with that cell, and
//! what is wrong with the file's form ends the extract.

mod config;
mod content;
mod csv;
mod destination;
#[cfg(feature = "bench")]
mod discard;
mod encode;
mod errors;
mod jsonl;
mod locate;
mod parquet;
mod part;
mod source;

#[cfg(test)]
mod tests;

use std::sync::Arc;

#[cfg(feature = "bench")]
pub use discard::DISCARD;

use crate::contract::{ConnectorError, Destination, Source};
use crate::registry::{Connector, Setting, Settings};

/// The registry's entry.
pub const CONNECTOR: Connector = Connector {
    name: "files",
    title: "Files",
    summary: "Reads Parquet, CSV and JSON Lines files of a local folder, and writes changes to one as JSON Lines.",
    settings: &[Setting {
        name: "url",
        required: true,
        secret: false,
        help: "The folder; a relative path is relative to the project.",
    }],
    source: Some(open_source),
    reads_files: true,
    destination: Some(open_destination),
    capabilities: Some(destination::capabilities),
    objects: &["a file name"],
    errors: errors::CODES,
    ..Connector::BLANK
};

fn open_source(settings: &Settings) -> Result<Arc<dyn Source>, ConnectorError> {
    Ok(Arc::new(source::FilesSource::new(config::Config::from_settings(settings)?)))
}

fn open_destination(settings: &Settings) -> Result<Arc<dyn Destination>, ConnectorError> {
    Ok(Arc::new(destination::FilesDestination::new(config::Config::from_settings(settings)?)))
}
