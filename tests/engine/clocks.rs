//! Wall clocks that are wrong, and put right while a run goes on: nothing that outflow does goes by them but the times
//! that it shows and the days of a daily budget.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use super::lab::{Lab, THREE, check_identities};
use crate::support::{Run, Served, WallClock, outflow_with};

const DAY: i64 = 86_400;
/// Seconds by which a clock is off, run after run.
const JUMPS: [i64; 9] = [0, DAY, -DAY, 40 * DAY, 0, -400 * DAY, 3600, -3600, 0];

fn at(lab: &Lab, clock: &WallClock, arguments: &[&str]) -> Run {
    outflow_with(lab.path(), arguments, &clock.variables())
}

fn sync(lab: &Lab, clock: &WallClock) -> Json {
    let run = at(lab, clock, &["sync", "--format", "json"]);
    assert!([0, 3].contains(&run.code), "{run:#?}");
    let report = run.json()["syncs"][0].clone();
    check_identities(&report);
    report
}

/// A lab with one row that is refused, and its runs under a clock that is off by these seconds.
fn history(jumps: &[i64]) -> (Lab, WallClock, Vec<Json>) {
    let mut lab = Lab::new(THREE).mapping("max_attempts: 3");
    lab.sql("alter table people add column plan text; update people set plan = 'blocked' where id = 2");
    lab.query = "select id, email, name, score, plan from people order by id".into();
    lab.fields = "{firstname: name, score: score, plan: plan}".into();
    lab.write();
    let clock = WallClock::new(0);
    let reports = jumps.iter().enumerate().map(|(run, seconds)| {
        clock.set(*seconds);
        lab.sql(&format!("update people set name = 'v{run}' where id = 1"));
        sync(&lab, &clock)
    });
    let reports = reports.collect();
    (lab, clock, reports)
}

fn told(report: &Json) -> Vec<&Json> {
    ["status", "added", "changed", "unchanged", "sent", "delivered", "rejected", "parked", "requests"]
        .map(|name| &report[name])
        .to_vec()
}

#[test]
fn a_clock_that_jumps_between_runs_changes_no_schedule_and_the_last_run_stays_the_last() {
    let (lab, clock, jumped) = history(&JUMPS);
    let (_, _, steady) = history(&[0; JUMPS.len()]);
    for (run, (jumped, steady)) in jumped.iter().zip(&steady).enumerate() {
        assert_eq!(told(jumped), told(steady), "run {}", run + 1);
    }
    let year = |report: &Json| report["started_at"].as_str().unwrap()[..4].parse::<i32>().unwrap();
    assert!(year(&jumped[5]) < year(&jumped[0]), "the clock did not move: {}", jumped[5]);
    clock.set(-DAY);
    let status = at(&lab, &clock, &["status", "--format", "json"]).ends(0).json()["syncs"][0].clone();
    assert_eq!(status["last_run"]["run_id"], jumped.last().unwrap()["run_id"], "{status:#}");
    assert_eq!(status["parked"], 1, "{status:#}");
    let runs = at(&lab, &clock, &["runs", "people", "--format", "json"]).ends(0).json()["runs"].clone();
    let shown: Vec<_> = runs.as_array().unwrap().iter().map(|run| run["run_id"].clone()).collect();
    let newest_first: Vec<_> = jumped.iter().rev().map(|report| report["run_id"].clone()).collect();
    assert_eq!(shown, newest_first);
    lab.sql("update people set plan = 'fine'");
    clock.set(-2 * DAY);
    sync(&lab, &clock);
    lab.assert_mirrored();
}

/// Requests of so many rows each in a window, and what the account accepts.
const ACCOUNT: &str = r#"{"objects": {"contacts": {"score": "number"}}, "limits": {"requests": "20/1s"}}"#;
const ROWS: u64 = 120;

fn paced(server: &Served, lab: &mut Lab) {
    lab.sql(&format!(
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < {ROWS}) \
         insert into people select i, 'p' || i || '@x.io', 'n' || i, i from n"
    ));
    lab.mapping = "delivery: {batch_rows: 1, concurrency: 4}".into();
    lab.base_url = format!("{}/hubspot", server.url);
    lab.write();
    let project = std::fs::read_to_string(lab.file("outflow.yml")).unwrap();
    let project = project.replacen("limits: {requests: 10000/10s}", "limits: {requests: 20/1s}", 1);
    std::fs::write(lab.file("outflow.yml"), project).unwrap();
}

fn start(lab: &Lab, clock: &WallClock) -> Child {
    Command::new(env!("CARGO_BIN_EXE_outflow"))
        .args(["sync", "--format", "json"])
        .current_dir(lab.path())
        .env_clear()
        .envs(clock.variables())
        .env("OUTFLOW_REHEARSE", "lease:3")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits until so many writes have arrived.
fn wait_for(server: &Served, writes: u64) {
    let begun = Instant::now();
    while server.writes() < writes {
        assert!(begun.elapsed() < Duration::from_secs(60), "no {writes} writes within a minute");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_clock_that_jumps_during_a_run_moves_neither_limit_nor_lease() {
    let mut lab = Lab::new(&[]);
    let server = Served::start(lab.path(), ACCOUNT);
    paced(&server, &mut lab);
    let clock = WallClock::new(-DAY);
    let (run, begun) = (start(&lab, &clock), Instant::now());
    for (jump, writes) in [(0, 20), (DAY, 40), (-DAY, 70), (400 * DAY, 100)] {
        wait_for(&server, writes);
        clock.set(jump);
        // By another clock the lease would be over, or would never end.
        for seconds in [0, DAY, -DAY] {
            let second = at(&lab, &WallClock::new(seconds), &["sync", "--format", "json"]).ends(5);
            assert_eq!(second.json()["syncs"][0]["status"], "locked", "{second:#?}");
        }
    }
    let output = run.wait_with_output().unwrap();
    let report: Json = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{report:#}");
    // It takes six seconds; a limit that went by the wall clock would stand still, or not be kept.
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    let duration = report["syncs"][0]["duration_ms"].as_u64().unwrap();
    assert!((5_000..60_000).contains(&duration), "{report:#}");
    let [writes, _, refused] = server.requests();
    assert_eq!((writes, refused), (ROWS, 0), "{}", server.stats());
    lab.assert_mirrored();
}

#[test]
fn a_killed_run_makes_room_at_once_whatever_the_clock_says() {
    for (before, after) in [(DAY, 0), (0, DAY), (0, -DAY)] {
        let mut lab = Lab::new(&[]);
        let server = Served::start(lab.path(), ACCOUNT);
        paced(&server, &mut lab);
        let clock = WallClock::new(before);
        let mut run = start(&lab, &clock);
        wait_for(&server, 10);
        run.kill().unwrap();
        run.wait().unwrap();
        clock.set(after);
        let report = sync(&lab, &clock);
        assert_eq!((&report["status"], &report["pending"]), (&"ok".into(), &0.into()), "{report:#}");
        assert_eq!(server.requests()[2], 0, "{}", server.stats());
        lab.assert_mirrored();
        assert_eq!(sync(&lab, &clock)["requests"], 0);
    }
}

#[test]
fn a_days_budget_is_not_given_twice_by_a_clock_that_returns() {
    let mut lab = Lab::new(&[]);
    let server = Served::start(lab.path(), r#"{"objects": {"contacts": {"score": "number"}}}"#);
    paced(&server, &mut lab);
    let project = std::fs::read_to_string(lab.file("outflow.yml")).unwrap();
    std::fs::write(lab.file("outflow.yml"), project.replacen("20/1s}", "1000/1s, daily_calls: 30}", 1))
        .unwrap();
    // Noon, so that no day ends meanwhile.
    let clock = WallClock::new(0);
    let noon = DAY / 2 - jiff::Timestamp::now().as_second().rem_euclid(DAY);
    let all = || server.requests()[0] + server.requests()[1];
    for (seconds, more) in [(0, 30), (DAY, 30), (0, 0), (DAY, 0), (-DAY, 30), (0, 0), (-DAY, 0)] {
        clock.set(noon + seconds);
        let before = all();
        let run = at(&lab, &clock, &["sync", "--format", "json"]).ends(6);
        assert_eq!(all() - before, more, "{seconds} s: {run:#?}");
    }
}
