//! Opening the file so that nothing can be written.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rusqlite::{Connection, OpenFlags};

use super::errors;
use crate::contract::{ConnectorError, Kind};

/// How long to wait for a writer that holds the file.
const BUSY: Duration = Duration::from_millis(if cfg!(test) { 200 } else { 5_000 });

/// An open database, with what is needed to know afterwards that it held still.
#[derive(Debug)]
pub(super) struct Database {
    pub connection: Connection,
    /// Set when SQLite's own locks could not be used; see [`Database::held_still`].
    unlocked: Option<Stamp>,
}

/// A file's state as far as its folder tells.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    path: PathBuf,
    modified: Option<SystemTime>,
    bytes: u64,
}

/// Opens an existing file for reading only.
///
/// # Errors
/// [`Kind::Config`] for a missing file, a folder, a file that isn't a database or can't be read;
/// [`Kind::Unavailable`] where another process keeps it locked.
pub(super) fn open(path: &Path) -> Result<Database, ConnectorError> {
    exists(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let first = Connection::open_with_flags(path, flags).and_then(prepared);
    match first {
        Ok(connection) => Ok(Database { connection, unlocked: None }),
        Err(error) if may_be_unlocked(&error, path) => {
            let stamp = stamp(path)?;
            let uri = format!("file:{}?immutable=1", escaped(path));
            let connection = Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI)
                .and_then(prepared)
                .map_err(|e| errors::failure(e, path))?;
            Ok(Database { connection, unlocked: Some(stamp) })
        }
        Err(error) => Err(errors::failure(error, path)),
    }
}

impl Database {
    /// Whether nobody wrote while it was read without locks.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] where somebody did: the rows are not of one moment.
    pub(super) fn held_still(&self) -> Result<(), ConnectorError> {
        let Some(before) = &self.unlocked else { return Ok(()) };
        if !has_log(&before.path) && stamp(&before.path)? == *before {
            return Ok(());
        }
        let message = format!("`{}` was written to while it was read without locks", before.path.display());
        Err(ConnectorError::new(Kind::Unavailable, message)
            .hint("run again, or let outflow write the `-shm` file beside the database"))
    }
}

fn exists(path: &Path) -> Result<(), ConnectorError> {
    let file = path.display();
    let refusal = |message: String| Err(ConnectorError::new(Kind::Config, message));
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => refusal(format!("`{file}` is a folder, not an SQLite file"))
            .map_err(|e| e.hint("name the database file in `path`")),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            refusal(format!("the SQLite file `{file}` does not exist")).map_err(|e| {
                e.hint("check `path`; a relative path is relative to the project, and outflow never creates the file")
            })
        }
        Err(error) => refusal(format!("the SQLite file `{file}` cannot be opened: {error}"))
            .map_err(|e| e.hint("check the permissions of the file and its folders").source(error)),
    }
}

/// Settles the connection, and reads the header so that a wrong file shows here.
fn prepared(connection: Connection) -> rusqlite::Result<Connection> {
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.query_row("select count(*) from sqlite_schema", [], |_| Ok(()))?;
    Ok(connection)
}

/// A database in WAL mode whose folder cannot be written has no `-shm` file for the locks. Without a `-wal` file nobody
/// has it open, so it can be read as it is, and checked afterwards.
fn may_be_unlocked(error: &rusqlite::Error, path: &Path) -> bool {
    use rusqlite::ErrorCode::{CannotOpen, ReadOnly};
    matches!(error.sqlite_error_code(), Some(CannotOpen | ReadOnly)) && is_wal(path) && !has_log(path)
}

/// Whether the header says WAL: bytes 18 and 19 are 2 (<https://www.sqlite.org/fileformat.html>).
fn is_wal(path: &Path) -> bool {
    use std::io::Read;
    let mut header = [0; 20];
    std::fs::File::open(path).and_then(|mut f| f.read_exact(&mut header)).is_ok() && header[18..] == [2, 2]
}

fn has_log(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    std::fs::metadata(log).is_ok_and(|m| m.len() > 0)
}

fn stamp(path: &Path) -> Result<Stamp, ConnectorError> {
    let metadata = std::fs::metadata(path).map_err(|e| {
        ConnectorError::new(Kind::Unavailable, format!("`{}` cannot be read: {e}", path.display())).source(e)
    })?;
    Ok(Stamp { path: path.to_owned(), modified: metadata.modified().ok(), bytes: metadata.len() })
}

/// A path for a URI file name.
fn escaped(path: &Path) -> String {
    path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_without_locks_must_have_held_still() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("it's 100%? #1.sqlite");
        Connection::open(&path)
            .unwrap()
            .execute_batch("pragma journal_mode = wal; create table t (c)")
            .unwrap();
        assert!(is_wal(&path) && !has_log(&path));
        let connection = Connection::open_with_flags(
            format!("file:{}?immutable=1", escaped(&path)),
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI,
        );
        let database = Database {
            connection: prepared(connection.unwrap()).unwrap(),
            unlocked: Some(stamp(&path).unwrap()),
        };
        assert!(database.held_still().is_ok());
        let writer = Connection::open(&path).unwrap();
        writer.execute_batch("insert into t values (1)").unwrap();
        let error = database.held_still().unwrap_err();
        assert!(
            error.kind == Kind::Unavailable && error.message.contains("written to while it was read"),
            "{error}"
        );
        drop(writer);
        assert!(database.held_still().is_err(), "the log is gone, but the file has changed");
    }

    #[test]
    fn only_a_database_in_wal_mode_without_a_log_is_read_without_locks() {
        let folder = tempfile::tempdir().unwrap();
        let cannot_open =
            rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN), None);
        let busy =
            rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY), None);
        let (plain, wal) = (folder.path().join("plain"), folder.path().join("wal"));
        Connection::open(&plain).unwrap().execute_batch("create table t (c)").unwrap();
        Connection::open(&wal)
            .unwrap()
            .execute_batch("pragma journal_mode = wal; create table t (c)")
            .unwrap();
        assert!(!may_be_unlocked(&cannot_open, &plain));
        assert!(!may_be_unlocked(&busy, &wal));
        assert!(may_be_unlocked(&cannot_open, &wal));
        std::fs::write(folder.path().join("wal-wal"), "log").unwrap();
        assert!(!may_be_unlocked(&cannot_open, &wal));
    }
}
