//! Records that a destination refused, and rows that could not even be sent.

use std::collections::HashMap;

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use super::entry::{InvalidRow, KeyHash, RecordHash, Refusal};
use super::fault::{Attempt, Fault, damaged};
use super::journal::verb;
use super::store::Ledger;
use super::sum::Sum;
use crate::error::Result;

const COLUMNS: &str = "key, key_text, verb, record, mapping, code, field, message, attempts, first_run, next_run, \
     parked, first_seen, last_seen, run_id, sum";

impl Ledger {
    /// Refused records, oldest refusal first.
    pub fn refusals(&self) -> Result<Vec<Refusal>> {
        self.owner.look(all)
    }

    /// Whether there is any; reads one row at most.
    pub fn has_refusals(&self) -> Result<bool> {
        self.owner.look(any)
    }

    /// Keys of the refused records, sorted.
    pub fn refusal_keys(&self) -> Result<Vec<KeyHash>> {
        self.owner.look(|conn| {
            let mut query = conn.prepare_cached("SELECT key FROM refusal ORDER BY key")?;
            let keys = query.query_map([], |row| Ok(KeyHash(row.get(0)?)))?;
            Ok(keys.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Refusals of those of `keys` that have one.
    pub fn refusals_of(&self, keys: &[KeyHash]) -> Result<HashMap<KeyHash, Refusal>> {
        let keys = keys.to_vec();
        self.owner.look(move |conn| {
            let mut query = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM refusal WHERE key = ?1"))?;
            let mut found = HashMap::new();
            for key in &keys {
                let mut rows = query.query([&key.0[..]])?;
                if let Some(row) = rows.next()? {
                    found.insert(*key, checked(row)?);
                }
            }
            Ok(found)
        })
    }

    /// Forgets refusals: the row is gone from the source, or was decided on.
    pub fn forget_refusals(&self, keys: &[KeyHash]) -> Result<()> {
        let keys = keys.to_vec();
        self.write(move |tx| keys.iter().try_for_each(|key| forget(tx, key)))
    }

    /// Has every refused record tried again in the next run, parked ones too, but for those whose code is one of `held`.
    /// Returns how many there are of each.
    pub fn release_refusals(&self, held: &'static [&'static str]) -> Result<(u64, u64)> {
        self.write(move |tx| {
            let (held, free): (Vec<_>, Vec<_>) =
                all(tx)?.into_iter().partition(|refusal| held.contains(&refusal.code.as_str()));
            for refusal in &free {
                put(tx, &Refusal { parked: false, next_run: 0, ..refusal.clone() })?;
            }
            Ok((free.len() as u64, held.len() as u64))
        })
    }

    /// Invalid rows of the last run, in its order.
    pub fn invalid_rows(&self) -> Result<Vec<InvalidRow>> {
        self.owner.look(all_invalid)
    }

    /// Replaces the invalid rows; one that was there before (same key, field and code) keeps when it was first seen.
    pub fn replace_invalid_rows(&self, rows: &[InvalidRow]) -> Result<()> {
        let mut rows = rows.to_vec();
        self.write(move |tx| {
            let known: HashMap<_, _> = all_invalid(tx)?
                .into_iter()
                .map(|row| ((row.key_text, row.field, row.code), row.first_seen))
                .collect();
            tx.execute("DELETE FROM invalid", [])?;
            for (id, row) in (1..).zip(&mut rows) {
                let name = (row.key_text.clone(), row.field.clone(), row.code.clone());
                row.first_seen = known.get(&name).copied().unwrap_or(row.first_seen);
                insert_invalid(tx, id, row)?;
            }
            Ok(())
        })
    }
}

pub(super) fn any(conn: &Connection) -> Attempt<bool> {
    Ok(conn.prepare_cached("SELECT EXISTS (SELECT 1 FROM refusal)")?.query_row([], |row| row.get(0))?)
}

pub(super) fn forget(conn: &Connection, key: &KeyHash) -> Attempt<()> {
    conn.prepare_cached("DELETE FROM refusal WHERE key = ?1")?.execute([&key.0[..]])?;
    Ok(())
}

pub(super) fn put(conn: &Connection, refusal: &Refusal) -> Attempt<()> {
    conn.prepare_cached(&format!(
        "INSERT OR REPLACE INTO refusal ({COLUMNS})
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)"
    ))?
    .execute(params![
        &refusal.key.0[..],
        refusal.key_text,
        refusal.verb.to_string(),
        &refusal.record.0[..],
        refusal.mapping,
        refusal.code,
        refusal.field,
        refusal.message,
        refusal.attempts,
        refusal.first_run as i64,
        refusal.next_run as i64,
        refusal.parked,
        time_text(refusal.first_seen),
        time_text(refusal.last_seen),
        refusal.run_id,
        sum(refusal)
    ])?;
    Ok(())
}

/// Reads and checks each.
pub(super) fn check(conn: &Connection) -> Attempt<()> {
    each(conn, "key", |_| {})
}

fn all(conn: &Connection) -> Attempt<Vec<Refusal>> {
    let mut found = Vec::new();
    each(conn, "first_seen, key_text, key", |refusal| found.push(refusal))?;
    Ok(found)
}

fn each(conn: &Connection, order: &str, mut each: impl FnMut(Refusal)) -> Attempt<()> {
    let mut query = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM refusal ORDER BY {order}"))?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        each(checked(row)?);
    }
    Ok(())
}

fn checked(row: &Row<'_>) -> Attempt<Refusal> {
    let refusal = read(row)?;
    match row.get::<_, i64>(15)? == sum(&refusal) {
        true => Ok(refusal),
        false => damaged(format!("the refusal of key {} has a wrong checksum", refusal.key)),
    }
}

fn read(row: &Row<'_>) -> Attempt<Refusal> {
    Ok(Refusal {
        key: KeyHash(row.get(0)?),
        key_text: row.get(1)?,
        verb: verb(&row.get::<_, String>(2)?)?,
        record: RecordHash(row.get(3)?),
        mapping: row.get(4)?,
        code: row.get(5)?,
        field: row.get(6)?,
        message: row.get(7)?,
        attempts: row.get(8)?,
        first_run: row.get::<_, i64>(9)? as u64,
        next_run: row.get::<_, i64>(10)? as u64,
        parked: row.get(11)?,
        first_seen: time(&row.get::<_, String>(12)?)?,
        last_seen: time(&row.get::<_, String>(13)?)?,
        run_id: row.get(14)?,
    })
}

fn sum(refusal: &Refusal) -> i64 {
    Sum::new()
        .bytes(&refusal.key.0)
        .text(&refusal.key_text)
        .text(&refusal.verb.to_string())
        .bytes(&refusal.record.0)
        .text(&refusal.mapping)
        .text(&refusal.code)
        .maybe_text(refusal.field.as_deref())
        .text(&refusal.message)
        .int(i64::from(refusal.attempts))
        .int(refusal.first_run as i64)
        .int(refusal.next_run as i64)
        .int(i64::from(refusal.parked))
        .text(&time_text(refusal.first_seen))
        .text(&time_text(refusal.last_seen))
        .text(&refusal.run_id)
        .finish()
}

fn all_invalid(conn: &Connection) -> Attempt<Vec<InvalidRow>> {
    let mut query = conn.prepare_cached(
        "SELECT id, key_text, field, code, message, first_seen, last_seen, run_id, sum FROM invalid ORDER BY id",
    )?;
    let mut rows = query.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let invalid = InvalidRow {
            key_text: row.get(1)?,
            field: row.get(2)?,
            code: row.get(3)?,
            message: row.get(4)?,
            first_seen: time(&row.get::<_, String>(5)?)?,
            last_seen: time(&row.get::<_, String>(6)?)?,
            run_id: row.get(7)?,
        };
        if row.get::<_, i64>(8)? != invalid_sum(row.get(0)?, &invalid) {
            return damaged("an invalid row has a wrong checksum");
        }
        found.push(invalid);
    }
    Ok(found)
}

fn insert_invalid(conn: &Connection, id: i64, row: &InvalidRow) -> Attempt<()> {
    conn.prepare_cached(
        "INSERT INTO invalid (id, key_text, field, code, message, first_seen, last_seen, run_id, sum)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
        id,
        row.key_text,
        row.field,
        row.code,
        row.message,
        time_text(row.first_seen),
        time_text(row.last_seen),
        row.run_id,
        invalid_sum(id, row)
    ])?;
    Ok(())
}

fn invalid_sum(id: i64, row: &InvalidRow) -> i64 {
    Sum::new()
        .int(id)
        .text(&row.key_text)
        .maybe_text(row.field.as_deref())
        .text(&row.code)
        .text(&row.message)
        .text(&time_text(row.first_seen))
        .text(&time_text(row.last_seen))
        .text(&row.run_id)
        .finish()
}

/// UTC with nine digits after the second, so that texts sort as times do.
pub(super) fn time_text(time: Timestamp) -> String {
    format!("{time:.9}")
}

pub(super) fn time(text: &str) -> Attempt<Timestamp> {
    text.parse().map_err(|_| Fault::Damaged(format!("`{text}` is not a time")))
}
