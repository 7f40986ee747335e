//! When a sync sends: inside its window, the highest priority first, and within the time it is given, or it says so.

use std::fs;
use std::path::Path;

use jiff::{Timestamp, ToSpan};
use rusqlite::Connection;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::lab::{Lab, THREE, counts};
use crate::support::{Run, outflow};

const ROWS: i64 = 40;

/// Rows whose scores are 0 to 39 in another order than their ids; the last has none.
fn project(more: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let outflow = "name: timing\nconnections:\n  warehouse: {type: sqlite, path: w.db}\n  drop: {type: files, url: ./out}\n";
    let mapping = format!(
        "sync: list\nsource: {{connection: warehouse, table: people, primary_key: id}}\ndestination: {{connection: drop, object: \
        people, match_on: {{id: id}}}}\nfields: {{score: {{column: score, type: integer}}}}\n{more}"
    );
    fs::create_dir(folder.path().join("mappings")).unwrap();
    fs::write(folder.path().join("outflow.yml"), outflow).unwrap();
    fs::write(folder.path().join("mappings/list.yml"), mapping).unwrap();
    let warehouse = Connection::open(folder.path().join("w.db")).unwrap();
    warehouse.execute_batch("create table people (id integer primary key, score int)").unwrap();
    for id in 0..ROWS {
        let score = (id < ROWS - 1).then_some(id * 7 % ROWS);
        warehouse.execute("insert into people values (?1, ?2)", (id, score)).unwrap();
    }
    folder
}

fn sync(folder: &Path, flags: &[&str]) -> Run {
    outflow(folder, &[&["sync", "--format", "json"], flags].concat())
}

fn report(run: &Run) -> Json {
    run.json()["syncs"][0].clone()
}

/// A window from the one moment from now on to the other, in seconds.
fn window(from: i64, to: i64) -> String {
    let time = |seconds: i64| {
        let moment = Timestamp::now().checked_add(seconds.seconds()).unwrap();
        moment.strftime("%H:%M:%S").to_string()
    };
    format!("window: \"{}-{} UTC\"\n", time(from), time(to))
}

#[test]
fn outside_of_its_window_a_sync_is_held_and_says_when_it_opens() {
    let folder = project(&window(7_200, 10_800));
    let run = sync(folder.path(), &[]);
    let held = report(&run);
    assert_eq!(
        (&held["status"], &held["error"]["code"], &held["sent"]),
        (&json!("held"), &json!("OF-RUN-018"), &json!(0))
    );
    assert!(held["error"]["message"].as_str().unwrap().contains("it opens at"), "{held:#}");
    assert!(run.code != 0 && !folder.path().join("out").exists());
    let preview = outflow(folder.path(), &["diff", "--format", "json"]).json();
    assert_eq!(preview["syncs"][0]["would_hold"]["code"], "OF-RUN-018", "{preview:#}");
    let sent = report(&sync(folder.path(), &["--allow-any-time"]).ends(0));
    assert_eq!((&sent["status"], &sent["delivered"]), (&json!("ok"), &json!(ROWS)));
    let backfill = ["backfill", "list", "--format", "json"];
    let held = report(&outflow(folder.path(), &backfill).ends(4));
    assert!(held["error"]["hint"].as_str().unwrap().contains("`--allow-any-time`"), "{held:#}");
    let sent = report(&outflow(folder.path(), &[&backfill[..], &["--allow-any-time"]].concat()).ends(0));
    assert_eq!((&sent["status"], &sent["delivered"]), (&json!("ok"), &json!(ROWS)));
}

#[test]
fn a_window_that_closes_stops_the_sending_and_the_next_run_goes_on() {
    let slow = "delivery: {batch_rows: 1, rate: 1/s, concurrency: 1}\n";
    let folder = project(&(window(-3_600, 20) + slow));
    let held = report(&sync(folder.path(), &[]));
    assert_eq!(
        (&held["status"], &held["error"]["code"]),
        (&json!("partial"), &json!("OF-RUN-018")),
        "{held:#}"
    );
    let (delivered, pending) = (held["delivered"].as_i64().unwrap(), held["pending"].as_i64().unwrap());
    assert!(delivered > 0 && pending > 0 && delivered + pending == ROWS, "{held:#}");
    let mapping = folder.path().join("mappings/list.yml");
    fs::write(&mapping, fs::read_to_string(&mapping).unwrap().replace(slow, "")).unwrap();
    // A run that is held afterwards knows nothing of what waits, and hides it as little.
    assert_eq!(report(&sync(folder.path(), &[]).ends(4))["status"], "held");
    let status = outflow(folder.path(), &["status", "--format", "json"]).ends(0).json();
    assert_eq!(status["syncs"][0]["pending"].as_i64(), Some(pending), "{status:#}");
    let rest = report(&sync(folder.path(), &["--allow-any-time"]).ends(0));
    assert_eq!((&rest["status"], rest["delivered"].as_i64()), (&json!("ok"), Some(pending)));
}

#[test]
fn the_highest_priority_is_sent_first_and_what_has_none_last() {
    let order = |folder: &Path| -> Vec<Option<i64>> {
        let mut files: Vec<_> =
            fs::read_dir(folder.join("out")).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        let texts = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect::<String>();
        texts.lines().map(|line| serde_json::from_str::<Json>(line).unwrap()["score"].as_i64()).collect()
    };
    let folder = project("priority: score\n");
    sync(folder.path(), &[]).ends(0);
    let mut sorted: Vec<Option<i64>> = (0..ROWS - 1).map(|id| Some(id * 7 % ROWS)).chain([None]).collect();
    sorted.sort_by(|a, b| b.cmp(a));
    assert_eq!(order(folder.path()), sorted);
    let folder = project("priority: \"case when id < 3 then 1000 - id else -id end\"\n");
    sync(folder.path(), &[]).ends(0);
    assert_eq!(order(folder.path())[..3], [Some(0), Some(7), Some(14)]);
    let folder = project("priority: nothing_like_it\n");
    let run = sync(folder.path(), &[]);
    assert!(
        run.code != 0 && report(&run)["error"]["message"].as_str().unwrap().contains("nothing_like_it"),
        "{run:#?}"
    );
    assert_eq!(report(&run)["error"]["line"], 5, "{run:#?}");
    let check = outflow(folder.path(), &["check", "--connect"]).ends(1);
    assert!(check.stderr.contains("list.yml:5:11") && check.stderr.contains("nothing_like_it"), "{check:#?}");
}

#[test]
fn a_run_says_that_the_time_it_is_given_is_too_short() {
    let folder = project("deliver_within: 2s\ndelivery: {batch_rows: 4, rate: 2/s, concurrency: 1}\n");
    let preview = outflow(folder.path(), &["diff"]).ends(0);
    assert!(preview.stdout.contains("`deliver_within: 2s` cannot be kept"), "{preview:#?}");
    assert!(preview.stdout.contains("`delivery.rate` binds"), "{preview:#?}");
    let verdict = |folder: &Path| {
        let preview = outflow(folder, &["diff", "--format", "json"]).ends(0).json();
        preview["syncs"][0]["deliver_within"].clone()
    };
    let short = verdict(folder.path());
    assert_eq!(
        (&short["possible"], &short["seconds"], &short["binds"]),
        (&json!(false), &json!(2.0), &json!("`delivery.rate`"))
    );
    let run = outflow(folder.path(), &["sync"]).ends(0);
    assert!(run.stderr.contains("falls behind `deliver_within`"), "{run:#?}");
    assert!(run.stdout.contains("later than `deliver_within: 2s`"), "{run:#?}");
    let folder = project("deliver_within: 1h\n");
    let preview = outflow(folder.path(), &["diff"]).ends(0);
    assert!(preview.stdout.contains("`deliver_within: 1h` can be kept"), "{preview:#?}");
    assert_eq!(verdict(folder.path())["possible"], true);
    let run = outflow(folder.path(), &["sync"]).ends(0);
    assert!(!run.stdout.contains("deliver_within") && !run.stderr.contains("falls behind"), "{run:#?}");
}

#[test]
fn a_scarce_budget_goes_to_the_highest_priority() {
    let mut lab = Lab::new(THREE).mapping("priority: score\ndelivery: {batch_rows: 1, concurrency: 1}");
    // Two reads come first: the account and its properties.
    lab.daily = 3;
    lab.write();
    let report = lab.sync(6);
    assert_eq!(counts(&report, ["delivered", "pending"]), [1, 2], "{report:#}");
    assert_eq!(lab.names().into_keys().collect::<Vec<_>>(), ["cyd@x.io"]);
    // A row that is new since then goes before those that wait.
    lab.sql("insert into people values (4, 'dan@x.io', 'Dan', 9)");
    let limited = lab_with_room(lab, 1);
    assert_eq!(limited.names().into_keys().collect::<Vec<_>>(), ["cyd@x.io", "dan@x.io"]);
    limited.sync(0);
    limited.assert_mirrored();
}

/// After a run that may send so many rows.
fn lab_with_room(mut lab: Lab, rows: u64) -> Lab {
    lab.daily = 1_000_000;
    lab.write();
    lab.sync_with(&["--limit", &rows.to_string()], 0);
    lab
}
