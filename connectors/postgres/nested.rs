//! Arrays and composites as JSON text, ranges as text
//! (`array_send`, `record_send` and `range_send` of the server's sources say what is on the wire).

use tokio_postgres::types::{Kind, Type};

use super::value::Reader;
use crate::contract::Cell;
use crate::sql;

/// Why a value cannot be written.
type Problem = String;

/// Appends an array or a composite as JSON.
pub(super) fn write(kind: &Type, raw: &[u8], out: &mut String) -> Result<(), Problem> {
    match kind.kind() {
        Kind::Array(item) => array(item, raw, out),
        Kind::Composite(fields) => {
            let mut input = Input(raw);
            if input.long()? as usize != fields.len() {
                return Err("a composite of other fields than its type has".to_owned());
            }
            out.push('{');
            for (position, field) in fields.iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                out.push_str(&sql::quoted(field.name()));
                out.push(':');
                input.long()?; // the field's type, known already
                value(field.type_(), input.field()?, out)?;
            }
            out.push('}');
            Ok(())
        }
        _ => Err(format!("a value of type {kind}, which is not supported")),
    }
}

/// Dimensions, whether there are nulls, the items' type; length and lower bound of each dimension; the items.
fn array(item: &Type, raw: &[u8], out: &mut String) -> Result<(), Problem> {
    let mut input = Input(raw);
    let dimensions = input.long()?;
    input.long()?;
    input.long()?;
    let mut lengths = Vec::new();
    for _ in 0..dimensions {
        lengths.push(input.long()?);
        input.long()?;
    }
    if lengths.is_empty() {
        out.push_str("[]");
        return Ok(());
    }
    level(item, &lengths, &mut input, out)
}

fn level(item: &Type, lengths: &[i32], input: &mut Input<'_>, out: &mut String) -> Result<(), Problem> {
    let Some((length, inner)) = lengths.split_first() else { return value(item, input.field()?, out) };
    out.push('[');
    for position in 0..*length {
        if position > 0 {
            out.push(',');
        }
        level(item, inner, input, out)?;
    }
    out.push(']');
    Ok(())
}

fn value(kind: &Type, raw: Option<&[u8]>, out: &mut String) -> Result<(), Problem> {
    let Some(raw) = raw else {
        out.push_str("null");
        return Ok(());
    };
    let reader = Reader::of(kind).ok_or_else(|| format!("a value of type {kind}, which is not supported"))?;
    reader.with_cell(raw, |cell| sql::push_json(cell, out))
}

const EMPTY: u8 = 0x01;
const LOWER_INCLUSIVE: u8 = 0x02;
const UPPER_INCLUSIVE: u8 = 0x04;
const LOWER_INFINITE: u8 = 0x08;
const UPPER_INFINITE: u8 = 0x10;

/// `[1,5)`, `empty`, `(,2026-01-01)`: as the server prints it, without its quotes.
pub(super) fn range(bound: &Reader, raw: &[u8]) -> Result<String, Problem> {
    let (flags, rest) = raw.split_first().ok_or("an empty value of a range")?;
    if flags & EMPTY != 0 {
        return Ok("empty".to_owned());
    }
    let mut input = Input(rest);
    let mut text = String::from(if flags & LOWER_INCLUSIVE != 0 { "[" } else { "(" });
    let mut end = |infinite: u8, text: &mut String| match flags & infinite {
        0 => {
            let raw = input.field()?.unwrap_or_default();
            bound.with_cell(raw, |cell| match cell {
                Cell::Text(plain) => {
                    text.push_str(plain);
                    Ok(())
                }
                cell => {
                    let mut json = String::new();
                    sql::push_json(cell, &mut json)?;
                    text.push_str(json.trim_matches('"'));
                    Ok(())
                }
            })
        }
        _ => Ok::<(), Problem>(()),
    };
    end(LOWER_INFINITE, &mut text)?;
    text.push(',');
    end(UPPER_INFINITE, &mut text)?;
    text.push(if flags & UPPER_INCLUSIVE != 0 { ']' } else { ')' });
    Ok(text)
}

/// What is still to be read of a value.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn long(&mut self) -> Result<i32, Problem> {
        let (number, rest) = self.0.split_first_chunk::<4>().ok_or("a value that ends too early")?;
        self.0 = rest;
        Ok(i32::from_be_bytes(*number))
    }

    /// A length and so many bytes; the length of null is -1.
    fn field(&mut self) -> Result<Option<&'a [u8]>, Problem> {
        let Ok(length) = usize::try_from(self.long()?) else { return Ok(None) };
        let (field, rest) = self.0.split_at_checked(length).ok_or("a value that ends too early")?;
        self.0 = rest;
        Ok(Some(field))
    }
}
