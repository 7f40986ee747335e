use super::lab::{Lab, THREE, counts};

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
fn a_missing_ledger_of_a_mirror_needs_a_word() {
    let lab = Lab::new(THREE).mapping("mode: mirror");
    lab.sync(0);
    std::fs::remove_dir_all(lab.file(".outflow/ledger")).unwrap();
    assert_eq!(lab.sync(4)["error"]["code"], "OF-RUN-012");
    assert_eq!(counts(&lab.sync_with(&["--first-run"], 0), ["added", "delivered"]), [3, 3]);
    lab.assert_mirrored();
}
