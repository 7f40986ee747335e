//! Older files are brought up to date, newer ones refused.

use std::fs;

use rusqlite::Connection;

use super::support::*;
use crate::error::ErrorKind;
use crate::ledger::owner::Owner;
use crate::ledger::schema::{LEDGER, Schema};
use crate::ledger::*;

/// A ledger of version 1 with something in it, as that version wrote it.
const VERSION_1: &str = include_str!("ledger_v1.sql");

fn put_version_1(home: &Home) {
    fs::create_dir_all(home.path().join("ledger")).unwrap();
    Connection::open(home.file()).unwrap().execute_batch(VERSION_1).unwrap();
}

#[test]
fn a_ledger_of_version_1_is_read_to_this_day() {
    let home = Home::new();
    put_version_1(&home);
    let ledger = Ledger::open_at(&home.file(), 2).unwrap();
    let mut live: Vec<_> = live(&ledger).into_iter().collect();
    let mut expected: Vec<_> = (0..4).map(|n| (key(n), record(n))).collect();
    live.sort_by_key(|entry| entry.0);
    expected.sort_by_key(|entry| entry.0);
    assert_eq!(live, expected);
    assert_eq!(ledger.details(&[key(1)]).unwrap()[&key(1)], detail(1));
    assert_eq!(ledger.open_intents().unwrap()[0].entries, [entry(2)]);
    assert_eq!(ledger.refusals().unwrap(), [refusal(3)]);
    // And written: what is new in later versions is there.
    ledger.settle(BatchId(1), &(0..500).map(delivered).collect::<Vec<_>>()).unwrap();
    ledger.close().unwrap();
    let ledger = Ledger::read(&home.file()).unwrap().unwrap();
    assert_eq!(ledger.details(&[key(1), key(499)]).unwrap().len(), 2);
    assert_eq!(ledger.verify().unwrap().details, 500);
}

/// As a later outflow would have it.
const LATER: Schema = Schema {
    migrations: &[
        LEDGER.migrations[0],
        LEDGER.migrations[1],
        "ALTER TABLE note ADD COLUMN colour TEXT; UPDATE note SET colour = 'red'",
    ],
    reads: &[],
    ..LEDGER
};

#[test]
fn a_migration_runs_once_and_keeps_what_is_there() {
    let home = Home::new();
    put_version_1(&home);
    for _ in 0..2 {
        let owner = Owner::open(&home.file(), LATER).unwrap();
        let version: i64 =
            owner.look(|conn| Ok(conn.pragma_query_value(None, "user_version", |row| row.get(0))?)).unwrap();
        let colours: i64 = owner
            .look(|conn| {
                Ok(conn.query_row("SELECT count(*) FROM note WHERE colour = 'red'", [], |row| row.get(0))?)
            })
            .unwrap();
        assert_eq!((version, colours), (3, 1));
        owner.close().unwrap();
    }
}

#[test]
fn a_migration_that_fails_leaves_the_file_as_it_was() {
    const BROKEN: Schema = Schema {
        migrations: &[LEDGER.migrations[0], "UPDATE note SET value = 'lost'; SELECT nonsense FROM nowhere"],
        ..LEDGER
    };
    let home = Home::new();
    put_version_1(&home);
    assert!(Owner::open(&home.file(), BROKEN).is_err());
    let ledger = Ledger::open_at(&home.file(), 2).unwrap();
    assert_eq!(ledger.note("query").unwrap().as_deref(), Some("abc"));
}

#[test]
fn a_ledger_of_version_1_is_read_as_it_stands() {
    let home = Home::new();
    put_version_1(&home);
    let before = fs::read(home.file()).unwrap();
    let ledger = Ledger::read(&home.file()).unwrap().unwrap();
    assert_eq!(ledger.details(&[key(1)]).unwrap()[&key(1)], detail(1));
    assert!(ledger.has_details().unwrap());
    assert_eq!(ledger.destination_holders(&[detail(2).destination_hash]).unwrap().len(), 1);
    let held = ledger.verify().unwrap();
    assert_eq!((held.entries, held.details, held.refused), (4, 4, 1));
    drop(ledger);
    assert_eq!(Ledger::epoch_of(&home.file()), Some(1), "from there epochs go on if `state.db` is lost");
    assert!(fs::read(home.file()).unwrap() == before);
}

#[test]
fn an_older_ledger_is_not_migrated_by_a_reader() {
    let home = Home::new();
    put_version_1(&home);
    let before = fs::read(home.file()).unwrap();
    let error = Owner::read(&home.file(), LATER).err().unwrap();
    assert_eq!(error.code, codes::VERSION);
    assert!(fs::read(home.file()).unwrap() == before);
}

#[test]
fn a_newer_ledger_is_refused_and_left_alone() {
    let home = Home::new();
    home.ledger(1).close().unwrap();
    Owner::open(&home.file(), LATER).unwrap().close().unwrap();
    let before = fs::read(home.file()).unwrap();
    let by_writer = Ledger::open_at(&home.file(), 2).unwrap_err();
    let by_reader = Ledger::read(&home.file()).unwrap_err();
    for error in [by_writer, by_reader] {
        assert_eq!((error.code, error.kind), (codes::VERSION, ErrorKind::State));
        for part in ["contacts.db", "version 3", "up to version 2", env!("CARGO_PKG_VERSION")] {
            assert!(error.message.contains(part), "{error}");
        }
        assert!(error.hint.unwrap().contains("upgrade outflow"));
    }
    assert!(fs::read(home.file()).unwrap() == before);
}
