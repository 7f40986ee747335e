//! CSV: a header, then rows of as many fields. Every value is a text. An empty field is null, and `""` an empty text;
//! where the query names the field that means null, quotes do not change what a field means.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::ops::Range;

use csv_core::ReadRecordResult;

use super::content::{self, BUFFER, MAX_ROW, Plain};
use super::errors;
use super::locate::Input;
use super::opened::Opened;
use super::ranges::{Form, Put, Ranges, Turn};
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
    read_by(task, Ranges::of(task)?, outlet)
}

/// As [`read`], in these ranges; without them one row after another.
pub(super) fn read_by(
    task: &Task<'_>,
    ranges: Option<Ranges>,
    outlet: &Outlet,
) -> Result<(), ConnectorError> {
    let mut rows = Rows::open(task.input, task.opened)?;
    rows.advance()?;
    match ranges {
        Some(ranges) => ranges.read(&Table { task, content: &ranges.content }, rows.place(), outlet),
        None => fill(task, rows, u64::MAX, &mut |rows, _| outlet.put(rows)),
    }
}

/// Gives the rows that begin before `end`.
fn fill(task: &Task<'_>, mut rows: Rows<'_>, end: u64, put: Put<'_>) -> Result<(), ConnectorError> {
    let null = task.input.null_text.as_deref().map(str::as_bytes);
    let mut builder = RowBatchBuilder::new(task.schema.clone());
    while rows.place() < end && rows.advance()? {
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
        if builder.is_full() && put(builder.take(), rows.place()).is_err() {
            return Ok(());
        }
    }
    if !builder.is_empty() {
        let _ = put(builder.take(), rows.place()); // where nobody wants it, nobody waits for more
    }
    Ok(())
}

/// A file of which any part can be read.
struct Table<'a> {
    task: &'a Task<'a>,
    content: &'a Plain,
}

impl Form for Table<'_> {
    fn guess(&self, start: u64) -> Option<u64> {
        let before = start.checked_sub(1)?;
        let mut window = Vec::new();
        self.content.tail(before).take(WINDOW).read_to_end(&mut window).ok()?;
        let (delimiter, columns) = (self.task.input.delimiter, self.task.places.len());
        row_start(&window, delimiter, columns).map(|at| before + at as u64)
    }

    fn read(&self, range: Range<u64>, turn: Turn, put: Put<'_>) -> Result<(), ConnectorError> {
        // The parser drops a byte order mark from the first bytes that it gets; of one byte it sees none.
        let first = self.content.tail(range.start).take(1);
        let bytes = BufReader::with_capacity(BUFFER, first.chain(self.content.tail(range.start + 1)));
        fill(self.task, Rows::begin(self.task.input, Box::new(bytes), range.start, turn), range.end, put)
    }
}

/// Bytes that are looked at to find where a row begins.
const WINDOW: u64 = if cfg!(test) { 1 << 12 } else { 1 << 16 };
/// Line ends that are tried; texts in quotes seldom have more lines.
const LINE_ENDS: usize = 100;
/// Rows in a row that tell a row's beginning from a line within quotes.
const ALIKE: usize = 4;

/// The first place behind a line end from which on the rows have as many fields as there are columns.
fn row_start(window: &[u8], delimiter: u8, columns: usize) -> Option<usize> {
    let mut parser = csv_core::ReaderBuilder::new().delimiter(delimiter).build();
    let (mut text, mut ends) = (vec![0_u8; window.len()], vec![0_usize; columns + 1]);
    let line_ends = window.iter().enumerate().filter(|(_, byte)| is_line_end(byte));
    line_ends.take(LINE_ENDS).map(|(at, _)| at + 1).find(|start| {
        parser.reset();
        let mut rest = &window[*start..];
        for row in 0..ALIKE {
            match parser.read_record(rest, &mut text, &mut ends) {
                (ReadRecordResult::Record, read, _, fields) if fields == columns => rest = &rest[read..],
                (ReadRecordResult::InputEmpty | ReadRecordResult::End, ..) => return row > 0,
                _ => return false,
            }
        }
        true
    })
}

fn is_line_end(byte: &u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

/// Rows one after another, in memory that is used again.
struct Rows<'a> {
    input: &'a Input,
    turn: Turn,
    /// Where the first of them begins.
    start: u64,
    reader: csv::Reader<Content>,
    row: csv::ByteRecord,
    /// Whether each field of the row begins with a quote; empty where that was not looked for.
    quoted: Vec<bool>,
}

impl<'a> Rows<'a> {
    fn open(input: &'a Input, opened: &Opened) -> Result<Self, ConnectorError> {
        Ok(Rows::begin(input, content::open(input, opened)?, 0, Turn::Come))
    }

    /// From a place on where a row begins.
    fn begin(input: &'a Input, bytes: Box<dyn BufRead>, start: u64, turn: Turn) -> Self {
        let most = turn.most() as u64 + 2; // with its end, of one byte or two
        let content = Content { bytes, most, given: start, row: start, kept: Vec::new(), end: END };
        let reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(input.delimiter)
            .buffer_capacity(1 << 16)
            .from_reader(content);
        Rows { input, turn, start, reader, row: csv::ByteRecord::new(), quoted: Vec::new() }
    }

    /// Where the next row begins, or the empty lines before it.
    fn place(&self) -> u64 {
        self.start + self.reader.position().byte()
    }

    /// Goes to the next row that is not empty; `false` after the last.
    fn advance(&mut self) -> Result<bool, ConnectorError> {
        let start = self.place();
        self.reader.get_mut().row = start;
        match self.reader.read_byte_record(&mut self.row) {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(error) => return Err(self.failed(error)),
        }
        let (content, place) = (self.reader.get_ref(), self.place());
        if place - start > content.most {
            return Err(self.too_long());
        }
        let is_last = place == content.given + END.len() as u64;
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
            let raw = content.kept_from(content.row, self.place());
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

    /// The line in which the row begins. The parser's own count lags where lines end in two bytes, so they are counted anew;
    /// not where nobody will see it, because that takes the file from its beginning.
    fn line(&self) -> u64 {
        if self.turn == Turn::Ahead {
            return 0;
        }
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
                self.too_long()
            }
            csv::ErrorKind::Io(error) => content::failed(&self.input.path, self.input.compression, error),
            kind => errors::damaged(&self.input.path, format!("cannot be read as CSV: {kind:?}")),
        }
    }

    fn too_long(&self) -> ConnectorError {
        let hint = "check whether it is CSV, and whether a quote is not closed";
        errors::line(&self.input.path, self.line(), TooLong).hint(hint)
    }
}

/// Whether each field of a row begins with a quote, by the parser's rules: such a field ends at a delimiter or line end
/// after a quote that stands alone, any other at the first one.
fn quotes(row: &[u8], delimiter: u8, quoted: &mut Vec<bool>) {
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
/// No delimiter is in it, whichever it is.
const END: &[u8] = b"\n\0";

/// The content, then [`END`].
struct Content {
    bytes: Box<dyn BufRead>,
    /// Most bytes of a row.
    most: u64,
    /// The place up to which the parser has got the content.
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
        if self.given.saturating_sub(self.row) > self.most {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Behind any byte the next row is found, though most lines stand within quotes.
    #[test]
    fn a_row_is_told_from_lines_within_quotes() {
        let (mut content, mut starts) = (String::new(), Vec::new());
        for n in 0..40 {
            starts.push(content.len());
            content += &format!("{n},\"text, with a \"\"quote\"\"\r\nand\n\n{n} lines\",\"{n}\"\n");
        }
        for at in 1..starts[35] {
            let found = row_start(&content.as_bytes()[at - 1..], b',', 3).map(|found| at - 1 + found);
            assert_eq!(found, starts.iter().copied().find(|start| *start >= at), "{at}");
        }
        assert_eq!(row_start(b"x\n1,2\n3", b',', 2), Some(2));
        assert_eq!(row_start(b"x\n1,2", b',', 2), None, "nothing tells a row from the beginning of one");
        assert_eq!(row_start(b"1,2,3\r\n1,2\r\n", b',', 2), Some(6));
        assert_eq!(row_start(b"", b',', 2), None);
    }
}
