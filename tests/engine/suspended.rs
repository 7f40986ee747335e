//! A run that stood still for longer than its lease.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::lab::Lab;
use super::scenarios::{SCENARIOS, serve};

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

fn start(lab: &Lab) -> Child {
    Command::new(env!("CARGO_BIN_EXE_outflow"))
        .args(["sync", "--format", "json", "--allow-changes", "--allow-deletes"])
        .current_dir(lab.path())
        .env_clear()
        .env("OUTFLOW_REHEARSE", "lease:3")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn a_run_that_slept_past_its_lease_sends_nothing_more() {
    let scenario = SCENARIOS.iter().find(|scenario| scenario.name == "mirror").unwrap();
    let mut lab = scenario.prepare();
    lab.mapping = lab.mapping.replace("concurrency: 2", "concurrency: 1, rate: 4/1s");
    let server = serve(&mut lab);
    let sleeper = start(&lab);
    let begun = Instant::now();
    while server.writes() < 2 {
        assert!(begun.elapsed() < Duration::from_secs(60), "the run does not get on");
        std::thread::sleep(Duration::from_millis(5));
    }
    stop_between_transactions(&sleeper, &lab);
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
    assert_eq!(output.status.code(), Some(5), "{}", String::from_utf8_lossy(&output.stdout));
    scenario.assert_delivered(&lab);
    lab.sync(0);
    assert_eq!(server.writes(), writes);
}
