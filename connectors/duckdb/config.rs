//! Settings of a connection of type `duckdb`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value as Json;

use crate::contract::{ConnectorError, Kind};
use crate::registry::Settings;

/// The path of a database without a file.
const MEMORY: &str = ":memory:";

/// Where the databases are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Config {
    /// The connection's name, for messages.
    pub connection: String,
    /// `None` is a database without a file.
    pub path: Option<PathBuf>,
    /// Files by the names that they are attached under.
    pub attach: BTreeMap<String, PathBuf>,
    /// The folder that extensions load from.
    pub extensions: Option<PathBuf>,
}

impl Config {
    /// # Errors
    /// [`Kind::Config`] where `path` is missing, or a setting is not of its form.
    pub(super) fn from_settings(settings: &Settings) -> Result<Self, ConnectorError> {
        let connection = settings.connection.clone();
        let wrong = |key: &str, found: &str, hint: &str| {
            let message = format!("`{key}` of connection `{connection}` {found}");
            ConnectorError::new(Kind::Config, message).hint(hint)
        };
        let path = match settings.values.get("path") {
            Some(Json::String(path)) if path == MEMORY => None,
            Some(Json::String(path)) if !path.is_empty() => Some(path.into()),
            None => return Err(wrong("path", "is missing", "write `path: warehouse.duckdb`, say")),
            Some(_) => {
                return Err(wrong("path", "is not a file name", "write `path: warehouse.duckdb`, say"));
            }
        };
        let extensions = match settings.values.get("extensions") {
            None => None,
            Some(Json::String(folder)) if !folder.is_empty() => Some(folder.into()),
            Some(_) => return Err(wrong("extensions", "is not a folder's name", "name the folder")),
        };
        let mut attach = BTreeMap::new();
        match settings.values.get("attach") {
            None => {}
            Some(Json::Object(files)) => {
                for (name, file) in files {
                    let path = file.as_str().filter(|path| !path.is_empty()).ok_or_else(|| {
                        wrong(&format!("attach.{name}"), "is not a file name", "write `NAME: other.duckdb`")
                    })?;
                    attach.insert(name.clone(), path.into());
                }
            }
            Some(_) => {
                return Err(wrong(
                    "attach",
                    "is not a block of names and files",
                    "write `NAME: other.duckdb`",
                ));
            }
        }
        Ok(Config { connection, path, attach, extensions })
    }

    /// A message about this connection.
    pub(super) fn about(&self, words: &str) -> String {
        format!("connection `{}`: {words}", self.connection)
    }
}
