//! `delivery: {start: streaming}`: rows leave while the source is still read, and it ends as if they had waited.

use super::lab::{Lab, counts};

const MAPPING: &str = "on_duplicate_key: first\nguards: {key_change: false}\nmax_attempts: 2\ndelivery: {batch_rows: 5, concurrency: 2";

fn lab(streaming: bool) -> Lab {
    let start = if streaming { ", start: streaming}" } else { "}" };
    let mut lab = Lab::new(&[]).mapping(&format!("{MAPPING}{start}"));
    lab.sql("create table more (id integer, email text, name text, score real, plan text)");
    lab.sql(
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 3000) \
         insert into more select i, 'p' || i || '@x.io', 'v0', i, 'fine' from n",
    );
    lab.query = "select id, email, name, score, plan from more order by rowid".into();
    lab.fields = "{firstname: name, score: score, plan: plan}".into();
    lab.write();
    lab
}

const COUNTS: [&str; 12] = [
    "rows_read",
    "added",
    "changed",
    "removed",
    "unchanged",
    "invalid",
    "duplicates",
    "sent",
    "delivered",
    "rejected",
    "pending",
    "parked",
];

/// Everything that can keep a row from being plain: repeated keys and addresses, swaps, moves, refusals, invalid rows.
const EDITS: [&str; 3] = [
    "update more set name = 'v1' where id % 7 = 0;
     insert into more select id, email, 'again', score, 'fine' from more where id % 50 = 0;
     insert into more select id + 10000, email, 'other', score, 'fine' from more where id % 60 = 0;
     update more set email = 'moved' || id || '@x.io' where id between 100 and 120;
     insert into more values (20001, 'p110@x.io', 'heir', 1, 'fine');
     update more set email = null where id between 200 and 204;
     update more set plan = 'blocked', name = 'bad' where id between 300 and 309",
    "update more set plan = 'fine' where id between 300 and 304;
     delete from more where id between 400 and 440;
     update more set email = 'x' || email where id between 500 and 501;
     update more set name = 'v2' where id % 5 = 0",
    "update more set email = case id when 600 then 'p601@x.io' else 'p600@x.io' end where id in (600, 601);
     update more set name = 'v3' where id % 3 = 0 and id <= 1500",
];

#[test]
fn it_ends_as_a_run_that_waits_for_the_whole_extract() {
    let (early, late) = (lab(true), lab(false));
    let run = |lab: &Lab| {
        let report = lab.run(&["sync", "--format", "json"]).json()["syncs"][0].clone();
        super::lab::check_identities(&report);
        (report["status"].clone(), counts(&report, COUNTS))
    };
    assert_eq!(run(&early), run(&late));
    for edit in EDITS {
        early.sql(edit);
        late.sql(edit);
        for again in ["once", "and again"] {
            assert_eq!(run(&early), run(&late), "{edit}, {again}");
            assert_eq!(early.contacts(), late.contacts(), "{edit}, {again}");
        }
    }
}

#[test]
fn rows_leave_before_the_source_has_ended() {
    let lab = lab(true);
    let whole = lab.query.clone();
    let mut lab = lab;
    // An integer overflow in the last row ends the query.
    lab.query =
        format!("select * from ({whole}) union all select abs(-9223372036854775807 - 1), 'x', 'x', 1, 'x'");
    lab.write();
    let broken = lab.report("sync", &[], 1);
    let [delivered, pending] = counts(&broken, ["delivered", "pending"]);
    assert!(delivered > 0 && pending == 0, "{broken}");
    assert_eq!(lab.contacts().len() as u64, delivered);
    lab.query = whole;
    lab.write();
    let report = lab.sync(0);
    assert_eq!(counts(&report, ["unchanged", "delivered"]), [delivered, 3000 - delivered]);
    assert_eq!(lab.contacts().len(), 3000);
    let rows = lab.ledger_rows();
    assert_eq!(counts(&lab.sync(0), ["unchanged", "sent", "requests"]), [3000, 0, 0]);
    assert_eq!(lab.ledger_rows(), rows);
}

#[test]
fn a_destination_that_is_down_ends_the_run_and_nothing_is_lost() {
    let mut lab = lab(true);
    lab.faults = "[{do: status, code: 400, path: batch/upsert, times: 1000000}]".into();
    lab.write();
    let report = lab.run(&["sync", "--format", "json"]).json()["syncs"][0].clone();
    super::lab::check_identities(&report);
    assert_eq!(lab.contacts().len(), 0);
    lab.faults = "[]".into();
    lab.write();
    lab.run(&["retry", "people"]);
    lab.sync(0);
    assert_eq!(lab.contacts().len(), 3000);
}

#[test]
fn a_guard_that_holds_the_rest_says_that_some_rows_have_left() {
    let lab = lab(true);
    lab.sync(0);
    let mapping = lab.mapping.replace("key_change: false", "key_change: true");
    let lab = lab.mapping(&mapping);
    lab.sql("update more set id = id + 10000, email = 'other' || email");
    let held = lab.report("sync", &[], 4);
    assert!(counts(&held, ["delivered"]) > [0], "{held}");
    assert!(held["error"]["message"].as_str().unwrap().contains("nothing more was sent"), "{held}");
}

#[test]
fn what_needs_all_rows_first_is_refused_beside_it() {
    for (lines, what) in [
        ("mode: mirror\non_duplicate_key: first", "`mode: mirror`"),
        ("on_duplicate_key: reject", "`on_duplicate_key` other than `first`"),
        ("on_duplicate_key: first\ntests: [{unique: id}]", "data tests (`tests`)"),
        ("on_duplicate_key: first\nguards: {max_change: 5%}", "the guard `max_change`"),
        ("on_duplicate_key: first\nguards: {max_delete: 5%}", "a guard in percent (`max_delete`)"),
        ("on_duplicate_key: first\nguards: {max_rejected: 5%}", "a guard in percent (`max_rejected`)"),
    ] {
        let lab = Lab::new(&[]).mapping(&format!("{lines}\ndelivery: {{start: streaming}}"));
        let checked = lab.run(&["check", "--format", "json"]).ends(1).json();
        let message = checked["diagnostics"][0]["message"].as_str().unwrap();
        assert!(message.contains("streaming") && message.contains(what), "{message}");
        assert_eq!(checked["diagnostics"].as_array().unwrap().len(), 1, "{checked}");
    }
}
