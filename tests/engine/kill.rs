//! kill -9, again and again, against a sandbox in another process that loses answers.
//!
//! More of them, or other moments:
//! `OUTFLOW_TEST_KILLS=500 OUTFLOW_TEST_SEED=7 cargo test --test outflow kills_lose_nothing -- --nocapture`

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};

use super::lab::Lab;
use crate::support::Served;

const ROWS: i64 = 20_000;
/// Kills of one test run.
const LOOPS: u32 = 50;
/// Asks for another number of kills, or another beginning of the random moments.
const KILLS: &str = "OUTFLOW_TEST_KILLS";
const SEED: &str = "OUTFLOW_TEST_SEED";

/// The server's account, which loses three answers in a hundred.
const ACCOUNT: &str = r#"{"objects": {"contacts": {"score": "number"}}, "limits": {"requests": "10000/10s", "daily_calls": 10000000},
                          "faults": [{"do": "lost_ack", "path": "upsert", "rate": 0.03, "seed": 7}]}"#;

/// xorshift64*: the moments of a seed are always the same.
struct Moments(u64);

impl Moments {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % below
    }
}

fn start(lab: &Lab) -> Child {
    Command::new(env!("CARGO_BIN_EXE_outflow"))
        .args(["sync", "-q", "--allow-changes"])
        .current_dir(lab.path())
        .env_clear()
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn asked(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("`{name}` must be a number, not `{value}`")))
}

fn lost(server: &Served) -> u64 {
    server.stats()["fired"]["lost_ack"].as_u64().unwrap_or_default()
}

/// Kills a sync once the server has seen so many more writes; whether the kill came before the run's end.
fn kill_after(server: &Served, lab: &Lab, writes: u64, delay: Duration) -> bool {
    let before = server.writes();
    let mut child = start(lab);
    let begin = Instant::now();
    while server.writes() < before + writes {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        assert!(begin.elapsed() < Duration::from_secs(120), "the sync does not get on");
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(delay);
    let alive = child.try_wait().unwrap().is_none();
    child.kill().unwrap();
    child.wait().unwrap();
    alive
}

fn unsettled(lab: &Lab) -> i64 {
    let path = lab.file(".outflow/ledger/people.db");
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    db.query_row("select count(*) from intent", [], |row| row.get(0)).unwrap()
}

#[test]
fn fifty_kills_lose_nothing_and_double_nothing() {
    let (loops, seed) = (asked(KILLS).unwrap_or(LOOPS.into()), asked(SEED).unwrap_or(20_261_120).max(1));
    println!("{KILLS}={loops} {SEED}={seed}");
    let mut moments = Moments(seed);
    let mut lab = Lab::new(&[]).mapping("mode: mirror\nguards: {max_delete: 100%, key_change: false}");
    lab.sql(&format!(
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < {ROWS}) \
         insert into people select i, 'p' || i || '@x.io', 'v0', i from n"
    ));
    let server = Served::start(lab.path(), ACCOUNT);
    lab.base_url = format!("{}/hubspot", server.url);
    lab.write();
    let (mut hits, begun) = (0, Instant::now());
    for round in 1..=loops {
        // Every round edits all rows but some, removes a few and adds a few, so that there is always much to send.
        lab.sql(&format!("update people set name = 'v{round}' where id % 7 != {}", round % 7));
        lab.sql(&format!("delete from people where id % 1000 = {round}"));
        lab.sql(&format!("insert into people values ({}, 'n{round}@x.io', 'new', {round})", 100_000 + round));
        let writes = 1 + moments.next(150);
        let delay = Duration::from_micros(moments.next(20_000));
        let alive = kill_after(&server, &lab, writes, delay);
        hits += u64::from(alive && unsettled(&lab) > 0);
        if round % 50 == 0 {
            let lost = lost(&server);
            println!(
                "{round} kills: {hits} hit an unsettled batch, {lost} answers lost, {} s",
                begun.elapsed().as_secs()
            );
        }
    }
    let lost = lost(&server);
    assert!(hits * 5 >= loops * 3, "seed {seed}: only {hits} of {loops} kills hit an unsettled batch");
    assert!(lost >= loops * 2 / 5, "seed {seed}: only {lost} answers were lost");
    let runs = settle(&lab);
    let objects = assert_same(&lab, seed);
    println!("at rest after {runs} clean runs: {objects} objects are as in the source");
}

/// Runs until nothing is left; answers are still being lost, so that one run may not do.
fn settle(lab: &Lab) -> u32 {
    for runs in 1..=30 {
        let run = lab.run(&["sync", "--format", "json"]);
        if run.code == 0 && run.json()["syncs"][0]["sent"] == 0 {
            return runs;
        }
        assert!([0, 3].contains(&run.code), "{run:#?}");
    }
    panic!("the sync does not come to rest");
}

/// Compares source and destination by queries of its own.
fn assert_same(lab: &Lab, seed: u64) -> usize {
    let warehouse = lab.file("warehouse.db");
    let source = Connection::open(warehouse).unwrap();
    let mut rows = source.prepare("select email, name, score from people order by email").unwrap();
    let row = |row: &rusqlite::Row<'_>| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, f64>(2)?))
    };
    let wanted: Vec<_> = rows.query_map([], row).unwrap().map(Result::unwrap).collect();
    let shown = lab.run(&["sandbox", "show", "--format", "json"]).ends(0).json();
    let mut found = Vec::new();
    for contact in shown["objects"]["hubspot"]["contacts"].as_array().unwrap() {
        if contact["archived"] == true {
            continue;
        }
        let text = |name: &str| contact["properties"][name].as_str().unwrap_or_default().to_owned();
        found.push((text("email"), text("firstname"), text("score").parse::<f64>().unwrap()));
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(found.len(), wanted.len(), "seed {seed}: an object is lost or there twice");
    for (found, wanted) in found.iter().zip(&wanted) {
        assert_eq!(found, wanted, "seed {seed}");
    }
    wanted.len()
}
