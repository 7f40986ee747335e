//! Care of a ledger: reading all of it, its size, and letting go of it.

use std::path::Path;

use super::entry::KeyHash;
use super::fault::{Fault, damaged, disk};
use super::lease::Lease;
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
    /// Size of the file.
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
        let bytes = std::fs::metadata(self.owner.path()).map_or(0, |file| file.len());
        let refused = self.refusals()?.len() as u64;
        Ok(Holdings { entries: self.entries()?, log, unsettled, refused, bytes })
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
            packed::check_counts(conn)
        })?;
        let snapshot = self.snapshot()?;
        let kept = self.owner.look(|conn| {
            let mut query = conn.prepare("SELECT key FROM detail")?;
            let keys = query.query_map([], |row| Ok(KeyHash(row.get(0)?)))?;
            Ok::<_, Fault>(keys.collect::<rusqlite::Result<Vec<KeyHash>>>()?)
        })?;
        for keys in kept.chunks(1_000) {
            let details = self.details(keys)?;
            let live =
                |key: &KeyHash| details.get(key).is_none_or(|d| d.gone) || snapshot.find(key).is_some();
            if let Some(key) = keys.iter().copied().find(|key| !live(key)) {
                self.owner.look(move |_| damaged::<()>(format!("a detail of the unknown key {key}")))?;
            }
        }
        self.mappings()?;
        self.identity()?;
        self.invalid_rows()?;
        self.holdings()
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
