//! A lease as it is written down, and what that says of its holder.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use super::codes;
use super::fault::Attempt;
use super::lease::{lasts, millis};
use super::refusals::{time, time_text};
use super::world::{Process, World};
use crate::error::{Error, ErrorKind};

/// What clocks of different machines may differ by.
const SKEW: SignedDuration = SignedDuration::from_secs(60);

/// A row of `lease`.
pub(super) struct Row {
    pub(super) epoch: u64,
    pub(super) held: bool,
    pub(super) owner: Process,
    pub(super) since: Timestamp,
    /// Milliseconds since boot.
    pub(super) expires: u64,
    expires_wall: Timestamp,
}

impl Row {
    pub(super) fn new(epoch: u64, owner: Process, world: &dyn World) -> Row {
        let now = world.now();
        let lease = SignedDuration::from_secs(lasts().as_secs() as i64);
        Row {
            epoch,
            held: true,
            owner,
            since: now,
            expires: millis(world.since_boot() + lasts()),
            expires_wall: now.checked_add(lease).unwrap_or(Timestamp::MAX),
        }
    }

    pub(super) fn since(self, since: Timestamp) -> Row {
        Row { since, ..self }
    }

    pub(super) fn get(conn: &Connection, sync: &str) -> Attempt<Option<Row>> {
        let mut query = conn.prepare_cached(
            "SELECT epoch, held, host, machine, boot, pid, pid_start, pid_space, since, expires, expires_wall
             FROM lease WHERE sync = ?1",
        )?;
        let found = query.query_row([sync], |row| {
            let owner = Process {
                host: row.get(2)?,
                machine: row.get(3)?,
                boot: row.get(4)?,
                pid: row.get(5)?,
                start: row.get::<_, i64>(6)? as u64,
                space: row.get(7)?,
            };
            let (epoch, held, expires): (i64, bool, i64) = (row.get(0)?, row.get(1)?, row.get(9)?);
            let (since, wall): (String, String) = (row.get(8)?, row.get(10)?);
            Ok((epoch as u64, held, owner, since, expires as u64, wall))
        });
        let Some((epoch, held, owner, since, expires, wall)) = found.optional()? else { return Ok(None) };
        Ok(Some(Row { epoch, held, owner, since: time(&since)?, expires, expires_wall: time(&wall)? }))
    }

    /// Returns when it expires.
    pub(super) fn put(&self, conn: &Connection, sync: &str) -> Attempt<u64> {
        conn.prepare_cached(
            "INSERT OR REPLACE INTO lease (sync, epoch, held, host, machine, boot, pid, pid_start, pid_space, since,
                 expires, expires_wall) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .execute(params![
            sync,
            self.epoch as i64,
            self.held,
            self.owner.host,
            self.owner.machine,
            self.owner.boot,
            self.owner.pid,
            self.owner.start as i64,
            self.owner.space,
            time_text(self.since),
            self.expires as i64,
            time_text(self.expires_wall)
        ])?;
        Ok(self.expires)
    }

    /// Whether it still keeps others out.
    pub(super) fn is_live(&self, world: &dyn World) -> bool {
        let lasts = match self.is_of_this_boot(world) {
            // One kernel, one clock.
            true => millis(world.since_boot()) < self.expires,
            false => world.now() < self.expires_wall.checked_add(SKEW).unwrap_or(Timestamp::MAX),
        };
        self.may_run(world) && lasts
    }

    /// Whether its holder may be at work still, however long ago it renewed the lease.
    pub(super) fn may_run(&self, world: &dyn World) -> bool {
        let me = world.me();
        let dead = match self.is_of_this_boot(world) {
            // Process ids mean the same only within one namespace.
            true => {
                known(&me.space, &self.owner.space)
                    && self.owner.start != 0
                    && world.start_of(self.owner.pid) != Some(self.owner.start)
            }
            // The same machine has booted since, and nothing of before runs on.
            false => {
                known(&me.machine, &self.owner.machine) && me.host == self.owner.host && !me.boot.is_empty()
            }
        };
        self.held && !dead
    }

    fn is_of_this_boot(&self, world: &dyn World) -> bool {
        known(&world.me().boot, &self.owner.boot)
    }

    /// Why another run may not have the lease now.
    pub(super) fn refusal(&self, sync: &str) -> Error {
        let Process { pid, host, .. } = &self.owner;
        let message = format!(
            "another run of `{sync}` is going on: process {pid} on `{host}`, since {:.0}",
            self.since
        );
        Error::new(codes::LEASE_HELD, ErrorKind::Locked, message).hint(format!(
            "wait until it has ended; if that process is dead, its lease ends by itself at {:.0} at the latest",
            self.expires_wall
        ))
    }

    /// As [`refusal`](Self::refusal), where the lease has run out, but its holder keeps this file locked.
    pub(super) fn stuck(&self, sync: &str, file: &Path) -> Error {
        let Process { pid, host, .. } = &self.owner;
        let message = format!(
            "another run of `{sync}`, process {pid} on `{host}`, was stopped or hangs while it writes `{}`, and keeps it \
             locked",
            file.display()
        );
        Error::new(codes::LEASE_HELD, ErrorKind::Locked, message).hint(format!(
            "let it go on (`kill -CONT {pid}`) or end it (`kill -KILL {pid}`), and run again: what was on its way is \
             settled first"
        ))
    }
}

fn known(mine: &str, theirs: &str) -> bool {
    !mine.is_empty() && mine == theirs
}
