//! What the engine asks of a destination.

use std::fmt;
use std::sync::Arc;

use super::{ConnectorError, Value};

/// What to do with one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// Make a new object; a repeat makes a second one, unless the destination's own key forbids it.
    Create,
    /// Create or update the object with this destination key.
    Upsert,
    /// Change an object that exists, by remote id if there is one, else by destination key. Never creates.
    Update,
    /// Remove the object, by remote id if there is one, else by destination key. What is absent counts as removed.
    Delete,
}

impl Verb {
    /// Whether doing it twice ends as doing it once.
    pub fn is_repeatable(self) -> bool {
        self != Verb::Create
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verb::Create => "create",
            Verb::Upsert => "upsert",
            Verb::Update => "update",
            Verb::Delete => "delete",
        })
    }
}

/// A destination field and what it shall hold.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldValue {
    pub name: Arc<str>,
    pub value: Value,
}

/// One record's change, ready to be encoded.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    pub verb: Verb,
    /// The `match_on` fields with their values, normalised by [`Destination::normaliser`](super::Destination::normaliser).
    pub destination_key: Vec<FieldValue>,
    /// The object's id in the destination, where an earlier receipt gave it.
    pub remote_id: Option<String>,
    /// All fields to set, the match key's among them; empty for a delete and while settling.
    pub fields: Vec<FieldValue>,
}

/// The changes of one batch, readable as often as needed (a retry, an upload in parts), without a copy in memory.
pub trait BatchSource: Send + Sync {
    /// Number of changes; never zero.
    fn len(&self) -> usize;

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The changes in their fixed order, from the first.
    fn changes(&self) -> Box<dyn Iterator<Item = Result<Change, ConnectorError>> + Send + '_>;
}

impl BatchSource for Vec<Change> {
    fn len(&self) -> usize {
        Vec::len(self)
    }

    fn changes(&self) -> Box<dyn Iterator<Item = Result<Change, ConnectorError>> + Send + '_> {
        Box::new(self.iter().cloned().map(Ok))
    }
}
