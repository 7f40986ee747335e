//! Batches so large that each has a thread of its own end as any others do.

use std::fs;
use std::path::Path;

use serde_json::Value as Json;
use tempfile::TempDir;

use super::matrix::each;
use crate::support::{Run, outflow_with};

/// So many that the last batch has not left before an interrupt at the first ones is heard.
const ROWS: u64 = 35_000;

/// A project that has all rows written to files in four batches, before a first run.
fn project() -> TempDir {
    let folder = TempDir::new().unwrap();
    let project =
        "name: large\nconnections:\n  lake: {type: files, url: ./in}\n  out: {type: files, url: ./out}\n";
    let mapping = "sync: people\nsource:\n  connection: lake\n  file: people.csv\n  primary_key: id\ndestination:\n  \
        connection: out\n  object: people\n  match_on: {id: id}\nfields: {name: name}\ndelivery: {batch_rows: 10000}\n";
    let mut rows = "id,name\n".to_owned();
    (1..=ROWS).for_each(|id| rows += &format!("{id},name {id}\n"));
    for (name, text) in
        [("outflow.yml", project), ("mappings/people.yml", mapping), ("in/people.csv", &*rows)]
    {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn sync(folder: &Path, plan: Option<&str>) -> Run {
    let variables: Vec<_> = plan.map(|plan| ("OUTFLOW_REHEARSE", plan)).into_iter().collect();
    outflow_with(folder, &["sync", "--format", "json"], &variables)
}

/// The keys that all files hold together, sorted.
fn written(folder: &Path) -> Vec<u64> {
    let mut keys = Vec::new();
    for file in fs::read_dir(folder.join("out")).unwrap().map(|entry| entry.unwrap().path()) {
        for line in fs::read_to_string(file).unwrap().lines() {
            let line: Json = serde_json::from_str(line).unwrap();
            keys.push(line["id"].as_str().unwrap().parse().unwrap());
        }
    }
    keys.sort_unstable();
    keys
}

#[test]
fn large_batches_that_end_anywhere_are_made_good_by_the_next_run() {
    let all: Vec<u64> = (1..=ROWS).collect();
    let plans = vec![
        ("deliver.send:2", -1),
        ("deliver.answered:2", -1),
        ("deliver.settled:1", -1),
        ("interrupt:deliver.send:2", 130),
        ("interrupt:deliver.answered:1", 130),
    ];
    each(plans, |(plan, code)| {
        let folder = project();
        let run = sync(folder.path(), Some(plan));
        assert_eq!(run.code, *code, "{plan}: {run:#?}");
        let run = sync(folder.path(), None);
        assert_eq!(run.code, 0, "{plan}: {run:#?}");
        assert!(written(folder.path()) == all, "{plan}: a row is missing, or was written twice");
        let again = sync(folder.path(), None).ends(0).json();
        assert_eq!(again["syncs"][0]["requests"], 0, "{plan}: {again:#}");
    });
}
