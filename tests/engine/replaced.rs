use super::lab::{Lab, THREE, counts};
#[cfg(debug_assertions)]
use crate::support::outflow_with;

const REPLACE: &str = "mode: mirror\non_match_change: replace\nguards: {max_delete: 100%, key_change: false}";

/// Three delivered people, one of whom then gets another e-mail.
fn moved(mapping: &str) -> Lab {
    let lab = Lab::new(THREE).mapping(mapping);
    lab.sync(0);
    lab.sql("update people set email = 'ada.l@x.io' where id = 1");
    lab
}

#[test]
fn a_limited_run_replaces_nothing() {
    let lab = moved(REPLACE);
    assert_eq!(counts(&lab.sync_with(&["--limit", "1"], 0), ["changed", "sent", "pending"]), [1, 0, 2]);
    assert!(lab.names().contains_key("ada@x.io"), "the old object went before the new one came");
    lab.sync(0);
    lab.assert_mirrored();
}

#[test]
fn objects_that_replacing_removes_count_as_removed_for_the_guards() {
    let lab = moved("mode: mirror\non_match_change: replace\nguards: {max_delete: 0}");
    assert_eq!(lab.sync(4)["error"]["code"], "OF-RUN-022");
    assert_eq!(counts(&lab.sync_with(&["--allow-deletes"], 0), ["delivered"]), [2]);
    lab.assert_mirrored();
}

#[test]
fn an_object_of_someone_else_is_not_replaced_under_delete_scope_created() {
    let lab = Lab::new(THREE);
    lab.sync(0);
    std::fs::remove_dir_all(lab.file(".outflow/ledger")).unwrap();
    let lab = lab.mapping(&format!("{REPLACE}\ndelete_scope: created"));
    lab.sync_with(&["--first-run"], 0);
    lab.sql("update people set email = 'ada.l@x.io' where id = 1");
    lab.sync(0);
    assert!(lab.names().contains_key("ada@x.io") && lab.names().contains_key("ada.l@x.io"));
}

#[test]
fn an_update_replaces_nothing_by_a_new_object() {
    let mut lab = moved("");
    lab.mapping = "mode: update\non_match_change: replace".into();
    lab.write();
    assert_eq!(counts(&lab.sync(0), ["changed", "rejected", "delivered"]), [1, 1, 0]);
    assert_eq!(lab.names().len(), 3, "update never creates");
}

#[test]
fn a_record_waits_until_the_object_that_it_replaces_is_gone() {
    let mut lab = moved(REPLACE);
    lab.faults = "[{do: garbage, path: archive}]".into();
    lab.write();
    let report = lab.run(&["sync", "--format", "json"]).json()["syncs"][0].clone();
    assert_eq!(counts(&report, ["delivered", "pending"]), [0, 1], "{report}");
    lab.faults = "[]".into();
    lab.write();
    lab.sync(0);
    lab.assert_mirrored();
    assert_eq!(counts(&lab.sync(0), ["unchanged", "requests"]), [3, 0]);
}

#[test]
fn a_record_that_waits_for_another_row_waits_for_its_own_old_object_too() {
    for fault in ["{do: garbage, path: archive}", "{do: status, code: 400, path: archive}"] {
        let mut lab = Lab::new(THREE).mapping(REPLACE);
        lab.sync(0);
        // Ada comes to Bob's address, and Bob has another one by now.
        lab.sql("update people set email = 'bob.l@x.io' where id = 2");
        lab.sql("update people set email = 'bob@x.io' where id = 1");
        lab.faults = format!("[{fault}]");
        lab.write();
        let report = lab.run(&["sync", "--format", "json"]).json()["syncs"][0].clone();
        assert_eq!(counts(&report, ["changed", "delivered", "pending"]), [2, 1, 1], "{fault}: {report}");
        lab.faults = "[]".into();
        lab.write();
        lab.sync(0);
        lab.assert_mirrored();
        assert_eq!(counts(&lab.sync(0), ["unchanged", "requests"]), [3, 0], "{fault}");
    }
}

#[test]
fn a_refused_removal_of_a_replaced_object_comes_back_as_others_do_and_is_parked() {
    let mut lab = moved(&format!("{REPLACE}\nmax_attempts: 3"));
    lab.faults = "[{do: status, code: 400, path: archive}]".into();
    lab.write();
    let (mut refused, mut codes) = (Vec::new(), Vec::new());
    for _ in 0..6 {
        let run = lab.run(&["sync", "--format", "json"]);
        codes.push(run.code);
        refused.push(counts(&run.json()["syncs"][0], ["rejected"])[0]);
    }
    assert_eq!((refused, codes), (vec![1, 1, 1, 0, 0, 0], vec![3, 3, 3, 0, 0, 0]));
    assert_eq!((&lab.errors()[0]["attempts"], &lab.errors()[0]["parked"]), (&3.into(), &true.into()));
    assert_eq!(counts(&lab.sync(0), ["changed", "parked", "pending", "requests"]), [1, 1, 0, 0]);
    assert!(!lab.names().contains_key("ada.l@x.io"), "the record waits with it");
    lab.faults = "[]".into();
    lab.write();
    lab.run(&["retry", "people"]).ends(0);
    assert_eq!(counts(&lab.sync(0), ["delivered"]), [2]);
    lab.assert_mirrored();
    assert!(lab.errors().is_empty());
}

const CLEAR: &str =
    "on_delete: clear\non_match_change: replace\nguards: {max_delete: 100%, key_change: false}";

/// Ada's old object is there and has no name, her new one has it.
#[track_caller]
fn assert_cleared(lab: &Lab) {
    let names = lab.names();
    assert_eq!((names["ada@x.io"].as_str(), names["ada.l@x.io"].as_str()), ("", "Ada"), "{names:?}");
    assert_eq!(names.len(), 4, "{names:?}");
    assert_eq!(counts(&lab.sync(0), ["unchanged", "requests"]), [3, 0]);
}

#[test]
fn an_object_that_is_replaced_is_emptied_where_vanished_ones_are() {
    for keep in ["hashes", "fields"] {
        let lab = moved(&format!("{CLEAR}\nledger: {{keep: {keep}}}"));
        let limited = lab.sync_with(&["--limit", "1"], 0);
        assert_eq!(counts(&limited, ["changed", "sent", "pending"]), [1, 0, 2], "{keep}");
        assert_eq!(counts(&lab.sync(0), ["changed", "sent", "delivered"]), [1, 2, 2], "{keep}");
        assert_cleared(&lab);
    }
}

#[test]
#[cfg(debug_assertions)]
fn an_object_is_emptied_and_replaced_although_an_answer_to_either_was_lost() {
    for point in ["deliver.send:1", "deliver.answered:1", "deliver.settled:1", "deliver.answered:2"] {
        let lab = moved(CLEAR);
        let died = outflow_with(lab.path(), &["sync", "-q"], &[("OUTFLOW_REHEARSE", point)]);
        assert_eq!(died.code, -1, "{died:#?}");
        lab.sync(0);
        assert_cleared(&lab);
    }
}

#[test]
fn what_was_held_is_judged_anew_in_every_run() {
    let mut lab = moved("on_match_change: hold");
    assert_eq!(counts(&lab.sync(0), ["parked", "sent"]), [1, 0]);
    assert_eq!(counts(&lab.sync(0), ["parked", "sent"]), [1, 0]);
    lab.mapping = String::new();
    lab.write();
    assert_eq!(counts(&lab.sync(0), ["parked", "delivered"]), [0, 1]);
    lab.assert_mirrored();
    lab.sql("update people set email = iif(id = 2, 'cyd@x.io', 'bob@x.io') where id > 1");
    assert_eq!(counts(&lab.sync(0), ["parked", "sent"]), [2, 0], "a swap");
    lab.sql("update people set email = 'bob.l@x.io' where id = 3");
    assert_eq!(counts(&lab.sync(0), ["parked", "delivered"]), [0, 2], "a swap no more");
    lab.assert_mirrored();
    assert!(lab.errors().is_empty());
}

#[test]
fn a_changed_match_key_is_seen_whatever_the_ledger_keeps() {
    for keep in ["hashes", "fields", "values"] {
        let lab = moved(&format!("ledger: {{keep: {keep}}}"));
        assert_eq!(counts(&lab.sync(0), ["changed", "delivered"]), [1, 1], "{keep}");
        lab.assert_mirrored();
    }
}

#[test]
fn an_object_taken_over_is_let_go_of_although_the_run_stops() {
    let mut lab = Lab::new(THREE).mapping("mode: mirror\nguards: {max_delete: 100%, key_change: false}");
    lab.sync(0);
    lab.sql("delete from people where id > 1; insert into people values (4, 'cyd@x.io', 'New Cyd', 1)");
    lab.faults = "[{do: status, code: 423, path: archive}]".into();
    lab.write();
    let report = lab.run(&["sync", "--format", "json"]).ends(1).json()["syncs"][0].clone();
    assert_eq!(counts(&report, ["added", "delivered"]), [1, 1], "{report}");
    lab.sql("update people set email = 'cydney@x.io' where id = 4");
    lab.faults = "[]".into();
    lab.write();
    lab.sync(0);
    lab.assert_mirrored();
}

#[test]
fn an_object_whose_key_an_invalid_row_holds_is_not_removed() {
    let lab = Lab::new(THREE).mapping("mode: mirror\nguards: {max_delete: 100%, key_change: false}");
    lab.sync(0);
    lab.sql("delete from people where id = 3; insert into people values (4, ' CYD@x.io', 'New Cyd', 'many')");
    assert_eq!(counts(&lab.sync(3), ["invalid", "removed", "sent"]), [1, 1, 0]);
    assert!(lab.names().contains_key("cyd@x.io"));
    lab.sql("update people set score = 1, email = 'cyd@x.io' where id = 4");
    lab.sync(0);
    lab.assert_mirrored();
}

#[test]
fn a_lost_add_is_spared_under_delete_scope_created() {
    let mut lab = Lab::new(THREE);
    lab.sync(0);
    std::fs::remove_dir_all(lab.file(".outflow/ledger")).unwrap();
    lab.mapping = "mode: mirror\ndelete_scope: created\nguards: {max_delete: 100%}".into();
    lab.faults = "[{do: lost_ack, path: upsert}]".into();
    lab.write();
    assert_eq!(counts(&lab.sync_with(&["--first-run"], 3), ["unknown"]), [3]);
    lab.sql("delete from people where id = 3");
    lab.faults = "[]".into();
    lab.write();
    lab.sync(0);
    assert!(lab.names().contains_key("cyd@x.io"), "it was there before");
}

#[test]
fn an_add_that_was_lost_before_its_match_key_changed_is_no_second_object() {
    let mut lab = Lab::new(THREE);
    lab.faults = "[{do: lost_ack, path: upsert}]".into();
    lab.write();
    assert_eq!(counts(&lab.sync(3), ["unknown"]), [3]);
    lab.sql("update people set email = 'ada.l@x.io' where id = 1");
    lab.faults = "[]".into();
    lab.write();
    assert_eq!(counts(&lab.sync(0), ["added", "delivered"]), [3, 3]);
    lab.assert_mirrored();
}

#[test]
fn a_limit_leaves_removals_however_much_it_would_allow() {
    let lab = Lab::new(THREE).mapping("mode: mirror");
    lab.sync(0);
    lab.sql("delete from people where id = 3");
    assert_eq!(counts(&lab.sync_with(&["--limit", "9"], 0), ["removed", "sent", "pending"]), [1, 0, 1]);
    assert_eq!(lab.names().len(), 3);
}

const OPEN_MIRROR: &str = "mode: mirror\nguards: {max_delete: 100%, key_change: false}";

/// Three delivered people; then Cyd is gone and Ada has Cyd's address.
fn inherited(mapping: &str) -> Lab {
    let lab = Lab::new(THREE).mapping(&format!("{OPEN_MIRROR}\n{mapping}"));
    lab.sync(0);
    lab.sql("delete from people where id = 3; update people set email = 'cyd@x.io' where id = 1");
    lab
}

/// The ids of the live contacts, by e-mail.
fn ids(lab: &Lab) -> std::collections::BTreeMap<String, String> {
    let shown = lab.run(&["sandbox", "show", "--format", "json"]).ends(0).json();
    let contacts = shown["objects"]["hubspot"]["contacts"].as_array().unwrap();
    let live = contacts.iter().filter(|contact| contact["archived"] == false);
    live.map(|c| [&c["properties"]["email"], &c["id"]].map(|v| v.as_str().unwrap().to_owned()).into())
        .collect()
}

#[test]
fn a_row_that_moves_to_a_vanished_rows_address_keeps_its_object_and_comes_after_it() {
    let lab = Lab::new(THREE).mapping(OPEN_MIRROR);
    lab.sync(0);
    let before = ids(&lab);
    lab.sql("delete from people where id = 3; update people set email = 'cyd@x.io' where id = 1");
    // And a new row comes to the address that is free then.
    lab.sql("insert into people values (4, 'ada@x.io', 'Second Ada', 4)");
    let report = lab.sync(0);
    assert_eq!(
        counts(&report, ["changed", "added", "removed", "sent", "delivered"]),
        [1, 1, 1, 3, 3],
        "{report}"
    );
    lab.assert_mirrored();
    let after = ids(&lab);
    assert_eq!((&after["cyd@x.io"], &after["bob@x.io"]), (&before["ada@x.io"], &before["bob@x.io"]));
    assert!(!before.values().any(|id| *id == after["ada@x.io"]), "{before:?} {after:?}");
    assert_eq!(counts(&lab.sync(0), ["unchanged", "requests"]), [3, 0]);
    assert!(lab.errors().is_empty());
}

#[test]
fn a_replaced_row_takes_over_the_vanished_rows_object() {
    let lab = inherited("on_match_change: replace");
    let before = ids(&lab);
    let report = lab.sync(0);
    assert_eq!(counts(&report, ["changed", "removed", "delivered"]), [1, 1, 2], "{report}");
    lab.assert_mirrored();
    assert_eq!(ids(&lab)["cyd@x.io"], before["cyd@x.io"], "it was taken over, and the row's old object went");
}

#[test]
fn the_object_at_a_held_rows_new_address_waits_for_the_decision() {
    for decision in ["update", "replace"] {
        let mut lab = inherited("on_match_change: hold");
        for _ in 0..2 {
            let report = lab.sync(0);
            assert_eq!(counts(&report, ["parked", "removed", "sent", "requests"]), [1, 1, 0, 0], "{report}");
        }
        assert_eq!(lab.names().len(), 3, "nothing is removed and nothing forgotten");
        lab.mapping = format!("{OPEN_MIRROR}\non_match_change: {decision}");
        lab.write();
        lab.sync(0);
        lab.assert_mirrored();
        assert_eq!(counts(&lab.sync(0), ["unchanged", "requests"]), [2, 0]);
    }
}

#[test]
fn a_move_waits_until_the_vanished_rows_object_is_gone() {
    let mut lab = inherited("");
    assert_eq!(counts(&lab.sync_with(&["--limit", "1"], 0), ["sent", "pending"]), [0, 2]);
    lab.faults = "[{do: garbage, path: archive}]".into();
    lab.write();
    let report = lab.run(&["sync", "--format", "json"]).json()["syncs"][0].clone();
    assert_eq!(counts(&report, ["delivered", "rejected", "pending"]), [0, 0, 1], "{report}");
    lab.faults = "[]".into();
    lab.write();
    lab.sync(0);
    lab.assert_mirrored();
    assert!(lab.errors().is_empty());
}

#[test]
fn objects_that_make_room_count_as_removed_for_the_guards() {
    let lab = inherited("");
    let lab = lab.mapping("mode: mirror\nguards: {max_delete: 0, key_change: false}");
    assert_eq!(lab.sync(4)["error"]["code"], "OF-RUN-022");
    assert_eq!(lab.names().len(), 3);
}

#[test]
fn an_object_that_is_not_to_be_removed_makes_no_room() {
    for (mapping, left) in [("mode: upsert", "Cyd"), ("mode: upsert\non_delete: clear", "")] {
        let lab =
            Lab::new(THREE).mapping(&format!("{mapping}\nguards: {{max_delete: 100%, key_change: false}}"));
        lab.sync(0);
        lab.sql("delete from people where id = 3; update people set email = 'cyd@x.io' where id = 1");
        let report = lab.sync(3);
        assert_eq!(counts(&report, ["changed", "rejected"]), [1, 1], "{report}");
        assert_eq!(lab.names()["cyd@x.io"], left, "{mapping}");
        assert_eq!(lab.errors()[0]["code"], "CONFLICT");
    }
}

#[test]
#[cfg(debug_assertions)]
fn an_object_that_a_lost_update_may_have_moved_goes_before_a_row_comes_to_either_address() {
    for point in ["deliver.send:1", "deliver.answered:1"] {
        for address in ["cyd@x.io", "cyd.l@x.io"] {
            let lab = Lab::new(THREE).mapping(OPEN_MIRROR);
            lab.sync(0);
            lab.sql("update people set email = 'cyd.l@x.io' where id = 3");
            let died = outflow_with(lab.path(), &["sync", "-q"], &[("OUTFLOW_REHEARSE", point)]);
            assert_eq!(died.code, -1, "{died:#?}");
            lab.sql("delete from people where id = 3");
            lab.sql(&format!("insert into people values (4, '{address}', 'Heir', 4)"));
            lab.sync(0);
            lab.assert_mirrored();
            assert_eq!(counts(&lab.sync(0), ["unchanged", "requests"]), [3, 0], "{point} {address}");
        }
    }
}
