//! Backfills: what they send, what they leave alone, and that stopping them anywhere changes nothing of how they end.

use serde_json::Value as Json;

use super::lab::{Lab, THREE, counts};

#[track_caller]
fn backfill(lab: &Lab, flags: &[&str], code: i32) -> Json {
    let flags: Vec<&str> = ["people"].into_iter().chain(flags.iter().copied()).collect();
    lab.report("backfill", &flags, code)
}

#[test]
fn every_row_is_sent_whatever_the_ledger_says() {
    let lab = Lab::new(THREE);
    lab.sync(0);
    let report = backfill(&lab, &[], 0);
    assert_eq!(counts(&report, ["rows_read", "changed", "delivered", "pending"]), [3, 3, 3, 0], "{report}");
    assert_eq!(counts(&lab.sync(0), ["unchanged", "requests"]), [3, 0]);
    let again = backfill(&lab, &[], 0);
    assert_eq!(counts(&again, ["changed", "delivered"]), [3, 3], "a backfill that is through begins anew");
    lab.assert_mirrored();
    let runs = lab.run(&["runs", "--format", "json"]).ends(0).json();
    assert_eq!(runs["runs"].as_array().unwrap().len(), 4);
    assert!(runs["runs"].as_array().unwrap().iter().all(|run| run["status"] == "ok"), "{runs}");
}

#[test]
fn the_first_delivery_can_be_a_backfill() {
    let lab = Lab::new(THREE);
    assert_eq!(counts(&backfill(&lab, &[], 0), ["added", "delivered"]), [3, 3]);
    assert_eq!(counts(&lab.sync(0), ["unchanged", "requests"]), [3, 0]);
}

#[test]
fn a_condition_chooses_rows_and_nothing_is_ever_removed() {
    let lab = Lab::new(THREE).mapping("mode: mirror");
    lab.sync(0);
    lab.sql("delete from people where id = 3");
    let report = backfill(&lab, &["--where", "id = 1 or id = 3 -- two of them"], 0);
    assert_eq!(counts(&report, ["rows_read", "changed", "delivered", "removed"]), [1, 1, 1, 0], "{report}");
    assert_eq!(counts(&backfill(&lab, &[], 0), ["delivered", "removed"]), [2, 0]);
    assert_eq!(lab.contacts().len(), 3);
    assert_eq!(counts(&lab.sync_with(&["--allow-deletes"], 0), ["removed", "delivered"]), [1, 1]);
    let wrong = backfill(&lab, &["--where", "nope = 1"], 1);
    assert_eq!(wrong["error"]["code"], "OF-SRC-001", "{wrong}");
    let none = backfill(&lab, &["--where", "id > 99"], 4);
    assert_eq!(none["error"]["code"], "OF-RUN-020", "{none}");
}

#[test]
fn a_limit_counts_from_the_beginning_and_a_higher_one_goes_on() {
    let lab = Lab::new(THREE);
    lab.sync(0);
    let first = backfill(&lab, &["--limit", "1"], 0);
    assert_eq!(counts(&first, ["changed", "delivered", "pending"]), [3, 1, 2], "{first}");
    let preview = backfill(&lab, &["--dry-run"], 0);
    assert_eq!(counts(&preview, ["changed", "unchanged"]), [2, 1], "{preview}");
    assert_eq!(preview["forecast"]["requests"], 1);
    let text = lab.run(&["backfill", "people", "--dry-run"]).ends(0).stdout;
    assert!(text.contains("1 rows are done, 2 are left"), "{text}");
    let same = lab.run(&["backfill", "people", "--limit", "1"]).ends(0);
    assert!(same.stdout.contains("2 rows are left; `--limit` is reached"), "{same:#?}");
    let same = backfill(&lab, &["--limit", "1"], 0);
    assert_eq!(counts(&same, ["delivered", "pending", "requests"]), [0, 2, 0], "{same}");
    let preview = backfill(&lab, &["--dry-run", "--limit", "1"], 0);
    assert_eq!(preview["forecast"]["requests"], 0, "{preview}");
    let second = backfill(&lab, &["--limit", "2"], 0);
    assert_eq!(counts(&second, ["delivered", "pending"]), [1, 1], "{second}");
    let rest = backfill(&lab, &[], 0);
    assert_eq!(counts(&rest, ["changed", "unchanged", "delivered", "pending"]), [1, 2, 1, 0], "{rest}");
    assert_eq!(counts(&backfill(&lab, &[], 0), ["delivered"]), [3]);
}

#[test]
fn another_backfill_than_the_one_under_way_is_an_error_until_it_is_restarted() {
    let mut lab = Lab::new(THREE);
    backfill(&lab, &["--limit", "1"], 0);
    let other = backfill(&lab, &["--where", "id < 3"], 1);
    assert_eq!(other["error"]["code"], "OF-RUN-050");
    let message = other["error"]["message"].as_str().unwrap();
    assert!(message.contains("`--where` is none, not `id < 3`"), "{message}");
    lab.fields = "{firstname: name}".into();
    lab.write();
    let mapped = backfill(&lab, &[], 1);
    assert!(mapped["error"]["message"].as_str().unwrap().contains("the mapping"), "{mapped}");
    lab.query = "select id, email, name, score from people where true".into();
    lab.write();
    let queried = backfill(&lab, &["--dry-run"], 1);
    assert!(queried["error"]["message"].as_str().unwrap().contains("the query is another"), "{queried}");
    assert_eq!(counts(&backfill(&lab, &["--restart"], 0), ["delivered"]), [3]);
    assert_eq!(counts(&lab.sync(0), ["unchanged", "requests"]), [3, 0]);
}

#[test]
fn mode_insert_creates_nothing_twice() {
    let lab = Lab::new(&THREE[..2]).mapping("mode: insert");
    lab.sync(0);
    lab.sql("insert into people values (3, 'cyd@x.io', 'Cyd', 3)");
    let report = backfill(&lab, &[], 0);
    assert_eq!(counts(&report, ["added", "unchanged", "delivered", "rejected"]), [1, 2, 1, 0], "{report}");
    let text = lab.run(&["backfill", "people"]).ends(0).stdout;
    assert!(text.contains("3 rows were created before"), "{text}");
    lab.assert_mirrored();
}

#[test]
fn data_tests_and_duplicates_are_judged_before_anything_is_sent() {
    let lab = Lab::new(THREE).mapping("tests: [{not_null: [score]}]");
    lab.sync(0);
    lab.sql("update people set score = null where id = 2");
    let held = backfill(&lab, &[], 4);
    assert_eq!(held["error"]["code"], "OF-RUN-010", "{held}");
    assert_eq!(counts(&held, ["sent", "requests"]), [0, 0]);
}

#[test]
fn a_dry_run_leaves_nothing_behind() {
    let lab = Lab::new(THREE);
    let preview = backfill(&lab, &["--dry-run", "--rate", "30%"], 0);
    assert_eq!(counts(&preview, ["added", "sent"]), [3, 0]);
    assert!(!lab.file(".outflow").exists());
}

#[test]
fn a_row_that_is_refused_or_unanswered_comes_back_in_the_next_run() {
    let mut lab = Lab::new(THREE);
    lab.sync(0);
    lab.faults = "[{do: lost_ack, path: upsert}]".into();
    lab.write();
    let report = backfill(&lab, &[], 3);
    assert_eq!(counts(&report, ["changed", "deferred", "unknown", "delivered"]), [3, 3, 3, 0], "{report}");
    lab.faults = "[]".into();
    lab.write();
    assert_eq!(counts(&lab.sync(0), ["changed", "delivered"]), [3, 3]);
    assert_eq!(counts(&lab.sync(0), ["unchanged", "requests"]), [3, 0]);
    // What had no answer is not done: the backfill is still under way.
    let other = backfill(&lab, &["--where", "id < 3"], 1);
    assert_eq!(other["error"]["code"], "OF-RUN-050", "{other}");
    assert_eq!(counts(&backfill(&lab, &[], 0), ["delivered"]), [3]);
    assert_eq!(counts(&backfill(&lab, &["--where", "id < 3"], 0), ["delivered"]), [2], "that one is through");
}

#[test]
fn a_destination_that_is_down_ends_a_backfill_whatever_its_chunks() {
    let mut lab = Lab::new(THREE).mapping("delivery: {batch_rows: 1, concurrency: 2}");
    lab.sql("insert into people values (4, 'dan@x.io', 'Dan', 4)");
    lab.faults = "[{do: status, code: 503, path: upsert}]".into();
    lab.write();
    // Two batches a chunk: the third without an answer is in the second one.
    let down = backfill(&lab, &[], 1);
    assert_eq!(down["status"], "failed", "{down}");
    assert!(counts(&down, ["unknown"]) >= [3], "{down}");
    lab.faults = "[]".into();
    lab.write();
    assert_eq!(counts(&backfill(&lab, &[], 0), ["delivered", "pending"]), [4, 0]);
    lab.assert_mirrored();
}

#[test]
fn refusals_are_counted_over_the_whole_of_a_backfill() {
    let mut lab =
        Lab::new(&[]).mapping("guards: {max_rejected: 10%}\ndelivery: {batch_rows: 4, concurrency: 1}");
    lab.sql(
        "alter table people add column plan text;
         with recursive n(i) as (select 1 union all select i + 1 from n where i < 150)
         insert into people select i, 'p' || i || '@x.io', 'n' || i, i, iif(i % 3 = 0, 'blocked', 'fine') from n",
    );
    lab.query = "select id, email, name, score, plan from people order by id".into();
    lab.fields = "{firstname: name, plan: plan}".into();
    lab.write();
    // No chunk has a hundred answers.
    let broken = backfill(&lab, &[], 3);
    assert_eq!(broken["error"]["code"], "OF-RUN-025", "{broken}");
    let [sent, pending] = counts(&broken, ["sent", "pending"]);
    assert!((100..150).contains(&sent) && sent + pending == 150, "{broken}");
}

#[test]
fn a_match_key_that_moved_is_followed_before_another_row_takes_it() {
    let lab = Lab::new(THREE);
    lab.sync(0);
    lab.sql("update people set email = 'eve@x.io' where id = 1");
    lab.sql("update people set email = 'ada@x.io' where id = 2");
    let report = backfill(&lab, &[], 0);
    assert_eq!(counts(&report, ["changed", "delivered"]), [3, 3], "{report}");
    lab.assert_mirrored();
    assert_eq!(counts(&lab.sync(0), ["unchanged", "requests"]), [3, 0]);
}

#[test]
fn a_row_that_only_a_backfill_was_refused_is_tried_again_by_the_runs_after_it() {
    let mut lab = Lab::new(THREE);
    lab.sql("alter table people add column plan text; update people set plan = 'blocked' where id = 2");
    lab.query = "select id, email, name, score, plan from people order by id".into();
    lab.fields = "{firstname: name, score: score, plan: plan}".into();
    lab.write();
    let project = std::fs::read_to_string(lab.file("outflow.yml")).unwrap();
    let permits = project.replace("refuse: blocked", "refuse: other");
    std::fs::write(lab.file("outflow.yml"), &permits).unwrap();
    lab.sync(0);
    lab.write();
    let report = backfill(&lab, &[], 3);
    assert_eq!(counts(&report, ["delivered", "rejected"]), [2, 1], "{report}");
    assert_eq!(counts(&lab.sync(3), ["changed", "unchanged", "rejected"]), [1, 2, 1]);
    std::fs::write(lab.file("outflow.yml"), &permits).unwrap();
    lab.run(&["retry", "people"]).ends(0);
    assert_eq!(counts(&lab.sync(0), ["delivered"]), [1]);
    assert_eq!(counts(&lab.sync(0), ["unchanged", "requests"]), [3, 0]);
}

#[test]
fn files_take_no_condition() {
    let lab = Lab::new(THREE);
    let project = std::fs::read_to_string(lab.file("outflow.yml")).unwrap();
    let files = project.replace("{type: sqlite, path: warehouse.db}", "{type: files, url: .}");
    std::fs::write(lab.file("outflow.yml"), files).unwrap();
    let mapping = std::fs::read_to_string(lab.file("mappings/people.yml")).unwrap();
    let start = mapping.find("  query:").unwrap();
    let end = start + mapping[start..].find('\n').unwrap();
    let mapping = mapping.replace(&mapping[start..end], "  file: people.parquet");
    std::fs::write(lab.file("mappings/people.yml"), mapping).unwrap();
    let refused = backfill(&lab, &["--where", "id > 1"], 1);
    assert_eq!(refused["error"]["code"], "OF-RUN-053", "{refused}");
}

#[test]
fn the_history_tells_a_backfill_from_a_run() {
    let lab = Lab::new(THREE);
    let id = backfill(&lab, &[], 0)["run_id"].as_str().unwrap().to_owned();
    let shown = lab.run(&["show", &id, "--format", "json"]).ends(0).json();
    assert_eq!(
        (&shown["run"]["kind"], &shown["run"]["status"]),
        (&"backfill".into(), &"ok".into()),
        "{shown}"
    );
    assert!(lab.run(&["show", &id]).ends(0).stdout.contains("kind      backfill"));
    let status = lab.run(&["status", "--format", "json"]).ends(0).json();
    assert_eq!(status["syncs"][0]["last_success_at"], Json::Null, "it may have been of some rows only");
}

#[test]
fn a_rate_is_a_share_or_so_many_requests() {
    let lab = Lab::new(THREE);
    for wrong in ["0%", "101%", "fast", "15", "-1/s"] {
        let run = lab.run(&["backfill", "people", &format!("--rate={wrong}")]).ends(2);
        assert!(run.stderr.contains("write it as 30% or as 15/s"), "{wrong}: {run:#?}");
    }
    assert_eq!(counts(&backfill(&lab, &["--rate", "100/s"], 0), ["delivered"]), [3]);
}
