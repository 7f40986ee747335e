//! Details that wait in their log from run to run: whoever looks sees them as if they had been folded.

use std::collections::HashMap;

use super::details::{Model, ROWS, assert_holds, each, fold_until, log, mark, model, number, put, reader};
use super::support::*;
use crate::error::ErrorKind;
use crate::ledger::detail::{AFTER, BY_DESTINATION, BY_KEY, select};
use crate::ledger::*;

/// A ledger whose table has a detail of each key below [`ROWS`], and whose log is empty.
fn folded(home: &Home) -> (Ledger, Model) {
    let (ledger, mut expected) = (home.ledger(1), Model::new());
    put(&ledger, &each(0..ROWS, 0));
    model(&each(0..ROWS, 0), &mut expected);
    ledger.compact().unwrap();
    assert_eq!(log(&ledger), (0, 1));
    (ledger, expected)
}

fn views(ledger: &Ledger) -> i64 {
    number(ledger, "SELECT count(*) FROM temp.sqlite_schema WHERE type = 'view'")
}

fn assert_all_see(home: &Home, ledger: &Ledger, expected: &Model) {
    for ledger in [&reader(home), ledger] {
        assert_holds(ledger, expected, 0..ROWS + 30);
        assert_eq!(ledger.verify().unwrap().details, expected.len() as u64);
    }
}

#[test]
fn a_small_log_stays_over_runs_and_is_seen_all_the_same() {
    let home = Home::new();
    let (mut ledger, mut expected) = folded(&home);
    let removed: Vec<_> = (60..65).map(|k| (k, None)).collect();
    for puts in [each(10..110, 1_000), removed, each(62..64, 2_000), each(ROWS..ROWS + 10, 0)] {
        put(&ledger, &puts);
        model(&puts, &mut expected);
    }
    ledger.compact().unwrap();
    ledger.close().unwrap();
    ledger = home.ledger(2);
    assert_eq!(log(&ledger), (4, 5));
    assert_all_see(&home, &ledger, &expected);
    // Keys of the table, of the log, of both, of one removed, and of none.
    let gone = [5, ROWS + 5, 50, 60, ROWS + 20];
    ledger.mark_gone(&gone.map(key)).unwrap();
    mark(&gone, &mut expected);
    assert_all_see(&home, &ledger, &expected);
    ledger.close().unwrap();
    ledger = home.ledger(3);
    assert_eq!(log(&ledger), (5, 6));
    assert_eq!(ledger.details(&[key(5)]).unwrap()[&key(5)], expected[&key(5)]);
    assert_all_see(&home, &ledger, &expected);
}

#[test]
fn a_log_is_folded_once_it_is_large_beside_the_entries() {
    let home = Home::new();
    let (ledger, mut expected) = folded(&home);
    put(&ledger, &each(0..100, 1_000));
    model(&each(0..100, 1_000), &mut expected);
    assert_all_see(&home, &ledger, &expected);
    ledger.compact().unwrap();
    assert_eq!((log(&ledger).0, views(&ledger)), (1, 1));
    put(&ledger, &each(0..300, 2_000));
    model(&each(0..300, 2_000), &mut expected);
    ledger.compact().unwrap();
    assert_eq!((log(&ledger).0, views(&ledger)), (0, 0));
    assert_all_see(&home, &ledger, &expected);
    assert_eq!(views(&ledger), 0, "an empty log needs none");
}

#[test]
#[cfg(debug_assertions)]
fn a_log_of_many_bytes_is_folded_however_few_its_details_are() {
    let home = Home::new();
    let ledger = home.ledger(1);
    ledger.rebase(&(0..1_000).map(|n| (key(n), record(n), None)).collect::<Vec<_>>()).unwrap();
    let long = |n: u64| Detail { key: Some("x".repeat(60_000)), ..detail(n) };
    for (keys, rows) in [(0..20, 1), (20..40, 0)] {
        let long: Vec<_> = keys.map(|n| (key(n), record(n), Some(long(n)))).collect();
        ledger.rebase(&long).unwrap();
        ledger.compact().unwrap();
        assert_eq!(log(&ledger).0, rows);
    }
    assert_eq!(ledger.details(&[key(3)]).unwrap()[&key(3)], long(3));
}

#[test]
fn a_destination_key_is_held_by_whom_table_and_log_together_name() {
    let home = Home::new();
    let (ledger, _) = folded(&home);
    put(&ledger, &each(10..80, 1_000));
    put(&ledger, &(90..93).map(|k| (k, None)).collect::<Vec<_>>());
    // Once more, and to a destination key that another one has in the table.
    put(&ledger, &[(11, Some(150))]);
    let hash = |n: u64| detail(n).destination_hash;
    let expected =
        HashMap::from([(hash(1_010), key(10)), (hash(100), key(100)), (hash(150), key(11).min(key(150)))]);
    let asked = [10, 11, 1_010, 1_011, 90, 100, 150].map(hash);
    let reader = reader(&home);
    for ledger in [&ledger, &reader] {
        assert_eq!(ledger.destination_holders(&asked).unwrap(), expected);
    }
    ledger.mark_gone(&[key(10), key(100)]).unwrap();
    assert!(ledger.destination_holders(&[hash(1_010), hash(100)]).unwrap().is_empty());
    assert_eq!(reader.destination_holders(&asked).unwrap(), expected, "the reader's version is an older one");
}

#[test]
fn what_is_logged_between_two_looks_is_seen_by_the_second() {
    let home = Home::new();
    let (ledger, mut expected) = (home.ledger(1), Model::new());
    let removed: Vec<_> = (0..30).map(|k| (k, None)).collect();
    let turns = [each(0..100, 0), each(50..120, 1_000), removed, each(10..20, 2_000)];
    for (rows, puts) in (1..).zip(turns) {
        put(&ledger, &puts);
        model(&puts, &mut expected);
        assert_holds(&ledger, &expected, 0..150);
        assert_eq!((log(&ledger).0, views(&ledger)), (rows, 1));
    }
}

#[test]
fn a_log_that_another_run_folded_hides_nothing() {
    let home = Home::new();
    let (first, mut expected) = (home.ledger(1), Model::new());
    put(&first, &each(0..200, 0));
    model(&each(0..200, 0), &mut expected);
    assert_holds(&first, &expected, 0..200);
    let second = home.ledger(2);
    assert_eq!(log(&second).0, 0);
    assert_holds(&first, &expected, 0..200);
    for puts in [each(0..100, 1_000), each(0..20, 2_000)] {
        put(&second, &puts);
        model(&puts, &mut expected);
    }
    fold_until(&second, usize::MAX);
    put(&second, &each(50..150, 3_000));
    model(&each(50..150, 3_000), &mut expected);
    assert_holds(&second, &expected, 0..200);
    // What the first still shows is what was: it can do nothing with it.
    let late = first.rebase(&[(key(1), record(9), Some(Detail::default()))]);
    assert_eq!(late.unwrap_err().kind, ErrorKind::Locked);
}

/// So many that the index is made anew.
#[test]
fn a_log_is_folded_beside_its_view() {
    let home = Home::new();
    let (ledger, mut expected) = (home.ledger(1), Model::new());
    put(&ledger, &each(0..600, 0));
    model(&each(0..600, 0), &mut expected);
    assert_holds(&ledger, &expected, 0..600);
    fold_until(&ledger, usize::MAX);
    assert_eq!(log(&ledger).0, 0);
    assert_holds(&ledger, &expected, 0..600);
    ledger.close().unwrap();
    assert_eq!(home.ledger(2).verify().unwrap().details, 600);
}

#[test]
fn an_import_takes_a_small_log_along() {
    let home = Home::new();
    let (ledger, mut expected) = folded(&home);
    put(&ledger, &each(0..100, 1_000));
    model(&each(0..100, 1_000), &mut expected);
    ledger.close().unwrap();
    let file = home.path().join("contacts.ledger");
    reader(&home).export("contacts", &file).unwrap();
    let lease = State::open(home.path()).unwrap().acquire("contacts").unwrap();
    assert_eq!(Ledger::import(&home.file(), &file, &lease, None).unwrap().details, ROWS);
    assert_eq!(log(&reader(&home)).0, 1);
    assert_holds(&reader(&home), &expected, 0..ROWS);
}

fn plan(ledger: &Ledger, which: &'static str) -> Vec<String> {
    ledger
        .owner
        .look(move |conn| {
            let mut query = conn.prepare(&format!("EXPLAIN QUERY PLAN {}", select(which)))?;
            let mut rows = query.raw_query();
            let mut steps = Vec::new();
            while let Some(row) = rows.next()? {
                steps.push(row.get::<_, String>(3)?);
            }
            Ok(steps)
        })
        .unwrap()
}

#[test]
fn no_look_reads_all_of_a_table() {
    let home = Home::new();
    let (ledger, _) = folded(&home);
    put(&ledger, &each(0..100, 1_000));
    let reader = reader(&home);
    for ledger in [&ledger, &reader] {
        assert!(ledger.destination_holders(&[1]).unwrap().is_empty(), "the view is there now");
        for which in [BY_KEY, BY_DESTINATION, AFTER] {
            let steps = plan(ledger, which);
            let searches = steps.iter().filter(|step| step.starts_with("SEARCH")).count();
            assert_eq!(searches, 3, "table, log, and what of the table is in the log: {which}: {steps:?}");
            let is_whole = |step: &String| step.starts_with("SCAN") || step.contains("B-TREE");
            assert!(!steps.iter().any(is_whole), "{which}: {steps:?}");
        }
    }
}

#[test]
fn a_view_takes_in_what_was_logged_since_only_for_those_who_look_for_it() {
    let home = Home::new();
    let (ledger, mut expected) = folded(&home);
    put(&ledger, &each(0..50, 1_000));
    ledger.details(&[key(1)]).unwrap();
    let shown = |ledger: &Ledger| number(ledger, "SELECT count(*) FROM temp.recent");
    assert_eq!(shown(&ledger), 50);
    put(&ledger, &each(100..150, 1_000));
    ledger.details(&[key(1), key(60)]).unwrap();
    assert_eq!(shown(&ledger), 50, "neither was logged since");
    ledger.details(&[key(100)]).unwrap();
    assert_eq!(shown(&ledger), 100);
    for puts in [each(0..50, 1_000), each(100..150, 1_000)] {
        model(&puts, &mut expected);
    }
    assert_all_see(&home, &ledger, &expected);
}

#[test]
fn where_there_is_no_room_for_a_view_the_log_is_folded() {
    let home = Home::new();
    let (ledger, mut expected) = folded(&home);
    let puts = each(0..50, 1_000);
    put(&ledger, &puts);
    model(&puts, &mut expected);
    ledger.owner.call(|conn| Ok(conn.execute_batch("PRAGMA temp.max_page_count = 1")?)).unwrap();
    assert_holds(&ledger, &expected, 0..ROWS);
    assert_eq!((views(&ledger), log(&ledger).0), (0, 0), "nothing is in the log any more");
}

#[test]
fn after_a_fold_that_failed_the_log_is_seen_as_before() {
    let home = Home::new();
    let (ledger, mut expected) = folded(&home);
    let puts = each(0..50, 1_000);
    put(&ledger, &puts);
    model(&puts, &mut expected);
    assert_holds(&ledger, &expected, 0..ROWS);
    let fails =
        "CREATE TEMP TRIGGER fails BEFORE INSERT ON main.detail BEGIN SELECT raise(ABORT, 'by a test'); END";
    ledger.owner.call(move |conn| Ok(conn.execute_batch(fails)?)).unwrap();
    assert!(ledger.fold_details(|_| true).is_err());
    assert_holds(&ledger, &expected, 0..ROWS);
}
