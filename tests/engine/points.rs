//! The named points at which a process may be ended, as the code has them.

use std::collections::BTreeSet;

/// All names, each of which stands at one place of the code only.
pub fn named() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for folder in ["src", "connectors"] {
        collect(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut names);
    }
    assert!(names.len() > 40, "only {names:?}");
    names
}

fn collect(folder: &std::path::Path, names: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            for name in text.split(" point(\"").skip(1).filter_map(|rest| rest.split('"').next()) {
                assert!(names.insert(name.to_owned()), "two points are named `{name}`");
            }
        }
    }
}
