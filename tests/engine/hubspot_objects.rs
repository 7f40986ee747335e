//! Each kind of HubSpot object through its whole life, by each version of the API that answers differently.

use serde_json::Value as Json;

use super::portal::Portal;

const OBJECTS: [&str; 7] = ["contacts", "companies", "deals", "tickets", "products", "pets", "2-1234567"];

const SPEC: &str =
    "{external_id: {type: string, unique: true}, label: {type: string, refuse: blocked}, note: string}";
const FIELDS: &str = "fields: {label: name, note: note}\nguards: {max_delete: 100%, key_change: false}";

fn portal(connection: &str) -> Portal {
    let objects: Vec<String> = OBJECTS.iter().map(|object| format!("\"{object}\": {SPEC}")).collect();
    let portal = Portal::new(connection, &format!("{{{}}}", objects.join(", ")));
    mappings(&portal, "");
    portal
}

fn mappings(portal: &Portal, more: &str) {
    for object in OBJECTS {
        portal.mapping(object, "{external_id: code}", &format!("{FIELDS}\n{more}"));
    }
}

/// What every type of object holds: external id, label, note and whether it is archived, by its id.
#[track_caller]
fn all_hold(portal: &Portal, expected: &[(&str, Option<&str>, Option<&str>, bool)]) -> Vec<Vec<String>> {
    let text = |value: &Json| value.as_str().map(str::to_owned);
    let mut ids = Vec::new();
    for object in OBJECTS {
        let mut objects = portal.objects(object);
        objects.sort_by_key(|o| text(&o["properties"]["external_id"]));
        let held: Vec<_> = objects
            .iter()
            .map(|o| {
                let own = |name: &str| text(&o["properties"][name]);
                (own("external_id").unwrap_or_default(), own("label"), own("note"), o["archived"] == true)
            })
            .collect();
        let wanted: Vec<_> = expected
            .iter()
            .map(|(key, label, note, gone)| {
                ((*key).to_owned(), label.map(str::to_owned), note.map(str::to_owned), *gone)
            })
            .collect();
        assert_eq!(held, wanted, "{object}");
        ids.push(objects.iter().map(|o| text(&o["id"]).unwrap()).collect());
    }
    ids
}

fn whole_life(connection: &str) {
    let portal = portal(connection);
    for report in portal.sync(&[], 0) {
        assert_eq!((&report["delivered"], &report["requests"]), (&3.into(), &1.into()), "{report:#}");
    }
    let first = [
        ("k1", Some("One"), Some("n1"), false),
        ("k2", Some("Two"), Some("n2"), false),
        ("k3", Some("Three"), Some("n3"), false),
    ];
    let ids = all_hold(&portal, &first);

    // A change, a corrected key (the object is known by its id) and a null, which clears; one row is refused.
    portal.sql("update items set name = 'Uno' where id = 1; update items set code = 'k2b' where id = 2;
                update items set note = null where id = 3; insert into items values (4, 'k4', 'blocked', 'n4')");
    for report in portal.sync(&[], 3) {
        assert_eq!((&report["delivered"], &report["rejected"]), (&3.into(), &1.into()), "{report:#}");
    }
    let changed = [
        ("k1", Some("Uno"), Some("n1"), false),
        ("k2b", Some("Two"), Some("n2"), false),
        ("k3", Some("Three"), None, false),
    ];
    assert_eq!(all_hold(&portal, &changed), ids, "no object was made anew");
    portal.sql("delete from items where id = 4");

    mappings(&portal, "on_delete: clear");
    portal.sql("delete from items where id = 2");
    portal.sync(&[], 0);
    let cleared = [
        ("k1", Some("Uno"), Some("n1"), false),
        ("k2b", None, None, false),
        ("k3", Some("Three"), None, false),
    ];
    all_hold(&portal, &cleared);

    mappings(&portal, "on_delete: archive");
    portal.sql("delete from items where id = 3");
    portal.sync(&[], 0);
    let archived = [
        ("k1", Some("Uno"), Some("n1"), false),
        ("k2b", None, None, false),
        ("k3", Some("Three"), None, true),
    ];
    all_hold(&portal, &archived);
    let writes = portal.writes();
    portal.sync(&[], 0);
    assert_eq!(portal.writes(), writes, "an unchanged rerun sends nothing");
}

#[test]
fn every_object_lives_from_upsert_to_archive() {
    whole_life("token: pat-x");
}

#[test]
fn the_newest_version_tells_bad_rows_with_an_ordinary_status() {
    whole_life("token: pat-x\n    api_version: 2026-09");
}

#[test]
fn an_unknown_version_is_refused_with_those_there_are() {
    let portal = portal("token: pat-x\n    api_version: v9");
    let run = portal.run(&["check"]).ends(1);
    for word in ["`api_version` `v9`", "`v3`, `2025-09`, `2026-03` or `2026-09`", "`crm`"] {
        assert!(run.stderr.contains(word), "{word}: {}", run.stderr);
    }
}

#[test]
fn an_insert_creates_once_and_leaves_alone_what_is_there() {
    let portal = Portal::new("token: pat-x", &format!("{{pets: {SPEC}}}"));
    portal.mapping("pets", "{external_id: code}", &format!("mode: insert\n{FIELDS}"));
    portal.sync(&["--first-run"], 0);
    portal.sql(
        "update items set name = 'changed' where id = 1; insert into items values (4, 'k4', 'Four', 'n4')",
    );
    let report = &portal.sync(&[], 0)[0];
    assert_eq!(report["delivered"], 1, "{report:#}");
    let labels: Vec<_> = portal.objects("pets").iter().map(|o| o["properties"]["label"].clone()).collect();
    assert_eq!(labels, ["One", "Two", "Three", "Four"]);
}
