//! Lists, structs and maps as JSON text.

use duckdb::arrow::array::{Array, AsArray};

use super::value::Reader;
use crate::sql;

/// Why a value cannot be written.
type Problem = String;

const ODD: &str = "a nested value that did not arrive as its type says";

/// Appends the value in this row as JSON.
pub(super) fn write(reader: &Reader, array: &dyn Array, row: usize, out: &mut String) -> Result<(), Problem> {
    if array.is_null(row) {
        out.push_str("null");
        return Ok(());
    }
    match reader {
        Reader::List(item) => {
            let items = match (array.as_list_opt::<i32>(), array.as_fixed_size_list_opt()) {
                (Some(lists), _) => lists.value(row),
                (None, Some(lists)) => lists.value(row),
                (None, None) => return Err(ODD.to_owned()),
            };
            out.push('[');
            for position in 0..items.len() {
                comma(position, out);
                write(item, items.as_ref(), position, out)?;
            }
            out.push(']');
        }
        Reader::Struct(fields) => {
            let columns = array.as_struct_opt().ok_or(ODD)?.columns();
            out.push('{');
            for (position, ((name, field), column)) in fields.iter().zip(columns).enumerate() {
                comma(position, out);
                sql::push_quoted(name, out);
                out.push(':');
                write(field, column.as_ref(), row, out)?;
            }
            out.push('}');
        }
        Reader::Map(sides) => {
            let entries = array.as_map_opt().ok_or(ODD)?.value(row);
            let [keys, values] = entries.columns() else { return Err(ODD.to_owned()) };
            out.push('{');
            for position in 0..entries.len() {
                comma(position, out);
                key(&sides.0, keys.as_ref(), position, out)?;
                out.push(':');
                write(&sides.1, values.as_ref(), position, out)?;
            }
            out.push('}');
        }
        plain => return plain.with_cell(array, row, |cell| sql::push_json(cell, out)),
    }
    Ok(())
}

/// JSON knows no other keys than texts.
fn key(reader: &Reader, keys: &dyn Array, row: usize, out: &mut String) -> Result<(), Problem> {
    let mut text = String::new();
    write(reader, keys, row, &mut text)?;
    match text.starts_with('"') {
        true => out.push_str(&text),
        false => sql::push_quoted(&text, out),
    }
    Ok(())
}

fn comma(position: usize, out: &mut String) {
    if position > 0 {
        out.push(',');
    }
}
