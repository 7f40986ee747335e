use super::lab::{Lab, THREE, counts};
use crate::support::outflow_with;

/// A lab whose `plan` the sandbox refuses when it is `blocked`: something no catalogue can know.
fn lab() -> Lab {
    let mut lab = Lab::new(THREE);
    lab.sql("alter table people add column plan text");
    lab.query = "select id, email, name, score, plan from people order by id".into();
    lab.fields = "{firstname: name, score: score, plan: plan}".into();
    lab.write();
    lab
}

#[test]
fn one_bad_row_costs_one_row_and_is_named() {
    let lab = lab();
    lab.sql("update people set plan = 'blocked' where id = 2");
    let report = lab.sync(3);
    assert_eq!(report["status"], "partial");
    assert_eq!(counts(&report, ["sent", "delivered", "rejected", "deferred"]), [3, 2, 1, 0]);
    assert_eq!(lab.names().len(), 2);
    let errors = lab.errors();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!((&errors[0]["kind"], &errors[0]["key"]["id"]), (&"rejected".into(), &2.into()));
    assert_eq!((&errors[0]["field"], &errors[0]["attempts"]), (&"plan".into(), &1.into()));
    assert!(errors[0]["message"].as_str().is_some_and(|m| !m.is_empty()));
    lab.sql("update people set plan = 'fine' where id = 2");
    assert_eq!(counts(&lab.sync(0), ["added", "delivered"]), [1, 1], "a changed record is tried at once");
    lab.assert_mirrored();
    assert!(lab.errors().is_empty());
}

#[test]
fn refused_rows_come_back_in_runs_1_2_4_and_are_parked_in_the_end() {
    let lab = lab().mapping("max_attempts: 4");
    lab.sql("update people set plan = 'blocked' where id = 2");
    let mut sent = Vec::new();
    let mut codes = Vec::new();
    for _ in 0..8 {
        let run = lab.run(&["sync", "--format", "json"]);
        codes.push(run.code);
        let report = run.json()["syncs"][0].clone();
        super::lab::check_identities(&report);
        assert_eq!(report["added"].as_u64().unwrap() + report["unchanged"].as_u64().unwrap(), 3);
        sent.push(report["rejected"].as_u64().unwrap());
    }
    assert_eq!(sent, [1, 1, 1, 0, 1, 0, 0, 0], "attempts in the runs 0, 1, 2 and 4 after the refusal");
    assert_eq!(codes, [3, 3, 3, 3, 3, 0, 0, 0], "a parked row is no reason for exit 3");
    let parked = lab.sync(0);
    assert_eq!(counts(&parked, ["added", "parked", "sent", "requests"]), [1, 1, 0, 0]);
    assert_eq!(lab.errors()[0]["parked"], true);
    let status = lab.run(&["status", "--format", "json"]).ends(0).json();
    assert_eq!(status["syncs"][0]["parked"], 1, "{status}");
    lab.run(&["retry", "people"]).ends(0);
    assert_eq!(counts(&lab.sync(3), ["rejected"]), [1], "retry releases the row for the next run");
}

#[test]
fn a_parked_row_is_free_again_when_the_mapping_changes() {
    let mut lab = lab().mapping("max_attempts: 1");
    lab.sql("update people set plan = 'blocked' where id = 2");
    lab.sync(3);
    assert_eq!(counts(&lab.sync(0), ["parked", "sent"]), [1, 0]);
    lab.fields = "{firstname: name, score: score, plan: {template: \"{{ plan or '' }}!\"}}".into();
    lab.write();
    let report = lab.sync(0);
    assert_eq!(counts(&report, ["parked", "delivered", "rejected"]), [0, 3, 0], "{report}");
}

#[test]
fn in_update_mode_a_missing_object_is_nobodys_fault() {
    let mut lab = Lab::new(THREE);
    lab.sync_with(&["--limit", "1"], 0);
    lab.mapping = "mode: update".into();
    lab.write();
    for _ in 0..3 {
        let report = lab.sync(0);
        assert_eq!(counts(&report, ["rejected", "parked", "delivered"]), [2, 0, 0], "{report}");
    }
    assert_eq!(lab.names().len(), 1, "update never creates");
    assert!(lab.errors().iter().all(|e| e["code"] == "OBJECT_NOT_FOUND"));
}

#[test]
fn objects_that_are_not_there_break_no_circuit() {
    let mut lab = Lab::new(&[]);
    let people = |from: i64, to: i64| {
        format!(
            "with recursive n(i) as (select {from} union all select i + 1 from n where i < {to}) \
             insert into people select i, 'p' || i || '@x.io', 'P', i from n"
        )
    };
    lab.sql(&people(1, 100));
    lab.sync(0);
    lab.sql(&people(101, 300));
    lab.sql("update people set name = 'Q' where id = 1");
    lab.mapping =
        "mode: update\nguards: {max_rejected: 10%}\ndelivery: {batch_rows: 50, concurrency: 1}".into();
    lab.write();
    let report = lab.sync(0);
    assert_eq!(counts(&report, ["delivered", "rejected", "pending"]), [1, 200, 0], "{report}");
}

#[test]
fn insert_creates_once_and_never_changes() {
    let lab = Lab::new(THREE).mapping("mode: insert");
    assert_eq!(counts(&lab.sync(0), ["added", "delivered"]), [3, 3]);
    lab.sql("update people set name = 'changed'; insert into people values (4, 'dan@x.io', 'Dan', 1)");
    let report = lab.sync(0);
    assert_eq!(counts(&report, ["added", "changed", "unchanged", "delivered"]), [1, 0, 3, 1]);
    assert_eq!(lab.names()["ada@x.io"], "Ada");
}

#[test]
fn a_lost_create_is_looked_up_and_not_repeated() {
    let mut lab = Lab::new(THREE).mapping("mode: insert");
    lab.faults = "[{do: lost_ack, path: batch/create}]".into();
    lab.write();
    assert_eq!(counts(&lab.sync(3), ["unknown", "delivered"]), [3, 0]);
    lab.faults = "[]".into();
    lab.write();
    let report = lab.sync(0);
    assert_eq!(counts(&report, ["unchanged", "requests"]), [3, 0], "the objects were found by their key");
    lab.assert_mirrored();
}

#[test]
fn too_many_refusals_break_the_circuit() {
    let mut lab =
        Lab::new(&[]).mapping("guards: {max_rejected: 10%}\ndelivery: {batch_rows: 50, concurrency: 1}");
    lab.sql("alter table people add column plan text");
    lab.query = "select id, email, name, score, plan from people order by id".into();
    lab.fields = "{firstname: name, plan: plan}".into();
    lab.write();
    for id in 1..=300 {
        lab.sql(&format!(
            "insert into people values ({id}, 'p{id}@x.io', 'P', 1, iif({id} % 5 = 0, 'blocked', 'fine'))"
        ));
    }
    let report = lab.sync(3);
    assert_eq!(report["status"], "partial");
    assert_eq!(report["error"]["code"], "OF-RUN-025");
    assert_eq!(counts(&report, ["sent", "rejected", "pending"]), [100, 20, 200], "{report}");
}

#[cfg(debug_assertions)]
#[test]
fn a_row_that_is_refused_after_its_answer_was_lost_waits_its_turn() {
    let lab = lab().mapping("max_attempts: 1");
    lab.sql("update people set plan = 'blocked' where id = 2");
    let died = outflow_with(lab.path(), &["sync", "-q"], &[("OUTFLOW_REHEARSE", "deliver.answered:1")]);
    assert_eq!(died.code, -1, "{died:#?}");
    assert_eq!(counts(&lab.sync(3), ["sent", "delivered", "rejected"]), [3, 2, 1]);
    assert_eq!(counts(&lab.sync(0), ["added", "unchanged", "parked", "requests"]), [1, 2, 1, 0]);
    lab.sql("update people set plan = 'fine' where id = 2");
    assert_eq!(counts(&lab.sync(0), ["added", "delivered"]), [1, 1]);
    lab.assert_mirrored();
}

#[test]
fn a_create_that_meets_another_object_is_refused_or_updates_it_as_the_mapping_says() {
    for (option, code, counted, name) in [("refuse", 3, [3, 1], "Ada"), ("update", 0, [4, 0], "Ada L.")] {
        let lab = Lab::new(THREE);
        lab.sync(0);
        std::fs::remove_dir_all(lab.file(".outflow/ledger")).unwrap();
        lab.sql("update people set name = 'Ada L.' where id = 1; insert into people values (4, 'dee@x.io', 'Dee', 1)");
        let lab = lab.mapping("mode: insert");
        let mapping = std::fs::read_to_string(lab.file("mappings/people.yml")).unwrap();
        let mapping = mapping
            .replace("  object: contacts\n", &format!("  object: contacts\n  on_conflict: {option}\n"));
        std::fs::write(lab.file("mappings/people.yml"), mapping).unwrap();
        let report = lab.sync_with(&["--first-run"], code);
        assert_eq!(counts(&report, ["delivered", "rejected"]), counted, "{option}: {report}");
        assert_eq!(lab.names()["ada@x.io"], name, "{option}");
        assert_eq!(lab.names().len(), 4, "{option}");
    }
    let lab = Lab::new(THREE);
    let mapping = std::fs::read_to_string(lab.file("mappings/people.yml")).unwrap();
    let mapping = mapping.replace("  object: contacts\n", "  object: contacts\n  on_conflict: merge\n");
    std::fs::write(lab.file("mappings/people.yml"), mapping).unwrap();
    let run = lab.run(&["check"]).ends(1);
    assert!(
        run.stderr.contains("neither `refuse` nor `update`") && run.stderr.contains("people.yml:"),
        "{run:#?}"
    );
}
