//! Disks that are truly full or cannot be written: small ones of their own, mounted where the state folder, a part of it,
//! or the folder of a files destination would be.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value as Json;

use super::lab::{Lab, check_identities, copy_into};
use super::matrix::{UNSETTLED, held, touched};
use super::parts::Folder;
use super::remotes::Project;
use super::scenarios::{BATCH, SCENARIOS, Scenario, serve};
use crate::support::{Run, SmallDisk};

/// A run after the disk has room again.
const FLAGS: [&str; 3] = ["--allow-changes", "--allow-deletes", "--allow-key-change"];
const SYNC: [&str; 6] =
    ["sync", "--format", "json", "--allow-changes", "--allow-deletes", "--allow-key-change"];

fn scenario(name: &str) -> &'static Scenario {
    SCENARIOS.iter().find(|scenario| scenario.name == name).unwrap()
}

/// Gives the lab a state folder `disk` on a disk of its own, or only a part of it; the account of the destination stays
/// where it is.
fn mount(lab: &mut Lab, part: &str, kilobytes: u64) -> Option<SmallDisk> {
    let (state, part) = (lab.file("disk"), lab.file(part));
    copy_into(&lab.file(".outflow"), &state);
    for ending in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(state.join(format!("sandbox.db{ending}"))); // not all are there
    }
    lab.project += "\nstate: disk";
    lab.write();
    mount_over(&part, kilobytes)
}

/// Mounts a disk over a folder and puts the folder's files on it.
fn mount_over(folder: &Path, kilobytes: u64) -> Option<SmallDisk> {
    let away = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder).unwrap();
    copy_into(folder, away.path());
    let disk = SmallDisk::over(folder, kilobytes)?;
    copy_into(away.path(), folder);
    Some(disk)
}

/// The error that stopped a run.
fn error(run: &Run) -> Json {
    let json = run.json();
    let error = if json["error"].is_object() { &json["error"] } else { &json["syncs"][0]["error"] };
    assert!(error.is_object(), "no error: {run:#?}");
    error.clone()
}

/// Where a run met the end of the disk, and whether it had sent anything.
type Met = BTreeSet<(&'static str, bool)>;

/// What an error names, with its code.
const PLACES: [(&str, &str); 3] =
    [("state.db", "OF-STA-006"), ("people.db", "OF-STA-006"), ("spool", "OF-STA-020")];

fn place(error: &Json) -> &'static str {
    let message = error["message"].as_str().unwrap();
    let (place, code) = PLACES.iter().find(|(place, _)| message.contains(place)).unwrap();
    assert_eq!(error["code"], *code, "{error}");
    assert!(message.contains("/disk") && error["hint"].as_str().unwrap().contains("space"), "{error}");
    place
}

/// Runs with so much room left on the disk, and again when there is enough.
fn fill(name: &str, part: &str, room: &[u64]) -> Option<Met> {
    let scenario = scenario(name);
    let prepared = scenario.prepare();
    let mut met = Met::new();
    for kilobytes in room {
        let mut lab = prepared.copy();
        let disk = mount(&mut lab, part, 8 * 1024)?;
        let server = serve(&mut lab);
        let start = held(&lab);
        disk.leave(*kilobytes);
        let run = lab.run(&SYNC);
        if run.code != 0 {
            assert_eq!(run.code, 1, "{run:#?}");
            let sent = run.json()["syncs"][0]["sent"].as_u64().is_some_and(|sent| sent > 0);
            let place = place(&error(&run));
            println!(
                "{name}, {kilobytes} kB on {part}: {place}, {}",
                if sent { "sent" } else { "nothing sent" }
            );
            met.insert((place, sent));
        }
        let middle = held(&lab);
        disk.clear();
        assert_eq!(lab.sync_with(&FLAGS, 0)["pending"], 0);
        scenario.assert_delivered(&lab);
        let (before, after) = (touched(&start, &middle), touched(&middle, &held(&lab)));
        let twice: Vec<_> = before.intersection(&after).collect();
        assert!(twice.len() <= BATCH.0 * UNSETTLED, "more was sent twice than was in flight: {twice:?}");
        let writes = server.writes();
        lab.sync(0);
        assert_eq!(server.writes(), writes);
    }
    Some(met)
}

#[test]
fn a_state_folder_without_room_is_told_and_nothing_more_is_sent() {
    let room = [0, 4, 16, 64, 128, 192, 384, 448, 512, 640, 704, 768, 832, 896, 1024, 1152, 1280];
    let Some(met) = fill("first run", "disk", &room) else { return };
    for place in [("state.db", false), ("people.db", false), ("people.db", true), ("spool", false)] {
        assert!(met.contains(&place), "{place:?} was not met: {met:?}");
    }
}

#[test]
fn a_ledger_without_room_is_told_and_nothing_more_is_sent() {
    let room = [0, 16, 32, 64, 128, 192, 256, 320, 384, 448];
    let Some(met) = fill("mirror", "disk/ledger", &room) else { return };
    assert_eq!(met, Met::from([("people.db", false), ("people.db", true)]));
}

#[test]
fn a_disk_that_is_only_read_stops_a_run_and_no_preview() {
    let scenario = scenario("steady");
    let mut lab = scenario.prepare();
    let Some(disk) = mount(&mut lab, "disk", 8 * 1024) else { return };
    let server = serve(&mut lab);
    let writes = server.writes();
    let preview = lab.diff(&FLAGS);
    disk.protect(true);
    let run = lab.run(&SYNC).ends(1);
    let error = error(&run);
    assert_eq!(error["code"], "OF-STA-002", "{error}");
    assert_eq!(server.writes(), writes);
    for command in [&["status"][..], &["runs"], &["errors", "people"], &["ledger", "stats"]] {
        lab.run(command).ends(0);
    }
    let again = lab.diff(&FLAGS);
    for name in ["added", "changed", "removed", "unchanged"] {
        assert_eq!(again[name], preview[name], "{name}");
    }
    disk.protect(false);
    lab.sync_with(&FLAGS, 0);
    scenario.assert_delivered(&lab);
}

#[test]
fn a_destination_folder_without_room_or_rights_gets_whole_files_or_none() {
    let folder = Folder::new();
    let Some(disk) = SmallDisk::over(&folder.out(), 1024) else { return };
    let mut failed = 0;
    for kilobytes in [0, 4, 8, 16, 24, 32, 64] {
        folder.edit();
        disk.leave(kilobytes);
        let run = folder.sync(None);
        disk.clear();
        if run.code != 0 {
            failed += 1;
            told(&run, &folder.out(), "space");
        }
        folder.assert_made_good(&format!("{kilobytes} kB"));
    }
    assert!(failed > 2, "the disk was never full");
    folder.edit();
    disk.protect(true);
    told(&folder.sync(None), &folder.out(), "permissions");
    disk.protect(false);
    folder.assert_made_good("read-only");
}

/// Where parts wait that go to another machine.
#[test]
fn a_temporary_folder_without_room_is_told_and_nothing_counts_as_delivered() {
    let Some(project) = Project::new(MUCH) else { return };
    let aside = project.path().join("aside");
    let Some(disk) = SmallDisk::over(&aside, 1024) else { return };
    starve(&project, &disk, (&aside, &aside), "space");
    assert_eq!(fs::read_dir(&aside).unwrap().count(), 0, "something is left");
    project.assert_made_good("a full disk");
}

#[test]
fn a_server_without_room_gets_whole_files_or_none() {
    let Some(project) = Project::new(MUCH) else { return };
    let Some(disk) = SmallDisk::over(project.place(), 1024) else { return };
    starve(&project, &disk, (project.path(), project.place()), "disk");
    project.assert_made_good("a full disk");
}

/// Letters of a row of which a batch takes some 12 kB.
const MUCH: usize = 3_000;

/// Runs without room for a batch on this disk, which is that of the second folder; what is on its way waits in the first.
fn starve(project: &Project, disk: &SmallDisk, (aside, full): (&Path, &Path), hint: &str) {
    for kilobytes in [4, 8] {
        disk.leave(kilobytes);
        let run = project.sync_by(aside, None);
        disk.clear();
        told(&run, full, hint);
        assert_eq!(run.json()["syncs"][0]["delivered"], 0, "{run:#?}");
        // A run that was stopped says so in its manifest, if there is room for it.
        let names = project.names();
        assert!(names.iter().all(|name| name.ends_with(".manifest.json")), "{kilobytes} kB: {names:?}");
    }
}

#[track_caller]
fn told(run: &Run, out: &Path, hint: &str) {
    assert_eq!(run.code, 1, "{run:#?}");
    check_identities(&run.json()["syncs"][0]);
    let error = error(run);
    assert_eq!(error["code"], "OF-DST-005", "{error}");
    let out = out.file_name().unwrap().to_str().unwrap();
    assert!(error["message"].as_str().unwrap().contains(out), "{error}");
    assert!(error["hint"].as_str().unwrap().contains(hint), "{error}");
}

#[test]
fn a_full_disk_under_the_handles_of_a_destination_is_told_as_such() {
    let folder = Folder::new();
    assert_eq!(folder.sync(None).code, 0);
    let ledger = folder.path().join(".outflow/ledger");
    let Some(disk) = mount_over(&ledger, 8 * 1024) else { return };
    let mut met = BTreeMap::new();
    for kilobytes in (0..320).step_by(32) {
        folder.edit();
        disk.leave(kilobytes);
        let run = folder.sync(None);
        disk.clear();
        if run.code != 0 {
            *met.entry(error(&run)["code"].as_str().unwrap().to_owned()).or_insert(0) += 1;
        }
        folder.assert_made_good(&format!("{kilobytes} kB"));
    }
    assert_eq!(met.keys().collect::<Vec<_>>(), ["OF-STA-006"], "{met:?}");
}
