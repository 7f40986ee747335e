//! Settings of a connection of type `files`.

use std::path::PathBuf;

use serde_json::Value as Json;

use crate::contract::{ConnectorError, Kind};
use crate::registry::Settings;

/// Where the files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Config {
    /// The folder, absolute.
    pub folder: PathBuf,
}

impl Config {
    /// # Errors
    /// [`Kind::Config`] where `url` is missing, or names a store that cannot be reached yet.
    pub(super) fn from_settings(settings: &Settings) -> Result<Self, ConnectorError> {
        let connection = &settings.connection;
        let wrong = |problem: String, hint: &str| {
            let message = format!("`url` of connection `{connection}` {problem}");
            Err(ConnectorError::new(Kind::Config, message).hint(hint))
        };
        let url = match settings.values.get("url") {
            Some(Json::String(url)) if !url.trim().is_empty() => url,
            Some(_) => return wrong("is not a folder's name".into(), HINT),
            None => return wrong("is missing".into(), HINT),
        };
        match url.split_once("://") {
            None => Ok(Config { folder: url.into() }),
            Some(("file", path)) if path.starts_with('/') => Ok(Config { folder: path.into() }),
            Some((scheme @ ("s3" | "gs" | "az" | "sftp"), _)) => {
                let hint = "use a local folder, and copy the files with the store's own tool until then";
                wrong(format!("begins with `{scheme}://`, which is not supported yet"), hint)
            }
            Some((scheme, _)) => wrong(format!("begins with the unknown `{scheme}://`"), HINT),
        }
    }
}

const HINT: &str = "write a folder, as in `url: ./exports`";
