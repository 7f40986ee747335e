//! The entries in memory against a map that does the same.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;

use super::support::*;
use crate::ledger::*;

/// Loaded into a ledger, half of it folded into the parts.
fn ledger(home: &Home, entries: &[(KeyHash, RecordHash)]) -> Ledger {
    let ledger = home.ledger(1);
    let (parts, log) = entries.split_at(entries.len() / 2);
    for some in [parts, log] {
        let entries: Vec<_> = some.iter().map(|(key, record)| (*key, *record, None)).collect();
        ledger.rebase(&entries).unwrap();
        if some.len() == parts.len() && ledger.tags(By::Fingerprint).unwrap().len() == parts.len() {
            ledger.compact().unwrap();
        }
    }
    ledger
}

/// As hashing key and content together gives them.
fn bound(key: &KeyHash, content: u64) -> RecordHash {
    use sha2::{Digest, Sha256};
    let mut bytes = [0; 16];
    bytes.copy_from_slice(
        &Sha256::new().chain_update(key.0).chain_update(content.to_le_bytes()).finalize()[..16],
    );
    RecordHash(bytes)
}

fn live(ledger: &Ledger) -> Vec<(KeyHash, RecordHash)> {
    ledger.live_entries().unwrap().map(Result::unwrap).collect()
}

/// Every promise about positions and marks, against the entries in the order of keys.
fn check(tags: &Tags, live: &[(KeyHash, RecordHash)]) {
    assert_eq!(tags.len(), live.len());
    let mut found = Vec::new();
    let halves: Vec<_> = live.iter().map(|(key, record)| (*key, tags.by().half(record))).collect();
    tags.find_all(&halves, &mut found);
    for (i, ((key, record), found)) in live.iter().zip(&found).enumerate() {
        assert_eq!((tags.find(key, record), *found), (Some(i), Some(i)));
        assert_eq!(tags.bit(key, i).count_ones(), 1);
    }
    // Position 0 of a bucket is the one whose bit is 1, so its members follow it.
    let (mut start, mut marks) = (0, HashMap::<usize, u64>::new());
    let mut seen = Marks::none(tags);
    for (i, (key, record)) in live.iter().enumerate() {
        if tags.bit(key, i) == 1 {
            start = i;
        }
        assert!(i - start < 64);
        assert_eq!(tags.bit(key, i), 1 << (i - start));
        assert_eq!(seen.of(tags, key), marks.get(&start).copied().unwrap_or(0));
        assert!(!seen.is_marked(i));
        if record.0[15] % 3 != 0 {
            assert!(!seen.mark(i));
            assert!(seen.mark(i) && seen.is_marked(i));
            *marks.entry(start).or_default() |= 1 << (i - start);
        }
    }
}

#[test]
fn a_million_keys_with_one_record_are_told_apart() {
    let home = Home::new();
    let entries: Vec<_> = (0..1_000_000).map(|n| (key(n), bound(&key(n), 7))).collect();
    let ledger = ledger(&home, &entries);
    let (tags, live) = (ledger.tags(By::Fingerprint).unwrap(), live(&ledger));
    let expected: BTreeMap<_, _> = entries.into_iter().collect();
    assert!(live.iter().copied().eq(expected));
    check(&tags, &live);
    for n in 0..10_000 {
        assert_eq!(tags.find(&key(n), &bound(&key(n), 8)), None);
        assert_eq!(tags.find(&key(n + 1), &bound(&key(n), 7)), None);
        assert_eq!(tags.find(&key(2_000_000 + n), &bound(&key(2_000_000 + n), 7)), None);
    }
}

/// A key whose first two bytes are given.
fn near(prefix: u16, n: u64) -> KeyHash {
    let mut bytes = key(n).0;
    bytes[..2].copy_from_slice(&prefix.to_be_bytes());
    KeyHash(bytes)
}

#[test]
fn a_bucket_of_64_fits_and_a_larger_one_is_split() {
    for (crowd, others) in [(64, 0), (65, 0), (64, 300), (65, 300), (500, 3_000)] {
        let home = Home::new();
        let mut keys: Vec<_> = (0..crowd).map(|n| near(0x1234, n)).collect();
        keys.extend((0..others).map(|n| near((n * 21) as u16, 1_000 + n)));
        let entries: Vec<_> = keys.iter().map(|key| (*key, bound(key, 1))).collect();
        let ledger = ledger(&home, &entries);
        check(&ledger.tags(By::Fingerprint).unwrap(), &live(&ledger));
    }
}

#[test]
fn keys_that_are_no_hashes_are_an_error() {
    let home = Home::new();
    let alike = |n: u64| {
        let mut bytes = [7; 16];
        bytes[8..].copy_from_slice(&n.to_be_bytes());
        KeyHash(bytes)
    };
    let entries: Vec<_> = (0..65).map(|n| (alike(n), record(n))).collect();
    let error = ledger(&home, &entries[..64]).tags(By::Fingerprint).map(|tags| tags.len());
    assert_eq!(error.unwrap(), 64);
    let home = Home::new();
    let ledger = home.ledger(1);
    ledger.rebase(&entries.iter().map(|(k, r)| (*k, *r, None)).collect::<Vec<_>>()).unwrap();
    assert_eq!(ledger.tags(By::Fingerprint).unwrap_err().code, codes::DAMAGED);
}

#[test]
fn nothing_is_found_where_nothing_is() {
    let home = Home::new();
    for tags in [Tags::empty(), home.ledger(1).tags(By::Fingerprint).unwrap()] {
        assert!(tags.is_empty());
        let marks = Marks::none(&tags).of(&tags, &key(1));
        assert_eq!((tags.find(&key(1), &record(1)), marks, tags.bit(&key(1), 0)), (None, 0, 0));
        let mut found = vec![Some(3)];
        tags.find_all(&[(key(1), 1); 40], &mut found);
        assert_eq!(found, [None; 40]);
    }
}

#[test]
fn an_iterator_dropped_early_leaves_the_ledger_usable() {
    let home = Home::new();
    let entries: Vec<_> = (0..100_000).map(|n| (key(n), record(n))).collect();
    let ledger = ledger(&home, &entries);
    for taken in [0, 1, 5_000] {
        assert_eq!(ledger.live_entries().unwrap().take(taken).count(), taken);
        assert_eq!(ledger.tags(By::Fingerprint).unwrap().len(), 100_000);
    }
    let half_read = ledger.live_entries().unwrap();
    drop(ledger);
    assert_eq!(half_read.map(Result::unwrap).count(), 100_000);
}

#[test]
fn damage_on_the_way_is_the_last_item() {
    let home = Home::new();
    let entries: Vec<_> = (0..200_000).map(|n| (key(n), record(n))).collect();
    let ledger = ledger(&home, &entries);
    ledger
        .owner
        .call(|conn| {
            conn.execute("UPDATE part SET sum = sum + 1 WHERE id = (SELECT max(id) FROM part)", [])?;
            Ok(())
        })
        .unwrap();
    let items: Vec<_> = ledger.live_entries().unwrap().collect();
    let (last, before) = items.split_last().unwrap();
    assert!(before.len() > 10_000 && before.iter().all(Result::is_ok));
    let error = last.as_ref().unwrap_err();
    assert_eq!(error.code, codes::DAMAGED);
    assert!(error.message.contains("contacts.db"), "{error}");
    assert!(ledger.tags(By::Fingerprint).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn tags_and_entries_are_what_a_map_holds(
        steps in prop::collection::vec(prop::collection::vec((0..20_000u64, 0..5u64), 0..3_000), 1..5),
        compacted in prop::collection::vec(any::<bool>(), 5),
    ) {
        let home = Home::new();
        let ledger = home.ledger(1);
        let mut model = BTreeMap::new();
        for (step, compact) in steps.iter().zip(compacted) {
            let settled: Vec<_> = step
                .iter()
                .map(|&(n, content)| match content {
                    0 => Settled { key: key(n), result: Settlement::Removed },
                    _ => Settled {
                        key: key(n),
                        result: Settlement::Delivered { record: bound(&key(n), content), detail: None },
                    },
                })
                .collect();
            ledger.settle(BatchId(1), &settled).unwrap();
            for &(n, content) in step {
                match content {
                    0 => model.remove(&key(n)),
                    _ => model.insert(key(n), bound(&key(n), content)),
                };
            }
            if compact {
                ledger.compact().unwrap();
            }
            let live = live(&ledger);
            prop_assert!(live.iter().copied().eq(model.iter().map(|(k, r)| (*k, *r))));
            check(&ledger.tags(By::Fingerprint).unwrap(), &live);
        }
    }
}
