use std::collections::BTreeMap;
use std::path::Path;

use super::lab::{Lab, THREE, counts};

/// Every file below a folder with its bytes.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => drop(files.insert(path.display().to_string(), std::fs::read(&path).unwrap())),
            }
        }
    }
    files.retain(|name, _| !name.ends_with("-shm"));
    files
}

#[test]
fn only_what_changed_is_sent_and_an_unchanged_rerun_writes_nothing() {
    let lab = Lab::new(THREE);
    let first = lab.sync(0);
    assert_eq!(counts(&first, ["rows_read", "added", "sent", "delivered", "requests"]), [3, 3, 3, 3, 1]);
    assert!(first["sandbox"] == true && first["run_id"].is_string() && first["error"].is_null());
    lab.assert_mirrored();
    let acknowledged = lab.ledger_rows();
    let second = lab.sync(0);
    assert_eq!(counts(&second, ["unchanged", "sent", "requests", "bytes_sent"]), [3, 0, 0, 0]);
    assert_eq!(lab.ledger_rows(), acknowledged, "the ledger was written");
    lab.sql(
        "update people set name = 'Adele' where id = 1; insert into people values (4, 'dan@x.io', 'Dan', 4)",
    );
    let third = lab.sync(0);
    assert_eq!(counts(&third, ["added", "changed", "unchanged", "sent", "requests"]), [1, 1, 2, 2, 1]);
    lab.assert_mirrored();
}

#[test]
fn a_dry_run_changes_nothing_and_foretells_the_run() {
    let lab = Lab::new(THREE);
    let before = files(lab.path());
    let preview = lab.diff(&[]);
    assert_eq!(files(lab.path()), before, "a preview left something behind");
    assert_eq!(counts(&preview, ["rows_read", "added", "sent", "requests"]), [3, 3, 0, 0]);
    assert_eq!(preview["forecast"]["requests"], 1);
    assert_eq!(preview["sample"].as_array().unwrap().len(), 3);
    assert_eq!(preview["sample"][0]["key"]["id"], 1);
    lab.sync(0);
    lab.sql("update people set score = 9 where id = 2; delete from people where id = 3");
    let before = files(lab.path());
    let preview = lab.diff(&[]);
    assert_eq!(files(lab.path()), before, "a preview left something behind");
    let run = lab.sync(0);
    for name in ["rows_read", "added", "changed", "removed", "unchanged", "invalid", "parked"] {
        assert_eq!(preview[name], run[name], "{name}");
    }
    assert_eq!(preview["sample"][0]["op"], "change");
    assert_eq!(preview["sample"][0]["fields"]["score"]["new"], 9);
    assert!(preview["sample"][0]["fields"].get("firstname").is_none(), "{preview}");
}

#[test]
fn old_values_are_shown_where_the_ledger_keeps_them() {
    let lab = Lab::new(THREE).mapping("ledger: {keep: values}");
    lab.sync(0);
    lab.sql("update people set score = 9 where id = 2");
    let preview = lab.diff(&["--exit-code"].map(|_| "--no-progress"));
    let fields = &preview["sample"][0]["fields"];
    assert_eq!((&fields["score"]["old"], &fields["score"]["new"]), (&2.into(), &9.into()), "{fields}");
    let text = lab.run(&["diff"]).ends(0).stdout;
    assert!(text.contains("2 → 9"), "{text}");
    assert_eq!(lab.run(&["diff", "--exit-code"]).code, 2);
}

#[test]
fn a_lost_answer_is_unknown_until_the_record_is_acknowledged() {
    let mut lab = Lab::new(THREE);
    lab.sync(0);
    lab.sql("update people set name = 'B' where id = 1");
    lab.faults = "[{do: lost_ack, path: upsert}]".into();
    lab.write();
    let lost = lab.sync(3);
    assert_eq!(counts(&lost, ["changed", "sent", "deferred", "unknown", "delivered"]), [1, 1, 1, 1, 0]);
    assert_eq!(lab.names()["ada@x.io"], "B", "the fault is that it was done and not answered");
    lab.sql("update people set name = 'Ada' where id = 1");
    lab.faults = "[]".into();
    lab.write();
    let back = lab.sync(0);
    assert_eq!(
        counts(&back, ["changed", "sent", "delivered"]),
        [1, 1, 1],
        "an unsettled row never counts as unchanged"
    );
    lab.assert_mirrored();
    assert_eq!(counts(&lab.sync(0), ["unchanged", "requests"]), [3, 0]);
}

#[test]
fn answers_that_confirm_nothing_are_not_believed() {
    for fault in ["garbage", "truncate"] {
        let mut lab = Lab::new(THREE);
        lab.faults = format!("[{{do: {fault}, path: upsert}}]");
        lab.write();
        let report = lab.sync(3);
        assert_eq!(counts(&report, ["delivered", "unknown"]), [0, 3], "{fault}");
        lab.faults = "[]".into();
        lab.write();
        assert_eq!(counts(&lab.sync(0), ["added", "delivered"]), [3, 3], "{fault}");
        lab.assert_mirrored();
    }
}

#[test]
fn an_outage_fails_the_run_and_loses_nothing() {
    let mut lab = Lab::new(THREE);
    lab.base_url = "http://127.0.0.1:9/hubspot".into();
    lab.write();
    let run = lab.run(&["sync", "--format", "json"]).ends(1);
    let report = &run.json()["syncs"][0];
    assert_eq!(report["status"], "failed");
    assert!(report["error"]["message"].as_str().unwrap().contains("`127.0.0.1:9`"), "{report}");
    lab.base_url = "sandbox".into();
    lab.write();
    lab.sync(0);
    lab.assert_mirrored();
}

#[test]
fn a_daily_quota_stops_the_run_cleanly_and_the_rest_follows() {
    let mut lab = Lab::new(THREE).mapping("delivery: {batch_rows: 1, concurrency: 1}");
    // Two reads come first: the account and its properties.
    lab.daily = 3;
    lab.write();
    let report = lab.sync(6);
    assert_eq!(report["status"], "quota");
    assert_eq!(counts(&report, ["added", "delivered", "sent", "pending"]), [3, 1, 1, 2], "{report}");
    lab.daily = 1_000_000;
    lab.write();
    assert_eq!(counts(&lab.sync(0), ["added", "unchanged", "delivered"]), [2, 1, 2]);
    lab.assert_mirrored();
}

#[test]
fn a_field_that_changes_in_nearly_every_row_two_runs_running_is_warned_of() {
    let mut lab = Lab::new(&[]);
    lab.sql(
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 30)
         insert into people select i, 'p' || i || '@x.io', 'n' || i, i from n",
    );
    let warns =
        |lab: &Lab| lab.run(&["sync"]).ends(0).stdout.contains("`firstname` changed in 30 of 30 rows");
    let renew = |lab: &Lab| lab.sql("update people set name = name || '.'");
    assert!(!warns(&lab), "they are new");
    renew(&lab);
    assert!(!warns(&lab), "once is a change");
    renew(&lab);
    assert!(warns(&lab));
    assert!(!warns(&lab), "nothing changed");
    renew(&lab);
    assert!(!warns(&lab), "the run before was another matter");
    renew(&lab);
    lab.faults = "[{do: status, code: 503, retry_after: 3600, path: upsert}]".into();
    lab.write();
    lab.sync(6);
    lab.faults = "[]".into();
    lab.write();
    assert!(!warns(&lab), "what did not arrive differs once more, and has not changed again");
    lab.sql("update people set name = name || '.' where id <= 27");
    assert!(!warns(&lab), "not in over nine of ten");
}

#[test]
fn an_answer_to_come_back_in_hours_stops_the_run_cleanly() {
    for (code, retry_after) in [(477, 43_200), (503, 3_600), (429, 3_600)] {
        let mut lab = Lab::new(THREE).mapping("delivery: {batch_rows: 1, concurrency: 1}");
        lab.faults =
            format!("[{{do: status, code: {code}, retry_after: {retry_after}, path: upsert, times: 1}}]");
        lab.write();
        let report = lab.sync(6);
        assert_eq!(report["status"], "quota", "{report}");
        assert_eq!(counts(&report, ["added", "sent", "pending", "requests"]), [3, 0, 3, 1], "{report}");
        let said = report["error"]["message"].as_str().unwrap();
        assert!(said.contains("minutes") || said.contains("hours"), "{said}");
        lab.faults = "[]".into();
        lab.write();
        assert_eq!(counts(&lab.sync(0), ["delivered"]), [3]);
        lab.assert_mirrored();
    }
}

#[test]
fn a_limit_sends_so_many_and_never_removes() {
    let lab = Lab::new(THREE).mapping("mode: mirror\nguards: {max_delete: 100%}");
    assert_eq!(counts(&lab.sync_with(&["--limit", "2"], 0), ["added", "sent", "pending"]), [3, 2, 1]);
    lab.sync(0);
    lab.sql("delete from people where id = 1; update people set name = 'x' where id > 1");
    let limited = lab.sync_with(&["--limit", "1", "--allow-changes"], 0);
    assert_eq!(counts(&limited, ["removed", "sent", "pending"]), [1, 1, 2], "{limited}");
    assert_eq!(lab.names().len(), 3);
    assert_eq!(counts(&lab.sync(0), ["changed", "removed", "sent"]), [1, 1, 2]);
    lab.assert_mirrored();
}

#[test]
fn a_full_refresh_sends_all_and_goes_on_in_later_runs() {
    let mut lab = Lab::new(THREE);
    lab.sync(0);
    lab.faults = "[{do: status, code: 423, path: upsert}]".into();
    lab.write();
    let stopped = lab.run(&["sync", "--full-refresh", "--format", "json"]).ends(1);
    assert_eq!(stopped.json()["syncs"][0]["delivered"], 0);
    lab.faults = "[]".into();
    lab.write();
    assert_eq!(
        counts(&lab.sync(0), ["changed", "delivered"]),
        [3, 3],
        "the refresh goes on without the flag"
    );
    assert_eq!(counts(&lab.sync(0), ["unchanged", "requests"]), [3, 0]);
    assert_eq!(counts(&lab.sync_with(&["--full-refresh"], 0), ["changed", "delivered"]), [3, 3]);
}

#[test]
fn secrets_stay_out_of_every_output_and_file() {
    let mut lab = Lab::new(THREE);
    let mut seen = String::new();
    for arguments in
        [&["sync", "-vv"][..], &["sync", "--format", "json", "-vv"], &["diff", "-vv"], &["show", "x"]]
    {
        let run = lab.run(arguments);
        seen += &(run.stdout + &run.stderr);
    }
    lab.base_url = "http://127.0.0.1:9".into();
    lab.write();
    let run = lab.run(&["sync", "-vv"]);
    seen += &(run.stdout + &run.stderr);
    assert!(!seen.contains("SECRET"), "{seen}");
    for (name, bytes) in files(&lab.file(".outflow")) {
        let found = bytes.windows(6).any(|window| window == b"SECRET");
        assert!(!found, "{name} holds the token");
    }
}

#[test]
fn the_warehouse_is_only_read() {
    let lab = Lab::new(THREE);
    let before = std::fs::read(lab.file("warehouse.db")).unwrap();
    lab.sync(0);
    assert_eq!(std::fs::read(lab.file("warehouse.db")).unwrap(), before);
    let mut evil = Lab::new(THREE);
    evil.query = "delete from people returning id, email, name, score".into();
    evil.write();
    let report = evil.run(&["sync", "--format", "json"]).ends(1).json();
    assert_eq!(report["syncs"][0]["error"]["code"], "OF-SRC-001", "{report}");
    assert_eq!(evil.source_names().len(), 3);
}
