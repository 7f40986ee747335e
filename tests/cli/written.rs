//! Files that a run writes, as other software reads them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use rusqlite::Connection;
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::support::outflow;

/// Reads all parts by Python's own csv, gzip and json: one JSON list a row. A part above the limit, or without its header, ends it.
const READER: &str = r#"
import csv, glob, gzip, hashlib, io, json, os, sys
folder, limit = sys.argv[1], int(sys.argv[2])
rows = []
manifests = [json.load(open(name)) for name in glob.glob(folder + "/*.manifest.json")]
listed = {part["name"]: part for manifest in manifests for part in manifest["parts"]}
for name in sorted(glob.glob(folder + "/*.gz")):
    packed = open(name, "rb").read()
    assert len(packed) <= limit, (name, len(packed))
    part = listed.pop(os.path.basename(name))
    assert part["sha256"] == hashlib.sha256(packed).hexdigest() and part["bytes"] == len(packed), name
    found = list(csv.reader(io.StringIO(gzip.decompress(packed).decode("utf-8"), newline="")))
    assert found[0] == ["_op", "id", "about", "email"], found[0]
    assert part["rows"] == len(found) - 1 > 0, (name, part["rows"])
    rows += found[1:]
assert not listed, listed
json.dump(rows, sys.stdout)
"#;

const ROWS: usize = 3_000;

fn about(id: usize) -> String {
    let nasty =
        ["plain", "a,b", "say \"so\"", "two\nlines", " spaces ", "日本語 😀", "", "'=1+1", "\\N", "a\r\nb"];
    nasty[id % nasty.len()].repeat(1 + id % 7)
}

fn project(options: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let mapping = format!(
        "sync: list\nsource: {{connection: warehouse, table: people, primary_key: id}}\ndestination:\n  connection: drop\n  \
        object: people\n  match_on: {{id: id}}\n{options}fields: {{about: about, email: email}}\n"
    );
    let outflow = "name: written\nconnections:\n  warehouse: {type: sqlite, path: w.db}\n  drop: {type: files, url: ./out}\n";
    fs::create_dir(folder.path().join("mappings")).unwrap();
    for (name, text) in [("outflow.yml", outflow), ("mappings/list.yml", &mapping)] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let mut warehouse = Connection::open(folder.path().join("w.db")).unwrap();
    warehouse.execute_batch("create table people (id integer primary key, about text, email text)").unwrap();
    let rows = warehouse.transaction().unwrap();
    for id in 0..ROWS {
        let row = (id as i64, about(id), (id % 3 > 0).then(|| format!("p{id}@x.io")));
        rows.execute("insert into people values (?1, ?2, ?3)", row).unwrap();
    }
    rows.commit().unwrap();
    folder
}

fn read(folder: &Path, limit: usize) -> BTreeMap<usize, (String, String)> {
    let run = Command::new("python3")
        .args(["-c", READER])
        .arg(folder.join("out"))
        .arg(limit.to_string())
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let rows: Vec<[String; 4]> = serde_json::from_slice(&run.stdout).unwrap();
    rows.into_iter().map(|[_, id, about, email]| (id.parse().unwrap(), (about, email))).collect()
}

#[test]
fn packed_parts_are_what_another_reader_finds_and_none_is_too_large() {
    let limit = 9_000;
    let options = format!(
        "  format: csv\n  compression: gzip\n  max_bytes: {limit}\n  max_rows: 700\n  manifest: true\n  done: all.done\n"
    );
    let folder = project(&options);
    let report = outflow(folder.path(), &["sync", "--format", "json"]).ends(0).json();
    assert_eq!(report["syncs"][0]["delivered"], ROWS);
    let found = read(folder.path(), limit);
    assert_eq!(found.len(), ROWS);
    for (id, (about_found, email)) in &found {
        let expected = if id % 3 > 0 { format!("p{id}@x.io") } else { String::new() };
        assert_eq!((about_found, email), (&about(*id), &expected), "{id}");
    }
    assert!(folder.path().join("out/all.done").exists());
    let again = outflow(folder.path(), &["sync", "--format", "json"]).ends(0).json();
    assert_eq!(
        (&again["syncs"][0]["sent"], &again["syncs"][0]["requests"]),
        (&Json::from(0), &Json::from(0))
    );
}

#[test]
fn a_full_extract_has_every_row_in_every_run() {
    let folder = project("  name: \"{{ sync }}-{{ run }}-{{ part }}.csv\"\n  extract: full\n");
    let count = || {
        let files = fs::read_dir(folder.path().join("out")).unwrap().map(|file| file.unwrap().path());
        let rows = files.map(|file| csv::Reader::from_path(file).unwrap().into_records().count());
        rows.sum::<usize>()
    };
    outflow(folder.path(), &["sync"]).ends(0);
    assert_eq!(count(), ROWS);
    let report = outflow(folder.path(), &["sync", "--format", "json"]).ends(0).json();
    assert_eq!((count(), &report["syncs"][0]["delivered"]), (2 * ROWS, &Json::from(ROWS)));
    let mapping = folder.path().join("mappings/list.yml");
    let mirror = fs::read_to_string(&mapping).unwrap() + "mode: mirror\n";
    fs::write(&mapping, mirror).unwrap();
    let refused = outflow(folder.path(), &["check", "--connect"]).ends(1);
    assert!(refused.stderr.contains("cannot remove records"), "{refused:#?}");
}

#[test]
fn a_folder_that_cannot_be_written_loses_nothing() {
    let folder = project("  format: csv\n");
    fs::write(folder.path().join("out"), "a file").unwrap();
    let run = outflow(folder.path(), &["sync"]);
    assert!(run.code != 0 && run.stderr.contains("is not a folder"), "{run:#?}");
    fs::remove_file(folder.path().join("out")).unwrap();
    let report = outflow(folder.path(), &["sync", "--format", "json"]).ends(0).json();
    assert_eq!(report["syncs"][0]["delivered"], ROWS);
}
