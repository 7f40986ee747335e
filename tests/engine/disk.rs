//! Disks that are full and folders that cannot be written.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::Value as Json;

use super::lab::{Lab, counts};
use super::scenarios::{SCENARIOS, serve};
use crate::support::Run;

/// Runs `sync` through a shell or another wrapper; its own words come first.
fn sync_within(lab: &Lab, wrapper: &[&str]) -> Run {
    let output = Command::new(wrapper[0])
        .args(&wrapper[1..])
        .args([
            env!("CARGO_BIN_EXE_outflow"),
            "sync",
            "--format",
            "json",
            "--allow-changes",
            "--allow-deletes",
        ])
        .current_dir(lab.path())
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .output()
        .unwrap();
    Run {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Code and text of what stopped the run.
fn error(run: &Run) -> (String, Json) {
    let json = run.json();
    let error = if json["error"].is_object() { &json["error"] } else { &json["syncs"][0]["error"] };
    (error["code"].as_str().unwrap_or_else(|| panic!("no error: {run:#?}")).to_owned(), error.clone())
}

/// No file may grow past a limit, as on a disk with so much room left: the ledger, its write-ahead log and the spool all
/// meet it, each where its size comes first.
#[test]
fn a_full_disk_stops_a_run_with_an_error_and_loses_nothing() {
    let mut codes = BTreeSet::new();
    for name in ["first run", "mirror"] {
        let scenario = SCENARIOS.iter().find(|scenario| scenario.name == name).unwrap();
        let prepared = scenario.prepare();
        for kilobytes in [4, 12, 20, 40, 60, 80, 100, 130, 160, 200, 240, 300, 400] {
            let mut lab = prepared.copy();
            let server = serve(&mut lab);
            let limit = format!("trap '' XFSZ; ulimit -f {kilobytes}; exec \"$@\"");
            let run = sync_within(&lab, &["bash", "-c", &limit, "sync"]);
            assert!((0..=8).contains(&run.code), "with {kilobytes} kB the process died: {run:#?}");
            if run.code != 0 {
                let (code, error) = error(&run);
                assert!(code.starts_with("OF-STA-"), "with {kilobytes} kB: {error}");
                codes.insert((code, run.json()["syncs"][0]["sent"].as_u64().is_some_and(|sent| sent > 0)));
            }
            let flags = ["--allow-changes", "--allow-deletes", "--allow-key-change"];
            let report = lab.sync_with(&flags, 0);
            assert_eq!(report["pending"], 0);
            scenario.assert_delivered(&lab);
            let writes = server.writes();
            lab.sync(0);
            assert_eq!(server.writes(), writes);
        }
    }
    let met = |code: &str, sent| codes.contains(&(code.to_owned(), sent));
    assert!(met("OF-STA-020", false), "the spool never met the limit: {codes:?}");
    // Past the limit of a file SQLite knows of a failed write, not of a full disk.
    assert!(met("OF-STA-008", false), "no ledger met the limit before anything was sent: {codes:?}");
    assert!(met("OF-STA-008", true), "no ledger met the limit during the delivery: {codes:?}");
}

fn protect(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Permissions bind the superuser as well, once these capabilities are given up.
const BOUND: [&str; 3] = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"];

fn bound() -> &'static [&'static str] {
    let id = Command::new("id").arg("-u").output().unwrap().stdout;
    if id.starts_with(b"0") { &BOUND } else { &["env"] }
}

#[test]
fn a_folder_that_cannot_be_written_sends_nothing() {
    let scenario = SCENARIOS.iter().find(|scenario| scenario.name == "steady").unwrap();
    let mut lab = scenario.prepare();
    let server = serve(&mut lab);
    let writes = server.writes();
    let state = lab.file(".outflow");
    for (paths, folder) in [(vec!["state.db"], 0o700), (vec!["ledger/people.db"], 0o700), (vec![], 0o500)] {
        for path in &paths {
            protect(&state.join(path), 0o400);
        }
        protect(&state, folder);
        let run = sync_within(&lab, bound());
        protect(&state, 0o700);
        for path in &paths {
            protect(&state.join(path), 0o600);
        }
        assert_eq!(run.code, 1, "{run:#?}");
        let (code, error) = error(&run);
        assert!(code.starts_with("OF-STA-"), "{error}");
        assert_eq!(server.writes(), writes, "something was sent although {paths:?} cannot be written");
    }
    assert_eq!(counts(&lab.sync(0), ["pending", "deferred"]), [0, 0]);
    scenario.assert_delivered(&lab);
}
