//! The file that holds the emulated objects, and the one thread that owns it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, backup::Backup};
use tokio::sync::oneshot;

use crate::contract::{ConnectorError, Kind};

/// Where the emulated objects are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// This SQLite file, made if it is missing; readable by its owner only.
    File(PathBuf),
    /// A copy in memory of this file, if it exists; nothing on disk is made or changed. For dry runs.
    Snapshot(PathBuf),
    /// Nothing on disk.
    Memory,
}

/// The format of the file; another one is refused.
pub(super) const VERSION: i64 = 1;

/// `seq` keeps the order of creation. `unique_values` holds those of objects that are not archived.
const SCHEMA: &str = "
    CREATE TABLE objects (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        vendor TEXT NOT NULL,
        object TEXT NOT NULL,
        id TEXT NOT NULL,
        archived INTEGER NOT NULL DEFAULT 0,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL,
        properties TEXT NOT NULL,
        UNIQUE (vendor, object, id)
    );
    CREATE TABLE unique_values (
        vendor TEXT NOT NULL,
        object TEXT NOT NULL,
        property TEXT NOT NULL,
        value TEXT NOT NULL,
        id TEXT NOT NULL,
        PRIMARY KEY (vendor, object, property, value)
    ) WITHOUT ROWID;
    CREATE TABLE counters (
        vendor TEXT NOT NULL,
        name TEXT NOT NULL,
        value INTEGER NOT NULL,
        PRIMARY KEY (vendor, name)
    ) WITHOUT ROWID;
    PRAGMA user_version = 1;
";

fn failed(path: &Path, error: &dyn std::fmt::Display) -> ConnectorError {
    ConnectorError::new(
        Kind::Internal,
        format!("the sandbox's file `{}` cannot be used: {error}", path.display()),
    )
    .hint("`outflow sandbox reset` starts it anew")
}

fn not_made(path: &Path, error: &io::Error) -> ConnectorError {
    let message = format!("the sandbox's file `{}` cannot be made: {error}", path.display());
    ConnectorError::new(Kind::Config, message).hint("name a file in a folder that can be written")
}

/// Whether the file was made, but not yet filled: another process is about to.
pub(super) fn is_blank(connection: &Connection) -> rusqlite::Result<bool> {
    connection
        .pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))
        .map(|version| version == 0)
}

/// Opens the storage, ready for use.
pub(super) fn open(storage: &Storage) -> Result<Connection, ConnectorError> {
    let (path, opened) = match storage {
        Storage::Memory => (Path::new(":memory:"), memory(None)),
        Storage::Snapshot(path) => (path.as_path(), snapshot(path)),
        Storage::File(path) => {
            create_private(path).map_err(|error| not_made(path, &error))?;
            (path.as_path(), open_file(path))
        }
    };
    let connection = opened.map_err(|error| failed(path, &error))?;
    prepare(&connection).map_err(|error| failed(path, &error))?;
    check_version(&connection, path)?;
    Ok(connection)
}

fn open_file(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(30))?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    // Survives the end of any process at any moment; only a power cut may lose the last answers of an emulator.
    connection.pragma_update(None, "synchronous", "normal")?;
    Ok(connection)
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(64);
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version == 0 {
        // Another process may be making the same file.
        connection.execute_batch("BEGIN IMMEDIATE")?;
        let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if version == 0 {
            connection.execute_batch(SCHEMA)?;
        }
        connection.execute_batch("COMMIT")?;
    }
    Ok(())
}

fn check_version(connection: &Connection, path: &Path) -> Result<(), ConnectorError> {
    let version: i64 = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(|error| failed(path, &error))?;
    if version == VERSION {
        return Ok(());
    }
    Err(failed(path, &format!("it has format {version}, and this outflow knows format {VERSION}")))
}

/// Makes an empty file that only its owner can read; SQLite gives its side files the same mode.
fn create_private(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder)?;
    }
    let mut options = fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

fn memory(source: Option<&Connection>) -> rusqlite::Result<Connection> {
    let mut connection = Connection::open_in_memory()?;
    if let Some(source) = source {
        Backup::new(source, &mut connection)?.run_to_completion(10_000, Duration::ZERO, None)?;
        // The copied header says WAL, which memory cannot have.
        connection.pragma_update(None, "journal_mode", "memory")?;
    }
    Ok(connection)
}

fn snapshot(path: &Path) -> rusqlite::Result<Connection> {
    match open_read_only(path)? {
        Some(source) => memory(Some(&source)),
        None => memory(None),
    }
}

/// Opens a file that may be in use by another process, or `None` if it does not exist. Makes no files: without a `-wal`
/// nobody has the file open, so it can be read as immutable, which needs no `-shm`.
pub(super) fn open_read_only(path: &Path) -> rusqlite::Result<Option<Connection>> {
    if !path.exists() {
        return Ok(None);
    }
    let mut side = path.as_os_str().to_owned();
    side.push("-wal");
    let immutable = if Path::new(&side).exists() { "" } else { "&immutable=1" };
    let uri = format!("file:{}?mode=ro{immutable}", escape(path));
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(uri, flags)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    Ok(Some(connection))
}

fn escape(path: &Path) -> String {
    let text = path.to_string_lossy();
    text.chars()
        .map(|c| match c {
            '%' | '?' | '#' => format!("%{:02X}", c as u32),
            _ => c.to_string(),
        })
        .collect()
}

enum Job {
    Run(Box<dyn FnOnce(&mut Connection) + Send>),
    Close(oneshot::Sender<()>),
}

/// The thread that owns the connection; cheap to clone.
#[derive(Clone)]
pub(super) struct Store(mpsc::Sender<Job>);

impl Store {
    pub(super) fn start(storage: &Storage) -> Result<Self, ConnectorError> {
        let mut connection = open(storage)?;
        let (sender, jobs) = mpsc::channel();
        let run = move || {
            while let Ok(job) = jobs.recv() {
                match job {
                    Job::Run(work) => work(&mut connection),
                    Job::Close(done) => {
                        drop(connection);
                        let _ = done.send(());
                        return;
                    }
                }
            }
        };
        std::thread::Builder::new().name("sandbox-store".into()).spawn(run).map_err(|error| {
            ConnectorError::new(Kind::Internal, format!("the sandbox cannot start its thread: {error}"))
        })?;
        Ok(Store(sender))
    }

    /// Runs `work` on the owning thread. It is done even if the caller is dropped meanwhile; `None` after [`Self::close`].
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> T + Send + 'static,
    ) -> Option<T> {
        let (sender, answer) = oneshot::channel();
        let job = Job::Run(Box::new(move |connection| {
            let _ = sender.send(work(connection));
        }));
        self.0.send(job).ok()?;
        answer.await.ok()
    }

    /// Closes the file after all work so far.
    pub(super) async fn close(&self) {
        let (sender, done) = oneshot::channel();
        if self.0.send(Job::Close(sender)).is_ok() {
            let _ = done.await;
        }
    }
}
