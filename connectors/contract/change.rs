//! What the engine asks of a destination.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::{ConnectorError, Kind, Value, ValueRef};

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
    /// Put the object that has this destination key on the target's list. Never creates the object; what is on the list
    /// counts as put there.
    Join,
    /// Take the object off the target's list, by remote id if there is one, else by destination key. What is not on the
    /// list, or absent, counts as taken off.
    Leave,
}

impl Verb {
    /// Every verb.
    pub const ALL: [Verb; 6] =
        [Verb::Create, Verb::Upsert, Verb::Update, Verb::Delete, Verb::Join, Verb::Leave];

    /// Whether doing it twice ends as doing it once.
    pub fn is_repeatable(self) -> bool {
        self != Verb::Create
    }

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Verb::Create => "create",
            Verb::Upsert => "upsert",
            Verb::Update => "update",
            Verb::Delete => "delete",
            Verb::Join => "join",
            Verb::Leave => "leave",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The verb of a batch, learnt while its changes are looked at: a batch has one.
#[derive(Debug, Clone, Copy, Default)]
pub struct OneVerb(Option<Verb>);

impl OneVerb {
    /// # Errors
    /// [`Kind::Internal`] where an earlier change has another verb.
    pub fn see(&mut self, verb: Verb) -> Result<(), ConnectorError> {
        match self.0.get_or_insert(verb) {
            seen if *seen == verb => Ok(()),
            seen => Err(ConnectorError::new(
                Kind::Internal,
                format!("a batch must hold changes of one verb, not `{seen}` and `{verb}`"),
            )),
        }
    }

    /// # Errors
    /// [`Kind::Internal`] where no change was seen.
    pub fn get(self) -> Result<Verb, ConnectorError> {
        self.0.ok_or_else(|| ConnectorError::new(Kind::Internal, "a batch must hold a change"))
    }

    /// Whether members join, and do not leave, what a message calls `list`.
    ///
    /// # Errors
    /// [`Kind::Internal`] where no change was seen, or one of a verb that is not about members.
    pub fn joins(self, list: &str) -> Result<bool, ConnectorError> {
        match self.get()? {
            Verb::Join => Ok(true),
            Verb::Leave => Ok(false),
            _ => Err(ConnectorError::new(Kind::Internal, format!("{list} takes members only"))),
        }
    }
}

/// A destination field and what it shall hold.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldValue {
    /// The destination's name of the field.
    pub name: Arc<str>,
    /// What it shall hold.
    pub value: Value,
}

/// One record's change, ready to be encoded.
///
/// ```
/// use outflow_connectors::contract::{BatchSource, Change, FieldValue, Value, Verb};
///
/// let batch = vec![Change {
///     verb: Verb::Upsert,
///     destination_key: vec![FieldValue { name: "email".into(), value: Value::Text("ann@x.io".into()) }],
///     remote_id: None,
///     fields: vec![
///         FieldValue { name: "email".into(), value: Value::Text("ann@x.io".into()) },
///         FieldValue { name: "visits".into(), value: Value::Integer(7) },
///         FieldValue { name: "left_on".into(), value: Value::Null },
///     ],
/// }];
///
/// // A connector reads changes one after another, borrowed, as often as it needs to.
/// let mut lines = Vec::new();
/// batch
///     .each(&mut |change| {
///         lines.extend(change.fields.iter().map(|field| format!("{}={}", field.name, field.value)));
///         Ok(())
///     })
///     .unwrap();
/// assert_eq!(lines, ["email=ann@x.io", "visits=7", "left_on=null"]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// What is to be done.
    pub verb: Verb,
    /// The `match_on` fields with their values, normalised by [`Destination::normaliser`](super::Destination::normaliser).
    pub destination_key: Vec<FieldValue>,
    /// The object's id in the destination, where an earlier receipt gave it.
    pub remote_id: Option<String>,
    /// All fields to set, the match key's among them; an update by remote id may hold only those that changed, and so may one
    /// of a destination with [`changed_fields`](super::Capabilities::changed_fields). Empty for a delete and while settling.
    pub fields: Vec<FieldValue>,
}

/// A [`FieldValue`], borrowed.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldRef<'a> {
    /// The destination's name of the field.
    pub name: &'a str,
    /// What it shall hold.
    pub value: ValueRef<'a>,
}

/// A [`Change`], borrowed: what a connector encodes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChangeRef<'a> {
    /// What is to be done.
    pub verb: Verb,
    /// See [`Change::destination_key`].
    pub destination_key: &'a [FieldRef<'a>],
    /// See [`Change::remote_id`].
    pub remote_id: Option<&'a str>,
    /// See [`Change::fields`].
    pub fields: &'a [FieldRef<'a>],
}

/// Looks at one change after another; an error ends the walk.
pub type Look<'a> = &'a mut dyn FnMut(ChangeRef<'_>) -> Result<(), ConnectorError>;

/// The changes of one batch, readable as often as needed (a retry, an upload in parts), without a copy of each in
/// memory.
pub trait BatchSource: Send + Sync {
    /// Number of changes; never zero.
    fn len(&self) -> usize;

    /// Always false.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Shows the changes to `look`, from the first, always in the same order.
    ///
    /// # Errors
    /// Those of `look`, and [`Kind::Internal`] when the changes cannot be read.
    fn each(&self, look: Look<'_>) -> Result<(), ConnectorError> {
        self.each_in(0..self.len(), look)
    }

    /// Shows the changes at these places of that order: a piece of a body that is made while it is sent.
    ///
    /// # Errors
    /// As [`Self::each`], and [`Kind::Internal`] for places beyond the last.
    fn each_in(&self, places: Range<usize>, look: Look<'_>) -> Result<(), ConnectorError>;
}

impl BatchSource for Vec<Change> {
    fn len(&self) -> usize {
        Vec::len(self)
    }

    fn each_in(&self, places: Range<usize>, look: Look<'_>) -> Result<(), ConnectorError> {
        let changes = self.get(places).ok_or_else(beyond)?;
        changes.iter().try_for_each(|change| change.borrowed(&mut *look))
    }
}

/// A batch was asked for changes that it does not have.
pub fn beyond() -> ConnectorError {
    ConnectorError::new(Kind::Internal, "a batch has no changes at these places")
}

impl FieldValue {
    /// The same field, borrowed.
    pub fn borrowed(&self) -> FieldRef<'_> {
        FieldRef { name: &self.name, value: self.value.borrowed() }
    }
}

impl Change {
    /// Shows the change to `look`.
    ///
    /// # Errors
    /// Those of `look`.
    pub fn borrowed<T>(&self, look: impl FnOnce(ChangeRef<'_>) -> T) -> T {
        look(ChangeRef {
            verb: self.verb,
            destination_key: &refs(&self.destination_key),
            remote_id: self.remote_id.as_deref(),
            fields: &refs(&self.fields),
        })
    }
}

fn refs(fields: &[FieldValue]) -> Vec<FieldRef<'_>> {
    fields.iter().map(FieldValue::borrowed).collect()
}
