//! One value of PostgreSQL's binary format to one cell, without loss. Each type's `*_send` function says what it writes
//! (<https://github.com/postgres/postgres/tree/master/src/backend/utils/adt>).

use std::error::Error;
use std::net::{Ipv4Addr, Ipv6Addr};

use tokio_postgres::types::{FromSql, Kind, Type};

use super::nested;
use super::number::Numeric;
use super::time;
use crate::contract::{Cell, RowBatchBuilder};
use crate::sql;

/// A value as it came.
pub(super) struct Raw<'a>(pub &'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Raw(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// How the values of one type are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scalar {
    Bool,
    Int2,
    Int4,
    Int8,
    Oid,
    Float4,
    Float8,
    Numeric,
    Text,
    Bytes,
    Json,
    Jsonb,
    Date,
    Timestamp,
    TimestampTz,
    Time,
    TimeTz,
    Interval,
    Uuid,
    Inet,
    Cidr,
    MacAddr,
    Bits,
}

/// How the values of a column are read.
#[derive(Debug, Clone)]
pub(super) enum Reader {
    Scalar(Scalar),
    /// Arrays and composites, as JSON.
    Nested(Type),
    /// A range, as text.
    Range(Box<Reader>),
}

const DAMAGED: &str = "a value of another length than its type has";

impl Reader {
    /// `None` for a type that has no reading.
    pub(super) fn of(kind: &Type) -> Option<Self> {
        match kind.kind() {
            Kind::Domain(inner) => Self::of(inner),
            Kind::Enum(_) => Some(Reader::Scalar(Scalar::Text)),
            Kind::Array(item) => Self::of(item).map(|_| Reader::Nested(kind.clone())),
            Kind::Composite(fields) => {
                let all = fields.iter().all(|field| Self::of(field.type_()).is_some());
                all.then(|| Reader::Nested(kind.clone()))
            }
            Kind::Range(inner) => Self::of(inner).map(|inner| Reader::Range(Box::new(inner))),
            _ => scalar(kind).map(Reader::Scalar),
        }
    }

    /// Appends one value.
    pub(super) fn push(&self, raw: Option<Raw<'_>>, rows: &mut RowBatchBuilder) {
        let Some(Raw(raw)) = raw else { return rows.push(Cell::Null) };
        match self {
            // The frequent ones without a way through the calendar.
            Reader::Scalar(Scalar::Timestamp) => match long(raw).map(time::wall) {
                Some(Ok((seconds, nanoseconds))) => rows.push_wall(seconds, nanoseconds),
                Some(Err(why)) => rows.push(Cell::Malformed(why)),
                None => rows.push(Cell::Malformed(DAMAGED)),
            },
            reader => reader.with_cell(raw, |cell| rows.push(cell)),
        }
    }

    /// Hands one value that is not null to `take`.
    pub(super) fn with_cell<R>(&self, raw: &[u8], take: impl FnOnce(Cell<'_>) -> R) -> R {
        match self {
            Reader::Scalar(scalar) => scalar.with_cell(raw, take),
            Reader::Nested(kind) => {
                let mut text = String::new();
                match (nested::write(kind, raw, &mut text), kind.kind()) {
                    (Err(why), _) => take(Cell::Malformed(&why)),
                    (Ok(()), Kind::Composite(_)) => take(Cell::Json(&text)),
                    (Ok(()), _) => take(Cell::List(&text)),
                }
            }
            Reader::Range(inner) => match nested::range(inner, raw) {
                Ok(text) => take(Cell::Text(&text)),
                Err(why) => take(Cell::Malformed(&why)),
            },
        }
    }
}

fn scalar(kind: &Type) -> Option<Scalar> {
    Some(match *kind {
        Type::BOOL => Scalar::Bool,
        Type::INT2 => Scalar::Int2,
        Type::INT4 => Scalar::Int4,
        Type::INT8 => Scalar::Int8,
        Type::OID => Scalar::Oid,
        Type::FLOAT4 => Scalar::Float4,
        Type::FLOAT8 => Scalar::Float8,
        Type::NUMERIC => Scalar::Numeric,
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN | Type::XML | Type::CHAR => {
            Scalar::Text
        }
        Type::BYTEA => Scalar::Bytes,
        Type::JSON => Scalar::Json,
        Type::JSONB => Scalar::Jsonb,
        Type::DATE => Scalar::Date,
        Type::TIMESTAMP => Scalar::Timestamp,
        Type::TIMESTAMPTZ => Scalar::TimestampTz,
        Type::TIME => Scalar::Time,
        Type::TIMETZ => Scalar::TimeTz,
        Type::INTERVAL => Scalar::Interval,
        Type::UUID => Scalar::Uuid,
        Type::INET => Scalar::Inet,
        Type::CIDR => Scalar::Cidr,
        Type::MACADDR | Type::MACADDR8 => Scalar::MacAddr,
        Type::BIT | Type::VARBIT => Scalar::Bits,
        _ if kind.name() == "citext" => Scalar::Text,
        _ => return None,
    })
}

fn bytes<const N: usize>(raw: &[u8]) -> Option<[u8; N]> {
    raw.try_into().ok()
}

fn long(raw: &[u8]) -> Option<i64> {
    bytes(raw).map(i64::from_be_bytes)
}

impl Scalar {
    fn with_cell<R>(self, raw: &[u8], take: impl FnOnce(Cell<'_>) -> R) -> R {
        match self {
            Scalar::Text | Scalar::Json | Scalar::Jsonb => self.text(raw, take),
            Scalar::Bytes => take(Cell::Bytes(raw)),
            Scalar::Numeric => match Numeric::read(raw) {
                Some(number) => number.with_cell(take),
                None => take(Cell::Malformed(DAMAGED)),
            },
            Scalar::Time | Scalar::TimeTz | Scalar::Interval => self.written(raw, take),
            Scalar::Uuid | Scalar::Inet | Scalar::Cidr | Scalar::MacAddr | Scalar::Bits => {
                self.written(raw, take)
            }
            _ => take(self.plain(raw).unwrap_or(Cell::Malformed(DAMAGED))),
        }
    }

    /// Types whose cell holds the value itself.
    fn plain(self, raw: &[u8]) -> Option<Cell<'static>> {
        let or_why = |cell: Result<Cell<'static>, &'static str>| cell.unwrap_or_else(Cell::Malformed);
        Some(match self {
            Scalar::Bool => Cell::Bool(bytes::<1>(raw)?[0] != 0),
            Scalar::Int2 => Cell::Integer(i16::from_be_bytes(bytes(raw)?).into()),
            Scalar::Int4 => Cell::Integer(i32::from_be_bytes(bytes(raw)?).into()),
            Scalar::Int8 => Cell::Integer(long(raw)?),
            Scalar::Oid => Cell::Integer(u32::from_be_bytes(bytes(raw)?).into()),
            Scalar::Float4 => Cell::Float(sql::single(f32::from_be_bytes(bytes(raw)?))),
            Scalar::Float8 => Cell::Float(f64::from_be_bytes(bytes(raw)?)),
            Scalar::Date => or_why(time::date(i32::from_be_bytes(bytes(raw)?)).map(Cell::Date)),
            Scalar::Timestamp => or_why(
                time::instant(long(raw)?)
                    .map(|instant| Cell::DateTime(jiff::tz::Offset::UTC.to_datetime(instant))),
            ),
            Scalar::TimestampTz => or_why(time::instant(long(raw)?).map(Cell::Timestamp)),
            _ => return None,
        })
    }

    fn text<R>(self, raw: &[u8], take: impl FnOnce(Cell<'_>) -> R) -> R {
        let raw = match (self, raw.split_first()) {
            // The version of the format comes first; there is one.
            (Scalar::Jsonb, Some((1, rest))) => rest,
            (Scalar::Jsonb, _) => return take(Cell::Malformed("jsonb of an unknown version")),
            _ => raw,
        };
        match std::str::from_utf8(raw) {
            Ok(text) if self == Scalar::Text => take(Cell::Text(text)),
            // The server has checked it.
            Ok(text) if text.trim_start().starts_with('[') => take(Cell::List(text)),
            Ok(text) => take(Cell::Json(text)),
            Err(error) => take(Cell::Malformed(&format!("invalid UTF-8 at byte {}", error.valid_up_to()))),
        }
    }

    /// Types that are written out as text.
    fn written<R>(self, raw: &[u8], take: impl FnOnce(Cell<'_>) -> R) -> R {
        let text = match self {
            Scalar::Time => long(raw).map(time::of_day),
            Scalar::TimeTz => split::<8, 4>(raw)
                .map(|(time, west)| time::of_day_zoned(i64::from_be_bytes(time), i32::from_be_bytes(west))),
            Scalar::Interval => interval(raw),
            Scalar::Uuid => bytes::<16>(raw).map(|raw| sql::uuid(&raw)),
            Scalar::Inet | Scalar::Cidr => address(raw, self == Scalar::Cidr),
            Scalar::MacAddr => Some(pairs(raw).join(":")),
            _ => bits(raw),
        };
        match text {
            Some(text) => take(Cell::Text(&text)),
            None => take(Cell::Malformed(DAMAGED)),
        }
    }
}

fn split<const A: usize, const B: usize>(raw: &[u8]) -> Option<([u8; A], [u8; B])> {
    let (first, second) = raw.split_at_checked(A)?;
    Some((bytes(first)?, bytes(second)?))
}

/// Microseconds, days, months.
fn interval(raw: &[u8]) -> Option<String> {
    let (micros, rest) = split::<8, 8>(raw)?;
    let (days, months) = split::<4, 4>(&rest)?;
    let nanoseconds = i64::from_be_bytes(micros).checked_mul(1_000)?;
    Some(sql::interval(i32::from_be_bytes(months), i32::from_be_bytes(days), nanoseconds))
}

fn pairs(raw: &[u8]) -> Vec<String> {
    raw.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Family, bits of the net, whether it is a `cidr`, length, address. A host's own net is not written, but for `cidr`.
fn address(raw: &[u8], is_net: bool) -> Option<String> {
    let [_family, bits, _, length, address @ ..] = raw else { return None };
    let (text, full) = match length {
        4 => (Ipv4Addr::from(bytes::<4>(address)?).to_string(), 32),
        16 => (Ipv6Addr::from(bytes::<16>(address)?).to_string(), 128),
        _ => return None,
    };
    Some(if *bits == full && !is_net { text } else { format!("{text}/{bits}") })
}

/// The number of bits, then the bits.
fn bits(raw: &[u8]) -> Option<String> {
    let (count, packed) = raw.split_first_chunk::<4>()?;
    let count = usize::try_from(i32::from_be_bytes(*count)).ok()?;
    let bit =
        |at: usize| packed.get(at / 8).map(|byte| if byte >> (7 - at % 8) & 1 == 1 { '1' } else { '0' });
    (0..count).map(bit).collect()
}
