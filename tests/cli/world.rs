//! A small project: one table of people, one sync of them to the sandbox's contacts.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::support::{Run, outflow, outflow_with};

const PROJECT: &str = "\
name: world
connections:
  warehouse: {type: sqlite, path: people.sqlite}
  marketing:
    type: hubspot
    base_url: sandbox
    token: \"${HUBSPOT_TOKEN:-sandbox}\"
    sandbox:
      objects: {contacts: {score: number, plan: {enum: [A, B]}}}
";

const MAPPING: &str = "\
source:
  connection: warehouse
  query: select id, email, name, score from people
  primary_key: id
destination:
  connection: marketing
  object: contacts
  match_on: {email: email}
mode: upsert
fields:
  firstname: name
  score: {column: score, type: number}
";

pub const MAPPING_FILE: &str = "mappings/people.yml";

pub struct World {
    folder: TempDir,
}

impl World {
    /// Three people, nothing sent yet.
    pub fn new() -> Self {
        let world = World { folder: tempfile::tempdir().unwrap() };
        world.write("outflow.yml", PROJECT);
        world.write(MAPPING_FILE, MAPPING);
        world.sql("create table people (id, email, name, score, plan)");
        world.sql(
            "insert into people values (1, 'ann@example.com', 'Ann', 1.5, 'A'), (2, 'bob@example.com', 'Bob', 2, 'B'),
             (3, 'cid@example.com', 'Cid', 3, null)",
        );
        world
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Replaces a part of a file that must be there.
    pub fn edit(&self, path: &str, old: &str, new: &str) {
        let text = fs::read_to_string(self.path().join(path)).unwrap();
        assert!(text.contains(old), "`{old}` is not in {path}");
        self.write(path, &text.replacen(old, new, 1));
    }

    pub fn sql(&self, sql: &str) {
        Connection::open(self.path().join("people.sqlite")).unwrap().execute_batch(sql).unwrap();
    }

    pub fn run(&self, arguments: &[&str]) -> Run {
        outflow(self.path(), arguments)
    }

    pub fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Run {
        outflow_with(self.path(), arguments, variables)
    }

    /// `sync --format json` that ends with this code; the object of the only sync.
    #[track_caller]
    pub fn sync(&self, code: i32) -> Json {
        let json = self.run(&["sync", "--format", "json"]).ends(code).json();
        identities(&json);
        json["syncs"][0].clone()
    }

    /// `diff --format json`; the object of the only sync.
    #[track_caller]
    pub fn diff(&self) -> Json {
        let json = self.run(&["diff", "--format", "json"]).ends(0).json();
        identities(&json);
        json["syncs"][0].clone()
    }

    /// The contacts that are not archived: their names by e-mail.
    pub fn contacts(&self) -> BTreeMap<String, String> {
        let json = self.run(&["sandbox", "show", "--format", "json"]).ends(0).json();
        let all = json["objects"]["hubspot"]["contacts"].as_array().cloned().unwrap_or_default();
        let live = all.iter().filter(|contact| contact["archived"] == false);
        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        live.map(|c| (text(&c["properties"]["email"]), text(&c["properties"]["firstname"]))).collect()
    }

    pub fn ledger(&self) -> PathBuf {
        self.path().join(".outflow/ledger/people.db")
    }
}

/// What holds for every sync in every status.
#[track_caller]
pub fn identities(json: &Json) {
    for sync in json["syncs"].as_array().expect("syncs") {
        let count =
            |name: &str| sync[name].as_u64().unwrap_or_else(|| panic!("`{name}` is no count: {sync:#}"));
        let read = count("added") + count("changed") + count("unchanged") + count("invalid");
        assert_eq!(read, count("rows_read"), "{sync:#}");
        assert_eq!(count("sent"), count("delivered") + count("rejected") + count("deferred"), "{sync:#}");
        assert!(count("unknown") <= count("deferred"), "{sync:#}");
        for name in
            ["removed", "duplicates", "pending", "parked", "requests", "reads", "bytes_sent", "retries"]
        {
            count(name);
        }
    }
}

/// Every file below a folder with its bytes.
pub fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    found
}
