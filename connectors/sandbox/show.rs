//! What arrived, for `outflow sandbox show`, and a fresh start for `outflow sandbox reset`.

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use serde_json::{Map, Value as Json, json};

use super::state::parse_properties;
use super::store::{self, Storage};
use crate::contract::{ConnectorError, Kind};

/// All objects and the numbers of requests:
/// `{objects: {hubspot: {contacts: [{id, properties, archived}]}}, requests: {writes, reads, refused}}`. Works while
/// another process serves. Without a file there is nothing to show, which is no error.
///
/// # Errors
/// For a file that cannot be read or is no sandbox's.
pub fn show(path: &Path) -> Result<Json, ConnectorError> {
    let opened = store::open_read_only(path).and_then(|connection| match connection {
        Some(connection) if !store::is_blank(&connection)? => collect(&connection).map(Some),
        _ => Ok(None),
    });
    let shown = opened.map_err(|error| {
        let message = format!("the sandbox's file `{}` cannot be read: {error}", path.display());
        ConnectorError::new(Kind::Internal, message).hint("`outflow sandbox reset` starts it anew")
    })?;
    Ok(shown.unwrap_or_else(|| json!({"objects": {}, "requests": {"writes": 0, "reads": 0, "refused": 0}})))
}

pub(super) fn collect(connection: &Connection) -> rusqlite::Result<Json> {
    // One read transaction, so that objects and counts belong together.
    let transaction = connection.unchecked_transaction()?;
    let sql = "SELECT vendor, object, id, archived, properties FROM objects ORDER BY vendor, object, seq";
    let mut statement = transaction.prepare(sql)?;
    let mut rows = statement.query([])?;
    let mut vendors = Map::new();
    while let Some(row) = rows.next()? {
        let (vendor, object): (String, String) = (row.get(0)?, row.get(1)?);
        let (id, archived): (String, bool) = (row.get(2)?, row.get(3)?);
        let shown = json!({"id": id, "properties": parse_properties(row, 4)?, "archived": archived});
        let objects = vendors.entry(vendor).or_insert_with(|| json!({}));
        if let Some(objects) = objects.as_object_mut()
            && let Some(list) = objects.entry(object).or_insert_with(|| json!([])).as_array_mut()
        {
            list.push(shown);
        }
    }
    let sum = |name: &str| {
        let sql = "SELECT coalesce(sum(value), 0) FROM counters WHERE name = ?1";
        transaction.query_row(sql, [name], |row| row.get::<_, i64>(0))
    };
    let requests = json!({"writes": sum("writes")?, "reads": sum("reads")?, "refused": sum("refused")?});
    Ok(json!({"objects": vendors, "requests": requests}))
}

/// Removes all objects and counts, also under a running server. Without a file there is nothing to do; a damaged one is
/// removed.
///
/// # Errors
/// When the file cannot be changed.
pub fn reset(path: &Path) -> Result<(), ConnectorError> {
    if !path.exists() {
        return Ok(());
    }
    let failed = |error: &dyn std::fmt::Display| {
        let message = format!("the sandbox's file `{}` cannot be reset: {error}", path.display());
        ConnectorError::new(Kind::Internal, message)
    };
    match store::open(&Storage::File(path.to_owned())) {
        Ok(connection) => connection
            .execute_batch(
                "BEGIN IMMEDIATE; DELETE FROM objects; DELETE FROM unique_values; DELETE FROM counters;
                 DELETE FROM sqlite_sequence; COMMIT;",
            )
            .map_err(|error| failed(&error)),
        Err(error) if !is_damaged(path) => Err(error),
        Err(_) => {
            for side in ["-wal", "-shm", ""] {
                let mut file = path.as_os_str().to_owned();
                file.push(side);
                match fs::remove_file(&file) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(&error)),
                    _ => {}
                }
            }
            Ok(())
        }
    }
}

/// Whether the file is no database, a broken one, or one of a later format.
fn is_damaged(path: &Path) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    let version = Connection::open(path).and_then(|connection| {
        connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))
    });
    match version {
        Ok(version) => version > store::VERSION,
        Err(error) => matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase)),
    }
}
