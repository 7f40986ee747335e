//! The destination over a server: whole files or none, as their manifest says, whatever breaks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::proxy::{Proxy, Way};
use super::*;
use crate::conformance::handles::{self, Observed};
use crate::contract::{Destination, Outcome, RemoteHandle, RunContext};
use crate::files::config::Root;
use crate::files::destination::FilesDestination;
use crate::files::tests::delivery::run;
use crate::files::tests::stores::written::{Ledger, below, rows, submit, target};
use crate::sql::hex;

fn destination(place: &Place) -> FilesDestination {
    FilesDestination::new(Root::Sftp(Arc::new(place.remote())))
}

fn is_applied(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Applied { .. })
}

#[test]
fn a_server_behaves_as_every_destination_with_handles() {
    for name in ["sftp", "sftp_plain"] {
        let Some(place) = Place::of(name) else { return };
        let destination = destination(&place);
        let arrived = || {
            let seen = below(place.local.path()).into_iter().filter(|(name, _)| !name.starts_with('.'));
            seen.map(|(_, content)| String::from_utf8(content).unwrap().lines().count()).sum::<usize>()
        };
        let changes = || rows(4, 3);
        let subject =
            Observed { destination: &destination, target: target(json!({})), changes, arrived: &arrived };
        run(handles::run(&subject));
        let names: Vec<String> = below(place.local.path()).into_keys().collect();
        assert_eq!(names, ["people-run-2-0001.jsonl"], "{name}");
        assert_eq!(destination.traffic().writes, 1, "{name}");
    }
}

/// So many rows, each once, in parts that the manifest names as they are.
fn assert_whole(files: &BTreeMap<String, Vec<u8>>, rows: usize) {
    assert!(files.keys().all(|name| !name.starts_with('.')), "{:?}", files.keys());
    assert!(files.contains_key("all.done"), "{:?}", files.keys());
    let (_, manifest) = files.iter().find(|(name, _)| name.ends_with("manifest.json")).unwrap();
    let manifest: Json = serde_json::from_slice(manifest).unwrap();
    assert_eq!((&manifest["complete"], &manifest["rows"]), (&json!(true), &json!(rows)));
    let (mut told, mut ids) = (BTreeSet::new(), BTreeSet::new());
    for part in manifest["parts"].as_array().unwrap() {
        let name = part["name"].as_str().unwrap();
        let content = &files[name];
        assert_eq!(part["sha256"], hex(&Sha256::digest(content)), "{name}");
        assert!(part["bytes"] == content.len() && content.len() <= 5_000_000, "{name}: {part}");
        let lines: Vec<&str> = std::str::from_utf8(content).unwrap().lines().skip(1).collect();
        assert_eq!(part["rows"], lines.len(), "{name}");
        ids.extend(lines.iter().map(|line| line.split(',').nth(1).unwrap().to_owned()));
        told.insert(name.to_owned());
    }
    let parts: BTreeSet<String> = files.keys().filter(|name| name.ends_with(".csv")).cloned().collect();
    assert_eq!((told, ids.len()), (parts, rows));
}

#[test]
fn parts_arrive_as_their_manifest_says_over_connections_that_break() {
    let options = json!({"max_bytes": "5MB", "name": "{{ date }}/all-{{ part }}.csv", "manifest": true, "done": "all.done"});
    let (options, changes) = (target(options), rows(120, 100_000));
    for (way, cuts) in [
        (Way::ToServer, vec![700, 2_000_000, 3_000_000, 1_000_000, 500_000]),
        // Answers are short; see `transfer.rs`.
        (Way::ToClient, vec![3_000, 8_000, 7_000]),
    ] {
        let Some(place) = Place::of("sftp") else { return };
        let count = cuts.len();
        let proxy = Proxy::to(place.port(), way, cuts);
        let remote = destination(&place.by(proxy.port));
        submit(&remote, &options, &changes, &Ledger::default()).unwrap();
        assert!(proxy.taken() > count, "{} of {count} connections broke off", proxy.taken());
        assert_whole(&below(place.local.path()), changes.len());
    }
}

#[test]
fn what_a_crash_left_on_a_server_is_told_truly() {
    let Some(place) = Place::of("sftp") else { return };
    let (options, ledger) =
        (target(json!({"max_rows": 1, "name": "{{ date }}/{{ part }}.csv"})), Ledger::default());
    submit(&destination(&place), &options, &rows(2, 10), &ledger).unwrap();
    let kept = ledger.last();
    let settle = || {
        let (remote, changes) = (destination(&place), rows(2, 10));
        run(async {
            let session = remote.open(&options, RunContext::alone("b", "people")).await.unwrap();
            session.settle(&RemoteHandle(kept.clone()), &changes).await.unwrap().into_outcomes()
        })
    };
    let staged: Json = serde_json::from_str(&kept).unwrap();
    let hidden = place.at(staged["staged"]["parts"][1]["staged"].as_str().unwrap());
    let part = place.at("2026-07-27/0002.csv");
    let is_named = || part.is_file() && !hidden.exists();
    assert!(is_named());
    // Before the rename, and within it: OpenSSH gives the new name first.
    for was_begun in [false, true] {
        match was_begun {
            true => std::fs::hard_link(&part, &hidden).unwrap(),
            false => std::fs::rename(&part, &hidden).unwrap(),
        }
        assert!(settle().iter().all(is_applied) && is_named(), "{was_begun}");
    }
    // A server that lost the file says the same as one whose reader took it.
    std::fs::remove_file(&part).unwrap();
    let outcomes = settle();
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Unknown { .. })), "{outcomes:?}");
    assert!(place.at("2026-07-27/0001.csv").is_file());
    // A name that somebody else has is left alone.
    std::fs::write(&part, "somebody's").unwrap();
    let outcomes = settle();
    assert!(!outcomes.iter().any(is_applied), "{outcomes:?}");
    assert_eq!(std::fs::read(&part).unwrap(), b"somebody's");
}
