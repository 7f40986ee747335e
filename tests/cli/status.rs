//! `status` and the care of ledgers, when runs stopped early or a ledger is damaged.

use std::fs;

use serde_json::Value as Json;

use super::world::{MAPPING_FILE, World};

/// The entry of one sync, from a command that ends with this code.
#[track_caller]
fn entry(world: &World, arguments: &[&str], code: i32, sync: &str) -> Json {
    let json = world.run(&[arguments, &["--format", "json"]].concat()).ends(code).json();
    let entries = json["syncs"].as_array().unwrap_or_else(|| panic!("no syncs: {json:#}"));
    entries
        .iter()
        .find(|entry| entry["sync"] == sync)
        .unwrap_or_else(|| panic!("no {sync}: {json:#}"))
        .clone()
}

#[track_caller]
fn pending(world: &World) -> u64 {
    entry(world, &["status"], 0, "people")["pending"].as_u64().unwrap()
}

/// A run that comes as far as the login.
fn stop_early(world: &World) {
    world.run_with(&["sync"], &[("HUBSPOT_TOKEN", "invalid")]).ends(1);
}

#[test]
fn what_a_run_left_waits_although_the_next_one_ended_before_it_read_anything() {
    let world = World::new();
    world.run(&["sync", "--limit", "1"]).ends(0);
    stop_early(&world);
    assert_eq!(pending(&world), 2);
    world.run(&["backfill", "people", "--where", "id = 1"]).ends(0);
    assert_eq!(pending(&world), 2, "the backfill was of another row");
    world.sync(0);
    assert_eq!(pending(&world), 0);
    stop_early(&world);
    assert_eq!(pending(&world), 0);
}

#[test]
fn rows_whose_answers_were_lost_wait_and_are_counted_once() {
    let world = World::new();
    world.edit(MAPPING_FILE, "mode: upsert", "mode: insert");
    let fault = "    sandbox:\n      faults: [{do: lost_ack, path: batch/create}]\n";
    world.edit("outflow.yml", "    sandbox:\n", fault);
    assert_eq!(world.sync(3)["unknown"], 3);
    assert_eq!(pending(&world), 3);
    stop_early(&world);
    assert_eq!(pending(&world), 3);
    world.edit("outflow.yml", fault, "    sandbox:\n");
    world.sync(0);
    assert_eq!(pending(&world), 0);
}

#[cfg(debug_assertions)]
#[test]
fn rows_in_flight_wait_although_their_run_was_killed() {
    let world = World::new();
    let died = world.run_with(&["sync", "-q"], &[("OUTFLOW_REHEARSE", "deliver.answered:1")]);
    assert_eq!(died.code, -1, "{died:#?}");
    assert_eq!(pending(&world), 3);
}

#[test]
fn a_damaged_ledger_hides_no_other_sync() {
    let world = World::new();
    let mapping = fs::read_to_string(world.path().join(MAPPING_FILE)).unwrap();
    world.write("mappings/others.yml", &mapping);
    world.run(&["sync"]).ends(0);
    let good = fs::read(world.ledger()).unwrap();
    fs::write(world.ledger(), &good[..good.len() / 2]).unwrap();
    for command in [&["status"][..], &["ledger", "stats"], &["ledger", "verify"]] {
        let damaged = entry(&world, command, 1, "people");
        assert_eq!(damaged["error"]["code"], "OF-STA-004", "{command:?}: {damaged:#}");
        let other = entry(&world, command, 1, "others");
        assert!(other.get("error").is_none(), "{command:?}: {other:#}");
        let text = world.run(command).ends(1);
        assert!(text.stdout.contains("others"), "{text:#?}");
        assert!(text.stderr.contains("OF-STA-004") && text.stderr.contains("people"), "{text:#?}");
    }
    assert_eq!(entry(&world, &["ledger", "verify"], 1, "others")["entries"], 3);
    assert_eq!(entry(&world, &["ledger", "verify", "others"], 0, "others")["entries"], 3);
}
