//! `delivery: {send: changed}`: what is sent of a change, and when the whole record is sent all the same.

use std::fs;

use rusqlite::Connection;
use serde_json::{Value as Json, json};

use super::lab::{Lab, THREE, counts};
use crate::support::outflow_with;

const CHANGED: &str = "delivery: {send: changed}";

fn lab(mapping: &str) -> Lab {
    let mut lab = Lab::new(THREE).mapping(mapping);
    lab.sql("alter table people add column plan text");
    lab.query = "select id, email, name, score, plan from people order by id".into();
    lab.fields = "{firstname: name, score: score, plan: plan}".into();
    lab.write();
    lab
}

/// Something that another person does to the account.
fn meanwhile(lab: &Lab, sql: &str) {
    Connection::open(lab.file(".outflow/sandbox.db")).unwrap().execute_batch(sql).unwrap();
}

fn edit_score(lab: &Lab, email: &str) {
    meanwhile(
        lab,
        &format!(
            "update objects set properties = json_set(properties, '$.score', '99') where json_extract(properties, '$.email') = '{email}'"
        ),
    );
}

fn archive(lab: &Lab, email: &str) {
    let whose = format!("select id from objects where json_extract(properties, '$.email') = '{email}'");
    let sql = format!(
        "delete from unique_values where id in ({whose}); update objects set archived = 1 where id in ({whose})"
    );
    meanwhile(lab, &sql);
}

/// Runs the sync; each input that was sent, as its call and its properties.
#[track_caller]
fn sent(lab: &Lab, code: i32) -> Vec<(&'static str, Json)> {
    let kept = lab.file("kept");
    let _ = fs::remove_dir_all(&kept); // not there at first
    lab.sync_with(&["--record", "kept"], code);
    let Ok(files) = fs::read_dir(kept.join("hubspot")) else { return Vec::new() };
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    let mut sent = Vec::new();
    for file in files {
        let name = file.display().to_string();
        let Some(call) =
            ["update", "upsert"].into_iter().find(|call| name.contains(&format!("batch-{call}")))
        else {
            continue;
        };
        let kept: Json = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        let inputs = kept["request"]["body"]["inputs"].as_array().unwrap();
        sent.extend(inputs.iter().map(|input| (call, input["properties"].clone())));
    }
    sent
}

fn score(lab: &Lab, email: &str) -> f64 {
    lab.contacts()[email]["score"].as_str().unwrap().parse().unwrap()
}

#[test]
fn another_persons_edit_of_another_field_survives() {
    let mut lab = lab(CHANGED);
    assert_eq!(sent(&lab, 0).len(), 3);
    edit_score(&lab, "bob@x.io");
    lab.sql("update people set name = 'Rob' where id = 2");
    let diff = lab.diff(&[]);
    let shown: Vec<&String> = diff["sample"][0]["fields"].as_object().unwrap().keys().collect();
    assert_eq!(shown, ["firstname"], "{diff}");
    assert_eq!(sent(&lab, 0), [("update", json!({"firstname": "Rob"}))]);
    assert_eq!((lab.names()["bob@x.io"].as_str(), score(&lab, "bob@x.io")), ("Rob", 99.0));
    assert_eq!(sent(&lab, 0), [], "the whole record counts as acknowledged");
    lab = lab.mapping("delivery: {send: all}");
    lab.sql("update people set name = 'Bob' where id = 2");
    assert_eq!(sent(&lab, 0)[0].0, "upsert");
    assert_eq!(score(&lab, "bob@x.io"), 2.0);
}

#[test]
fn each_kind_of_change_sends_what_differs() {
    let mut lab = lab(CHANGED);
    sent(&lab, 0);
    lab.sql("update people set email = 'robert@x.io' where id = 2");
    assert_eq!(sent(&lab, 0), [("update", json!({"email": "robert@x.io"}))]);
    lab.sql("update people set score = null where id = 2");
    assert_eq!(sent(&lab, 0), [("update", json!({"score": ""}))]);
    // A field that comes is what differs in each row; one that goes differs in none.
    lab.fields = "{firstname: name, score: score, lastname: name}".into();
    lab.write();
    let came = ["Ada", "Bob", "Cyd"].map(|name| ("update", json!({"lastname": name})));
    assert_eq!(sent(&lab, 0), came);
    // What is not compared goes along; what a null skips is not sent, and no request is made for it alone.
    lab.fields = "{firstname: {column: name, on_null: skip}, score: {column: score, diff: false}}".into();
    lab.write();
    assert_eq!(sent(&lab, 0), []);
    lab.sql("update people set name = 'Di', score = 7 where id = 3");
    assert_eq!(sent(&lab, 0), [("update", json!({"firstname": "Di", "score": "7"}))]);
    lab.sql("update people set name = null where id = 3");
    assert_eq!(sent(&lab, 0), []);
    assert_eq!(lab.names()["cyd@x.io"], "Di");
    // Of another type: equal hashes would prove nothing.
    lab.fields =
        "{firstname: {column: name, on_null: skip}, score: {column: score, type: number, scale: 1}}".into();
    lab.write();
    lab.sql("update people set name = 'Eve' where id = 1");
    let whole = |lab: &Lab| lab.run(&["diff"]).stdout.contains("whole records are sent, although");
    assert!(whole(&lab));
    assert!(sent(&lab, 0).iter().all(|(call, _)| *call == "upsert"));
    assert!(!whole(&lab));
    lab.sql("update people set name = 'Eva' where id = 1");
    assert_eq!(sent(&lab, 0), [("update", json!({"firstname": "Eva"}))]);
}

#[test]
fn all_is_sent_where_the_whole_is_asked_for_or_was_refused() {
    let lab = lab(CHANGED);
    sent(&lab, 0);
    edit_score(&lab, "ada@x.io");
    lab.sync_with(&["--full-refresh"], 0);
    assert_eq!(score(&lab, "ada@x.io"), 1.5);
    edit_score(&lab, "ada@x.io");
    lab.run(&["backfill", "people", "--yes"]).ends(0);
    assert_eq!(score(&lab, "ada@x.io"), 1.5);
    edit_score(&lab, "ada@x.io");
    lab.sql("update people set plan = 'blocked' where id = 1");
    assert_eq!(sent(&lab, 3), [("update", json!({"plan": "blocked"}))]);
    lab.sql("update people set plan = 'fine' where id = 1");
    assert_eq!(sent(&lab, 0)[0].0, "upsert");
    assert_eq!(score(&lab, "ada@x.io"), 1.5);
}

#[test]
fn a_full_refresh_that_goes_on_for_one_row_leaves_the_others_narrow() {
    let lab = lab(CHANGED);
    sent(&lab, 0);
    lab.sql("update people set email = null where id = 3");
    lab.sync_with(&["--full-refresh"], 3);
    edit_score(&lab, "bob@x.io");
    lab.sql("update people set name = 'Rob' where id = 2");
    assert_eq!(sent(&lab, 3), [("update", json!({"firstname": "Rob"}))]);
    // The row itself is still owed the whole record.
    edit_score(&lab, "cyd@x.io");
    lab.sql("update people set email = 'cyd@x.io', name = 'Di' where id = 3");
    assert_eq!(sent(&lab, 0)[0].0, "upsert");
    assert_eq!((score(&lab, "bob@x.io"), score(&lab, "cyd@x.io")), (99.0, 3.25));
}

#[cfg(debug_assertions)]
#[test]
fn all_is_sent_after_a_lost_answer() {
    let lab = lab(CHANGED);
    sent(&lab, 0);
    lab.sql("update people set name = 'Rob' where id = 2");
    outflow_with(lab.path(), &["sync"], &[("OUTFLOW_REHEARSE", "deliver.answered:1")]).ends(-1);
    edit_score(&lab, "bob@x.io");
    lab.sql("update people set name = 'Bob' where id = 2");
    assert_eq!(sent(&lab, 0)[0].0, "upsert", "as acknowledged before, but nobody knows what it holds");
    assert_eq!((lab.names()["bob@x.io"].as_str(), score(&lab, "bob@x.io")), ("Bob", 2.0));
}

#[test]
fn an_object_that_is_gone_is_made_again_from_the_whole_record() {
    for mode in ["upsert", "mirror"] {
        let lab = lab(&format!("mode: {mode}\nmax_attempts: 1\n{CHANGED}"));
        sent(&lab, 0);
        archive(&lab, "ada@x.io");
        archive(&lab, "bob@x.io");
        lab.sql(
            "update people set name = 'Eve' where id = 1; update people set email = 'rob@x.io' where id = 2",
        );
        lab.sync(3);
        let errors = lab.errors();
        assert!(errors.iter().all(|error| error["code"] == "OBJECT_NOT_FOUND"), "{errors:?}");
        assert_eq!(counts(&lab.sync(0), ["delivered", "rejected"]), [2, 0]);
        lab.assert_mirrored();
        assert_eq!((score(&lab, "ada@x.io"), score(&lab, "rob@x.io")), (1.5, 2.0));
        assert_eq!(sent(&lab, 0), []);
    }
}

#[test]
fn an_object_that_comes_back_under_another_id_is_found_by_its_key() {
    let lab = lab(CHANGED);
    sent(&lab, 0);
    let lab = lab.mapping(&format!("mode: update\n{CHANGED}"));
    let whose = "json_extract(properties, '$.email') = 'ada@x.io'";
    meanwhile(
        &lab,
        &format!(
            "update unique_values set id = 999 where id = (select id from objects where {whose}); update objects set id = 999 where {whose}"
        ),
    );
    lab.sql("update people set name = 'Eve' where id = 1");
    assert_eq!(counts(&lab.sync(0), ["rejected"]), [1], "the ledger's id leads to none");
    assert_eq!(counts(&lab.sync(0), ["delivered", "rejected"]), [1, 0]);
    lab.sql("update people set name = 'Ida' where id = 1");
    assert_eq!(sent(&lab, 0), [("update", json!({"firstname": "Ida"}))], "by its new id");
}

#[test]
fn a_row_that_only_a_backfill_was_refused_is_tried_again() {
    let lab = lab(CHANGED);
    lab.sql("update people set plan = 'blocked' where id = 2");
    let forbids = fs::read_to_string(lab.file("outflow.yml")).unwrap();
    let permits = forbids.replace("refuse: blocked", "refuse: other");
    fs::write(lab.file("outflow.yml"), &permits).unwrap();
    sent(&lab, 0);
    fs::write(lab.file("outflow.yml"), &forbids).unwrap();
    lab.run(&["backfill", "people", "--yes"]).ends(3);
    assert_eq!(counts(&lab.sync(3), ["changed", "unchanged", "rejected"]), [1, 2, 1]);
    fs::write(lab.file("outflow.yml"), &permits).unwrap();
    lab.run(&["retry", "people"]).ends(0);
    assert_eq!(sent(&lab, 0)[0].0, "upsert");
    assert_eq!(sent(&lab, 0), []);
}

#[test]
fn an_import_says_what_to_do_about_what_came_after_the_export() {
    let lab = lab(CHANGED);
    sent(&lab, 0);
    lab.run(&["ledger", "export", "people", "--output", "people.ledger"]).ends(0);
    let import =
        |lab: &Lab| lab.run(&["ledger", "import", "people", "people.ledger", "--yes"]).ends(0).stdout;
    assert!(import(&lab).contains("`outflow sync people --full-refresh`"));
    let lab = lab.mapping("delivery: {send: all}");
    assert!(!import(&lab).contains("full-refresh"));
}

#[test]
fn changes_wait_for_the_end_of_the_extract_where_rows_stream() {
    let lab = lab("on_duplicate_key: first\ndelivery: {start: streaming, send: changed}");
    sent(&lab, 0);
    edit_score(&lab, "bob@x.io");
    lab.sql("update people set name = 'Rob' where id = 2; insert into people values (4, 'dan@x.io', 'Dan', 4, null)");
    let sent = sent(&lab, 0);
    assert!(sent.contains(&("update", json!({"firstname": "Rob"}))) && sent.len() == 2, "{sent:?}");
    lab.assert_mirrored();
}

#[test]
fn a_destination_without_ids_is_refused_at_its_line() {
    let lab = lab(CHANGED);
    fs::write(
        lab.file("outflow.yml"),
        "name: lab\nconnections:\n  warehouse: {type: sqlite, path: warehouse.db}\n  crm: {type: files, url: out}\n",
    )
    .unwrap();
    let text = lab.run(&["check"]).ends(1).stderr;
    assert!(text.contains("people.yml:11:18") && text.contains("does not name the ids"), "{text}");
    assert!(text.contains("leave `send` out"), "{text}");
}
