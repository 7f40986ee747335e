//! A ledger on its way to another place and back.

use std::fs;

use super::world::World;

const EXPORT: [&str; 5] = ["ledger", "export", "people", "--output", "people.ledger"];
const IMPORT: [&str; 5] = ["ledger", "import", "people", "people.ledger", "--yes"];

#[test]
fn a_ledger_comes_back_whole_and_nothing_is_sent_again() {
    let world = World::new();
    let none = world.run(&EXPORT).ends(1);
    assert!(none.stderr.contains("`people` has no ledger yet"), "{none:#?}");
    world.sync(0);
    let held = |world: &World| {
        let mut json = world.run(&["ledger", "stats", "--format", "json"]).ends(0).json();
        json["syncs"][0]["bytes"].take();
        json["syncs"][0]["bytes_per_row"].take();
        json["syncs"][0].clone()
    };
    let before = held(&world);
    assert_eq!(before["entries"], 3);
    let exported = world.run(&[&EXPORT[..], &["--format", "json"]].concat()).ends(0).json();
    let size = fs::metadata(world.path().join("people.ledger")).unwrap().len();
    assert_eq!(exported["syncs"][0]["bytes"], size);
    let again = world.run(&EXPORT).ends(1);
    assert!(again.stderr.contains("OF-CLI-006"), "{again:#?}");

    let salt = fs::read_to_string(world.path().join(".outflow/salt")).unwrap();
    let export = fs::read(world.path().join("people.ledger")).unwrap();
    assert!(!export.windows(64).any(|bytes| bytes == salt.trim().as_bytes()), "the salt is in the export");

    let asked = world.run(&IMPORT[..4]).ends(2);
    assert!(asked.stderr.contains("OF-CLI-008") && asked.stderr.contains("--yes"), "{asked:#?}");
    world.run(&["ledger", "forget", "people", "--yes"]).ends(0);
    world.run(&IMPORT[..4]).ends(0);
    assert_eq!(held(&world), before);
    world.run(&["ledger", "verify"]).ends(0);
    let rest = world.sync(0);
    assert_eq!((&rest["unchanged"], &rest["requests"]), (&3.into(), &0.into()));
}

#[test]
fn a_damaged_ledger_is_replaced_by_its_export() {
    let world = World::new();
    world.sync(0);
    world.run(&EXPORT).ends(0);
    let good = fs::read(world.ledger()).unwrap();
    fs::write(world.ledger(), &good[..good.len() / 2]).unwrap();
    let broken = world.run(&["sync"]).ends(1);
    assert!(broken.stderr.contains("outflow ledger import"), "{broken:#?}");
    world.run(&IMPORT).ends(0);
    assert_eq!(world.sync(0)["unchanged"], 3);
}

#[test]
fn what_is_no_whole_export_changes_nothing() {
    let world = World::new();
    world.sync(0);
    world.run(&EXPORT).ends(0);
    let (file, before) = (world.path().join("people.ledger"), fs::read(world.ledger()).unwrap());
    let good = fs::read(&file).unwrap();
    let refused = |bytes: &[u8], code: &str| {
        fs::write(&file, bytes).unwrap();
        let run = world.run(&IMPORT).ends(1);
        assert!(run.stderr.contains(code), "{run:#?}");
        assert!(fs::read(world.ledger()).unwrap() == before, "the ledger changed");
        assert_eq!(fs::read_dir(world.path().join(".outflow/ledger")).unwrap().count(), 1);
    };
    for cut in [0, 5, 17, 20, 100, good.len() / 2, good.len() - 33, good.len() - 1] {
        refused(&good[..cut], "OF-STA-013");
    }
    refused(&[&good[..], b"x"].concat(), "OF-STA-013");
    refused(b"SQLite format 3\0 and so on", "OF-STA-013");

    fs::write(&file, &good).unwrap();
    let salt = world.path().join(".outflow/salt");
    let kept = fs::read(&salt).unwrap();
    fs::write(&salt, "ab".repeat(32)).unwrap();
    refused(&good, "OF-STA-012");
    fs::remove_file(&salt).unwrap();
    refused(&good, "OF-STA-012");
    fs::write(&salt, kept).unwrap();
    world.run(&IMPORT).ends(0);
    assert_eq!(world.sync(0)["unchanged"], 3);
}
