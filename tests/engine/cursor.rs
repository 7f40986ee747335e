//! `cursor`: only rows that moved are read, and the mark never passes one that was not delivered.

use std::process::Command;

use super::lab::{Lab, counts};

/// People with the hour of their last change; `score` of 999 is refused by the sandbox, and a text in it is invalid.
fn lab(people: &[(i64, &str, &str)], cursor: &str) -> Lab {
    let mut lab = Lab::new(&[]);
    lab.sql("alter table people add column plan text; alter table people add column updated_at text");
    lab.query = "select id, email, name, score, plan, updated_at from people order by id".into();
    lab.fields = "{firstname: name, score: score, plan: plan}".into();
    lab.source = format!("cursor: {cursor}");
    lab.write();
    for (id, name, at) in people {
        put(&lab, *id, name, at);
    }
    lab
}

fn put(lab: &Lab, id: i64, name: &str, at: &str) {
    lab.sql(&format!(
        "insert or replace into people (id, email, name, score, updated_at) values ({id}, 'p{id}@x.io', '{name}', 1, '2026-01-01 {at}:00')"
    ));
}

const READ: [&str; 4] = ["rows_read", "added", "changed", "removed"];

const FOUR: &[(i64, &str, &str)] =
    &[(1, "Ada", "01:00"), (2, "Bob", "02:00"), (3, "Cyd", "03:00"), (4, "Dan", "04:00")];

#[test]
fn only_rows_that_moved_are_read() {
    let lab = lab(FOUR, "{column: updated_at}").mapping("mode: mirror");
    assert_eq!(counts(&lab.sync(0), READ), [4, 4, 0, 0], "all rows at first");
    // Nothing is written for it, and nothing is sent.
    let before = lab.ledger_rows();
    let report = lab.sync(0);
    assert_eq!(counts(&report, READ), [1, 0, 0, 0], "the row at the mark");
    assert_eq!((report["requests"].as_u64(), lab.ledger_rows()), (Some(0), before));
    put(&lab, 2, "Bea", "05:00");
    put(&lab, 5, "Eve", "06:00");
    lab.sql("delete from people where id = 1");
    let preview = lab.diff(&[]);
    assert_eq!(counts(&preview, READ), [3, 1, 1, 0]);
    assert_eq!(counts(&lab.sync(0), READ), [3, 1, 1, 0]);
    assert_eq!(counts(&lab.sync(0), READ), [1, 0, 0, 0]);
    assert_eq!(lab.names().len(), 5, "what is gone is found when all rows are read");
    assert_eq!(
        counts(&lab.sync_with(&["--full-refresh", "--allow-deletes"], 0), ["rows_read", "removed"]),
        [4, 1]
    );
    lab.assert_mirrored();
}

#[test]
fn a_full_refresh_reads_all_rows_until_a_run_has_been_through_them() {
    let lab = lab(FOUR, "{column: updated_at}");
    lab.sync(0);
    lab.sync_with(&["--full-refresh", "--limit", "1"], 0);
    assert_eq!(counts(&lab.sync(0), ["rows_read", "changed", "delivered"]), [4, 3, 3]);
    lab.sql("update people set email = null where id = 3");
    assert_eq!(counts(&lab.sync_with(&["--full-refresh"], 3), ["rows_read", "invalid"]), [4, 1]);
    assert_eq!(counts(&lab.sync(3), ["rows_read", "invalid"]), [2, 1], "from the row that it still owes");
    lab.sql("update people set email = 'p3@x.io' where id = 3");
    assert_eq!(counts(&lab.sync(0), ["rows_read", "delivered"]), [2, 1]);
    assert_eq!(counts(&lab.sync(0), ["rows_read", "delivered"]), [1, 0]);
}

#[test]
fn rows_that_come_late_are_found_within_the_lag() {
    let lab = lab(FOUR, "{column: updated_at, lag: 90m}");
    lab.sync(0);
    put(&lab, 5, "Eve", "02:45");
    put(&lab, 6, "Fay", "02:15");
    let report = lab.sync(0);
    assert_eq!(counts(&report, ["rows_read", "added"]), [3, 1], "one is too late");
    assert!(!lab.names().contains_key("p6@x.io"));
}

#[test]
fn all_rows_are_read_when_it_is_time() {
    let lab = lab(FOUR, "{column: updated_at, full_every: 1ms}").mapping("mode: mirror");
    lab.sync(0);
    lab.sql("delete from people where id = 1");
    assert_eq!(counts(&lab.sync_with(&["--allow-deletes"], 0), READ), [3, 0, 0, 1]);
    lab.assert_mirrored();
}

#[test]
fn the_mark_waits_for_a_row_that_was_refused() {
    let lab = lab(FOUR, "{column: updated_at}");
    lab.sql("update people set plan = 'blocked' where id = 2");
    assert_eq!(counts(&lab.sync(3), ["added", "rejected"]), [4, 1]);
    // Rows after it are delivered, and the mark is at it all the same.
    put(&lab, 5, "Eve", "05:00");
    let report = lab.sync(3);
    assert_eq!(counts(&report, ["rows_read", "delivered"]), [4, 1], "{report}");
    // It is mended without a new time.
    lab.sql("update people set plan = 'free' where id = 2");
    assert_eq!(counts(&lab.sync(0), ["rows_read", "delivered"]), [4, 1]);
    assert_eq!(counts(&lab.sync(0), ["rows_read", "delivered"]), [1, 0]);
    assert_eq!(lab.errors().len(), 0);
    lab.assert_mirrored();
}

#[test]
fn what_was_refused_before_stays_on_record_while_it_is_not_read() {
    let lab = lab(FOUR, "{column: updated_at}").mapping("max_attempts: 1");
    lab.sql("update people set plan = 'blocked' where id = 2");
    // Parked at once: it waits for a change of its own, or for `retry`.
    lab.sync(3);
    let report = lab.sync(0);
    assert_eq!(counts(&report, ["rows_read"]), [1], "{report}");
    assert_eq!(lab.errors().len(), 1);
    lab.sql("update people set plan = null where id = 2");
    lab.run(&["retry", "people"]).ends(0);
    assert_eq!(counts(&lab.sync(0), ["rows_read", "delivered"]), [4, 1]);
    assert_eq!(lab.errors().len(), 0);
}

#[test]
fn the_mark_waits_for_a_row_that_is_invalid() {
    let lab = lab(FOUR, "{column: updated_at}");
    lab.sql("update people set score = 'much' where id = 3");
    assert_eq!(counts(&lab.sync(3), ["added", "invalid"]), [3, 1]);
    put(&lab, 5, "Eve", "05:00");
    let shown = lab.run(&["sync"]).ends(3);
    assert!(format!("{shown:?}").contains("the cursor stays at 2026-01-01 03:00"), "{shown:#?}");
    assert_eq!(counts(&lab.sync(3), ["rows_read", "added", "invalid"]), [3, 0, 1]);
    lab.sql("update people set score = 7 where id = 3");
    assert_eq!(counts(&lab.sync(0), ["rows_read", "delivered"]), [3, 1]);
    assert_eq!(lab.errors().len(), 0, "what is mended is no longer listed");
    lab.assert_mirrored();
}

#[test]
fn rows_left_by_a_limit_are_read_again() {
    let lab = lab(FOUR, "{column: updated_at}");
    assert_eq!(counts(&lab.sync_with(&["--limit", "2"], 0), ["delivered", "pending"]), [2, 2]);
    assert_eq!(counts(&lab.sync(0), ["rows_read", "delivered"]), [4, 2]);
    lab.assert_mirrored();
}

#[test]
fn an_edit_of_query_or_mapping_has_all_rows_read() {
    let mut lab = lab(FOUR, "{column: updated_at}");
    lab.sync(0);
    lab.query = "select id, email, name || '!' as name, score, plan, updated_at from people".into();
    lab.write();
    assert_eq!(counts(&lab.sync(0), READ), [4, 0, 4, 0]);
    lab.fields = "{firstname: name, score: score}".into();
    lab.write();
    assert_eq!(counts(&lab.sync(0), ["rows_read"]), [4]);
    assert_eq!(counts(&lab.sync(0), ["rows_read"]), [1]);
}

#[test]
fn a_killed_run_leaves_the_mark_where_it_was() {
    for point in [
        "run.extracted",
        "deliver.intent",
        "deliver.answered",
        "run.delivered",
        "run.session_done",
        "run.finish",
    ] {
        let lab = lab(FOUR, "{column: updated_at}");
        lab.sync(0);
        put(&lab, 1, "Amy", "05:00");
        put(&lab, 5, "Eve", "06:00");
        let status = Command::new(env!("CARGO_BIN_EXE_outflow"))
            .arg("sync")
            .current_dir(lab.path())
            .env_clear()
            .env("OUTFLOW_REHEARSE", format!("{point}:1"))
            .status()
            .unwrap();
        assert!(status.code().is_none(), "`{point}` was not met");
        lab.sync(0);
        lab.assert_mirrored();
    }
}

#[test]
fn values_without_an_order_are_refused_with_their_place() {
    let mut lab = lab(FOUR, "{column: score}");
    lab.sql("update people set score = 1.5");
    let report = lab.sync(1);
    assert_eq!(report["error"]["code"], "OF-RUN-016", "{report}");
    lab.source = "cursor: {column: nope}".into();
    lab.write();
    let report = lab.sync(1);
    assert!(report["error"]["message"].as_str().unwrap().contains("no column `nope`"), "{report}");
    lab.source = "cursor: {column: id, lag: 1h}".into();
    lab.write();
    lab.sync(0);
    let report = lab.sync(1);
    assert_eq!(report["error"]["code"], "OF-RUN-017", "{report}");
    lab.source = "cursor: {column: id, lag: 2}".into();
    lab.write();
    assert_eq!(counts(&lab.sync(0), ["rows_read"]), [3]);
}

#[test]
fn all_rows_are_read_where_those_behind_the_mark_have_a_say() {
    let lab = lab(FOUR, "{column: updated_at}");
    lab.sync(0);
    // A new row with the address of one that is not read: all together they are refused, and nothing is overwritten.
    lab.sql("insert into people (id, email, name, score, updated_at) values (5, 'p1@x.io', 'Eve', 1, '2026-01-01 05:00:00')");
    let report = lab.sync(1);
    assert_eq!(report["error"]["code"], "OF-RUN-013", "{report}");
    lab.sql("delete from people where id = 5");
    lab.sync(0);
    // One that moves to another address.
    lab.sql("update people set email = 'ada@x.io', updated_at = '2026-01-01 06:00:00' where id = 1");
    let report = lab.sync(0);
    assert_eq!(counts(&report, ["rows_read", "changed"]), [4, 1], "{report}");
    lab.assert_mirrored();
}

#[test]
fn a_ledger_of_hashes_has_all_rows_read_for_each_change_of_another_match_key() {
    let lab = lab(FOUR, "{column: updated_at}").mapping("ledger: {keep: hashes}");
    lab.sync(0);
    assert_eq!(counts(&lab.sync(0), ["rows_read"]), [1]);
    lab.sql("insert into people (id, email, name, score, updated_at) values (5, 'p1@x.io', 'Eve', 1, '2026-01-01 05:00:00')");
    assert_eq!(lab.sync(1)["error"]["code"], "OF-RUN-013");
}

#[test]
fn the_mark_waits_for_rows_that_share_a_key() {
    let mut lab = lab(FOUR, "{column: updated_at}").mapping("on_duplicate_key: reject");
    lab.query = "select p.id, p.email, p.name, p.score, p.plan, p.updated_at from people p join (select 1 as n union all select 2) m \
                 on m.n = 1 or (p.id = 3 and exists (select 1 from people where plan = 'twice'))"
        .into();
    lab.write();
    lab.sql("update people set plan = 'twice' where id = 4");
    assert_eq!(counts(&lab.sync(3), ["added", "invalid"]), [2 + 1, 2], "both rows of the key are refused");
    let again = lab.sync(3);
    assert_eq!(counts(&again, ["rows_read", "invalid"]), [3, 2], "{again}");
    lab.sql("update people set plan = null where id = 4");
    assert_eq!(counts(&lab.sync(0), ["rows_read", "delivered"]), [2, 2]);
}

#[test]
fn a_time_that_has_not_come_hides_no_others() {
    let lab = lab(FOUR, "{column: updated_at}");
    lab.sql("update people set updated_at = '2999-01-01 00:00:00' where id = 4");
    let shown = lab.run(&["sync"]).ends(0);
    assert!(format!("{shown:?}").contains("a row has the time 2999-01-01"), "{shown:#?}");
    let now = jiff::Timestamp::now()
        .checked_add(jiff::SignedDuration::from_hours(30))
        .unwrap()
        .strftime("%F %T")
        .to_string();
    lab.sql(&format!("update people set name = 'Bea', updated_at = '{now}' where id = 2"));
    assert_eq!(counts(&lab.sync(0), ["rows_read", "changed"]), [2, 1]);
}

#[test]
fn another_warehouse_or_mode_has_all_rows_read() {
    let mut lab = lab(FOUR, "{column: updated_at}");
    lab.sync(0);
    assert_eq!(counts(&lab.sync(0), ["rows_read"]), [1]);
    std::fs::copy(lab.file("warehouse.db"), lab.file("other.db")).unwrap();
    let project = std::fs::read_to_string(lab.file("outflow.yml")).unwrap();
    std::fs::write(lab.file("outflow.yml"), project.replace("warehouse.db", "other.db")).unwrap();
    assert_eq!(counts(&lab.sync(0), ["rows_read"]), [4]);
    assert_eq!(counts(&lab.sync(0), ["rows_read"]), [1]);
    std::fs::write(lab.file("outflow.yml"), project).unwrap();
    assert_eq!(counts(&lab.sync(0), ["rows_read"]), [4]);
    lab.mapping = "mode: update".into();
    lab.write();
    assert_eq!(counts(&lab.sync(0), ["rows_read"]), [4]);
}

#[test]
fn a_parked_row_leaves_the_cursor_on_after_an_edit() {
    let mut lab = lab(FOUR, "{column: updated_at}").mapping("max_attempts: 1");
    lab.sql("update people set plan = 'blocked' where id = 2");
    lab.sync(3);
    lab.fields = "{firstname: name, plan: plan}".into();
    lab.write();
    // Under another mapping it is tried once more, and parked again.
    lab.sync(3);
    assert_eq!(counts(&lab.sync(0), ["rows_read"]), [1]);
}

#[test]
fn columns_that_are_others_in_a_part_have_all_rows_read() {
    let mut lab = lab(FOUR, "{column: updated_at}");
    lab.query = "select id, email, name, score, plan, updated_at from people union all select 9, 'p9@x.io', 'Odd', 1, null, \
                 '2026-01-01 01:00:00'"
        .into();
    lab.write();
    lab.sync(0);
    let shown = lab.run(&["sync"]).ends(0);
    assert!(format!("{shown:?}").contains("all rows were read in spite of the cursor"), "{shown:#?}");
    assert_eq!(counts(&lab.sync(0), ["rows_read", "changed"]), [5, 0]);
}

#[test]
fn freshness_of_no_rows_is_no_failure() {
    let lab = lab(FOUR, "{column: updated_at}")
        .mapping("tests: [{freshness: {column: updated_at, max_age: 40000d}}]");
    lab.sync(0);
    lab.sql("delete from people where id = 4");
    assert_eq!(counts(&lab.sync(0), ["rows_read"]), [0]);
}

#[test]
fn what_a_part_cannot_tell_is_refused() {
    for (lines, expected) in [
        ("on_duplicate_key: first", "only all of them tell"),
        ("delivery: {start: streaming}\non_duplicate_key: reject", "may take all of them"),
    ] {
        let lab = lab(FOUR, "{column: updated_at}").mapping(lines);
        let wrong = lab.run(&["check"]).ends(1);
        assert!(format!("{wrong:?}").contains(expected), "{wrong:#?}");
    }
}
