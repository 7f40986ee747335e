//! Why one row cannot be delivered: what outflow itself finds wrong with a value.

use std::fmt;

use outflow_connectors::contract::{Cell, FieldType, Number};
use outflow_connectors::registry::{ErrorEntry, entry};

/// A value that cannot be used; its row is invalid and never sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// One of [`CODES`].
    pub code: &'static str,
    /// One sentence that shows the value (shortened) and what was expected.
    pub message: String,
}

impl Fault {
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Fault { code, message: message.into() }
    }

    /// `"abc" is not a number`, say.
    pub(super) fn value(code: &'static str, cell: Cell<'_>, problem: impl fmt::Display) -> Self {
        Fault::new(code, format!("{} {problem}", shown(cell)))
    }

    /// For types that have nothing in common, such as a date for a number.
    pub(super) fn unrelated(cell: Cell<'_>, kind: FieldType) -> Self {
        let problem = format_args!("is {} and has no form as {kind}", type_name(cell)).to_string();
        Fault::value(UNRELATED, cell, problem)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

pub const KEY_NULL: &str = "OF-ROW-001";
pub const MALFORMED: &str = "OF-ROW-002";
pub const KEY_TYPE: &str = "OF-ROW-003";
pub const NOT_A_NUMBER: &str = "OF-ROW-004";
pub const NOT_FINITE: &str = "OF-ROW-005";
pub const FRACTION: &str = "OF-ROW-006";
pub const OUT_OF_RANGE: &str = "OF-ROW-007";
pub const NOT_A_BOOLEAN: &str = "OF-ROW-008";
pub const NOT_A_DATE: &str = "OF-ROW-009";
pub const TIME_OF_DAY: &str = "OF-ROW-010";
pub const EPOCH: &str = "OF-ROW-011";
pub const NOT_JSON: &str = "OF-ROW-012";
pub const NOT_A_LIST: &str = "OF-ROW-013";
pub const TOO_LONG: &str = "OF-ROW-014";
pub const NOT_AN_OPTION: &str = "OF-ROW-015";
pub const BYTES: &str = "OF-ROW-016";
pub const UNRELATED: &str = "OF-ROW-017";
pub const TEMPLATE: &str = "OF-ROW-018";
pub const TEMPLATE_FUEL: &str = "OF-ROW-019";
pub const TOO_PRECISE: &str = "OF-ROW-020";
pub const RESERVED: &str = "OF-ROW-021";

/// What `outflow explain` says of each code.
pub const CODES: &[ErrorEntry] = &[
    entry(
        KEY_NULL,
        "A column of the primary key is null, so the row has no identity.",
        "Filter such rows out in the query, or choose a primary key that is never null.",
    ),
    entry(
        MALFORMED,
        "The warehouse gave a value that cannot be read, such as text that is not UTF-8.",
        "Repair the value in the warehouse, or convert it in the query; the message says where it breaks.",
    ),
    entry(
        KEY_TYPE,
        "A column of the primary key holds a value that cannot identify a row, such as bytes or NaN.",
        "Convert it in the query, for instance with `hex(column)`, or choose another primary key.",
    ),
    entry(
        NOT_A_NUMBER,
        "A text that should become a number is not one. Thousands separators, currency signs and decimal commas are not read.",
        "Convert it in the query, or correct the field's `type`.",
    ),
    entry(
        NOT_FINITE,
        "NaN or an infinity should become a number; no destination has them.",
        "Replace it in the query, for instance by NULL.",
    ),
    entry(
        FRACTION,
        "A number with a fraction should become an integer; rounding would lose the fraction silently.",
        "Round it in the query, set `scale: 0`, or use `type: number`.",
    ),
    entry(
        OUT_OF_RANGE,
        "A number is too large for the field's type to hold it exactly.",
        "Use `type: number` or `type: string`, or correct the value in the query.",
    ),
    entry(
        NOT_A_BOOLEAN,
        "A value should become a boolean and is none of 1/0, true/false, t/f, yes/no, y/n, on/off.",
        "Write the condition in the query, for instance `status = 'active'`.",
    ),
    entry(
        NOT_A_DATE,
        "A text should become a date or a time and is not in an ISO 8601 form such as `2009-01-31` or `2009-01-31 23:59:00+09:00`.",
        "Convert it in the query, or use `type: string`.",
    ),
    entry(
        TIME_OF_DAY,
        "A time that is not midnight should become a date; its time of day would be lost silently.",
        "Use `date(column)` in the query, set the source's `timezone`, or use `type: datetime`.",
    ),
    entry(
        EPOCH,
        "A number should become a date or a time. Its unit (days, seconds, milliseconds) is not known, so outflow doesn't guess.",
        "Convert it in the query, for instance `datetime(column, 'unixepoch')` in SQLite.",
    ),
    entry(
        NOT_JSON,
        "A text should become JSON and is not valid JSON, or holds a number that JSON numbers cannot hold exactly.",
        "Repair it in the query, or use `type: string`.",
    ),
    entry(
        NOT_A_LIST,
        "A value should become a list and is not a JSON array.",
        "Build an array in the query, for instance with `json_group_array(column)` or `array_agg(column)`.",
    ),
    entry(
        TOO_LONG,
        "A text is longer than the destination's field; cutting it would lose the rest silently.",
        "Shorten it in the query, for instance with `substr(column, 1, 255)`, or enlarge the field in the destination.",
    ),
    entry(
        NOT_AN_OPTION,
        "A value is not one of the destination field's options (their internal values are compared).",
        "Map it in the query with `case`, or add the option in the destination; `outflow fields` lists them.",
    ),
    entry(
        BYTES,
        "Bytes (a BLOB) should become another type; they have no text of their own.",
        "Convert them in the query, for instance with `hex(column)`.",
    ),
    entry(
        UNRELATED,
        "A value's type has nothing in common with the field's type, such as a date for a number.",
        "Correct the field's `type`, or convert the value in the query.",
    ),
    entry(
        TEMPLATE,
        "A field's template failed for this row: it uses a column that the query does not return, or a value it cannot work with.",
        "The message names the template's line; `{{ column or '' }}` gives a null column a text.",
    ),
    entry(
        TEMPLATE_FUEL,
        "A field's template took too many steps, as an endless or very long loop does.",
        "Simplify the template, or compute the value in the query.",
    ),
    entry(
        TOO_PRECISE,
        "A number has more digits after the point than the destination's field keeps, so some would be lost unseen.",
        "Round it on purpose, with `scale` on the field in the mapping, or give the field more decimals in the destination.",
    ),
    entry(
        RESERVED,
        "A text is one by which the destination means something else, such as `#N/A`, by which a job of Salesforce's Bulk API clears a field.",
        "Change the text in the query; for Salesforce, or leave out `api: bulk`: under `auto` such a row goes by a collection.",
    ),
];

/// Most characters of a value that a message shows.
const SHOWN: usize = 60;

/// The first characters of a text, control characters escaped, with `…` where it was cut.
pub(super) fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(SHOWN).flat_map(char::escape_debug_control).collect();
    if text.chars().nth(SHOWN).is_some() {
        short.push('…');
    }
    short
}

trait EscapeControl {
    fn escape_debug_control(self) -> Vec<char>;
}

impl EscapeControl for char {
    fn escape_debug_control(self) -> Vec<char> {
        if self.is_control() { self.escape_default().collect() } else { vec![self] }
    }
}

/// A cell as messages show it.
pub(super) fn shown(cell: Cell<'_>) -> String {
    match cell {
        Cell::Null => "null".to_owned(),
        Cell::Bool(b) => format!("`{b}`"),
        Cell::Integer(i) => format!("`{i}`"),
        Cell::Float(f) => format!("`{f}`"),
        Cell::Decimal { digits, scale } => format!("`{}`", Number::from_decimal(digits, scale)),
        Cell::Bytes(b) => format!("a value of {} bytes", b.len()),
        Cell::Date(d) => format!("`{d}`"),
        Cell::Timestamp(t) => format!("`{t}`"),
        Cell::DateTime(t) => format!("`{t}`"),
        Cell::Text(s) | Cell::Json(s) | Cell::List(s) => format!("`{}`", shorten(s)),
        Cell::Malformed(_) => "the value".to_owned(),
    }
}

/// A cell's type with its article, for messages.
fn type_name(cell: Cell<'_>) -> &'static str {
    match cell {
        Cell::Null => "null",
        Cell::Bool(_) => "a boolean",
        Cell::Integer(_) => "an integer",
        Cell::Float(_) | Cell::Decimal { .. } => "a number",
        Cell::Text(_) => "a text",
        Cell::Bytes(_) => "bytes",
        Cell::Date(_) => "a date",
        Cell::Timestamp(_) | Cell::DateTime(_) => "a time",
        Cell::Json(_) => "JSON",
        Cell::List(_) => "a list",
        Cell::Malformed(_) => "unreadable",
    }
}
