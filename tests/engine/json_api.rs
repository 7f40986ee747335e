//! Any JSON API, declared in a mapping, through the whole program.

use std::collections::BTreeSet;
use std::fs;

use rusqlite::Connection;
use serde_json::Value as Json;
use tempfile::TempDir;

use super::lab::{check_identities, counts};
use crate::support::{Run, outflow, outflow_with};

/// A mirror of people, by address.
const REQUESTS: &str = "
  request: {method: PUT, path: '/people/{{ key.id }}', body: '{{ fields | tojson }}'}
  delete:
    method: DELETE
    path: '/people/{{ key.id }}'
    absent: {status: 404, when: {pointer: /error/code, equals: not_found}}
  success: {status: 200, when: {pointer: /id, exists: true}}
  rejected: {status: 400, code: /error/code, message: /error/message, field: /error/field}
  remote_id: /id
";

struct Lab {
    folder: TempDir,
}

impl Lab {
    /// Three people; the plan `blocked` is refused.
    fn new() -> Lab {
        let lab = Lab { folder: TempDir::new().unwrap() };
        lab.sql(
            "create table people (id integer primary key, name text, plan text);
             insert into people values (1, 'Ada', 'a'), (2, 'Bob', 'b'), (3, 'Cyd', 'c')",
        );
        lab.write("[]", REQUESTS, "mode: mirror");
        lab
    }

    fn write(&self, faults: &str, requests: &str, more: &str) {
        let project = format!(
            "name: lab\nconnections:\n  warehouse: {{type: sqlite, path: warehouse.db}}\n  api:\n    type: http\n    \
             base_url: sandbox\n    auth: {{method: header, name: X-Api-Key, value: k3y-SECRET-k3y}}\n    sandbox:\n      \
             objects: {{people: {{id: string, name: string, plan: {{type: string, refuse: blocked}}}}}}\n      \
             limits: {{requests: 10000/1s}}\n      faults: {faults}\n"
        );
        let sync = format!(
            "source: {{connection: warehouse, table: people, primary_key: id}}\ndestination:\n  connection: api\n  \
             object: people\n  match_on: {{id: id}}{requests}\nfields: {{name: name, plan: plan}}\n{more}\n"
        );
        fs::write(self.folder.path().join("outflow.yml"), project).unwrap();
        fs::create_dir_all(self.folder.path().join("mappings")).unwrap();
        fs::write(self.folder.path().join("mappings/people.yml"), sync).unwrap();
    }

    fn sql(&self, sql: &str) {
        Connection::open(self.folder.path().join("warehouse.db")).unwrap().execute_batch(sql).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Run {
        let run = outflow(self.folder.path(), arguments);
        assert!(!run.stdout.contains("SECRET") && !run.stderr.contains("SECRET"), "{run:#?}");
        run
    }

    #[track_caller]
    fn sync(&self, code: i32) -> Json {
        let arguments = ["sync", "-vv", "--format", "json", "--allow-deletes", "--allow-changes"];
        let report = self.run(&arguments).ends(code).json()["syncs"][0].clone();
        check_identities(&report);
        report
    }

    /// Names of the living people.
    fn names(&self) -> Vec<String> {
        let shown = self.run(&["sandbox", "show", "--format", "json"]).ends(0).json();
        let people = shown["objects"]["http"]["people"].as_array().cloned().unwrap_or_default();
        let living = people.iter().filter(|person| person["archived"] == false);
        let mut names: Vec<String> = living
            .map(|person| person["properties"]["name"].as_str().unwrap_or_default().to_owned())
            .collect();
        names.sort();
        names
    }

    fn errors(&self) -> Vec<Json> {
        let run = self.run(&["errors", "people", "--format", "json"]).ends(0);
        run.json()["errors"].as_array().unwrap().clone()
    }
}

#[test]
fn a_mirror_sends_what_changed_removes_what_vanished_and_rests() {
    let lab = Lab::new();
    assert_eq!(counts(&lab.sync(0), ["added", "delivered", "requests"]), [3, 3, 3]);
    assert_eq!(counts(&lab.sync(0), ["unchanged", "requests"]), [3, 0]);
    lab.sql("update people set name = 'Bo' where id = 2; delete from people where id = 3");
    assert_eq!(counts(&lab.sync(0), ["changed", "removed", "delivered", "requests"]), [1, 1, 2, 2]);
    assert_eq!(lab.names(), ["Ada", "Bo"]);
}

#[test]
fn a_refused_row_is_named_and_comes_back() {
    let lab = Lab::new();
    lab.sql("update people set plan = 'blocked' where id = 2");
    assert_eq!(counts(&lab.sync(3), ["delivered", "rejected"]), [2, 1]);
    let errors = lab.errors();
    assert_eq!(
        (&errors[0]["key"]["id"], &errors[0]["code"], &errors[0]["field"]),
        (&2.into(), &"refused_value".into(), &"plan".into())
    );
    lab.sql("update people set plan = 'fine' where id = 2");
    assert_eq!(counts(&lab.sync(0), ["delivered"]), [1]);
    assert_eq!(lab.names(), ["Ada", "Bob", "Cyd"]);
}

#[test]
fn trouble_is_waited_out_and_lost_answers_are_made_good() {
    let lab = Lab::new();
    let faults = "[{do: status, code: 503, times: 1}, {do: status, code: 429, retry_after: 1, times: 1}, \
                  {do: lost_ack, times: 1}]";
    lab.write(faults, REQUESTS, "mode: mirror");
    assert_eq!(counts(&lab.sync(0), ["delivered", "retries"]), [3, 3]);
    assert_eq!(lab.names(), ["Ada", "Bob", "Cyd"]);
}

#[test]
fn a_200_that_no_rule_recognises_is_not_believed() {
    let lab = Lab::new();
    let careless = REQUESTS.replace("{pointer: /id, exists: true}", "{pointer: /result, equals: done}");
    lab.write("[]", &careless, "mode: mirror");
    let report = lab.sync(3);
    assert_eq!(counts(&report, ["sent", "delivered", "unknown", "requests"]), [3, 0, 3, 3], "{report}");
    // The rule is mended: what may have arrived is sent again, and counts now.
    lab.write("[]", REQUESTS, "mode: mirror");
    assert_eq!(counts(&lab.sync(0), ["delivered"]), [3]);
    assert_eq!(counts(&lab.sync(0), ["unchanged", "requests"]), [3, 0]);
}

#[test]
fn a_create_without_an_answer_waits_for_a_person() {
    let lab = Lab::new();
    let create = "\n  create: {method: POST, path: /people, body: '{\"name\": {{ fields.name | tojson }}}'}\n  \
                  success: {status: 201}\n";
    lab.write("[{do: lost_ack, times: 1}]", create, "mode: insert\ndelivery: {concurrency: 1}");
    let report = lab.sync(3);
    assert_eq!(counts(&report, ["delivered", "unknown", "requests"]), [2, 1, 3], "{report}");
    lab.write("[]", create, "mode: insert");
    assert_eq!(counts(&lab.sync(0), ["parked", "requests"]), [1, 0], "nothing is sent blindly");
    assert_eq!(lab.names(), ["Ada", "Bob", "Cyd"]);

    // To have it tried again is no way out: it stays as it is, and is told so.
    let retried = lab.run(&["retry", "people", "--format", "json"]).ends(0).json();
    assert_eq!(
        (&retried["syncs"][0]["released"], &retried["syncs"][0]["held"]),
        (&0.into(), &1.into()),
        "{retried}"
    );
    assert!(lab.run(&["retry", "people"]).ends(0).stdout.contains("1 row held as before"));
    assert_eq!(counts(&lab.sync(0), ["parked", "requests"]), [1, 0]);
    let status = lab.run(&["status", "--format", "json"]).ends(0).json()["syncs"][0].clone();
    assert_eq!(counts(&status, ["pending", "rejected", "parked"]), [0, 0, 1]);
    let told = lab.run(&["errors", "people"]).ends(0).stdout;
    assert!(told.contains("outflow resolve people") && !told.contains("outflow retry"), "{told}");

    let key = &lab.errors()[0]["key"];
    let other = lab.run(&["resolve", "people", "--key", "77", "--applied"]).ends(1);
    assert!(other.stderr.contains("OF-CLI-007") && other.stderr.contains(&key.to_string()), "{other:#?}");
    lab.run(&["resolve", "people", "--key", "1"]).ends(2);
    let key_text = key.to_string();
    let resolve = ["resolve", "people", "--key", key_text.as_str(), "--applied", "--format", "json"];
    let resolved = lab.run(&resolve).ends(0).json();
    assert_eq!(&resolved["syncs"][0]["key"], key, "{resolved}");
    assert_eq!(counts(&lab.sync(0), ["unchanged", "parked", "requests"]), [3, 0, 0]);
    assert_eq!(lab.errors().len(), 0);
    lab.run(&["resolve", "people", "--key", &key.to_string(), "--applied"]).ends(1);
}

#[test]
fn a_create_that_the_api_knows_again_is_simply_sent_again() {
    let lab = Lab::new();
    let create = "\n  create: {method: PUT, repeatable: true, path: '/people/{{ key.id }}', \
                  body: '{\"name\": {{ fields.name | tojson }}}'}\n  success: {status: [200, 201]}\n";
    lab.write("[{do: lost_ack, path: people/2}]", create, "mode: insert\ndelivery: {concurrency: 1}");
    assert_eq!(counts(&lab.sync(3), ["delivered", "unknown"]), [2, 1]);
    lab.write("[]", create, "mode: insert");
    assert_eq!(counts(&lab.sync(0), ["delivered", "parked", "requests"]), [1, 0, 1]);
    assert_eq!(counts(&lab.sync(0), ["unchanged", "requests"]), [3, 0]);
    assert_eq!(lab.names(), ["Ada", "Bob", "Cyd"]);
}

#[test]
fn a_create_that_did_not_happen_is_sent_once_a_person_says_so() {
    let lab = Lab::new();
    let create = "\n  create: {method: POST, path: /people, body: '{\"name\": {{ fields.name | tojson }}}'}\n  \
                  success: {status: 201}\n";
    lab.write("[{do: garbage, times: 1}]", create, "mode: insert\ndelivery: {concurrency: 1}");
    assert_eq!(counts(&lab.sync(3), ["delivered", "unknown"]), [2, 1]);
    lab.write("[]", create, "mode: insert");
    assert_eq!(counts(&lab.sync(0), ["parked", "requests"]), [1, 0]);
    let key = lab.errors()[0]["key"].as_object().unwrap().values().next().unwrap().clone();
    let key = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
    let run = lab.run(&["resolve", "people", "--key", &key, "--not-applied", "--format", "json"]).ends(0);
    assert_eq!(run.json()["syncs"][0]["resolved"], 1);
    assert_eq!(counts(&lab.sync(0), ["delivered", "parked", "requests"]), [1, 0, 1]);
    assert_eq!(counts(&lab.sync(0), ["unchanged", "requests"]), [3, 0]);
}

#[test]
fn wrong_credentials_stop_the_run() {
    let lab = Lab::new();
    let file = lab.folder.path().join("outflow.yml");
    let text = fs::read_to_string(&file).unwrap().replace("k3y-SECRET-k3y", "\"${API_KEY}\"");
    fs::write(&file, text).unwrap();
    let run =
        outflow_with(lab.folder.path(), &["sync", "--format", "json"], &[("API_KEY", "invalid")]).ends(1);
    let json = run.json();
    let report = &json["syncs"][0];
    assert_eq!((&report["error"]["kind"], &report["rejected"]), (&"auth".into(), &0.into()), "{json}");
}

#[test]
fn an_oauth_client_gets_its_token_once() {
    let lab = Lab::new();
    let file = lab.folder.path().join("outflow.yml");
    let key = "{method: header, name: X-Api-Key, value: k3y-SECRET-k3y}";
    let text = fs::read_to_string(&file).unwrap();
    for (secret, code) in [("s3-SECRET-s3", 0), ("invalid", 1)] {
        let app = format!(
            "{{method: client_credentials, token_url: /oauth/token, client_id: app, client_secret: {secret}}}"
        );
        fs::write(&file, text.replace(key, &app)).unwrap();
        let report = lab.sync(code);
        match code {
            0 => assert_eq!(counts(&report, ["delivered", "requests", "reads"]), [3, 3, 1], "{report}"),
            _ => assert_eq!(report["error"]["kind"], "auth", "{report}"),
        }
        lab.sql("update people set name = name || '!'");
    }
}

#[test]
fn an_audience_is_joined_and_left() {
    let lab = Lab::new();
    let list = "
  join: {method: PUT, path: '/lists/vip/people/{{ key.id }}'}
  leave: {method: DELETE, path: '/lists/vip/people/{{ key.id }}', absent: {status: 404}}
  success: {status: 200}
";
    lab.write("[]", list, "mode: audience");
    let mapping = lab.folder.path().join("mappings/people.yml");
    let text = fs::read_to_string(&mapping).unwrap().replace("fields: {name: name, plan: plan}\n", "");
    fs::write(&mapping, text).unwrap();
    assert_eq!(counts(&lab.sync(0), ["added", "delivered"]), [3, 3]);
    lab.sql("delete from people where id = 2");
    assert_eq!(counts(&lab.sync(0), ["removed", "delivered", "requests"]), [1, 1, 1]);
    let shown = lab.run(&["sandbox", "show", "--format", "json"]).ends(0).json();
    let people = shown["objects"]["http"]["people"].as_array().cloned().unwrap_or_default();
    // They are joined by several requests at once, in any order.
    let members = people.iter().filter(|p| p["archived"] == false).map(|p| p["id"].as_str().unwrap());
    assert_eq!(members.collect::<BTreeSet<_>>(), BTreeSet::from(["1", "3"]));
}

#[test]
fn check_tells_what_the_mapping_cannot_mean() {
    let lab = Lab::new();
    for (requests, more, words, line) in [
        (REQUESTS.replace("body:", "bodi:"), "mode: mirror", "`destination.request.bodi` is not known", 6),
        (REQUESTS.replace("fields |", "field |"), "mode: mirror", "names `field`", 6),
        (REQUESTS.replace("method: PUT", "method: POST"), "mode: mirror", "sent more than once", 6),
        (REQUESTS.replace("equals:", "equal:"), "mode: mirror", "`destination.delete.absent.when.equal`", 10),
        (REQUESTS.replace("status: 400", "status: [400, 4]"), "mode: mirror", "HTTP status from 200", 12),
        (REQUESTS.replace("  delete:", "  update:"), "mode: mirror", "cannot remove records", 3),
        (REQUESTS.to_owned(), "mode: insert", "cannot create records", 3),
        (REQUESTS.replace(": /id\n", ": id\n"), "mode: mirror", "JSON Pointer", 13),
    ] {
        lab.write("[]", &requests, more);
        let run = lab.run(&["check"]).ends(1);
        let place = format!("mappings/people.yml:{line}:");
        assert!(run.stderr.contains(words) && run.stderr.contains(&place), "{words} {line}: {run:#?}");
    }
}
