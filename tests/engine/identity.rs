use super::lab::{Lab, THREE, counts};
#[cfg(debug_assertions)]
use crate::support::outflow_with;

#[test]
fn a_ledger_serves_one_destination_only() {
    let lab = Lab::new(THREE);
    lab.sync(0);
    let mapping = std::fs::read_to_string(lab.file("mappings/people.yml")).unwrap();
    let by_id = mapping.replace("primary_key: id", "primary_key: email");
    std::fs::write(lab.file("mappings/people.yml"), by_id).unwrap();
    let held = lab.sync(4);
    assert_eq!((&held["status"], &held["error"]["code"]), (&"held".into(), &"OF-RUN-011".into()));
    let message = held["error"]["message"].as_str().unwrap();
    assert!(message.contains("`id`") && message.contains("`email`"), "{message}");
    assert!(held["error"]["hint"].as_str().unwrap().contains("--accept-new-destination"));
    assert_eq!(counts(&held, ["sent"]), [0]);
    lab.sync_with(&["--accept-new-destination", "--allow-key-change"], 0);
}

#[test]
fn the_sandbox_is_one_account_whatever_the_token_may_see() {
    let mut lab = Lab::new(THREE);
    lab.faults = "[{do: status, code: 403, path: account-info, times: 1}]".into();
    lab.write();
    assert_eq!(counts(&lab.sync(0), ["added", "delivered"]), [3, 3]);
    lab.faults = "[]".into();
    lab.write();
    assert_eq!(counts(&lab.sync(0), ["unchanged", "sent"]), [3, 0]);
    lab.assert_mirrored();
}

#[test]
fn a_ledger_is_counted_verified_and_forgotten() {
    let lab = Lab::new(THREE);
    let none = lab.run(&["ledger", "verify"]).ends(0);
    assert!(none.stdout.contains("no ledger yet") && !lab.file(".outflow").exists());
    lab.sync(0);
    for command in ["stats", "verify"] {
        let held = lab.run(&["ledger", command, "--format", "json"]).ends(0).json()["syncs"][0].clone();
        assert_eq!(counts(&held, ["entries", "unsettled", "refused"]), [3, 0, 0]);
        assert_eq!(counts(&held, ["bytes_per_row"])[0], counts(&held, ["bytes"])[0] / 3);
    }
    let told = lab.run(&["ledger", "verify"]).ends(0).stdout;
    assert!(told.starts_with("people: whole; 3 rows, ") && told.contains(" B a row)"), "{told}");
    let asked = lab.run(&["ledger", "forget", "people"]).ends(2);
    assert!(asked.stderr.contains("--yes") && !asked.stderr.contains("--first-run"), "{asked:?}");
    assert_eq!(counts(&lab.sync(0), ["unchanged"]), [3], "nothing was forgotten without a word");
    lab.run(&["ledger", "forget", "people", "--yes"]).ends(0);
    assert_eq!(counts(&lab.sync(0), ["added", "delivered"]), [3, 3]);
    lab.assert_mirrored();
}

#[test]
fn a_damaged_detail_is_found_by_verify() {
    let lab = Lab::new(THREE);
    lab.sync(0);
    let db = rusqlite::Connection::open(lab.file(".outflow/ledger/people.db")).unwrap();
    db.execute_batch("update detail set remote_id = remote_id || '7'").unwrap();
    drop(db);
    let run = lab.run(&["ledger", "verify", "people"]).ends(1);
    assert!(run.stderr.contains("people.db") && run.stderr.contains("damaged"), "{run:?}");
}

#[test]
fn a_missing_ledger_of_a_mirror_needs_a_word() {
    let lab = Lab::new(THREE).mapping("mode: mirror");
    lab.sync(0);
    let told = lab.run(&["ledger", "forget", "people", "--yes"]).ends(0).stdout;
    assert!(told.contains("`--first-run`"), "{told}");
    assert_eq!(lab.sync(4)["error"]["code"], "OF-RUN-012");
    assert_eq!(lab.sync(4)["error"]["code"], "OF-RUN-012", "a run that is held makes no ledger");
    assert_eq!(counts(&lab.sync_with(&["--first-run"], 0), ["added", "delivered"]), [3, 3]);
    lab.assert_mirrored();
}

#[test]
fn a_ledger_is_missed_after_a_run_that_sent_something_however_it_ended() {
    let mut lab = Lab::new(THREE).mapping("mode: mirror\ndelivery: {batch_rows: 1, concurrency: 1}");
    // Two reads come first: the account and its properties.
    lab.daily = 3;
    lab.write();
    assert_eq!(counts(&lab.sync(6), ["delivered"]), [1]);
    std::fs::remove_dir_all(lab.file(".outflow/ledger")).unwrap();
    lab.daily = 1_000_000;
    lab.write();
    for _ in 0..2 {
        assert_eq!(lab.sync(4)["error"]["code"], "OF-RUN-012");
    }
    assert_eq!(lab.names().len(), 1);
    lab.sync_with(&["--first-run"], 0);
    lab.assert_mirrored();
}

#[test]
#[cfg(debug_assertions)]
fn a_ledger_is_missed_after_a_run_that_was_killed_once_it_could_have_sent_something() {
    for (point, code) in [("run.extracted:1", 0), ("deliver.send:1", 4)] {
        let lab = Lab::new(THREE).mapping("mode: mirror");
        let died = outflow_with(lab.path(), &["sync", "-q"], &[("OUTFLOW_REHEARSE", point)]);
        assert_eq!(died.code, -1, "{died:#?}");
        std::fs::remove_dir_all(lab.file(".outflow/ledger")).unwrap();
        lab.sync(code);
    }
}

#[test]
fn an_import_names_the_file_that_is_not_there() {
    let lab = Lab::new(THREE);
    lab.sync(0);
    let run = lab.run(&["ledger", "import", "people", "nowhere.ledger", "--yes"]).ends(1);
    assert!(run.stderr.contains("`nowhere.ledger` cannot be read"), "{run:?}");
    assert!(run.stderr.contains("ledger export") && !run.stderr.contains("state:"), "{run:?}");
    lab.run(&["ledger", "verify"]).ends(0);
}
