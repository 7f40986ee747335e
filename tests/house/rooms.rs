//! Who may know whom. The way of the data goes one way through the rooms, so that each can be read, tested and replaced
//! alone; the lists below are the whole of it.

use super::rust;
use super::tree::{self, File};

/// A room of `src/` and what it may name; a longer path allows that part of a room only.
const ROOMS: [(&str, &[&str]); 7] = [
    ("error", &[]),
    ("transform", &["error"]),
    ("project", &["error", "transform"]),
    ("ledger", &["error", "sync::event"]),
    ("sync", &["error", "project", "transform", "ledger"]),
    ("report", &["error", "sync::event", "project"]),
    ("cli", &["error", "project", "sync", "report", "ledger", "transform::fault"]),
];

/// Computes only: whatever these need from outside is handed to them.
const PURE: [&str; 4] = ["src/transform/", "src/sync/map/", "src/sync/plan/", "src/sync/check.rs"];

/// Ways out of the process, by the first part of their path.
const OUTSIDE: [&str; 7] =
    ["std::fs", "std::net", "std::process", "std::env", "tokio::", "rusqlite::", "reqwest::"];

/// Parts of the connectors' crate that every system shares; all other folders are systems.
pub const SHARED: [&str; 5] = ["contract", "http", "conformance", "sandbox", "sql"];

/// The two explicit lists of systems.
const LISTS: [&str; 2] = ["connectors/registry.rs", "connectors/sandbox/vendor.rs"];

#[test]
fn rooms_name_only_the_rooms_below_them() {
    assert_none(room_faults(&tree::rust_files(&["src"])));
}

#[test]
fn pure_stages_name_nothing_outside_the_process() {
    assert_none(purity_faults(&tree::rust_files(&["src"])));
}

#[test]
fn systems_do_not_name_each_other() {
    let systems: Vec<String> = tree::folders(&tree::root().join("connectors"))
        .into_iter()
        .filter(|name| !SHARED.contains(&name.as_str()))
        .collect();
    assert_none(system_faults(&tree::rust_files(&["connectors"]), &systems));
}

fn assert_none(faults: Vec<String>) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

fn room_faults(files: &[File]) -> Vec<String> {
    let mut faults = Vec::new();
    for file in files {
        let code = rust::code(&file.text);
        let inner = file.path.trim_start_matches("src/");
        let room = inner.split(['/', '.']).next().unwrap_or_default();
        if inner == "lib.rs" || inner == "main.rs" {
            continue;
        }
        let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == room) else {
            faults.push(format!("{}: `{room}` is no room of the house; give it a line in ROOMS", file.path));
            continue;
        };
        for (line, path) in rust::crate_paths(&code) {
            let full = path.join("::");
            let own = path.first().is_some_and(|first| first == room);
            let known = allowed.iter().any(|a| full == *a || full.starts_with(&format!("{a}::")));
            if !own && !known {
                faults.push(format!("{}:{line}: `{room}` may not name `crate::{full}`", file.path));
            }
        }
        let depth = inner.trim_end_matches("/mod.rs").matches('/').count() + 1;
        if code.contains(&vec!["super"; depth].join("::")) && depth > 1 {
            faults.push(format!("{}: a chain of `super` leaves the room; write `crate::`", file.path));
        }
    }
    faults
}

fn purity_faults(files: &[File]) -> Vec<String> {
    let mut faults = Vec::new();
    for file in files.iter().filter(|file| PURE.iter().any(|pure| file.path.starts_with(pure))) {
        if is_test(file, files) {
            continue;
        }
        for (number, line) in rust::code(&file.text).lines().enumerate() {
            let words = line.replace(' ', "");
            let grouped = words.contains("std::{") && ["fs", "net", "env"].iter().any(|w| words.contains(w));
            if let Some(outside) = OUTSIDE.iter().find(|outside| words.contains(**outside) || grouped) {
                faults.push(format!("{}:{}: a pure stage names `{outside}`", file.path, number + 1));
            }
        }
    }
    faults
}

/// The folder's contents page has it in test builds only.
fn is_test(file: &File, files: &[File]) -> bool {
    let (folder, name) = file.path.rsplit_once('/').unwrap_or_default();
    let declared = format!("#[cfg(test)]\nmod {};", name.trim_end_matches(".rs"));
    files.iter().any(|other| other.path == format!("{folder}/mod.rs") && other.text.contains(&declared))
}

fn system_faults(files: &[File], systems: &[String]) -> Vec<String> {
    let mut faults = Vec::new();
    for file in files.iter().filter(|file| !LISTS.contains(&file.path.as_str())) {
        let owner = file.path.trim_start_matches("connectors/").split('/').next().unwrap_or_default();
        let code = rust::code(&file.text);
        for (line, path) in rust::crate_paths(&code) {
            let named = path.first().map_or("", String::as_str);
            if named != owner && systems.iter().any(|system| system == named) {
                faults.push(format!("{}:{line}: only the registry may name `crate::{named}`", file.path));
            }
        }
        if code.contains("outflow::") {
            faults.push(format!("{}: the connectors do not know the engine", file.path));
        }
    }
    faults
}

#[cfg(test)]
mod samples {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn an_upward_edge_is_found() {
        let faults = room_faults(&[
            file(
                "src/ledger/snapshot.rs",
                "use crate::sync::event::Counts;\nuse crate::{error::Error, sync::plan::Plan};",
            ),
            file(
                "src/sync/deliver/delivery.rs",
                "fn f() { crate::report::print(\"crate::cli\") } // crate::cli",
            ),
            file("src/report/text.rs", "use crate::sync::event; use super::super::ledger;"),
            file("src/extras.rs", ""),
        ]);
        assert_eq!(
            faults,
            [
                "src/ledger/snapshot.rs:2: `ledger` may not name `crate::sync::plan::Plan`",
                "src/sync/deliver/delivery.rs:1: `sync` may not name `crate::report::print`",
                "src/report/text.rs: a chain of `super` leaves the room; write `crate::`",
                "src/extras.rs: `extras` is no room of the house; give it a line in ROOMS",
            ]
        );
    }

    #[test]
    fn a_pure_stage_that_reads_a_file_is_found() {
        let faults = purity_faults(&[
            file("src/sync/plan/planner.rs", "use std::collections::BTreeMap;\nuse std::{fmt, fs::File};"),
            file("src/transform/date.rs", "async fn f() { tokio::time::sleep(x).await }"),
            file("src/sync/deliver/delivery.rs", "use std::fs;"),
            file("src/transform/mod.rs", "mod date;\n#[cfg(test)]\nmod golden;"),
            file("src/transform/golden.rs", "fn f() { std::fs::read(x) }"),
        ]);
        assert_eq!(faults.len(), 2, "{faults:?}");
    }

    #[test]
    fn a_system_that_names_another_is_found() {
        let systems = ["hubspot".to_owned(), "salesforce".to_owned()];
        let faults = system_faults(
            &[
                file(
                    "connectors/hubspot/client.rs",
                    "use crate::hubspot::config; use crate::salesforce::errors;",
                ),
                file("connectors/http/client.rs", "use crate::hubspot::errors;"),
                file("connectors/registry.rs", "use crate::{hubspot, salesforce};"),
            ],
            &systems,
        );
        assert_eq!(faults.len(), 2, "{faults:?}");
    }
}
