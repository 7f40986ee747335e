//! What is kept of a delivered record beside its hashes; touched only for rows that changed.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::detail_log::{self, Logged};
use super::detail_row::{COLUMNS, Form, Names, Table, read};
use super::entry::{Detail, KeyHash, RecordHash};
use super::fault::{Attempt, damaged};
use super::packed::{self, Entry};
use super::store::Ledger;
use crate::error::Result;

/// What is looked for by an index, alike in the table and in a view that hides it.
pub(super) const BY_KEY: &str = "key = ?1";
pub(super) const BY_DESTINATION: &str =
    "destination_hash = ?1 AND destination_hash <> 0 AND gone = 0 ORDER BY key LIMIT 1";
pub(super) const AFTER: &str = "key > ?1 ORDER BY key LIMIT ?2";

pub(super) fn select(which: &str) -> String {
    format!("SELECT {COLUMNS} FROM detail WHERE {which}")
}

impl Ledger {
    /// The details of those of `keys` that have any, gone ones included.
    pub fn details(&self, keys: &[KeyHash]) -> Result<HashMap<KeyHash, Detail>> {
        let mut wanted = keys.to_vec();
        // In the order in which they stand, so that each page is read once.
        wanted.sort_unstable();
        let is_due = |logged: &Logged| logged.has_news_of(keys);
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

    /// Whether there is any. Reads one row of the table, beside those whose keys were logged.
    pub fn has_details(&self) -> Result<bool> {
        if self.term.is_some() {
            // One that was not logged is as it is; so a run that looks for nothing else makes no view.
            let logged = self.logged.clone();
            if self.owner.look(move |conn| has_other(conn, &detail_log::lock(&logged)))? {
                return Ok(true);
            }
        }
        self.look_at_details(Logged::has_news, |conn| {
            let sql = "SELECT EXISTS (SELECT 1 FROM detail)";
            Ok(conn.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
        })
    }

    /// Which live key holds an object of this destination key hash, for those of `hashes` that are held.
    pub fn destination_holders(&self, hashes: &[u64]) -> Result<HashMap<u64, KeyHash>> {
        let hashes = hashes.to_vec();
        self.look_at_details(Logged::has_news, move |conn| {
            let names = Names::load(conn)?;
            let mut query = conn.prepare_cached(&select(BY_DESTINATION))?;
            let mut found = HashMap::new();
            for &hash in &hashes {
                let row =
                    query.query_row([hash as i64], |row| Ok((row.get(0)?, read(row, &names)))).optional()?;
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
        self.fold_details(|logged| logged.is_full(keys.len()))?;
        self.show_details(|logged| logged.has_news_of(keys))?;
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

/// Whether the table itself has a row whose key was not logged.
fn has_other(conn: &Connection, logged: &Logged) -> Attempt<bool> {
    let mut query = conn.prepare_cached("SELECT key FROM main.detail")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        if !logged.holds(&KeyHash(row.get(0)?)) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn get(conn: &Connection, key: &KeyHash, names: &Names) -> Attempt<Option<Detail>> {
    let mut query = conn.prepare_cached(&select(BY_KEY))?;
    query.query_row([&key.0[..]], |row| Ok(read(row, names))).optional()?.transpose()
}

/// Keys of up to `most` details after one, in the order of keys, and whether each is gone; reads and checks each.
pub(super) fn after(conn: &Connection, key: Option<KeyHash>, most: i64) -> Attempt<Vec<(KeyHash, bool)>> {
    let names = Names::load(conn)?;
    let mut query = conn.prepare_cached(&select(AFTER))?;
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
