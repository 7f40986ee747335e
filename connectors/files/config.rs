//! Settings of a connection of type `files`.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value as Json;

use super::sftp::Remote;
use super::store::{self, KIND, Store};
use crate::contract::{ConnectorError, Kind};
use crate::registry::Settings;

/// Where the files are.
#[derive(Debug, Clone)]
pub(super) enum Root {
    /// A folder of this machine, absolute.
    Folder(PathBuf),
    Store(Arc<Store>),
    /// A folder of another machine; a destination only.
    Sftp(Arc<Remote>),
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Root::Folder(folder) => folder.display().fmt(f),
            Root::Store(store) => f.write_str(store.url()),
            Root::Sftp(remote) => f.write_str(&remote.account()),
        }
    }
}

impl Root {
    /// Of a connection; asks nobody.
    ///
    /// # Errors
    /// [`Kind::Config`] where `url` is missing, or a setting cannot be meant.
    pub(super) fn of(settings: &Settings) -> Result<Self, ConnectorError> {
        match place(settings)? {
            Place::Folder(folder) => Ok(Root::Folder(folder)),
            Place::Store(scheme, rest) => {
                Store::open(settings, (scheme, rest)).map(|store| Root::Store(Arc::new(store)))
            }
            Place::Sftp(rest) => Remote::open(settings, rest).map(|remote| Root::Sftp(Arc::new(remote))),
        }
    }

    /// The same, where it can be read.
    ///
    /// # Errors
    /// [`Kind::Config`] for a folder of another machine.
    pub(super) fn read(self) -> Result<Self, ConnectorError> {
        match &self {
            Root::Folder(_) | Root::Store(_) => Ok(self),
            Root::Sftp(remote) => {
                let message =
                    format!("`{}` can only be written: files are not read by SFTP", remote.account());
                Err(ConnectorError::new(Kind::Config, message)
                    .hint("fetch the files into a local folder first, and name that folder in `url`"))
            }
        }
    }
}

enum Place<'a> {
    Folder(PathBuf),
    /// The scheme, and what comes after it.
    Store(&'a str, &'a str),
    /// What comes after the scheme.
    Sftp(&'a str),
}

fn place(settings: &Settings) -> Result<Place<'_>, ConnectorError> {
    let url = match settings.values.get("url") {
        Some(Json::String(url)) if !url.trim().is_empty() => url,
        Some(_) => return Err(wrong(settings, "is not a folder's name", HINT)),
        None => return Err(wrong(settings, "is missing", HINT)),
    };
    let (scheme, place) = match url.split_once("://") {
        None => ("", Place::Folder(url.into())),
        Some(("file", path)) if path.starts_with('/') => ("", Place::Folder(path.into())),
        Some((scheme @ ("s3" | "gs" | "az"), rest)) => (scheme, Place::Store(scheme, rest)),
        Some((scheme @ "sftp", rest)) => (scheme, Place::Sftp(rest)),
        Some((scheme, _)) => {
            return Err(wrong(settings, &format!("begins with the unknown `{scheme}://`"), HINT));
        }
    };
    match store::foreign(settings, scheme) {
        None => Ok(place),
        Some(name) => {
            let problem = match scheme {
                "" => format!("`{name}` belongs to a store or a server, and `url` is a folder"),
                "sftp" => format!("`{name}` is no setting of a server at `sftp://`"),
                _ => format!("`{name}` is no setting of a store at `{scheme}://`"),
            };
            Err(settings.refuse(
                KIND,
                &problem,
                "take the setting out; docs/guides/files.md says which store takes which",
            ))
        }
    }
}

fn wrong(settings: &Settings, problem: &str, hint: &str) -> ConnectorError {
    let message = format!("`url` of connection `{}` {problem}", settings.connection);
    ConnectorError::new(Kind::Config, message).hint(hint)
}

const HINT: &str = "write a folder, as in `url: ./exports`, a store, as in `url: s3://bucket/prefix`, or a server, as in \
    `url: sftp://user@host/folder`";
