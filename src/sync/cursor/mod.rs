//! `cursor`: reads only the rows that moved since all before them was delivered, and all rows from time to time.
//!
//! The mark is a value of the cursor column, kept in the ledger. It is moved at the end of a run whose every change had its
//! answer, and never past a row that was not delivered: one that was refused, is invalid, or of which nobody knows. A run that ends
//! in any other way leaves it where it was.

mod point;
mod track;

use std::time::Duration;

use jiff::Timestamp;
use outflow_connectors::contract::{Query, Schema};
use outflow_connectors::sql::Dialect;
use serde::{Deserialize, Serialize};

use self::point::Value;
pub use self::track::Track;
use super::bookkeeping::query_hash;
use super::spec::digest;
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::Ledger;
use crate::project::{Connection, Cursor, Lag, Sync};

/// The ledger's note of the mark.
pub const NOTE: &str = "cursor";

/// How far the rows of a sync were delivered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    column: String,
    /// Hash of the query: another one's rows were never read.
    query: String,
    /// Hash of the mapping: under another one all rows are compared.
    mapping: String,
    /// Hash of where the rows come from and of what is done with them.
    origin: String,
    value: Value,
    /// When all rows were last read.
    full_at: Timestamp,
}

/// Which rows a run reads.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Pass {
    /// All: what is not among them has vanished.
    #[default]
    Full,
    /// Those from the mark on.
    Since(Box<Mark>),
}

/// A query whose rows come by the sync's `priority`, where it has one: the highest first, and what has none last, however the
/// warehouse sorts nulls.
pub fn ranked(sync: &Sync, query: Query) -> Query {
    match (query, &sync.priority) {
        (Query::Sql(sql), Some((priority, _))) => Query::Sql(format!(
            "select * from (\n{sql}\n) as outflow_ranked\norder by case when ({priority}) is null then 1 else 0 end, \
            ({priority}) desc"
        )),
        (query, _) => query,
    }
}

/// What decides whether a mark may be used.
pub struct Circumstances {
    /// A full refresh, or batches that nobody knows the outcome of.
    pub all: bool,
    pub now: Timestamp,
    /// Of the mapping in force, with the destination's options: another one may cure rows behind the mark.
    pub mapping: String,
    pub origin: String,
}

/// What a run knows when it moves the mark.
pub struct Stand {
    /// Of the mapping in force.
    pub mapping: String,
    pub origin: String,
    pub begun: Timestamp,
}

/// Where rows come from and what is done with them: another warehouse has other rows behind the mark, and another mode
/// sends rows that this one left alone. Secrets are no part of it.
pub fn origin(sync: &Sync, connection: Option<&Connection>) -> String {
    let mut parts =
        vec![sync.source.connection.clone(), format!("{:?} {:?}", sync.mode, sync.on_match_change)];
    if let Some(Connection { connector, settings, .. }) = connection {
        parts.extend(settings.base_url.clone());
        for setting in connector.settings {
            let Some(value) = settings.values.get(setting.name) else { continue };
            match (setting.secret, value.as_str()) {
                (false, _) => parts.push(format!("{}={value}", setting.name)),
                // Of an address all but who logs in.
                (true, Some(url)) if url.contains("://") => {
                    let place = url.split('?').next().unwrap_or_default();
                    parts.extend(place.rsplit('@').next().map(str::to_owned))
                }
                (true, _) => {}
            }
        }
    }
    digest(&parts.join("\n"))
}

impl Pass {
    /// What the ledger's mark allows.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn choose(sync: &Sync, ledger: Option<&Ledger>, circumstances: &Circumstances) -> Result<Self> {
        let (Some(cursor), Some(ledger)) = (&sync.source.cursor, ledger) else { return Ok(Pass::Full) };
        let mark = ledger.note(NOTE)?.and_then(|text| serde_json::from_str::<Mark>(&text).ok());
        Ok(mark
            .filter(|mark| mark.holds(sync, cursor, circumstances))
            .map_or(Pass::Full, |mark| Pass::Since(Box::new(mark))))
    }

    pub fn is_part(&self) -> bool {
        matches!(self, Pass::Since(_))
    }

    /// The query of this pass. A row without a value in the cursor column is always read.
    ///
    /// # Errors
    /// Where `lag` cannot be taken from the column's values.
    pub fn query(&self, sync: &Sync, schema: &Schema, dialect: Dialect) -> Result<Query> {
        self.part(sync, schema, dialect).map(|query| ranked(sync, query))
    }

    fn part(&self, sync: &Sync, schema: &Schema, dialect: Dialect) -> Result<Query> {
        let whole = &sync.source.query;
        let (Pass::Since(mark), Some(cursor), Query::Sql(sql)) = (self, &sync.source.cursor, whole) else {
            return Ok(whole.clone());
        };
        let from = mark.value.less(cursor.lag).and_then(|value| value.literal(dialect)).map_err(|why| {
            let message = format!("`cursor.lag` does not fit `{}`: {why}", cursor.column);
            Error::new("OF-RUN-017", ErrorKind::Config, message).at(cursor.location.clone()).hint(LAG)
        })?;
        // In the letters of the result: `updated_at` finds Snowflake's `UPDATED_AT`.
        let position = schema.position(&cursor.column);
        let column = dialect.exactly(position.map_or(&cursor.column, |at| &schema.columns[at].name));
        Ok(Query::Sql(format!(
            "select * from (\n{sql}\n) as outflow_rows\nwhere {column} >= {from} or {column} is null"
        )))
    }

    /// What is to be said of it.
    pub fn said(&self, sync: &Sync) -> Option<String> {
        let (Pass::Since(mark), Some(cursor)) = (self, &sync.source.cursor) else { return None };
        let lag = match cursor.lag {
            Lag::Nothing => String::new(),
            Lag::Time(time) => format!(", less {}s", time.as_secs()),
            Lag::Number(number) => format!(", less {number}"),
        };
        Some(format!(
            "only rows with `{}` from {}{lag} on were read; removals are found when all are read again, after {}",
            cursor.column,
            mark.value,
            next_full(mark.full_at, cursor.full_every)
        ))
    }
}

const LAG: &str = "for times write a length of time such as `1h`, for numbers a number";

fn next_full(last: Timestamp, every: Duration) -> Timestamp {
    let every = jiff::SignedDuration::try_from(every).unwrap_or(jiff::SignedDuration::MAX);
    last.checked_add(every).unwrap_or(Timestamp::MAX)
}

impl Mark {
    fn holds(&self, sync: &Sync, cursor: &Cursor, circumstances: &Circumstances) -> bool {
        let Circumstances { all, now, mapping, origin } = circumstances;
        let same = self.column == cursor.column
            && self.query == query_hash(sync)
            && (&self.mapping, &self.origin) == (mapping, origin);
        // A clock that was set back would put the full pass off for ever.
        let fresh = *now < next_full(self.full_at, cursor.full_every) && self.full_at <= *now;
        same && fresh && !all
    }
}

/// Has the next run read all rows.
///
/// # Errors
/// When the ledger cannot be written.
pub fn forget(ledger: &Ledger) -> Result<()> {
    match ledger.note(NOTE)? {
        Some(_) => ledger.set_note(NOTE, None),
        None => Ok(()),
    }
}
