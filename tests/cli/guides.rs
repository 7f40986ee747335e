//! The files that a guide shows make a project that runs.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rusqlite::Connection;
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::support::outflow;

/// Writes each block that begins with "```yaml PATH" to that path.
fn project(guide: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(guide)).unwrap();
    let blocks = text.split("\n```yaml ").skip(1);
    for block in blocks {
        let (path, rest) = block.split_once('\n').unwrap();
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, rest.split("\n```").next().unwrap()).unwrap();
    }
    folder
}

#[track_caller]
fn run(folder: &Path, arguments: &[&str]) -> Json {
    outflow(folder, &[arguments, &["--format", "json"]].concat()).ends(0).json()
}

#[test]
fn the_guide_to_hubspot_runs() {
    let project = project("docs/hubspot.md");
    let folder = project.path();
    let warehouse = Connection::open(folder.join("warehouse.db")).unwrap();
    warehouse
        .execute_batch(
            "create table companies (company_id text, name text); create table people
               (person_id int, email text, name text, revenue real, company_id text, pays_for text);
             insert into companies values ('acme', 'Acme'), ('beta', 'Beta');
             insert into people values (1, 'ada@x.io', 'Ada', 250, 'acme', '[\"acme\", \"beta\"]'),
               (2, 'bob@x.io', 'Bob', 20, 'beta', null), (3, 'cyd@x.io', 'Cyd', 100, null, null)",
        )
        .unwrap();
    run(folder, &["check", "--connect"]);
    let preview = run(folder, &["diff", "people"]);
    assert_eq!(preview["syncs"][0]["forecast"]["requests"], 3, "the objects, and their links of two kinds");
    let report = run(folder, &["sync"]);
    let delivered: Vec<_> = report["syncs"].as_array().unwrap().iter().map(|s| &s["delivered"]).collect();
    assert_eq!(delivered, [2, 3, 2], "{report:#}");
    let shown = run(folder, &["sandbox", "show"]);
    let kept = |object: &str| shown["objects"]["hubspot"][object].as_array().map_or(0, Vec::len);
    let objects = ["companies", "contacts", "associations/contacts/companies", "lists/1"];
    assert_eq!(objects.map(kept), [2, 3, 2, 2]);

    warehouse.execute("update people set revenue = 1 where person_id = 3", []).unwrap();
    let report = run(folder, &["sync", "--select", "best_customers"]);
    assert_eq!((&report["syncs"][0]["removed"], &report["syncs"][0]["delivered"]), (&1.into(), &1.into()));
}

#[test]
fn the_guide_to_any_json_api_runs() {
    let project = project("docs/http-destination.md");
    let folder = project.path();
    let warehouse = Connection::open(folder.join("warehouse.db")).unwrap();
    warehouse
        .execute_batch(
            "create table people (person_id int, name text, plan text, revenue real);
             insert into people values (1, 'Ada \"A\"', 'pro', 12.5), (2, 'Bob', 'free', 0), (3, 'Cyd', null, 7)",
        )
        .unwrap();
    run(folder, &["check", "--connect"]);
    let report = run(folder, &["sync"]);
    for sync in report["syncs"].as_array().unwrap() {
        let requests = if sync["sync"] == "people_in_batches" { 1 } else { 3 };
        assert_eq!((&sync["delivered"], &sync["requests"]), (&3.into(), &requests.into()), "{sync:#}");
    }
    assert_eq!(report["syncs"].as_array().unwrap().len(), 3);
    let kept = |object: &str| {
        let shown = run(folder, &["sandbox", "show"]);
        let objects = shown["objects"]["http"][object].as_array().cloned().unwrap_or_default();
        objects.into_iter().filter(|object| object["archived"] == false).collect::<Vec<_>>()
    };
    let ada = serde_json::json!({"id": "1", "name": "Ada \"A\"", "plan": "pro"});
    assert_eq!(kept("members")[0]["properties"], ada);
    let people = kept("people");
    let revenue = people.iter().find(|person| person["id"] == "1").map(|ada| &ada["properties"]["revenue"]);
    assert_eq!(revenue, Some(&12.5.into()));
    let entries: BTreeSet<String> =
        kept("listEntries").iter().map(|entry| entry["properties"]["text"].to_string()).collect();
    assert_eq!(entries, ["\"New: Ada \\\"A\\\"\"", "\"New: Bob\"", "\"New: Cyd\""].map(str::to_owned).into());

    warehouse
        .execute_batch("delete from people where person_id = 3; update people set plan = 'pro'")
        .unwrap();
    let report = run(folder, &["sync", "--select", "people", "--allow-deletes"]);
    let counts = ["changed", "removed", "delivered"].map(|name| report["syncs"][0][name].as_u64().unwrap());
    assert_eq!((counts, kept("people").len()), ([1, 1, 2], 2), "{report:#}");
}
