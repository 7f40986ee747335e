//! Details: few go into their table, many into a log that is folded into it once it is large; whoever looks sees the same
//! either way.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;

use proptest::prelude::*;
use rusqlite::Connection;

use super::support::*;
use crate::ledger::detail_log;
use crate::ledger::*;

/// So many that two hundred details beside them are few, and four hundred are not.
pub(super) const ROWS: u64 = if cfg!(debug_assertions) { 400 } else { 4_000 };

/// Keys with the number of their new detail, or none where the object was removed.
pub(super) type Puts = Vec<(u64, Option<u64>)>;

pub(super) fn put(ledger: &Ledger, puts: &[(u64, Option<u64>)]) {
    let settled = puts.iter().map(|&(k, version)| Settled {
        key: key(k),
        result: match version {
            Some(n) => Settlement::Delivered { record: record(n), detail: Some(Box::new(detail(n))) },
            None => Settlement::Removed,
        },
    });
    ledger.settle(BatchId(1), &settled.collect::<Vec<_>>()).unwrap();
}

pub(super) fn each(keys: std::ops::Range<u64>, version: u64) -> Puts {
    keys.map(|k| (k, Some(version + k))).collect()
}

pub(super) fn fold_until(ledger: &Ledger, steps: usize) {
    let mut left = steps;
    let stop = move || {
        left = left.saturating_sub(1);
        if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let term = ledger.writable().unwrap();
    ledger.owner.call(move |conn| detail_log::fold(conn, term, stop)).unwrap();
}

pub(super) fn number(ledger: &Ledger, sql: &'static str) -> i64 {
    ledger.owner.look(move |conn| Ok(conn.query_row(sql, [], |row| row.get(0))?)).unwrap()
}

/// Rows of the log now, and those there have ever been.
pub(super) fn log(ledger: &Ledger) -> (i64, i64) {
    let ever = number(ledger, "SELECT value - 1 FROM meta WHERE name = 'detail_next'");
    (number(ledger, "SELECT count(*) FROM detail_log"), ever)
}

/// What is kept of each key.
pub(super) type Model = BTreeMap<KeyHash, Detail>;

pub(super) fn model(puts: &[(u64, Option<u64>)], model: &mut Model) {
    for &(k, version) in puts {
        match version {
            Some(n) => model.insert(key(k), detail(n)),
            None => model.remove(&key(k)),
        };
    }
}

pub(super) fn mark(keys: &[u64], model: &mut Model) {
    keys.iter().for_each(|k| model.entry(key(*k)).or_default().gone = true);
}

/// Everything that can be asked about the details of some keys and destination keys.
pub(super) fn assert_holds(ledger: &Ledger, model: &Model, keys: std::ops::Range<u64>) {
    let asked: Vec<KeyHash> = keys.clone().map(key).collect();
    let found: Model = ledger.details(&asked).unwrap().into_iter().collect();
    assert!(found == *model, "other details: {:?}", differing(&found, model));
    assert_eq!(ledger.has_details().unwrap(), !model.is_empty());
    let hashes: Vec<u64> = model.values().map(|detail| detail.destination_hash).collect();
    let mut holders = HashMap::new();
    for (key, detail) in model.iter().filter(|(_, detail)| !detail.gone && detail.destination_hash != 0) {
        holders.entry(detail.destination_hash).or_insert(*key);
    }
    assert_eq!(ledger.destination_holders(&hashes).unwrap(), holders);
    assert_eq!(ledger.holdings().unwrap().details, model.len() as u64);
}

fn differing(found: &Model, model: &Model) -> Vec<KeyHash> {
    let keys = found.keys().chain(model.keys()).copied();
    keys.filter(|key| found.get(key) != model.get(key)).take(3).collect()
}

pub(super) fn reader(home: &Home) -> Ledger {
    Ledger::read(&home.file()).unwrap().unwrap()
}

#[test]
fn the_newest_detail_counts_wherever_it_stands() {
    let home = Home::new();
    let ledger = home.ledger(1);
    let mut expected = Model::new();
    let removed: Puts = (0..80).map(|k| (k, None)).collect();
    for (turn, puts) in
        [each(0..200, 0), each(0..150, 1_000), each(100..220, 2_000), removed].iter().enumerate()
    {
        put(&ledger, puts);
        model(puts, &mut expected);
        if turn == 0 {
            ledger.compact().unwrap();
        }
    }
    assert_eq!(log(&ledger), (3, 4), "a row for each transaction since the fold");
    assert_holds(&reader(&home), &expected, 0..250);
    // The log has nothing of these, so the table is looked at as it is.
    assert!(ledger.details(&(300..400).map(key).collect::<Vec<_>>()).unwrap().is_empty());
    assert_eq!(number(&ledger, "SELECT count(*) FROM temp.sqlite_schema"), 0);
    ledger.mark_gone(&[key(150), key(400)]).unwrap();
    mark(&[150, 400], &mut expected);
    for turn in 0..2 {
        assert_holds(&reader(&home), &expected, 0..401);
        assert_holds(&ledger, &expected, 0..401);
        assert_eq!(ledger.verify().unwrap().details, expected.len() as u64);
        assert_eq!(log(&ledger), (if turn == 0 { 4 } else { 0 }, 5), "it is not folded for those who look");
        ledger.compact().unwrap();
    }
}

#[test]
fn few_details_leave_no_log_and_hashes_alone_no_details() {
    let home = Home::new();
    let ledger = home.ledger(1);
    let bare = (0..300)
        .map(|n| Settled { key: key(n), result: Settlement::Delivered { record: record(n), detail: None } });
    ledger.settle(BatchId(1), &bare.collect::<Vec<_>>()).unwrap();
    for turn in 0..3 {
        put(&ledger, &each(turn..turn + 3, 0));
    }
    assert_eq!(log(&ledger), (0, 0));
    assert_eq!(ledger.details(&(0..300).map(key).collect::<Vec<_>>()).unwrap().len(), 5);
}

#[test]
fn later_details_wait_their_turn_behind_those_in_the_log() {
    let home = Home::new();
    let ledger = home.ledger(1);
    put(&ledger, &each(0..100, 0));
    put(&ledger, &[(7, Some(700)), (8, None)]);
    ledger.rebase(&[(key(9), record(1), Some(detail(900)))]).unwrap();
    assert_eq!(log(&ledger).0, 3);
    ledger.compact().unwrap();
    assert_eq!(log(&ledger).0, 0);
    let found = ledger.details(&[key(7), key(8), key(9)]).unwrap();
    assert_eq!(found, HashMap::from([(key(7), detail(700)), (key(9), detail(900))]));
}

#[test]
fn a_fold_that_ended_early_is_done_again() {
    for steps in 1..4 {
        let mut home = Home::new();
        let ledger = home.ledger(1);
        put(&ledger, &each(0..100, 0));
        ledger.compact().unwrap();
        // Too few to be folded at once, and several steps in a debug build.
        put(&ledger, &each(50..400, 1_000));
        put(&ledger, &(0..60).map(|k| (k, None)).collect::<Vec<_>>());
        let mut expected = Model::new();
        model(&each(0..100, 0), &mut expected);
        model(&each(50..400, 1_000), &mut expected);
        expected.retain(|held, _| !(0..60).any(|k| key(k) == *held));
        fold_until(&ledger, steps);
        assert_holds(&reader(&home), &expected, 0..400);
        home = home.crashed();
        assert_holds(&reader(&home), &expected, 0..400);
        let ledger = home.ledger(2);
        assert_eq!(log(&ledger).0, 0);
        assert_holds(&ledger, &expected, 0..400);
    }
}

#[test]
#[cfg(debug_assertions)]
fn a_log_is_folded_before_it_holds_too_many_keys() {
    let home = Home::new();
    let ledger = home.ledger(1);
    put(&ledger, &each(0..300, 0));
    put(&ledger, &each(300..440, 0));
    assert_eq!(log(&ledger), (2, 2));
    // Fewer than may be are there, and these would be more.
    put(&ledger, &each(400..500, 1_000));
    assert_eq!(log(&ledger), (1, 3));
    let mut expected = Model::new();
    model(&each(0..440, 0), &mut expected);
    model(&each(400..500, 1_000), &mut expected);
    assert_holds(&reader(&home), &expected, 0..500);
}

/// The largest needs a window of its own when it is read back, and does not fit into a page either.
#[test]
fn details_of_any_length_are_folded() {
    let home = Home::new();
    let ledger = home.ledger(1);
    let long = |n: u64| {
        let text = "é".repeat((n * n * 30) as usize);
        Detail { key: Some(text.clone()), record: Some(text), remote_id: None, created: None, ..detail(n) }
    };
    let bare = |n: u64| Detail { destination_hash: n, ..Detail::default() };
    let rows: Vec<_> = (0..60)
        .map(|n| (key(n), record(n), Some(long(n))))
        .chain((60..200).map(|n| (key(n), record(n), Some(bare(n)))))
        .collect();
    ledger.rebase(&rows).unwrap();
    let expected: Model = rows.into_iter().map(|(key, _, detail)| (key, detail.unwrap())).collect();
    assert_holds(&reader(&home), &expected, 0..200);
    ledger.compact().unwrap();
    assert_eq!(log(&ledger), (0, 2), "4 MB are a row");
    assert_holds(&ledger, &expected, 0..200);
}

#[test]
fn a_damaged_log_is_noticed() {
    let damages = [
        "DELETE FROM detail_log",
        "DELETE FROM detail_log WHERE seq = (SELECT max(seq) FROM detail_log)",
        "UPDATE detail_log SET seq = seq + 10",
        "UPDATE detail_log SET n = n - 1 WHERE seq = (SELECT max(seq) FROM detail_log)",
        "UPDATE detail_log SET data = zeroblob(length(data)) WHERE seq = (SELECT min(seq) FROM detail_log)",
        "UPDATE detail_log SET data = substr(data, 1, length(data) - 1) \
         WHERE seq = (SELECT min(seq) FROM detail_log)",
        "UPDATE meta SET value = value + 1 WHERE name = 'detail_first'",
        "DELETE FROM meta WHERE name = 'detail_next'",
    ];
    // A log that opening would fold, and one that it would leave.
    for (folded, sql) in damages.iter().flat_map(|sql| [(0, *sql), (ROWS, *sql)]) {
        let home = Home::new();
        let ledger = home.ledger(1);
        put(&ledger, &each(1_000..1_000 + folded, 0));
        ledger.compact().unwrap();
        put(&ledger, &each(0..100, 0));
        put(&ledger, &each(50..150, 500));
        ledger.close().unwrap();
        Connection::open(home.file()).unwrap().execute_batch(sql).unwrap();
        let read = Ledger::read(&home.file()).and_then(|ledger| ledger.unwrap().verify());
        assert_eq!(read.expect_err(sql).code, codes::DAMAGED, "{sql}");
        assert_eq!(Ledger::open_at(&home.file(), 2).expect_err(sql).code, codes::DAMAGED, "{sql}");
    }
}

#[test]
fn an_export_holds_what_is_in_the_log() {
    let home = Home::new();
    let ledger = home.ledger(1);
    put(&ledger, &each(0..300, 0));
    ledger.close().unwrap();
    let mut expected = Model::new();
    model(&each(0..300, 0), &mut expected);
    let file = home.path().join("contacts.ledger");
    reader(&home).export("contacts", &file).unwrap();
    let lease = State::open(home.path()).unwrap().acquire("contacts").unwrap();
    assert_eq!(Ledger::import(&home.file(), &file, &lease, None).unwrap().details, 300);
    assert_holds(&reader(&home), &expected, 0..300);
}

#[derive(Debug, Clone)]
enum Step {
    Put(Puts),
    Rebase(Vec<(u64, u64)>),
    Gone(Vec<u64>),
    /// Ends after this many transactions.
    Fold(usize),
    Compact,
    Look(Vec<u64>),
    LookAtAll,
    Reopen,
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    let keys = 0..150u64;
    let change = (keys.clone(), prop::option::weighted(0.8, 0..400u64));
    prop_oneof![
        3 => prop::collection::vec(change.clone(), 0..200).prop_map(Step::Put),
        2 => prop::collection::vec(change, 0..6).prop_map(Step::Put),
        1 => prop::collection::vec((keys.clone(), 500..600u64), 0..90).prop_map(Step::Rebase),
        1 => prop::collection::vec(keys.clone(), 0..90).prop_map(Step::Gone),
        2 => (0..4usize).prop_map(Step::Fold),
        1 => Just(Step::Compact),
        2 => prop::collection::vec(keys, 0..5).prop_map(Step::Look),
        1 => Just(Step::LookAtAll),
        1 => Just(Step::Reopen),
        1 => Just(Step::Crash),
    ]
}

struct World {
    home: Home,
    ledger: Ledger,
    epoch: u64,
    model: Model,
}

impl World {
    fn take(mut self, step: Step) -> World {
        match step {
            Step::Put(puts) => {
                put(&self.ledger, &puts);
                model(&puts, &mut self.model);
            }
            Step::Rebase(entries) => {
                let rows = entries.iter().map(|&(k, n)| (key(k), record(n), Some(detail(n))));
                self.ledger.rebase(&rows.collect::<Vec<_>>()).unwrap();
                self.model.extend(entries.iter().map(|&(k, n)| (key(k), detail(n))));
            }
            Step::Gone(keys) => {
                self.ledger.mark_gone(&keys.iter().copied().map(key).collect::<Vec<_>>()).unwrap();
                mark(&keys, &mut self.model);
            }
            Step::Fold(steps) => fold_until(&self.ledger, steps),
            Step::Compact => self.ledger.compact().unwrap(),
            Step::Look(keys) => {
                let asked: Vec<KeyHash> = keys.into_iter().map(key).collect();
                let expected = asked.iter().filter_map(|key| Some((*key, self.model.get(key)?.clone())));
                assert_eq!(self.ledger.details(&asked).unwrap(), expected.collect::<HashMap<_, _>>());
            }
            Step::LookAtAll => assert_holds(&self.ledger, &self.model, 0..150),
            Step::Reopen => {
                self.ledger.close().unwrap();
                self.epoch += 1;
                self.ledger = self.home.ledger(self.epoch);
            }
            Step::Crash => {
                let home = self.home.crashed();
                self.epoch += 1;
                let ledger = home.ledger(self.epoch);
                return World { home, ledger, ..self };
            }
        }
        self
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn details_are_a_map_that_survives(steps in prop::collection::vec(step(), 1..12)) {
        let home = Home::new();
        let ledger = home.ledger(1);
        let mut world = World { home, ledger, epoch: 1, model: Model::new() };
        for step in steps {
            world = world.take(step);
            // Nobody who only reads has the log folded for the others.
            let reader = reader(&world.home);
            assert_holds(&reader, &world.model, 0..150);
            prop_assert_eq!(reader.verify().unwrap().details, world.model.len() as u64);
        }
        assert_holds(&world.ledger, &world.model, 0..150);
        prop_assert_eq!(world.ledger.verify().unwrap().details, world.model.len() as u64);
    }
}
