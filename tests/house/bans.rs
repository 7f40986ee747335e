//! Where a ban of `clippy.toml` may be lifted. Everywhere else its replacement is to be used.

use super::rust;
use super::tree::{self, File};

/// A lint and the files, by the beginning of their path, that may allow it.
const LIFTED: [(&str, &[&str]); 8] = [
    (
        "disallowed_methods",
        &[
            "connectors/lib.rs",
            "connectors/http/",
            "src/lib.rs",
            "src/project/secrets",
            "src/report/",
            "tests/main.rs",
        ],
    ),
    (
        "disallowed_macros",
        &["connectors/lib.rs", "src/lib.rs", "src/report/", "tests/main.rs", "xtask/src/main.rs"],
    ),
    ("too_many_lines", &[]),
    ("too_many_arguments", &[]),
    ("unwrap_used", &["tests/main.rs"]),
    ("panic", &["connectors/conformance/", "tests/main.rs"]),
    ("exit", &[]),
    ("await_holding_lock", &[]),
];

#[test]
fn bans_are_lifted_only_where_it_is_agreed() {
    let faults = faults(&tree::rust_files(&["src", "connectors", "tests", "xtask"]));
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

fn faults(files: &[File]) -> Vec<String> {
    let mut faults = Vec::new();
    for file in files {
        for (number, line) in rust::code(&file.text).lines().enumerate() {
            for (lint, places) in LIFTED {
                let name = format!("clippy::{lint}");
                let named = line.match_indices(&name).any(|(at, _)| {
                    !line[at + name.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_')
                });
                if named && !places.iter().any(|place| file.path.starts_with(place)) {
                    faults.push(format!("{}:{}: lifts `{name}`", file.path, number + 1));
                }
            }
        }
    }
    faults
}

#[test]
fn a_lifted_ban_is_found() {
    let file = |path: &str, text: &str| File { path: path.into(), text: text.into() };
    let bad =
        file("src/sync/deliver/delivery.rs", "#[allow(clippy::disallowed_macros)]\nfn f() { println!() }");
    let good = file("src/report/text.rs", "#[allow(clippy::disallowed_macros)] // clippy::exit\nfn f() {}");
    assert_eq!(faults(&[bad, good]), ["src/sync/deliver/delivery.rs:1: lifts `clippy::disallowed_macros`"]);
}
