//! Syncs that begin to remove what vanishes after they have delivered rows.

use std::collections::BTreeMap;
use std::fs;

use rusqlite::Connection;
use serde_json::Value as Json;
use tempfile::TempDir;

use super::lab::{check_identities, counts};
use crate::support::outflow;

/// People to files, where nothing but the match key says which object is meant.
struct World {
    folder: TempDir,
    rows: u64,
}

const PROJECT: &str =
    "name: late\nconnections:\n  warehouse: {type: sqlite, path: w.db}\n  drop: {type: files, url: ./out}\n";
const COUNTS: [&str; 5] = ["unchanged", "removed", "sent", "delivered", "parked"];

impl World {
    /// After a first run of this mapping.
    fn new(mapping: &str) -> World {
        let world = World { folder: TempDir::new().unwrap(), rows: 20 };
        fs::create_dir(world.folder.path().join("mappings")).unwrap();
        fs::write(world.folder.path().join("outflow.yml"), PROJECT).unwrap();
        world.sql("create table people (id integer primary key, name text, at text)");
        for id in 1..=world.rows {
            world.sql(&format!("insert into people values ({id}, 'P{id}', '2026-01-01 00:00:{id:02}')"));
        }
        world.write("", mapping);
        assert_eq!(counts(&world.sync(), ["added", "delivered"]), [20, 20]);
        world
    }

    fn write(&self, source: &str, mapping: &str) {
        let text = format!(
            "sync: people\nsource: {{connection: warehouse, table: people, primary_key: id{source}}}\ndestination: {{connection: drop, \
             object: people, match_on: {{id: id}}, format: csv}}\nfields: {{name: name}}\nguards: {{max_delete: 90%}}\n{mapping}\n"
        );
        fs::write(self.folder.path().join("mappings/people.yml"), text).unwrap();
    }

    fn sql(&self, sql: &str) {
        Connection::open(self.folder.path().join("w.db")).unwrap().execute_batch(sql).unwrap();
    }

    #[track_caller]
    fn report(&self, command: &str, flags: &[&str]) -> Json {
        let arguments = [&[command, "--format", "json"], flags].concat();
        let report = outflow(self.folder.path(), &arguments).ends(0).json()["syncs"][0].clone();
        check_identities(&report);
        report
    }

    /// Runs for people: whether they are told of objects that cannot be removed.
    #[track_caller]
    fn tells(&self, command: &str, flags: &[&str]) -> bool {
        let arguments = [&[command], flags].concat();
        let shown = outflow(self.folder.path(), &arguments).ends(0).stdout;
        shown.contains("note: the objects of 3 vanished rows cannot be removed")
    }

    #[track_caller]
    fn sync(&self) -> Json {
        self.report("sync", &[])
    }

    /// What the files say last of each row, in the order in which they were written.
    fn told(&self) -> BTreeMap<u64, String> {
        let mut files: Vec<_> =
            fs::read_dir(self.folder.path().join("out")).unwrap().map(|file| file.unwrap()).collect();
        files.sort_by_key(|file| file.metadata().unwrap().modified().unwrap());
        let mut told = BTreeMap::new();
        for file in files {
            for row in csv::Reader::from_path(file.path()).unwrap().into_records().map(Result::unwrap) {
                told.insert(row[1].parse().unwrap(), row[0].to_owned());
            }
        }
        told
    }

    fn deleted(&self) -> Vec<u64> {
        self.told().into_iter().filter(|(_, op)| op == "delete").map(|(id, _)| id).collect()
    }
}

#[test]
fn a_sync_that_begins_to_remove_removes_what_it_delivered_before() {
    let begin = [
        "mode: mirror",
        "on_delete: delete",
        "ledger: {keep: hashes}\nmode: mirror",
        "mode: insert\non_delete: delete",
    ];
    for mapping in begin {
        let before = mapping.replace("mode: mirror", "").replace("on_delete: delete", "");
        let world = World::new(&before);
        world.write("", mapping);
        let report = world.sync();
        assert_eq!(counts(&report, COUNTS), [20, 0, 0, 0, 0], "{mapping}");
        assert_eq!(report["requests"], 0, "{mapping}");
        world.sql("delete from people where id > 16");
        assert_eq!(counts(&world.report("diff", &[]), ["unchanged", "removed"]), [16, 4]);
        assert_eq!(counts(&world.sync(), COUNTS), [16, 4, 4, 4, 0], "{mapping}");
        assert_eq!(world.deleted(), [17, 18, 19, 20], "{mapping}");
        assert_eq!(counts(&world.sync(), COUNTS), [16, 0, 0, 0, 0], "{mapping}");
    }
}

#[test]
fn rows_delivered_while_nothing_was_to_be_removed_get_their_keys_again() {
    let world = World::new("mode: mirror");
    world.write("", "");
    world.sql("update people set name = 'Q' where id = 20");
    assert_eq!(counts(&world.sync(), ["changed", "delivered"]), [1, 1]);
    world.write("", "mode: mirror");
    world.sync();
    world.sql("delete from people where id > 18");
    assert_eq!(counts(&world.sync(), COUNTS), [18, 2, 2, 2, 0]);
    assert_eq!(world.deleted(), [19, 20]);
}

#[test]
fn all_rows_are_read_once_where_only_those_that_moved_were() {
    let cursor = ", cursor: {column: at}";
    let world = World::new("");
    world.write(cursor, "");
    world.sync();
    assert_eq!(counts(&world.sync(), ["rows_read"]), [1]);
    world.write(cursor, "on_delete: delete");
    assert_eq!(counts(&world.sync(), ["rows_read", "unchanged", "sent"]), [20, 20, 0]);
    assert_eq!(counts(&world.sync(), ["rows_read"]), [1]);
    world.sql("delete from people where id = 7");
    world.write("", "on_delete: delete");
    assert_eq!(counts(&world.sync(), COUNTS), [19, 1, 1, 1, 0]);
    assert_eq!(world.deleted(), [7]);
}

#[test]
fn rows_that_vanish_before_their_keys_are_kept_are_not_forgotten_silently() {
    let world = World::new("");
    world.write("", "mode: mirror");
    world.sql("delete from people where id > 17");
    assert!(world.tells("diff", &[]));
    for flags in [&[][..], &[], &["--full-refresh"], &[]] {
        assert!(world.tells("sync", flags), "{flags:?}");
    }
    assert_eq!(counts(&world.sync(), COUNTS), [17, 3, 0, 0, 3], "a full refresh ends all the same");
    world.sql("delete from people where id = 1");
    assert_eq!(counts(&world.sync(), COUNTS), [16, 4, 1, 1, 3], "others are removed");
    assert_eq!(world.deleted(), [1]);
    world.write("", "");
    assert_eq!(counts(&world.sync(), COUNTS), [16, 3, 0, 0, 0], "let go of, as asked");
    world.write("", "mode: mirror");
    assert!(!world.tells("sync", &[]));
    assert_eq!(counts(&world.sync(), COUNTS), [16, 0, 0, 0, 0]);
}
