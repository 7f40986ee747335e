//! What SQLite says, as an error that says who must act.

use std::path::Path;

use rusqlite::ErrorCode;

use crate::contract::{ConnectorError, Kind, Retry};

/// Maps by SQLite's primary result code (<https://www.sqlite.org/rescode.html>); an unknown one is never retried.
pub(super) fn failure(error: rusqlite::Error, path: &Path) -> ConnectorError {
    let file = path.display();
    let Some(code) = code(&error) else {
        return ConnectorError::new(Kind::Internal, format!("reading `{file}` failed: {error}"))
            .source(error);
    };
    let (kind, problem, hint) = match code {
        ErrorCode::NotADatabase => (
            Kind::Config,
            "is not an SQLite database, or it is encrypted",
            "check `path`; encrypted databases cannot be read",
        ),
        ErrorCode::DatabaseCorrupt => (
            Kind::Config,
            "is damaged",
            "look at it with `sqlite3 FILE 'pragma integrity_check'` and restore it from a backup",
        ),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => (
            Kind::Unavailable,
            "is locked by another process",
            "run again when its writer has committed; with `pragma journal_mode = wal` readers never wait",
        ),
        ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly => (
            Kind::Config,
            "cannot be opened",
            "check the permissions of the file and its folder; a database in WAL mode also needs its `-wal` and `-shm` files",
        ),
        ErrorCode::OperationInterrupted => {
            (Kind::Unavailable, "was not read to the end: interrupted", "run again")
        }
        ErrorCode::SystemIoFailure | ErrorCode::OutOfMemory | ErrorCode::DiskFull => {
            (Kind::Unavailable, "could not be read", "look at the disk, and at the space for temporary files")
        }
        _ => (Kind::Config, "refused the query", "try the query with `sqlite3 FILE`"),
    };
    let retry = if code == ErrorCode::DatabaseBusy { Retry::Backoff } else { Retry::Never };
    said(
        ConnectorError::new(kind, format!("`{file}` {problem}: {}", words(&error))).hint(hint).retry(retry),
        &error,
    )
}

/// Adds SQLite's extended result code. The error itself would only repeat its words, twice over.
pub(super) fn said(failure: ConnectorError, error: &rusqlite::Error) -> ConnectorError {
    let cause = match error {
        rusqlite::Error::SqlInputError { error, .. } | rusqlite::Error::SqliteFailure(error, _) => error,
        _ => return failure,
    };
    failure.with("sqlite result code", cause.extended_code)
}

/// SQLite's primary result code.
pub(super) fn code(error: &rusqlite::Error) -> Option<ErrorCode> {
    match error {
        rusqlite::Error::SqlInputError { error, .. } => Some(error.code),
        other => other.sqlite_error_code(),
    }
}

/// SQLite's own message, without the query that rusqlite appends.
pub(super) fn words(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
        other => other.to_string(),
    }
}
