use super::lab::{Lab, THREE, counts};

#[test]
fn a_mapping_edit_sends_only_rows_whose_record_changes() {
    for keep in ["hashes", "fields", "values"] {
        let mut lab = Lab::new(THREE).mapping(&format!("ledger: {{keep: {keep}}}"));
        lab.sync(0);
        lab.fields = "{firstname: name}".into();
        lab.write();
        assert_eq!(counts(&lab.diff(&[]), ["unchanged"]), [3], "{keep}: dropping a field re-sends nothing");
        assert_eq!(counts(&lab.sync(0), ["unchanged", "requests"]), [3, 0], "{keep}");
        assert_eq!(counts(&lab.sync(0), ["unchanged", "requests"]), [3, 0], "{keep}");
        lab.fields = "{firstname: {template: \"{{ name | replace('Ada', 'Adele') }}\"}}".into();
        lab.write();
        let report = lab.sync(0);
        assert_eq!(counts(&report, ["changed", "unchanged", "sent"]), [1, 2, 1], "{keep}: {report}");
        assert_eq!(lab.names()["ada@x.io"], "Adele");
        assert_eq!(counts(&lab.sync(0), ["unchanged", "requests"]), [3, 0], "{keep}");
    }
}

#[test]
fn an_unmapped_column_and_a_field_without_diff_are_no_change() {
    let mut lab = Lab::new(THREE);
    lab.fields = "{firstname: name, score: {column: score, diff: false}}".into();
    lab.sql("alter table people add column other text");
    lab.write();
    lab.sync(0);
    lab.sql("update people set score = score + 1, other = 'x'");
    assert_eq!(counts(&lab.sync(0), ["unchanged", "requests"]), [3, 0]);
    lab.sql("update people set name = 'Adele' where id = 1");
    lab.sync(0);
    assert_eq!(lab.contacts()["ada@x.io"]["score"], "2.5", "it is sent along");
}

#[test]
fn equal_values_in_another_form_are_no_change() {
    let lab = Lab::new(THREE);
    lab.sync(0);
    lab.sql("drop table people; create table people (id, email, name, score)");
    lab.sql("insert into people values (1.0, ' ADA@x.io ', 'Ada', '1.50'), (2, 'bob@x.io', 'Bob', 2), (3, 'Cyd@X.io', 'Cyd', '3.250')");
    assert_eq!(counts(&lab.sync(0), ["unchanged", "requests"]), [3, 0]);
}

#[test]
fn nulls_are_cleared_skipped_or_refused_as_the_mapping_says() {
    let mut lab = Lab::new(THREE);
    lab.sync(0);
    lab.sql("update people set score = null");
    lab.fields = "{firstname: name, score: {column: score, on_null: skip}}".into();
    lab.write();
    lab.sync(0);
    assert_eq!(lab.contacts()["ada@x.io"]["score"], "1.5");
    lab.fields = "{firstname: name, score: {column: score, on_null: error}}".into();
    lab.write();
    assert_eq!(counts(&lab.sync(3), ["invalid", "sent"]), [3, 0]);
    lab.fields = "{firstname: name, score: score}".into();
    lab.write();
    lab.sync(0);
    let contact = lab.contacts().remove("ada@x.io").unwrap();
    assert!(contact.get("score").is_none_or(|v| v.is_null() || v == ""), "{contact}");
}

#[test]
fn a_value_that_would_lose_something_is_invalid_and_never_sent() {
    let lab = Lab::new(THREE);
    lab.sql("update people set score = 'many' where id = 2");
    let report = lab.sync(3);
    assert_eq!(counts(&report, ["invalid", "delivered"]), [1, 2]);
    let errors = lab.errors();
    assert_eq!((&errors[0]["field"], &errors[0]["key"]["id"]), (&"score".into(), &2.into()));
    assert!(errors[0]["message"].as_str().unwrap().contains("many"), "{errors:?}");
}

#[test]
fn a_corrected_e_mail_updates_the_same_object() {
    let lab = Lab::new(THREE);
    lab.sync(0);
    lab.sql("update people set email = 'ada.l@x.io' where id = 1");
    assert_eq!(counts(&lab.sync(0), ["changed", "delivered"]), [1, 1]);
    lab.assert_mirrored();
    assert_eq!(lab.names().len(), 3, "no second object");
}

#[test]
fn match_changes_can_be_held_or_replace_the_object() {
    let held = Lab::new(THREE).mapping("on_match_change: hold");
    held.sync(0);
    held.sql("update people set email = 'ada.l@x.io' where id = 1");
    assert_eq!(counts(&held.sync(0), ["changed", "parked", "sent"]), [1, 1, 0]);
    assert_eq!(held.errors()[0]["code"], "OF-RUN-030");
    let replaced = Lab::new(THREE).mapping("on_match_change: replace\nmode: mirror");
    replaced.sync(0);
    replaced.sql("update people set email = 'ada.l@x.io' where id = 1");
    assert_eq!(counts(&replaced.sync(0), ["changed"]), [1]);
    replaced.assert_mirrored();
}

#[test]
fn chains_of_match_changes_are_ordered_and_swaps_parked() {
    let lab = Lab::new(THREE);
    lab.sync(0);
    lab.sql("update people set email = 'new@x.io' where id = 3; update people set email = 'cyd@x.io' where id = 2");
    lab.sql("insert into people values (4, 'bob@x.io', 'Second Bob', 1)");
    assert_eq!(counts(&lab.sync(0), ["added", "changed", "delivered"]), [1, 2, 3]);
    lab.assert_mirrored();
    lab.sql("update people set email = iif(id = 1, 'new@x.io', 'ada@x.io') where id in (1, 3)");
    assert_eq!(counts(&lab.sync(0), ["changed", "parked", "sent"]), [2, 2, 0]);
    assert!(lab.errors().iter().all(|e| e["code"] == "OF-RUN-032"), "{:?}", lab.errors());
}

#[test]
fn duplicates_are_judged_over_the_whole_extract() {
    let build = |policy: &str| {
        let lab = Lab::new(&[]).mapping(policy);
        lab.sql("drop table people; create table people (id, email text, name text, score real)");
        lab.sql("insert into people values (1, 'a@x.io', 'first', 1), (2, 'b@x.io', 'B', 1), (1, 'a@x.io', 'last', 1)");
        lab.sql("insert into people values (3, ' A@x.io', 'same e-mail', 1)");
        lab
    };
    let fail = build("");
    let report = fail.sync(1);
    assert_eq!(report["error"]["code"], "OF-RUN-013");
    assert!(report["error"]["message"].as_str().unwrap().contains("{\"id\":1}"), "{report}");
    assert_eq!(counts(&report, ["sent", "requests"]), [0, 0]);
    let first = build("on_duplicate_key: first");
    assert_eq!(counts(&first.sync(0), ["rows_read", "duplicates", "delivered"]), [2, 2, 2]);
    assert_eq!(first.names()["a@x.io"], "first");
    assert_eq!(counts(&first.sync(0), ["unchanged", "duplicates", "requests"]), [2, 2, 0]);
    let last = build("on_duplicate_key: last");
    assert_eq!(counts(&last.sync(0), ["rows_read", "duplicates", "delivered"]), [2, 2, 2]);
    assert_eq!(last.names()["a@x.io"], "same e-mail");
    assert!(fail.errors().iter().all(|e| e["key"]["id"].is_i64()), "{:?}", fail.errors());
    let reject = build("on_duplicate_key: reject");
    assert_eq!(counts(&reject.sync(3), ["rows_read", "invalid", "delivered"]), [4, 3, 1]);
}

#[test]
fn a_duplicate_of_a_delivered_row_is_named_by_its_key() {
    let lab = Lab::new(&[]);
    lab.sql("drop table people; create table people (id, email text, name text, score real)");
    lab.sql("insert into people values (1, 'a@x.io', 'A', 1)");
    lab.sync(0);
    lab.sql("insert into people values (1, 'a@x.io', 'A', 1)");
    let report = lab.sync(1);
    assert!(report["error"]["message"].as_str().unwrap().contains("{\"id\":1}"), "{report}");
}

#[test]
fn data_tests_hold_the_run() {
    let lab = Lab::new(THREE).mapping("tests:\n  - unique: name\n  - not_null: [score]");
    lab.sql("update people set name = 'Same', score = null");
    let held = lab.sync(4);
    assert_eq!((&held["status"], &held["error"]["code"]), (&"held".into(), &"OF-RUN-010".into()));
    assert!(held["error"]["line"].as_u64().is_some());
    assert_eq!(counts(&held, ["sent", "requests"]), [0, 0]);
    let stale = Lab::new(THREE).mapping("tests:\n  - freshness: {column: at, max_age: 1h}");
    stale.sql("alter table people add column at text default '2020-01-01 00:00:00'");
    let mut stale = stale;
    stale.query = "select * from people".into();
    stale.write();
    assert_eq!(stale.sync(4)["error"]["code"], "OF-RUN-010");
}
