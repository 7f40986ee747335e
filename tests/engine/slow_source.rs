//! Sources that yield their rows slowly, or none for a long time.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use super::lab::{Lab, THREE, check_identities, counts};
use super::scenarios::serve_account;

/// A row of a query that computes for so many steps before it has it.
fn row(id: &str, steps: u64) -> String {
    format!(
        "select {id} as id, 'p' || {id} || '@x.io' as email, (with recursive s(k) as (select 1 union all select k + 1 \
         from s where k < {steps} + {id}) select 'n' || count(*) from s) as name, 1.5 as score"
    )
}

/// As many rows, each after so many steps.
fn slow(rows: u64, steps: u64) -> String {
    let row = row("i", steps);
    format!("with recursive n(i) as (select 1 union all select i + 1 from n where i < {rows}) {row} from n")
}

fn start(lab: &Lab, plan: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_outflow"))
        .args(["sync", "--format", "json", "--allow-deletes", "--allow-changes"])
        .current_dir(lab.path())
        .env_clear()
        .env("OUTFLOW_REHEARSE", plan)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn end(child: Child) -> (i32, Json) {
    let output = child.wait_with_output().unwrap();
    let json: Json = serde_json::from_slice(&output.stdout).unwrap();
    (output.status.code().unwrap_or(-1), json["syncs"][0].clone())
}

/// Steps that take about this long here.
fn steps(time: Duration) -> u64 {
    let lab = Lab::new(&[]);
    let db = rusqlite::Connection::open(lab.file("warehouse.db")).unwrap();
    let (begun, sample) = (Instant::now(), 300_000);
    db.query_row(&row("1", sample), [], |_| Ok(())).unwrap();
    (sample as f64 * time.as_secs_f64() / begun.elapsed().as_secs_f64()) as u64
}

#[test]
fn a_slow_source_keeps_its_lease_and_every_row() {
    let mut lab = Lab::new(&[]).mapping("mode: mirror");
    let server = serve_account(&mut lab, "[]");
    // Nine seconds, three times the lease.
    lab.query = slow(60, steps(Duration::from_millis(150)));
    lab.write();
    let (mut run, begun) = (start(&lab, "lease:3"), Instant::now());
    std::thread::sleep(Duration::from_secs(1));
    let mut refused = 0;
    while run.try_wait().unwrap().is_none() {
        if begun.elapsed() < Duration::from_secs(6) {
            lab.run(&["sync", "-q"]).ends(5);
            refused += 1;
        }
        std::thread::sleep(Duration::from_millis(400));
    }
    let (code, report) = end(run);
    assert_eq!((code, counts(&report, ["added", "delivered"])), (0, [60, 60]), "{report:#}");
    assert!(refused > 3, "the source was not slow: {:?}", begun.elapsed());
    assert_eq!(lab.contacts().len(), 60);
    drop(server);
}

/// Interrupts a run that reads, and gives its report once it has ended, at once.
fn interrupted(lab: &Lab, signal: &str) -> Json {
    let run = start(lab, "lease:60");
    std::thread::sleep(Duration::from_millis(1500));
    let asked = Instant::now();
    let sent = Command::new("kill").args([signal, &run.id().to_string()]).status().unwrap();
    assert!(sent.success(), "the run has ended before");
    let (code, report) = end(run);
    assert!(asked.elapsed() < Duration::from_secs(10), "it went on for {:?}", asked.elapsed());
    assert_eq!((code, report["status"].as_str()), (130, Some("interrupted")), "{report:#}");
    check_identities(&report);
    assert_eq!(counts(&report, ["sent", "requests"]), [0, 0], "{report:#}");
    report
}

#[test]
fn an_interrupt_stops_a_source_that_has_no_row_yet_and_one_that_has_some() {
    let mut lab = Lab::new(THREE).mapping("mode: mirror\nguards: {max_delete: 100%}");
    lab.sync(0);
    let (before, whole) = (lab.contacts(), lab.query.clone());
    // A minute and more each: one for its first row, one for all.
    for query in [slow(1, steps(Duration::from_secs(90))), slow(1_000_000, 40)] {
        for signal in ["-INT", "-TERM"] {
            lab.query.clone_from(&query);
            lab.write();
            interrupted(&lab, signal);
            assert_eq!(lab.contacts(), before, "nothing is removed");
        }
    }
    lab.query = whole;
    lab.write();
    assert_eq!(counts(&lab.sync(0), ["unchanged", "requests"]), [3, 0]);
}
