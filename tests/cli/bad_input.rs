//! Whatever is wrong, the message names the place and the way out, the exit code is the documented one, and nothing is
//! lost or half-written.

use std::fs;

use serde_json::Value as Json;

use super::world::{MAPPING_FILE, World};
use crate::support::Run;

/// The sync fails with this exit code and error code, and its message has all of these words; nothing arrived.
#[track_caller]
fn refused(world: &World, exit: i32, code: &str, words: &[&str]) -> Run {
    let run = world.run(&["sync", "--format", "json"]).ends(exit);
    let json = run.json();
    let error = if json["error"].is_object() { &json["error"] } else { &json["syncs"][0]["error"] };
    assert_eq!(error["code"], code, "{json:#}");
    assert!(error["message"].is_string(), "{error:#}");
    let text = world.run(&["sync"]).ends(exit);
    for word in words {
        assert!(text.stderr.contains(word), "`{word}` is missing: {text:#?}");
    }
    assert!(text.stderr.contains("= hint: "), "what to do is missing: {text:#?}");
    assert_eq!(run.stderr, "", "in JSON everything is on stdout");
    assert!(!world.path().join(".outflow/sandbox.db").exists() || world.contacts().is_empty());
    text
}

#[track_caller]
fn recovers(world: &World) {
    let sync = world.sync(0);
    assert_eq!(sync["delivered"], 3, "{sync:#}");
    assert_eq!(world.contacts().len(), 3);
}

#[test]
fn a_missing_warehouse_file() {
    let world = World::new();
    fs::rename(world.path().join("people.sqlite"), world.path().join("away")).unwrap();
    refused(&world, 1, "OF-SRC-001", &["people.sqlite", "does not exist"]);
    assert!(!world.path().join("people.sqlite").exists(), "an empty database was made");
    fs::rename(world.path().join("away"), world.path().join("people.sqlite")).unwrap();
    recovers(&world);
}

#[test]
fn wrong_yaml() {
    let world = World::new();
    world.edit(MAPPING_FILE, "mode: upsert", "mode: upsert\n\tbad: [");
    refused(&world, 1, "OF-CFG-003", &["mappings/people.yml:9", "OF-CFG-003"]);
    world.edit(MAPPING_FILE, "\n\tbad: [", "");
    recovers(&world);
}

#[test]
fn an_unknown_key_and_all_errors_at_once() {
    let world = World::new();
    world.edit(MAPPING_FILE, "mode: upsert", "mood: upsert");
    world.edit(MAPPING_FILE, "type: number", "type: nmber");
    let run = world.run(&["check"]).ends(1);
    for words in ["mappings/people.yml:9:1", "did you mean `mode`?", "mappings/people.yml:12", "nmber"] {
        assert!(run.stderr.contains(words), "`{words}` is missing: {run:#?}");
    }
    assert_eq!(run.stdout, "2 errors\n");
    let json = world.run(&["check", "--format", "json"]).ends(1).json();
    assert_eq!(json["diagnostics"].as_array().unwrap().len(), 2, "{json:#}");
    assert_eq!(json["diagnostics"][0]["line"], 9);
}

#[test]
fn an_unknown_column_in_a_mapping() {
    let world = World::new();
    world.edit(MAPPING_FILE, "firstname: name", "firstname: nmae");
    let run = refused(&world, 1, "OF-MAP-010", &["mappings/people.yml:11", "nmae", "name"]);
    assert!(run.stderr.contains("firstname: nmae"), "the line is shown: {run:#?}");
    let check = world.run(&["check", "--connect"]).ends(1);
    assert!(check.stderr.contains("OF-MAP-010"), "{check:#?}");
    world.edit(MAPPING_FILE, "nmae", "name");
    recovers(&world);
}

#[test]
fn an_unknown_field_of_the_destination() {
    let world = World::new();
    world.edit(MAPPING_FILE, "firstname: name", "frstname: name");
    refused(&world, 1, "OF-MAP-001", &["mappings/people.yml:11", "frstname", "firstname"]);
}

#[test]
fn no_such_table() {
    let world = World::new();
    world.edit(MAPPING_FILE, "from people", "from persons");
    refused(&world, 1, "OF-SRC-001", &["persons", "people"]);
    world.edit(MAPPING_FILE, "from persons", "from people");
    recovers(&world);
}

#[test]
fn an_unset_variable() {
    let world = World::new();
    world.edit("outflow.yml", "${HUBSPOT_TOKEN:-sandbox}", "${HUBSPOT_TOKEN}");
    refused(&world, 1, "OF-CFG-008", &["outflow.yml:7", "HUBSPOT_TOKEN", ".env"]);
    let run = world.run_with(&["sync", "--format", "json"], &[("HUBSPOT_TOKEN", "t")]).ends(0);
    assert_eq!(run.json()["syncs"][0]["delivered"], 3);
}

#[test]
fn what_contacts_nothing_needs_no_token() {
    let world = World::new();
    world.sync(0);
    world.edit("outflow.yml", "${HUBSPOT_TOKEN:-sandbox}", "${HUBSPOT_TOKEN}");
    let runs = world.run(&["runs", "--format", "json"]).ends(0).json();
    let id = runs["runs"][0]["run_id"].as_str().unwrap();
    for arguments in [
        &["show", id][..],
        &["status"],
        &["errors", "people"],
        &["retry", "people"],
        &["ledger", "stats"],
        &["ledger", "verify", "people"],
        &["explain", "OF-CFG-008"],
        &["sandbox", "show"],
        &["sandbox", "reset"],
    ] {
        world.run(arguments).ends(0);
    }
    for arguments in [&["check"][..], &["diff"], &["fields", "marketing", "contacts"]] {
        let run = world.run(arguments).ends(1);
        assert!(run.stderr.contains("OF-CFG-008"), "{run:#?}");
    }
}

#[test]
fn a_token_that_is_no_text_is_found_by_check() {
    let world = World::new();
    world.edit("outflow.yml", "token: \"${HUBSPOT_TOKEN:-sandbox}\"", "token: 12345");
    for arguments in [&["check"][..], &["check", "--connect"]] {
        let run = world.run(arguments).ends(1);
        assert!(
            run.stderr.contains("`token` must be a text") && run.stderr.contains("outflow.yml:4"),
            "{run:#?}"
        );
        assert_eq!(run.stderr.matches("error[").count(), 1, "{run:#?}");
    }
}

#[test]
fn a_state_folder_that_cannot_be_made() {
    let world = World::new();
    world.write(".outflow", "no folder\n");
    let json = world.run(&["sync", "--format", "json"]).ends(1).json();
    let sync = &json["syncs"][0];
    assert_eq!(
        (&sync["error"]["code"], &sync["error"]["kind"]),
        (&"OF-STA-001".into(), &"state".into()),
        "{json:#}"
    );
    assert_eq!((&json["sandbox"], &sync["sandbox"]), (&true.into(), &true.into()), "{json:#}");
    let text = world.run(&["sync"]).ends(1);
    assert!(
        text.stderr.contains("people: `") && text.stderr.contains("`state:` in outflow.yml"),
        "{text:#?}"
    );
}

#[test]
fn a_wrong_token() {
    let world = World::new();
    let run = world.run_with(&["sync", "--format", "json"], &[("HUBSPOT_TOKEN", "invalid")]).ends(1).json();
    assert_eq!(run["syncs"][0]["error"]["code"], "OF-DST-002", "{run:#}");
    assert_eq!(run["syncs"][0]["error"]["kind"], "auth");
    assert_eq!(world.contacts().len(), 0);
    recovers(&world);
}

#[test]
fn a_secret_is_never_printed() {
    let world = World::new();
    let secret = "pat-na1-5ecret-5ecret";
    world.edit("outflow.yml", "base_url: sandbox", "base_url: \"http://127.0.0.1:9\"");
    for arguments in [
        &["sync", "-vv"][..],
        &["diff", "-vv", "--format", "json"],
        &["check", "--connect", "-vv"],
        &["sync", "-vv", "--log-format", "json"],
    ] {
        let run = world.run_with(arguments, &[("HUBSPOT_TOKEN", secret)]).ends(1);
        assert!(!run.stdout.contains("5ecret") && !run.stderr.contains("5ecret"), "{run:#?}");
    }
    world.edit("outflow.yml", "token: \"${HUBSPOT_TOKEN:-sandbox}\"", &format!("token: {secret}, tokn: 1"));
    let run = world.run(&["check"]).ends(1);
    assert!(!run.stderr.contains("5ecret"), "{run:#?}");
}

#[test]
fn an_unreachable_host() {
    let world = World::new();
    world.edit("outflow.yml", "base_url: sandbox", "base_url: \"http://127.0.0.1:9\"");
    refused(&world, 1, "OF-DST-005", &["127.0.0.1", "base_url"]);
    world.edit("outflow.yml", "\"http://127.0.0.1:9\"", "sandbox");
    recovers(&world);
}

#[test]
fn a_ledger_that_is_locked_corrupt_or_newer() {
    let world = World::new();
    recovers(&world);
    world.sql("update people set name = 'Dan' where id = 1");
    let good = fs::read(world.ledger()).unwrap();
    let refused = |code: &str, words: &str| {
        for arguments in [&["sync"][..], &["diff"], &["errors", "people"]] {
            let run = world.run(arguments).ends(1);
            assert!(
                run.stderr.contains(code) && run.stderr.contains(words),
                "{code} {arguments:?}: {run:#?}"
            );
            assert!(run.stderr.contains("people.db"), "{run:#?}");
        }
        assert_eq!(world.contacts()["ann@example.com"], "Ann");
    };

    fs::write(
        world.ledger(),
        b"this is no database, but it is long enough to be taken for one at first sight",
    )
    .unwrap();
    refused("OF-STA-003", "not an SQLite database");
    fs::write(world.ledger(), &good[..good.len() / 2]).unwrap();
    refused("OF-STA-004", "damaged");
    fs::write(world.ledger(), &good).unwrap();
    let ledger = rusqlite::Connection::open(world.ledger()).unwrap();
    let version: i64 = ledger.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    ledger.pragma_update(None, "user_version", version + 1).unwrap();
    drop(ledger);
    refused("OF-STA-005", "newer");
    fs::write(world.ledger(), &good).unwrap();
    let sync = world.sync(0);
    assert_eq!((&sync["changed"], &sync["delivered"]), (&1.into(), &1.into()), "{sync:#}");
}

#[test]
fn a_ledger_locked_by_another_program() {
    let world = World::new();
    recovers(&world);
    let ledger = rusqlite::Connection::open(world.ledger()).unwrap();
    ledger.execute_batch("begin exclusive").unwrap();
    assert_eq!(world.sync(0)["unchanged"], 3, "nothing needs to be written");
    world.sql("update people set name = 'Ada' where id = 1");
    let run = world.run(&["sync"]).ends(1);
    assert!(run.stderr.contains("OF-STA-007") && run.stderr.contains("people.db"), "{run:#?}");
    drop(ledger);
    let after = world.sync(0);
    assert_eq!((&after["unchanged"], &after["delivered"]), (&2.into(), &1.into()));
}

#[test]
fn null_and_duplicate_keys() {
    let world = World::new();
    world.sql("insert into people values (null, 'dan@example.com', 'Dan', 4, null)");
    let sync = world.sync(3);
    assert_eq!((&sync["invalid"], &sync["delivered"]), (&1.into(), &3.into()), "{sync:#}");
    let errors = world.run(&["errors", "people", "--format", "json"]).ends(0).json();
    let row = &errors["errors"][0];
    assert_eq!((&row["kind"], &row["sync"]), (&"invalid".into(), &"people".into()), "{errors:#}");
    assert!(row["message"].as_str().unwrap().contains("null"), "{errors:#}");

    world.sql("delete from people where id is null; insert into people values (2, 'eve@example.com', 'Eve', 5, null)");
    let held = world.sync(1);
    assert_eq!(held["error"]["code"], "OF-RUN-013", "{held:#}");
    assert!(held["error"]["message"].as_str().unwrap().contains("{\"id\":2}"), "{held:#}");
    assert_eq!(held["requests"], 0);
    assert_eq!(world.contacts().len(), 3);

    // The preview tells the same, and with `--exit-code` ends as the run.
    let shown = world.run(&["diff"]).ends(0);
    assert!(shown.stdout.contains("would fail: ") && shown.stdout.contains("OF-RUN-013"), "{shown:#?}");
    let preview = world.diff();
    assert_eq!(preview["would_fail"]["code"], "OF-RUN-013", "{preview:#}");
    world.run(&["diff", "--exit-code"]).ends(1);
}

#[test]
fn cells_no_destination_should_see() {
    let world = World::new();
    world.sql("insert into people values (4, 'dan@example.com', cast(x'ff41' as text), 4, null)");
    world.sql("insert into people values (5, 'eve@example.com', 'a' || char(0) || 'b', 5, null)");
    world.sql("insert into people values (6, 'fay@example.com', replace(hex(zeroblob(1048576)), '00', 'xy'), 6, null)");
    world.sql("insert into people values (7, 'gus@example.com', 'Gus', 'many', null)");
    let run = world.run(&["sync"]).ends(3);
    assert!(run.stdout.len() < 4_000 && !run.stdout.contains('\0'), "{run:#?}");
    let errors = world.run(&["errors", "people", "--format", "json"]).ends(0).json();
    let refused: Vec<(u64, &str)> = errors["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["key"]["id"].as_u64().unwrap_or(0), row["message"].as_str().unwrap_or_default()))
        .collect();
    let message = |id: u64| refused.iter().find(|(key, _)| *key == id).map(|(_, m)| *m);
    assert!(message(4).is_some_and(|m| m.contains("UTF-8")), "{errors:#}");
    assert!(message(7).is_some_and(|m| m.contains("number")), "{errors:#}");
    let arrived = world.contacts();
    assert_eq!(arrived.len() + refused.len(), 7, "{arrived:?} {refused:?}");
    for id in 1..=3 {
        assert_eq!(message(id), None);
    }
    world.sql("update people set name = 'Mended', score = 1 where id > 3");
    assert_eq!(world.sync(0)["delivered"], 4);
    assert_eq!(world.contacts().len(), 7);
}

#[test]
fn one_row_that_the_destination_refuses_costs_only_itself() {
    let world = World::new();
    world.edit(MAPPING_FILE, "match_on: {email: email}", "match_on: {email: email}  # refused");
    world.sql("update people set email = 'not an address' where id = 2");
    let sync = world.sync(3);
    assert_eq!((&sync["delivered"], &sync["rejected"]), (&2.into(), &1.into()), "{sync:#}");
    let rows = world.run(&["errors", "people", "--format", "json"]).ends(0).json();
    let row = &rows["errors"][0];
    assert_eq!(
        (&row["kind"], &row["key"]["id"], &row["attempts"]),
        (&"rejected".into(), &2.into(), &1.into())
    );
    let code = row["code"].as_str().unwrap();
    world.run(&["explain", code]).ends(0);
    let text = world.run(&["errors", "people", "--export", "refused.csv"]).ends(0);
    assert!(text.stdout.starts_with(code), "{text:#?}");
    let csv = fs::read_to_string(world.path().join("refused.csv")).unwrap();
    assert!(csv.starts_with("sync,kind,key,field,code,message,attempts,parked,first_seen,last_seen,run_id\npeople,rejected,\"{\"\"id\"\":2}\","), "{csv}");
    assert_eq!(world.run(&["status", "--format", "json"]).ends(0).json()["syncs"][0]["rejected"], 1);
    let retry = world.run(&["retry", "people", "--format", "json"]).ends(0).json();
    assert_eq!(retry["syncs"][0]["released"], 1);

    world.sql("update people set email = 'bob@example.com' where id = 2");
    assert_eq!(world.sync(0)["delivered"], 1);
    assert_eq!(world.contacts().len(), 3);
    let rows: Json = world.run(&["errors", "people", "--format", "json"]).ends(0).json();
    assert_eq!(rows["errors"], Json::Array(vec![]));
}
