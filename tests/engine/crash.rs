use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::lab::{Lab, THREE, counts};
#[cfg(debug_assertions)]
use crate::support::outflow_with;

/// Starts a sync in a process of its own.
fn start(lab: &Lab) -> Child {
    Command::new(env!("CARGO_BIN_EXE_outflow"))
        .args(["sync", "--format", "json"])
        .current_dir(lab.path())
        .env_clear()
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Starts a sync that hangs in its first write request.
fn hanging(lab: &mut Lab) -> Child {
    lab.faults = "[{do: hang, path: upsert}]".into();
    lab.write();
    let child = start(lab);
    wait_for(lab, "an unsettled batch", |lab| unsettled(lab) > 0);
    child
}

/// Keys in the ledger's journal.
fn unsettled(lab: &Lab) -> i64 {
    let path = lab.file(".outflow/ledger/people.db");
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let Ok(db) = rusqlite::Connection::open_with_flags(path, flags) else { return 0 };
    db.query_row("select count(*) from intent", [], |row| row.get(0)).unwrap_or(0)
}

fn wait_for(lab: &Lab, what: &str, done: impl Fn(&Lab) -> bool) {
    let start = Instant::now();
    while !done(lab) {
        assert!(start.elapsed() < Duration::from_secs(60), "no {what} within a minute");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

#[test]
fn two_runs_of_one_sync_never_overlap_and_a_killed_one_makes_room() {
    let mut lab = Lab::new(THREE);
    let mut child = hanging(&mut lab);
    lab.faults = "[]".into();
    lab.write();
    let locked = lab.sync(5);
    assert_eq!(locked["status"], "locked");
    assert!(locked["error"]["message"].as_str().unwrap().contains(&child.id().to_string()), "{locked}");
    signal(&child, "-KILL");
    child.wait().unwrap();
    let report = lab.sync(0);
    assert_eq!(counts(&report, ["added", "delivered"]), [3, 3], "what was in flight is sent again");
    lab.assert_mirrored();
    assert_eq!(unsettled(&lab), 0);
}

#[test]
fn an_interrupt_ends_cleanly_and_the_next_run_goes_on() {
    let mut lab = Lab::new(THREE).mapping("delivery: {batch_rows: 1, concurrency: 1}");
    lab.faults = "[{do: delay, ms: 1500, path: upsert}]".into();
    lab.write();
    let child = start(&lab);
    wait_for(&lab, "an unsettled batch", |lab| unsettled(lab) > 0);
    signal(&child, "-INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let report = &report["syncs"][0];
    assert_eq!(report["status"], "interrupted");
    assert_eq!(counts(report, ["delivered", "pending"]), [1, 2], "the batch in flight settled: {report}");
    lab.faults = "[]".into();
    lab.write();
    assert_eq!(counts(&lab.sync(0), ["added", "unchanged", "delivered"]), [2, 1, 2]);
    lab.assert_mirrored();
}

#[test]
fn a_damaged_or_newer_ledger_is_named_and_left_as_it_is() {
    let lab = Lab::new(THREE);
    lab.sync(0);
    let path = lab.file(".outflow/ledger/people.db");
    let good = std::fs::read(&path).unwrap();
    let mut damaged = good.clone();
    let middle = damaged.len() / 2;
    damaged.iter_mut().skip(middle).for_each(|byte| *byte ^= 0x5a);
    for bytes in
        [damaged, b"not a database, but long enough to be taken for one by a careless reader".to_vec()]
    {
        std::fs::write(&path, &bytes).unwrap();
        let report = lab.sync(1);
        assert!(report["error"]["message"].as_str().unwrap().contains("people.db"), "{report}");
        assert_eq!(counts(&report, ["sent", "requests"]), [0, 0]);
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "the file was touched");
    }
    std::fs::write(&path, &good).unwrap();
    rusqlite::Connection::open(&path).unwrap().execute_batch("pragma user_version = 4711").unwrap();
    let report = lab.sync(1);
    assert!(report["error"]["message"].as_str().unwrap().contains("4711"), "{report}");
    std::fs::write(&path, &good).unwrap();
    assert_eq!(counts(&lab.sync(0), ["unchanged", "requests"]), [3, 0]);
}

#[test]
fn an_interrupt_while_the_destination_is_silent_ends_at_once() {
    let mut lab = Lab::new(THREE);
    lab.faults = "[{do: hang, path: account-info}]".into();
    lab.write();
    let child = start(&lab);
    wait_for(&lab, "ledger", |lab| lab.file(".outflow/ledger/people.db").exists());
    let asked = Instant::now();
    signal(&child, "-TERM");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert!(asked.elapsed() < Duration::from_secs(20), "it waited for the answer");
}

#[test]
fn a_rate_spaces_requests_and_an_interrupt_starts_none() {
    let lab = Lab::new(THREE).mapping("delivery: {batch_rows: 1, concurrency: 2, rate: 1/1h}");
    let child = start(&lab);
    wait_for(&lab, "acknowledged row", |lab| acknowledged(lab) > 0);
    signal(&child, "-INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(counts(&report["syncs"][0], ["delivered", "pending", "requests"]), [1, 2, 1], "{report}");
}

/// Rows ever acknowledged.
fn acknowledged(lab: &Lab) -> i64 {
    let path = lab.file(".outflow/ledger/people.db");
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let Ok(db) = rusqlite::Connection::open_with_flags(path, flags) else { return 0 };
    db.query_row("select count(*) from log", [], |row| row.get(0)).unwrap_or(0)
}

#[cfg(debug_assertions)]
#[test]
fn runs_that_never_end_do_not_let_the_ledger_grow() {
    let lab = Lab::new(THREE).mapping("mode: mirror");
    let rows = |sql: &str| -> i64 {
        let db = rusqlite::Connection::open(lab.file(".outflow/ledger/people.db")).unwrap();
        db.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    for round in 0..3 {
        lab.sql(&format!("update people set name = name || {round}"));
        let died = outflow_with(lab.path(), &["sync", "-q"], &[("OUTFLOW_REHEARSE", "run.delivered:1")]);
        assert_eq!(died.code, -1, "{died:#?}");
        assert_eq!(rows("select count(*) from log"), 1, "the log of earlier runs is still there");
    }
    assert_eq!(rows("select count(*) from part"), 1);
    assert_eq!(counts(&lab.sync(0), ["unchanged", "requests"]), [3, 0]);
    lab.assert_mirrored();
}
