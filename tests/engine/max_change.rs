//! `guards: {max_change: ..}`: what counts as a change, and of how many.

use super::lab::{Lab, THREE, counts};

#[track_caller]
fn is_held(lab: &Lab, told: &str) {
    let held = lab.sync(4);
    assert_eq!(held["error"]["code"], "OF-RUN-024", "{held}");
    assert!(held["error"]["message"].as_str().unwrap().starts_with(told), "{held}");
}

#[test]
fn a_first_load_is_not_judged_until_it_is_through() {
    for first in [&["sync", "--limit", "1"][..], &["backfill", "people", "--limit", "1", "--yes"]] {
        let lab = Lab::new(THREE).mapping("guards: {max_change: 50%}");
        lab.run(first).ends(0);
        assert_eq!(counts(&lab.sync(0), ["added", "delivered"]), [2, 2], "{first:?}");
        lab.sql("update people set name = name || '!'");
        is_held(&lab, "3 of 3 rows");
    }
    let lab = Lab::new(THREE).mapping("guards: {max_change: 50%}");
    lab.run(&["backfill", "people", "--yes"]).ends(0);
    lab.sql("update people set name = name || '!'");
    is_held(&lab, "3 of 3 rows");
}

#[test]
fn rows_that_were_refused_are_no_new_changes() {
    for mapping in ["max_attempts: 1\nguards: {max_change: 50%}", "guards: {max_change: 50%}"] {
        let mut lab = Lab::new(&[]).mapping(mapping);
        lab.sql("alter table people add column plan text");
        lab.query = "select id, email, name, score, plan from people order by id".into();
        lab.fields = "{firstname: name, score: score, plan: plan}".into();
        lab.write();
        for id in 1..=10 {
            let plan = if id <= 4 { "blocked" } else { "fine" };
            lab.sql(&format!("insert into people values ({id}, 'p{id}@x.io', 'P{id}', {id}, '{plan}')"));
        }
        assert_eq!(counts(&lab.sync(3), ["delivered", "rejected"]), [6, 4]);
        let again = lab.run(&["sync", "--format", "json"]).json()["syncs"][0].clone();
        assert!(again["error"].is_null(), "{mapping}: {again}");
        lab.sql("update people set name = 'good' where id = 5");
        let good = lab.run(&["sync", "--format", "json"]).json()["syncs"][0].clone();
        assert_eq!(good["delivered"], 1, "{mapping}: {good}");
        lab.sql("update people set name = 'more' where id > 3");
        is_held(&lab, "7 of 6 rows");
    }
}
