//! A system records are delivered to.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::permission::Always;
use super::{
    Association, BatchSource, Calls, Capabilities, Catalog, ConnectorError, FieldType, Kind, Load,
    Permission, Property, Receipt, Value,
};

/// The object of a destination that a sync writes, with the options of the mapping's `destination` block.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Target {
    /// `contacts`, `companies`, a type id, a file name pattern.
    pub object: String,
    /// Names of the destination fields in `match_on`, in order.
    pub match_on: Vec<String>,
    /// All fields of the mapping, so that a session can ask for just these; without those of `associations`.
    pub fields: Vec<String>,
    /// The types that the mapping itself names for these fields. The values of another are of the catalogue's type, or texts.
    pub types: BTreeMap<String, Typed>,
    /// Fields that the object lacks: a session creates them before its first write.
    pub missing: Vec<Property>,
    /// Links to other objects that a change carries as fields.
    pub associations: Vec<Association>,
    /// The connector's own keys of the `destination` block (`list`, `api`, ...).
    pub options: serde_json::Map<String, serde_json::Value>,
}

/// What a mapping says of the values of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Typed {
    /// The type of them all, nulls aside.
    pub kind: FieldType,
    /// Digits after the point to which its numbers are rounded, at most 30; `None` leaves them as they are.
    pub scale: Option<u32>,
}

impl Default for Typed {
    /// A text, as a field is of which nothing is said.
    fn default() -> Self {
        Typed { kind: FieldType::String, scale: None }
    }
}

impl Target {
    /// Checks that a list, which takes members by their match key and no fields, is sent no others.
    ///
    /// # Errors
    /// [`Kind::Config`] for the first field that would not be sent.
    pub fn members_only(&self) -> Result<(), ConnectorError> {
        let Some(field) = self.fields.iter().find(|field| !self.match_on.contains(field)) else {
            return Ok(());
        };
        let message = format!("a list takes members only, so `{field}` would not be sent");
        let hint = "deliver the fields of the objects by a sync of their own, and take them out of this one";
        Err(ConnectorError::new(Kind::Config, message).hint(hint))
    }
}

/// The account as the API names it (`hubspot:62515`), or the host, or `sandbox`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AccountId(pub String);

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who owns the limits: one limiter serves all syncs of one owner.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct QuotaOwner(pub String);

/// A span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Its first moment.
    pub from: Timestamp,
    /// Its last.
    pub to: Timestamp,
}

/// What a session is opened with.
#[derive(Debug, Clone)]
pub struct RunContext {
    /// The run's own name, unique among all runs of a state folder (`20260727T064501Z-1a2b3c`).
    pub run_id: String,
    /// The sync's name.
    pub sync: String,
    /// When earlier runs wrote that left batches without an answer and without a handle: a job that they made then may be
    /// there, unknown to anybody.
    pub unsettled: Option<Window>,
    /// Asked just before each write of the session.
    pub permission: Arc<dyn Permission>,
}

impl RunContext {
    /// Of a run that nothing can overtake.
    pub fn alone(run_id: impl Into<String>, sync: impl Into<String>) -> Self {
        RunContext { run_id: run_id.into(), sync: sync.into(), unsettled: None, permission: Arc::new(Always) }
    }
}

/// A job on the other side (a bulk job's id, an upload's URL), in the connector's own words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteHandle(pub String);

/// Makes a handle durable before data is sent under it.
#[async_trait]
pub trait Handles: Send + Sync {
    /// Returns once the handle is on disk: after a crash from here on, `settle` is called with it.
    ///
    /// # Errors
    /// When it could not be stored; nothing may be sent then.
    async fn store(&self, handle: &RemoteHandle) -> Result<(), ConnectorError>;
}

/// What `submit` came to.
#[derive(Debug)]
pub enum Submitted {
    /// Everything is known of the batch.
    Done(Receipt),
    /// As much is known of the batch as can be: something of it had an effect, and then this failure came, for which nothing
    /// else may leave. What was not sent is deferred, what a job still works on is unknown.
    Stopped(Receipt, ConnectorError),
    /// The other side works on it; `settle` fetches the results.
    Pending(RemoteHandle),
}

/// What a strongly consistent look-up by destination key found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// Exactly one object has this key.
    Found {
        /// Its id in the destination.
        remote_id: String,
    },
    /// No object has this key.
    Absent,
    /// This API cannot tell.
    Unclear,
}

/// What the account and its API say of a target, read before planning.
pub struct Connected {
    /// Whose account it is.
    pub account: AccountId,
    /// The object's fields.
    pub catalog: Arc<Catalog>,
}

/// Puts one value of a match field into the form in which the destination compares it; pure.
pub type Normaliser = fn(Value) -> Value;

/// A text without the space around it, in small letters: how destinations compare e-mail addresses.
pub fn fold(text: &str) -> String {
    text.trim().to_lowercase()
}

/// [`fold`] of a text, as a [`Normaliser`]; other values as they are.
pub fn folded(value: Value) -> Value {
    match value {
        Value::Text(text) => Value::Text(fold(&text)),
        other => other,
    }
}

/// A system records are delivered to. Its methods before `open` only read.
#[async_trait]
pub trait Destination: Send + Sync {
    /// What this target can do; known without a request.
    ///
    /// # Errors
    /// [`Kind::Config`] for an object or option the connector doesn't know.
    fn capabilities(&self, target: &Target) -> Result<Capabilities, ConnectorError>;

    /// Who owns the limits of this connection; known without a request, and equal for equal credentials.
    fn quota(&self) -> QuotaOwner;

    /// Requests a day that the user allows this owner; `None` where that is not limited, or not known yet.
    fn daily_budget(&self) -> Option<u64> {
        None
    }

    /// The write requests that such a batch takes, for forecasts; `None` where it is one, or in bulk as many as
    /// [`Bulk`](super::Bulk) says. Known without a request.
    fn calls(&self, _target: &Target, _load: Load) -> Option<Vec<Calls>> {
        None
    }

    /// Brings a match field's values into the form in which the destination compares them, such as an e-mail trimmed
    /// and lower-cased; `None` where it compares them as they are.
    fn normaliser(&self, _target: &Target, _field: &str) -> Option<Normaliser> {
        None
    }

    /// Whether a session can create this field of an object, by [`Target::missing`].
    ///
    /// # Errors
    /// The end of a sentence about the field that says why not.
    fn creates(&self, _field: &Property) -> Result<(), String> {
        Err("cannot be created in this destination".to_owned())
    }

    /// Logs in and asks whose account this is.
    async fn account(&self) -> Result<AccountId, ConnectorError>;

    /// Whether no other account can have this name; not where a host stands for an account that the API does not name.
    fn names_one(&self, _account: &AccountId) -> bool {
        true
    }

    /// The object's fields.
    async fn catalog(&self, target: &Target) -> Result<Catalog, ConnectorError>;

    /// What sending so many changes in so many batches of the way for large deliveries takes of what the account allows for
    /// that, in a sentence for a preview; `None` where nothing but requests counts.
    async fn allowance(&self, _batches: u64, _changes: u64) -> Result<Option<String>, ConnectorError> {
        Ok(None)
    }

    /// What stands under these destination keys, by a strongly consistent read; one answer per key.
    /// Used for creates that a crash left unknown.
    async fn look_up(
        &self,
        target: &Target,
        keys: &[Vec<super::FieldValue>],
    ) -> Result<Vec<Lookup>, ConnectorError> {
        let _ = target;
        Ok(vec![Lookup::Unclear; keys.len()])
    }

    /// A session for one run; the only thing that writes.
    async fn open(&self, target: &Target, context: RunContext) -> Result<Box<dyn Session>, ConnectorError>;

    /// Requests made so far.
    fn traffic(&self) -> Traffic;
}

/// Requests a destination has made in this process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Write requests, retries included.
    pub writes: u64,
    /// Requests that change nothing, retries included.
    pub reads: u64,
    /// Bytes of the write requests' bodies.
    pub bytes: u64,
    /// Requests of either kind that repeated an earlier one.
    pub retries: u64,
}

/// How a run's delivery ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunEnd {
    /// All that there was to send was sent, and answered.
    Complete,
    /// The same, without so many rows that cannot be sent now: they are invalid, were refused, wait for another try, or are parked.
    Without(u64),
    /// It was stopped, or has failed: there is more to send.
    Stopped,
}

/// One run's delivery to one target.
#[async_trait]
pub trait Session: Send + Sync {
    /// Delivers one batch; may be called concurrently up to `in_flight`. No two batches in flight share a destination key.
    ///
    /// A partial answer is a receipt with unknown entries. An error means: nothing had an effect, or, if its kind is
    /// [`Kind::Ambiguous`], nothing is known.
    async fn submit(
        &self,
        batch: &dyn BatchSource,
        handles: &dyn Handles,
    ) -> Result<Submitted, ConnectorError>;

    /// Fetches the results of a job, waiting for its end. `batch` is the whole batch as it was submitted, also where some
    /// of its changes have been settled since; after a crash it holds verbs, destination keys and remote ids, but no
    /// fields. A job that never got its data is ended, and its changes are deferred.
    ///
    /// A session that stores no handles has no jobs, and leaves this as it is.
    async fn settle(
        &self,
        handle: &RemoteHandle,
        _batch: &dyn BatchSource,
    ) -> Result<Receipt, ConnectorError> {
        let message = format!("batches are answered at once here; there is no job `{}`", handle.0);
        Err(ConnectorError::new(Kind::Internal, message))
    }

    /// Renames, manifests, done-markers, after the last batch.
    async fn finish(&self, _end: RunEnd) -> Result<(), ConnectorError> {
        Ok(())
    }
}
