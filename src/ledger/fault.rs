//! What can go wrong with a file of the state folder, as errors that name the file and the way out.

use std::io;
use std::path::Path;

use rusqlite::{ErrorCode, ffi};
use rustix::fs::{Access, access};

use super::codes::{BUSY, CANNOT_OPEN, DAMAGED, FAILED, FULL, LEASE_LOST, NO_PERMISSION, NOT_OURS};
use super::file::parent;
use crate::error::{Error, ErrorKind};

/// What a piece of work on a file's owning thread failed with; becomes an [`Error`] once the file's name is known.
#[derive(Debug)]
pub(super) enum Fault {
    Sql(rusqlite::Error),
    /// What is damaged.
    Damaged(String),
    /// Another run opened the ledger with this epoch.
    Overtaken {
        mine: u64,
        theirs: u64,
    },
    /// Ready as it is.
    Other(Error),
}

pub(super) type Attempt<T> = Result<T, Fault>;

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Fault::Sql(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Fault::Other(error)
    }
}

pub(super) fn damaged<T>(what: impl Into<String>) -> Attempt<T> {
    Err(Fault::Damaged(what.into()))
}

/// Another program has the file in use.
pub(super) fn busy<T>() -> Attempt<T> {
    let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
    Err(Fault::Sql(rusqlite::Error::SqliteFailure(busy, None)))
}

impl Fault {
    /// Whether SQLite had no room, or no folder, for what it wanted to write.
    pub(super) fn is_for_want_of_room(&self) -> bool {
        let Fault::Sql(error) = self else { return false };
        let codes = [ErrorCode::DiskFull, ErrorCode::CannotOpen, ErrorCode::SystemIoFailure];
        error.sqlite_error_code().is_some_and(|code| codes.contains(&code))
    }

    pub(super) fn at(self, file: &Path) -> Error {
        match self {
            Fault::Sql(error) => sqlite(file, &error),
            Fault::Damaged(what) => damage(file, &what),
            Fault::Overtaken { mine, theirs } => Error::new(
                LEASE_LOST,
                ErrorKind::Locked,
                format!(
                    "another run took over the ledger `{}` (lease {theirs}, this run has lease {mine}); nothing more is \
                     written",
                    file.display()
                ),
            )
            .hint("this happens when a computer slept, or a run hung, for longer than a minute; run again"),
            Fault::Other(error) => error,
        }
    }
}

fn damage(file: &Path, what: &str) -> Error {
    Error::new(DAMAGED, ErrorKind::State, format!("`{}` is damaged: {what}", file.display())).hint(
        "nothing was changed. Put the file back from a backup, a ledger by `outflow ledger import` from an export; \
         without one, `outflow ledger forget` lets outflow start anew: it sends every row again, and removals since then \
         are not known",
    )
}

fn sqlite(file: &Path, error: &rusqlite::Error) -> Error {
    let name = file.display();
    let state = |code, message: String| Error::new(code, ErrorKind::State, message).because(error);
    let Some(code) = error.sqlite_error_code() else {
        return damage(file, "a value in it has the wrong type").because(error);
    };
    let extended = error.sqlite_error().map_or(0, |e| e.extended_code);
    match code {
        ErrorCode::NotADatabase => state(NOT_OURS, format!("`{name}` is not an SQLite database"))
            .hint("outflow keeps its memory there; move the file away or put it back from a backup"),
        ErrorCode::DatabaseCorrupt | ErrorCode::Unknown | ErrorCode::TypeMismatch => {
            damage(file, "SQLite cannot make sense of it").because(error)
        }
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => {
            state(BUSY, format!("another program holds `{name}` locked"))
                .hint("close the program that has it open (an SQLite browser, a backup) and run again")
        }
        // The second: no room for the index of the write-ahead log.
        ErrorCode::DiskFull | ErrorCode::SystemIoFailure
            if code == ErrorCode::DiskFull || extended == ffi::SQLITE_IOERR_SHMSIZE =>
        {
            state(FULL, format!("no space left on the disk while `{name}` was written"))
                .hint(
                    "free some space, also where SQLite has its temporary files (`SQLITE_TMPDIR`, `TMPDIR`, else `/var/tmp`), \
                     and run again; what was not yet recorded is sent again then",
                )
        }
        ErrorCode::SystemIoFailure if extended == ffi::SQLITE_IOERR_GETTEMPPATH => {
            state(FAILED, format!("SQLite has no folder for temporary files, which `{name}` needs"))
                .hint("set `SQLITE_TMPDIR` to a folder that can be written and run again; nothing more was sent")
        }
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied => {
            state(NO_PERMISSION, format!("`{name}` may not be written"))
                .hint("give the user that runs outflow the right to write the file and its folder")
        }
        // It has to make a log beside the file.
        ErrorCode::CannotOpen if file.exists() && access(parent(file), Access::WRITE_OK).is_err() => {
            state(NO_PERMISSION, format!("the folder of `{name}` may not be written"))
                .hint("give the user that runs outflow the right to write the folder and its files")
        }
        ErrorCode::CannotOpen => state(CANNOT_OPEN, format!("`{name}` cannot be opened"))
            .hint("look at the rights of the file and its folder, and whether the folder is on a local disk"),
        ErrorCode::SystemIoFailure if extended == ffi::SQLITE_IOERR_SHORT_READ => {
            damage(file, "it is shorter than it should be").because(error)
        }
        _ => state(FAILED, format!("`{name}` cannot be read or written"))
            .hint("look at the disk and its file system, then run again; nothing more was sent"),
    }
}

/// A file or folder that the operating system would not let us handle; `doing` as in "cannot be created".
pub(super) fn disk(path: &Path, doing: &str, error: &io::Error) -> Error {
    use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    let message = format!("`{}` cannot be {doing}: {error}", path.display());
    match error.kind() {
        PermissionDenied | ReadOnlyFilesystem => Error::new(NO_PERMISSION, ErrorKind::State, message)
            .hint("give the user that runs outflow the right to write there, or set another folder as `state:` in outflow.yml"),
        StorageFull | QuotaExceeded => {
            Error::new(FULL, ErrorKind::State, message).hint("free some space and run again")
        }
        _ => Error::new(CANNOT_OPEN, ErrorKind::State, message)
            .hint("`state:` in outflow.yml names the state folder; it must be a folder on a local disk"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sqlite_lacks_for_its_temporary_files_is_told_apart() {
        for (fault, code) in [
            (ffi::SQLITE_FULL, FULL),
            (ffi::SQLITE_IOERR_GETTEMPPATH, FAILED),
            (ffi::SQLITE_IOERR_READ, FAILED),
        ] {
            let error =
                sqlite(Path::new("a.db"), &rusqlite::Error::SqliteFailure(ffi::Error::new(fault), None));
            let names_folder = error.hint.as_ref().unwrap().contains("SQLITE_TMPDIR");
            assert_eq!((error.code, names_folder), (code, fault != ffi::SQLITE_IOERR_READ));
        }
    }
}
