//! Who may run a sync: one process at a time, told by a lease that has to be renewed and an epoch that only grows.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use outflow_connectors::rehearsal;
use rusqlite::{Connection, OptionalExtension, params};

use super::codes;
use super::fault::{self, Attempt};
use super::refusals::{time, time_text};
use super::state::State;
use super::store::Ledger;
use super::world::{Process, World};
use crate::error::{Error, ErrorKind, Result};

/// How long a lease lasts without being renewed.
const LASTS: Duration = Duration::from_secs(60);
/// What clocks of different machines may differ by.
const SKEW: SignedDuration = SignedDuration::from_secs(60);

fn lasts() -> Duration {
    rehearsal::lease().unwrap_or(LASTS)
}

/// It is renewed once this much of it has passed.
fn renew_after() -> Duration {
    lasts() / 3
}

/// The right to run one sync; released when dropped. Renewed by its own thread, too, so that a long quiet extract keeps it.
#[derive(Debug)]
pub struct Lease {
    held: Arc<Held>,
    renewer: Option<JoinHandle<()>>,
}

struct Held {
    state: State,
    sync: String,
    epoch: u64,
    took_over: bool,
    /// Milliseconds since boot.
    expires: AtomicU64,
    lost: AtomicBool,
    stop: Mutex<bool>,
    stopped: Condvar,
}

impl State {
    /// Takes the lease of a sync; at once if nobody holds it or its holder is known to be dead, else only after it has
    /// expired. Waits for nobody.
    ///
    /// # Errors
    /// `Locked` if another run holds it: names process, host and since when.
    pub fn acquire(&self, sync: &str) -> Result<Lease> {
        // After a loss of `state.db`, epochs go on from where the ledger has them.
        let seen = Ledger::epoch_of(&Ledger::path(&self.dir, sync)).unwrap_or(0);
        let me = self.world.me();
        let (name, world) = (sync.to_owned(), self.world.clone());
        let (epoch, expires, took_over) = self.write(move |tx| {
            let row = Row::get(tx, &name)?;
            if let Some(row) = &row
                && row.is_live(&*world)
            {
                return Err(held_by_another(&name, row).into());
            }
            let took_over = row.as_ref().is_some_and(|row| row.held);
            let epoch = row.map_or(0, |row| row.epoch).max(seen) + 1;
            Ok((epoch, Row::new(epoch, me, &*world).put(tx, &name)?, took_over))
        })?;
        let held = Arc::new(Held {
            state: self.clone(),
            sync: sync.to_owned(),
            epoch,
            took_over,
            expires: AtomicU64::new(expires),
            lost: AtomicBool::new(false),
            stop: Mutex::new(false),
            stopped: Condvar::new(),
        });
        let renewing = held.clone();
        let renewer = Builder::new()
            .name("outflow-lease".into())
            .spawn(move || renewing.renew_until_stopped())
            .map_err(|error| fault::disk(&self.dir, "watched by a thread of its own", &error))?;
        Ok(Lease { held, renewer: Some(renewer) })
    }
}

impl Lease {
    /// Grows with every lease of this sync.
    pub fn epoch(&self) -> u64 {
        self.held.epoch
    }

    pub fn sync(&self) -> &str {
        &self.held.sync
    }

    /// Whether the one before was never given free, so that its holder may be alive without knowing that it has lost it.
    pub(super) fn took_over(&self) -> bool {
        self.held.took_over
    }

    /// Whether the sync may still be run by us; cheap except that it renews the lease when a third of it has passed.
    ///
    /// # Errors
    /// `Locked` once the lease is lost: it expired, as in a machine that slept, or another run took over. It stays lost.
    pub fn check(&self) -> Result<()> {
        self.held.check()
    }

    /// Gives the sync free for others.
    pub fn release(mut self) -> Result<()> {
        self.give_up()
    }

    fn give_up(&mut self) -> Result<()> {
        let Some(renewer) = self.renewer.take() else { return Ok(()) };
        *self.held.stop.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.held.stopped.notify_all();
        let _ = renewer.join();
        let (sync, epoch) = (self.held.sync.clone(), self.held.epoch);
        self.held.state.write(move |tx| {
            tx.execute(
                "UPDATE lease SET held = 0 WHERE sync = ?1 AND epoch = ?2",
                params![sync, epoch as i64],
            )?;
            Ok(())
        })
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // Where it fails, the next run takes over from a dead process or waits for the end of the lease.
        let _ = self.give_up();
    }
}

impl Held {
    fn check(&self) -> Result<()> {
        let left = self.left().ok_or_else(|| self.lost())?;
        if left > lasts() - renew_after() {
            return Ok(());
        }
        match self.renew() {
            // The lease still holds for a while: a passing trouble with the disk is no reason to stop.
            Err(error) if error.kind != ErrorKind::Locked && left > renew_after() => Ok(()),
            result => result,
        }
    }

    /// What is left of the lease; `None` once it is lost.
    fn left(&self) -> Option<Duration> {
        let now = millis(self.state.world.since_boot());
        let left = self.expires.load(Ordering::Acquire).saturating_sub(now);
        if left == 0 {
            self.lost.store(true, Ordering::Release);
        }
        (!self.lost.load(Ordering::Acquire)).then(|| Duration::from_millis(left))
    }

    fn renew(&self) -> Result<()> {
        let (sync, epoch, world) = (self.sync.clone(), self.epoch, self.state.world.clone());
        let renewed = self.state.write(move |tx| {
            let Some(row) = Row::get(tx, &sync)? else { return Ok(None) };
            // Judged inside the transaction: the machine may have slept on the way here.
            match row.held && row.epoch == epoch && millis(world.since_boot()) < row.expires {
                true => Row::new(epoch, row.owner, &*world).since(row.since).put(tx, &sync).map(Some),
                false => Ok(None),
            }
        })?;
        match renewed {
            Some(expires) => {
                self.expires.store(expires, Ordering::Release);
                Ok(())
            }
            None => {
                self.lost.store(true, Ordering::Release);
                Err(self.lost())
            }
        }
    }

    fn renew_until_stopped(&self) {
        let mut stop = self.stop.lock().unwrap_or_else(PoisonError::into_inner);
        while !*stop {
            (stop, _) =
                self.stopped.wait_timeout(stop, renew_after() / 2).unwrap_or_else(PoisonError::into_inner);
            if !*stop && self.left().is_none() {
                return;
            }
            if !*stop {
                // The run hears of a failure from its own check.
                let _ = self.check();
            }
        }
    }

    fn lost(&self) -> Error {
        Error::new(
            codes::LEASE_LOST,
            ErrorKind::Locked,
            format!("this run of `{}` lost its lease: it was not renewed for {} seconds", self.sync, lasts().as_secs()),
        )
        .hint(
            "this happens when a computer sleeps or hangs; nothing more was sent. Run again: what was on its way is \
             settled first",
        )
    }
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lease").field("sync", &self.sync).field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

/// The epoch of the sync's newest lease; 0 if it never had one.
pub(super) fn epoch(conn: &Connection, sync: &str) -> Attempt<u64> {
    Ok(Row::get(conn, sync)?.map_or(0, |row| row.epoch))
}

/// Whether the lease of this epoch is held still.
pub(super) fn is_live(conn: &Connection, sync: &str, epoch: u64, world: &dyn World) -> Attempt<bool> {
    Ok(Row::get(conn, sync)?.is_some_and(|row| row.epoch == epoch && row.is_live(world)))
}

/// A row of `lease`.
pub(super) struct Row {
    epoch: u64,
    held: bool,
    pub(super) owner: Process,
    since: Timestamp,
    expires: u64,
    expires_wall: Timestamp,
}

impl Row {
    fn new(epoch: u64, owner: Process, world: &dyn World) -> Row {
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

    fn since(self, since: Timestamp) -> Row {
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
    fn put(&self, conn: &Connection, sync: &str) -> Attempt<u64> {
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

    pub(super) fn is_live(&self, world: &dyn World) -> bool {
        if !self.held {
            return false;
        }
        let me = world.me();
        let known = |mine: &str, theirs: &str| !mine.is_empty() && mine == theirs;
        if known(&me.boot, &self.owner.boot) {
            // One kernel, one clock. Process ids mean the same only within one namespace.
            let dead = known(&me.space, &self.owner.space)
                && self.owner.start != 0
                && world.start_of(self.owner.pid) != Some(self.owner.start);
            return !dead && millis(world.since_boot()) < self.expires;
        }
        // The same machine has booted since, and nothing of before runs on.
        if known(&me.machine, &self.owner.machine) && me.host == self.owner.host && !me.boot.is_empty() {
            return false;
        }
        world.now() < self.expires_wall.checked_add(SKEW).unwrap_or(Timestamp::MAX)
    }
}

fn held_by_another(sync: &str, row: &Row) -> Error {
    Error::new(
        codes::LEASE_HELD,
        ErrorKind::Locked,
        format!(
            "another run of `{sync}` is going on: process {} on `{}`, since {:.0}",
            row.owner.pid, row.owner.host, row.since
        ),
    )
    .hint(format!(
        "wait until it has ended; if that process is dead, its lease ends by itself at {:.0} at the latest",
        row.expires_wall
    ))
}

pub(super) fn millis(time: Duration) -> u64 {
    time.as_millis() as u64
}
