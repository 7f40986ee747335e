//! An import whose number no answer may have given, in a run that ends between its steps: it is never sent twice while it may be
//! running.

use std::fs;

use rusqlite::Connection;
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::support::{outflow, outflow_with};

/// Points that no run of the other projects passes.
pub const POINTS: [&str; 3] = ["marketo.import.begun", "marketo.import.taken", "marketo.import.noted"];

const PEOPLE: usize = 5;

/// A project whose imports without a number are given so long.
fn project(wait: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    fs::create_dir(folder.path().join("mappings")).unwrap();
    write(
        "outflow.yml",
        "name: shop\nconnections:\n  warehouse: {type: sqlite, path: w.db}\n  \
         nurture: {type: marketo, client_id: a, client_secret: b, base_url: sandbox}\n",
    );
    write(
        "mappings/people.yml",
        &format!(
            "source: {{connection: warehouse, table: people, primary_key: id}}\n\
             destination: {{connection: nurture, object: leads, match_on: {{email: email}}, api: import, \
             lost_import_wait: {wait}}}\n\
             fields: {{firstName: name}}\n"
        ),
    );
    let sql = format!(
        "create table people (id integer primary key, email text, name text);
         with recursive n (i) as (select 1 union all select i + 1 from n where i < {PEOPLE})
         insert into people select i, 'p' || i || '@x.io', 'P' || i from n"
    );
    Connection::open(folder.path().join("w.db")).unwrap().execute_batch(&sql).unwrap();
    folder
}

/// What the sandbox holds of these objects.
fn held(folder: &TempDir, kind: &str) -> Vec<Json> {
    let shown = ["sandbox", "show", "--format", "json", "--file", ".outflow/sandbox.db"];
    let shown = outflow(folder.path(), &shown).ends(0).json();
    shown["objects"]["marketo"][kind].as_array().cloned().unwrap_or_default()
}

fn die(folder: &TempDir, point: &str) {
    let died = outflow_with(folder.path(), &["sync", "-q"], &[("OUTFLOW_REHEARSE", &format!("{point}:1"))]);
    assert_eq!(died.code, -1, "{point}: {died:#?}");
}

fn sync(folder: &TempDir) -> Json {
    outflow(folder.path(), &["sync", "--format", "json"]).json()["syncs"][0].clone()
}

#[test]
fn every_row_of_an_import_that_a_crash_left_arrives_once() {
    for point in POINTS {
        let folder = project("0s");
        die(&folder, point);
        let report = sync(&folder);
        let sent = if point.ends_with("noted") { 0 } else { PEOPLE };
        assert_eq!((&report["status"], &report["sent"]), (&"ok".into(), &sent.into()), "{point}: {report:#}");
        let mut emails: Vec<String> = held(&folder, "leads")
            .iter()
            .map(|lead| lead["properties"]["email"].as_str().unwrap().to_owned())
            .collect();
        emails.sort();
        assert_eq!(emails, ["p1@x.io", "p2@x.io", "p3@x.io", "p4@x.io", "p5@x.io"], "{point}");
        let again = sync(&folder);
        assert_eq!((&again["unchanged"], &again["sent"]), (&PEOPLE.into(), &0.into()), "{point}: {again:#}");
    }
}

/// Twice over, because what is let alone once must be let alone for as long.
#[test]
fn an_import_that_may_be_running_is_not_sent_again() {
    for point in ["marketo.import.begun", "marketo.import.taken"] {
        let folder = project("1h");
        die(&folder, point);
        let before = held(&folder, "imports").len();
        assert_eq!(before, usize::from(point.ends_with("taken")), "{point}");
        for time in 1..3 {
            let report = sync(&folder);
            assert_eq!(report["delivered"], 0, "{point}, run {time}: {report:#}");
            assert_eq!(held(&folder, "imports").len(), before, "{point}, run {time}");
        }
    }
}

/// A handle names the rows of an import by their places in its batch, of which the calls beside it have settled a part.
#[test]
fn an_import_whose_end_was_not_seen_is_settled_beside_rows_that_went_by_calls() {
    const ROWS: usize = 40;
    let folder = project("1h");
    let sql = format!(
        "delete from people;
         with recursive n (i) as (select 1 union all select i + 1 from n where i < {ROWS})
         insert into people
         select i, 'p' || i || '@x.io', case when i % 2 = 0 then 'P' || i end from n"
    );
    Connection::open(folder.path().join("w.db")).unwrap().execute_batch(&sql).unwrap();
    let file = folder.path().join("outflow.yml");
    let fine = fs::read_to_string(&file).unwrap();
    let faults = "[{do: status, code: 403, path: /bulk/v1/leads/batch/}]";
    let deaf =
        fine.replace("base_url: sandbox}", &format!("base_url: sandbox, sandbox: {{faults: {faults}}}}}"));
    assert_ne!(deaf, fine);
    fs::write(&file, deaf).unwrap();
    let report = sync(&folder);
    let half = ROWS / 2;
    assert_eq!((&report["delivered"], &report["unknown"]), (&half.into(), &half.into()), "{report:#}");
    assert_eq!(held(&folder, "imports").len(), 1);
    fs::write(&file, fine).unwrap();
    let report = sync(&folder);
    assert_eq!((&report["status"], &report["sent"]), (&"ok".into(), &0.into()), "{report:#}");
    assert_eq!((held(&folder, "imports").len(), held(&folder, "leads").len()), (1, ROWS));
}
