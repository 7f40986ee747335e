//! Preparing the user's query: one `select`, with columns of distinct names and types that can be read.

use std::sync::Arc;

use duckdb::{Connection, Statement};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::config::Config;
use super::errors;
use super::value::Reader;
use crate::contract::{Column, ConnectorError, Kind, Schema};
use crate::sql::{self, ONLY_READS};

/// A query with a reader for each of its columns.
pub(super) struct Prepared<'c> {
    pub statement: Statement<'c>,
    pub schema: Arc<Schema>,
    pub readers: Vec<Reader>,
}

/// Prepares one reading statement.
///
/// # Errors
/// [`Kind::Config`] for an empty query, several statements, one that isn't a query, wrong SQL, a type that has no reading.
pub(super) fn prepare<'c>(
    connection: &'c Connection,
    sql: &str,
    config: &Config,
) -> Result<Prepared<'c>, ConnectorError> {
    let refused = |words: &str| sql::refused(config.about(words));
    sql::reads_only(sql)?;
    if sql.contains('\0') {
        return Err(refused("the query has a NUL character"));
    }
    one_select(connection, sql, config)?;
    let failed = |error| errors::query(error, config);
    let statement = connection.prepare(sql).map_err(failed)?;
    if statement.parameter_count() > 0 {
        let name = statement.parameter_name(1).unwrap_or_default();
        let message = format!("the query has the parameter `${name}`, which nothing fills");
        return Err(refused(&message).hint("write the value, or use `{{ var('name') }}`"));
    }
    let schema = sql::schema(columns(connection, sql).map_err(failed)?)?;
    let mut readers = Vec::with_capacity(schema.columns.len());
    for (position, column) in schema.columns.iter().enumerate() {
        let reader = Reader::of(&statement.column_logical_type(position)).ok_or_else(|| {
            let Column { name, declared } = column;
            refused(&format!("column `{name}` is of type `{declared}`, which cannot be read"))
                .hint(format!("cast it in the query, as in `{name}::text`"))
        })?;
        readers.push(reader);
    }
    Ok(Prepared { statement, schema, readers })
}

/// What `json_serialize_sql` says of a text.
#[derive(Deserialize)]
struct Parsed {
    #[serde(default)]
    error_type: String,
    #[serde(default)]
    error_message: String,
    /// In bytes.
    position: Option<String>,
    #[serde(default)]
    statements: Vec<IgnoredAny>,
}

/// Asks DuckDB's own parser, which runs nothing; preparing several statements would run all but the last.
fn one_select(connection: &Connection, sql: &str, config: &Config) -> Result<(), ConnectorError> {
    let answer = connection
        .query_row("select json_serialize_sql(?::varchar)::varchar", [sql], |row| row.get::<_, String>(0));
    let answer = answer.map_err(|error| errors::query(error, config))?;
    let parsed: Parsed = serde_json::from_str(&answer).map_err(|error| {
        ConnectorError::new(Kind::Internal, config.about("DuckDB's parser gave an odd answer")).source(error)
    })?;
    let refused = |words: &str| Err(sql::refused(config.about(words)));
    match (parsed.error_type.as_str(), parsed.statements.len()) {
        ("", 1) => Ok(()),
        ("", 0) => refused("the query is empty").map_err(|e| e.hint("write a `select`")),
        ("", _) => refused("the query has more than one statement")
            .map_err(|e| e.hint("keep one `select`; parts of it can stand in `with`")),
        ("not implemented", _) if parsed.error_message.contains("Only SELECT") => {
            refused("the query is more or other than one `select`").map_err(|e| e.hint(ONLY_READS))
        }
        ("parser", _) => {
            let place = parsed.position.and_then(|at| at.parse().ok()).map(|at| sql::place(sql, at));
            refused(&format!(
                "DuckDB refused the query{}: {}",
                place.unwrap_or_default(),
                parsed.error_message
            ))
        }
        _ => one_select_alone(connection, sql, config),
    }
}

/// The same for a query that has no form in JSON, such as one with an enum written out: the table function `query` takes one
/// `select` alone, and binding it runs nothing.
fn one_select_alone(connection: &Connection, query: &str, config: &Config) -> Result<(), ConnectorError> {
    let text = query.replace('\'', "''");
    let bound = connection.prepare(&format!("from query('{text}')"));
    bound.map(drop).map_err(|error| match error.to_string().contains("single SELECT") {
        true => sql::refused(config.about("the query is more or other than one `select`")).hint(ONLY_READS),
        false => errors::query(error, config),
    })
}

/// Names and types, without running the query.
fn columns(connection: &Connection, sql: &str) -> duckdb::Result<Vec<Column>> {
    let mut statement = connection.prepare(&format!("describe {sql}"))?;
    let columns = statement.query_map([], |row| Ok(Column { name: row.get(0)?, declared: row.get(1)? }))?;
    columns.collect()
}
