//! The match key is the primary key: less is kept, and nothing is missed.

use std::path::Path;

use rusqlite::Connection;
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::support::outflow;

struct Files(TempDir);

impl Files {
    /// A table of keys and names, delivered to files.
    fn new(rows: &str, match_on: &str) -> Self {
        let files = Files(TempDir::new().unwrap());
        files.sql(&format!(
            "create table people (id, email text, name text); insert into people values {rows}"
        ));
        let project = "name: lab\nconnections:\n  warehouse: {type: sqlite, path: warehouse.db}\n  \
                       out: {type: files, url: ./out}\n";
        std::fs::write(files.path().join("outflow.yml"), project).unwrap();
        files.match_on(match_on);
        files
    }

    fn match_on(&self, match_on: &str) {
        let sync = format!(
            "sync: people\nsource: {{connection: warehouse, query: select * from people, primary_key: id}}\n\
             destination: {{connection: out, object: people, match_on: {{key: {match_on}}}}}\n\
             ledger: {{keep: hashes}}\nfields: {{name: name}}\n"
        );
        std::fs::create_dir_all(self.path().join("mappings")).unwrap();
        std::fs::write(self.path().join("mappings/people.yml"), sync).unwrap();
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn sql(&self, sql: &str) {
        Connection::open(self.path().join("warehouse.db")).unwrap().execute_batch(sql).unwrap();
    }

    fn sync(&self, flags: &[&str], code: i32) -> Json {
        let arguments: Vec<&str> =
            ["sync", "--format", "json"].into_iter().chain(flags.iter().copied()).collect();
        outflow(self.path(), &arguments).ends(code).json()["syncs"][0].clone()
    }

    fn details(&self) -> i64 {
        let ledger = Connection::open(self.path().join(".outflow/ledger/people.db")).unwrap();
        ledger.query_row("select count(*) from detail", [], |row| row.get(0)).unwrap()
    }
}

#[test]
fn hashes_are_all_that_is_kept_where_the_match_key_is_the_primary_key() {
    let files = Files::new("(1, 'a@x', 'Ann'), (2, 'b@x', 'Bob')", "id");
    assert_eq!(files.sync(&[], 0)["delivered"], 2);
    assert_eq!(files.details(), 0);
    files.sql("update people set name = 'Ben' where id = 2");
    let report = files.sync(&[], 0);
    assert_eq!((&report["changed"], &report["unchanged"]), (&1.into(), &1.into()));
    assert_eq!(files.sync(&[], 0)["unchanged"], 2);
    let other = Files::new("(1, 'a@x', 'Ann'), (2, 'b@x', 'Bob')", "email");
    other.sync(&[], 0);
    assert_eq!(other.details(), 2, "a match key of its own has to be remembered");
}

#[test]
fn keys_of_two_types_that_are_one_object_are_duplicates() {
    let files = Files::new("(1, 'a@x', 'Ann'), ('1', 'b@x', 'Bob'), (2, 'c@x', 'Cyd')", "id");
    let report = files.sync(&[], 1);
    assert_eq!(report["error"]["code"], "OF-RUN-013", "{report}");
    assert_eq!(report["sent"], 0);
    let floats = Files::new("(1.5, 'a@x', 'Ann'), (2.5, 'b@x', 'Bob')", "id");
    assert_eq!(floats.sync(&[], 0)["delivered"], 2);
}

#[test]
fn a_match_key_that_leaves_the_primary_key_holds_the_run() {
    let files = Files::new("(1, 'a@x', 'Ann'), (2, 'b@x', 'Bob')", "id");
    files.sync(&[], 0);
    files.match_on("email");
    let held = files.sync(&[], 4);
    assert_eq!((&held["error"]["code"], &held["sent"]), (&"OF-RUN-015".into(), &0.into()));
    assert_eq!(files.sync(&["--accept-new-destination"], 0)["delivered"], 2);
    assert_eq!(files.sync(&[], 0)["unchanged"], 2);
}
