//! Rows whose cells are other ones and whose records are not, and ledgers that know nothing of the cells.

use rusqlite::Connection;
use serde_json::Value as Json;

use super::lab::{Lab, THREE};

/// A record hash, in hex: the hash of the source's cells, then the fingerprint.
const HALF: usize = 16;

/// Key and record of each entry of the ledger.
fn entries(lab: &Lab) -> Vec<(String, String)> {
    let ledger = Connection::open(lab.file(".outflow/ledger/people.db")).unwrap();
    let mut query = ledger.prepare("select key, record from dump order by key").unwrap();
    let entries = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    entries.map(Result::unwrap).collect()
}

/// How many entries have another hash of the source's cells; all must have the same key and fingerprint.
#[track_caller]
fn restated(before: &[(String, String)], after: &[(String, String)]) -> usize {
    assert_eq!(before.len(), after.len());
    let pairs = before.iter().zip(after);
    pairs
        .filter(|((key, old), (same, new))| {
            assert_eq!((key, &old[HALF..]), (same, &new[HALF..]));
            old != new
        })
        .count()
}

#[track_caller]
fn unchanged(report: &Json, rows: u64) {
    let found = ["unchanged", "changed", "added", "removed", "sent", "requests"].map(|name| &report[name]);
    assert_eq!(found, [rows, 0, 0, 0, 0, 0], "{report:#}");
}

/// The ledger's file, which a run that has nothing to write leaves as it is.
fn bytes(lab: &Lab) -> Vec<u8> {
    std::fs::read(lab.file(".outflow/ledger/people.db")).unwrap()
}

/// A run that writes nothing into the ledger but that it has looked at it.
#[track_caller]
fn is_quiet(lab: &Lab, rows: u64) {
    let before = (entries(lab), bytes(lab).len());
    unchanged(&lab.sync(0), rows);
    assert_eq!((entries(lab), bytes(lab).len()), before);
}

#[test]
fn a_source_that_says_the_same_in_other_words_sends_nothing() {
    let mut lab = Lab::new(THREE);
    lab.fields = "{firstname: {template: '{{ name | upper }}'}, score: score}".into();
    lab.write();
    lab.sync(0);
    let first = entries(&lab);
    lab.sql("update people set name = 'ADA' where id = 1");
    unchanged(&lab.diff(&[]), 3);
    assert_eq!(restated(&first, &entries(&lab)), 0, "a preview writes nothing");
    unchanged(&lab.sync(0), 3);
    let second = entries(&lab);
    assert_eq!(restated(&first, &second), 1);
    is_quiet(&lab, 3);
    lab.sql("update people set name = 'Ada B.' where id = 1");
    assert_eq!(lab.sync(0)["changed"], 1);
    assert_eq!(lab.contacts()["ada@x.io"]["firstname"], "ADA B.");
    lab.sql("update people set name = 'ADA' where id = 1");
    assert_eq!(lab.sync(0)["changed"], 1);
    assert_eq!(entries(&lab), second, "back to the same");
}

#[test]
fn an_edit_that_changes_no_record_restates_all_rows_once() {
    let mut lab = Lab::new(THREE);
    lab.sync(0);
    let first = entries(&lab);
    lab.fields = "{firstname: name, score: score, lastname: {column: email, diff: false}}".into();
    lab.write();
    unchanged(&lab.sync(0), 3);
    assert_eq!(restated(&first, &entries(&lab)), 3);
    is_quiet(&lab, 3);
    // A field that is not compared is no part of it.
    lab.sql("update people set email = email");
    is_quiet(&lab, 3);
}

#[test]
fn a_ledger_without_hashes_of_cells_is_read_as_it_stands() {
    let lab = Lab::new(THREE);
    lab.sync(0);
    let known = entries(&lab);
    // As an older version has left it.
    let ledger = Connection::open(lab.file(".outflow/ledger/people.db")).unwrap();
    assert_eq!(ledger.execute("delete from note where name = 'run.source_hashes'", []).unwrap(), 1);
    drop(ledger);
    unchanged(&lab.diff(&[]), 3);
    unchanged(&lab.sync(0), 3);
    assert_eq!(entries(&lab), known);
    is_quiet(&lab, 3);
}

#[test]
fn a_row_that_became_invalid_beside_what_is_compared_is_invalid() {
    let mut lab = Lab::new(THREE);
    lab.sql("alter table people add column visits text");
    lab.query = "select id, email, name, score, visits from people order by id".into();
    lab.fields = "{firstname: name, score: {column: visits, type: integer, diff: false}}".into();
    lab.write();
    lab.sync(0);
    lab.sql("update people set visits = '7'");
    is_quiet(&lab, 3);
    lab.sql("update people set visits = 'many' where id = 2");
    let report = lab.sync(3);
    assert_eq!((&report["invalid"], &report["unchanged"]), (&1.into(), &2.into()), "{report:#}");
}

#[test]
fn what_a_row_was_is_seen_after_it_was_invalid() {
    let mut lab = Lab::new(THREE);
    lab.fields = "{firstname: {column: name, on_null: error}, score: score}".into();
    lab.write();
    lab.sync(0);
    lab.sql("update people set name = null where id = 1");
    assert_eq!(lab.sync(3)["invalid"], 1);
    lab.sql("update people set name = 'Ada' where id = 1");
    unchanged(&lab.sync(0), 3);
}

/// Of two rows of one key, one as it was acknowledged and one that says the same in other words, either may come first.
#[test]
fn repeated_keys_are_judged_by_their_records() {
    for (policy, code, invalid, duplicates) in [("first", 0, 0, 1), ("last", 0, 0, 1), ("reject", 3, 2, 0)] {
        for order in ["id, name", "id, name desc"] {
            let mut lab = Lab::new(THREE);
            lab.fields = "{firstname: {template: '{{ name | upper }}'}, score: score}".into();
            lab.mapping = format!("on_duplicate_key: {policy}");
            lab.write();
            lab.sync(0);
            lab.query = format!(
                "select * from (select id, email, name, score from people union all \
                 select id, email, 'ADA', score from people where id = 1) order by {order}"
            );
            lab.write();
            let report = lab.sync(code);
            let found = ["invalid", "duplicates", "changed", "sent", "removed"].map(|name| &report[name]);
            assert_eq!(found, [invalid, duplicates, 0, 0, 0], "{policy} {order} {report:#}");
            unchanged_but(&report, 3 - u64::from(invalid == 2));
        }
    }
}

#[track_caller]
fn unchanged_but(report: &Json, rows: u64) {
    assert_eq!(report["unchanged"], rows, "{report:#}");
}
