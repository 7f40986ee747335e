//! What a source's query may be: one statement that reads, with columns of distinct names.

use std::sync::Arc;

use crate::contract::{Column, ConnectorError, Kind, Schema};

/// The way out for a query that does not only read.
pub const ONLY_READS: &str =
    "a source takes one `select`, `with ... select` or `values`; the warehouse is only read";

/// A query that is wrong by itself.
pub fn refused(message: impl Into<String>) -> ConnectorError {
    ConnectorError::new(Kind::Config, message)
}

/// Looks at the first word of a query, before anybody is asked. What a query does beneath it is for the warehouse to refuse:
/// it is read in a transaction that cannot write, where there is one.
///
/// # Errors
/// [`Kind::Config`] for an empty query and for one that does not begin as a reading one.
pub fn reads_only(sql: &str) -> Result<(), ConnectorError> {
    let word = first_word(sql).to_ascii_lowercase();
    match word.as_str() {
        "" => Err(refused("the query is empty").hint("write a `select`")),
        "select" | "with" | "values" | "table" | "from" => Ok(()),
        word => Err(refused(format!("`{word}` is not a query")).hint(ONLY_READS)),
    }
}

/// The first word after white space, comments and opening brackets.
pub fn first_word(sql: &str) -> &str {
    let mut rest = sql;
    loop {
        rest = rest
            .trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '(' || c == ';' || c == '\u{feff}');
        if let Some(comment) = rest.strip_prefix("--") {
            rest = comment.split_once('\n').map_or("", |(_, after)| after);
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = comment.split_once("*/").map_or("", |(_, after)| after);
        } else {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            return if end == 0 {
                &rest[..rest.chars().next().map_or(0, char::len_utf8)]
            } else {
                &rest[..end]
            };
        }
    }
}

/// ` in line 3, column 8` of the query, by the bytes before that place; nothing where there are not so many.
pub fn place(sql: &str, bytes: usize) -> String {
    sql.get(..bytes).map_or_else(String::new, |before| {
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        format!(" in line {line}, column {column}")
    })
}

/// The columns of a query's result.
///
/// # Errors
/// [`Kind::Config`] where there is none, or two have the same name.
pub fn schema(columns: impl IntoIterator<Item = Column>) -> Result<Arc<Schema>, ConnectorError> {
    let mut all: Vec<Column> = Vec::new();
    for column in columns {
        if all.iter().any(|known| known.name == column.name) {
            let message = format!("the query returns two columns named `{}`", column.name);
            return Err(refused(message)
                .hint("name one of them differently with `as`, and avoid `select *` in joins"));
        }
        all.push(column);
    }
    if all.is_empty() {
        return Err(refused("the query returns no columns").hint("name the columns to read in its `select`"));
    }
    Ok(Arc::new(Schema { columns: all }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_begins_as_a_query_is_one() {
        for sql in ["select 1", " -- all\n(/* x */ WITH a as (select 1) select 1)", "values (1)"] {
            assert!(reads_only(sql).is_ok(), "{sql}");
        }
        for (sql, message) in [
            ("", "the query is empty"),
            ("-- nothing", "the query is empty"),
            ("Delete from t", "`delete` is not a query"),
            ("call f()", "`call` is not a query"),
        ] {
            assert_eq!(reads_only(sql).unwrap_err().message, message);
        }
    }

    #[test]
    fn columns_are_there_and_have_distinct_names() {
        let column = |name: &str| Column { name: name.to_owned(), declared: String::new() };
        assert_eq!(schema([column("a"), column("A")]).unwrap().columns.len(), 2);
        let twice = schema([column("a"), column("b"), column("a")]).unwrap_err();
        assert_eq!(twice.message, "the query returns two columns named `a`");
        assert_eq!(schema([]).unwrap_err().message, "the query returns no columns");
    }
}
