//! How a warehouse writes names and values in SQL.

use crate::contract::Cell;

/// A warehouse's way with names and literals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Names in double quotes, times as texts: SQLite's.
    Ansi,
    /// <https://www.postgresql.org/docs/current/sql-syntax-lexical.html>; Redshift's and DuckDB's, too.
    Postgres,
    /// <https://dev.mysql.com/doc/refman/8.4/en/literals.html>; MariaDB's, too.
    MySql,
    /// <https://cloud.google.com/bigquery/docs/reference/standard-sql/lexical>.
    BigQuery,
    /// <https://docs.snowflake.com/en/sql-reference/identifiers-syntax>: a quoted name is another one than the plain.
    Snowflake,
}

impl Dialect {
    /// A name, quoted so that it means itself. One that Snowflake knows in capitals is left plain there.
    pub fn name(self, name: &str) -> String {
        match self {
            Dialect::MySql => format!("`{}`", name.replace('`', "``")),
            // It has no escape for a backtick in a name: there is no such name.
            Dialect::BigQuery => format!("`{}`", name.replace(['\\', '`'], "")),
            Dialect::Snowflake if is_plain(name) => name.to_owned(),
            _ => format!("\"{}\"", name.replace('"', "\"\"")),
        }
    }

    /// The name of a column as a result has it, quoted so that it means that column and no other.
    pub fn exactly(self, name: &str) -> String {
        match self {
            Dialect::Snowflake => format!("\"{}\"", name.replace('"', "\"\"")),
            _ => self.name(name),
        }
    }

    /// `schema.table`, each part quoted. `None` for an empty part, a NUL, or more than three parts.
    pub fn table(self, table: &str) -> Option<String> {
        let parts: Vec<&str> = table.split('.').map(str::trim).collect();
        if parts.len() > 3 || parts.iter().any(|part| part.is_empty() || part.contains('\0')) {
            return None;
        }
        let quoted: Vec<String> = parts.into_iter().map(|part| self.name(part)).collect();
        Some(quoted.join("."))
    }

    /// The cell as a literal; `None` for one that has no order to compare by: null, bytes, JSON.
    pub fn literal(self, cell: Cell<'_>) -> Option<String> {
        let typed = |kind: &str, text: String| match self {
            Dialect::Ansi => format!("'{text}'"),
            // `timestamp '...'` would be of the kind that the account is set to.
            Dialect::Snowflake => format!("'{text}'::{kind}"),
            _ => format!("{kind} '{text}'"),
        };
        Some(match cell {
            Cell::Bool(value) => value.to_string(),
            Cell::Integer(value) => value.to_string(),
            Cell::Float(value) if value.is_finite() => format!("{value:e}"),
            Cell::Decimal { digits, scale } => plain(digits, scale),
            Cell::Text(text) => self.text(text),
            Cell::Date(date) => typed("date", date.to_string()),
            Cell::DateTime(time) => typed(self.wall_clock(), spaced(&time.to_string())),
            Cell::Timestamp(time) => match self {
                Dialect::MySql => typed("timestamp", spaced(time.to_string().trim_end_matches('Z'))),
                Dialect::Ansi => typed("", time.to_string()),
                _ => typed(self.instant(), spaced(time.to_string().trim_end_matches('Z')) + "+00:00"),
            },
            _ => return None,
        })
    }

    fn wall_clock(self) -> &'static str {
        match self {
            Dialect::BigQuery => "datetime",
            Dialect::Snowflake => "timestamp_ntz",
            _ => "timestamp",
        }
    }

    fn instant(self) -> &'static str {
        match self {
            Dialect::BigQuery => "timestamp",
            Dialect::Snowflake => "timestamp_tz",
            _ => "timestamptz",
        }
    }

    fn text(self, text: &str) -> String {
        match self {
            // Backslashes begin escapes there; BigQuery knows no doubled quote.
            Dialect::BigQuery => format!("'{}'", escaped(text).replace('\'', "\\'").replace('\n', "\\n")),
            Dialect::MySql | Dialect::Snowflake => format!("'{}'", escaped(text).replace('\'', "''")),
            Dialect::Ansi | Dialect::Postgres => format!("'{}'", text.replace('\'', "''")),
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
}

fn spaced(time: &str) -> String {
    time.replace('T', " ")
}

fn is_plain(name: &str) -> bool {
    let mut letters = name.chars();
    let begins = letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    begins && letters.all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '$')
}

/// `digits * 10^-scale` without an exponent.
pub(super) fn plain(digits: i128, scale: u8) -> String {
    let (sign, all) = (if digits < 0 { "-" } else { "" }, digits.unsigned_abs().to_string());
    let scale = usize::from(scale);
    if scale == 0 {
        return format!("{sign}{all}");
    }
    let padded = format!("{all:0>width$}", width = scale + 1);
    let (whole, fraction) = padded.split_at(padded.len() - scale);
    format!("{sign}{whole}.{fraction}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_as_each_warehouse_quotes() {
        for (dialect, name, quoted) in [
            (Dialect::Ansi, "or\"der", "\"or\"\"der\""),
            (Dialect::Postgres, "order", "\"order\""),
            (Dialect::MySql, "or`der", "`or``der`"),
            (Dialect::BigQuery, "order", "`order`"),
            (Dialect::Snowflake, "updated_at", "updated_at"),
            (Dialect::Snowflake, "updated at", "\"updated at\""),
        ] {
            assert_eq!(dialect.name(name), quoted);
        }
        assert_eq!(Dialect::Snowflake.exactly("UPDATED_AT"), "\"UPDATED_AT\"");
        assert_eq!(Dialect::MySql.table("crm. people"), Some("`crm`.`people`".to_owned()));
        for wrong in ["", "a..b", "a.b.c.d", "a\0b"] {
            assert_eq!(Dialect::Ansi.table(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn literals_mean_the_cell() {
        let time: jiff::civil::DateTime = "2026-01-02T03:04:05.5".parse().unwrap();
        let instant: jiff::Timestamp = "2026-01-02T03:04:05.5Z".parse().unwrap();
        for (dialect, cell, literal) in [
            (Dialect::Postgres, Cell::DateTime(time), "timestamp '2026-01-02 03:04:05.5'"),
            (Dialect::Postgres, Cell::Timestamp(instant), "timestamptz '2026-01-02 03:04:05.5+00:00'"),
            (Dialect::MySql, Cell::Timestamp(instant), "timestamp '2026-01-02 03:04:05.5'"),
            (Dialect::BigQuery, Cell::DateTime(time), "datetime '2026-01-02 03:04:05.5'"),
            (Dialect::Snowflake, Cell::DateTime(time), "'2026-01-02 03:04:05.5'::timestamp_ntz"),
            (Dialect::Snowflake, Cell::Timestamp(instant), "'2026-01-02 03:04:05.5+00:00'::timestamp_tz"),
            (Dialect::Snowflake, Cell::Date(time.date()), "'2026-01-02'::date"),
            (Dialect::Ansi, Cell::DateTime(time), "'2026-01-02 03:04:05.5'"),
            (Dialect::Postgres, Cell::Text("a'\\"), "'a''\\'"),
            (Dialect::MySql, Cell::Text("a'\\"), "'a''\\\\'"),
            (Dialect::BigQuery, Cell::Text("a'\\"), "'a\\'\\\\'"),
            (Dialect::Ansi, Cell::Integer(-7), "-7"),
            (Dialect::Ansi, Cell::Decimal { digits: -5, scale: 3 }, "-0.005"),
            (Dialect::Ansi, Cell::Decimal { digits: 12345, scale: 2 }, "123.45"),
        ] {
            assert_eq!(dialect.literal(cell).as_deref(), Some(literal));
        }
        for cell in [Cell::Null, Cell::Float(f64::NAN), Cell::Json("{}"), Cell::Bytes(b"x")] {
            assert_eq!(Dialect::Ansi.literal(cell), None);
        }
    }
}
