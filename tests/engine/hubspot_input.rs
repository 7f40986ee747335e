//! What users get wrong about an account: told before anything is sent, or for the one row.

use super::portal::Portal;
use crate::support::Served;

const OBJECTS: &str = "{contacts: {score: number, about: string, code: {type: string, unique: true}}}";

fn portal(connection: &str, more: &str) -> Portal {
    let portal = Portal::new(connection, OBJECTS);
    portal.sql("update items set code = code || '@x.io'");
    portal.mapping("contacts", "{email: code}", more);
    portal
}

/// Each command fails with these words, and nothing has arrived.
#[track_caller]
fn refused(portal: &Portal, commands: &[&[&str]], words: &[&str]) {
    for command in commands {
        let run = portal.run(command).ends(1);
        for word in words {
            assert!(run.stderr.contains(word), "{command:?}: `{word}` is missing: {}", run.stderr);
        }
    }
    assert!(!portal.path().join(".outflow/sandbox.db").exists() || portal.objects("contacts").is_empty());
}

#[test]
fn another_portal_holds_the_run_and_names_both_and_the_ways_on() {
    let portal = portal("token: pat-x", "fields: {firstname: name}");
    portal.sync(&[], 0);
    let other = Served::start(portal.path(), r#"{"limits": {"requests": "10000/10s"}}"#);
    let project = std::fs::read_to_string(portal.path().join("outflow.yml")).unwrap();
    let elsewhere = project.replace("base_url: sandbox", &format!("base_url: {}/hubspot", other.url));
    let elsewhere = elsewhere.split("    sandbox:\n").next().unwrap();
    portal.write("outflow.yml", elsewhere);
    let run = portal.run(&["sync"]).ends(4);
    for word in ["OF-RUN-011", "`sandbox`", "`hubspot:62515`", "ledger forget", "--accept-new-destination"] {
        assert!(run.stderr.contains(word), "`{word}` is missing: {}", run.stderr);
    }
    assert_eq!(other.writes(), 0);
    portal.sync(&["--accept-new-destination"], 0);
}

const ALL: &[&[&str]] = &[&["check", "--connect"], &["diff"], &["sync"]];

#[test]
fn a_missing_scope_is_named() {
    let portal = portal("token: no-schema-scope", "fields: {firstname: name}");
    refused(&portal, ALL, &["lacks the scope `crm.schemas.contacts.read`", "Private apps"]);
    portal.connect("token: no-write-scope", OBJECTS);
    portal.run(&["check", "--connect"]).ends(0);
    refused(&portal, &[&["sync"]], &["lacks the scope `crm.objects.contacts.write`", "Private apps"]);
}

#[test]
fn a_type_that_the_property_has_not_is_named_before_anything_is_sent() {
    let portal = portal("token: pat-x", "fields: {score: {column: name, type: string}}");
    refused(&portal, ALL, &["`score` is a number", "makes it a string", "to_contacts.yml:3"]);
    portal.mapping("contacts", "{email: code}", "fields: {score: name}");
    portal.sql("update items set name = id where id < 3");
    let report = &portal.sync(&[], 3)[0];
    assert_eq!(
        (&report["delivered"], &report["invalid"], &report["rejected"]),
        (&2.into(), &1.into(), &0.into())
    );
}

#[test]
fn a_match_key_that_is_not_unique_names_those_that_are() {
    let portal = portal("token: pat-x", "fields: {firstname: name}");
    portal.mapping("contacts", "{firstname: name}", "fields: {lastname: note}");
    refused(&portal, ALL, &["`firstname` cannot be matched on", "`code`, `email`", "to_contacts.yml:2"]);
}

#[test]
fn long_texts_arrive_byte_for_byte_and_longer_ones_than_hubspot_keeps_are_invalid() {
    let portal = portal("token: pat-x", "fields: {about: note}");
    let long = "ä\"\\\u{1F600}\n".repeat(2_000);
    assert_eq!(long.chars().count(), 10_000);
    let longest = "é".repeat(65_536);
    portal.sql(&format!(
        "update items set note = '{long}' where id = 1; update items set note = '{longest}' where id = 2;
         update items set note = '{longest}x' where id = 3"
    ));
    let report = &portal.sync(&[], 3)[0];
    assert_eq!(
        (&report["delivered"], &report["invalid"], &report["rejected"]),
        (&2.into(), &1.into(), &0.into())
    );
    let kept: Vec<_> = portal.objects("contacts").iter().map(|o| o["properties"]["about"].clone()).collect();
    assert_eq!(kept, [long, longest]);
    let errors = portal.run(&["errors", "to_contacts"]).ends(0).stdout;
    assert!(errors.contains("65537 characters") && errors.contains("65536"), "{errors}");
}

#[test]
fn more_rows_than_a_request_takes_are_refused_at_their_line() {
    let portal = portal("token: pat-x", "fields: {firstname: name}\ndelivery: {batch_rows: 500}");
    let words = ["`delivery.batch_rows` is 500", "at most 100", "to_contacts.yml:4:24"];
    refused(&portal, &[&["check"], &["sync"]], &words);
    portal.mapping("contacts", "{email: code}", "fields: {firstname: name}\ndelivery: {batch_rows: 100}");
    portal.sync(&[], 0);
}
