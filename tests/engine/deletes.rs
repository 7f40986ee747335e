use super::lab::{Lab, Person, THREE, counts};

const MIRROR: &str = "mode: mirror";

fn many(rows: i64) -> Lab {
    let lab = unsent(rows, MIRROR);
    lab.sync(0);
    lab
}

fn unsent(rows: i64, mapping: &str) -> Lab {
    let lab = Lab::new(&[]).mapping(mapping);
    for id in 1..=rows {
        lab.sql(&format!("insert into people values ({id}, 'p{id}@x.io', 'P{id}', {id})"));
    }
    lab
}

#[test]
fn a_mirror_removes_what_vanished_and_only_that() {
    let lab = many(20);
    lab.sql("delete from people where id = 7");
    assert_eq!(counts(&lab.sync(0), ["removed", "sent", "delivered"]), [1, 1, 1]);
    lab.assert_mirrored();
    assert_eq!(counts(&lab.sync(0), ["removed", "requests"]), [0, 0]);
    lab.sql("insert into people values (7, 'p7@x.io', 'Back', 7)");
    assert_eq!(counts(&lab.sync(0), ["added", "delivered"]), [1, 1]);
    lab.assert_mirrored();
}

#[test]
fn guards_hold_mass_removals_with_numbers_and_a_flag() {
    let lab = many(20);
    lab.sql("delete from people where id <= 3");
    let held = lab.sync(4);
    assert_eq!((&held["status"], &held["error"]["code"]), (&"held".into(), &"OF-RUN-022".into()));
    let message = held["error"]["message"].as_str().unwrap();
    assert!(message.contains("3 of 20") && message.contains("10 %"), "{message}");
    assert!(message.contains(r#"for instance {"id":"#), "{message}");
    assert_eq!(counts(&held, ["removed", "sent", "requests"]), [3, 0, 0]);
    assert_eq!(lab.names().len(), 20);
    assert_eq!(lab.run(&["diff"]).code, 0, "a preview can be made");
    assert_eq!(lab.run(&["diff", "--exit-code"]).code, 4);
    assert_eq!(counts(&lab.sync_with(&["--allow-deletes"], 0), ["removed", "delivered"]), [3, 3]);
    lab.assert_mirrored();
}

#[test]
fn an_empty_source_is_held() {
    let lab = many(5);
    lab.sql("delete from people");
    assert_eq!(lab.sync(4)["error"]["code"], "OF-RUN-020");
    assert_eq!(lab.sync_with(&["--allow-empty"], 4)["error"]["code"], "OF-RUN-022");
    assert_eq!(lab.names().len(), 5);
}

#[test]
fn a_changed_key_format_is_held() {
    let lab = many(10);
    lab.sql("update people set id = id + 1000");
    let held = lab.sync_with(&["--allow-deletes"], 4);
    assert_eq!(held["error"]["code"], "OF-RUN-023", "{held}");
    let message = held["error"]["message"].as_str().unwrap();
    assert!(
        message.contains(r#"new are for instance {"id":1001}"#) && message.contains("gone are"),
        "{message}"
    );
    let through = lab.sync_with(&["--allow-deletes", "--allow-key-change"], 0);
    assert_eq!(counts(&through, ["added", "removed"]), [10, 10]);
    lab.assert_mirrored();
}

#[test]
fn an_edited_query_holds_removals() {
    let mut lab = many(20);
    lab.query = "select id, email, name, score from people where id > 1 order by id".into();
    lab.write();
    assert_eq!(lab.sync(4)["error"]["code"], "OF-RUN-021");
    assert_eq!(lab.names().len(), 20);
    assert_eq!(counts(&lab.sync_with(&["--allow-deletes"], 0), ["removed", "delivered"]), [1, 1]);
    assert_eq!(counts(&lab.sync(0), ["requests"]), [0], "the edited query is the known one now");
}

#[test]
fn an_edited_query_holds_removals_although_no_run_came_to_its_end() {
    for first in [&["sync", "--limit", "5"][..], &["backfill", "people", "--yes"]] {
        let mut lab = unsent(20, "mode: mirror\nguards: {max_delete: 100%, key_change: false}");
        lab.run(first).ends(0);
        let before = lab.names().len();
        lab.query = "select id, email, name, score from people where id > 2 order by id".into();
        lab.write();
        assert_eq!(lab.sync(4)["error"]["code"], "OF-RUN-021", "{first:?}");
        assert_eq!(lab.names().len(), before, "{first:?}");
        assert_eq!(counts(&lab.sync_with(&["--allow-deletes"], 0), ["removed"]), [2], "{first:?}");
        assert_eq!(lab.names().len(), 18, "{first:?}");
        assert_eq!(counts(&lab.sync(0), ["requests"]), [0], "{first:?}");
    }
}

#[test]
fn what_only_unsettled_batches_know_counts_for_max_delete() {
    let mut lab = unsent(20, MIRROR);
    lab.faults = "[{do: lost_ack, path: upsert}]".into();
    lab.write();
    assert_eq!(counts(&lab.sync(3), ["unknown"]), [20]);
    lab.faults = "[]".into();
    lab.write();
    let copy = lab.copy();
    lab.sql("delete from people where id <= 3");
    let held = lab.sync(4);
    let message = held["error"]["message"].as_str().unwrap();
    assert!(message.contains("3 of 20") && message.contains(r#"for instance {"id":"#), "{message}");
    copy.sql("delete from people where id <= 2");
    assert_eq!(counts(&copy.sync(0), ["removed", "delivered"]), [2, 20]);
    copy.assert_mirrored();
}

#[test]
fn a_row_without_a_readable_key_keeps_every_object() {
    let lab = Lab::new(&[]).mapping(MIRROR);
    lab.sql("drop table people; create table people (id, email text, name text, score real)");
    for id in 1..=20 {
        lab.sql(&format!("insert into people values ({id}, 'p{id}@x.io', 'P', 1)"));
    }
    lab.sync(0);
    lab.sql("delete from people where id = 1; update people set id = null where id = 2");
    let report = lab.sync(3);
    assert_eq!(counts(&report, ["invalid", "removed", "sent"]), [1, 2, 0], "{report}");
    assert_eq!(lab.names().len(), 20);
    lab.sql("update people set id = 2 where id is null");
    assert_eq!(counts(&lab.sync(0), ["removed", "delivered"]), [1, 1]);
}

#[test]
fn an_invalid_row_counts_as_present() {
    let lab = many(20);
    lab.sql("update people set email = null where id = 5");
    let report = lab.sync(3);
    assert_eq!(counts(&report, ["invalid", "removed", "sent"]), [1, 0, 0]);
    let errors = lab.errors();
    assert_eq!((&errors[0]["kind"], &errors[0]["key"]["id"]), (&"invalid".into(), &5.into()), "{errors:?}");
    assert_eq!(errors[0]["field"], "email");
    assert!(errors[0]["message"].as_str().unwrap().contains("upsert key"));
    assert_eq!(lab.names().len(), 20);
}

#[test]
fn under_ignore_a_vanished_row_is_shown_once_and_never_deleted() {
    let mut lab = Lab::new(THREE);
    lab.sync(0);
    lab.sql("delete from people where id = 3");
    assert_eq!(counts(&lab.sync(0), ["removed", "sent"]), [1, 0]);
    assert_eq!(counts(&lab.sync(0), ["removed", "sent"]), [0, 0]);
    lab.mapping = MIRROR.into();
    lab.write();
    assert_eq!(
        counts(&lab.sync(0), ["removed", "sent"]),
        [0, 0],
        "a change of mode deletes nothing that is gone"
    );
    assert_eq!(lab.names().len(), 3);
    lab.sql("insert into people values (3, 'cyd@x.io', 'Cyd again', 3)");
    assert_eq!(counts(&lab.sync(0), ["added", "delivered"]), [1, 1]);
    lab.assert_mirrored();
}

#[test]
fn clear_empties_the_fields_and_keeps_the_object() {
    let lab = Lab::new(THREE).mapping("on_delete: clear\nguards: {max_delete: 100%}");
    lab.sync(0);
    lab.sql("delete from people where id = 3");
    assert_eq!(counts(&lab.sync(0), ["removed", "sent", "delivered"]), [1, 1, 1]);
    let contact = lab.contacts().remove("cyd@x.io").expect("the object stays");
    let empty = |name: &str| contact.get(name).is_none_or(|v| v.is_null() || v == "");
    assert!(empty("firstname") && empty("score"), "{contact}");
    assert_eq!(counts(&lab.sync(0), ["removed", "requests"]), [0, 0]);
}

/// Another sync of the same people, which writes their names as last names.
const OTHER: &str = "sync: other
source: {connection: warehouse, query: 'select id, email, name from people', primary_key: id}
destination: {connection: crm, object: contacts, match_on: {email: email}}
fields: {lastname: name}
";

/// Whether each of these fields of Ada has a value.
fn filled<const N: usize>(lab: &Lab, names: [&str; N]) -> [bool; N] {
    let ada = lab.contacts().remove("ada@x.io").expect("the object stays");
    names.map(|name| ada[name].as_str().is_some_and(|value| !value.is_empty()))
}

#[test]
fn clear_empties_what_was_acknowledged_whatever_is_mapped_now() {
    for keep in ["hashes", "fields", "values"] {
        let clear = format!("on_delete: clear\nguards: {{max_delete: 100%}}\nledger: {{keep: {keep}}}");
        let mut lab = Lab::new(THREE).mapping(&clear);
        std::fs::write(lab.file("mappings/other.yml"), OTHER).unwrap();
        lab.sync_with(&["people"], 0);
        lab.sync_with(&["other"], 0);
        lab.fields = "{firstname: name, lastname: name}".into();
        lab.write();
        lab.sql("delete from people where id = 1");
        assert_eq!(counts(&lab.sync_with(&["people"], 0), ["removed"]), [1]);
        assert_eq!(filled(&lab, ["firstname", "score", "lastname"]), [false, false, true], "{keep}");
    }
}

#[test]
fn clear_empties_what_the_mapping_dropped_and_nothing_was_sent_for_and_what_is_not_compared() {
    let mut lab = Lab::new(THREE).mapping("on_delete: clear\nguards: {max_delete: 100%}");
    lab.fields = "{firstname: name, lastname: {column: name, diff: false}, score: score}".into();
    lab.write();
    lab.sync(0);
    lab.fields = "{firstname: name, lastname: {column: name, diff: false}}".into();
    lab.write();
    assert_eq!(counts(&lab.sync(0), ["unchanged", "requests"]), [3, 0]);
    lab.sql("delete from people where id = 1");
    lab.sync(0);
    assert_eq!(filled(&lab, ["firstname", "lastname", "score"]), [false; 3]);
    // What the object of another row still has was not compared since: it is sent once the field is mapped again.
    lab.fields = "{firstname: name, lastname: {column: name, diff: false}, score: score}".into();
    lab.write();
    assert_eq!(counts(&lab.sync(0), ["changed", "delivered"]), [2, 2]);
}

#[test]
fn a_key_taken_over_by_a_live_row_is_released() {
    let people: Vec<Person<'_>> = THREE.to_vec();
    let lab = Lab::new(&people).mapping("mode: mirror\nguards: {max_delete: 100%, key_change: false}");
    lab.sync(0);
    lab.sql("delete from people where id = 3; insert into people values (4, 'cyd@x.io', 'New Cyd', 1)");
    let report = lab.sync(0);
    assert_eq!(counts(&report, ["added", "removed", "delivered"]), [1, 1, 1], "{report}");
    lab.assert_mirrored();
    assert_eq!(counts(&lab.sync(0), ["removed", "requests"]), [0, 0]);
}

#[test]
fn an_add_that_was_lost_and_vanished_is_removed() {
    let mut lab = many(20);
    lab.sql("insert into people values (99, 'ghost@x.io', 'Ghost', 0)");
    lab.faults = "[{do: lost_ack, path: upsert}]".into();
    lab.write();
    assert_eq!(counts(&lab.sync(3), ["unknown"]), [1]);
    assert!(lab.names().contains_key("ghost@x.io"));
    lab.sql("delete from people where id = 99");
    lab.faults = "[]".into();
    lab.write();
    let report = lab.sync(0);
    assert_eq!(counts(&report, ["removed", "delivered"]), [1, 1], "{report}");
    lab.assert_mirrored();
    assert_eq!(counts(&lab.sync(0), ["removed", "requests"]), [0, 0]);
}

#[test]
fn delete_scope_created_spares_what_was_there_before() {
    let mut lab = Lab::new(THREE);
    // Another sync of the same project made Ada and Bob; this one made Cyd alone.
    lab.query = "select id, email, name, score from people where id < 3".into();
    lab.write();
    lab.sync(0);
    std::fs::remove_dir_all(lab.file(".outflow/ledger")).unwrap();
    lab.query = "select id, email, name, score from people".into();
    lab.mapping = "mode: mirror\ndelete_scope: created\nguards: {max_delete: 100%}".into();
    lab.write();
    lab.sync_with(&["--first-run"], 0);
    lab.sql("delete from people where id > 1");
    let report = lab.sync_with(&["--allow-deletes", "--allow-key-change"], 0);
    assert_eq!(counts(&report, ["removed", "sent", "delivered"]), [2, 1, 1], "{report}");
    assert_eq!(lab.names().into_keys().collect::<Vec<_>>(), ["ada@x.io", "bob@x.io"]);
}
