//! A backfill that is stopped in every way there is, against an account in another process.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value as Json;

use super::lab::{Lab, contacts, counts};
use crate::support::Served;

/// Rows, overridden for a large run: see `CONTRIBUTING.md`.
fn rows() -> i64 {
    std::env::var("OUTFLOW_BACKFILL_ROWS").ok().and_then(|text| text.parse().ok()).unwrap_or(4_000)
}

/// Rows of one batch: so few that a small table, too, takes many.
fn batch(rows: i64) -> i64 {
    (rows / 200).clamp(1, 100)
}

/// Where the account may lie.
const FILES: [&str; 2] = ["served.db", ".outflow/sandbox.db"];

fn serve(lab: &mut Lab, delay: u32) -> Served {
    let account = format!(
        r#"{{"objects": {{"contacts": {{"score": "number"}}}},
            "limits": {{"requests": "100000/10s", "daily_calls": 100000000}},
            "faults": [{{"do": "delay", "ms": {delay}, "path": "upsert"}}]}}"#
    );
    let served = Served::start(lab.path(), &account);
    lab.base_url = format!("{}/hubspot", served.url);
    lab.write();
    served
}

fn people(mapping: &str, rows: i64) -> Lab {
    let lab = Lab::new(&[]).mapping(mapping);
    lab.sql(&format!(
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < {rows}) \
         insert into people select i, 'p' || i || '@x.io', 'n' || i, i from n"
    ));
    lab
}

fn start(lab: &Lab) -> Child {
    start_at(lab, "100%")
}

fn start_at(lab: &Lab, rate: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_outflow"))
        .args(["backfill", "people", "-q", "--rate", rate])
        .current_dir(lab.path())
        .env_clear()
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Starts a backfill and waits until so many more writes have reached the account.
fn start_and_wait(lab: &Lab, served: &Served, writes: u64) -> Child {
    start_at_and_wait((lab, "100%"), served, writes)
}

fn start_at_and_wait((lab, rate): (&Lab, &str), served: &Served, writes: u64) -> Child {
    let before = served.requests()[0];
    let mut child = start_at(lab, rate);
    let begin = Instant::now();
    while served.requests()[0] < before + writes {
        assert!(child.try_wait().unwrap().is_none(), "the backfill ended before {writes} writes");
        assert!(begin.elapsed() < Duration::from_secs(600), "the backfill does not get on");
        std::thread::sleep(Duration::from_millis(2));
    }
    child
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

fn code(mut child: Child) -> Option<i32> {
    child.wait().unwrap().code()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// The account loses everything.
fn wipe(lab: &Lab) {
    for file in FILES {
        for suffix in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(lab.file(&format!("{file}{suffix}")));
        }
    }
}

fn held(lab: &Lab) -> BTreeMap<String, Json> {
    let file = FILES.into_iter().find(|file| lab.file(file).exists()).unwrap();
    contacts(&said(lab, &["sandbox", "show", "--file", file]).1)
}

/// Key and record of all live entries.
fn dump(lab: &Lab) -> Vec<(String, String)> {
    let db = Connection::open(lab.file(".outflow/ledger/people.db")).unwrap();
    let mut query = db.prepare("select key, record from dump order by key").unwrap();
    query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
}

fn state(lab: &Lab) -> Connection {
    Connection::open(lab.file(".outflow/state.db")).unwrap()
}

/// What a command says, however long it takes.
fn said(lab: &Lab, arguments: &[&str]) -> (i32, Json) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_outflow"));
    let output =
        command.args(arguments).args(["--format", "json"]).current_dir(lab.path()).env_clear().output();
    let output = output.unwrap();
    (output.status.code().unwrap_or(-1), serde_json::from_slice(&output.stdout).unwrap())
}

fn report(lab: &Lab, arguments: &[&str]) -> (i32, Json) {
    let (code, json) = said(lab, arguments);
    (code, json["syncs"][0].clone())
}

/// Whether each thread has come to its stop.
pub fn is_asleep(child: &Child) -> bool {
    let threads = fs::read_dir(format!("/proc/{}/task", child.id())).unwrap();
    threads.map(Result::unwrap).all(|thread| {
        let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('T'))
    })
}

/// Puts the process to sleep, as a closed lid does. The one that takes over runs on the same machine here, so the sleep
/// must not begin within a transaction.
fn sleep_between_writes(lab: &Lab, child: &Child) {
    let free = |file: &str| {
        let db = Connection::open(lab.file(file)).unwrap();
        db.busy_timeout(Duration::ZERO).unwrap();
        db.execute_batch("begin immediate; rollback").is_ok()
    };
    let in_flight = || {
        let db = Connection::open(lab.file(".outflow/ledger/people.db")).unwrap();
        db.query_row("select count(*) from intent", [], |row| row.get::<_, i64>(0)).is_ok_and(|open| open > 0)
    };
    loop {
        signal(child, Signal::STOP);
        while !is_asleep(child) {
            std::thread::yield_now();
        }
        if free(".outflow/ledger/people.db") && free(".outflow/state.db") && in_flight() {
            return;
        }
        signal(child, Signal::CONT);
        std::thread::yield_now();
    }
}

/// Stops backfills by a signal, a kill, a quota, an outage, and a sleep in which a run takes over.
fn stop_in_five_ways(lab: &mut Lab, mut served: Served, step: u64) -> Served {
    let child = start_and_wait(lab, &served, step);
    signal(&child, Signal::INT);
    assert_eq!(code(child), Some(130));

    let mut child = start_and_wait(lab, &served, 2 * step);
    child.kill().unwrap();
    child.wait().unwrap();

    let used: i64 = state(lab)
        .query_row("select calls from quota_day where quota = (select max(quota) from quota_day)", [], |r| {
            r.get(0)
        })
        .unwrap();
    let project = fs::read_to_string(lab.file("outflow.yml")).unwrap();
    let budget = used + step as i64;
    let limited = project.replacen("10000/10s}", &format!("10000/10s, daily_calls: {budget}}}"), 1);
    fs::write(lab.file("outflow.yml"), limited).unwrap();
    assert_eq!(code(start(lab)), Some(6));
    lab.write();

    let child = start_and_wait(lab, &served, step);
    drop(served);
    assert_eq!(code(child), Some(1));
    served = serve(lab, 20);

    let child = start_and_wait(lab, &served, step);
    sleep_between_writes(lab, &child);
    state(lab).execute("update lease set expires = 0", []).unwrap();
    let (ended, run) = report(lab, &["sync"]);
    assert_eq!(ended, 0, "a run takes over from a process that sleeps: {run}");
    signal(&child, Signal::CONT);
    assert_eq!(code(child), Some(5), "a process that lost its lease stops");
    served
}

#[test]
fn five_stops_change_nothing_of_how_a_backfill_ends() {
    let rows = rows();
    let delivery = format!("delivery: {{batch_rows: {}, concurrency: 4}}", batch(rows));
    let mut lab = people(&delivery, rows);
    let served = serve(&mut lab, 0);
    assert_eq!(report(&lab, &["sync"]).0, 0);
    drop(served);
    wipe(&lab);
    let mut other = people(&delivery, rows);
    copy(&lab.file(".outflow"), &other.file(".outflow"));

    let served = serve(&mut lab, 0);
    let (ended, whole) = report(&lab, &["backfill", "people", "--rate", "100%"]);
    assert_eq!((ended, &whole["delivered"]), (0, &rows.into()), "{whole}");
    drop(served);

    let served = serve(&mut other, 20);
    let step = (rows / batch(rows) / 10) as u64;
    let served = stop_in_five_ways(&mut other, served, step);
    let (ended, last) = report(&other, &["backfill", "people", "--rate", "100%"]);
    assert_eq!(ended, 0, "{last}");
    let [sent] = counts(&last, ["delivered"]);
    assert!(sent > 0 && sent < rows as u64 * 3 / 4, "it went on where it was: {last}");

    assert_eq!(held(&other), held(&lab));
    assert_eq!(held(&lab).len() as i64, rows);
    assert_eq!(dump(&other), dump(&lab));
    let (ended, rest) = report(&other, &["sync"]);
    assert_eq!((ended, counts(&rest, ["unchanged", "requests"])), (0, [rows as u64, 0]), "{rest}");
    drop(served);
}

#[test]
fn a_backfill_gives_way_to_a_run_and_does_not_undo_what_that_sent() {
    let mut lab = people("delivery: {batch_rows: 20, concurrency: 1}", 2_000);
    let served = serve(&mut lab, 0);
    lab.sync(0);
    drop(served);
    let served = serve(&mut lab, 60);
    let mut child = start_and_wait(&lab, &served, 10);
    let (second, refused) = report(&lab, &["backfill", "people"]);
    assert_eq!((second, refused["error"]["code"].as_str()), (5, Some("OF-STA-010")), "one at a time");
    lab.sql("update people set name = 'new' where id % 50 = 0; delete from people where id = 7");
    let (ended, run) = report(&lab, &["sync"]);
    assert_eq!(ended, 0, "{run}");
    assert_eq!(counts(&run, ["changed", "delivered"]), [40, 40], "{run}");
    assert!(child.try_wait().unwrap().is_none(), "the run went first");
    assert_eq!(code(child), Some(0));
    let wrong: Vec<_> = held(&lab)
        .into_iter()
        .filter(|(email, properties)| {
            let id: i64 = email[1..email.find('@').unwrap()].parse().unwrap();
            let name = if id % 50 == 0 { "new".to_owned() } else { format!("n{id}") };
            properties["firstname"] != name
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    let (ended, rest) = report(&lab, &["sync"]);
    assert_eq!((ended, counts(&rest, ["unchanged", "requests"])), (0, [1_999, 0]), "{rest}");
    let kinds: Vec<String> = state(&lab)
        .prepare("select kind || ' ' || status from run order by number")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(kinds, ["sync ok", "backfill ok", "sync ok", "sync ok"]);
}

#[test]
fn a_backfill_gives_way_however_slow_it_is() {
    let mut lab = people("delivery: {batch_rows: 1, concurrency: 4}", 20);
    let served = serve(&mut lab, 0);
    lab.sync(0);
    let project = fs::read_to_string(lab.file("outflow.yml")).unwrap();
    fs::write(lab.file("outflow.yml"), project.replacen("10000/10s", "100/10s", 1)).unwrap();
    // One write in 25 seconds, and each place in flight has one that waits for its turn.
    for rate in ["0.4%", "1/25s"] {
        let mut child = start_at_and_wait((&lab, rate), &served, 1);
        lab.sql(&format!("update people set name = '{rate}' where id = 3"));
        let (ended, run) = report(&lab, &["sync"]);
        assert_eq!(
            (ended, counts(&run, ["changed", "delivered", "unknown"])),
            (0, [1, 1, 0]),
            "{rate}: {run}"
        );
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
