//! An import whose file goes to another host, in a run that ends between its steps.

use std::collections::BTreeMap;
use std::fs;

use rusqlite::Connection;
use tempfile::TempDir;

use crate::support::{outflow, outflow_with};

/// Points that no run of the other projects passes.
pub const POINTS: [&str; 2] = ["sendgrid.import.made", "sendgrid.import.filled"];

const PEOPLE: usize = 5;

fn project() -> TempDir {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    fs::create_dir(folder.path().join("mappings")).unwrap();
    write(
        "outflow.yml",
        "name: shop\nconnections:\n  warehouse: {type: sqlite, path: w.db}\n  \
         mail: {type: sendgrid, api_key: SG.key, base_url: sandbox, sandbox: {objects: {contacts: {plan: string}}}}\n",
    );
    write(
        "mappings/people.yml",
        "source: {connection: warehouse, table: people, primary_key: id}\n\
         destination: {connection: mail, object: contacts, match_on: {email: email}, api: import}\n\
         fields: {first_name: name, plan: plan}\n",
    );
    let sql = format!(
        "create table people (id integer primary key, email text, name text, plan text);
         with recursive n (i) as (select 1 union all select i + 1 from n where i < {PEOPLE})
         insert into people select i, 'p' || i || '@x.io', 'P' || i, 'free' from n"
    );
    Connection::open(folder.path().join("w.db")).unwrap().execute_batch(&sql).unwrap();
    folder
}

/// What the sandbox holds: each address with its name.
fn arrived(folder: &TempDir) -> BTreeMap<String, String> {
    let shown = ["sandbox", "show", "--format", "json", "--file", ".outflow/sandbox.db"];
    let shown = outflow(folder.path(), &shown).ends(0).json();
    let contacts = shown["objects"]["sendgrid"]["contacts"].as_array().cloned().unwrap_or_default();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    contacts.iter().map(|c| (text(&c["properties"]["email"]), text(&c["properties"]["first_name"]))).collect()
}

#[test]
fn an_import_that_a_crash_left_is_settled_and_every_row_arrives_once() {
    for point in POINTS {
        let folder = project();
        let died =
            outflow_with(folder.path(), &["sync", "-q"], &[("OUTFLOW_REHEARSE", &format!("{point}:1"))]);
        assert_eq!(died.code, -1, "{point}: {died:#?}");
        let report = outflow(folder.path(), &["sync", "--format", "json"]).ends(0).json()["syncs"][0].clone();
        let sent = if point.ends_with("filled") { 0 } else { PEOPLE };
        assert_eq!(report["sent"], sent, "{point}: what a job did is not sent again: {report:#}");
        let arrived = arrived(&folder);
        assert_eq!(arrived.len(), PEOPLE, "{point}");
        assert_eq!(arrived["p3@x.io"], "P3", "{point}");
        let again = outflow(folder.path(), &["sync", "--format", "json"]).ends(0).json()["syncs"][0].clone();
        assert_eq!((&again["unchanged"], &again["sent"]), (&PEOPLE.into(), &0.into()), "{point}: {again:#}");
    }
}
