//! A validated project. Whoever holds these values need not check them again.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use outflow_connectors::contract::{Association, ConnectorError, FieldType, Query};
use outflow_connectors::registry::{Connector, Settings};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::models::Models;
use super::window::SendWindow;
use crate::error::Location;

/// `outflow.yml` with everything under `mappings/`, one target applied, variables filled in.
#[derive(Clone)]
pub struct Project {
    /// Folder of `outflow.yml`, absolute.
    pub root: PathBuf,
    pub name: String,
    /// The state folder, absolute; may not exist yet.
    pub state: PathBuf,
    /// Bytes on disk that one run's changes may take while they wait.
    pub spool_max: u64,
    /// Bytes of each list of a run that stay in memory.
    pub spool_memory: usize,
    /// The `--target` in force.
    pub target: Option<String>,
    pub connections: BTreeMap<String, Connection>,
    /// The folder of the dbt project whose manifest is read, there or not.
    pub dbt_folder: PathBuf,
    /// The files under `models/`.
    pub(super) models: Arc<Models>,
    /// Sorted so that a sync comes after those it depends on, else by name.
    pub syncs: Vec<Sync>,
}

/// One entry of `connections`.
#[derive(Clone)]
pub struct Connection {
    pub connector: &'static Connector,
    pub settings: Settings,
    /// The `sandbox:` block, as JSON.
    pub sandbox: Option<Json>,
    pub location: Location,
}

impl Connection {
    /// Whether both lead to one account, as far as the files tell. In the sandbox a system has one account for all tokens.
    pub fn is_same_account(&self, other: &Connection) -> bool {
        let (ours, theirs) = (&self.settings, &other.settings);
        self.connector.name == other.connector.name
            && ours.sandbox == theirs.sandbox
            && (ours.sandbox || (&ours.base_url, &ours.values) == (&theirs.base_url, &theirs.values))
    }
}

/// One file under `mappings/`.
#[derive(Debug, Clone)]
pub struct Sync {
    pub name: String,
    /// Relative to the project's root.
    pub file: PathBuf,
    pub owner: Option<String>,
    pub tags: Vec<String>,
    pub source: SourceSpec,
    pub destination: DestinationSpec,
    pub mode: Mode,
    /// Resolved: `mirror` means `Delete` unless set.
    pub on_delete: OnDelete,
    pub delete_scope: DeleteScope,
    pub on_duplicate_key: OnDuplicateKey,
    pub on_match_change: OnMatchChange,
    pub max_attempts: u32,
    pub keep: Keep,
    /// The listed fields, then those of `match_on` that aren't listed, as string-typed-by-catalogue columns.
    pub fields: Vec<Field>,
    pub tests: Vec<DataTest>,
    pub guards: Guards,
    pub delivery: Delivery,
    pub depends_on: Vec<String>,
    pub sla: Option<Sla>,
    /// Sends only while it is open.
    pub window: Option<SendWindow>,
    /// From the beginning of a run to its last answer.
    pub deliver_within: Option<Duration>,
    /// SQL, and where it stands: rows with its highest values are read, and so sent, first.
    pub priority: Option<(String, Location)>,
}

impl Sync {
    /// Whether it alone decides what its object, or its list, holds.
    pub fn is_mirror(&self) -> bool {
        matches!(self.mode, Mode::Mirror | Mode::Audience)
    }

    /// What of a change is sent: as the mapping says, or else, where each field that is written `costs`, what changed.
    pub fn extent(&self, costs: bool) -> Extent {
        let updates = matches!(self.mode, Mode::Upsert | Mode::Update | Mode::Mirror);
        match self.delivery.send_at {
            None if costs && updates && self.keep >= Keep::Fields => Extent::Changed,
            _ => self.delivery.send,
        }
    }
}

#[derive(Debug, Clone)]
pub struct SourceSpec {
    pub connection: String,
    /// Shown in the preview: the model's name, the table, the file, or `query`.
    pub label: String,
    /// Rendered SQL, or files.
    pub query: Query,
    /// Where the query stands: the model's file, or the mapping's line.
    pub location: Location,
    pub primary_key: Vec<ColumnRef>,
    /// Only rows that moved are read.
    pub cursor: Option<Cursor>,
    /// What of dbt it is, where it is that.
    pub dbt: Option<DbtSource>,
    /// IANA name; times without a zone are in it. `None` is UTC.
    pub timezone: Option<String>,
}

/// A relation that dbt makes or knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DbtSource {
    /// `model.PACKAGE.NAME`.
    pub unique_id: String,
    pub package: String,
    pub name: String,
    /// Of a model that has several, as SQL of dbt writes it: `1`, or `'beta'`.
    pub version: Option<String>,
    /// Of a dbt source: the source's name.
    pub source: Option<String>,
}

/// `source.cursor`.
#[derive(Debug, Clone)]
pub struct Cursor {
    /// Grows with every change of a row.
    pub column: String,
    /// So far before the mark rows are read once more: for those that became visible late.
    pub lag: Lag,
    /// How often all rows are read, which finds those that are gone.
    pub full_every: Duration,
    pub location: Location,
}

/// How far before a cursor's mark reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lag {
    Nothing,
    Time(Duration),
    Number(u64),
}

/// A column named in a mapping, and where.
#[derive(Debug, Clone)]
pub struct ColumnRef {
    pub column: String,
    pub location: Location,
}

#[derive(Debug, Clone)]
pub struct DestinationSpec {
    pub connection: String,
    pub object: String,
    /// Destination field and source column.
    pub match_on: Vec<(String, ColumnRef)>,
    /// The connector's own keys.
    pub options: serde_json::Map<String, Json>,
    /// Where these stand, and all below them, by their paths: `destination.request.body`, `destination.success[0]`.
    pub places: BTreeMap<String, Location>,
    pub location: Location,
}

/// Options that decide which objects are meant, the list first, each with the word before its value.
const WHICH: [(&str, &str); 3] =
    [("list", "on list"), ("list_attribute", "with attribute"), ("alias_label", "of aliases")];

impl DestinationSpec {
    /// Where a mistake stands that a connector found: at the option it names, or its whole path, else at the block.
    pub fn place_of(&self, error: &ConnectorError) -> &Location {
        let named = error.context.iter().find(|(name, _)| *name == "option");
        let named = named.map_or("", |(_, path)| path.as_str());
        let whole = format!("destination.{named}");
        let mut path = if self.places.contains_key(&whole) { whole.as_str() } else { named };
        loop {
            match (self.places.get(path), path.rfind(['.', '['])) {
                (Some(place), _) => return place,
                (None, Some(end)) => path = &path[..end],
                (None, None) => return &self.location,
            }
        }
    }

    /// The object, the list of it where members of one are kept, and what else decides which objects the keys name: under
    /// another one the same keys are those of another destination.
    pub fn of_what(&self) -> String {
        std::iter::once(self.object.clone()).chain(self.which()).collect()
    }

    /// What no two mirrors may both keep, by the connector's one name for it; members of a list are the same in any case.
    pub fn kept(&self, connector: &Connector) -> String {
        let which = self.told(WHICH[0]).unwrap_or_else(|| self.which().collect());
        format!("{}{which}", (connector.object_name)(&self.object))
    }

    fn which(&self) -> impl Iterator<Item = String> {
        WHICH.iter().filter_map(|which| self.told(*which))
    }

    fn told(&self, (option, word): (&str, &str)) -> Option<String> {
        Some(match self.options.get(option)? {
            Json::String(text) => format!(" {word} {text}"),
            value => format!(" {word} {value}"),
        })
    }
}

/// One destination field.
#[derive(Debug, Clone)]
pub struct Field {
    pub name: String,
    pub from: FieldFrom,
    /// As the mapping says; `None` leaves it to the catalogue, else string.
    pub kind: Option<FieldType>,
    /// Digits after the point, for numbers.
    pub scale: Option<u32>,
    pub on_null: OnNull,
    /// Part of the fingerprint.
    pub diff: bool,
    /// A list whose order doesn't matter.
    pub set: bool,
    /// The field is no property of the object: it names the objects to link it to.
    pub association: Option<Association>,
    pub location: Location,
}

#[derive(Debug, Clone, PartialEq)]
pub enum FieldFrom {
    Column(String),
    /// A Jinja template over the row's columns.
    Template(String),
    Constant(Json),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    Upsert,
    Update,
    Insert,
    Mirror,
    Audience,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnDelete {
    Ignore,
    Delete,
    Archive,
    Clear,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeleteScope {
    /// Objects this sync delivered.
    Delivered,
    /// Only those it created.
    Created,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnDuplicateKey {
    Fail,
    First,
    Last,
    Reject,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnMatchChange {
    Update,
    Replace,
    Hold,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnNull {
    Clear,
    Skip,
    Error,
}

/// How much the ledger keeps of a delivered record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    Hashes,
    Fields,
    Values,
}

#[derive(Debug, Clone, PartialEq)]
pub enum DataTest {
    Unique(ColumnTest),
    NotNull(Vec<ColumnTest>),
    Freshness { column: ColumnTest, max_age: Duration },
}

/// A column under test, and where the test stands.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnTest {
    pub column: String,
    pub location: Location,
}

/// A guard's bound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    /// Of the live entries; 0 to 100.
    Percent(f64),
    Rows(u64),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Guards {
    pub max_change: Option<Bound>,
    pub max_delete: Option<Bound>,
    pub min_rows: u64,
    pub key_change: bool,
    pub max_rejected: Option<Bound>,
}

impl Default for Guards {
    fn default() -> Self {
        Guards {
            max_change: None,
            max_delete: Some(Bound::Percent(10.0)),
            min_rows: 1,
            key_change: true,
            max_rejected: None,
        }
    }
}

/// When sending starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// Once the source was read, and guards and tests have been judged over all of it.
    #[default]
    Complete,
    /// While the source is read.
    Streaming,
}

/// What of a record is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Extent {
    /// The whole record.
    #[default]
    All,
    /// Of a change to an object known by its id, the fields that changed since it was last acknowledged.
    Changed,
}

/// Limits of one sync's delivery; `None` leaves it to the connector.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Delivery {
    pub start: Start,
    pub send: Extent,
    /// Where that stands.
    pub send_at: Option<Location>,
    pub batch_rows: Option<usize>,
    /// Where that stands.
    pub batch_rows_at: Option<Location>,
    pub batch_bytes: Option<usize>,
    pub concurrency: Option<usize>,
    /// Requests of this sync in any window.
    pub rate: Option<outflow_connectors::contract::RateLimit>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Sla {
    /// Time of day by which a run must have succeeded, in `timezone`.
    pub finish_by: Option<jiff::civil::Time>,
    pub timezone: String,
    pub max_age: Option<Duration>,
}
