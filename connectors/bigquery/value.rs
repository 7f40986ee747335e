//! BigQuery's types, and the texts of their values. Both ways of reading go through here, so that a cell is the same by
//! either.

use std::fmt::Write;
use std::sync::Arc;

use google_cloud_bigquery_v2::model::TableFieldSchema;
use jiff::{SignedDuration, Timestamp, civil};

use crate::contract::{Cell, Column, ConnectorError, Schema};
use crate::sql;

/// The columns of a result.
#[derive(Debug, Clone)]
pub(super) struct Columns {
    pub schema: Arc<Schema>,
    pub fields: Arc<Vec<Field>>,
}

/// A column, or a field of a struct.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    pub name: String,
    pub kind: Kind,
    /// An array of these.
    pub repeated: bool,
}

/// A type, without its size: values keep every digit anyway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Integer,
    Float,
    /// `NUMERIC` and `BIGNUMERIC`.
    Decimal,
    Bool,
    /// `STRING`, and `GEOGRAPHY`, which comes as WKT.
    Text,
    Bytes,
    Date,
    DateTime,
    Timestamp,
    Time,
    Json,
    Interval,
    Range(Box<Kind>),
    Struct(Vec<Field>),
    /// One that came after this was written.
    Unknown,
}

/// Memory that is lent to values which are written out.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub text: String,
    pub bytes: Vec<u8>,
}

impl Columns {
    /// # Errors
    /// [`Kind::Config`](crate::contract::Kind::Config) where there is no column, or two have one name.
    pub(super) fn read(fields: &[TableFieldSchema]) -> Result<Self, ConnectorError> {
        let schema = sql::schema(
            fields.iter().map(|field| Column { name: field.name.clone(), declared: declared(field) }),
        )?;
        Ok(Columns { schema, fields: Arc::new(fields.iter().map(Field::read).collect()) })
    }
}

impl Field {
    fn read(field: &TableFieldSchema) -> Self {
        let kind = match standard(&field.r#type) {
            "STRUCT" => Kind::Struct(field.fields.iter().map(Field::read).collect()),
            "RANGE" => {
                let of = field.range_element_type.as_ref().map_or("", |element| element.r#type.as_str());
                Kind::Range(Box::new(plain_kind(standard(of))))
            }
            name => plain_kind(name),
        };
        Field { name: field.name.clone(), kind, repeated: field.mode.eq_ignore_ascii_case("REPEATED") }
    }
}

fn plain_kind(name: &str) -> Kind {
    match name {
        "INT64" => Kind::Integer,
        "FLOAT64" => Kind::Float,
        "NUMERIC" | "BIGNUMERIC" => Kind::Decimal,
        "BOOL" => Kind::Bool,
        "STRING" | "GEOGRAPHY" => Kind::Text,
        "BYTES" => Kind::Bytes,
        "DATE" => Kind::Date,
        "DATETIME" => Kind::DateTime,
        "TIMESTAMP" => Kind::Timestamp,
        "TIME" => Kind::Time,
        "JSON" => Kind::Json,
        "INTERVAL" => Kind::Interval,
        _ => Kind::Unknown,
    }
}

/// The API says some types by the names that they had before there was standard SQL.
fn standard(name: &str) -> &str {
    match name {
        "INTEGER" => "INT64",
        "FLOAT" => "FLOAT64",
        "BOOLEAN" => "BOOL",
        "RECORD" => "STRUCT",
        name => name,
    }
}

/// The type as SQL writes it: `ARRAY<STRUCT<x INT64>>`.
fn declared(field: &TableFieldSchema) -> String {
    let mut text = match standard(&field.r#type) {
        "STRUCT" => {
            let inner = field.fields.iter().map(|inner| format!("{} {}", inner.name, declared(inner)));
            format!("STRUCT<{}>", inner.collect::<Vec<_>>().join(", "))
        }
        "RANGE" => {
            let of = field.range_element_type.as_ref().map_or("", |element| element.r#type.as_str());
            format!("RANGE<{}>", standard(of))
        }
        name => name.to_owned(),
    };
    let (size, scale) = (field.precision.max(field.max_length), field.scale);
    // Writing to a String cannot fail.
    let _ = match (size, scale) {
        (..=0, _) => Ok(()),
        (size, ..=0) => write!(text, "({size})"),
        (size, scale) => write!(text, "({size}, {scale})"),
    };
    if field.mode.eq_ignore_ascii_case("REPEATED") { format!("ARRAY<{text}>") } else { text }
}

/// The decimal number without zeros at its end, which one way of reading has and the other has not. It stays a text where
/// it is too long for a cell's digits.
pub(super) fn decimal(text: &str) -> Cell<'_> {
    let short = match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => text,
    };
    sql::decimal(short).unwrap_or(Cell::Text(short))
}

/// Writes a value that is neither a struct nor an array as JSON.
///
/// # Errors
/// Why it cannot be read.
pub(super) fn write(cell: Cell<'_>, kind: &Kind, out: &mut String) -> Result<(), String> {
    match cell {
        // A number, though too long for a cell's digits.
        Cell::Text(text) if *kind == Kind::Decimal => {
            out.push_str(text);
            Ok(())
        }
        cell => sql::push_json(cell, out),
    }
}

/// The instant of so many microseconds since 1970. BigQuery's last day, which often stands for "for ever", is later than a
/// cell's.
pub(super) fn instant(microseconds: i64) -> Cell<'static> {
    let time = Timestamp::from_microsecond(microseconds);
    time.map_or(Cell::Malformed("an instant later than 9999-12-30 22:00 UTC"), Cell::Timestamp)
}

/// The wall-clock time of so many microseconds since 1970 on the same clock.
pub(super) fn wall(microseconds: i64) -> Cell<'static> {
    const EPOCH: civil::DateTime = civil::DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
    let time = EPOCH.checked_add(SignedDuration::from_micros(microseconds));
    time.map_or(Cell::Malformed("a time outside the years -9999 to 9999"), Cell::DateTime)
}

/// `10:11:12.5`: as many digits of a second as are not zero.
pub(super) fn time(microseconds: i64, out: &mut String) -> Cell<'_> {
    *out = sql::time_of_day(
        microseconds.div_euclid(1_000_000),
        microseconds.rem_euclid(1_000_000) as u32 * 1_000,
    );
    Cell::Text(out)
}

/// As every source gives lengths of time: `P14M3DT14706.5S`.
pub(super) fn interval(months: i32, days: i32, microseconds: i64, out: &mut String) -> Cell<'_> {
    match microseconds.checked_mul(1_000) {
        Some(nanoseconds) => {
            *out = sql::interval(months, days, nanoseconds);
            Cell::Text(out)
        }
        None => Cell::Malformed("a length of time of more than 292 years"),
    }
}
