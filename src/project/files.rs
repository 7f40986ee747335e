//! Finding and reading the files of a project.

use std::path::{Path, PathBuf};

use super::check::File;
use super::codes;
use super::diagnostic::{Diagnostic, Diagnostics, Problems};
use super::yaml::Pos;

/// The file that makes a folder a project.
pub const PROJECT_FILE: &str = "outflow.yml";

/// Between the parts of a path, in messages and names.
pub(super) const SEPARATOR: &str = "/";

/// Largest file of a project that is read.
const MAX_BYTES: u64 = 4 << 20;

/// The project's folder, absolute: `dir`, else the nearest folder upwards that has an `outflow.yml`.
///
/// # Errors
/// When there is none.
pub fn find_root(dir: Option<&Path>) -> Result<PathBuf, Diagnostics> {
    let failed = |message: String| {
        let problem = Diagnostic::error(codes::NOT_FOUND, message);
        Diagnostics(vec![
            problem.hint("name the project's folder with `--project-dir`, or start one with `outflow init`"),
        ])
    };
    let start = dir.unwrap_or(Path::new("."));
    let start = std::fs::canonicalize(start)
        .map_err(|error| failed(format!("cannot open the folder `{}`: {error}", start.display())))?;
    let mut folders = start.ancestors().take(if dir.is_some() { 1 } else { usize::MAX });
    match folders.find(|folder| folder.join(PROJECT_FILE).is_file()) {
        Some(folder) => Ok(folder.to_owned()),
        None if dir.is_some() => {
            Err(failed(format!("there is no `{PROJECT_FILE}` in `{}`", start.display())))
        }
        None => Err(failed(format!(
            "there is no `{PROJECT_FILE}` in `{}` or in any folder above it",
            start.display()
        ))),
    }
}

/// The text of a file of the project; reports what keeps it from being read.
pub(super) fn read(root: &Path, path: &Path, problems: &Problems) -> Option<String> {
    let file = File { path, problems };
    let full = root.join(path);
    let failed = |pos: Pos, message: String| {
        file.error(pos, codes::UNREADABLE, message);
        None
    };
    let bytes = match std::fs::metadata(&full) {
        Ok(metadata) if metadata.len() > MAX_BYTES => {
            return failed(Pos::START, format!("`{}` is larger than {} MB", display(path), MAX_BYTES >> 20));
        }
        Ok(_) => std::fs::read(&full),
        Err(error) => Err(error),
    };
    match bytes.map(String::from_utf8) {
        Ok(Ok(text)) => Some(text),
        Ok(Err(error)) => {
            let valid = error.utf8_error().valid_up_to();
            let before = String::from_utf8_lossy(&error.as_bytes()[..valid]).into_owned();
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            failed(Pos { line, column }, format!("`{}` is not UTF-8 text", display(path)))
        }
        Err(error) => failed(Pos::START, format!("cannot read `{}`: {error}", display(path))),
    }
}

/// Files below a folder with one of these endings, hidden ones aside, sorted, relative to the root. A folder that cannot be read is
/// reported: what it holds must not seem to have been taken out of the project.
pub(super) fn list(root: &Path, folder: &str, endings: &[&str], problems: &Problems) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![PathBuf::from(folder)];
    while let Some(relative) = open.pop() {
        let entries = match std::fs::read_dir(root.join(&relative)) {
            Ok(entries) => entries,
            Err(error) => {
                if error.kind() != std::io::ErrorKind::NotFound {
                    let message = format!("cannot read the folder `{}`: {error}", display(&relative));
                    File { path: &relative, problems }.error(Pos::START, codes::UNREADABLE, message);
                }
                continue;
            }
        };
        for entry in entries.flatten() {
            let path = relative.join(entry.file_name());
            // Editors keep locks and drafts beside a file, as in `.#contacts.yml`.
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            // A link to a folder is not followed: it could lead round in a circle.
            if entry.file_type().is_ok_and(|t| t.is_dir()) {
                open.push(path);
            } else if path.extension().is_some_and(|e| endings.iter().any(|ending| e == *ending)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// A path as messages show it.
pub(super) fn display(path: &Path) -> String {
    path.components().map(|c| c.as_os_str().to_string_lossy()).collect::<Vec<_>>().join(SEPARATOR)
}
