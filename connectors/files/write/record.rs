//! Changes as lines of CSV or JSON.

use super::charset;
use super::layout::{self, Format, Layout, Quoting};
use crate::contract::{ChangeRef, FieldRef, Outcome, ValueRef, write_date, write_text, write_time};
use crate::delimited::{has_special, push_cell, push_quoted};
use crate::files::errors;

/// Writes the lines of one batch.
pub(super) struct Lines<'a> {
    layout: &'a Layout,
    columns: Vec<Finder<'a>>,
    /// A text on its way into the line, or into another encoding.
    cell: Vec<u8>,
}

/// Finds the fields of one column.
pub(super) struct Finder<'a> {
    pub name: &'a str,
    /// Where the field stood in the change before.
    seen: usize,
}

impl<'a> Lines<'a> {
    pub(super) fn new(layout: &'a Layout, columns: &'a [layout::Column]) -> Self {
        let columns = columns.iter().map(|column| Finder::new(&column.name)).collect();
        Lines { layout, columns, cell: Vec::new() }
    }

    /// What every part begins with.
    ///
    /// # Errors
    /// Where the name of a column cannot be written.
    pub(super) fn header(&mut self) -> Result<Vec<u8>, Outcome> {
        let (layout, mut out) = (self.layout, Vec::new());
        let names: Vec<&str> = self.columns.iter().map(|column| column.name).collect();
        let culprit = |character: char| {
            names.iter().find(|name| name.contains(character)).map(|name| (*name).to_owned())
        };
        if layout.format == Format::JsonLines {
            // They are in each line, and no part begins with them.
            let mut keys = Vec::new();
            names.iter().for_each(|name| write_text(name, &mut keys));
            self.end(&mut keys, culprit)?;
            return Ok(out);
        }
        if layout.byte_order_mark {
            out.extend_from_slice(b"\xef\xbb\xbf"); // of UTF-8 only
        }
        if layout.header {
            for (at, name) in names.iter().enumerate() {
                if at > 0 {
                    out.push(layout.delimiter);
                }
                cell(name.as_bytes(), layout, &mut out).map_err(|why| refused(why, name))?;
            }
            self.end(&mut out, culprit)?;
        }
        Ok(out)
    }

    /// Replaces what a buffer holds by the line of a change. A removal has the fields of its destination key only.
    ///
    /// # Errors
    /// The change's refusal where the file cannot say it.
    pub(super) fn record(&mut self, change: ChangeRef<'_>, out: &mut Vec<u8>) -> Result<(), Outcome> {
        out.clear();
        if self.layout.format == Format::Csv {
            self.cells(change, out)?;
        } else {
            json(change, self.layout.operation.as_deref(), out);
        }
        let culprit = |character: char| {
            let mut text = Vec::new();
            let fields = change.destination_key.iter().chain(change.fields);
            let has = |field: &&FieldRef<'_>| {
                text.clear();
                plain(&field.value, &mut text);
                String::from_utf8_lossy(&text).contains(character)
            };
            let mut has = has;
            fields.into_iter().find(|field| has(field)).map(|field| field.name.to_owned())
        };
        self.end(out, culprit)
    }

    fn cells(&mut self, change: ChangeRef<'_>, out: &mut Vec<u8>) -> Result<(), Outcome> {
        let layout = self.layout;
        for (at, column) in self.columns.iter_mut().enumerate() {
            if at > 0 {
                out.push(layout.delimiter);
            }
            if at == 0 && layout.operation.is_some() {
                let word = change.verb.as_str().as_bytes();
                cell(word, layout, out).map_err(|why| refused(why, column.name))?;
                continue;
            }
            let text: &[u8] = match column.of(change).map(|field| &field.value) {
                None | Some(ValueRef::Null) => {
                    out.extend_from_slice(layout.null_text.as_bytes());
                    continue;
                }
                Some(ValueRef::Text(text)) => text.as_bytes(),
                Some(ValueRef::Number(text) | ValueRef::Json(text)) => text.as_bytes(),
                Some(value) => {
                    self.cell.clear();
                    plain(value, &mut self.cell);
                    &self.cell
                }
            };
            cell(text, layout, out).map_err(|why| refused(why, column.name))?;
        }
        Ok(())
    }

    /// Puts a line into the file's encoding, and ends it. Its end comes after what takes the encoding back to ASCII: right before
    /// the next line that would be no text.
    fn end(
        &mut self,
        line: &mut Vec<u8>,
        culprit: impl FnOnce(char) -> Option<String>,
    ) -> Result<(), Outcome> {
        let encoding = self.layout.encoding;
        if encoding != encoding_rs::UTF_8 {
            self.cell.clear();
            std::mem::swap(&mut self.cell, line);
            let text = String::from_utf8_lossy(&self.cell); // it was put together from texts
            charset::push(&text, encoding, line).map_err(|character| Outcome::Rejected {
                code: errors::ENCODING.to_owned(),
                field: culprit(character),
                message: charset::lacks(encoding, character),
            })?;
        }
        line.extend_from_slice(self.layout.line_end.as_bytes());
        Ok(())
    }
}

impl<'a> Finder<'a> {
    pub(super) fn new(name: &'a str) -> Self {
        Finder { name, seen: 0 }
    }

    /// The change's field for this column; the match key's own value stands in for one that the change does not have.
    pub(super) fn of<'c>(&mut self, change: ChangeRef<'c>) -> Option<&'c FieldRef<'c>> {
        if let Some(field) = change.fields.get(self.seen).filter(|field| field.name == self.name) {
            return Some(field);
        }
        match change.fields.iter().position(|field| field.name == self.name) {
            Some(at) => {
                self.seen = at;
                change.fields.get(at)
            }
            None => change.destination_key.iter().find(|field| field.name == self.name),
        }
    }
}

/// Why a text cannot be a cell.
enum Problem {
    Null,
    Unquoted,
}

fn cell(text: &[u8], layout: &Layout, out: &mut Vec<u8>) -> Result<(), Problem> {
    let is_null = text == layout.null_text.as_bytes();
    if is_null && !text.is_empty() {
        return Err(Problem::Null);
    }
    match layout.quoting {
        Quoting::All => push_quoted(text, out),
        // So that an empty text is not taken for a null.
        Quoting::Needed if is_null => push_quoted(text, out),
        Quoting::Needed => push_cell(text, layout.delimiter, out),
        Quoting::Never if is_null => return Err(Problem::Null),
        Quoting::Never if has_special(text, layout.delimiter) => return Err(Problem::Unquoted),
        Quoting::Never => out.extend_from_slice(text),
    }
    Ok(())
}

fn refused(problem: Problem, field: &str) -> Outcome {
    let (code, message) = match problem {
        Problem::Null => {
            (errors::NULL_TEXT, "the text is the one that means null in this file (`null_text`)")
        }
        Problem::Unquoted => (
            errors::UNQUOTED,
            "the text holds a delimiter, a quote or the end of a line, and `quoting` is `never`",
        ),
    };
    Outcome::Rejected { code: code.to_owned(), field: Some(field.to_owned()), message: message.to_owned() }
}

/// Appends a value as the text of a cell: texts as they are, lists and JSON as JSON.
pub(super) fn plain(value: &ValueRef<'_>, out: &mut Vec<u8>) {
    match value {
        ValueRef::Null => {}
        ValueRef::Text(text) => out.extend_from_slice(text.as_bytes()),
        ValueRef::Date(date) => write_date(*date, out),
        ValueRef::DateTime(time) => write_time(*time, out),
        ValueRef::Boolean(_) | ValueRef::Number(_) | ValueRef::Json(_) | ValueRef::List(_) => {
            value.write_json(out);
        }
    }
}

/// Appends an object: what it means, where that is told, then the fields.
fn json(change: ChangeRef<'_>, operation: Option<&str>, out: &mut Vec<u8>) {
    out.push(b'{');
    let start = out.len();
    if let Some(name) = operation {
        write_text(name, out);
        out.push(b':');
        write_text(change.verb.as_str(), out);
    }
    let is_field = |part: &&FieldRef<'_>| !change.fields.iter().any(|field| field.name == part.name);
    for FieldRef { name, value } in change.destination_key.iter().filter(is_field).chain(change.fields) {
        if out.len() > start {
            out.push(b',');
        }
        write_text(name, out);
        out.push(b':');
        value.write_json(out);
    }
    out.push(b'}');
}
