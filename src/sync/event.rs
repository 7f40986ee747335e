//! What a run says while it goes on, and what it came to. Printing, persisting and alerting are observers.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use outflow_connectors::contract::Property;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value as Json};

use crate::error::Error;

/// How one sync's run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Ok,
    /// Finished, but some rows were invalid, rejected or deferred.
    Partial,
    Failed,
    /// By a guard, a data test, a policy or the ledger's identity; nothing was sent.
    Held,
    /// Another run holds this sync.
    Locked,
    Quota,
    Interrupted,
    /// Its upstream did not end `ok` or `partial`.
    Skipped,
}

/// Rows and requests of one run; `added + changed + unchanged + invalid == rows_read` and
/// `sent == delivered + rejected + deferred` always hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    pub rows_read: u64,
    pub added: u64,
    pub changed: u64,
    pub removed: u64,
    pub unchanged: u64,
    pub invalid: u64,
    /// Rows dropped by `on_duplicate_key: first | last`; outside `rows_read`.
    pub duplicates: u64,
    pub sent: u64,
    pub delivered: u64,
    pub rejected: u64,
    pub deferred: u64,
    /// Part of `deferred`.
    pub unknown: u64,
    /// Left for another run: a quota, an interrupt, or a refused row whose turn hasn't come.
    pub pending: u64,
    pub parked: u64,
    pub requests: u64,
    pub reads: u64,
    pub bytes_sent: u64,
    pub retries: u64,
}

/// One run of one sync, or its preview.
#[derive(Debug, Clone)]
pub struct SyncReport {
    pub sync: String,
    /// `None` for a preview and where no run began.
    pub run_id: Option<String>,
    pub status: Status,
    pub counts: Counts,
    pub started_at: Timestamp,
    pub duration_ms: u64,
    pub error: Option<Error>,
    /// The run spoke to the built-in sandbox.
    pub sandbox: bool,
    /// `warehouse: customers → hubspot: contacts   upsert on email`
    pub route: Route,
    /// Set for a preview.
    pub preview: Option<Preview>,
    /// Shown to people, in order: unstable fields, released guards, rows gone.
    pub notes: Vec<String>,
    /// Rows found invalid, the first few, for text output.
    pub faults: Vec<FaultSample>,
}

/// From where to where, in the user's words.
#[derive(Debug, Clone, Default)]
pub struct Route {
    pub source: String,
    pub model: String,
    pub destination: String,
    pub object: String,
    pub mode: String,
    pub match_on: Vec<String>,
}

/// What `diff` adds.
#[derive(Debug, Clone, Default)]
pub struct Preview {
    pub sample: Vec<SampleChange>,
    pub forecast: Forecast,
    /// A guard, test or policy that would hold the run, or rows for which it would fail: its kind says which.
    pub would_hold: Option<Error>,
    /// Digits after the point of the fields that have a `scale`, by name.
    pub scales: BTreeMap<String, u32>,
    /// Fields of the object that the run would create first.
    pub creates: Vec<Property>,
    pub in_bulk: InBulk,
    /// Of a sync that is given a time.
    pub verdict: Option<Verdict>,
}

/// Whether a plan can be delivered within the time that its sync is given.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Verdict {
    /// The time that is given.
    pub seconds: f64,
    /// The time that it takes, from the beginning of the run.
    pub takes: f64,
    pub possible: bool,
    pub binds: Binds,
}

/// What sending cannot be faster for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Binds {
    /// The time that each answer takes.
    #[default]
    Answers,
    /// The rate of the destination.
    Requests,
    /// A window of some of the requests, by its name.
    Narrow(&'static str),
    /// The mapping's own rate.
    Own,
    /// The day's requests.
    Quota,
}

impl fmt::Display for Binds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Binds::Answers => f.write_str("the time of each answer"),
            Binds::Requests => f.write_str("the limit of requests"),
            Binds::Narrow(name) => write!(f, "the limit of {name}"),
            Binds::Own => f.write_str("`delivery.rate`"),
            Binds::Quota => f.write_str("the daily quota"),
        }
    }
}

impl Serialize for Binds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Op {
    Add,
    Change,
    Remove,
}

#[derive(Debug, Clone, Serialize)]
pub struct SampleChange {
    pub op: Op,
    /// `{column: value}` of the primary key.
    pub key: Map<String, Json>,
    /// Only the fields that differ; all of them for an add.
    pub fields: Map<String, Json>,
    /// The ledger knows the old values (`keep: values`); else `old` is null and text output leaves it out.
    #[serde(skip)]
    pub old_known: bool,
}

#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Forecast {
    pub requests: u64,
    pub bytes: u64,
    pub seconds: f64,
    /// Of the daily quota; null where none is known.
    pub quota_percent: Option<f64>,
    #[serde(skip)]
    pub binds: Binds,
}

/// Of what is sent in bulk: batches, and the changes in them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InBulk {
    pub batches: u64,
    pub changes: u64,
}

/// An invalid row as text output shows it.
#[derive(Debug, Clone)]
pub struct FaultSample {
    pub key: Map<String, Json>,
    pub field: Option<String>,
    pub message: String,
}

/// What happens, as it happens.
#[derive(Debug, Clone)]
pub enum Event {
    SyncStarted {
        sync: String,
    },
    /// Rows read so far.
    Extracted {
        sync: String,
        rows: u64,
    },
    /// Something else goes first.
    Waiting {
        sync: String,
        what: &'static str,
    },
    /// Delivery starts with this many changes.
    Planned {
        sync: String,
        changes: u64,
    },
    /// What a backfill could not go faster for.
    Bound {
        sync: String,
        by: &'static str,
    },
    /// At its pace so far the delivery ends so much after the time that it is given.
    Behind {
        sync: String,
        late: Duration,
        by: Binds,
    },
    /// Changes settled so far, whatever their outcome.
    Settled {
        sync: String,
        changes: u64,
    },
    SyncFinished(Box<SyncReport>),
}

/// Takes events; must not block for long.
pub trait Observer: Send + Sync {
    fn observe(&self, event: &Event);
}

/// Hears nothing.
pub struct Silent;

impl Observer for Silent {
    fn observe(&self, _event: &Event) {}
}
