//! Settings of a connection of type `sqlite`.

use std::path::PathBuf;

use serde_json::Value as Json;

use crate::contract::{ConnectorError, Kind};
use crate::registry::Settings;

/// Where the database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Config {
    /// The connection's name, for messages.
    pub connection: String,
    pub path: PathBuf,
}

impl Config {
    /// # Errors
    /// [`Kind::Config`] where `path` is missing, empty or not a text.
    pub(super) fn from_settings(settings: &Settings) -> Result<Self, ConnectorError> {
        let connection = settings.connection.clone();
        match settings.values.get("path") {
            Some(Json::String(path)) if !path.is_empty() => Ok(Config { connection, path: path.into() }),
            other => {
                let found = if other.is_some() { "is not a file name" } else { "is missing" };
                let message = format!("`path` of connection `{connection}` {found}");
                Err(ConnectorError::new(Kind::Config, message).hint("write `path: warehouse.sqlite`, say"))
            }
        }
    }
}
