//! An answer is lost, then the row gets another match key, and the destination cannot be asked what it has: Customer.io.

use std::collections::BTreeSet;
use std::fs;

use rusqlite::Connection;
use serde_json::Value as Json;
use tempfile::TempDir;

use super::lab::{check_identities, counts};
use crate::support::{Run, outflow};

struct Lab(TempDir);

impl Lab {
    /// Two rows, of which nobody knows whether they arrived.
    fn lost(mapping: &str) -> Lab {
        let lab = Lab(TempDir::new().unwrap());
        lab.sql(
            "create table rows (id integer primary key, code text, email text);
             insert into rows values (1, 'c1', 'ann@x.io'), (2, 'c2', 'bob@x.io')",
        );
        lab.mapping(mapping);
        lab.faults("[{do: lost_ack, path: v2/batch}]");
        assert_eq!(counts(&lab.sync(3), ["delivered", "unknown"]), [0, 2]);
        lab.faults("[]");
        lab
    }

    fn mapping(&self, mapping: &str) {
        fs::create_dir_all(self.0.path().join("mappings")).unwrap();
        let source = "source: {connection: warehouse, table: rows, primary_key: id}";
        let guards = "guards: {max_delete: 100%, key_change: false}";
        fs::write(self.0.path().join("mappings/one.yml"), format!("{source}\n{mapping}\n{guards}\n"))
            .unwrap();
    }

    fn faults(&self, faults: &str) {
        let project = format!(
            "name: lab\nconnections:\n  warehouse: {{type: sqlite, path: warehouse.db}}\n  cio:\n    type: customerio\n    \
             site_id: site\n    api_key: key\n    base_url: sandbox\n    sandbox: {{faults: {faults}}}\n"
        );
        fs::write(self.0.path().join("outflow.yml"), project).unwrap();
    }

    fn sql(&self, sql: &str) {
        Connection::open(self.0.path().join("warehouse.db")).unwrap().execute_batch(sql).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Run {
        outflow(self.0.path(), arguments)
    }

    #[track_caller]
    fn sync(&self, code: i32) -> Json {
        let report = self.run(&["sync", "--format", "json"]).ends(code).json()["syncs"][0].clone();
        check_identities(&report);
        report
    }

    /// This property of all that lives under a name.
    fn living(&self, object: &str, property: &str) -> BTreeSet<String> {
        let shown = self.run(&["sandbox", "show", "--format", "json"]).ends(0).json();
        let objects = shown["objects"]["customerio"][object].as_array().cloned().unwrap_or_default();
        let living = objects.iter().filter(|object| object["archived"] == false);
        living.map(|object| object["properties"][property].as_str().unwrap_or_default().to_owned()).collect()
    }
}

fn these<const N: usize>(texts: [&str; N]) -> BTreeSet<String> {
    texts.into_iter().map(str::to_owned).collect()
}

const EVENTS: &str = "destination: {connection: cio, object: events, match_on: {event_id: code}}\nmode: insert\n\
                      fields: {email: email, name: {value: bought}, code: code}";

/// The other event has another id, so nothing tells that it is the first one.
#[test]
fn an_event_that_may_have_happened_under_another_id_waits_for_a_person() {
    let lab = Lab::lost(EVENTS);
    assert_eq!(lab.living("events", "code"), these(["c1", "c2"]));
    lab.sql("update rows set code = 'c9' where id = 1");
    assert_eq!(counts(&lab.sync(0), ["delivered", "parked"]), [1, 1]);
    assert_eq!(lab.living("events", "code"), these(["c1", "c2"]), "nothing is sent blindly");
    lab.run(&["resolve", "one", "--key", "1", "--applied"]).ends(0);
    assert_eq!(counts(&lab.sync(0), ["unchanged", "parked", "requests"]), [2, 0, 0]);
}

#[test]
fn members_that_may_have_been_put_on_a_list_are_taken_off() {
    let lab = Lab::lost(
        "destination: {connection: cio, object: people, match_on: {email: email}, list: suppressed}\nmode: audience",
    );
    assert_eq!(lab.living("suppressed", "email"), these(["ann@x.io", "bob@x.io"]));
    lab.sql("update rows set email = 'ava@x.io' where id = 1");
    lab.sync(0);
    assert_eq!(lab.living("suppressed", "email"), these(["ava@x.io", "bob@x.io"]));
    assert_eq!(counts(&lab.sync(0), ["unchanged", "requests"]), [2, 0]);
}

#[test]
fn a_person_who_may_be_there_under_another_key_is_held_or_replaced() {
    let mirror = "destination: {connection: cio, object: people, match_on: {email: email}}\nmode: mirror\nfields: {code: code}";
    let lab = Lab::lost(mirror);
    lab.sql("update rows set email = 'ava@x.io' where id = 1");
    assert_eq!(counts(&lab.sync(0), ["delivered", "parked"]), [1, 1]);
    assert_eq!(lab.living("people", "email"), these(["ann@x.io", "bob@x.io"]));
    lab.mapping(&format!("{mirror}\non_match_change: replace"));
    lab.sync(0);
    assert_eq!(lab.living("people", "email"), these(["ava@x.io", "bob@x.io"]));
    assert_eq!(counts(&lab.sync(0), ["unchanged", "requests"]), [2, 0]);
}
