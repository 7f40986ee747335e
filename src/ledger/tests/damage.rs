//! A damaged file is an error or makes no difference; it never gives wrong data and never a panic.

use std::fs;

use outflow_connectors::contract::Verb;

use super::support::*;
use crate::error::{Error, ErrorKind};
use crate::ledger::detail::put_all;
use crate::ledger::*;

const ROWS: u64 = 60;

/// A ledger with something in every table, as bytes.
fn bytes() -> Vec<u8> {
    let home = Home::new();
    let ledger = home.ledger(1);
    ledger.add_mapping(&MappingVersion { hash: "h".into(), spec: "{}".into() }).unwrap();
    ledger.set_note("query", Some("abc")).unwrap();
    ledger.rebase(&(0..ROWS).map(|n| (key(n), record(n), Some(detail(n)))).collect::<Vec<_>>()).unwrap();
    ledger.compact().unwrap();
    let entries: Vec<_> = (0..20).map(entry).collect();
    let batch = ledger.begin(&Intent::of("r", Verb::Upsert, &entries)).unwrap();
    ledger.store_handle(batch, "job").unwrap();
    let refused = Settled { key: key(1), result: Settlement::Refused(Box::new(refusal(1))) };
    ledger.settle(batch, &[delivered(0), refused]).unwrap();
    ledger.close().unwrap();
    fs::read(home.file()).unwrap()
}

/// Everything that can be read of a ledger.
fn contents(home: &Home) -> Result<String, Error> {
    let ledger = Ledger::open_at(&home.file(), 2)?;
    let live: Vec<_> = ledger.live_entries()?.collect::<Result<_, _>>()?;
    let mut details: Vec<_> = ledger.details(&(0..ROWS).map(key).collect::<Vec<_>>())?.into_iter().collect();
    details.sort_by_key(|(key, _)| *key);
    let mut holders: Vec<_> = ledger
        .destination_holders(&(0..ROWS).map(|n| u64::MAX - n).collect::<Vec<_>>())?
        .into_iter()
        .collect();
    holders.sort();
    let rest = (ledger.open_intents()?, ledger.refusals()?, ledger.mappings()?, ledger.note("query")?);
    ledger.settle(BatchId(1), &[delivered(5)])?;
    Ok(format!("{live:?} {details:?} {holders:?} {rest:?} {}", ledger.entries()?))
}

fn put(home: &Home, bytes: &[u8]) {
    fs::create_dir_all(home.path().join("ledger")).unwrap();
    for end in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{end}", home.file().display()));
    }
    fs::write(home.file(), bytes).unwrap();
}

/// Whether the damage was noticed.
fn judge(home: &Home, damaged: &[u8], whole: &str, what: &str) -> bool {
    put(home, damaged);
    match contents(home) {
        Ok(found) => {
            let same = found.bytes().zip(whole.bytes()).take_while(|(a, b)| a == b).count();
            assert!(
                found == whole,
                "{what}: wrong data was read: {:.200}",
                &found[same.saturating_sub(80)..]
            );
            false
        }
        Err(error) => {
            assert_eq!(error.kind, ErrorKind::State, "{what}: {error}");
            assert!(error.message.contains("contacts.db"), "{what}: {error}");
            true
        }
    }
}

#[test]
fn a_shorter_file_is_refused() {
    let (home, good) = (Home::new(), bytes());
    put(&home, &good);
    let whole = contents(&home).unwrap();
    let cuts = (0..good.len()).step_by(9_973).chain([1, 99, 100, good.len() - 1]);
    for cut in cuts {
        let noticed = judge(&home, &good[..cut], &whole, &format!("cut at {cut}"));
        // The last pages may be free ones, which nobody misses.
        assert!(noticed || cut > good.len() / 4 * 3, "a file cut at {cut} was taken for whole");
    }
}

#[test]
fn a_flipped_bit_gives_an_error_or_changes_nothing() {
    let (home, good) = (Home::new(), bytes());
    put(&home, &good);
    let whole = contents(&home).unwrap();
    // Only bytes that are in use can matter, and the first hundreds of each page hold its structure.
    let used = |i: &usize| good[*i] != 0 || i % 16_384 < 120;
    let places: Vec<_> = (0..good.len()).filter(used).collect();
    let mut noticed = 0;
    for (turn, &place) in places.iter().step_by(places.len() / 250).enumerate() {
        let mut bad = good.clone();
        bad[place] ^= 1 << (turn % 8);
        noticed += usize::from(judge(&home, &bad, &whole, &format!("bit {} of byte {place}", turn % 8)));
    }
    // Pages that a fold has freed still hold bytes, which nobody reads.
    assert!(noticed > 120, "only {noticed} of 250 flips were noticed");
}

#[test]
fn a_lost_row_is_noticed() {
    for sql in [
        "DELETE FROM part",
        "DELETE FROM log",
        "UPDATE log SET run = 'x'",
        "UPDATE part SET id = id + 1",
        "UPDATE detail SET remote_id = 'r5' WHERE remote_id = 'r4'",
        "UPDATE intent SET dirty = zeroblob(n)",
        "UPDATE meta SET value = 0 WHERE name = 'epoch'",
        "UPDATE note SET value = 'x'",
        "DROP INDEX detail_by_destination",
        "UPDATE refusal SET parked = 1 - parked",
        "UPDATE mapping SET spec = 'x'",
    ] {
        let home = Home::new();
        put(&home, &bytes());
        rusqlite::Connection::open(home.file()).unwrap().execute_batch(sql).unwrap();
        let error = contents(&home).expect_err(sql);
        assert_eq!(error.code, codes::DAMAGED, "{sql}: {error}");
    }
}

#[test]
fn a_page_that_lost_some_of_its_rows_does_not_verify() {
    let (home, good) = (Home::new(), bytes());
    let mut shortened = 0;
    for page in (0..good.len()).step_by(16_384).skip(1) {
        // A leaf of a table (13) or of an index (10), and how many rows it holds.
        let cells = u16::from_be_bytes([good[page + 3], good[page + 4]]);
        if !matches!(good[page], 10 | 13) || cells == 0 {
            continue;
        }
        let mut bad = good.clone();
        bad[page + 3..page + 5].copy_from_slice(&(cells - 1).to_be_bytes());
        put(&home, &bad);
        let verified = Ledger::read(&home.file()).and_then(|ledger| ledger.unwrap().verify());
        assert_eq!(verified.expect_err("a lost row").code, codes::DAMAGED, "page {}", page / 16_384 + 1);
        shortened += 1;
    }
    assert!(shortened > 8, "only {shortened} pages");
}

/// A detail, written into the table as the ledger writes it.
fn put_detail(ledger: &Ledger, key: KeyHash, detail: Detail) {
    let put = move |conn: &mut rusqlite::Connection| put_all(conn, vec![(key, Some(Box::new(detail)))]);
    ledger.owner.call(put).unwrap();
}

#[test]
fn what_must_hold_between_entries_and_details_is_verified() {
    let gone = |n| Detail { gone: true, ..detail(n) };
    let home = Home::new();
    let ledger = home.ledger(1);
    // More details than are read at once; every third entry has none, and some are of rows that are gone.
    let rows = (0..20_000).map(|n| (key(n), record(n), (n % 3 > 0).then(|| detail(n))));
    ledger.rebase(&rows.collect::<Vec<_>>()).unwrap();
    // What is put into the table below must not be hidden by what is logged.
    ledger.compact().unwrap();
    (20_000..20_100).for_each(|n| put_detail(&ledger, key(n), gone(n)));
    let held = ledger.verify().unwrap();
    assert_eq!((held.entries, held.details), (20_000, 13_433));
    let live: Vec<KeyHash> = live(&ledger).into_keys().collect();
    let orphans = [0, 0x80, 0xff].map(|byte| (KeyHash([byte; 16]), detail(1)));
    let contradictions = [live[0], live[10_000], live[19_999]].map(|key| (key, gone(1)));
    for (key, detail) in orphans.into_iter().chain(contradictions) {
        put_detail(&ledger, key, detail);
        let error = ledger.verify().unwrap_err();
        assert_eq!(error.code, codes::DAMAGED);
        assert!(error.message.contains(&key.to_string()), "{error}");
        put_detail(&ledger, key, Detail::default());
    }
    ledger.verify().unwrap();
}
