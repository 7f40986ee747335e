//! Properties that a mapping sends and the account lacks: refused, or created where that is asked for.

use serde_json::{Value as Json, json};

use super::portal::Portal;

const OBJECTS: &str = "{contacts: {score: number}}";
const FIELDS: &str = "fields:
  firstname: name
  nick_name: note
  visits: {column: id, type: integer}
  is_new: {value: true, type: boolean}
  born: {value: '2001-02-03', type: date}
  seen: {value: '2026-01-02T03:04:05Z', type: datetime}
guards: {max_delete: 100%}";

fn portal(option: &str, fields: &str) -> Portal {
    let portal = Portal::new("token: pat-x", OBJECTS);
    portal.sql("update items set code = code || '@x.io'");
    mapping(&portal, option, fields);
    portal
}

fn mapping(portal: &Portal, option: &str, fields: &str) {
    portal.mapping("contacts", &format!("{{email: code}}{option}"), fields);
}

const ASKED: &str = ", create_missing_properties: true";

fn types(portal: &Portal) -> Vec<(String, String)> {
    let text = |value: &Json| value.as_str().unwrap().to_owned();
    let made = portal.objects("properties/contacts");
    let mut made: Vec<_> =
        made.iter().map(|p| (text(&p["properties"]["name"]), text(&p["properties"]["type"]))).collect();
    made.sort();
    made
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, kind)| ((*name).to_owned(), (*kind).to_owned())).collect()
}

#[test]
fn without_the_option_a_missing_property_is_an_error_that_names_it() {
    let portal = portal("", FIELDS);
    for command in [&["sync"][..], &["check", "--connect"], &["diff"]] {
        let run = portal.run(command).ends(1);
        for word in ["no field `nick_name`", "create_missing_properties: true", "mappings/to_contacts.yml:"] {
            assert!(run.stderr.contains(word), "{command:?} {word}: {}", run.stderr);
        }
    }
    assert!(portal.objects("contacts").is_empty());
}

#[test]
fn a_run_creates_them_once_and_a_preview_only_says_so() {
    let portal = portal(ASKED, FIELDS);
    let expected = json!([
        {"name": "nick_name", "type": "string"}, {"name": "visits", "type": "integer"},
        {"name": "is_new", "type": "boolean"}, {"name": "born", "type": "date"}, {"name": "seen", "type": "datetime"},
    ]);
    assert_eq!(portal.diff()["creates"], expected);
    let text = portal.run(&["diff"]).ends(0).stdout;
    assert!(text.contains("would create property `visits` (integer)"), "{text}");
    let check = portal.run(&["check", "--connect", "--format", "json"]).ends(0).json();
    let notes = check["diagnostics"].as_array().unwrap();
    assert_eq!(notes.len(), 5, "{check:#}");
    assert!(
        notes.iter().all(|note| note["severity"] == "warning" && note["code"] == "OF-MAP-007"),
        "{check:#}"
    );
    assert!(notes[0]["line"].as_u64().unwrap() > 2, "{check:#}");
    assert!(!portal.path().join(".outflow/ledger").exists());

    portal.sync(&[], 0);
    assert_eq!(
        types(&portal),
        pairs(&[
            ("born", "date"),
            ("is_new", "bool"),
            ("nick_name", "string"),
            ("seen", "datetime"),
            ("visits", "number")
        ])
    );
    let one = portal.objects("contacts")[0]["properties"].clone();
    let held = ["nick_name", "visits", "is_new", "born"].map(|name| one[name].as_str().unwrap().to_owned());
    assert_eq!(held, ["n1", "1", "true", "2001-02-03"]);
    let writes = portal.writes();
    assert_eq!(writes, 2, "one for the properties, one for the rows");
    assert!(portal.diff().get("creates").is_none());
    assert_eq!(portal.sync(&[], 0)[0]["sent"], 0);
    assert_eq!(portal.writes(), writes);
    let fields = portal.run(&["fields", "crm", "contacts", "--format", "json"]).ends(0).json();
    let listed = fields["fields"].as_array().unwrap();
    assert!(listed.iter().any(|field| field["name"] == "visits" && field["type"] == "number"));
}

#[test]
fn a_held_run_creates_nothing() {
    let portal = portal(ASKED, &format!("{FIELDS}\ntests: [{{not_null: [note]}}]"));
    portal.sql("update items set note = null where id = 2");
    portal.sync(&[], 4);
    assert!(types(&portal).is_empty());
}

#[test]
fn a_lost_answer_is_looked_after() {
    let portal = portal(ASKED, FIELDS);
    portal.connect(
        "token: pat-x",
        &format!("{OBJECTS}\n      faults: [{{do: lost_ack, path: batch/create, times: 1}}]"),
    );
    portal.sync(&[], 0);
    assert_eq!(types(&portal).len(), 5);
    assert_eq!(portal.objects("contacts").len(), 3);
}

#[test]
fn what_cannot_be_created_is_named_before_anything_is_sent() {
    let portal = portal(ASKED, "fields: {tags: {column: note, type: list}, nickName: note, firstname: name}");
    let run = portal.run(&["sync"]).ends(1);
    for word in
        ["`tags` is missing", "no property of the type `list`", "`nickName` is missing", "lower-case letters"]
    {
        assert!(run.stderr.contains(word), "{word}: {}", run.stderr);
    }
    assert!(types(&portal).is_empty());
    mapping(&portal, ", create_missing_properties: maybe", "fields: {firstname: name}");
    let run = portal.run(&["sync"]).ends(1);
    assert!(run.stderr.contains("must be `true` or `false`"), "{}", run.stderr);
}

#[test]
fn a_token_that_may_not_create_says_so_and_no_row_is_sent() {
    let portal = portal(ASKED, FIELDS);
    portal.connect("token: no-write-scope", OBJECTS);
    let report = &portal.sync(&[], 1)[0];
    assert!(
        report["error"]["message"].as_str().unwrap().contains("`crm.schemas.contacts.write`"),
        "{report:#}"
    );
    assert!(portal.objects("contacts").is_empty());
}
