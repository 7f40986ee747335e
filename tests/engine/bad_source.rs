//! Sources that change while they are read, end early, repeat themselves, or hold what is too large.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusqlite::Connection;
use serde_json::Value as Json;

use super::lab::{Lab, THREE, counts};

/// Runs `sync` and gives its exit code, its report and the most memory it had in use, in MB.
fn measured(lab: &Lab) -> (i32, Json, u64) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_outflow"))
        .args(["sync", "--format", "json"])
        .current_dir(lab.path())
        .env_clear()
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    while child.try_wait().unwrap().is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
        most = peak.trim().trim_end_matches(" kB").parse::<u64>().map_or(most, |peak| peak / 1024);
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    let json: Json = serde_json::from_slice(&output.stdout).unwrap();
    (output.status.code().unwrap_or(-1), json["syncs"][0].clone(), most)
}

#[test]
fn a_source_that_changes_while_it_is_read_is_read_as_of_one_moment() {
    let lab = Lab::new(&[])
        .mapping("mode: mirror\nguards: {max_delete: 100%, max_change: 100%, key_change: false}");
    lab.sql("pragma journal_mode = wal; create view seen as select * from people");
    lab.sql(
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 5000) \
         insert into people select i, 'p' || i || '@x.io', 'v0', 0 from n",
    );
    let mut lab = lab;
    lab.query = "select id, email, name, score from seen order by id".into();
    lab.write();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let db = Connection::open(lab.file("warehouse.db")).unwrap();
            let mut round = 0;
            while !stop.load(Ordering::Relaxed) {
                round += 1;
                // All rows have one score at any moment.
                let _ = db.execute("update people set score = ?1", [round]);
            }
        });
        for _ in 0..3 {
            let report = lab.run(&["sync", "--format", "json", "--allow-changes"]).ends(0).json();
            assert_eq!(report["syncs"][0]["pending"], 0);
            let contacts = lab.contacts();
            let mut scores: Vec<&str> =
                contacts.values().filter_map(|contact| contact["score"].as_str()).collect();
            scores.dedup();
            assert_eq!((contacts.len(), scores.len()), (5000, 1), "rows of two moments: {scores:?}");
        }
        stop.store(true, Ordering::Relaxed);
    });
    lab.sync(0);
    lab.assert_mirrored();
}

#[test]
fn a_source_that_ends_early_deletes_nothing_and_keeps_what_was_acknowledged() {
    let mut lab = Lab::new(THREE).mapping("mode: mirror\nguards: {max_delete: 100%}");
    lab.sync(0);
    let writes = lab.contacts();
    lab.sql("update people set name = 'new'; delete from people where id = 1");
    let whole = lab.query.clone();
    // The last row cannot be computed.
    lab.query = "select id, email, case when id = 3 then json('{') else name end as name, score from people order by id".into();
    lab.write();
    let report = lab.sync_with(&["--allow-deletes"], 1);
    assert_eq!(report["error"]["kind"], "source", "{report}");
    assert_eq!(counts(&report, ["sent", "requests"]), [0, 0]);
    assert_eq!(lab.contacts(), writes);
    lab.query = whole;
    lab.write();
    assert_eq!(
        counts(&lab.sync_with(&["--allow-deletes"], 0), ["changed", "removed", "delivered"]),
        [2, 1, 3]
    );
    lab.assert_mirrored();
}

/// Memory of a run of three rows.
fn idle() -> u64 {
    measured(&Lab::new(THREE)).2
}

#[test]
fn a_key_that_comes_a_million_times_takes_no_memory() {
    // 2,000,000 of them take some minutes without optimisation.
    let rows = std::env::var("OUTFLOW_TEST_REPEATS").map_or(200_000, |rows| rows.parse::<u64>().unwrap());
    let idle = idle();
    for (policy, code) in [("first", 0), ("last", 0), ("reject", 3), ("fail", 1)] {
        let mut lab = Lab::new(THREE).mapping(&format!("on_duplicate_key: {policy}"));
        // What all rows need is far more.
        lab.project = "spool_memory: 1MB".into();
        lab.query = format!(
            "with recursive n(i) as (select 1 union all select i + 1 from n where i < {rows}) \
             select 1 as id, 'a@x.io' as email, 'a name' as name, i as score from n"
        );
        lab.write();
        let (ended, report, peak) = measured(&lab);
        println!("{policy}: exit {ended}, {peak} MB, {report}");
        assert_eq!(ended, code, "{policy}: {report}");
        assert!(peak < idle + 60, "{policy}: {peak} MB, and {idle} MB with three rows");
    }
}

#[test]
fn a_cell_of_100_mb_costs_its_row_only() {
    let mut lab = Lab::new(THREE);
    lab.query =
        "select id, email, case id when 2 then printf('%.*c', 100000000, 'x') else name end as name, score \
                 from people order by id"
            .into();
    lab.write();
    let (ended, report, peak) = measured(&lab);
    println!("exit {ended}, {peak} MB, {}", report.to_string().chars().take(2000).collect::<String>());
    assert_eq!(ended, 3, "{report}");
    assert_eq!((counts(&report, ["delivered", "invalid"]), lab.names().len()), ([2, 1], 2), "{report}");
    let error = &lab.errors()[0];
    assert_eq!((&error["kind"], &error["key"]["id"]), (&"invalid".into(), &2.into()), "{error}");
    assert!(error["message"].as_str().unwrap().contains("bytes"), "{error}");
    assert!(peak < idle() + 500, "{peak} MB");
}
