//! What is asked of a backfill, and how far one has come, as the ledger keeps it.

use jiff::Timestamp;
use outflow_connectors::contract::{Query, RateLimit};
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::ledger::{KeyHash, Ledger};
use crate::project::Sync;

/// What the command line asks of a backfill.
#[derive(Debug, Clone, PartialEq)]
pub struct Backfill {
    /// SQL condition of the rows to be sent; `None` are all.
    pub filter: Option<String>,
    pub pace: Pace,
    /// Forget how far an earlier one has come.
    pub restart: bool,
}

/// How much of the destination's limits a backfill takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// Of the permitted rate, 0 to 1; the rest stays free for runs.
    Share(f64),
    Rate(RateLimit),
}

impl Backfill {
    /// The sync with the query of the rows to be sent.
    ///
    /// # Errors
    /// Where the condition cannot be put into the query.
    pub fn narrow(&self, sync: &Sync) -> Result<Sync> {
        let Some(filter) = &self.filter else { return Ok(sync.clone()) };
        let Query::Sql(query) = &sync.source.query else {
            let message =
                format!("`{}` reads files, which take no SQL: `--where` cannot choose rows", sync.name);
            return Err(Error::new("OF-RUN-053", ErrorKind::Config, message)
                .at(sync.source.location.clone())
                .hint("leave `--where` out, or name other files in the mapping"));
        };
        let mut narrow = sync.clone();
        narrow.source.query = Query::Sql(narrowed(query, filter));
        Ok(narrow)
    }
}

/// The line breaks end comments, the parentheses keep an `or` together.
fn narrowed(query: &str, filter: &str) -> String {
    let query = query.trim_end().trim_end_matches(';');
    format!("select * from (\n{query}\n) as outflow_rows where (\n{filter}\n)")
}

/// Note of the ledger: a backfill that is not through yet.
const NOTE: &str = "backfill";

/// What a backfill sends and how far it has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Underway {
    /// The id of its first run.
    pub id: String,
    pub started_at: Timestamp,
    /// Hash of the mapping.
    pub mapping: String,
    /// Hash of the sync's own query.
    pub query: String,
    #[serde(rename = "where")]
    pub filter: Option<String>,
    /// Rows whose key's hash (32 hex digits) is not above this one are done.
    pub done: Option<String>,
    /// Rows delivered so far.
    pub rows: u64,
    /// Changes sent so far, as `--limit` counts them.
    #[serde(default)]
    pub sent: u64,
}

impl Underway {
    /// The one that is under way, if there is one.
    ///
    /// # Errors
    /// When the ledger, or the note in it, cannot be read.
    pub fn read(ledger: &Ledger) -> Result<Option<Self>> {
        let Some(text) = ledger.note(NOTE)? else { return Ok(None) };
        serde_json::from_str(&text).map(Some).map_err(|_| {
            let message = "what the ledger says of a backfill under way cannot be read";
            Error::new("OF-RUN-051", ErrorKind::State, message).hint("`--restart` begins anew")
        })
    }

    /// Goes on with the one that is under way, or begins this one.
    ///
    /// # Errors
    /// When another one is under way.
    pub fn claim(self, ledger: Option<&Ledger>, restart: bool) -> Result<Self> {
        if restart {
            return Ok(self);
        }
        let Some(known) = ledger.map(Underway::read).transpose()?.flatten() else { return Ok(self) };
        let differences = known.differences(&self);
        if differences.is_empty() {
            return Ok(known);
        }
        let message = format!(
            "a backfill that began at {:.0} is not through, {} rows are done; {}",
            known.started_at,
            known.rows,
            differences.join(", ")
        );
        Err(Error::new("OF-RUN-050", ErrorKind::Config, message)
            .hint("go back to what it began with to finish it, or begin anew with `--restart`"))
    }

    fn differences(&self, asked: &Self) -> Vec<String> {
        let mut found = Vec::new();
        if self.mapping != asked.mapping {
            found.push("the mapping, or a type in the destination, is another one now".to_owned());
        }
        if self.query != asked.query {
            found.push("the query is another one now".to_owned());
        }
        if self.filter != asked.filter {
            let text = |filter: &Option<String>| filter.as_ref().map_or("none".into(), |f| format!("`{f}`"));
            found.push(format!("its `--where` is {}, not {}", text(&self.filter), text(&asked.filter)));
        }
        found
    }

    /// # Errors
    /// When the ledger cannot be written.
    pub fn store(&self, ledger: &Ledger) -> Result<()> {
        let text = serde_json::to_string(self)
            .map_err(|error| Error::new("OF-INT-001", ErrorKind::Internal, error.to_string()))?;
        ledger.set_note(NOTE, Some(&text))
    }

    /// # Errors
    /// When the ledger cannot be written.
    pub fn clear(ledger: &Ledger) -> Result<()> {
        ledger.set_note(NOTE, None)
    }

    /// How many more changes a `--limit` allows, which counts from the beginning and not from the last stop.
    pub fn room(&self, limit: Option<u64>) -> u64 {
        limit.map_or(u64::MAX, |limit| limit.saturating_sub(self.sent))
    }

    /// Whether the rows of this key were sent.
    pub fn is_done(&self, key: &KeyHash) -> bool {
        self.done.as_ref().is_some_and(|done| key.to_string() <= *done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress() -> Underway {
        Underway {
            id: "20261120T080000Z-abcdef".into(),
            started_at: "2026-11-20T08:00:00Z".parse().unwrap(),
            mapping: "m".into(),
            query: "q".into(),
            filter: Some("id > 3".into()),
            done: None,
            rows: 7,
            sent: 7,
        }
    }

    #[test]
    fn keys_up_to_the_last_one_are_done() {
        let at = KeyHash([0x80; 16]);
        let progress = Underway { done: Some(at.to_string()), ..progress() };
        let mut above = at;
        above.0[15] += 1;
        for (key, done) in
            [(KeyHash([0; 16]), true), (at, true), (above, false), (KeyHash([0xff; 16]), false)]
        {
            assert_eq!(progress.is_done(&key), done, "{key}");
        }
        assert!(!Underway { done: None, ..progress }.is_done(&KeyHash([0; 16])));
    }

    #[test]
    fn each_difference_is_named() {
        assert!(progress().differences(&Underway { id: "other".into(), rows: 0, ..progress() }).is_empty());
        let other = Underway { mapping: "n".into(), query: "r".into(), filter: None, ..progress() };
        let found = progress().differences(&other);
        assert_eq!(found.len(), 3);
        assert_eq!(found[2], "its `--where` is `id > 3`, not none");
    }

    #[test]
    fn a_condition_cannot_leak_out_of_its_place() {
        let sql = narrowed("select 1 as id -- one\n;", "id = 1 or 2 > 1 -- all");
        let db = rusqlite::Connection::open_in_memory().unwrap();
        let rows: i64 = db.query_row(&format!("select count(*) from ({sql})"), [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 1, "{sql}");
    }
}
