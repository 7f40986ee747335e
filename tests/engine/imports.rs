//! An import over a damaged ledger that ends anywhere leaves the old file, with what its log held, or the new one.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::lab::{Lab, THREE, counts};
use super::matrix::{count, moments};
use crate::support::outflow_with;

/// Points that no run of a sync passes.
pub const POINTS: [&str; 2] = ["import.folded", "import.placed"];

const REHEARSE: &str = "OUTFLOW_REHEARSE";
const LEDGER: &str = ".outflow/ledger/people.db";

/// A project with an export, whose ledger is damaged since and has a batch in its log.
fn damaged() -> Lab {
    let lab = Lab::new(THREE);
    lab.sync(0);
    lab.run(&["ledger", "export", "people", "--output", "people.ledger"]).ends(0);
    lab.sql("update people set name = 'Ada L.' where id = 1");
    let died = outflow_with(lab.path(), &["sync", "-q"], &[(REHEARSE, "deliver.answered:1")]);
    assert_eq!(died.code, -1, "{died:#?}");
    let mut file = std::fs::read(lab.file(LEDGER)).unwrap();
    let key = br#"{"id":2}"#;
    let place = file.windows(key.len()).position(|bytes| bytes == key).unwrap();
    file[place + 6] = b'7';
    std::fs::write(lab.file(LEDGER), file).unwrap();
    assert!(std::fs::metadata(lab.file(".outflow/ledger/people.db-wal")).unwrap().len() > 0);
    lab
}

fn import(lab: &Lab, plan: &str) -> i32 {
    let arguments = ["ledger", "import", "people", "people.ledger", "--yes"];
    let variables: &[_] = if plan.is_empty() { &[] } else { &[(REHEARSE, plan)] };
    outflow_with(lab.path(), &arguments, variables).code
}

#[test]
fn an_import_that_ends_anywhere_leaves_the_old_ledger_or_the_new_one() {
    let lab = damaged();
    let list = lab.file("points");
    assert_eq!(import(&lab, &format!("list:{}", list.display())), 0);
    let mut struck = BTreeSet::new();
    for (point, times) in count(&std::fs::read_to_string(list).unwrap()) {
        for n in moments(times) {
            let lab = damaged();
            if import(&lab, &format!("{point}:{n}")) == -1 {
                struck.insert(point.clone());
            }
            assert_old_or_new(&lab, &format!("{point}:{n}"));
        }
    }
    assert!(POINTS.iter().all(|point| struck.contains(*point)), "{struck:?}");
}

fn assert_old_or_new(lab: &Lab, plan: &str) {
    let is_new = lab.run(&["ledger", "verify", "people"]).code == 0;
    let db = Connection::open(lab.file(LEDGER)).unwrap();
    let open: i64 = db.query_row("select count(*) from intent", [], |row| row.get(0)).unwrap();
    drop(db);
    assert_eq!(open, i64::from(!is_new), "{plan}: the old ledger has its batch, and the new one has not");
    assert_eq!(import(lab, ""), 0, "{plan}");
    lab.run(&["ledger", "verify", "people"]).ends(0);
    assert_eq!(counts(&lab.sync(0), ["changed", "delivered"]), [1, 1], "{plan}");
    lab.assert_mirrored();
    assert_eq!(counts(&lab.sync(0), ["unchanged", "requests"]), [3, 0], "{plan}");
}
