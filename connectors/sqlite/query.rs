//! Preparing the user's query: one statement that only reads, with columns of distinct names.

use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, Statement};

use super::errors;
use crate::contract::{Column, ConnectorError, Schema};
use crate::sql::{self, ONLY_READS, first_word, place, refused};

/// Prepares one reading statement.
///
/// # Errors
/// [`Config`](crate::contract::Kind::Config) for an empty query, several statements, one that writes or isn't a query, wrong SQL.
pub(super) fn prepare<'c>(
    connection: &'c Connection,
    sql: &str,
    path: &Path,
) -> Result<Statement<'c>, ConnectorError> {
    let word = first_word(sql).to_ascii_lowercase();
    if word.is_empty() {
        return Err(refused("the query is empty").hint("write a `select`"));
    }
    let statement = connection.prepare(sql).map_err(|error| match error {
        rusqlite::Error::MultipleStatement => refused("the query has more than one statement")
            .hint("keep one `select`; parts of it can stand in `with`"),
        rusqlite::Error::SqlInputError { .. } | rusqlite::Error::SqliteFailure(..)
            if is_sql_error(&error) =>
        {
            wrong_sql(error, connection)
        }
        other => errors::failure(other, path),
    })?;
    if !statement.readonly() {
        return Err(refused("the query would write to the warehouse").hint(ONLY_READS));
    }
    if !matches!(word.as_str(), "select" | "with" | "values") {
        return Err(refused(format!("`{word}` is not a query")).hint(ONLY_READS));
    }
    if statement.parameter_count() > 0 {
        let name = statement.parameter_name(1).unwrap_or("?").to_owned();
        let message = format!("the query has the parameter `{name}`, which nothing fills");
        return Err(refused(message).hint("write the value, or use `{{ var('name') }}`"));
    }
    Ok(statement)
}

/// The columns of a statement's result.
///
/// # Errors
/// [`Config`](crate::contract::Kind::Config) where two have the same name.
pub(super) fn schema(statement: &Statement<'_>) -> Result<Arc<Schema>, ConnectorError> {
    sql::schema(statement.columns().map(|column| Column {
        name: column.name().to_owned(),
        declared: column.decl_type().unwrap_or_default().to_owned(),
    }))
}

/// `SQLITE_ERROR`: the SQL itself is wrong; other codes are about the file.
fn is_sql_error(error: &rusqlite::Error) -> bool {
    errors::code(error) == Some(rusqlite::ErrorCode::Unknown)
}

fn wrong_sql(error: rusqlite::Error, connection: &Connection) -> ConnectorError {
    let words = errors::words(&error);
    let place = match &error {
        rusqlite::Error::SqlInputError { sql, offset, .. } => {
            usize::try_from(*offset).map_or_else(|_| String::new(), |bytes| place(sql, bytes))
        }
        _ => String::new(),
    };
    let hint = if let Some(name) = words.strip_prefix("no such table: ") {
        close_names(name, "select name from sqlite_schema where type in ('table', 'view')", connection)
    } else if let Some(name) = words.strip_prefix("no such column: ") {
        let columns = "select distinct c.name from sqlite_schema s, pragma_table_info(s.name) c \
                       where s.type in ('table', 'view')";
        close_names(name, columns, connection)
    } else {
        None
    };
    let refusal = errors::said(refused(format!("SQLite refused the query{place}: {words}")), &error);
    match hint {
        Some(hint) => refusal.hint(hint),
        None => refusal,
    }
}

/// `did you mean ...`, or the names there are.
fn close_names(wrong: &str, query: &str, connection: &Connection) -> Option<String> {
    const NAMED: usize = 12;
    let wrong = wrong.rsplit('.').next().unwrap_or(wrong).to_lowercase();
    let mut statement = connection.prepare(query).ok()?;
    let mut names: Vec<String> =
        statement.query_map([], |row| row.get(0)).ok()?.filter_map(Result::ok).collect();
    let closeness = |name: &String| strsim::jaro_winkler(&wrong, &name.to_lowercase());
    names.sort_by(|a, b| closeness(b).total_cmp(&closeness(a)).then_with(|| a.cmp(b)));
    let quoted = |names: &[String]| names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>();
    let close = names.iter().take(3).take_while(|name| closeness(name) > 0.8).count();
    match (close, names.is_empty()) {
        (_, true) => Some("the database has no tables; check `path`".to_owned()),
        (0, _) => Some(format!("there are {}", quoted(&names[..names.len().min(NAMED)]).join(", "))),
        (close, _) => Some(format!("did you mean {}?", quoted(&names[..close]).join(" or "))),
    }
}
