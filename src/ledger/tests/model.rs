//! The ledger against a map that does the same: settle, rebase, gone, compact, crash and reopen in any order.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;

use proptest::prelude::*;

use super::support::*;
use crate::ledger::compact;
use crate::ledger::*;

#[derive(Debug, Clone)]
enum Step {
    Settle(Vec<(u64, Option<u64>)>),
    Rebase(Vec<(u64, u64)>),
    Gone(Vec<u64>),
    /// Ends after this many transactions.
    Compact(usize),
    Reopen,
    /// The process dies: what is on the disk at this moment is all that is left.
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    let keys = 0..60u64;
    prop_oneof![
        4 => prop::collection::vec((keys.clone(), prop::option::weighted(0.8, 0..9u64)), 0..25).prop_map(Step::Settle),
        1 => prop::collection::vec((keys.clone(), 10..19u64), 0..10).prop_map(Step::Rebase),
        1 => prop::collection::vec(keys, 0..5).prop_map(Step::Gone),
        2 => (0..4usize).prop_map(Step::Compact),
        1 => Just(Step::Reopen),
        1 => Just(Step::Crash),
    ]
}

fn compact_until(ledger: &Ledger, steps: usize) {
    let mut left = steps;
    let stop = move || {
        left = left.saturating_sub(1);
        if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let term = ledger.writable().unwrap();
    ledger.owner.call(move |conn| compact::compact(conn, term, stop)).unwrap();
}

struct World {
    home: Home,
    ledger: Option<Ledger>,
    epoch: u64,
    model: BTreeMap<KeyHash, RecordHash>,
}

impl World {
    fn new() -> World {
        let home = Home::new();
        let ledger = Some(home.ledger(1));
        World { home, ledger, epoch: 1, model: BTreeMap::new() }
    }

    fn take(&mut self, step: Step) {
        let ledger = self.ledger.clone().unwrap();
        match step {
            Step::Settle(changes) => {
                let settled: Vec<_> = changes
                    .iter()
                    .map(|&(k, r)| match r {
                        Some(r) => Settled {
                            key: key(k),
                            result: Settlement::Delivered { record: record(r), detail: None },
                        },
                        None => Settled { key: key(k), result: Settlement::Removed },
                    })
                    .collect();
                ledger.settle(BatchId(1), &settled).unwrap();
                for (k, r) in changes {
                    match r {
                        Some(r) => self.model.insert(key(k), record(r)),
                        None => self.model.remove(&key(k)),
                    };
                }
            }
            Step::Rebase(entries) => {
                ledger
                    .rebase(&entries.iter().map(|&(k, r)| (key(k), record(r), None)).collect::<Vec<_>>())
                    .unwrap();
                self.model.extend(entries.into_iter().map(|(k, r)| (key(k), record(r))));
            }
            Step::Gone(keys) => {
                let keys: Vec<_> = keys.into_iter().map(key).collect();
                ledger.mark_gone(&keys).unwrap();
                self.model.retain(|key, _| !keys.contains(key));
            }
            Step::Compact(steps) => compact_until(&ledger, steps),
            Step::Reopen => {
                self.ledger = None;
                ledger.close().unwrap();
                self.reopen();
            }
            Step::Crash => self.crash(),
        }
    }

    /// The old process is fenced off by never being heard again.
    fn crash(&mut self) {
        let next = self.home.crashed();
        self.ledger = None;
        self.home = next;
        self.reopen();
    }

    fn reopen(&mut self) {
        self.epoch += 1;
        self.ledger = Some(self.home.ledger(self.epoch));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_ledger_is_a_map_that_survives(steps in prop::collection::vec(step(), 1..14)) {
        let mut world = World::new();
        for step in steps {
            world.take(step);
            let ledger = world.ledger.as_ref().unwrap();
            prop_assert_eq!(&live(ledger), &world.model);
            prop_assert_eq!(ledger.entries().unwrap(), world.model.len() as u64);
        }
        for k in 0..60 {
            let found = live(world.ledger.as_ref().unwrap()).get(&key(k)).copied();
            prop_assert_eq!(found, world.model.get(&key(k)).copied());
        }
    }
}

fn load(ledger: &Ledger, rows: std::ops::Range<u64>, version: u64) {
    ledger.rebase(&rows.map(|n| (key(n), record(version), None)).collect::<Vec<_>>()).unwrap();
}

#[test]
fn a_log_cut_off_anywhere_gives_an_earlier_state_and_never_a_mixed_one() {
    let home = Home::new();
    let ledger = home.ledger(1);
    let mut states = vec![live(&ledger)];
    for version in 1..6 {
        load(&ledger, version * 3..version * 3 + 6, version);
        states.push(live(&ledger));
    }
    let file = fs::read(home.file()).unwrap();
    let log = fs::read(home.file().with_extension("db-wal")).unwrap();
    let mut newest = 0;
    for cut in (0..=log.len()).step_by(7_919).chain([log.len()]) {
        let after = Home::new();
        fs::create_dir_all(after.path().join("ledger")).unwrap();
        fs::write(after.file(), &file).unwrap();
        fs::write(after.file().with_extension("db-wal"), &log[..cut]).unwrap();
        let found = live(&after.ledger(2));
        let state = states.iter().position(|state| *state == found).expect("a state that never was");
        assert!(state >= newest, "a longer log gave an older state");
        newest = state;
    }
    assert_eq!(newest, states.len() - 1);
}

fn count(ledger: &Ledger, sql: &'static str) -> i64 {
    ledger.owner.look(move |conn| Ok(conn.query_row(sql, [], |row| row.get(0))?)).unwrap()
}

#[test]
fn parts_split_as_they_grow_and_go_when_they_are_empty() {
    let home = Home::new();
    let ledger = home.ledger(1);
    load(&ledger, 0..20_000, 1);
    ledger.compact().unwrap();
    assert_eq!(count(&ledger, "SELECT count(*) FROM log"), 0);
    let parts = count(&ledger, "SELECT count(*) FROM part");
    assert!((3..=5).contains(&parts), "{parts} parts");
    load(&ledger, 0..100, 2);
    ledger.compact().unwrap();
    assert_eq!(count(&ledger, "SELECT count(*) FROM log"), 1, "0.5 % is not worth a compaction");
    load(&ledger, 100..1_000, 2);
    ledger.compact().unwrap();
    assert_eq!(count(&ledger, "SELECT count(*) FROM log"), 0);
    let changed = live(&ledger).into_values().filter(|r| *r == record(2)).count();
    assert_eq!((ledger.entries().unwrap(), changed), (20_000, 1_000));
    drop(ledger);
    let ledger = home.ledger(2);
    ledger.mark_gone(&(0..20_000).map(key).collect::<Vec<_>>()).unwrap();
    ledger.compact().unwrap();
    assert_eq!(count(&ledger, "SELECT count(*) FROM part"), 0);
    assert_eq!(ledger.entries().unwrap(), 0);
}

#[test]
fn keys_that_begin_alike_stay_in_one_part() {
    let home = Home::new();
    let ledger = home.ledger(1);
    let alike = |n: u64| {
        let mut bytes = [7; 16];
        bytes[8..].copy_from_slice(&n.to_be_bytes());
        KeyHash(bytes)
    };
    ledger.rebase(&(0..9_000).map(|n| (alike(n), record(n), None)).collect::<Vec<_>>()).unwrap();
    load(&ledger, 0..9_000, 1);
    ledger.compact().unwrap();
    assert_eq!(ledger.entries().unwrap(), 18_000);
    assert_eq!(live(&ledger).get(&alike(8_999)), Some(&record(8_999)));
}

#[test]
fn the_dump_is_readable_by_any_tool() {
    let home = Home::new();
    let ledger = home.ledger(1);
    load(&ledger, 0..5, 1);
    ledger.compact().unwrap();
    load(&ledger, 3..8, 2);
    ledger.mark_gone(&[key(0)]).unwrap();
    let dump: Vec<(String, String)> = ledger
        .owner
        .look(|conn| {
            let mut query = conn.prepare("SELECT key, record FROM dump")?;
            let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<rusqlite::Result<Vec<_>>>()?)
        })
        .unwrap();
    let expected: Vec<_> = live(&ledger).iter().map(|(k, r)| (k.to_string(), format!("{r:?}"))).collect();
    assert_eq!(dump, expected);
    assert_eq!(dump.len(), 7);
}
