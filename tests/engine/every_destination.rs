//! Every destination that has an emulator, through the whole program: what `fixtures/runs/` says of each is all that this
//! knows of it. What arrived is what the sandbox shows, never what outflow counts.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use rusqlite::Connection;
use serde_json::{Map, Value as Json, json};
use tempfile::TempDir;

use super::lab::{check_identities, counts};
use crate::support::{Run, Served, outflow};

const ROWS: u64 = 12;

/// One file of `fixtures/runs/`.
pub(super) struct Spec {
    /// The connection's type, and the emulator's name.
    pub(super) vendor: String,
    said: Json,
}

/// All of them; while somebody writes a connector, those of the types that `OUTFLOW_TEST_DESTINATIONS` names, if there are
/// any.
pub(super) fn specs() -> Vec<Spec> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/runs");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let all: Vec<Spec> = paths.iter().map(|path| Spec::read(path)).collect();
    assert!(!all.is_empty(), "there is nothing to run");
    let wanted = std::env::var("OUTFLOW_TEST_DESTINATIONS").unwrap_or_default();
    let is_wanted = |spec: &Spec| wanted.split(',').any(|name| name == spec.vendor);
    match all.iter().any(is_wanted) && std::env::var_os("CI").is_none() {
        true => all.into_iter().filter(is_wanted).collect(),
        false => all,
    }
}

impl Spec {
    fn read(path: &Path) -> Spec {
        let name = path.file_name().unwrap().to_str().unwrap();
        let said: Json = serde_saphyr::from_str(&fs::read_to_string(path).unwrap())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let known = [
            "connection",
            "wrong_credentials",
            "sandbox",
            "destination",
            "mode",
            "fields",
            "refused",
            "written_at",
            "shown",
            "cannot",
        ];
        for key in said.as_object().unwrap().keys() {
            assert!(known.contains(&key.as_str()), "{name}: `{key}` is none of {known:?}");
        }
        for ability in said["cannot"].as_array().unwrap() {
            assert!(ability == "mirror" || ability == "unknown_field", "{name}: cannot {ability}");
        }
        Spec { vendor: name.split('.').next().unwrap().to_owned(), said }
    }

    pub(super) fn can(&self, ability: &str) -> bool {
        !self.said["cannot"].as_array().unwrap().iter().any(|word| word == ability)
    }

    fn mode(&self) -> &str {
        self.said["mode"].as_str().unwrap_or("upsert")
    }
}

/// A project with one sync of the table to one destination.
pub(super) struct Rig<'a> {
    spec: &'a Spec,
    folder: TempDir,
    connection: Json,
    mapping: Json,
}

impl<'a> Rig<'a> {
    fn new(spec: &'a Spec) -> Rig<'a> {
        let said = &spec.said;
        let mut connection = said["connection"].clone();
        connection["type"] = json!(spec.vendor);
        connection["base_url"] = json!("sandbox");
        connection["limits"] = json!({"requests": "10000/10s"});
        connection["sandbox"] = said["sandbox"].clone();
        connection["sandbox"]["limits"] = json!({"requests": "10000/10s", "daily_calls": 1_000_000});
        let mut destination = said["destination"].clone();
        destination["connection"] = json!("there");
        let mapping = json!({
            "source": {"connection": "warehouse", "table": "people", "primary_key": "id"},
            "destination": destination, "mode": spec.mode(), "fields": said["fields"],
        });
        let rig = Rig { spec, folder: TempDir::new().unwrap(), connection, mapping };
        rig.sql("create table people (id integer primary key, code text, email text, name text, plan text, score real, seen text)");
        for id in 1..=ROWS {
            rig.sql(&format!(
                "insert into people values ({id}, 'k{id}', 'p{id}@example.com', 'Name {id}', 'plan {id}', {id}.5,
                 '2026-01-{id:02}T12:00:00Z')"
            ));
        }
        rig.write();
        rig
    }

    /// With changes to the connection, the mapping, or both.
    pub(super) fn with(spec: &'a Spec, change: impl FnOnce(&mut Json, &mut Json)) -> Rig<'a> {
        let mut rig = Rig::new(spec);
        rig.change(change);
        rig
    }

    fn change(&mut self, change: impl FnOnce(&mut Json, &mut Json)) {
        change(&mut self.connection, &mut self.mapping);
        self.write();
    }

    fn write(&self) {
        let warehouse = json!({"type": "sqlite", "path": "warehouse.db"});
        let project =
            json!({"name": "run", "connections": {"warehouse": warehouse, "there": self.connection}});
        let folder = self.folder.path();
        fs::create_dir_all(folder.join("mappings")).unwrap();
        fs::write(folder.join("outflow.yml"), format!("{project:#}")).unwrap();
        fs::write(folder.join("mappings/people.yml"), format!("{:#}", self.mapping)).unwrap();
    }

    pub(super) fn sql(&self, sql: &str) {
        Connection::open(self.folder.path().join("warehouse.db")).unwrap().execute_batch(sql).unwrap();
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Run {
        outflow(self.folder.path(), arguments)
    }

    #[track_caller]
    pub(super) fn sync(&self, code: i32) -> Json {
        let run = self.run(&["sync", "--format", "json", "--allow-deletes"]);
        assert_eq!(
            run.code,
            code,
            "{}: {run:#?}\n{}",
            self.spec.vendor,
            self.run(&["errors", "people"]).stdout
        );
        let report = run.json()["syncs"][0].clone();
        check_identities(&report);
        report
    }

    fn shown(&self) -> Json {
        self.run(&["sandbox", "show", "--format", "json", "--file", ".outflow/sandbox.db"]).ends(0).json()
    }

    fn writes(&self) -> u64 {
        self.shown()["requests"]["writes"].as_u64().unwrap()
    }

    /// What the destination holds: by key, the fields that are compared, as texts.
    fn arrived(&self) -> BTreeMap<String, BTreeMap<String, String>> {
        let shown = &self.spec.said["shown"];
        let objects = self.shown()["objects"][&self.spec.vendor][shown["object"].as_str().unwrap()].clone();
        let living = objects.as_array().into_iter().flatten().filter(|object| object["archived"] == false);
        let mut arrived = BTreeMap::new();
        for object in living {
            let key = match shown["key"].as_str() {
                Some(name) => text(&object["properties"][name]),
                None => text(&object["id"]),
            };
            let values =
                self.compared().map(|(field, _)| (field.clone(), text(&object["properties"][field])));
            assert!(arrived.insert(key, values.collect()).is_none(), "twice: {object}");
        }
        arrived
    }

    /// What the destination has to hold.
    fn expected(&self) -> BTreeMap<String, BTreeMap<String, String>> {
        let key = self.spec.said["destination"]["match_on"].as_object().unwrap().values().next().unwrap();
        let db = Connection::open(self.folder.path().join("warehouse.db")).unwrap();
        let ask = |column: &str, id: i64| -> String {
            let sql = format!("select cast({column} as text) from people where id = ?1");
            db.query_row(&sql, [id], |row| row.get(0)).unwrap()
        };
        let mut ids = db.prepare("select id from people").unwrap();
        let ids: Vec<i64> = ids.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        ids.into_iter()
            .map(|id| {
                let values = self.compared().map(|(field, column)| (field.clone(), ask(column, id)));
                (ask(key.as_str().unwrap(), id), values.collect())
            })
            .collect()
    }

    /// Fields whose values are compared, with their columns.
    fn compared(&self) -> impl Iterator<Item = (&String, &str)> {
        let fields = self.spec.said["fields"].as_object().unwrap();
        fields.iter().filter_map(|(field, from)| match from["type"].as_str() {
            Some("number") => Some((field, from["column"].as_str()?)),
            _ => Some((field, from.as_str()?)),
        })
    }

    #[track_caller]
    fn assert_equal(&self) {
        assert_eq!(self.arrived(), self.expected(), "{}", self.spec.vendor);
    }
}

fn text(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[test]
fn all_rows_arrive_and_what_did_not_change_is_not_sent_again() {
    for spec in &specs() {
        let rig = Rig::new(spec);
        let report = rig.sync(0);
        assert_eq!(counts(&report, ["added", "delivered"]), [ROWS, ROWS], "{report:#}");
        rig.assert_equal();
        let before = rig.writes();
        let report = rig.sync(0);
        assert_eq!(counts(&report, ["unchanged", "sent", "requests"]), [ROWS, 0, 0], "{report:#}");
        assert_eq!(rig.writes(), before, "{}", spec.vendor);
        rig.sql("update people set name = 'Another' where id = 5");
        let report = rig.sync(0);
        if spec.mode() == "insert" {
            assert_eq!((counts(&report, ["sent"]), rig.writes()), ([0], before), "{report:#}");
        } else {
            assert_eq!(counts(&report, ["changed", "delivered"]), [1, 1], "{report:#}");
            rig.assert_equal();
        }
    }
}

#[test]
fn a_row_that_is_refused_costs_itself_alone_and_comes_back_when_mended() {
    for spec in &specs() {
        let rig = Rig::new(spec);
        let (column, value) = spec.said["refused"].as_object().unwrap().iter().next().unwrap();
        let was = &rig.expected();
        rig.sql(&format!("create table kept as select {column} as value from people where id = 4"));
        rig.sql(&format!("update people set {column} = '{}' where id = 4", value.as_str().unwrap()));
        let report = rig.sync(3);
        assert_eq!(counts(&report, ["delivered", "rejected", "unknown"]), [ROWS - 1, 1, 0], "{report:#}");
        assert_eq!(rig.arrived().len() as u64, ROWS - 1, "{}", spec.vendor);
        let errors = rig.run(&["errors", "people", "--format", "json"]).ends(0).json()["errors"].clone();
        assert_eq!(errors.as_array().unwrap().len(), 1, "{errors}");
        assert_eq!(
            (&errors[0]["kind"], &errors[0]["key"]),
            (&"rejected".into(), &json!({"id": 4})),
            "{errors}"
        );
        rig.run(&["explain", errors[0]["code"].as_str().unwrap()]).ends(0);
        rig.sql(&format!("update people set {column} = (select value from kept) where id = 4"));
        let report = rig.sync(0);
        assert_eq!(counts(&report, ["added", "delivered"]), [1, 1], "{report:#}");
        assert_eq!(&rig.arrived(), was, "{}", spec.vendor);
        let errors = rig.run(&["errors", "people", "--format", "json"]).ends(0).json()["errors"].clone();
        assert_eq!(errors, json!([]));
    }
}

/// By the server's own counts: each fault struck, and all rows are there all the same, once.
#[test]
fn after_faults_the_destination_equals_the_source() {
    for spec in &specs() {
        for fault in [
            json!({"do": "status", "code": 429, "retry_after": 1}),
            json!({"do": "status", "code": 503}),
            json!({"do": "lost_ack"}),
        ] {
            let mut rig = Rig::new(spec);
            let mut block = rig.connection["sandbox"].clone();
            block["faults"] = json!([fault]);
            block["faults"][0]["times"] = json!(1);
            block["faults"][0]["path"] = spec.said["written_at"].clone();
            let server = Served::start(rig.folder.path(), &json!({&spec.vendor: block}).to_string());
            rig.change(|connection, _| {
                connection["base_url"] = json!(format!("{}/{}", server.url, spec.vendor));
                connection.as_object_mut().unwrap().remove("sandbox");
            });
            // What a lost answer leaves unknown is the next run's.
            let ended = (0..3).any(|_| rig.run(&["sync", "--format", "json"]).code == 0);
            let stats = server.stats();
            let kind = fault["do"].as_str().unwrap();
            assert!(ended, "{}: {fault}: {stats:#}", spec.vendor);
            assert_eq!(stats["fired"][kind], 1, "{}: {fault}", spec.vendor);
            rig.assert_equal();
        }
    }
}

/// No reading of a refusal in the vendor's own words loses the wait that it asks for. One that is too long for a run ends it:
/// the first request's, a token's or a read's, and a write's.
#[test]
fn a_wait_that_a_refusal_asks_for_is_obeyed() {
    for spec in &specs() {
        for (code, path) in [(429, json!("/")), (503, spec.said["written_at"].clone())] {
            let fault = json!({"do": "status", "code": code, "retry_after": 3600, "path": path, "times": 1});
            let mut rig = Rig::with(spec, |connection, _| connection["sandbox"]["faults"] = json!([fault]));
            let report = rig.sync(6);
            let said = report["error"]["message"].as_str().unwrap();
            assert!(said.contains("it asks to wait 60 minutes"), "{}: {code}: {report:#}", spec.vendor);
            rig.change(|connection, _| connection["sandbox"]["faults"] = json!([]));
            rig.sync(0);
            rig.assert_equal();
        }
    }
}

#[test]
fn a_row_that_vanished_is_removed_where_that_can_be() {
    for spec in &specs() {
        let rig = Rig::with(spec, |_, mapping| mapping["mode"] = json!("mirror"));
        if !spec.can("mirror") {
            rig.run(&["check"]).ends(1);
            continue;
        }
        rig.sync(0);
        rig.sql("delete from people where id = 7");
        let report = rig.sync(0);
        assert_eq!(counts(&report, ["removed", "delivered"]), [1, 1], "{report:#}");
        rig.assert_equal();
        assert_eq!(rig.arrived().len() as u64, ROWS - 1);
    }
}

#[test]
fn at_the_end_of_the_days_quota_a_run_stops_and_another_goes_on() {
    for spec in &specs() {
        let quiet =
            Rig::with(spec, |_, mapping| mapping["delivery"] = json!({"batch_rows": 1, "concurrency": 1}));
        let [reads, writes] = counts(&quiet.sync(0), ["reads", "requests"]);
        let room = reads + writes / 2;
        let mut rig = Rig::with(spec, |connection, mapping| {
            mapping["delivery"] = json!({"batch_rows": 1, "concurrency": 1});
            connection["limits"]["daily_calls"] = json!(room);
        });
        let report = rig.sync(6);
        let [delivered, pending, lost] = counts(&report, ["delivered", "pending", "unknown"]);
        assert!(delivered > 0 && pending > 0 && delivered + pending == ROWS && lost == 0, "{report:#}");
        assert_eq!(rig.arrived().len() as u64, delivered, "{report:#}");
        let shown = rig.shown()["requests"].clone();
        let sent = shown["writes"].as_u64().unwrap() + shown["reads"].as_u64().unwrap();
        assert!(sent <= room, "{}: {sent} requests of {room}: {report:#}", spec.vendor);
        rig.change(|connection, _| connection["limits"]["daily_calls"] = json!(100_000));
        assert_eq!(counts(&rig.sync(0), ["delivered"]), [pending]);
        rig.assert_equal();
    }
}

#[test]
fn wrong_credentials_end_a_run_and_nothing_is_sent() {
    for spec in &specs() {
        let wrong = spec.said["wrong_credentials"].as_object().unwrap();
        let rig = Rig::with(spec, |connection, _| set(connection, wrong));
        for command in [&["check", "--connect"][..], &["sync"]] {
            let run = rig.run(command).ends(1);
            for word in ["OF-DST-002", "there", "outflow.yml:", "hint: "] {
                assert!(run.stderr.contains(word), "`{word}` is missing: {run:#?}");
            }
        }
        assert_eq!((rig.writes(), rig.arrived().len()), (0, 0), "{}", spec.vendor);
    }
}

fn set(connection: &mut Json, settings: &Map<String, Json>) {
    for (name, value) in settings {
        connection[name] = value.clone();
    }
}

#[test]
fn a_field_that_is_not_there_is_found_before_anything_is_sent() {
    for spec in &specs() {
        let rig = Rig::with(spec, |_, mapping| mapping["fields"]["no_such_field"] = json!("name"));
        if spec.can("unknown_field") {
            let run = rig.run(&["check", "--connect"]).ends(1);
            assert!(run.stderr.contains("`no_such_field`") && run.stderr.contains("people.yml"), "{run:#?}");
            rig.run(&["sync"]).ends(1);
            assert_eq!(rig.writes(), 0, "{}", spec.vendor);
        } else {
            rig.run(&["check", "--connect"]).ends(0);
            rig.sync(0);
            assert_eq!(rig.arrived().len() as u64, ROWS, "{}", spec.vendor);
        }
    }
}
