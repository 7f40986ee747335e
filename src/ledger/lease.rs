//! Who may run a sync: one process at a time, told by a lease that has to be renewed and an epoch that only grows.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use outflow_connectors::rehearsal;
use rusqlite::{Connection, params};

use super::codes;
use super::fault::{self, Attempt};
use super::lease_row::Row;
use super::owner;
use super::state::State;
use super::store::Ledger;
use super::world::World;
use crate::error::{Error, ErrorKind, Result};

/// How long a lease lasts without being renewed.
const LASTS: Duration = Duration::from_secs(60);
pub(super) fn lasts() -> Duration {
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
        let path = Ledger::path(&self.dir, sync);
        // After a loss of `state.db`, epochs go on from where the ledger has them.
        let seen = Ledger::epoch_of(&path).unwrap_or(0);
        let left = self.holder(sync)?.filter(|row| !row.is_live(&*self.world));
        if let Some(row) = left
            && owner::is_locked(&path)
        {
            return Err(row.stuck(sync, &path));
        }
        let me = self.world.me();
        let (name, world) = (sync.to_owned(), self.world.clone());
        let taken = self.write(move |tx| {
            let row = Row::get(tx, &name)?;
            if let Some(row) = &row
                && row.is_live(&*world)
            {
                return Err(row.refusal(&name).into());
            }
            let took_over = row.as_ref().is_some_and(|row| row.held);
            let epoch = row.map_or(0, |row| row.epoch).max(seen) + 1;
            Ok((epoch, Row::new(epoch, me, &*world).put(tx, &name)?, took_over))
        });
        let (epoch, expires, took_over) = taken.map_err(|error| self.unless_held(sync, error))?;
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

    /// Where the state is locked, whoever holds this sync keeps it so: a run that was stopped while it wrote.
    pub(super) fn unless_held(&self, sync: &str, error: Error) -> Error {
        if error.code != codes::BUSY {
            return error;
        }
        match self.holder(sync) {
            Ok(Some(row)) if row.is_live(&*self.world) => row.refusal(sync),
            Ok(Some(row)) => row.stuck(sync, self.owner.path()),
            _ => error,
        }
    }

    /// Whoever never gave the lease free and is not known to be dead.
    fn holder(&self, sync: &str) -> Result<Option<Row>> {
        let (sync, world) = (sync.to_owned(), self.world.clone());
        self.owner.look(move |conn| Ok(Row::get(conn, &sync)?.filter(|row| row.may_run(&*world))))
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

    /// To ask from elsewhere whether it is still held.
    pub fn tenure(&self) -> Tenure {
        Tenure(self.held.clone())
    }

    /// Gives the sync free for others.
    pub fn release(mut self) -> Result<()> {
        self.give_up()
    }

    fn give_up(&mut self) -> Result<()> {
        let Some(renewer) = self.renewer.take() else { return Ok(()) };
        self.held.lost.store(true, Ordering::Release);
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

/// Tells whether a lease is held; may outlive it.
#[derive(Debug, Clone)]
pub struct Tenure(Arc<Held>);

impl Tenure {
    /// Does not block and renews nothing.
    ///
    /// # Errors
    /// `Locked` once the lease was lost or given free.
    pub fn check(&self) -> Result<()> {
        self.0.left().map(drop).ok_or_else(|| self.0.lost())
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

pub(super) fn millis(time: Duration) -> u64 {
    time.as_millis() as u64
}
