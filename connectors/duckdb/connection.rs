//! Opening the files so that nothing can be written, and nothing is fetched.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use duckdb::{AccessMode, Connection};

use super::config::{Config, MotherDuck};
use super::errors;
use crate::contract::{ConnectorError, Kind};
use crate::sql::Dialect;

/// Threads of one database: the run has work of its own to do.
const THREADS: i64 = 2;

/// A session, and the database that it shares with others.
pub(super) struct Session {
    pub connection: Connection,
    _database: Arc<Database>,
}

/// One open database.
struct Database(Mutex<Connection>);

/// The databases that are open. Closing a file ends all locks that this process holds on it, so a file that two syncs read is
/// opened once; else a writer could begin under the one that still reads.
static OPEN: Mutex<BTreeMap<Config, Weak<Database>>> = Mutex::new(BTreeMap::new());

/// Opens a session for reading only.
///
/// # Errors
/// [`Kind::Config`] for a missing file, a folder, a file that isn't a database or can't be read;
/// [`Kind::Unavailable`] where another process keeps it locked.
pub(super) fn open(config: &Config) -> Result<Session, ConnectorError> {
    let mut all = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    all.retain(|_, database| database.strong_count() > 0);
    let database = match all.get(config).and_then(Weak::upgrade) {
        Some(database) => database,
        None => {
            let database = Arc::new(Database(Mutex::new(opened(config)?)));
            all.insert(config.clone(), Arc::downgrade(&database));
            database
        }
    };
    let connection = database.0.lock().unwrap_or_else(PoisonError::into_inner).try_clone();
    let connection = connection.map_err(|error| errors::opening(error, config))?;
    Ok(Session { connection, _database: database })
}

fn opened(config: &Config) -> Result<Connection, ConnectorError> {
    for path in config.path.iter().chain(config.attach.values()) {
        exists(path, config)?;
    }
    let failed = |error| errors::opening(error, config);
    let flags = flags(config).map_err(failed)?;
    let connection = match &config.path {
        Some(path) => Connection::open_with_flags(path, flags),
        None => Connection::open_in_memory_with_flags(flags),
    }
    .map_err(failed)?;
    for (name, path) in &config.attach {
        let file = path.to_string_lossy().replace('\'', "''");
        let name = Dialect::Postgres.name(name);
        connection
            .execute_batch(&format!("attach '{file}' as {name} (type duckdb, read_only)"))
            .map_err(failed)?;
    }
    for statement in config.motherduck.iter().flat_map(MotherDuck::statements) {
        connection.execute_batch(&statement).map_err(failed)?;
    }
    // A library built without time zones has no such setting, and no times that depend on one.
    let _ = connection.execute_batch("set global timezone = 'UTC'");
    connection.execute_batch("set global lock_configuration = true").map_err(failed)?;
    Ok(connection)
}

fn flags(config: &Config) -> duckdb::Result<duckdb::Config> {
    let spill = std::env::temp_dir().join("outflow-duckdb");
    let mut flags = duckdb::Config::default()
        .threads(THREADS)?
        .with("autoinstall_known_extensions", "false")?
        .with("autoload_known_extensions", if config.extensions.is_some() { "true" } else { "false" })?
        .with("allow_unsigned_extensions", "false")?
        .with("allow_community_extensions", "false")?
        .with("allow_persistent_secrets", "false")?
        // Large sorts go to disk: not beside the database, whose folder is only read.
        .with("temp_directory", spill.to_string_lossy())?;
    if let Some(folder) = &config.extensions {
        flags = flags.with("extension_directory", folder.to_string_lossy())?;
    }
    // A database without a file cannot be read-only; it has nothing to write to.
    if config.path.is_some() {
        flags = flags.access_mode(AccessMode::ReadOnly)?;
    }
    Ok(flags)
}

fn exists(path: &Path, config: &Config) -> Result<(), ConnectorError> {
    let file = path.display();
    let refusal = |words: String| ConnectorError::new(Kind::Config, config.about(&words));
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Err(refusal(format!("`{file}` is a folder, not a DuckDB file"))
            .hint("name the database file in `path`; a folder of files is read by a `files` connection")),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(refusal(format!(
            "the DuckDB file `{file}` does not exist"
        ))
        .hint(
            "check `path`; a relative path is relative to the project, and outflow never creates the file",
        )),
        Err(error) => Err(refusal(format!("the DuckDB file `{file}` cannot be opened: {error}"))
            .hint("check the permissions of the file and its folders")
            .source(error)),
    }
}

/// Whether some session still reads this file.
#[cfg(test)]
pub(super) fn is_open(path: &Path) -> bool {
    let all = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    all.iter().any(|(config, open)| config.path.as_deref() == Some(path) && open.strong_count() > 0)
}
