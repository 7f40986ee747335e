//! What ten million rows cost, to be looked at: `cargo test --release --lib ledger::tests::scale -- --ignored --nocapture`.
//! `ROWS` rows in an environment variable replace the ten million.

use std::fs;
use std::time::Instant;

use super::support::*;
use crate::ledger::*;
use outflow_connectors::contract::Verb;

/// Numbers of `/proc/self`: CPU seconds and resident megabytes, now and at most since [`measured`] began.
fn usage() -> (f64, u64, u64) {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let number = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    };
    (ticks / 100.0, number("VmRSS"), number("VmHWM"))
}

fn measured<T>(what: &str, work: impl FnOnce() -> T) -> T {
    // Has the most resident memory counted anew.
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let (cpu, start) = (usage().0, Instant::now());
    let done = work();
    let (after, rss, peak) = usage();
    println!(
        "{what:40} {:6.2} CPU s {:6.2} s, {rss:4} MB, at most {peak} MB",
        after - cpu,
        start.elapsed().as_secs_f64()
    );
    done
}

/// Spread over the whole range, without the cost of a real hash.
fn mixed(n: u64, salt: u64) -> [u8; 16] {
    let mix = |n: u64| {
        let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        n ^ (n >> 31)
    };
    let (a, b) = (mix(n.wrapping_add(salt)), mix(n ^ !salt));
    u128::from_be_bytes([a.to_be_bytes(), b.to_be_bytes()].concat().try_into().unwrap()).to_be_bytes()
}

fn pair(n: u64, version: u64) -> (KeyHash, RecordHash) {
    (KeyHash(mixed(n, 1 << 60)), RecordHash(mixed(n, version << 50)))
}

fn size(home: &Home) -> u64 {
    ["", "-wal"]
        .iter()
        .map(|end| fs::metadata(format!("{}{end}", home.file().display())).map_or(0, |f| f.len()))
        .sum()
}

#[test]
#[ignore = "takes a minute and is for looking at"]
fn ten_million_rows() {
    let rows: u64 = std::env::var("ROWS").map_or(10_000_000, |rows| rows.parse().unwrap());
    let home = Home::new();
    let ledger = home.ledger(1);
    measured("first run: log", || {
        for from in (0..rows).step_by(50_000) {
            let entries: Vec<_> =
                (from..rows.min(from + 50_000)).map(|n| (pair(n, 1).0, pair(n, 1).1, None)).collect();
            ledger.rebase(&entries).unwrap();
        }
    });
    println!("{} B a row, log included", size(&home) / rows);
    measured("load before compaction", || {
        assert_eq!(ledger.tags(By::Fingerprint).unwrap().len() as u64, rows)
    });
    measured("first run: compaction", || ledger.compact().unwrap());
    measured("close", || ledger.close().unwrap());
    println!("{:.2} B a row", size(&home) as f64 / rows as f64);
    let ledger = measured("open", || home.ledger(2));
    let tags = measured("load", || ledger.tags(By::Fingerprint).unwrap());
    measured("look every row up, 1,024 at a time", || {
        let mut found = Vec::new();
        for from in (0..rows).step_by(1024) {
            let half = |n| (pair(n, 1).0, pair(n, 1).1.fingerprint());
            let wanted: Vec<_> = (from..rows.min(from + 1024)).map(half).collect();
            tags.find_all(&wanted, &mut found);
            assert!(found.iter().all(Option::is_some));
        }
    });
    measured("read every entry", || assert_eq!(ledger.live_entries().unwrap().count() as u64, rows));
    drop(tags);
    let changes: Vec<u64> = (0..110_000).map(|n| n * (rows / 110_000).max(1)).collect();
    for group in [1, 100] {
        commit(&ledger, &changes, group);
    }
    measured("compaction", || ledger.compact().unwrap());
    measured("close", || ledger.close().unwrap());
    println!("{:.2} B a row", size(&home) as f64 / rows as f64);
    let ledger = measured("open for reading", || Ledger::read(&home.file()).unwrap().unwrap());
    measured("verify", || ledger.verify().unwrap());
}

#[test]
#[ignore = "takes a while and is for looking at"]
fn a_million_details() {
    let rows: u64 = std::env::var("ROWS").map_or(1_000_000, |rows| rows.parse().unwrap());
    let home = Home::new();
    let ledger = home.ledger(1);
    let settle = |what: &str, version: u64, step: usize| {
        let keys: Vec<u64> = (0..rows).step_by(step).collect();
        measured(what, || {
            for batch in keys.chunks(1000) {
                let settled = batch.iter().map(|&n| {
                    let ((key, record), detail) = (pair(n, version), Some(Box::new(detail(n))));
                    Settled { key, result: Settlement::Delivered { record, detail } }
                });
                ledger.settle(BatchId(1), &settled.collect::<Vec<_>>()).unwrap();
            }
        });
        let reader = measured("open for reading", || Ledger::read(&home.file()).unwrap().unwrap());
        measured("details counted by a reader", || reader.holdings().unwrap());
        drop(reader);
        measured("fold", || ledger.compact().unwrap());
        println!("{:.2} B a row, SQLite's log included", size(&home) as f64 / rows as f64);
    };
    settle("first run: details", 1, 1);
    settle("every row changed", 2, 1);
    settle("1 % changed", 3, 100);
    measured("close", || ledger.close().unwrap());
    println!("{:.2} B a row", size(&home) as f64 / rows as f64);
    let ledger = measured("open for reading", || Ledger::read(&home.file()).unwrap().unwrap());
    measured("verify", || ledger.verify().unwrap());
}

/// In batches of 1,000, some of them settled together.
fn commit(ledger: &Ledger, changes: &[u64], group: usize) {
    let intents: Vec<_> = changes
        .chunks(1000)
        .map(|rows| {
            let mut intent = Intent::new("r", Verb::Upsert);
            for &n in rows {
                intent.push(&IntentEntry { key: pair(n, 1).0, record: pair(n, 2).1, ..entry(n) });
            }
            intent
        })
        .collect();
    let batches = measured("intents of 110,000 changes", || ledger.begin_all(intents).unwrap());
    let settled: Vec<_> = batches
        .into_iter()
        .zip(changes.chunks(1000))
        .map(|(batch, rows)| {
            let rows = rows.iter().map(|&n| Settled {
                key: pair(n, 1).0,
                result: Settlement::Delivered { record: pair(n, 2).1, detail: None },
            });
            (batch, rows.collect::<Vec<_>>())
        })
        .collect();
    measured(&format!("110,000 settled, batches at once: {group}"), || {
        settled.chunks(group).for_each(|group| ledger.settle_all(group.to_vec()).unwrap());
    });
    assert!(ledger.open_intents().unwrap().is_empty());
}
