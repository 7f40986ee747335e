//! The files that a guide shows make a project that runs. A guide is a page of `docs/guides/` that shows an `outflow.yml`: a block
//! that begins with "```yaml PATH" or "```sql PATH" is that file, and `warehouse.sql` makes the SQLite file of the
//! connection `warehouse`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::support::outflow;

/// Writes the files that a page shows. `None` for one that shows no project.
fn project(page: &Path) -> Option<TempDir> {
    let folder = TempDir::new().unwrap();
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
    for block in text.split("\n```").skip(1) {
        let (head, rest) = block.split_once('\n').unwrap_or_default();
        if let Some(("yaml" | "sql", path)) = head.split_once(' ') {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, rest).unwrap();
        }
    }
    let sql = fs::read_to_string(folder.path().join("warehouse.sql")).unwrap_or_default();
    warehouse(&folder).execute_batch(&sql).unwrap();
    folder.path().join("outflow.yml").is_file().then_some(folder)
}

fn warehouse(folder: &TempDir) -> Connection {
    Connection::open(folder.path().join("warehouse.db")).unwrap()
}

#[track_caller]
fn run(folder: &Path, arguments: &[&str]) -> Json {
    outflow(folder, &[arguments, &["--format", "json"]].concat()).ends(0).json()
}

#[test]
fn every_guide_runs_and_then_rests() {
    let pages = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guides")).unwrap();
    let pages = pages.map(|page| page.unwrap().path()).filter(|page| page.is_file());
    let guides: Vec<(PathBuf, TempDir)> =
        pages.filter_map(|page| Some((page.clone(), project(&page)?))).collect();
    assert!(guides.len() >= 2, "{guides:?}");
    for (page, folder) in &guides {
        let page = page.display();
        run(folder.path(), &["check", "--connect"]);
        run(folder.path(), &["diff"]);
        let report = run(folder.path(), &["sync"]);
        let syncs = report["syncs"].as_array().unwrap();
        assert!(!syncs.is_empty(), "{page}");
        for sync in syncs {
            let rows = sync["rows_read"].as_u64().unwrap();
            assert!(rows > 0 && sync["delivered"] == rows, "{page}: {sync:#}");
        }
        let shown = run(folder.path(), &["sandbox", "show"]);
        assert!(!shown["objects"].as_object().unwrap().is_empty(), "{page}: nothing has arrived");
        let again = run(folder.path(), &["sync"]);
        for sync in again["syncs"].as_array().unwrap() {
            assert_eq!((&sync["sent"], &sync["requests"]), (&0.into(), &0.into()), "{page}: {sync:#}");
        }
    }
}

#[test]
fn the_guide_to_hubspot_links_and_keeps_a_list() {
    let project = project(Path::new("docs/guides/hubspot.md")).unwrap();
    let folder = project.path();
    let preview = run(folder, &["diff", "people"]);
    assert_eq!(preview["syncs"][0]["forecast"]["requests"], 3, "the objects, and their links of two kinds");
    let report = run(folder, &["sync"]);
    let delivered: Vec<_> = report["syncs"].as_array().unwrap().iter().map(|s| &s["delivered"]).collect();
    assert_eq!(delivered, [2, 3, 2], "{report:#}");
    let shown = run(folder, &["sandbox", "show"]);
    let kept = |object: &str| shown["objects"]["hubspot"][object].as_array().map_or(0, Vec::len);
    let objects = ["companies", "contacts", "associations/contacts/companies", "lists/1"];
    assert_eq!(objects.map(kept), [2, 3, 2, 2]);

    warehouse(&project).execute("update people set revenue = 1 where person_id = 3", []).unwrap();
    let report = run(folder, &["sync", "--select", "best_customers"]);
    assert_eq!((&report["syncs"][0]["removed"], &report["syncs"][0]["delivered"]), (&1.into(), &1.into()));
}

#[test]
fn the_guide_to_any_json_api_sends_what_it_declares() {
    let project = project(Path::new("docs/guides/http-destination.md")).unwrap();
    let folder = project.path();
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

    warehouse(&project)
        .execute_batch("delete from people where person_id = 3; update people set plan = 'pro'")
        .unwrap();
    let report = run(folder, &["sync", "--select", "people", "--allow-deletes"]);
    let counts = ["changed", "removed", "delivered"].map(|name| report["syncs"][0][name].as_u64().unwrap());
    assert_eq!((counts, kept("people").len()), ([1, 1, 2], 2), "{report:#}");
}
