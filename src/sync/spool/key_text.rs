//! Keys as the JSON texts in which the ledger keeps them and people read them.

use std::io;

use outflow_connectors::contract::write_text;

use super::records::{Stored, Values};
use crate::sync::map::Mapper;
use crate::transform::display::write_json;

/// Replaces what is in `out` by `{column: value}` of a primary key.
///
/// # Errors
/// When a value is damaged.
pub fn write_key(columns: &[String], values: Values<'_>, out: &mut Vec<u8>) -> io::Result<()> {
    out.clear();
    out.push(b'{');
    for (position, (column, value)) in columns.iter().zip(values).enumerate() {
        if position > 0 {
            out.push(b',');
        }
        write_text(column, out);
        out.push(b':');
        write_json(&value?, out);
    }
    out.push(b'}');
    Ok(())
}

/// Replaces what is in `out` by a JSON list of the values of a destination key.
///
/// # Errors
/// When a value is damaged.
pub fn write_list(values: Values<'_>, out: &mut Vec<u8>) -> io::Result<()> {
    out.clear();
    out.push(b'[');
    for (position, value) in values.enumerate() {
        if position > 0 {
            out.push(b',');
        }
        write_json(&value?, out);
    }
    out.push(b']');
    Ok(())
}

/// `{column: value}` of a record's primary key.
///
/// # Errors
/// When a value is damaged.
pub fn key_text(mapper: &Mapper, record: &Stored<'_>) -> io::Result<String> {
    let mut out = Vec::new();
    write_key(&mapper.spec.key, record.key_values(), &mut out)?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// The destination key's values as a JSON list.
///
/// # Errors
/// When a value is damaged.
pub fn destination_text(record: &Stored<'_>) -> io::Result<String> {
    let mut out = Vec::new();
    write_list(record.destination_key(), &mut out)?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}
