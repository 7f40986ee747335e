//! Braze through the whole program: of a row that changed only what changed is sent, and no event is sent twice.

use std::fs;

use rusqlite::Connection;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::support::{Run, outflow};

/// A project with one sync of three people to an emulated workspace.
struct Shop {
    folder: TempDir,
    faults: Json,
    mapping: Json,
}

impl Shop {
    /// Of this object and these fields.
    fn new(destination: Json, rest: Json) -> Shop {
        let mut mapping =
            json!({"source": {"connection": "warehouse", "table": "people", "primary_key": "id"}});
        mapping["destination"] = destination;
        mapping["destination"]["connection"] = json!("there");
        mapping.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        let shop = Shop { folder: TempDir::new().unwrap(), faults: json!([]), mapping };
        shop.sql("create table people (id integer primary key, name text, plan text, score real, seen text)");
        for (id, name) in [(1, "Ada"), (2, "Bob"), (3, "Cyd")] {
            shop.sql(&format!(
                "insert into people values ({id}, '{name}', 'free', {id}.5, '2026-01-0{id}T12:00:00Z')"
            ));
        }
        shop.write();
        shop
    }

    fn write(&self) {
        let project = json!({"name": "shop", "connections": {
            "warehouse": {"type": "sqlite", "path": "warehouse.db"},
            "there": {
                "type": "braze", "api_key": "key", "base_url": "sandbox",
                "sandbox": {
                    "faults": self.faults,
                    "objects": {"attributes": {"score": "number", "plan": {"type": "string", "refuse": "blocked"}}},
                    "subscription_groups": {"g-1": "Newsletter"},
                },
            },
        }});
        fs::create_dir_all(self.folder.path().join("mappings")).unwrap();
        fs::write(self.folder.path().join("outflow.yml"), format!("{project:#}")).unwrap();
        fs::write(self.folder.path().join("mappings/people.yml"), format!("{:#}", self.mapping)).unwrap();
    }

    fn sql(&self, sql: &str) {
        Connection::open(self.folder.path().join("warehouse.db")).unwrap().execute_batch(sql).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Run {
        outflow(self.folder.path(), arguments)
    }

    #[track_caller]
    fn sync(&self, code: i32) -> Json {
        let run = self.run(&["sync", "--format", "json", "--allow-deletes"]);
        run.ends(code).json()["syncs"][0].clone()
    }

    /// Runs the sync; the objects that were sent to `/users/track`, in their order.
    #[track_caller]
    fn sent(&self) -> Vec<Json> {
        let kept = self.folder.path().join("kept");
        let _ = fs::remove_dir_all(&kept); // not there at first
        self.run(&["sync", "--allow-deletes", "--record", "kept"]).ends(0);
        let Ok(files) = fs::read_dir(kept.join("braze")) else { return Vec::new() };
        let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        files.sort();
        let read = |path| -> Json { serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap() };
        let bodies = files.into_iter().map(read).filter(|kept| kept["request"]["path"] == "/users/track");
        let objects = bodies.flat_map(|kept| {
            let body = &kept["request"]["body"];
            let objects = [&body["attributes"], &body["events"]].map(|array| array.as_array().cloned());
            objects.into_iter().flatten().flatten().collect::<Vec<Json>>()
        });
        objects.collect()
    }

    fn living(&self, object: &str) -> Vec<Json> {
        let shown = self.run(&["sandbox", "show", "--format", "json"]).ends(0).json();
        let objects = shown["objects"]["braze"][object].as_array().cloned().unwrap_or_default();
        let living = objects.into_iter().filter(|object| object["archived"] == false);
        living.map(|object| object["properties"].clone()).collect()
    }
}

fn users(rest: Json) -> Shop {
    let mut whole = json!({"fields": {"first_name": "name", "plan": "plan", "score": "score"}});
    whole.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    Shop::new(json!({"object": "attributes", "match_on": {"external_id": "id"}}), whole)
}

fn ada() -> Json {
    json!({"external_id": "1", "first_name": "Ada", "plan": "free", "score": 1.5})
}

#[test]
fn of_a_change_only_what_changed_is_sent_without_being_asked_for() {
    let mut shop = users(json!({}));
    let whole = shop.sent();
    assert_eq!((whole.len(), &whole[0]), (3, &ada()));
    shop.sql("update people set plan = 'max' where id = 2");
    let diff = shop.run(&["diff", "--format", "json"]).json()["syncs"][0].clone();
    let shown: Vec<&String> = diff["sample"][0]["fields"].as_object().unwrap().keys().collect();
    assert_eq!(shown, ["plan"], "{diff}");
    let update = |id: &str, name: &str, value: Json| json!({"external_id": id, "_update_existing_only": true, name: value});
    assert_eq!(shop.sent(), [update("2", "plan", json!("max"))]);
    shop.sql("update people set score = null where id = 3");
    assert_eq!(shop.sent(), [update("3", "score", Json::Null)]);
    assert_eq!(shop.sent(), [] as [Json; 0]);
    let bob = json!({"external_id": "2", "first_name": "Bob", "plan": "max", "score": 2.5});
    assert_eq!(shop.living("users")[1], bob);
    // The mapping has the last word.
    shop.mapping["delivery"] = json!({"send": "all"});
    shop.write();
    shop.sql("update people set plan = 'max' where id = 1");
    let mut max = ada();
    max["plan"] = json!("max");
    assert_eq!(shop.sent(), [max]);
}

#[test]
fn a_user_of_whom_something_was_refused_is_sent_whole_again() {
    let shop = users(json!({}));
    shop.sent();
    shop.sql("update people set plan = 'blocked' where id = 1");
    let report = shop.sync(3);
    assert_eq!(report["rejected"], 1, "{report:#}");
    shop.sql("update people set plan = 'max' where id = 1");
    let mut max = ada();
    max["plan"] = json!("max");
    assert_eq!(shop.sent(), [max], "a refusal leaves it open what Braze holds");
    let run = shop.run(&["sync", "--full-refresh", "--format", "json"]).ends(0).json();
    assert_eq!(run["syncs"][0]["delivered"], 3, "{run:#}");
}

#[test]
fn a_ledger_of_hashes_alone_has_whole_rows_sent() {
    let shop = users(json!({"ledger": {"keep": "hashes"}}));
    shop.sent();
    shop.sql("update people set plan = 'max' where id = 1");
    let mut max = ada();
    max["plan"] = json!("max");
    assert_eq!(shop.sent(), [max]);
}

#[test]
fn an_import_says_what_to_do_about_what_came_after_the_export() {
    let shop = users(json!({}));
    shop.sent();
    shop.run(&["ledger", "export", "people", "--output", "people.ledger"]).ends(0);
    let import = ["ledger", "import", "people", "people.ledger", "--yes"];
    assert!(shop.run(&import).ends(0).stdout.contains("`outflow sync people --full-refresh`"));
    let whole = users(json!({"delivery": {"send": "all"}}));
    whole.sent();
    whole.run(&["ledger", "export", "people", "--output", "people.ledger"]).ends(0);
    assert!(!whole.run(&import).ends(0).stdout.contains("full-refresh"));
}

/// The same names are those of other users.
#[test]
fn another_label_of_aliases_is_another_destination() {
    let destination =
        json!({"object": "attributes", "match_on": {"alias_name": "id"}, "alias_label": "shop"});
    let mut shop = Shop::new(destination, json!({"fields": {"plan": "plan"}}));
    shop.sent();
    shop.mapping["destination"]["alias_label"] = json!("store");
    shop.write();
    shop.sql("update people set plan = 'max' where id = 1");
    let held = shop.sync(4);
    assert_eq!((&held["error"]["code"], &held["sent"]), (&json!("OF-RUN-011"), &json!(0)), "{held:#}");
    let message = held["error"]["message"].as_str().unwrap();
    assert!(message.contains("aliases shop") && message.contains("aliases store"), "{message}");
}

/// Braze has no way to give a user another external id here: the row waits, or is replaced where the mapping says so.
#[test]
fn a_user_with_another_key_is_held_or_replaced() {
    let destination = json!({"object": "attributes", "match_on": {"external_id": "name"}});
    let mut shop = Shop::new(destination, json!({"fields": {"plan": "plan"}, "mode": "mirror"}));
    shop.sent();
    shop.sql("update people set name = 'Eve' where id = 1");
    let report = shop.sync(0);
    assert_eq!((&report["parked"], &report["sent"]), (&json!(1), &json!(0)), "{report:#}");
    shop.mapping["on_match_change"] = json!("replace");
    shop.write();
    assert_eq!(shop.sent(), [json!({"external_id": "Eve", "plan": "free"})], "all of it: the user is new");
    let names: Vec<Json> = shop.living("users").iter().map(|user| user["external_id"].clone()).collect();
    assert_eq!(names, ["Bob", "Cyd", "Eve"]);
}

fn events() -> Shop {
    let fields = json!({
        "external_id": "id", "name": {"value": "seen"}, "time": {"column": "seen", "type": "datetime"}, "plan": "plan",
    });
    let rest = json!({"fields": fields, "mode": "insert", "delivery": {"batch_rows": 1, "concurrency": 1}});
    Shop::new(json!({"object": "events", "match_on": {"event_id": "id"}}), rest)
}

#[test]
fn an_event_is_sent_once() {
    let shop = events();
    let sent = shop.sent();
    let first = json!({
        "external_id": "1", "name": "seen", "time": "2026-01-01T12:00:00Z", "properties": {"plan": "free"},
    });
    assert_eq!((sent.len(), &sent[0]), (3, &first));
    shop.sql("update people set plan = 'max'");
    assert_eq!(shop.sent(), [] as [Json; 0]);
    assert_eq!(shop.living("events").len(), 3);
}

#[test]
fn an_event_whose_answer_was_lost_waits_for_a_person() {
    let mut shop = events();
    shop.faults = json!([{"do": "lost_ack", "times": 1, "path": "users/track"}]);
    shop.write();
    let report = shop.sync(3);
    assert_eq!((&report["delivered"], &report["unknown"]), (&json!(2), &json!(1)), "{report:#}");
    shop.faults = json!([]);
    shop.write();
    for _ in 0..2 {
        let report = shop.sync(0);
        assert_eq!((&report["parked"], &report["requests"]), (&json!(1), &json!(0)), "{report:#}");
    }
    assert_eq!(shop.living("events").len(), 3, "it had arrived");
    let errors = shop.run(&["errors", "people", "--format", "json"]).ends(0).json();
    let key = errors["errors"][0]["key"].to_string();
    shop.run(&["resolve", "people", "--key", &key, "--applied"]).ends(0);
    let report = shop.sync(0);
    assert_eq!((&report["unchanged"], &report["requests"]), (&json!(3), &json!(0)), "{report:#}");
}

#[test]
fn an_audience_is_a_subscription_group_of_users_that_are_there() {
    let shop = users(json!({}));
    shop.sent();
    let mut mapping = shop.mapping.clone();
    mapping["source"] = json!({"connection": "warehouse", "query": "select id from people where score > 2", "primary_key": "id"});
    mapping["destination"]["list"] = json!("g-1");
    mapping["destination"]["list_attribute"] = json!("regular");
    mapping["mode"] = json!("audience");
    mapping["depends_on"] = json!(["people"]);
    mapping.as_object_mut().unwrap().remove("fields");
    fs::write(shop.folder.path().join("mappings/regulars.yml"), format!("{mapping:#}")).unwrap();
    let sync = ["sync", "--format", "json", "--allow-deletes"];
    shop.run(&sync).ends(0);
    let members = || -> Vec<Json> {
        shop.living("subscription_groups/g-1").iter().map(|user| user["external_id"].clone()).collect()
    };
    assert_eq!(members(), ["2", "3"]);
    assert_eq!(shop.living("users")[1]["regular"], true);
    shop.sql("update people set score = 1 where id = 2");
    shop.run(&sync).ends(0);
    assert_eq!(members(), ["3"]);
    assert_eq!(shop.living("users")[1].get("regular"), None);
    assert_eq!(shop.living("users").len(), 3);
}

/// An attribute for each audience is enough to tell them apart; a subscription group has its members only once.
#[test]
fn audiences_may_differ_by_their_attribute_alone() {
    let mut shop = users(json!({}));
    let rest = shop.mapping.as_object_mut().unwrap();
    rest.remove("fields");
    rest.insert("mode".to_owned(), json!("audience"));
    let audiences = |list: Option<&str>| {
        for name in ["people", "regulars"] {
            let mut mapping = shop.mapping.clone();
            mapping["destination"]["list_attribute"] = json!(name);
            if let Some(list) = list {
                mapping["destination"]["list"] = json!(list);
            }
            let path = shop.folder.path().join(format!("mappings/{name}.yml"));
            fs::write(path, format!("{mapping:#}")).unwrap();
        }
    };
    audiences(None);
    shop.run(&["check"]).ends(0);
    audiences(Some("g-1"));
    let found = shop.run(&["check"]).ends(1).stderr;
    assert!(found.contains("both mirror `attributes on list g-1"), "{found}");
}
