//! Whose turn it is. A backfill holds a lease of its own from start to end, and the sync's only while it sends some
//! rows; a sync that finds it there leaves a mark, and the backfill gives way.

use std::time::Duration;

use rusqlite::{OptionalExtension, params};

use super::lease::{Lease, millis};
use super::lease_row::Row;
use super::state::State;
use crate::error::Result;

/// How long a mark lasts: whoever waits renews it, whoever died does not.
const WAITS: Duration = Duration::from_secs(5);

/// Under which a backfill holds its own lease; no sync has such a name.
pub(super) fn backfill_of(sync: &str) -> String {
    format!("backfill of {sync}")
}

impl State {
    /// Takes the right to backfill a sync; syncs may run meanwhile.
    ///
    /// # Errors
    /// `Locked` if another process backfills it.
    pub fn acquire_backfill(&self, sync: &str) -> Result<Lease> {
        self.acquire(&backfill_of(sync)).map_err(|error| self.unless_held(sync, error))
    }

    /// Whether nobody but a backfill keeps the sync from running.
    pub fn gives_way(&self, sync: &str) -> Result<bool> {
        let (sync, world) = (sync.to_owned(), self.world.clone());
        self.owner.look(move |conn| {
            let Some(backfill) = Row::get(conn, &backfill_of(&sync))? else { return Ok(false) };
            let holder = Row::get(conn, &sync)?.filter(|row| row.is_live(&*world));
            Ok(backfill.is_live(&*world) && holder.is_none_or(|holder| holder.owner == backfill.owner))
        })
    }

    /// Says that a run of this sync waits; to be said again every second.
    pub fn ask_turn(&self, sync: &str) -> Result<()> {
        let (sync, world) = (sync.to_owned(), self.world.clone());
        self.write(move |tx| {
            let expires = millis(world.since_boot() + WAITS) as i64;
            tx.prepare_cached("INSERT OR REPLACE INTO waiting (sync, boot, expires) VALUES (?1, ?2, ?3)")?
                .execute(params![sync, world.me().boot, expires])?;
            Ok(())
        })
    }

    /// Takes the mark away: the run has begun, or waits no more.
    pub fn end_turn(&self, sync: &str) -> Result<()> {
        let sync = sync.to_owned();
        self.write(move |tx| {
            tx.execute("DELETE FROM waiting WHERE sync = ?1", [sync])?;
            Ok(())
        })
    }

    /// Whether a run of this sync waits.
    pub fn is_wanted(&self, sync: &str) -> Result<bool> {
        let (sync, world) = (sync.to_owned(), self.world.clone());
        self.owner.look(move |conn| {
            let mut query = conn.prepare_cached("SELECT boot, expires FROM waiting WHERE sync = ?1")?;
            let mark = query.query_row([&sync], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
            let Some((boot, expires)): Option<(String, i64)> = mark else { return Ok(false) };
            Ok(boot == world.me().boot && (millis(world.since_boot()) as i64) < expires)
        })
    }
}
