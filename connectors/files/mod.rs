//! Files of a local folder or an object store: Parquet, CSV and JSON Lines are read, and written, also to a server by SFTP.
//!
//! A file is read in its order by a thread that hands batches over, with the help of others where it is large; what is wrong
//! with one cell stays with that cell, and what is wrong with the file's form ends the extract.

mod config;
mod content;
mod csv;
mod destination;
#[cfg(feature = "bench")]
mod discard;
mod errors;
mod jsonl;
mod locate;
mod opened;
mod parquet;
mod pattern;
mod ranges;
mod sftp;
mod source;
mod store;
mod write;

#[cfg(test)]
mod tests;

use std::sync::Arc;

#[cfg(feature = "bench")]
pub use discard::DISCARD;

use crate::contract::{ConnectorError, Destination, Source};
use crate::registry::{Connector, Settings};

/// The registry's entry.
pub const CONNECTOR: Connector = Connector {
    name: "files",
    title: "Files",
    summary: "Reads Parquet, CSV and JSON Lines files of a folder or an object store, and writes changes there, or to a server by SFTP, as one of them.",
    unconfirmed: "the real S3, Google Cloud Storage and Azure Blob Storage, and their ways of logging in but by a fixed key; tried on \
                  emulators, Google's by the dialect of S3 and for reading only; SFTP servers other than OpenSSH",
    settings: &store::SETTINGS,
    environment: store::ENVIRONMENT,
    source: Some(open_source),
    reads_files: true,
    destination: Some(open_destination),
    capabilities: Some(destination::capabilities),
    objects: &["a file name"],
    options: write::OPTIONS,
    option_schema: Some(write::schema),
    errors: errors::CODES,
    ..Connector::BLANK
};

fn open_source(settings: &Settings) -> Result<Arc<dyn Source>, ConnectorError> {
    Ok(Arc::new(source::FilesSource::new(config::Root::of(settings)?.read()?)))
}

fn open_destination(settings: &Settings) -> Result<Arc<dyn Destination>, ConnectorError> {
    Ok(Arc::new(destination::FilesDestination::new(config::Root::of(settings)?)))
}
