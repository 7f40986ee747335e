//! Every example is run: each file under `mappings/` delivers its rows to the sandbox, and then has nothing to do.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::tree;
use crate::support::{outflow, quickstart};

fn syncs(report: &Json) -> &Vec<Json> {
    report["syncs"].as_array().expect("a list of syncs")
}

#[test]
fn every_mapping_delivers_and_then_rests() {
    let examples: BTreeSet<String> = tree::files("mappings")
        .iter()
        .map(|file| file.path.trim_start_matches("mappings/").trim_end_matches(".yml").to_owned())
        .collect();
    assert!(!examples.is_empty());
    let project = quickstart();

    let first = outflow(project.path(), &["sync", "--format", "json"]).ends(0).json();
    let ran: BTreeSet<String> =
        syncs(&first).iter().map(|sync| sync["sync"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ran, examples);
    for sync in syncs(&first) {
        assert_eq!(sync["status"], "ok", "{sync:#}");
        assert!(sync["rows_read"].as_u64() > Some(0), "{sync:#}");
        assert_eq!(sync["delivered"], sync["rows_read"], "{sync:#}");
    }

    let second = outflow(project.path(), &["sync", "--format", "json"]).ends(0).json();
    assert_eq!(syncs(&second).len(), examples.len());
    for sync in syncs(&second) {
        assert_eq!(
            [&sync["unchanged"], &sync["sent"], &sync["requests"]],
            [&sync["rows_read"], &Json::from(0), &Json::from(0)],
            "{sync:#}"
        );
    }
}
