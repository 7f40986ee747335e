//! What is kept of a delivered record beside its hashes; touched only for rows that changed.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::detail_log::{self, Logged};
use super::detail_row::{COLUMNS, Form, Names, Table, any, read};
use super::entry::{Detail, KeyHash, RecordHash};
use super::fault::{Attempt, damaged};
use super::packed::{self, Entry};
use super::store::Ledger;
use crate::error::Result;

impl Ledger {
    /// The details of those of `keys` that have any, gone ones included.
    pub fn details(&self, keys: &[KeyHash]) -> Result<HashMap<KeyHash, Detail>> {
        let mut wanted = keys.to_vec();
        // In the order in which they stand, so that each page is read once.
        wanted.sort_unstable();
        let is_due = |logged: &Logged| logged.holds_some(keys);
        self.look_at_details(is_due, move |conn| {
            let names = Names::load(conn)?;
            let mut found = HashMap::new();
            for key in &wanted {
                if let Some(detail) = get(conn, key, &names)? {
                    found.insert(*key, detail);
                }
            }
            Ok(found)
        })
    }

    /// Whether there is any; reads one row at most.
    pub fn has_details(&self) -> Result<bool> {
        self.look_at_details(Logged::holds_any, any)
    }

    /// Which live key holds an object of this destination key hash, for those of `hashes` that are held.
    pub fn destination_holders(&self, hashes: &[u64]) -> Result<HashMap<u64, KeyHash>> {
        let hashes = hashes.to_vec();
        self.look_at_details(Logged::holds_any, move |conn| {
            let names = Names::load(conn)?;
            let mut query = conn.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM detail WHERE destination_hash = ?1 AND destination_hash <> 0 AND gone = 0 \
                 ORDER BY key LIMIT 1"
            ))?;
            let mut found = HashMap::new();
            for &hash in &hashes {
                let row = query.query_row([hash as i64], |row| Ok((row.get(0)?, read(row, &names)))).optional()?;
                let Some((key, detail)) = row else { continue };
                if detail?.destination_hash != hash {
                    return damaged("the index of destination keys contradicts its table");
                }
                found.insert(hash, KeyHash(key));
            }
            Ok(found)
        })
    }

    /// Rows that vanished from the source under `on_delete: ignore`: no longer live, their details marked gone.
    pub fn mark_gone(&self, keys: &[KeyHash]) -> Result<()> {
        self.fold_details(|logged| logged.is_full(keys.len()) || logged.holds_some(keys))?;
        let (keys, logged) = (keys.to_vec(), self.logged.clone());
        self.write(move |tx| {
            let removals: Vec<_> =
                keys.iter().map(|key| Entry { key: *key, record: RecordHash::REMOVED }).collect();
            packed::append(tx, "", &removals)?;
            let names = Names::load(tx)?;
            let gone = keys.iter().map(|key| -> Attempt<Change> {
                let detail = get(tx, key, &names)?.unwrap_or_default();
                Ok((*key, Some(Box::new(Detail { gone: true, ..detail }))))
            });
            detail_log::lock(&logged).take(tx, gone.collect::<Attempt<_>>()?)
        })
    }
}

fn get(conn: &Connection, key: &KeyHash, names: &Names) -> Attempt<Option<Detail>> {
    let mut query = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM detail WHERE key = ?1"))?;
    query.query_row([&key.0[..]], |row| Ok(read(row, names))).optional()?.transpose()
}

/// Keys of up to `most` details after one, in the order of keys, and whether each is gone; reads and checks each.
pub(super) fn after(conn: &Connection, key: Option<KeyHash>, most: i64) -> Attempt<Vec<(KeyHash, bool)>> {
    let names = Names::load(conn)?;
    let mut query =
        conn.prepare_cached(&format!("SELECT {COLUMNS} FROM detail WHERE key > ?1 ORDER BY key LIMIT ?2"))?;
    let mut rows = query.query(params![key.as_ref().map_or(&[][..], |key| &key.0[..]), most])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push((KeyHash(row.get(0)?), read(row, &names)?.gone));
    }
    Ok(found)
}

/// A detail on its way into the ledger, or none any more.
pub(super) type Change = (KeyHash, Option<Box<Detail>>);

/// Puts or deletes details in the table itself, in its order: rows that share a page come together.
pub(super) fn put_all(conn: &Connection, mut changes: Vec<Change>) -> Attempt<()> {
    let (mut form, mut table) = (Form::new(conn)?, Table::new(conn)?);
    // Stable, so that the newest of equal keys stays last.
    changes.sort_by_key(|(key, _)| *key);
    for (key, detail) in &changes {
        let kept = match detail {
            Some(detail) => form.of(detail)?,
            None => None,
        };
        match kept {
            Some(kept) => table.put(key, &kept)?,
            None => table.delete(key)?,
        }
    }
    Ok(())
}
