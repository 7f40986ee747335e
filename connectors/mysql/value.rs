//! One value of the binary protocol to one cell, without loss
//! (<https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_binary_resultset.html>).

use jiff::civil;
use mysql_async::consts::{ColumnFlags, ColumnType};
use mysql_async::{Column, Value};

use crate::contract::{Cell, RowBatchBuilder};
use crate::sql;

/// The number of the character set that means bytes.
const BINARY: u16 = 63;

/// How the values of a column are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    /// `tinyint(1)`, which is what `boolean` becomes.
    Boolean,
    Number,
    Decimal,
    Text,
    Bytes,
    Json,
    /// `bit(n)`; one of a single bit is a truth value.
    Bits {
        single: bool,
    },
    Date,
    DateTime,
    /// In UTC, as the session is.
    Timestamp,
    Time,
    Geometry,
}

impl Reader {
    pub(super) fn of(column: &Column) -> Self {
        use ColumnType as T;
        let is_bytes = column.character_set() == BINARY;
        match column.column_type() {
            T::MYSQL_TYPE_TINY if is_boolean(column) => Reader::Boolean,
            T::MYSQL_TYPE_TINY
            | T::MYSQL_TYPE_SHORT
            | T::MYSQL_TYPE_LONG
            | T::MYSQL_TYPE_INT24
            | T::MYSQL_TYPE_LONGLONG
            | T::MYSQL_TYPE_YEAR
            | T::MYSQL_TYPE_FLOAT
            | T::MYSQL_TYPE_DOUBLE => Reader::Number,
            T::MYSQL_TYPE_DECIMAL | T::MYSQL_TYPE_NEWDECIMAL => Reader::Decimal,
            T::MYSQL_TYPE_BIT => Reader::Bits { single: column.column_length() == 1 },
            T::MYSQL_TYPE_DATE | T::MYSQL_TYPE_NEWDATE => Reader::Date,
            T::MYSQL_TYPE_DATETIME | T::MYSQL_TYPE_DATETIME2 => Reader::DateTime,
            T::MYSQL_TYPE_TIMESTAMP | T::MYSQL_TYPE_TIMESTAMP2 => Reader::Timestamp,
            T::MYSQL_TYPE_TIME | T::MYSQL_TYPE_TIME2 => Reader::Time,
            T::MYSQL_TYPE_JSON => Reader::Json,
            T::MYSQL_TYPE_GEOMETRY => Reader::Geometry,
            _ if is_bytes => Reader::Bytes,
            _ => Reader::Text,
        }
    }

    /// As the schema has it.
    pub(super) fn declared(self) -> &'static str {
        match self {
            Reader::Boolean => "boolean",
            Reader::Number => "number",
            Reader::Decimal => "decimal",
            Reader::Text => "text",
            Reader::Bytes => "blob",
            Reader::Json => "json",
            Reader::Bits { .. } => "bit",
            Reader::Date => "date",
            Reader::DateTime => "datetime",
            Reader::Timestamp => "timestamp",
            Reader::Time => "time",
            Reader::Geometry => "geometry",
        }
    }

    /// Appends one value.
    pub(super) fn push(self, value: &Value, rows: &mut RowBatchBuilder) {
        match value {
            Value::NULL => rows.push(Cell::Null),
            Value::Int(i @ (0 | 1)) if self == Reader::Boolean => rows.push(Cell::Bool(*i == 1)),
            Value::Int(i) => rows.push(Cell::Integer(*i)),
            Value::UInt(u) => rows.push(unsigned(*u)),
            Value::Float(f) => rows.push(Cell::Float(sql::single(*f))),
            Value::Double(d) => rows.push(Cell::Float(*d)),
            Value::Bytes(bytes) => self.bytes(bytes, rows),
            Value::Date(year, month, day, hour, minute, second, micros) => {
                let date = civil::Date::new(*year as i16, *month as i8, *day as i8);
                let clock = [*hour, *minute, *second].map(|part| part as i8);
                let time = civil::Time::new(clock[0], clock[1], clock[2], *micros as i32 * 1_000);
                match (date, time) {
                    (Ok(date), Ok(time)) => rows.push(self.time(date, time)),
                    // `0000-00-00`, and days like `2024-02-00`.
                    _ => {
                        rows.push(Cell::Malformed(&format!("there is no day {year:04}-{month:02}-{day:02}")))
                    }
                }
            }
            Value::Time(negative, days, hours, minutes, seconds, micros) => {
                let hours = i64::from(*days) * 24 + i64::from(*hours);
                let all = (hours * 60 + i64::from(*minutes)) * 60 + i64::from(*seconds);
                let text = sql::time_of_day(all, *micros * 1_000);
                rows.push(Cell::Text(&if *negative { format!("-{text}") } else { text }));
            }
        }
    }

    fn time(self, date: civil::Date, time: civil::Time) -> Cell<'static> {
        match self {
            Reader::Date => Cell::Date(date),
            Reader::Timestamp => match jiff::tz::Offset::UTC.to_timestamp(date.to_datetime(time)) {
                Ok(instant) => Cell::Timestamp(instant),
                Err(_) => Cell::DateTime(date.to_datetime(time)),
            },
            _ => Cell::DateTime(date.to_datetime(time)),
        }
    }

    fn bytes(self, bytes: &[u8], rows: &mut RowBatchBuilder) {
        match self {
            Reader::Bytes | Reader::Geometry => return rows.push(Cell::Bytes(bytes)),
            Reader::Bits { single } => return rows.push(bits(bytes, single)),
            _ => {}
        }
        match (std::str::from_utf8(bytes), self) {
            (Ok(text), Reader::Decimal) => rows.push(sql::decimal(text).unwrap_or(Cell::Text(text))),
            (Ok(text), Reader::Json) => rows.push(sql::json(text)),
            (Ok(text), _) => rows.push(Cell::Text(text)),
            (Err(error), _) => {
                rows.push(Cell::Malformed(&format!("invalid UTF-8 at byte {}", error.valid_up_to())));
            }
        }
    }
}

/// A display width of 1 is all that is left of the word `boolean`.
fn is_boolean(column: &Column) -> bool {
    column.column_length() == 1 && !column.flags().contains(ColumnFlags::UNSIGNED_FLAG)
}

fn unsigned(value: u64) -> Cell<'static> {
    match i64::try_from(value) {
        Ok(value) => Cell::Integer(value),
        Err(_) => Cell::Decimal { digits: value.into(), scale: 0 },
    }
}

/// The highest byte first, at most eight.
fn bits(bytes: &[u8], single: bool) -> Cell<'static> {
    let number = bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    if single { Cell::Bool(number != 0) } else { unsigned(number) }
}
