use super::lab::{Lab, THREE, counts};

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
