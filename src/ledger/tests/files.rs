//! What lies in the state folder, who may read it, and what happens where it cannot be used.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rusqlite::Connection;

use super::support::*;
use crate::error::ErrorKind;
use crate::ledger::fault::Fault;
use crate::ledger::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Every file under a folder with its content.
fn content(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() {
            found.extend(content(&entry.path()));
        } else {
            found.insert(entry.path().display().to_string(), fs::read(entry.path()).unwrap());
        }
    }
    found
}

fn filled(home: &Home, rows: u64) -> Ledger {
    let ledger = home.ledger(1);
    let entries: Vec<_> = (0..rows).map(entry).collect();
    let intent = Intent::of("r", outflow_connectors::contract::Verb::Upsert, &entries);
    let batch = ledger.begin(&intent).unwrap();
    ledger.settle(batch, &(0..rows).map(delivered).collect::<Vec<_>>()).unwrap();
    ledger
}

#[test]
fn everything_is_for_the_owner_only() {
    let home = Home::new();
    let dir = home.path().join("a/.outflow");
    let state = State::open(&dir).unwrap();
    let lease = state.acquire("contacts").unwrap();
    let path = Ledger::path(&dir, "contacts");
    let ledger = Ledger::open(&path, &lease).unwrap();
    ledger.set_note("query", Some("q")).unwrap();
    Salt::open(&dir).unwrap();
    assert_eq!((mode(&dir), mode(&dir.join("ledger"))), (0o700, 0o700));
    let files = content(&dir);
    assert!(files.keys().any(|name| name.ends_with("contacts.db-wal")), "{:?}", files.keys());
    for name in files.keys() {
        assert_eq!(mode(Path::new(name)), 0o600, "{name}");
    }
}

#[test]
fn a_closed_ledger_is_one_file() {
    let home = Home::new();
    filled(&home, 10).close().unwrap();
    let names: Vec<_> =
        fs::read_dir(home.path().join("ledger")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["contacts.db"]);
}

#[test]
fn a_closed_ledger_says_so() {
    let home = Home::new();
    let ledger = home.ledger(1);
    let other = ledger.clone();
    ledger.close().unwrap();
    assert!(other.tags(By::Fingerprint).err().unwrap().message.contains("closed"));
}

#[test]
fn names_of_syncs_never_leave_the_folder() {
    let path = |sync| Ledger::path(Path::new("s"), sync).display().to_string();
    assert_eq!(path("contacts_to_hubspot.v2"), "s/ledger/contacts_to_hubspot.v2.db");
    assert_eq!(path("../a b"), "s/ledger/%2E.%2Fa%20b.db");
}

#[test]
fn reading_creates_nothing_and_changes_nothing() {
    let home = Home::new();
    assert!(Ledger::read(&home.file()).unwrap().is_none());
    assert!(State::read(home.path()).unwrap().is_none());
    assert!(Salt::read(home.path()).unwrap().is_none());
    assert!(content(home.path()).is_empty());
    let state = State::open(home.path()).unwrap();
    state.begin_run("contacts", None, time(0)).unwrap();
    drop(state);
    // So many that their details are still in the log.
    filled(&home, 100).close().unwrap();
    let before = content(home.path());
    assert_eq!(before.len(), 2, "{:?}", before.keys());
    let ledger = Ledger::read(&home.file()).unwrap().unwrap();
    assert_eq!(live(&ledger).len(), 100);
    assert_eq!(ledger.details(&[key(3)]).unwrap()[&key(3)], detail(3));
    assert_eq!(ledger.verify().unwrap().details, 100);
    ledger.close().unwrap();
    assert_eq!(State::read(home.path()).unwrap().unwrap().runs(None, 10).unwrap().len(), 1);
    assert!(content(home.path()) == before);
}

#[test]
fn a_reader_sees_one_version_while_a_run_writes_beside_it() {
    let home = Home::new();
    filled(&home, 5).close().unwrap();
    let reader = Ledger::read(&home.file()).unwrap().unwrap();
    let writer = home.ledger(2);
    writer.mark_gone(&[key(1)]).unwrap();
    assert_eq!(reader.entries().unwrap(), 5);
    let second = Ledger::read(&home.file()).unwrap().unwrap();
    assert_eq!(second.entries().unwrap(), 4);
    // Enough for SQLite to write its log back into the file if nobody read it.
    for round in 0..12 {
        let rows: Vec<_> = (0..50_000).map(|n| (key(n), record(round), None)).collect();
        writer.rebase(&rows).unwrap();
    }
    writer.compact().unwrap();
    writer.close().unwrap();
    for (reader, count) in [(reader, 5), (second, 4)] {
        assert_eq!(reader.tags(By::Fingerprint).unwrap().len(), count);
        assert_eq!(reader.live_entries().unwrap().map(Result::unwrap).count(), count);
        assert_eq!(reader.details(&[key(1)]).unwrap()[&key(1)].gone, count == 4);
    }
    assert_eq!(Ledger::read(&home.file()).unwrap().unwrap().entries().unwrap(), 50_000);
    home.ledger(3).close().unwrap();
    assert_eq!(content(&home.path().join("ledger")).len(), 1, "the next run writes the log back");
}

#[test]
fn what_is_no_ledger_is_named_and_left_alone() {
    let home = Home::new();
    fs::create_dir_all(home.path().join("ledger")).unwrap();
    let open = || Ledger::open_at(&home.file(), 1).unwrap_err();
    fs::write(home.file(), "id,name\n1,Ada\n".repeat(100)).unwrap();
    assert_eq!(open().code, codes::NOT_OURS);
    assert!(fs::read_to_string(home.file()).unwrap().starts_with("id,name"));

    fs::write(home.file(), "").unwrap();
    assert_eq!(open().code, codes::DAMAGED);
    assert!(Ledger::read(&home.file()).is_err());
    assert_eq!(fs::metadata(home.file()).unwrap().len(), 0);

    fs::remove_file(home.file()).unwrap();
    Connection::open(home.file())
        .unwrap()
        .execute_batch("CREATE TABLE t (a); INSERT INTO t VALUES (1)")
        .unwrap();
    let error = open();
    assert_eq!((error.code, error.kind), (codes::NOT_OURS, ErrorKind::State));
    assert!(error.message.contains("contacts.db"), "{error}");

    fs::remove_file(home.file()).unwrap();
    fs::create_dir(home.file()).unwrap();
    assert_eq!(open().kind, ErrorKind::State);
}

#[test]
fn a_state_folder_that_is_a_file_is_named() {
    let home = Home::new();
    let dir = home.path().join("state");
    fs::write(&dir, "").unwrap();
    let error = State::open(&dir).unwrap_err();
    assert_eq!(error.kind, ErrorKind::State);
    assert!(error.message.contains("state`"), "{error}");
}

#[test]
fn a_damaged_state_file_is_named() {
    let home = Home::new();
    drop(State::open(home.path()).unwrap());
    let path = home.path().join("state.db");
    let whole = fs::read(&path).unwrap();
    for damage in [&whole[..whole.len() / 2], &[], &[b'x'; 5_000]] {
        fs::write(&path, damage).unwrap();
        let error = State::open(home.path()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::State);
        assert!(error.message.contains("state.db"), "{error}");
        assert!(State::read(home.path()).is_err());
    }
}

#[test]
fn a_folder_without_permission_is_named() {
    let home = Home::new();
    let dir = home.path().join("closed");
    fs::create_dir(&dir).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o500)).unwrap();
    // The superuser is stopped by no permission.
    if fs::write(dir.join("probe"), "").is_ok() {
        return;
    }
    for error in [State::open(&dir).unwrap_err(), State::open(&dir.join("deeper")).unwrap_err()] {
        assert_eq!((error.code, error.kind), (codes::NO_PERMISSION, ErrorKind::State), "{error}");
    }
    assert_eq!(Salt::open(&dir).unwrap_err().code, codes::NO_PERMISSION);
}

#[test]
fn a_file_held_by_another_program_is_named() {
    let home = Home::new();
    let ledger = home.ledger(1);
    let other = Connection::open(home.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = ledger.set_note("a", Some("b")).unwrap_err();
    assert_eq!((error.code, error.kind), (codes::BUSY, ErrorKind::State));
    assert!(error.message.contains("another program holds"), "{error}");
    other.execute_batch("ROLLBACK").unwrap();
    ledger.set_note("a", Some("b")).unwrap();
}

#[test]
fn a_full_disk_loses_nothing_and_half_writes_nothing() {
    let home = Home::new();
    let ledger = filled(&home, 20);
    let before = live(&ledger).len();
    let pages = |n: i64| {
        let set =
            move |conn: &mut Connection| Ok::<_, Fault>(conn.pragma_update(None, "max_page_count", n)?);
        ledger.owner.call(set).unwrap();
    };
    pages(1);
    let batch: Vec<_> = (100..5_000).map(delivered).collect();
    let error = ledger.settle(BatchId(1), &batch).unwrap_err();
    assert_eq!((error.code, error.kind), (codes::FULL, ErrorKind::State));
    assert_eq!(live(&ledger).len(), before);
    assert!(ledger.details(&[key(100)]).unwrap().is_empty());
    pages(1 << 30);
    ledger.settle(BatchId(1), &batch).unwrap();
    assert_eq!(live(&ledger).len(), before + batch.len());
}

#[test]
fn an_older_lease_neither_opens_nor_writes() {
    let home = Home::new();
    let old = home.ledger(3);
    let new = home.ledger(4);
    new.settle(BatchId(1), &[delivered(2)]).unwrap();
    let error = old.settle(BatchId(1), &[delivered(1)]).unwrap_err();
    assert_eq!((error.code, error.kind), (codes::LEASE_LOST, ErrorKind::Locked));
    assert_eq!(old.compact().unwrap_err().kind, ErrorKind::Locked);
    assert_eq!(Ledger::open_at(&home.file(), 3).unwrap_err().kind, ErrorKind::Locked);
    assert_eq!(new.entries().unwrap(), 1);
}

#[test]
fn a_run_whose_ledger_an_older_one_has_changed_since_does_not_write() {
    let home = Home::new();
    let old = home.ledger(3);
    let new = home.ledger(4);
    old.settle(BatchId(1), &[delivered(1)]).unwrap();
    assert_eq!(new.settle(BatchId(1), &[delivered(2)]).unwrap_err().kind, ErrorKind::Locked);
    let again = home.ledger(4);
    again.settle(BatchId(1), &[delivered(2)]).unwrap();
    assert_eq!(old.settle(BatchId(1), &[delivered(3)]).unwrap_err().kind, ErrorKind::Locked);
    assert_eq!(again.entries().unwrap(), 2);
}

#[test]
fn a_run_that_writes_nothing_leaves_every_byte() {
    let home = Home::new();
    let salt = Salt::open(home.path()).unwrap();
    let ledger = filled(&home, 50);
    ledger.bind_salt(&salt).unwrap();
    ledger.compact().unwrap();
    ledger.close().unwrap();
    let (before, changed) = (content(home.path()), fs::metadata(home.file()).unwrap().modified().unwrap());
    let ledger = home.ledger(7);
    ledger.bind_salt(&salt).unwrap();
    assert_eq!((ledger.tags(By::Fingerprint).unwrap().len(), ledger.open_intents().unwrap().len()), (50, 0));
    ledger.compact().unwrap();
    let log = fs::metadata(home.file().with_extension("db-wal")).map_or(0, |log| log.len());
    assert_eq!(log, 0, "something was written");
    ledger.close().unwrap();
    assert!(content(home.path()) == before);
    assert_eq!(fs::metadata(home.file()).unwrap().modified().unwrap(), changed);
}

#[test]
fn a_ledger_keeps_to_its_salt() {
    let home = Home::new();
    let ledger = home.ledger(1);
    let salt = Salt::open(home.path()).unwrap();
    ledger.bind_salt(&salt).unwrap();
    ledger.bind_salt(&Salt::open(home.path()).unwrap()).unwrap();
    let error = ledger.bind_salt(&Salt::throwaway()).unwrap_err();
    assert_eq!((error.code, error.kind), (codes::SALT, ErrorKind::State));
}

#[test]
fn identity_mappings_and_notes_are_kept() {
    let home = Home::new();
    let ledger = home.ledger(1);
    assert_eq!(ledger.identity().unwrap(), None);
    let identity = Identity {
        sync: "contacts".into(),
        target: None,
        account: "portal 42".into(),
        object: "contacts".into(),
        match_on: vec!["email".into()],
        primary_key: vec!["id".into()],
    };
    ledger.set_identity(&identity).unwrap();
    let mapping = |n: u8| MappingVersion { hash: format!("h{n}"), spec: format!("{{\"v\":{n}}}") };
    for n in [1, 2, 1] {
        ledger.add_mapping(&mapping(n)).unwrap();
    }
    ledger.set_note("query", Some("abc")).unwrap();
    ledger.set_note("refresh", Some("1")).unwrap();
    ledger.set_note("refresh", None).unwrap();
    drop(ledger);
    let ledger = home.ledger(2);
    assert_eq!(ledger.identity().unwrap(), Some(identity));
    assert_eq!(ledger.mappings().unwrap(), [mapping(2), mapping(1)]);
    assert_eq!(ledger.note("query").unwrap().as_deref(), Some("abc"));
    assert_eq!(ledger.note("refresh").unwrap(), None);
    assert!(ledger.retire_mappings("unknown").is_err());
    ledger.retire_mappings("h1").unwrap();
    assert_eq!(ledger.mappings().unwrap(), [mapping(1)]);
}

#[test]
fn what_is_committed_is_on_the_disk() {
    let home = Home::new();
    let ledger = home.ledger(1);
    let pragma = |name: &'static str| {
        ledger
            .owner
            .look(move |conn| Ok(conn.pragma_query_value(None, name, |row| row.get::<_, i64>(0))?))
            .unwrap()
    };
    assert_eq!((pragma("synchronous"), pragma("page_size")), (2, 16_384));
}
