//! Which keys are dirty: nobody knows what the destination has for them, because a batch with them is open.

use std::collections::hash_map::Entry;

use rusqlite::{Connection, OptionalExtension, params};

use super::entry::KeyHash;
use super::fault::{Attempt, damaged};
use super::prehashed::{HashedMap, KeySet};
use super::store::Ledger;
use super::sum::Sum;
use crate::error::Result;

impl Ledger {
    /// The dirty keys, each once, in no order.
    pub fn unsettled_keys(&self) -> Result<Vec<KeyHash>> {
        self.owner.look(|conn| Ok(Dirty::load(conn)?.0.into_keys().collect()))
    }
}

/// In how many open batches each key is dirty; in memory, so that a batch can be settled without reading the others.
#[derive(Default)]
pub(super) struct Dirty(HashedMap<KeyHash, u32>);

impl Dirty {
    pub(super) fn load(conn: &Connection) -> Attempt<Dirty> {
        let mut dirty = Dirty::default();
        let mut query = conn.prepare_cached("SELECT batch, keys, dirty, dirty_sum FROM intent")?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let (keys, marks): (Vec<u8>, Vec<u8>) = (row.get(1)?, row.get(2)?);
            check(row.get(0)?, &keys, &marks, row.get(3)?)?;
            let keys = keys.as_chunks().0.iter().zip(marks);
            dirty.add(keys.filter(|(_, mark)| *mark == 1).map(|(key, _)| KeyHash(*key)));
        }
        Ok(dirty)
    }

    pub(super) fn add(&mut self, keys: impl Iterator<Item = KeyHash>) {
        self.0.reserve(keys.size_hint().0);
        for key in keys {
            *self.0.entry(key).or_default() += 1;
        }
    }

    /// The key is clean in one batch; whether it is dirty in another.
    fn remove(&mut self, key: KeyHash) -> bool {
        match self.0.entry(key) {
            Entry::Occupied(mut count) if *count.get() > 1 => {
                *count.get_mut() -= 1;
                true
            }
            Entry::Occupied(count) => {
                count.remove();
                false
            }
            Entry::Vacant(_) => false,
        }
    }

    /// Closes a batch that has just these keys, in this order, all of them dirty; those that are dirty in another batch as
    /// well go to `elsewhere`. False, and nothing done, where the batch is another.
    pub(super) fn close(
        &mut self,
        conn: &Connection,
        (batch, keys): (i64, &[KeyHash]),
        elsewhere: &mut KeySet,
    ) -> Attempt<bool> {
        let Some((all, dirty)) = marks(conn, batch)? else { return Ok(false) };
        let are_all = all.as_chunks::<16>().0.iter().eq(keys.iter().map(|key| &key.0));
        if !are_all || dirty.contains(&0) {
            return Ok(false);
        }
        elsewhere.extend(keys.iter().copied().filter(|key| self.remove(*key)));
        delete(conn, batch)?;
        Ok(true)
    }

    /// Cleans the keys of one batch that `is_clean` names, and closes it once none of its keys is dirty.
    pub(super) fn clean(
        &mut self,
        conn: &Connection,
        batch: i64,
        is_clean: impl Fn(&KeyHash) -> bool,
    ) -> Attempt<()> {
        let Some((keys, mut dirty)) = marks(conn, batch)? else { return Ok(()) };
        let mut touched = false;
        for (key, dirty) in keys.as_chunks().0.iter().map(|key| KeyHash(*key)).zip(&mut dirty) {
            if *dirty == 1 && is_clean(&key) {
                (*dirty, touched) = (0, true);
                self.remove(key);
            }
        }
        if !dirty.contains(&1) {
            delete(conn, batch)?;
        } else if touched {
            conn.prepare_cached("UPDATE intent SET dirty = ?2, dirty_sum = ?3 WHERE batch = ?1")?
                .execute(params![batch, dirty, dirty_sum(batch, &keys, &dirty)])?;
        }
        Ok(())
    }

    /// Cleans keys in every open batch; reads none where all of them are clean.
    pub(super) fn clean_everywhere(&mut self, conn: &Connection, keys: &KeySet) -> Attempt<()> {
        let left: KeySet = keys.iter().filter(|key| self.0.contains_key(key)).copied().collect();
        if left.is_empty() {
            return Ok(());
        }
        let mut query = conn.prepare_cached("SELECT batch FROM intent")?;
        let batches = query.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()?;
        batches.into_iter().try_for_each(|batch| self.clean(conn, batch, |key| left.contains(key)))
    }
}

/// The keys of an open batch, and whether each is dirty.
fn marks(conn: &Connection, batch: i64) -> Attempt<Option<(Vec<u8>, Vec<u8>)>> {
    let mut query = conn.prepare_cached("SELECT keys, dirty, dirty_sum FROM intent WHERE batch = ?1")?;
    let row = query.query_row([batch], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?;
    let Some((keys, dirty, sum)): Option<(Vec<u8>, Vec<u8>, i64)> = row else { return Ok(None) };
    check(batch, &keys, &dirty, sum)?;
    Ok(Some((keys, dirty)))
}

fn delete(conn: &Connection, batch: i64) -> Attempt<()> {
    conn.prepare_cached("DELETE FROM intent WHERE batch = ?1")?.execute([batch])?;
    Ok(())
}

pub(super) fn dirty_sum(batch: i64, keys: &[u8], dirty: &[u8]) -> i64 {
    Sum::new().int(batch).bytes(keys).bytes(dirty).finish()
}

pub(super) fn check(batch: i64, keys: &[u8], dirty: &[u8], sum: i64) -> Attempt<()> {
    match keys.len() == 16 * dirty.len() && sum == dirty_sum(batch, keys, dirty) {
        true => Ok(()),
        false => damaged(format!("batch {batch} has a wrong checksum")),
    }
}
