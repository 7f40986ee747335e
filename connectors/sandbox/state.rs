//! What an emulator sees of the store while it answers one request: its vendor's objects, inside one transaction.

use rusqlite::{Connection, OptionalExtension, params};
use serde_json::{Map, Value as Json};

/// One emulated object.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    pub id: String,
    pub archived: bool,
    /// RFC 3339 in UTC with milliseconds.
    pub created_at: String,
    pub updated_at: String,
    /// What was written, in the vendor's own form; cleared properties are absent.
    pub properties: Map<String, Json>,
}

/// One vendor's part of the store. All effects become visible together, before the answer is sent, or not at all.
pub struct State<'a> {
    connection: &'a Connection,
    vendor: &'static str,
}

impl<'a> State<'a> {
    pub(super) fn new(connection: &'a Connection, vendor: &'static str) -> Self {
        State { connection, vendor }
    }

    pub fn get(&self, object: &str, id: &str) -> rusqlite::Result<Option<Object>> {
        let sql = "SELECT id, archived, created_at, updated_at, properties FROM objects
                   WHERE vendor = ?1 AND object = ?2 AND id = ?3";
        let mut statement = self.connection.prepare_cached(sql)?;
        statement.query_row(params![self.vendor, object, id], read).optional()
    }

    /// The objects in the order of their creation, until `visit` says stop (`false`).
    pub fn scan(&self, object: &str, mut visit: impl FnMut(Object) -> bool) -> rusqlite::Result<()> {
        let sql = "SELECT id, archived, created_at, updated_at, properties FROM objects
                   WHERE vendor = ?1 AND object = ?2 ORDER BY seq";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params![self.vendor, object])?;
        while let Some(row) = rows.next()? {
            if !visit(read(row)?) {
                break;
            }
        }
        Ok(())
    }

    pub fn insert(&self, object: &str, new: &Object) -> rusqlite::Result<()> {
        let sql = "INSERT INTO objects (vendor, object, id, archived, created_at, updated_at, properties)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let properties = Json::Object(new.properties.clone()).to_string();
        let values =
            params![self.vendor, object, new.id, new.archived, new.created_at, new.updated_at, properties];
        self.connection.prepare_cached(sql)?.execute(values).map(drop)
    }

    pub fn save(&self, object: &str, changed: &Object) -> rusqlite::Result<()> {
        let sql = "UPDATE objects SET archived = ?4, updated_at = ?5, properties = ?6
                   WHERE vendor = ?1 AND object = ?2 AND id = ?3";
        let properties = Json::Object(changed.properties.clone()).to_string();
        let values =
            params![self.vendor, object, changed.id, changed.archived, changed.updated_at, properties];
        self.connection.prepare_cached(sql)?.execute(values).map(drop)
    }

    /// Takes an object away for good.
    pub fn purge(&self, object: &str, id: &str) -> rusqlite::Result<()> {
        let sql = "DELETE FROM objects WHERE vendor = ?1 AND object = ?2 AND id = ?3";
        self.connection.prepare_cached(sql)?.execute(params![self.vendor, object, id]).map(drop)
    }

    /// The id of the object that holds this unique value.
    pub fn holder(&self, object: &str, property: &str, value: &str) -> rusqlite::Result<Option<String>> {
        let sql = "SELECT id FROM unique_values
                   WHERE vendor = ?1 AND object = ?2 AND property = ?3 AND value = ?4";
        let mut statement = self.connection.prepare_cached(sql)?;
        statement.query_row(params![self.vendor, object, property, value], |row| row.get(0)).optional()
    }

    /// Gives a unique value to an object; an error if another holds it.
    pub fn claim(&self, object: &str, property: &str, value: &str, id: &str) -> rusqlite::Result<()> {
        let sql =
            "INSERT INTO unique_values (vendor, object, property, value, id) VALUES (?1, ?2, ?3, ?4, ?5)";
        let values = params![self.vendor, object, property, value, id];
        self.connection.prepare_cached(sql)?.execute(values).map(drop)
    }

    pub fn release(&self, object: &str, property: &str, value: &str) -> rusqlite::Result<()> {
        let sql = "DELETE FROM unique_values
                   WHERE vendor = ?1 AND object = ?2 AND property = ?3 AND value = ?4";
        self.connection.prepare_cached(sql)?.execute(params![self.vendor, object, property, value]).map(drop)
    }

    /// A number never given before in this account, from `first` on.
    pub fn next_id(&self, first: i64) -> rusqlite::Result<i64> {
        let sql = "INSERT INTO counters (vendor, name, value) VALUES (?1, 'last_id', ?2)
                   ON CONFLICT DO UPDATE SET value = value + 1 RETURNING value";
        self.connection.prepare_cached(sql)?.query_row(params![self.vendor, first], |row| row.get(0))
    }

    /// Adds one to a counter and gives the sum.
    pub(super) fn count(&self, name: &str) -> rusqlite::Result<u64> {
        let sql = "INSERT INTO counters (vendor, name, value) VALUES (?1, ?2, 1)
                   ON CONFLICT DO UPDATE SET value = value + 1 RETURNING value";
        let sum: i64 =
            self.connection.prepare_cached(sql)?.query_row(params![self.vendor, name], |row| row.get(0))?;
        Ok(sum.unsigned_abs())
    }

    pub(super) fn counted(&self, name: &str) -> rusqlite::Result<u64> {
        let sql = "SELECT value FROM counters WHERE vendor = ?1 AND name = ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let sum: Option<i64> =
            statement.query_row(params![self.vendor, name], |row| row.get(0)).optional()?;
        Ok(sum.unwrap_or(0).unsigned_abs())
    }
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Object> {
    Ok(Object {
        id: row.get(0)?,
        archived: row.get(1)?,
        created_at: row.get(2)?,
        updated_at: row.get(3)?,
        properties: parse_properties(row, 4)?,
    })
}

pub(super) fn parse_properties(
    row: &rusqlite::Row<'_>,
    column: usize,
) -> rusqlite::Result<Map<String, Json>> {
    let text = row.get_ref(column)?.as_str()?;
    serde_json::from_str(text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
    })
}
