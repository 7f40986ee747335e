//! What a file's tables look like, and how an older file becomes a newer one. Migrations are only ever appended.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::codes;
use super::fault::{Attempt, Fault, damaged};
use crate::error::{Error, ErrorKind};

/// The tables of one kind of file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schema {
    /// SQLite's `application_id`, to know our files by.
    pub(super) application: i32,
    pub(super) what: &'static str,
    pub(super) page_size: u32,
    /// Whether it can give free pages back to the disk.
    pub(super) shrinks: bool,
    /// The n-th makes version n+1 (`user_version`) of version n.
    pub(super) migrations: &'static [&'static str],
    /// Older versions that are read as they stand; of all others only the newest is.
    pub(super) reads: &'static [i64],
}

/// `state.db`.
pub(super) const STATE: Schema = Schema {
    application: 0x6f75_7453,
    what: "state file",
    page_size: 4096,
    shrinks: false,
    migrations: &[
        include_str!("migrations/state_001.sql"),
        include_str!("migrations/state_002.sql"),
        include_str!("migrations/quota_001.sql"),
        include_str!("migrations/state_003.sql"),
    ],
    reads: &[],
};

/// A file that several projects share their limits by: the tables that `state.db` has for them.
pub(super) const QUOTA: Schema = Schema {
    application: 0x6f75_7451,
    what: "file of shared limits",
    page_size: 4096,
    shrinks: false,
    migrations: &[include_str!("migrations/quota_001.sql")],
    reads: &[],
};

/// `ledger/<sync>.db`.
pub(super) const LEDGER: Schema = Schema {
    application: 0x6f75_744c,
    what: "ledger",
    page_size: 16384,
    shrinks: true,
    migrations: &[include_str!("migrations/ledger_001.sql"), include_str!("migrations/ledger_002.sql")],
    // It has no log of details, and is complete without.
    reads: &[1],
};

impl Schema {
    fn latest(&self) -> i64 {
        self.migrations.len() as i64
    }

    /// Fills an empty database.
    pub(super) fn create(&self, conn: &mut Connection) -> Attempt<()> {
        conn.pragma_update(None, "page_size", self.page_size)?;
        if self.shrinks {
            conn.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        }
        conn.pragma_update(None, "journal_mode", "WAL")?;
        conn.pragma_update(None, "application_id", self.application)?;
        self.apply(conn, 0)
    }

    /// Brings a file that exists to the newest version; refuses what isn't ours, what is newer and what is bent.
    pub(super) fn migrate(&self, conn: &mut Connection, file: &Path) -> Attempt<()> {
        let version = self.version(conn, file)?;
        if version < self.latest() {
            self.apply(conn, version)?;
        }
        self.verify(conn, self.latest())
    }

    /// For a file opened for reading only.
    pub(super) fn accept(&self, conn: &Connection, file: &Path) -> Attempt<()> {
        let version = self.version(conn, file)?;
        if version < self.latest() && !self.reads.contains(&version) {
            return Err(Fault::Other(
                Error::new(
                    codes::VERSION,
                    ErrorKind::State,
                    format!(
                        "`{}` has version {version}, written by an older outflow; this one reads version {}",
                        file.display(),
                        self.latest()
                    ),
                )
                .hint("the next `outflow sync` brings it up to date"),
            ));
        }
        self.verify(conn, version)
    }

    fn version(&self, conn: &Connection, file: &Path) -> Attempt<i64> {
        let application: i32 = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let version: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if application != self.application || version < 1 {
            return Err(Fault::Other(
                Error::new(
                    codes::NOT_OURS,
                    ErrorKind::State,
                    format!("`{}` is not a {} of outflow", file.display(), self.what),
                )
                .hint("move the file away, or put the right one back from a backup; nothing was changed"),
            ));
        }
        if version > self.latest() {
            return Err(Fault::Other(
                Error::new(
                    codes::VERSION,
                    ErrorKind::State,
                    format!(
                        "`{}` has version {version}, written by a newer outflow; this one ({}) knows up to version {}",
                        file.display(),
                        env!("CARGO_PKG_VERSION"),
                        self.latest()
                    ),
                )
                .hint("upgrade outflow to the version that wrote it; nothing was changed"),
            ));
        }
        Ok(version)
    }

    fn apply(&self, conn: &mut Connection, from: i64) -> Attempt<()> {
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Another process may have been faster.
        let now: i64 = tx.pragma_query_value(None, "user_version", |row| row.get(0))?;
        for sql in self.migrations.iter().skip(now.max(from) as usize) {
            tx.execute_batch(sql)?;
        }
        tx.pragma_update(None, "user_version", self.latest())?;
        Ok(tx.commit()?)
    }

    /// The tables must be exactly those that the migrations up to this version make.
    fn verify(&self, conn: &Connection, version: i64) -> Attempt<()> {
        let model = Connection::open_in_memory()?;
        for sql in self.migrations.iter().take(version as usize) {
            model.execute_batch(sql)?;
        }
        match tables(conn)? == tables(&model)? {
            true => Ok(()),
            false => damaged("its tables are not those that outflow made"),
        }
    }
}

/// Files up to this size are checked by SQLite as a whole when they are opened.
const SMALL: u64 = 16 << 20;

/// SQLite's own check of a small file; false where it was too large for that.
pub(super) fn check_small(conn: &Connection, file: &Path) -> Attempt<bool> {
    if std::fs::metadata(file).is_ok_and(|file| file.len() > SMALL) {
        return Ok(false);
    }
    let verdict: String = conn.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    match verdict.as_str() {
        "ok" => Ok(true),
        fault => damaged(format!("SQLite's check says: {}", fault.replace('\n', " "))),
    }
}

type Table = (String, String, Option<String>);

fn tables(conn: &Connection) -> Attempt<Vec<Table>> {
    // What ANALYZE leaves is no harm.
    let mut query = conn.prepare(
        "SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_stat%' ORDER BY type, name",
    )?;
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
