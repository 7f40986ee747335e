//! A project with one sync of people to HubSpot contacts, in a folder of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::support::{Run, outflow};

pub struct Lab {
    folder: TempDir,
    /// Lines added to the project's top level.
    pub project: String,
    /// Lines added to the mapping's top level.
    pub mapping: String,
    /// The `fields:` block, without its key.
    pub fields: String,
    /// YAML list of the sandbox's faults.
    pub faults: String,
    /// `base_url` of the connection.
    pub base_url: String,
    pub query: String,
    /// Keys added to the `source:` block, as `cursor: {..}`.
    pub source: String,
    /// The sandbox's daily quota.
    pub daily: u64,
}

/// Row of the table `people`: id, email, name, score.
pub type Person<'a> = (i64, &'a str, &'a str, f64);

pub const THREE: &[Person<'static>] =
    &[(1, "ada@x.io", "Ada", 1.5), (2, "bob@x.io", "Bob", 2.0), (3, "cyd@x.io", "Cyd", 3.25)];

impl Lab {
    pub fn new(people: &[Person<'_>]) -> Self {
        let lab = Lab {
            folder: TempDir::new().unwrap(),
            project: String::new(),
            mapping: String::new(),
            fields: "{firstname: name, score: score}".into(),
            faults: "[]".into(),
            base_url: "sandbox".into(),
            source: String::new(),
            query: "select id, email, name, score from people order by id".into(),
            daily: 1_000_000,
        };
        lab.sql("create table people (id integer primary key, email text, name text, score real)");
        for (id, email, name, score) in people {
            lab.sql(&format!("insert into people values ({id}, '{email}', '{name}', {score})"));
        }
        lab.write();
        lab
    }

    pub fn mapping(mut self, lines: &str) -> Self {
        self.mapping = lines.into();
        self.write();
        self
    }

    /// Another project with the same files, at the same point of its history.
    pub fn copy(&self) -> Self {
        let folder = TempDir::new().unwrap();
        copy_into(self.path(), folder.path());
        Lab {
            folder,
            project: self.project.clone(),
            mapping: self.mapping.clone(),
            fields: self.fields.clone(),
            faults: self.faults.clone(),
            base_url: self.base_url.clone(),
            query: self.query.clone(),
            source: self.source.clone(),
            daily: self.daily,
        }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Writes the project's files as the fields say now.
    pub fn write(&self) {
        let Lab { project, mapping, fields, faults, base_url, query, daily, .. } = self;
        let source = if self.source.is_empty() { String::new() } else { format!("  {}\n", self.source) };
        let project = format!(
            "name: lab\n{project}\nconnections:\n  warehouse: {{type: sqlite, path: warehouse.db}}\n  crm:\n    type: hubspot\n    \
             token: pat-SECRET-token\n    base_url: {base_url}\n    limits: {{requests: 10000/10s}}\n    sandbox:\n      \
             objects: {{contacts: {{score: number, plan: {{type: string, refuse: blocked}}}}}}\n      \
             limits: {{requests: 10000/10s, daily_calls: {daily}}}\n      faults: {faults}\n"
        );
        let sync = format!(
            "sync: people\nsource:\n  connection: warehouse\n  query: \"{query}\"\n  primary_key: id\n{source}destination:\n  \
             connection: crm\n  object: contacts\n  match_on: {{email: email}}\nfields: {fields}\n{mapping}\n"
        );
        std::fs::write(self.file("outflow.yml"), project).unwrap();
        std::fs::create_dir_all(self.file("mappings")).unwrap();
        std::fs::write(self.file("mappings/people.yml"), sync).unwrap();
    }

    pub fn sql(&self, sql: &str) {
        Connection::open(self.file("warehouse.db")).unwrap().execute_batch(sql).unwrap();
    }

    pub fn run(&self, arguments: &[&str]) -> Run {
        outflow(self.path(), arguments)
    }

    /// Runs `sync` and gives the report of the one sync; fails unless it ends with this code.
    #[track_caller]
    pub fn sync(&self, code: i32) -> Json {
        self.sync_with(&[], code)
    }

    #[track_caller]
    pub fn sync_with(&self, flags: &[&str], code: i32) -> Json {
        self.report("sync", flags, code)
    }

    #[track_caller]
    pub fn diff(&self, flags: &[&str]) -> Json {
        self.report("diff", flags, 0)
    }

    #[track_caller]
    pub fn report(&self, command: &str, flags: &[&str], code: i32) -> Json {
        let arguments: Vec<&str> =
            [command, "--format", "json"].into_iter().chain(flags.iter().copied()).collect();
        let run = self.run(&arguments).ends(code);
        let report = run.json()["syncs"][0].clone();
        check_identities(&report);
        report
    }

    /// The rows of `outflow errors`.
    pub fn errors(&self) -> Vec<Json> {
        let run = self.run(&["errors", "people", "--format", "json"]).ends(0);
        run.json()["errors"].as_array().unwrap().clone()
    }

    /// What the sandbox holds, by e-mail; an e-mail held twice fails.
    pub fn contacts(&self) -> BTreeMap<String, Json> {
        let file = ["--file", ".outflow/sandbox.db"];
        let shown = self.run(&[&["sandbox", "show", "--format", "json"], &file[..]].concat()).ends(0).json();
        contacts(&shown)
    }

    /// Fails unless the sandbox holds exactly the table's rows.
    #[track_caller]
    pub fn assert_mirrored(&self) {
        assert_eq!(self.names(), self.source_names());
    }

    /// E-mail and first name of each contact.
    pub fn names(&self) -> BTreeMap<String, String> {
        let name = |props: &Json| props["firstname"].as_str().unwrap_or_default().to_owned();
        self.contacts().into_iter().map(|(email, props)| (email, name(&props))).collect()
    }

    /// Rows ever written to the ledger's log, parts, details and journal.
    pub fn ledger_rows(&self) -> Vec<i64> {
        let db = Connection::open(self.file(".outflow/ledger/people.db")).unwrap();
        let count = |sql: &str| db.query_row(sql, [], |row| row.get(0)).unwrap();
        let log = "select coalesce(max(seq), 0) from log";
        let batches = "select coalesce(max(seq), 0) from sqlite_sequence where name = 'intent'";
        [log, batches, "select count(*) from part", "select count(*) from detail"].map(count).to_vec()
    }

    pub fn source_names(&self) -> BTreeMap<String, String> {
        let db = Connection::open(self.file("warehouse.db")).unwrap();
        let mut rows = db.prepare("select email, name from people").unwrap();
        rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
    }
}

/// Copies all files of a folder into another, which may be there.
pub fn copy_into(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_into(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

pub fn contacts(shown: &Json) -> BTreeMap<String, Json> {
    let mut contacts = BTreeMap::new();
    for contact in shown["objects"]["hubspot"]["contacts"].as_array().unwrap_or(&Vec::new()) {
        if contact["archived"] == false {
            let email = contact["properties"]["email"].as_str().unwrap_or_default().to_owned();
            assert!(contacts.insert(email, contact["properties"].clone()).is_none(), "twice: {contact}");
        }
    }
    contacts
}

/// The equations that every report obeys.
#[track_caller]
pub fn check_identities(report: &Json) {
    let n = |name: &str| report[name].as_u64().unwrap_or_else(|| panic!("`{name}` is no count: {report}"));
    assert_eq!(n("added") + n("changed") + n("unchanged") + n("invalid"), n("rows_read"), "{report}");
    assert_eq!(n("sent"), n("delivered") + n("rejected") + n("deferred"), "{report}");
    assert!(n("unknown") <= n("deferred"), "{report}");
    for name in ["removed", "duplicates", "pending", "parked", "requests", "reads", "bytes_sent", "retries"] {
        n(name);
    }
}

/// Several counts of a report at once.
pub fn counts<const N: usize>(report: &Json, names: [&str; N]) -> [u64; N] {
    names.map(|name| report[name].as_u64().unwrap_or_else(|| panic!("`{name}` is no count: {report}")))
}
