use std::fs;
use std::path::Path;

use tempfile::TempDir;

/// A copy of the quickstart project, without what earlier runs left in its state folder.
pub fn quickstart() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for part in ["outflow.yml", "models", "mappings", "fixtures/chinook.sqlite"] {
        copy(&root.join(part), &folder.path().join(part));
    }
    folder
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        for entry in fs::read_dir(from).expect("a folder of the project") {
            let entry = entry.expect("an entry of a folder");
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        fs::create_dir_all(to.parent().expect("a parent")).expect("a folder in the copy");
        fs::copy(from, to).expect("a file of the project is copied");
    }
}
