//! Leases on a clock of our own: nobody sleeps here.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::support::*;
use crate::error::{Error, ErrorKind};
use crate::ledger::world::{Process, World};
use crate::ledger::*;

/// A machine with one clock; several processes may live in it.
#[derive(Default)]
struct Machine {
    seconds: AtomicU64,
    living: Mutex<HashMap<u32, u64>>,
}

impl Machine {
    fn pass(&self, seconds: u64) {
        self.seconds.fetch_add(seconds, Ordering::SeqCst);
    }

    fn process(self: &Arc<Self>, pid: u32) -> Arc<Seat> {
        self.living.lock().unwrap().insert(pid, u64::from(pid) * 10);
        let me = Process {
            host: "mill".into(),
            machine: "m-1".into(),
            boot: "b-1".into(),
            pid,
            start: u64::from(pid) * 10,
            space: "pid:[1]".into(),
        };
        Arc::new(Seat { machine: self.clone(), me, late: SignedDuration::ZERO })
    }

    fn kill(&self, pid: u32) {
        self.living.lock().unwrap().remove(&pid);
    }
}

/// What one process sees of its machine.
#[derive(Clone)]
struct Seat {
    machine: Arc<Machine>,
    me: Process,
    /// By how much this machine's wall clock is ahead.
    late: SignedDuration,
}

impl World for Seat {
    fn since_boot(&self) -> Duration {
        Duration::from_secs(1_000 + self.machine.seconds.load(Ordering::SeqCst))
    }

    fn now(&self) -> Timestamp {
        time(self.machine.seconds.load(Ordering::SeqCst) as i64).checked_add(self.late).unwrap()
    }

    fn me(&self) -> Process {
        self.me.clone()
    }

    fn start_of(&self, pid: u32) -> Option<u64> {
        self.machine.living.lock().unwrap().get(&pid).copied()
    }
}

fn state(home: &Home, seat: Arc<Seat>) -> State {
    State::open_in(home.path(), seat).unwrap()
}

fn other(seat: &Arc<Seat>, change: impl FnOnce(&mut Process)) -> Arc<Seat> {
    let mut seat = (**seat).clone();
    change(&mut seat.me);
    Arc::new(seat)
}

fn is_locked<T: std::fmt::Debug>(result: Result<T, Error>) -> bool {
    result.is_err_and(|error| error.kind == ErrorKind::Locked)
}

#[test]
fn a_held_sync_is_locked_and_says_by_whom() {
    let (home, machine) = (Home::new(), Arc::new(Machine::default()));
    let first = state(&home, machine.process(4242)).acquire("contacts").unwrap();
    let second = state(&home, machine.process(5));
    let error = second.acquire("contacts").unwrap_err();
    assert_eq!((error.code, error.kind), (codes::LEASE_HELD, ErrorKind::Locked));
    for part in ["`contacts`", "4242", "`mill`", "2027-01-15T08:00:00Z"] {
        assert!(error.message.contains(part), "{error}");
    }
    let elsewhere = second.acquire("companies").unwrap();
    assert_eq!((first.epoch(), elsewhere.epoch()), (1, 1));
    first.release().unwrap();
    let again = second.acquire("contacts").unwrap();
    assert_eq!(again.epoch(), 2);
    drop(again);
    assert_eq!(second.acquire("contacts").unwrap().epoch(), 3);
}

#[test]
fn one_process_cannot_hold_a_sync_twice() {
    let (home, machine) = (Home::new(), Arc::new(Machine::default()));
    let state = state(&home, machine.process(1));
    let _first = state.acquire("contacts").unwrap();
    assert!(is_locked(state.acquire("contacts")));
}

#[test]
fn a_dead_process_is_taken_over_at_once() {
    let (home, machine) = (Home::new(), Arc::new(Machine::default()));
    let first = state(&home, machine.process(10)).acquire("contacts").unwrap();
    let second = state(&home, machine.process(11));
    machine.kill(10);
    let lease = second.acquire("contacts").unwrap();
    assert_eq!(lease.epoch(), 2);
    // The dead one comes back to life, as after a mistake: it must notice.
    machine.pass(25);
    assert!(is_locked(first.check()));
    lease.check().unwrap();
    drop(first);
    assert!(
        is_locked(state(&home, machine.process(12)).acquire("contacts")),
        "a lost lease releases nothing"
    );
}

#[test]
fn a_process_id_used_again_is_not_the_owner() {
    let (home, machine) = (Home::new(), Arc::new(Machine::default()));
    let _first = state(&home, machine.process(10)).acquire("contacts").unwrap();
    machine.living.lock().unwrap().insert(10, 99_999);
    assert_eq!(state(&home, machine.process(11)).acquire("contacts").unwrap().epoch(), 2);
}

#[test]
fn a_machine_that_booted_has_no_runs_left() {
    let (home, machine) = (Home::new(), Arc::new(Machine::default()));
    let seat = machine.process(10);
    let _first = state(&home, seat.clone()).acquire("contacts").unwrap();
    let booted = other(&seat, |me| me.boot = "b-2".into());
    assert_eq!(state(&home, booted).acquire("contacts").unwrap().epoch(), 2);
}

#[test]
fn another_container_waits_for_the_end_of_the_lease() {
    let (home, machine) = (Home::new(), Arc::new(Machine::default()));
    let seat = machine.process(10);
    let first = state(&home, seat.clone()).acquire("contacts").unwrap();
    let container = other(&seat, |me| (me.space, me.pid) = ("pid:[2]".into(), 1));
    let second = state(&home, container);
    machine.kill(10);
    machine.pass(59);
    assert!(is_locked(second.acquire("contacts")), "its process ids mean nothing here");
    machine.pass(1);
    assert_eq!(second.acquire("contacts").unwrap().epoch(), 2);
    assert!(is_locked(first.check()));
}

#[test]
fn another_host_waits_longer_for_its_clock_may_differ() {
    let (home, machine) = (Home::new(), Arc::new(Machine::default()));
    let seat = machine.process(10);
    let _first = state(&home, seat.clone()).acquire("contacts").unwrap();
    let host = other(&seat, |me| {
        (me.host, me.machine, me.boot) = ("barn".into(), "m-2".into(), "b-9".into());
    });
    let ahead = Arc::new(Seat { late: SignedDuration::from_secs(50), ..(*host).clone() });
    machine.pass(61);
    assert!(is_locked(state(&home, ahead.clone()).acquire("contacts")));
    machine.pass(60);
    assert_eq!(state(&home, ahead).acquire("contacts").unwrap().epoch(), 2);
}

#[test]
fn checking_renews() {
    let (home, machine) = (Home::new(), Arc::new(Machine::default()));
    let lease = state(&home, machine.process(10)).acquire("contacts").unwrap();
    let container = other(&machine.process(10), |me| me.space = "pid:[2]".into());
    let second = state(&home, container);
    for _ in 0..5 {
        machine.pass(50);
        lease.check().unwrap();
        assert!(is_locked(second.acquire("contacts")));
    }
}

#[test]
fn a_lease_slept_through_is_lost_for_good() {
    let (home, machine) = (Home::new(), Arc::new(Machine::default()));
    let state = state(&home, machine.process(10));
    let lease = state.acquire("contacts").unwrap();
    let ledger = Ledger::open(&home.file(), &lease).unwrap();
    machine.pass(60);
    let error = lease.check().unwrap_err();
    assert_eq!((error.code, error.kind), (codes::LEASE_LOST, ErrorKind::Locked));
    assert!(is_locked(lease.check()));
    let next = state.acquire("contacts").unwrap();
    assert_eq!(next.epoch(), 2);
    let taken = Ledger::open(&home.file(), &next).unwrap();
    assert!(is_locked(ledger.set_note("a", Some("b"))));
    taken.set_note("a", Some("c")).unwrap();
    assert!(is_locked(lease.check()));
    next.check().unwrap();
}

#[test]
fn trouble_with_the_disk_is_borne_while_the_lease_lasts() {
    let (home, machine) = (Home::new(), Arc::new(Machine::default()));
    let lease = state(&home, machine.process(10)).acquire("contacts").unwrap();
    let thief = rusqlite::Connection::open(home.path().join("state.db")).unwrap();
    thief.execute_batch("BEGIN IMMEDIATE").unwrap();
    machine.pass(30);
    lease.check().unwrap();
    machine.pass(15);
    assert_eq!(lease.check().unwrap_err().code, codes::BUSY);
    thief.execute_batch("ROLLBACK").unwrap();
    lease.check().unwrap();
}

#[test]
fn epochs_outlive_the_state_file() {
    let (home, machine) = (Home::new(), Arc::new(Machine::default()));
    for epoch in 1..=3 {
        let lease = state(&home, machine.process(10)).acquire("contacts").unwrap();
        assert_eq!(lease.epoch(), epoch);
        let ledger = Ledger::open(&home.file(), &lease).unwrap();
        ledger.set_note("run", Some(&epoch.to_string())).unwrap();
        ledger.close().unwrap();
    }
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(home.path().join(format!("state.db{end}")));
    }
    let lease = state(&home, machine.process(10)).acquire("contacts").unwrap();
    assert_eq!(lease.epoch(), 4);
    Ledger::open(&home.file(), &lease).unwrap();
}

#[test]
fn the_real_machine_takes_over_from_a_process_that_was_killed() {
    let home = Home::new();
    let lease = State::open(home.path()).unwrap().acquire("contacts").unwrap();
    assert!(is_locked(State::open(home.path()).unwrap().acquire("contacts")));
    let mut child = std::process::Command::new("true").spawn().unwrap();
    let pid = child.id();
    child.wait().unwrap();
    let thief = rusqlite::Connection::open(home.path().join("state.db")).unwrap();
    thief.execute("UPDATE lease SET pid = ?1", [pid]).unwrap();
    assert_eq!(State::open(home.path()).unwrap().acquire("contacts").unwrap().epoch(), 2);
    drop(lease);
}

#[test]
fn a_backfill_gives_way_only_where_nobody_else_holds_the_sync() {
    let (home, machine) = (Home::new(), Arc::new(Machine::default()));
    let backfill = state(&home, machine.process(1));
    let run = state(&home, machine.process(2));
    assert!(!run.gives_way("contacts").unwrap(), "nobody backfills");
    let own = backfill.acquire_backfill("contacts").unwrap();
    assert_eq!(run.acquire_backfill("contacts").unwrap_err().kind, ErrorKind::Locked);
    assert!(run.gives_way("contacts").unwrap(), "the sync is free");
    let chunk = backfill.acquire("contacts").unwrap();
    assert!(run.gives_way("contacts").unwrap());
    chunk.release().unwrap();
    let other = state(&home, machine.process(3)).acquire("contacts").unwrap();
    assert!(!run.gives_way("contacts").unwrap(), "another run holds it");
    other.release().unwrap();
    machine.kill(1);
    assert!(!run.gives_way("contacts").unwrap(), "the backfill is dead");
    drop(own);
}

#[test]
fn a_run_that_waits_is_seen_until_it_has_its_turn_or_dies() {
    let (home, machine) = (Home::new(), Arc::new(Machine::default()));
    let (backfill, run) = (state(&home, machine.process(1)), state(&home, machine.process(2)));
    assert!(!backfill.is_wanted("contacts").unwrap());
    run.ask_turn("contacts").unwrap();
    assert!(backfill.is_wanted("contacts").unwrap() && !backfill.is_wanted("companies").unwrap());
    machine.pass(4);
    run.ask_turn("contacts").unwrap();
    machine.pass(4);
    assert!(backfill.is_wanted("contacts").unwrap());
    machine.pass(1);
    assert!(!backfill.is_wanted("contacts").unwrap(), "who died does not renew its mark");
    run.ask_turn("contacts").unwrap();
    run.end_turn("contacts").unwrap();
    assert!(!backfill.is_wanted("contacts").unwrap());
}

#[test]
fn a_backfill_shows_as_running_between_its_chunks() {
    let (home, machine) = (Home::new(), Arc::new(Machine::default()));
    let backfill = state(&home, machine.process(1));
    let own = backfill.acquire_backfill("contacts").unwrap();
    let (id, number) = backfill.begin_backfill("contacts", None, time(0)).unwrap();
    let chunk = backfill.acquire("contacts").unwrap();
    chunk.release().unwrap();
    let shown =
        |state: &State| state.run(&id).unwrap().map(|run| (run.kind, run.number, run.status)).unwrap();
    assert_eq!(shown(&backfill), ("backfill".to_owned(), number, "running".to_owned()));
    own.release().unwrap();
    assert_eq!(shown(&backfill).2, "interrupted");
}
