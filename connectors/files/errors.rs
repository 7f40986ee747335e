//! What can be wrong with files, each with its code.

use std::fmt::Display;
use std::io::ErrorKind;
use std::path::Path;

use crate::contract::{ConnectorError, Kind, Retry};
use crate::registry::ErrorEntry;

macro_rules! codes {
    ($($name:ident $code:literal $meaning:literal $action:literal)*) => {
        $(pub(super) const $name: &str = $code;)*

        /// What each code means and what to do about it.
        pub(super) const CODES: &[ErrorEntry] =
            &[$(ErrorEntry { code: $code, meaning: $meaning, action: $action }),*];
    };
}

codes! {
    MISSING "FILE_MISSING"
        "The folder or file that a mapping names does not exist, or nothing matches its glob."
        "Correct `file` in the mapping or `url` of the connection; `file` is relative to `url`."
    UNREADABLE "FILE_UNREADABLE"
        "A file or folder exists, but could not be opened, read or written."
        "Check its permissions, and that it is an ordinary file; look at the disk when the system reports an I/O error."
    FORMAT "FILE_FORMAT"
        "A file is in a form that outflow does not read, or its name does not tell which form it is."
        "Write `format: parquet`, `csv` or `jsonl` in `source` if it is one of these under another name, or convert the file."
    DAMAGED "FILE_DAMAGED"
        "A file is empty, cut off, or damaged: its content, or the line that is named, is not what its format prescribes."
        "Check `format` and `delimiter`, and write the file again. Let its writer use another name until it is complete, and rename it then."
    CHANGED "FILE_CHANGED"
        "A file was changed or replaced while it was being read, so its rows may be of two versions."
        "Run again when its writer has finished. Nothing was sent."
    COLUMNS "FILE_COLUMNS"
        "The columns of a file cannot be used: a name is repeated or empty, or the files of one glob have other columns."
        "Give each column one name, and the same names in every file; their order does not matter."
    OBJECT "FILE_OBJECT"
        "`object` of a destination cannot be the name of a file."
        "Write a plain name without folders, such as `object: customers`."
}

/// An error of the operating system about this path.
pub(super) fn io(what: &str, path: &Path, error: std::io::Error) -> ConnectorError {
    let shown = path.display();
    if error.kind() == ErrorKind::NotFound {
        return ConnectorError::new(Kind::Config, format!("`{shown}` does not exist"))
            .code(MISSING)
            .hint("check `file` and the connection's `url`");
    }
    let hint = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "free some space there and run again",
        _ => "check the permissions of the file and its folders, and the disk",
    };
    ConnectorError::new(Kind::Unavailable, format!("`{shown}` cannot be {what}: {error}"))
        .code(UNREADABLE)
        .retry(Retry::Never)
        .hint(hint)
        .source(error)
}

/// A file whose content is not what its format prescribes.
pub(super) fn damaged(path: &Path, problem: impl Display) -> ConnectorError {
    ConnectorError::new(Kind::Config, format!("`{}` {problem}", path.display()))
        .code(DAMAGED)
        .hint("write the file again; let its writer rename it into place when it is complete")
}

/// A line, from 1 on, that is not what its file's format prescribes.
pub(super) fn line(path: &Path, line: u64, problem: impl Display) -> ConnectorError {
    let message = format!("`{}`, line {line}: {problem}", path.display());
    ConnectorError::new(Kind::Config, message).code(DAMAGED)
}

/// Columns that cannot be used.
pub(super) fn columns(path: &Path, problem: impl Display) -> ConnectorError {
    ConnectorError::new(Kind::Config, format!("`{}` {problem}", path.display())).code(COLUMNS)
}
