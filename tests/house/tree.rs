//! The files of the project, as a rule reads them.

use std::path::{Path, PathBuf};

/// The project's own folder.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Never part of the project: what is built, what git keeps, what a run leaves behind.
const SKIPPED: [&str; 5] = ["target", ".git", ".outflow", "node_modules", ".env"];

/// One text file: its path from the project's root, with `/`, and what is in it.
pub struct File {
    pub path: String,
    pub text: String,
}

/// All text files under a folder of the project, sorted by path; files that are not UTF-8 are left out.
pub fn files(folder: &str) -> Vec<File> {
    let mut found = Vec::new();
    walk(&root().join(folder), &mut found);
    found.sort();
    found.iter().filter_map(|path| read(path)).collect()
}

/// All Rust files under some folders of the project.
pub fn rust_files(folders: &[&str]) -> Vec<File> {
    folders.iter().flat_map(|folder| files(folder)).filter(|file| file.path.ends_with(".rs")).collect()
}

/// Names of the folders directly under one of the project's folders, sorted.
pub fn folders(under: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(under)
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !SKIPPED.contains(&name.as_str()))
        .collect();
    names.sort();
    names
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("`{}`: {e}", folder.display()));
    for entry in entries {
        let entry = entry.unwrap();
        if SKIPPED.iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => walk(&entry.path(), found),
            kind if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
}

fn read(path: &Path) -> Option<File> {
    let text = String::from_utf8(std::fs::read(path).ok()?).ok()?;
    let path = path.strip_prefix(root()).ok()?.to_str()?.replace('\\', "/");
    Some(File { path, text })
}
