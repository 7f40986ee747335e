//! Care of a ledger: reading all of it, its size, and letting go of it.

use std::path::Path;

use rusqlite::Connection;

use super::fault::{Attempt, damaged, disk};
use super::file;
use super::lease::Lease;
use super::meta;
use super::packed;
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
        let log = self.owner.look(packed::log_len)?;
        let unsettled = self.open_intents()?.iter().map(|intent| intent.entries.len() as u64).sum();
        let size = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
        let bytes = size(self.owner.path()) + size(&file::log(self.owner.path()));
        let (refused, details) = self.owner.look(|conn| {
            let count = |sql| conn.query_row(sql, [], |row| row.get::<_, i64>(0));
            Ok((count("SELECT count(*) FROM refusal")?, count("SELECT count(*) FROM detail")?))
        })?;
        let (refused, details) = (refused as u64, details as u64);
        Ok(Holdings { entries: self.entries()?, log, unsettled, refused, details, bytes })
    }

    /// Reads every page and every row: SQLite's own check, and each part, log row, detail, batch and refusal with its
    /// checksum.
    ///
    /// # Errors
    /// `State` at the first damage, naming it.
    pub fn verify(&self) -> Result<Holdings> {
        self.owner.look(|conn| {
            let verdict: String = conn.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
            if verdict != "ok" {
                return damaged(format!("SQLite's check says: {}", verdict.replace('\n', " ")));
            }
            meta::check(conn)?;
            packed::check_counts(conn)?;
            check_rows(conn)
        })?;
        self.check_entries()?;
        self.mappings()?;
        self.identity()?;
        self.invalid_rows()?;
        self.refusals()?;
        self.open_intents()?;
        self.holdings()
    }

    /// No entry twice, and each detail of a live key or a gone one: both are sorted, so one pass sees it.
    fn check_entries(&self) -> Result<()> {
        let details = self.details_in_order()?;
        let mut details = details.into_iter().peekable();
        let (mut last, mut orphan) = (None, None);
        for entry in self.live_entries()? {
            let (key, _) = entry?;
            if last >= Some(key) {
                return self
                    .owner
                    .look(move |_| damaged(format!("key {key} is there twice or out of order")));
            }
            last = Some(key);
            while let Some((detail, gone)) = details.next_if(|(detail, _)| *detail < key) {
                orphan = orphan.or((!gone).then_some(detail));
            }
            details.next_if(|(detail, _)| *detail == key);
        }
        orphan = orphan.or(details.find(|(_, gone)| !gone).map(|(detail, _)| detail));
        match orphan {
            Some(key) => self.owner.look(move |_| damaged(format!("a detail of the unknown key {key}"))),
            None => Ok(()),
        }
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
        for suffix in ["", "-wal", "-shm"] {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            match std::fs::remove_file(&name) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(disk(Path::new(&name), "removed", &error));
                }
                _ => {}
            }
        }
        Ok(true)
    }
}

/// The tables are read as rows and counted by their indexes; a page that lost some of its rows says two numbers.
fn check_rows(conn: &Connection) -> Attempt<()> {
    for (table, index) in [("detail", "detail_by_destination"), ("mapping", "sqlite_autoindex_mapping_1")] {
        let filter = if table == "detail" { "destination_hash <> 0 AND gone = 0" } else { "1" };
        let count = |by: &str| -> Attempt<i64> {
            let sql = format!("SELECT count(*) FROM {table} {by} WHERE {filter}");
            Ok(conn.query_row(&sql, [], |row| row.get(0))?)
        };
        if count("NOT INDEXED")? != count(&format!("INDEXED BY {index}"))? {
            return damaged(format!("rows are missing from table `{table}`"));
        }
    }
    Ok(())
}
