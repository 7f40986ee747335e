//! Every code that can be printed can be explained.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::support::outflow;

/// Codes as they stand in the sources: `OF-`, a room in capitals, three digits.
fn codes_in(text: &str) -> Vec<&str> {
    let bytes = text.as_bytes();
    text.match_indices("OF-")
        .filter_map(|(at, _)| {
            let room = bytes[at + 3..].iter().take_while(|b| b.is_ascii_uppercase()).count();
            let digits = at + 3 + room + 1;
            let fits = room > 0
                && bytes.get(digits - 1) == Some(&b'-')
                && bytes.len() >= digits + 3
                && bytes[digits..digits + 3].iter().all(u8::is_ascii_digit);
            fits.then(|| &text[at..digits + 3])
        })
        .collect()
}

fn collect(folder: &Path, codes: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap().filter_map(Result::ok) {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, codes);
        } else if path.extension().is_some_and(|e| e == "rs")
            && path.file_stem().is_some_and(|s| s != "tests")
        {
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            codes.extend(codes_in(code).into_iter().map(str::to_owned));
        }
    }
}

#[test]
fn every_code_of_the_sources_is_explained() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut used = BTreeSet::new();
    collect(&root.join("src"), &mut used);
    collect(&root.join("connectors"), &mut used);
    assert!(used.len() > 20, "{used:?}");
    let folder = tempfile::tempdir().unwrap();
    let json = outflow(folder.path(), &["explain", "--format", "json"]).ends(0).json();
    let listed: Vec<(&str, Option<&str>)> = json["codes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| (c["code"].as_str().unwrap(), c["connector"].as_str()))
        .collect();
    let missing: Vec<_> = used.iter().filter(|code| !listed.contains(&(code.as_str(), None))).collect();
    assert!(missing.is_empty(), "`outflow explain` does not know {missing:?}");
    let distinct: BTreeSet<_> = listed.iter().collect();
    assert_eq!(distinct.len(), listed.len(), "a code is explained twice by one connector");
}

#[test]
fn a_code_is_found_in_any_case_and_a_wrong_one_suggests() {
    let folder = tempfile::tempdir().unwrap();
    let run = outflow(folder.path(), &["explain", "of-cli-004"]).ends(0);
    assert!(run.stdout.starts_with("OF-CLI-004\n") && run.stdout.contains("What to do"), "{run:#?}");
    let run = outflow(folder.path(), &["explain", "key_empty"]).ends(0);
    assert!(
        run.stdout.starts_with("KEY_EMPTY (hubspot)\n") || run.stdout.contains("\nKEY_EMPTY (hubspot)\n"),
        "{run:#?}"
    );
    let run = outflow(folder.path(), &["explain", "OF-CLI-02"]).ends(1);
    assert!(run.stderr.contains("did you mean `OF-CLI-0"), "{run:#?}");
}

#[test]
fn codes_are_recognised() {
    assert_eq!(codes_in("x OF-CFG-001, \"OF-STA-9\" OF-DST-1234 OF-x-001"), ["OF-CFG-001", "OF-DST-123"]);
}
