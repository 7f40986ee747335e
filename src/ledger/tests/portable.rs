//! Exports: whole or refused.

use std::fs;

use super::support::*;
use crate::ledger::*;
use outflow_connectors::contract::Verb;

fn identity(account: &str) -> Identity {
    Identity {
        sync: "contacts".into(),
        target: None,
        account: account.into(),
        object: "contacts".into(),
        match_on: vec!["email".into()],
        primary_key: vec!["id".into()],
    }
}

/// A ledger with something in every table, and its export.
fn exported(home: &Home) -> (std::path::PathBuf, Vec<u8>) {
    let ledger = home.ledger(1);
    ledger.set_identity(&identity("a")).unwrap();
    ledger.bind_salt(&Salt::open(home.path()).unwrap()).unwrap();
    ledger.add_mapping(&MappingVersion { hash: "h".into(), spec: "{}".into() }).unwrap();
    ledger.rebase(&(0..60).map(|n| (key(n), record(n), Some(detail(n)))).collect::<Vec<_>>()).unwrap();
    ledger.compact().unwrap();
    let intent = Intent::of("r", Verb::Upsert, &(0..20).map(entry).collect::<Vec<_>>());
    let batch = ledger.begin(&intent).unwrap();
    let refused = Settled { key: key(1), result: Settlement::Refused(Box::new(refusal(1))) };
    ledger.settle(batch, &[delivered(0), refused]).unwrap();
    let file = home.path().join("contacts.ledger");
    let size = ledger.export("contacts", &file).unwrap();
    let bytes = fs::read(&file).unwrap();
    assert_eq!(size, bytes.len() as u64);
    (file, bytes)
}

fn import(home: &Home, file: &std::path::Path, sync: &str) -> crate::error::Result<Holdings> {
    let lease = State::open(home.path()).unwrap().acquire(sync).unwrap();
    Ledger::import(&home.file(), file, &lease, Some(&Salt::open(home.path()).unwrap()))
}

fn contents(home: &Home) -> String {
    let ledger = Ledger::read(&home.file()).unwrap().unwrap();
    let live: Vec<_> = ledger.live_entries().unwrap().map(Result::unwrap).collect();
    let mut details: Vec<_> =
        ledger.details(&(0..60).map(key).collect::<Vec<_>>()).unwrap().into_iter().collect();
    details.sort_by_key(|(key, _)| *key);
    let rest = (ledger.open_intents().unwrap(), ledger.refusals().unwrap(), ledger.mappings().unwrap());
    format!("{live:?} {details:?} {rest:?} {:?}", ledger.identity().unwrap())
}

#[test]
fn an_export_holds_everything_and_a_later_run_goes_on_from_it() {
    let home = Home::new();
    let (file, _) = exported(&home);
    let before = contents(&home);
    let ledger = home.ledger(9);
    ledger.mark_gone(&(0..60).map(key).collect::<Vec<_>>()).unwrap();
    ledger.close().unwrap();
    assert_ne!(contents(&home), before);
    let held = import(&home, &file, "contacts").unwrap();
    assert_eq!((held.entries, held.details, held.refused, held.unsettled), (60, 60, 1, 18));
    assert_eq!(contents(&home), before);
    let lease = State::open(home.path()).unwrap().acquire("contacts").unwrap();
    let ledger = Ledger::open(&home.file(), &lease).unwrap();
    ledger.settle(BatchId(1), &[delivered(2)]).unwrap();
    assert_eq!(ledger.open_intents().unwrap()[0].entries.len(), 17);
}

#[test]
fn any_flipped_bit_or_cut_is_refused_and_nothing_changes() {
    let home = Home::new();
    let (file, good) = exported(&home);
    let before = contents(&home);
    let flips = (0..good.len()).step_by(good.len() / 60).chain(0..24).chain(good.len() - 33..good.len());
    for (turn, place) in flips.enumerate() {
        let mut bad = good.clone();
        bad[place] ^= 1 << (turn % 8);
        fs::write(&file, &bad).unwrap();
        let error = import(&home, &file, "contacts").expect_err("a flipped bit");
        assert_eq!(error.code, codes::EXPORT, "byte {place}: {error}");
        assert!(error.message.contains("contacts.ledger"), "{error}");
    }
    for cut in (0..good.len()).step_by(good.len() / 30) {
        fs::write(&file, &good[..cut]).unwrap();
        assert_eq!(import(&home, &file, "contacts").unwrap_err().code, codes::EXPORT, "cut at {cut}");
    }
    assert_eq!(contents(&home), before);
    let left = fs::read_dir(home.path().join("ledger")).unwrap().map(|e| e.unwrap().file_name());
    assert!(left.into_iter().all(|name| name.to_string_lossy().starts_with("contacts.db")));
}

#[test]
fn another_sync_or_identity_is_refused() {
    let home = Home::new();
    let (file, _) = exported(&home);
    let error = import(&home, &file, "companies").unwrap_err();
    assert_eq!(error.code, codes::EXPORT);
    assert!(error.message.contains("`contacts`, not of `companies`"), "{error}");
    home.ledger(2).set_identity(&identity("b")).unwrap();
    let error = import(&home, &file, "contacts").unwrap_err();
    assert!(error.hint.unwrap().contains("ledger forget"));
    assert_eq!(Ledger::read(&home.file()).unwrap().unwrap().identity().unwrap(), Some(identity("b")));
}

/// Puts there what a killed run leaves of a ledger with these rows under another record, some of it in the log only.
fn killed(home: &Home) {
    let other = Home::new();
    let ledger = other.ledger(20);
    for version in [100, 200] {
        ledger.rebase(&(0..60).map(|n| (key(n), record(version), None)).collect::<Vec<_>>()).unwrap();
    }
    for end in ["", "-wal"] {
        fs::copy(with_end(&other, end), with_end(home, end)).unwrap();
    }
    assert!(fs::metadata(with_end(home, "-wal")).unwrap().len() > 0);
}

fn with_end(home: &Home, end: &str) -> std::path::PathBuf {
    format!("{}{end}", home.file().display()).into()
}

#[test]
fn the_log_of_a_replaced_ledger_is_never_taken_for_the_new_ones() {
    for damage in ["none", "a page", "the first page", "cut off", "empty", "the log"] {
        let home = Home::new();
        let (file, _) = exported(&home);
        let before = contents(&home);
        killed(&home);
        let mut old = fs::read(home.file()).unwrap();
        match damage {
            "a page" => old[16_384 * 2..16_384 * 3].fill(7),
            "the first page" => old[..100].fill(7),
            "cut off" => old.truncate(20_000),
            "empty" => old.clear(),
            _ => {}
        }
        fs::write(home.file(), old).unwrap();
        if damage == "the log" {
            let mut log = fs::read(with_end(&home, "-wal")).unwrap();
            log[40_000..].fill(7);
            fs::write(with_end(&home, "-wal"), log).unwrap();
        }
        import(&home, &file, "contacts").unwrap();
        assert!(!with_end(&home, "-wal").exists(), "{damage}");
        assert_eq!(contents(&home), before, "{damage}");
    }
}

#[test]
fn a_ledger_that_is_read_is_replaced_later() {
    let home = Home::new();
    let (file, _) = exported(&home);
    killed(&home);
    let reader = rusqlite::Connection::open(home.file()).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM log").unwrap();
    let error = import(&home, &file, "contacts").unwrap_err();
    assert_eq!(error.code, codes::BUSY, "{error}");
    assert!(with_end(&home, "-wal").exists());
    drop(reader);
    import(&home, &file, "contacts").unwrap();
}

#[test]
fn what_a_removed_ledger_left_beside_it_is_not_read() {
    let home = Home::new();
    fs::create_dir_all(home.path().join("ledger")).unwrap();
    killed(&home);
    fs::remove_file(home.file()).unwrap();
    let lease = State::open(home.path()).unwrap().acquire("contacts").unwrap();
    let ledger = Ledger::open(&home.file(), &lease).unwrap();
    assert_eq!(ledger.entries().unwrap(), 0);
    ledger.verify().unwrap();
}
