//! One cell to a value of its field's type: without loss, or a fault.

use std::borrow::Cow;

use jiff::tz::TimeZone;
use outflow_connectors::contract::{Cell, FieldType, Number, NumberError, Value};
use serde_json::Value as Json;

use super::fault::{self, Fault, shorten};
use super::{json, list, time};

/// What a field takes: its type, with what the mapping and the destination's catalogue add to it.
#[derive(Debug, Clone)]
pub struct Conversion {
    pub kind: FieldType,
    /// Digits after the point to which numbers are rounded, half away from zero.
    pub scale: Option<u32>,
    /// Zone of times that name none; `None` is UTC.
    pub timezone: Option<TimeZone>,
    /// A list whose order and repeats don't matter.
    pub set: bool,
    /// Allowed values; empty where any are.
    pub options: Vec<String>,
    /// Several options can be chosen: from a list, or from text as `a;b`.
    pub multiple: bool,
    /// Longest text, in characters.
    pub max_length: Option<u32>,
    /// Digits after the point that the destination keeps.
    pub kept: Option<u32>,
    /// Texts that the destination means something else by.
    pub reserved: &'static [&'static str],
}

impl Conversion {
    /// Any value of this type.
    pub fn new(kind: FieldType) -> Self {
        Conversion {
            kind,
            scale: None,
            timezone: None,
            set: false,
            options: Vec::new(),
            multiple: false,
            max_length: None,
            kept: None,
            reserved: &[],
        }
    }
}

/// Converts a cell; null stays null, and so does JSON's `null`. The result depends on the cell's meaning, not on the type the driver gave it:
/// `1`, `1.0` and the text `1` are one number.
///
/// # Errors
/// A fault where something would be lost, or where the value has no form as this type.
pub fn convert(cell: Cell<'_>, to: &Conversion) -> Result<Value, Fault> {
    match cell {
        Cell::Null => return Ok(Value::Null),
        Cell::Json(s) if s.trim() == "null" => return Ok(Value::Null),
        Cell::Malformed(why) => {
            return Err(Fault::new(
                fault::MALFORMED,
                format!("the warehouse gave an unreadable value: {why}"),
            ));
        }
        Cell::Bytes(_) => {
            let problem =
                format!("cannot become a {}; convert it in the query, for instance with `hex`", to.kind);
            return Err(Fault::value(fault::BYTES, cell, problem));
        }
        _ => {}
    }
    if to.multiple && matches!(to.kind, FieldType::String | FieldType::List) {
        return list::choices(cell, to);
    }
    let value = match to.kind {
        FieldType::String => Value::Text(text(cell, to)?.into_owned()),
        FieldType::Number => Value::Number(number(cell, to)?),
        FieldType::Integer => Value::Integer(integer(cell, to)?),
        FieldType::Boolean => return boolean(cell).map(Value::Boolean),
        FieldType::Date => date(cell, to)?,
        FieldType::DateTime => datetime(cell, to)?,
        FieldType::Json => Value::Json(json_value(cell)?),
        FieldType::List => Value::List(list::list(cell, to)?),
    };
    check(value, cell, to)
}

/// Converts a mapping's constant, as if the warehouse had given it.
///
/// # Errors
/// As [`convert`].
pub fn constant(json: &Json, to: &Conversion) -> Result<Value, Fault> {
    let mut text = String::new();
    let cell = match json {
        Json::Null => Cell::Null,
        Json::Bool(b) => Cell::Bool(*b),
        Json::Number(n) => match (n.as_i64(), n.as_u64()) {
            (Some(i), _) => Cell::Integer(i),
            (None, Some(u)) => Cell::Decimal { digits: i128::from(u), scale: 0 },
            (None, None) => Cell::Float(n.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(s) => Cell::Text(s),
        Json::Array(_) => {
            json::write(json, &mut text);
            Cell::List(&text)
        }
        Json::Object(_) => {
            json::write(json, &mut text);
            Cell::Json(&text)
        }
    };
    convert(cell, to)
}

/// The one text of a cell: numbers canonical, times RFC 3339 in UTC, JSON compact with sorted keys, a JSON string
/// without its quotes.
pub(super) fn text<'a>(cell: Cell<'a>, to: &Conversion) -> Result<Cow<'a, str>, Fault> {
    Ok(match cell {
        Cell::Text(s) => s.into(),
        Cell::Bool(b) => b.to_string().into(),
        Cell::Float(f) if f.is_nan() => "NaN".into(),
        Cell::Float(f) if f.is_infinite() => if f > 0.0 { "Infinity" } else { "-Infinity" }.into(),
        Cell::Integer(_) | Cell::Float(_) | Cell::Decimal { .. } => number(cell, to)?.to_string().into(),
        Cell::Date(d) => d.to_string().into(),
        Cell::Timestamp(_) | Cell::DateTime(_) => datetime(cell, to)?.to_string().into(),
        Cell::Json(_) | Cell::List(_) => match json_value(cell)? {
            Json::String(s) => s.into(),
            other => {
                let mut out = String::new();
                json::write(&other, &mut out);
                out.into()
            }
        },
        Cell::Null | Cell::Bytes(_) | Cell::Malformed(_) => return Err(Fault::unrelated(cell, to.kind)),
    })
}

/// The number of a cell, rounded to the field's scale; a float has 15 significant digits.
fn number(cell: Cell<'_>, to: &Conversion) -> Result<Number, Fault> {
    let read = match cell {
        Cell::Integer(i) => Ok(Number::from_integer(i)),
        Cell::Bool(b) => Ok(Number::from_integer(i64::from(b))),
        Cell::Float(f) => json::float(f),
        Cell::Decimal { digits, scale } => Ok(Number::from_decimal(digits, scale)),
        Cell::Text(s) => Number::parse(s.trim()),
        Cell::Json(s) => return number_in_json(s, cell, to),
        _ => return Err(Fault::unrelated(cell, to.kind)),
    };
    match (read, to.scale) {
        (Ok(n), Some(scale)) => Ok(n.round(scale)),
        (Ok(n), None) => Ok(n),
        (Err(problem), _) => Err(not_a_number(cell, problem, to)),
    }
}

fn not_a_number(cell: Cell<'_>, problem: NumberError, to: &Conversion) -> Fault {
    let expected = format!("is {problem}, and the field's type is {}", to.kind);
    match problem {
        NumberError::NotANumber => Fault::value(fault::NOT_A_NUMBER, cell, expected),
        NumberError::NotFinite => Fault::value(fault::NOT_FINITE, cell, expected),
        NumberError::TooLong => Fault::value(fault::OUT_OF_RANGE, cell, expected),
    }
}

/// A JSON scalar that is a number, or a text with one.
fn number_in_json(source: &str, cell: Cell<'_>, to: &Conversion) -> Result<Number, Fault> {
    match serde_json::from_str(source) {
        Ok(Json::Number(_)) => number(Cell::Text(source), to),
        Ok(Json::String(s)) => number(Cell::Text(&s), to),
        _ => Err(Fault::unrelated(cell, to.kind)),
    }
}

fn integer(cell: Cell<'_>, to: &Conversion) -> Result<i64, Fault> {
    if let (Cell::Integer(i), None) = (cell, to.scale) {
        return Ok(i);
    }
    let number = number(cell, to)?;
    if !number.is_integral() {
        return Err(Fault::value(fault::FRACTION, cell, "has a fraction, and the field's type is integer"));
    }
    let whole = number.as_str().parse::<i64>().ok();
    // Beyond 2^53 a double is often not the integer that was meant; only one that survived rounding is taken.
    let whole = whole.filter(|i| !matches!(cell, Cell::Float(f) if to.scale.is_none() && *i as f64 != f));
    whole.ok_or_else(|| {
        Fault::value(fault::OUT_OF_RANGE, cell, "is too large to be an exact integer of 64 bits")
    })
}

/// PostgreSQL's words for true and false in any case, and the numbers 1 and 0.
fn boolean(cell: Cell<'_>) -> Result<bool, Fault> {
    let numeric = |n: Result<Number, NumberError>| match n.as_ref().map(Number::as_str) {
        Ok("1") => Some(true),
        Ok("0") => Some(false),
        _ => None,
    };
    let read = match cell {
        Cell::Bool(b) => Some(b),
        Cell::Integer(i) => numeric(Ok(Number::from_integer(i))),
        Cell::Float(f) => numeric(Number::from_float(f)),
        Cell::Decimal { digits, scale } => numeric(Ok(Number::from_decimal(digits, scale))),
        Cell::Json(s) if s.starts_with('"') => return boolean_in_json(s, cell),
        Cell::Text(s) | Cell::Json(s) => match s.trim().to_ascii_lowercase().as_str() {
            "t" | "true" | "y" | "yes" | "on" => Some(true),
            "f" | "false" | "n" | "no" | "off" => Some(false),
            other => numeric(Number::parse(other)),
        },
        _ => return Err(Fault::unrelated(cell, FieldType::Boolean)),
    };
    read.ok_or_else(|| {
        Fault::value(fault::NOT_A_BOOLEAN, cell, "is not a boolean (true/false, t/f, yes/no, on/off, 1/0)")
    })
}

fn boolean_in_json(source: &str, cell: Cell<'_>) -> Result<bool, Fault> {
    match serde_json::from_str::<String>(source) {
        Ok(text) => boolean(Cell::Text(&text)),
        Err(_) => Err(Fault::value(fault::NOT_A_BOOLEAN, cell, "is not a boolean")),
    }
}

fn date(cell: Cell<'_>, to: &Conversion) -> Result<Value, Fault> {
    let wall = match moment(cell, to)? {
        time::Moment::Wall(w) => w,
        time::Moment::Instant(t) => time::wall(t, to.timezone.as_ref()),
    };
    if wall.time() != jiff::civil::Time::midnight() {
        let problem = format!("has a time of day ({}), and the field's type is date", wall.time());
        return Err(Fault::value(fault::TIME_OF_DAY, cell, problem));
    }
    Ok(Value::Date(wall.date()))
}

fn datetime(cell: Cell<'_>, to: &Conversion) -> Result<Value, Fault> {
    let instant = match moment(cell, to)? {
        time::Moment::Instant(t) => Some(t),
        time::Moment::Wall(w) => time::instant(w, to.timezone.as_ref()),
    };
    instant.map(Value::DateTime).ok_or_else(|| {
        Fault::value(
            fault::OUT_OF_RANGE,
            cell,
            "is outside the times that can be held, which end at 9999-12-30 22:00 UTC",
        )
    })
}

fn moment(cell: Cell<'_>, to: &Conversion) -> Result<time::Moment, Fault> {
    let expected = format!("is not a {} in an ISO 8601 form such as `2009-01-31 23:59:00`", to.kind);
    match cell {
        Cell::Date(d) => Ok(time::Moment::Wall(d.at(0, 0, 0, 0))),
        Cell::DateTime(w) => Ok(time::Moment::Wall(w)),
        Cell::Timestamp(t) => Ok(time::Moment::Instant(t)),
        Cell::Text(s) => match time::parse(s) {
            Some(moment) => Ok(moment),
            None if Number::parse(s.trim()).is_ok() => Err(epoch(cell, to)),
            None => Err(Fault::value(fault::NOT_A_DATE, cell, expected)),
        },
        Cell::Json(s) => match serde_json::from_str::<String>(s).ok().as_deref().and_then(time::parse) {
            Some(moment) => Ok(moment),
            None => Err(Fault::value(fault::NOT_A_DATE, cell, expected)),
        },
        Cell::Integer(_) | Cell::Float(_) | Cell::Decimal { .. } => Err(epoch(cell, to)),
        _ => Err(Fault::unrelated(cell, to.kind)),
    }
}

fn epoch(cell: Cell<'_>, to: &Conversion) -> Fault {
    let problem = format!(
        "is a number, and the field's type is {}; convert it in the query, for instance `datetime(column, 'unixepoch')`",
        to.kind
    );
    Fault::value(fault::EPOCH, cell, problem)
}

/// The JSON of a cell: text and JSON columns are parsed, all else becomes a scalar.
fn json_value(cell: Cell<'_>) -> Result<Json, Fault> {
    let plain = Conversion::new(FieldType::Json);
    match cell {
        Cell::Text(s) | Cell::Json(s) | Cell::List(s) => {
            json::parse(s).map_err(|problem| Fault::value(fault::NOT_JSON, cell, problem))
        }
        Cell::Bool(b) => Ok(b.into()),
        Cell::Integer(_) | Cell::Float(_) | Cell::Decimal { .. } => json::exact(&number(cell, &plain)?)
            .ok_or_else(|| {
                Fault::value(fault::NOT_JSON, cell, "has more digits than a JSON number keeps exactly")
            }),
        _ => Ok(text(cell, &plain)?.into()),
    }
}

/// Options, length and digits, which the type itself doesn't say.
fn check(value: Value, cell: Cell<'_>, to: &Conversion) -> Result<Value, Fault> {
    match &value {
        Value::Text(text) => {
            fits(text, to)?;
            if !is_option(text, to) {
                return Err(not_an_option(text, to));
            }
            if to.reserved.contains(&text.as_str()) {
                return Err(Fault::value(
                    fault::RESERVED,
                    cell,
                    "cannot be sent: the destination takes it for a null",
                ));
            }
        }
        Value::Number(number) if decimals(number) > to.kept.map_or(usize::MAX, |kept| kept as usize) => {
            let (has, kept) = (decimals(number), to.kept.unwrap_or_default());
            let problem = format!(
                "has {has} digits after the point, and the field keeps {kept}; set `scale: {kept}` to round it"
            );
            return Err(Fault::value(fault::TOO_PRECISE, cell, problem));
        }
        Value::Integer(_) | Value::Number(_) if !is_option(&value.to_string(), to) => {
            return Err(not_an_option(&value.to_string(), to));
        }
        Value::List(items) => {
            if let Some(wrong) = items.iter().find(|item| !is_option(&item.to_string(), to)) {
                return Err(not_an_option(&wrong.to_string(), to));
            }
        }
        _ => {}
    }
    debug_assert!(value != Value::Null || cell == Cell::Null);
    Ok(value)
}

/// Digits after the point.
fn decimals(number: &Number) -> usize {
    number.as_str().split_once('.').map_or(0, |(_, fraction)| fraction.len())
}

pub(super) fn is_option(text: &str, to: &Conversion) -> bool {
    to.options.is_empty() || to.options.iter().any(|option| option == text)
}

pub(super) fn not_an_option(text: &str, to: &Conversion) -> Fault {
    const NAMED: usize = 8;
    let named: Vec<String> = to.options.iter().take(NAMED).map(|o| format!("`{}`", shorten(o))).collect();
    let more = if to.options.len() > NAMED {
        format!(" and {} more", to.options.len() - NAMED)
    } else {
        String::new()
    };
    let message = format!("`{}` is not one of the options {}{more}", shorten(text), named.join(", "));
    Fault::new(fault::NOT_AN_OPTION, message)
}

pub(super) fn fits(text: &str, to: &Conversion) -> Result<(), Fault> {
    let Some(most) = to.max_length.map(|n| n as usize).filter(|most| text.len() > *most) else {
        return Ok(());
    };
    let length = text.chars().count();
    if length <= most {
        return Ok(());
    }
    let message = format!("`{}` has {length} characters, and the field takes {most}", shorten(text));
    Err(Fault::new(fault::TOO_LONG, message))
}
