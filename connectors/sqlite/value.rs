//! One SQLite value to one cell, without loss.

use crate::contract::{Cell, RowBatchBuilder};
use crate::sql::json;
use rusqlite::types::ValueRef;

/// What a column's declared type says beyond the value's own storage class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hint {
    /// `BOOLEAN`: SQLite stores 0 and 1.
    Boolean,
    /// `JSON`: SQLite stores text.
    Json,
    /// The storage class says it all. A declared DATE, NUMERIC or DECIMAL changes nothing: the value stays as it is
    /// stored, and the destination field's type decides what it becomes.
    None,
}

impl Hint {
    /// From the declared type, `""` for an expression.
    pub(super) fn from_declared(declared: &str) -> Self {
        match declared.trim().to_ascii_uppercase().as_str() {
            "BOOLEAN" | "BOOL" => Hint::Boolean,
            "JSON" => Hint::Json,
            _ => Hint::None,
        }
    }
}

/// Appends one value. Values that don't fit their column's declared type keep their own.
pub(super) fn push(builder: &mut RowBatchBuilder, hint: Hint, value: ValueRef<'_>) {
    match value {
        ValueRef::Null => builder.push(Cell::Null),
        ValueRef::Integer(i @ (0 | 1)) if hint == Hint::Boolean => builder.push(Cell::Bool(i == 1)),
        ValueRef::Integer(i) => builder.push(Cell::Integer(i)),
        ValueRef::Real(f) => builder.push(Cell::Float(f)),
        ValueRef::Blob(bytes) => builder.push(Cell::Bytes(bytes)),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) if hint == Hint::Json => builder.push(json(text)),
            Ok(text) => builder.push(Cell::Text(text)),
            Err(error) => {
                builder.push(Cell::Malformed(&format!("invalid UTF-8 at byte {}", error.valid_up_to())));
            }
        },
    }
}
