//! The repository's own project, as a newcomer runs it.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;
use serde_json::Value as Json;

use super::world::{files, identities};
use crate::support::{outflow, quickstart};

/// A count of each sync, by the sync's name: a new connector brings a mapping more.
fn counts(json: &Json, name: &str) -> BTreeMap<String, u64> {
    let syncs = json["syncs"].as_array().unwrap().iter();
    syncs.map(|sync| (sync["sync"].as_str().unwrap().to_owned(), sync[name].as_u64().unwrap())).collect()
}

/// The contacts alone.
fn contacts(count: u64) -> impl Fn((&String, &u64)) -> bool {
    move |(sync, found)| *found == if *sync == CONTACTS { count } else { 0 }
}

const CONTACTS: &str = "contacts_to_hubspot";

#[test]
fn everything_arrives_then_nothing_then_only_what_changed() {
    let project = quickstart();
    let sync = || {
        let json = outflow(project.path(), &["sync", "--format", "json"]).ends(0).json();
        identities(&json);
        json
    };
    let first = sync();
    assert_eq!(first["sandbox"], true);
    let rows = counts(&first, "rows_read");
    assert_eq!((rows["companies_to_hubspot"], rows[CONTACTS]), (10, 59));
    assert!(rows.values().all(|rows| *rows > 0), "{rows:?}");
    assert_eq!(counts(&first, "delivered"), rows);
    assert_eq!(counts(&first, "added"), rows);

    let second = sync();
    assert!(counts(&second, "requests").iter().all(contacts(0)), "{second}");
    assert_eq!(counts(&second, "unchanged"), rows);

    let warehouse = Connection::open(project.path().join("fixtures/chinook.sqlite")).unwrap();
    warehouse
        .execute("update Customer set Phone = '+1' || CustomerId where CustomerId in (3, 17, 41)", [])
        .unwrap();
    drop(warehouse);
    let preview = outflow(project.path(), &["diff", "--format", "json"]).ends(0).json();
    assert!(counts(&preview, "changed").iter().all(contacts(3)), "{preview}");
    let mut previews = preview["syncs"].as_array().unwrap().iter();
    let preview = previews.find(|preview| preview["sync"] == CONTACTS).unwrap();
    let sample = preview["sample"].as_array().unwrap().clone();
    let keys: BTreeSet<u64> = sample.iter().map(|c| c["key"]["customer_id"].as_u64().unwrap()).collect();
    assert_eq!(keys, BTreeSet::from([3, 17, 41]));
    assert!(
        sample.iter().all(|c| c["op"] == "change" && c["fields"].as_object().unwrap().len() == 1),
        "{sample:#?}"
    );

    let third = sync();
    assert!(counts(&third, "sent").iter().all(contacts(3)), "{third}");
    assert!(counts(&third, "requests").iter().all(contacts(1)), "{third}");
    let shown = outflow(project.path(), &["sandbox", "show", "--format", "json"]).ends(0).json();
    let contacts = shown["objects"]["hubspot"]["contacts"].as_array().unwrap();
    assert_eq!(contacts.len(), 59);
    let renewed = contacts.iter().filter(|c| {
        c["properties"]["phone"].as_str().unwrap_or("").starts_with("+1")
            && c["properties"]["phone"].as_str().unwrap_or("").len() <= 4
    });
    assert_eq!(renewed.count(), 3);
}

#[test]
fn the_fields_of_every_sandboxed_destination_are_listed() {
    let project = quickstart();
    let all = outflow(project.path(), &["connectors", "--format", "json"]).ends(0).json();
    let connectors = all["connectors"].as_array().unwrap().iter();
    for connector in connectors.filter(|c| c["sandbox"] == true) {
        let name = connector["type"].as_str().unwrap();
        let objects = connector["objects"].as_array().unwrap().iter().map(|object| object.as_str().unwrap());
        // Some are described and not named, as `any other sObject`.
        for object in objects.filter(|object| !object.contains(' ')) {
            let listed =
                outflow(project.path(), &["fields", name, object, "--format", "json"]).ends(0).json();
            assert!(!listed["fields"].as_array().unwrap().is_empty(), "{name} {object}");
        }
    }
}

#[test]
fn a_preview_changes_no_byte() {
    let project = quickstart();
    let before = files(project.path());
    for arguments in [
        &["diff"][..],
        &["sync", "--dry-run"],
        &["diff", "--format", "json", "--full-refresh"],
        &["check", "--connect"],
    ] {
        outflow(project.path(), arguments).ends(0);
        let after = files(project.path());
        let paths = |of: &std::collections::BTreeMap<std::path::PathBuf, Vec<u8>>| {
            of.keys().cloned().collect::<Vec<_>>()
        };
        assert_eq!(paths(&before), paths(&after), "{arguments:?}");
        assert!(before == after, "{arguments:?} changed a file's content");
    }
    outflow(project.path(), &["sync"]).ends(0);
    let before = files(project.path());
    outflow(project.path(), &["diff"]).ends(0);
    let mut after = files(project.path());
    after.retain(|path, _| before.contains_key(path) || !path.to_string_lossy().ends_with("-shm"));
    assert!(before == after, "a preview changed a file's content");
}

#[test]
fn what_is_printed_for_people() {
    let project = quickstart();
    let first = outflow(project.path(), &["sync"]).ends(0);
    assert_eq!(first.stderr, "");
    assert!(first.stdout.contains("contacts_to_hubspot   warehouse: customers → hubspot: contacts   upsert on email   [sandbox]\n  ok   + 59 added\n  59 delivered in 1 request, "), "{first:#?}");
    let second = outflow(project.path(), &["sync", "contacts_to_hubspot"]).ends(0);
    assert!(second.stdout.contains("  ok   = 59 unchanged\n  nothing sent, "), "{second:#?}");
    assert!(!second.stdout.contains("companies"), "{second:#?}");
    let preview = outflow(project.path(), &["diff"]).ends(0);
    assert!(
        preview
            .stdout
            .contains("  + 0 add   ~ 0 change   - 0 remove   = 59 unchanged\n  forecast: nothing to send\n"),
        "{preview:#?}"
    );
}

#[test]
fn the_project_is_found_from_below_and_by_name() {
    let project = quickstart();
    outflow(&project.path().join("models"), &["check"]).ends(0);
    let elsewhere = tempfile::tempdir().unwrap();
    let folder = project.path().to_str().unwrap();
    outflow(elsewhere.path(), &["--project-dir", folder, "check"]).ends(0);
    let lost = outflow(elsewhere.path(), &["check", "--format", "json"]).ends(1).json();
    assert_eq!(lost["diagnostics"][0]["code"], "OF-CFG-001");
    let run = outflow(elsewhere.path(), &["sync", "--format", "json"]).ends(1).json();
    assert_eq!((&run["error"]["code"], &run["syncs"]), (&"OF-CFG-001".into(), &Json::Array(vec![])));
}

#[test]
fn syncs_are_selected_by_expressions() {
    let project = quickstart();
    let names = |arguments: &[&str]| {
        let all = [arguments, &["--format", "json"]].concat();
        let json = outflow(project.path(), &all).ends(0).json();
        json["syncs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|s| s["sync"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let both = ["companies_to_hubspot", "contacts_to_hubspot"];
    assert_eq!(names(&["diff", "--select", "tag:crm"]), both);
    assert_eq!(names(&["diff", "--select", "+contacts_to_hubspot"]), both);
    assert_eq!(names(&["diff", "--select", "tag:crm", "--exclude", "companies_to_hubspot"]), both[1..]);
    assert_eq!(names(&["status", "contacts_to_hubspot"]), both[1..]);
    let wrong = outflow(project.path(), &["diff", "contacts_to_hubspt"]).ends(2);
    assert!(wrong.stderr.contains("contacts_to_hubspot"), "{wrong:#?}");
}
