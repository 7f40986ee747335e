//! Care of a ledger: reading all of it, its size, and letting go of it.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::path::Path;

use rusqlite::Connection;

use super::detail;
use super::detail_log::{self, Logged};
use super::detail_view;
use super::entry::KeyHash;
use super::fault::{Attempt, damaged};
use super::file;
use super::lease::Lease;
use super::meta;
use super::owner;
use super::packed;
use super::refusals;
use super::store::Ledger;
use crate::error::Result;

/// What a ledger holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holdings {
    /// Rows that the destination has acknowledged.
    pub entries: u64,
    /// Entries of the log that the parts do not hold yet.
    pub log: u64,
    /// Keys whose last request nobody knows the end of.
    pub unsettled: u64,
    /// Refused rows, parked ones included.
    pub refused: u64,
    /// Rows of which more is kept than hashes, gone ones included.
    pub details: u64,
    /// Size of the file, and of the log beside it while there is one.
    pub bytes: u64,
}

impl Ledger {
    /// Counts what the ledger holds.
    ///
    /// # Errors
    /// `State` where a part of it cannot be read.
    pub fn holdings(&self) -> Result<Holdings> {
        self.count(self.entries()?)
    }

    fn count(&self, entries: u64) -> Result<Holdings> {
        let log = self.owner.look(packed::log_len)?;
        let unsettled = self.open_intents()?.iter().map(|intent| intent.entries.len() as u64).sum();
        let size = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
        let bytes = size(self.owner.path()) + size(&file::log(self.owner.path()));
        let (refused, details) = self.look_at_details(Logged::has_news, |conn| {
            let refused: i64 = conn.query_row("SELECT count(*) FROM refusal", [], |row| row.get(0))?;
            Ok((refused as u64, detail_view::count(conn)?))
        })?;
        Ok(Holdings { entries, log, unsettled, refused, details, bytes })
    }

    /// Reads every page and every row: SQLite's own check, and each part, log row, detail, batch and refusal with its
    /// checksum; then what must hold between the tables. Memory does not grow with the rows.
    ///
    /// # Errors
    /// `State` at the first damage, naming it.
    pub fn verify(&self) -> Result<Holdings> {
        let entries = self.look_at_details(Logged::has_news, |conn| {
            let verdict: String = conn.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
            if verdict != "ok" {
                return damaged(format!("SQLite's check says: {}", verdict.replace('\n', " ")));
            }
            meta::check(conn)?;
            packed::check_counts(conn)?;
            detail_log::check_counts(conn)?;
            detail_log::check(conn)?;
            check_rows(conn)?;
            refusals::check(conn)?;
            check_entries(conn)
        })?;
        self.mappings()?;
        self.identity()?;
        self.invalid_rows()?;
        self.count(entries)
    }

    /// Removes a ledger under its sync's lease; whether there was one. The next run takes every row for new.
    ///
    /// # Errors
    /// `Locked` when the lease is lost, `State` when the file cannot be removed.
    pub fn forget(path: &Path, lease: &Lease) -> Result<bool> {
        lease.check()?;
        if !path.exists() {
            return Ok(false);
        }
        // The log first: beside another ledger it would be taken for that one's.
        owner::fold_log(path)?;
        file::remove(path)?;
        Ok(true)
    }
}

/// The tables are read as rows and counted by their indexes; a page that lost some of its rows says two numbers.
fn check_rows(conn: &Connection) -> Attempt<()> {
    for (table, index) in [("detail", "detail_by_destination"), ("mapping", "sqlite_autoindex_mapping_1")] {
        let filter = if table == "detail" { "destination_hash <> 0 AND gone = 0" } else { "1" };
        let count = |by: &str| -> Attempt<i64> {
            let sql = format!("SELECT count(*) FROM main.{table} {by} WHERE {filter}");
            Ok(conn.query_row(&sql, [], |row| row.get(0))?)
        };
        if count("NOT INDEXED")? != count(&format!("INDEXED BY {index}"))? {
            return damaged(format!("rows are missing from table `{table}`"));
        }
    }
    Ok(())
}

/// No entry twice; no detail of an unknown key, unless its row is gone, and none gone whose key is live. Entries and
/// details both come in the order of keys, so that one pass over them sees it. Returns the number of entries.
fn check_entries(conn: &Connection) -> Attempt<u64> {
    let mut details = Details { conn, held: VecDeque::new(), last: None, over: false };
    let (mut last, mut entries) = (None, 0);
    let mut check = |key: KeyHash| {
        if last >= Some(key) {
            return damaged(format!("key {key} is there twice or out of order"));
        }
        (last, entries) = (Some(key), entries + 1);
        details.pass(Some(&key))
    };
    let mut checked = Ok(());
    packed::each_live(conn, |entry| {
        checked = check(entry.key);
        if checked.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    checked?;
    details.pass(None)?;
    Ok(entries)
}

/// The details in the order of keys, some thousand of which are held.
struct Details<'a> {
    conn: &'a Connection,
    held: VecDeque<(KeyHash, bool)>,
    /// Of those read so far.
    last: Option<KeyHash>,
    /// None follows those that are held.
    over: bool,
}

impl Details<'_> {
    /// Goes past the details up to the next live key, or all that are left.
    fn pass(&mut self, live: Option<&KeyHash>) -> Attempt<()> {
        while let Some((key, gone)) = self.peek()?.filter(|(key, _)| live.is_none_or(|live| key <= live)) {
            match (live == Some(&key), gone) {
                (true, true) => {
                    return damaged(format!("the detail of the live key {key} says that it is gone"));
                }
                (false, false) => return damaged(format!("a detail of the unknown key {key}")),
                _ => self.held.pop_front(),
            };
        }
        Ok(())
    }

    fn peek(&mut self) -> Attempt<Option<(KeyHash, bool)>> {
        if self.held.is_empty() && !self.over {
            self.held = detail::after(self.conn, self.last, 4096)?.into();
            self.last = self.held.back().map(|(key, _)| *key);
            self.over = self.held.is_empty();
        }
        Ok(self.held.front().copied())
    }
}
