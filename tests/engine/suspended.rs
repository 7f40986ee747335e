//! A run that stood still for longer than its lease.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::backfill_stops::is_asleep;
use super::lab::{Lab, THREE};
use super::scenarios::{SCENARIOS, Scenario, serve_account};
use crate::support::Served;

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

/// Whoever stops inside a transaction keeps everybody out, and then there is nobody to be overtaken by.
fn stop_between_transactions(child: &Child, lab: &Lab) {
    let is_free = |file: &str| {
        let db = Connection::open(lab.file(file)).unwrap();
        db.busy_timeout(Duration::ZERO).unwrap();
        db.execute_batch("begin immediate; rollback").is_ok()
    };
    for _ in 0..1000 {
        signal(child, "-STOP");
        if is_free(".outflow/ledger/people.db") && is_free(".outflow/state.db") {
            return;
        }
        signal(child, "-CONT");
        std::thread::sleep(Duration::from_millis(3));
    }
    panic!("the run is always within a transaction");
}

fn start(lab: &Lab, accident: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_outflow"))
        .args(["sync", "--format", "json", "--allow-changes", "--allow-deletes"])
        .current_dir(lab.path())
        .env_clear()
        .env("OUTFLOW_REHEARSE", accident)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// A mirror with one batch in flight, of which the first request has reached the account.
fn underway(mapping: &str, faults: &str) -> (Lab, Served, Child) {
    let mut lab = mirror().prepare();
    lab.mapping = lab.mapping.replace("concurrency: 2", mapping);
    let server = serve_account(&mut lab, faults);
    let sleeper = start(&lab, "lease:3");
    let begun = Instant::now();
    while server.writes() < 1 {
        assert!(begun.elapsed() < Duration::from_secs(60), "the run does not get on");
        std::thread::sleep(Duration::from_millis(5));
    }
    (lab, server, sleeper)
}

fn mirror() -> &'static Scenario {
    SCENARIOS.iter().find(|scenario| scenario.name == "mirror").unwrap()
}

/// The run sleeps until another has taken its place, and wakes up.
#[track_caller]
fn overtake(lab: &Lab, server: &Served, sleeper: Child) {
    stop_between_transactions(&sleeper, lab);
    // Another run is let in once the lease has ended, and not before.
    let (mut refused, begun) = (0, Instant::now());
    loop {
        assert!(begun.elapsed() < Duration::from_secs(60), "the lease does not end");
        let run = lab.run(&["sync", "-q", "--allow-changes", "--allow-deletes"]);
        match run.code {
            5 => refused += 1,
            code => break assert_eq!(code, 0, "{run:#?}"),
        }
    }
    assert!(refused > 0, "two runs at once");
    let writes = server.writes();
    signal(&sleeper, "-CONT");
    let output = sleeper.wait_with_output().unwrap();
    assert_eq!(server.writes(), writes, "the run that woke up sent something");
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(5), "{said}");
    assert!(said.contains("OF-STA-011"), "{said}");
    mirror().assert_delivered(lab);
    lab.sync(0);
    assert_eq!(server.writes(), writes);
}

#[test]
fn a_run_that_slept_past_its_lease_sends_nothing_more() {
    let (lab, server, sleeper) = underway("concurrency: 1, rate: 4/1s", "[]");
    overtake(&lab, &server, sleeper);
}

#[test]
fn a_request_that_waits_to_be_repeated_is_not_sent_after_a_sleep() {
    let busy = r#"[{"do": "status", "code": 503, "retry_after": 6, "path": "batch", "times": 1}]"#;
    let (lab, server, sleeper) = underway("concurrency: 1", busy);
    overtake(&lab, &server, sleeper);
}

#[test]
fn a_run_that_was_stopped_while_it_wrote_keeps_its_sync_and_is_named() {
    for place in ["state.commit", "ledger.commit"] {
        let mut lab = Lab::new(THREE);
        let server = serve_account(&mut lab, "[]");
        let stopped = start(&lab, &format!("stop:{place}:2"));
        let begun = Instant::now();
        while !is_asleep(&stopped) {
            assert!(begun.elapsed() < Duration::from_secs(60), "it does not stop");
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_held_by(&lab, &stopped, "is going on");
        if place == "ledger.commit" {
            let state = Connection::open(lab.file(".outflow/state.db")).unwrap();
            state.execute("update lease set expires = 0", []).unwrap();
            // The one that was refused leaves everything to the next as it was.
            for _ in 0..2 {
                assert_held_by(&lab, &stopped, "people.db");
            }
        }
        assert_eq!(server.writes(), 0);
        signal(&stopped, "-CONT");
        // It goes on, or finds on a slow machine that it stood still for too long.
        let code = stopped.wait_with_output().unwrap().status.code();
        assert!(matches!(code, Some(0 | 5)), "{code:?}");
        lab.sync(0);
        lab.assert_mirrored();
    }
}

#[track_caller]
fn assert_held_by(lab: &Lab, stopped: &Child, words: &str) {
    let report = lab.sync(5);
    assert_eq!((&report["status"], &report["error"]["code"]), (&"locked".into(), &"OF-STA-010".into()));
    let message = report["error"]["message"].as_str().unwrap();
    assert!(message.contains(&format!("process {}", stopped.id())) && message.contains(words), "{message}");
}
