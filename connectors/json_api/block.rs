//! A block of keys and values from a project's files, read strictly: each mistake names its place.

use serde_json::{Map, Value as Json};

use crate::contract::{ConnectorError, Kind};
use crate::nearest::did_you_mean;

type Result<T> = std::result::Result<T, ConnectorError>;

/// A block and where it stands, such as `destination.request`.
#[derive(Debug, Clone)]
pub(super) struct Block<'a> {
    path: String,
    entries: &'a Map<String, Json>,
}

/// A mistake at a place of the project's files.
pub(super) fn wrong(path: &str, what: impl AsRef<str>) -> ConnectorError {
    ConnectorError::new(Kind::Config, format!("`{path}` {}", what.as_ref())).with("option", path)
}

impl<'a> Block<'a> {
    /// The block at this path, which takes these keys and no others.
    ///
    /// # Errors
    /// [`Kind::Config`] for what is no block, and for an unknown key.
    pub(super) fn read(value: &'a Json, path: impl Into<String>, keys: &[&str]) -> Result<Self> {
        let path = path.into();
        match value {
            Json::Object(entries) => Self::of(entries, path, keys),
            _ => Err(wrong(&path, format!("must be a block of keys: {}", list(keys)))),
        }
    }

    /// As [`Self::read`], of what is known to be a block.
    ///
    /// # Errors
    /// [`Kind::Config`] for an unknown key.
    pub(super) fn of(entries: &'a Map<String, Json>, path: impl Into<String>, keys: &[&str]) -> Result<Self> {
        let block = Block { path: path.into(), entries };
        match entries.keys().find(|key| !keys.contains(&key.as_str())) {
            Some(key) => {
                let error = wrong(&block.place(key), "is not known");
                let hint = did_you_mean(key, keys.iter().copied());
                Err(error.hint(hint.unwrap_or_else(|| format!("known here: {}", list(keys)))))
            }
            None => Ok(block),
        }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn place(&self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a Json> {
        self.entries.get(key)
    }

    /// # Errors
    /// [`Kind::Config`] where it is no text, or an empty one.
    pub(super) fn text(&self, key: &str) -> Result<Option<&'a str>> {
        match self.entries.get(key) {
            None => Ok(None),
            Some(Json::String(text)) if !text.trim().is_empty() => Ok(Some(text)),
            Some(_) => Err(wrong(&self.place(key), "must be a text, and not an empty one")),
        }
    }

    /// # Errors
    /// [`Kind::Config`] where it is missing or no text.
    pub(super) fn needed(&self, key: &str) -> Result<&'a str> {
        self.text(key)?.ok_or_else(|| wrong(&self.place(key), "is missing"))
    }

    /// # Errors
    /// [`Kind::Config`] for anything but `true` and `false`.
    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>> {
        match self.entries.get(key) {
            None => Ok(None),
            Some(Json::Bool(flag)) => Ok(Some(*flag)),
            Some(_) => Err(wrong(&self.place(key), "must be `true` or `false`")),
        }
    }

    /// One item, or a list of items, each with its path.
    pub(super) fn items(&self, key: &str) -> Vec<(String, &'a Json)> {
        match self.entries.get(key) {
            None => Vec::new(),
            Some(Json::Array(items)) => items
                .iter()
                .enumerate()
                .map(|(at, item)| (format!("{}[{at}]", self.place(key)), item))
                .collect(),
            Some(item) => vec![(self.place(key), item)],
        }
    }

    /// The entries of the block under a key, as texts.
    ///
    /// # Errors
    /// [`Kind::Config`] for a value that is no text.
    pub(super) fn texts(&self, key: &str) -> Result<Vec<(&'a str, &'a str)>> {
        let Some(value) = self.entries.get(key) else { return Ok(Vec::new()) };
        let Json::Object(entries) = value else {
            return Err(wrong(&self.place(key), "must be a block of names and texts"));
        };
        let text = |(name, value): (&'a String, &'a Json)| match value {
            Json::String(text) => Ok((name.as_str(), text.as_str())),
            _ => Err(wrong(&format!("{}.{name}", self.place(key)), "must be a text")),
        };
        entries.iter().map(text).collect()
    }
}

pub(super) fn list(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}
