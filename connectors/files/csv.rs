//! CSV: a header, then rows of as many fields. Every value is a text. An empty field is null, and `""` an empty text;
//! where the query names the field that means null, quotes do not change what a field means.

use std::fmt;
use std::io::{self, BufRead, Read};

use super::content::{self, MAX_ROW};
use super::errors;
use super::locate::Input;
use super::opened::Opened;
use super::source::{Outlet, Task};
use crate::contract::{Cell, Column, ConnectorError, RowBatchBuilder};

/// The header.
///
/// # Errors
/// [`Kind::Config`](crate::contract::Kind::Config) where there is none, or it is not UTF-8.
pub(super) fn columns(input: &Input, opened: &Opened) -> Result<Vec<Column>, ConnectorError> {
    let mut rows = Rows::open(input, opened)?;
    if !rows.advance()? {
        return Err(errors::damaged(&input.path, "has no header"));
    }
    let column = |name: &[u8]| match std::str::from_utf8(name) {
        Ok(name) => Ok(Column { name: name.to_owned(), declared: String::new() }),
        Err(_) => Err(rows.wrong("a name of the header is not UTF-8")),
    };
    rows.row.iter().map(column).collect()
}

/// Reads the whole file.
///
/// # Errors
/// As [`columns`]; also for a row with another number of fields than the header.
pub(super) fn read(task: &Task<'_>, outlet: &Outlet) -> Result<(), ConnectorError> {
    let mut rows = Rows::open(task.input, task.opened)?;
    rows.advance()?;
    let null = task.input.null_text.as_deref().map(str::as_bytes);
    let mut builder = RowBatchBuilder::new(task.schema.clone());
    while rows.advance()? {
        let (fields, columns) = (rows.row.len(), task.places.len());
        if fields != columns {
            return Err(rows.wrong(&format!("{fields} fields, and the header has {columns}")));
        }
        if null.is_none() {
            rows.look_for_quotes();
        }
        let mut row = builder.block(1);
        for (index, (field, place)) in rows.row.iter().zip(&task.places).enumerate() {
            let is_null = match null {
                Some(null) => field == null,
                None => field.is_empty() && !rows.is_quoted(index),
            };
            let Some(place) = place.filter(|_| !is_null) else { continue };
            match std::str::from_utf8(field) {
                Ok(text) => row.set(0, place, Cell::Text(text)),
                Err(error) => {
                    let problem = format!("invalid UTF-8 at byte {}", error.valid_up_to());
                    row.set(0, place, Cell::Malformed(&problem));
                }
            }
        }
        if builder.is_full() && outlet.put(builder.take()).is_err() {
            return Ok(());
        }
    }
    if !builder.is_empty() {
        let _ = outlet.put(builder.take()); // where nobody wants it, nobody waits for more
    }
    Ok(())
}

/// Rows one after another, in memory that is used again.
struct Rows<'a> {
    input: &'a Input,
    reader: csv::Reader<Content>,
    row: csv::ByteRecord,
    /// Whether each field of the row begins with a quote; empty where that was not looked for.
    quoted: Vec<bool>,
}

impl<'a> Rows<'a> {
    fn open(input: &'a Input, opened: &Opened) -> Result<Self, ConnectorError> {
        let bytes = content::open(input, opened)?;
        let content = Content { bytes, given: 0, row: 0, kept: Vec::new(), end: END };
        let reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(input.delimiter)
            .buffer_capacity(1 << 16)
            .from_reader(content);
        Ok(Rows { input, reader, row: csv::ByteRecord::new(), quoted: Vec::new() })
    }

    /// Goes to the next row that is not empty; `false` after the last.
    fn advance(&mut self) -> Result<bool, ConnectorError> {
        let start = self.reader.position().byte();
        self.reader.get_mut().row = start;
        match self.reader.read_byte_record(&mut self.row) {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(error) => return Err(self.failed(error)),
        }
        let content = self.reader.get_ref();
        let is_last = self.reader.position().byte() == content.given + END.len() as u64;
        if !is_last || !content.end.is_empty() {
            return Ok(true);
        }
        match self.row.len() == 1 && self.row.get(0) == END.get(1..) {
            true => Ok(false),
            false => Err(self.wrong("a quote that begins in this row is never closed")),
        }
    }

    /// The parser takes quotes away, so the row is looked at as it stands in the file; only where it matters.
    fn look_for_quotes(&mut self) {
        self.quoted.clear();
        if self.row.iter().any(<[u8]>::is_empty) {
            let content = self.reader.get_ref();
            let raw = content.kept_from(content.row, self.reader.position().byte());
            if raw.contains(&b'"') {
                quotes(raw, self.input.delimiter, &mut self.quoted);
            }
        }
    }

    fn is_quoted(&self, field: usize) -> bool {
        self.quoted.get(field).is_some_and(|quoted| *quoted)
    }

    fn wrong(&self, problem: &str) -> ConnectorError {
        let hint = "check `delimiter`, and quote fields with a delimiter, a line end or a quote in them";
        errors::line(&self.input.path, self.line(), problem).hint(hint)
    }

    /// The line in which the row begins. The parser's own count lags where lines end in two bytes, so they are counted anew.
    fn line(&self) -> u64 {
        let content = Opened::open(self.input).and_then(|opened| content::open(self.input, &opened));
        let (mut line, mut before) = (1, self.reader.get_ref().row);
        for byte in content.into_iter().flat_map(Read::bytes).map_while(Result::ok) {
            if before == 0 && !matches!(byte, b'\r' | b'\n') {
                break;
            }
            before = before.saturating_sub(1);
            line += u64::from(byte == b'\n');
        }
        line
    }

    fn failed(&self, error: csv::Error) -> ConnectorError {
        match error.into_kind() {
            csv::ErrorKind::Io(error) if error.get_ref().is_some_and(|inner| inner.is::<TooLong>()) => {
                let hint = "check whether it is CSV, and whether a quote is not closed";
                errors::line(&self.input.path, self.line(), TooLong).hint(hint)
            }
            csv::ErrorKind::Io(error) => content::failed(&self.input.path, self.input.compression, error),
            kind => errors::damaged(&self.input.path, format!("cannot be read as CSV: {kind:?}")),
        }
    }
}

/// Whether each field of a row begins with a quote, by the parser's rules: such a field ends at a delimiter or line end
/// after a quote that stands alone, any other at the first one.
fn quotes(row: &[u8], delimiter: u8, quoted: &mut Vec<bool>) {
    let is_line_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let start = row.iter().position(|byte| !is_line_end(byte)).unwrap_or(row.len());
    let mut rest = &row[start..];
    loop {
        let mut at = usize::from(rest.first() == Some(&b'"'));
        quoted.push(at > 0);
        while at > 0
            && let Some(quote) = rest[at..].iter().position(|byte| *byte == b'"')
        {
            at += quote + 1;
            if rest.get(at) != Some(&b'"') {
                break;
            }
            at += 1;
        }
        match rest[at..].iter().position(|byte| *byte == delimiter || is_line_end(byte)) {
            Some(end) if rest[at + end] == delimiter => rest = &rest[at + end + 1..],
            _ => return,
        }
    }
}

/// Comes after the content, as a row of its own; within quotes that are open it becomes part of a field, which tells them.
const END: &[u8] = b"\n\0end of outflow's input\0";

/// The content, then [`END`].
struct Content {
    bytes: Box<dyn BufRead>,
    /// Bytes of the content that the parser has got.
    given: u64,
    /// Where the row begins that the parser is at.
    row: u64,
    /// The last bytes given, from that row's on.
    kept: Vec<u8>,
    /// What is left of the end.
    end: &'static [u8],
}

impl Content {
    /// Some of the bytes of the row that the parser is at.
    fn kept_from(&self, start: u64, end: u64) -> &[u8] {
        let first = self.given - self.kept.len() as u64;
        let place = |at: u64| (at.saturating_sub(first) as usize).min(self.kept.len());
        &self.kept[place(start)..place(end)]
    }
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given.saturating_sub(self.row) > MAX_ROW as u64 {
            return Err(io::Error::other(TooLong));
        }
        let read = self.bytes.read(buffer)?;
        let past = self.kept.len() - self.kept_from(self.row, self.given).len();
        self.kept.drain(..past);
        self.kept.extend_from_slice(&buffer[..read]);
        self.given += read as u64;
        if read == 0 { self.end.read(buffer) } else { Ok(read) }
    }
}

#[derive(Debug)]
struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a row of more than {MAX_ROW} bytes")
    }
}

impl std::error::Error for TooLong {}
