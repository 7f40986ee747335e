//! The numbers a ledger is checked against, and its notes.

use rusqlite::{Connection, OptionalExtension, params};

use super::fault::{Attempt, damaged};
use super::sum::Sum;

/// Of the lease that opened the ledger last.
pub(super) const EPOCH: &str = "epoch";
/// Rows of `part`.
pub(super) const PARTS: &str = "parts";
/// Entries in all parts.
pub(super) const ENTRIES: &str = "entries";
/// Sequence number of the oldest row of `log`.
pub(super) const LOG_FIRST: &str = "log_first";
/// Sequence number of the next row of `log`.
pub(super) const LOG_NEXT: &str = "log_next";
/// Sequence number of the oldest row of `detail_log`.
pub(super) const DETAIL_FIRST: &str = "detail_first";
/// Sequence number of the next row of `detail_log`.
pub(super) const DETAIL_NEXT: &str = "detail_next";

fn sum(name: &str, value: i64) -> i64 {
    Sum::new().text(name).int(value).finish()
}

pub(super) fn get(conn: &Connection, name: &str) -> Attempt<u64> {
    let row: Option<(i64, i64)> = conn
        .prepare_cached("SELECT value, sum FROM meta WHERE name = ?1")?
        .query_row([name], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match row {
        Some((value, check)) if value >= 0 && check == sum(name, value) => Ok(value as u64),
        _ => damaged(format!("`{name}` in table `meta` has a wrong checksum")),
    }
}

pub(super) fn set(conn: &Connection, name: &str, value: u64) -> Attempt<()> {
    let value = value as i64;
    let changed = conn
        .prepare_cached("UPDATE meta SET value = ?2, sum = ?3 WHERE name = ?1")?
        .execute(params![name, value, sum(name, value)])?;
    match changed {
        1 => Ok(()),
        _ => damaged(format!("`{name}` is missing from table `meta`")),
    }
}

pub(super) fn note(conn: &Connection, name: &str) -> Attempt<Option<String>> {
    let row: Option<(String, i64)> = conn
        .prepare_cached("SELECT value, sum FROM note WHERE name = ?1")?
        .query_row([name], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match row {
        Some((value, check)) if check == Sum::new().text(name).text(&value).finish() => Ok(Some(value)),
        Some(_) => damaged(format!("note `{name}` has a wrong checksum")),
        None => Ok(None),
    }
}

pub(super) fn set_note(conn: &Connection, name: &str, value: Option<&str>) -> Attempt<()> {
    match value {
        Some(value) => conn
            .prepare_cached("INSERT OR REPLACE INTO note (name, value, sum) VALUES (?1, ?2, ?3)")?
            .execute(params![name, value, Sum::new().text(name).text(value).finish()])?,
        None => conn.prepare_cached("DELETE FROM note WHERE name = ?1")?.execute([name])?,
    };
    Ok(())
}

/// Reads every row of `meta` and `note`: one whose name is bent would otherwise be missing, and nobody would know.
pub(super) fn check(conn: &Connection) -> Attempt<()> {
    let mut numbers = conn.prepare_cached("SELECT name, value, sum FROM meta")?;
    let mut rows = numbers.query([])?;
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        if row.get::<_, i64>(2)? != sum(&name, row.get(1)?) {
            return damaged(format!("`{name}` in table `meta` has a wrong checksum"));
        }
    }
    let mut notes = conn.prepare_cached("SELECT name FROM note")?;
    let names = notes.query_map([], |row| row.get::<_, String>(0))?;
    for name in names {
        note(conn, &name?)?;
    }
    Ok(())
}
