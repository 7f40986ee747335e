//! A project around one HubSpot account, with one table of items and any mappings.

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use serde_json::Value as Json;
use tempfile::TempDir;

use super::lab::check_identities;
use crate::support::{Run, outflow};

pub struct Portal {
    folder: TempDir,
}

impl Portal {
    /// `connection` adds settings to the connection, `objects` are those of its sandbox.
    pub fn new(connection: &str, objects: &str) -> Self {
        let portal = Portal { folder: TempDir::new().unwrap() };
        portal.connect(connection, objects);
        portal.sql("create table items (id integer primary key, code text, name text, note text)");
        portal.sql("insert into items values (1, 'k1', 'One', 'n1'), (2, 'k2', 'Two', 'n2'), (3, 'k3', 'Three', 'n3')");
        portal
    }

    pub fn connect(&self, connection: &str, objects: &str) {
        self.write(
            "outflow.yml",
            &format!(
                "name: portal\nconnections:\n  warehouse: {{type: sqlite, path: warehouse.db}}\n  crm:\n    type: hubspot\n    \
                 base_url: sandbox\n    limits: {{requests: 10000/10s}}\n    {connection}\n    sandbox:\n      \
                 limits: {{requests: 10000/10s}}\n      objects: {objects}\n"
            ),
        );
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn write(&self, name: &str, text: &str) {
        let file = self.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    /// A sync of all items to an object; `more` are the mapping's other lines.
    pub fn mapping(&self, object: &str, match_on: &str, more: &str) {
        self.write(
            &format!("mappings/to_{object}.yml"),
            &format!(
                "source: {{connection: warehouse, query: select * from items order by id, primary_key: id}}\n\
                 destination: {{connection: crm, object: \"{object}\", match_on: {match_on}}}\n{more}\n"
            ),
        );
    }

    pub fn sql(&self, sql: &str) {
        Connection::open(self.path().join("warehouse.db")).unwrap().execute_batch(sql).unwrap();
    }

    pub fn run(&self, arguments: &[&str]) -> Run {
        outflow(self.path(), arguments)
    }

    /// The reports of all syncs.
    #[track_caller]
    pub fn sync(&self, flags: &[&str], code: i32) -> Vec<Json> {
        let arguments = [&["sync", "--format", "json"], flags].concat();
        let reports = self.run(&arguments).ends(code).json()["syncs"].as_array().unwrap().clone();
        reports.iter().for_each(check_identities);
        reports
    }

    /// The only sync's preview.
    #[track_caller]
    pub fn diff(&self) -> Json {
        self.run(&["diff", "--format", "json"]).ends(0).json()["syncs"][0].clone()
    }

    /// The account's objects of a type, in the order of their making.
    pub fn objects(&self, object: &str) -> Vec<Json> {
        let shown = self
            .run(&["sandbox", "show", "--format", "json", "--file", ".outflow/sandbox.db"])
            .ends(0)
            .json();
        shown["objects"]["hubspot"][object].as_array().cloned().unwrap_or_default()
    }

    /// Write requests that the account has seen.
    pub fn writes(&self) -> u64 {
        let shown = self
            .run(&["sandbox", "show", "--format", "json", "--file", ".outflow/sandbox.db"])
            .ends(0)
            .json();
        shown["requests"]["writes"].as_u64().unwrap()
    }
}
