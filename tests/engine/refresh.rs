use super::lab::{Lab, THREE, counts};
#[cfg(debug_assertions)]
use crate::support::outflow_with;

#[test]
fn a_full_refresh_sends_every_row_although_the_mapping_was_edited_too() {
    for keep in ["hashes", "fields", "values"] {
        let mut lab = Lab::new(THREE).mapping(&format!("ledger: {{keep: {keep}}}"));
        lab.sync(0);
        lab.fields = "{firstname: name}".into();
        lab.write();
        let report = lab.sync_with(&["--full-refresh"], 0);
        assert_eq!(counts(&report, ["changed", "delivered"]), [3, 3], "{keep}: {report}");
        assert_eq!(counts(&lab.sync(0), ["unchanged", "requests"]), [3, 0], "{keep}");
    }
}

#[test]
fn a_full_refresh_goes_on_with_the_rows_that_are_left() {
    let lab = Lab::new(THREE);
    lab.sync(0);
    let first = lab.sync_with(&["--full-refresh", "--limit", "1"], 0);
    assert_eq!(counts(&first, ["changed", "delivered", "pending"]), [3, 1, 2]);
    assert_eq!(counts(&lab.diff(&[]), ["changed", "unchanged"]), [2, 1]);
    assert_eq!(counts(&lab.sync(0), ["changed", "unchanged", "delivered"]), [2, 1, 2]);
    assert_eq!(counts(&lab.sync(0), ["unchanged", "requests"]), [3, 0]);
}

#[test]
#[cfg(debug_assertions)]
fn a_full_refresh_that_ended_before_all_rows_were_marked_goes_on() {
    for point in ["refresh.begun:1", "refresh.marked:1"] {
        let lab = Lab::new(THREE).mapping("guards: {max_change: 50%}");
        lab.sync(0);
        let died =
            outflow_with(lab.path(), &["sync", "-q", "--full-refresh"], &[("OUTFLOW_REHEARSE", point)]);
        assert_eq!(died.code, -1, "{died:#?}");
        assert_eq!(counts(&lab.diff(&[]), ["changed"]), [3], "{point}");
        assert_eq!(counts(&lab.sync_with(&["--limit", "1"], 0), ["delivered", "pending"]), [1, 2], "{point}");
        assert_eq!(counts(&lab.sync(0), ["changed", "delivered"]), [2, 2], "{point}");
        assert_eq!(counts(&lab.sync(0), ["unchanged", "requests"]), [3, 0], "{point}");
    }
}

#[test]
fn a_full_refresh_ends_although_a_row_stays_refused() {
    let mut lab = Lab::new(THREE).mapping("max_attempts: 1");
    lab.sync(0);
    lab.sql("alter table people add column plan text; update people set plan = 'blocked' where id = 2");
    lab.query = "select id, email, name, score, plan from people order by id".into();
    lab.fields = "{firstname: name, score: score, plan: plan}".into();
    lab.write();
    lab.sync(3);
    assert_eq!(counts(&lab.sync_with(&["--full-refresh"], 0), ["delivered", "parked"]), [2, 1]);
    assert_eq!(counts(&lab.sync(0), ["unchanged", "parked", "requests"]), [2, 1, 0]);
}

#[test]
fn a_row_that_was_invalid_in_a_full_refresh_is_sent_once_it_is_well() {
    let lab = Lab::new(THREE);
    lab.sync(0);
    lab.sql("update people set score = 'many' where id = 2");
    assert_eq!(counts(&lab.sync_with(&["--full-refresh"], 3), ["delivered", "invalid"]), [2, 1]);
    assert_eq!(counts(&lab.sync(3), ["unchanged", "invalid", "requests"]), [2, 1, 0]);
    lab.sql("update people set score = 2.0 where id = 2");
    assert_eq!(counts(&lab.sync(0), ["changed", "unchanged", "delivered"]), [1, 2, 1]);
    assert_eq!(counts(&lab.sync(0), ["unchanged", "requests"]), [3, 0]);
}

#[test]
fn a_full_refresh_that_is_cancelled_leaves_the_rest_as_it_was() {
    for keep in ["hashes", "fields", "values"] {
        let lab = Lab::new(THREE).mapping(&format!("ledger: {{keep: {keep}}}"));
        lab.sync(0);
        lab.sync_with(&["--full-refresh", "--limit", "1"], 0);
        assert_eq!(counts(&lab.diff(&[]), ["changed"]), [2], "{keep}");
        // One that is asked for again remembers no less.
        lab.sync_with(&["--full-refresh", "--limit", "1"], 0);
        let cancelled = lab.sync_with(&["--cancel-refresh"], 0);
        assert_eq!(
            counts(&cancelled, ["changed", "unchanged", "requests"]),
            [0, 3, 0],
            "{keep}: {cancelled}"
        );
        lab.sql("update people set name = 'Other' where id = 3");
        assert_eq!(counts(&lab.sync(0), ["changed", "delivered"]), [1, 1], "{keep}");
        assert_eq!(counts(&lab.sync(0), ["unchanged", "requests"]), [3, 0], "{keep}");
        lab.assert_mirrored();
    }
    let lab = Lab::new(THREE);
    lab.sync_with(&["--cancel-refresh"], 0); // none goes on
    lab.assert_mirrored();
    for other in ["--full-refresh", "--dry-run"] {
        lab.run(&["sync", "--cancel-refresh", other]).ends(2);
    }
}

#[test]
fn a_full_refresh_that_goes_on_takes_max_change_from_new_changes_only() {
    let lab = Lab::new(THREE).mapping("guards: {max_change: 50%}");
    lab.sync(0);
    lab.sync_with(&["--full-refresh", "--limit", "1"], 0);
    assert_eq!(counts(&lab.sync(0), ["changed", "delivered"]), [2, 2], "what it has left is no new change");
    lab.sql("update people set email = null where id = 2");
    lab.sync_with(&["--full-refresh"], 3);
    assert_eq!(counts(&lab.sync(3), ["invalid", "requests"]), [1, 0]);
    lab.sql("update people set name = name || '!'");
    let held = lab.sync(4);
    assert_eq!(held["error"]["code"], "OF-RUN-024", "{held}");
    assert!(held["error"]["message"].as_str().unwrap().starts_with("2 of 3 rows"), "{held}");
}

#[test]
fn an_edit_of_the_mapping_leaves_no_row_out_of_a_full_refresh_that_goes_on() {
    let mut lab = Lab::new(THREE);
    lab.sync(0);
    lab.sync_with(&["--full-refresh", "--limit", "1"], 0);
    lab.fields = "{firstname: name}".into();
    lab.write();
    assert_eq!(counts(&lab.sync(0), ["changed", "unchanged", "delivered"]), [2, 1, 2]);
    assert_eq!(counts(&lab.sync(0), ["unchanged", "requests"]), [3, 0]);
}

#[test]
fn a_type_that_the_catalogue_changed_is_told_and_sends_nothing() {
    let lab = Lab::new(THREE).mapping("ledger: {keep: hashes}");
    lab.sync(0);
    let project = std::fs::read_to_string(lab.file("outflow.yml")).unwrap();
    std::fs::write(lab.file("outflow.yml"), project.replace("score: number", "score: string")).unwrap();
    let told = lab.run(&["sync"]).ends(0).stdout;
    assert!(told.contains("`score` was a number") && told.contains("is a string now"), "{told}");
    let report = lab.sync(0);
    assert_eq!(counts(&report, ["unchanged", "requests"]), [3, 0], "{report}");
    assert_eq!(lab.contacts()["ada@x.io"]["score"], "1.5");
    assert!(!lab.run(&["sync"]).ends(0).stdout.contains("is a string now"), "told once");
}

#[test]
fn a_row_that_was_invalid_when_a_field_was_dropped_is_not_sent_again() {
    let mut lab = Lab::new(THREE).mapping("ledger: {keep: hashes}");
    lab.sync(0);
    lab.sql("update people set email = null where id = 2");
    lab.fields = "{firstname: name}".into();
    lab.write();
    assert_eq!(counts(&lab.sync(3), ["unchanged", "invalid", "requests"]), [2, 1, 0]);
    lab.sql("update people set email = 'bob@x.io' where id = 2");
    assert_eq!(counts(&lab.sync(0), ["unchanged", "requests"]), [3, 0]);
}
