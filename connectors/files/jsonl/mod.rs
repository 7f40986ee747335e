//! JSON Lines: one object a line, its keys the columns.
//!
//! A file does not announce its columns, so they are the keys of the first objects; a key that first comes later cannot
//! be named by a mapping, and is passed over.

mod object;

use std::borrow::Cow;
use std::collections::HashSet;
use std::io::{self, BufRead, BufReader, Read};
use std::ops::Range;

use self::object::Places;
use super::content::{self, BUFFER, LineError, Lines, MAX_ROW, Plain};
use super::errors;
use super::locate::Input;
use super::opened::Opened;
use super::ranges::{Form, Put, Ranges, Turn};
use super::source::{Outlet, Task};
use crate::contract::{Column, ConnectorError, RowBatchBuilder};

/// Objects of each file whose keys become columns.
const SAMPLE: usize = 1_000;
/// Most columns; a file with more has data for keys.
const MOST_COLUMNS: usize = 10_000;

/// The keys of the first objects, in the order in which they are first met.
///
/// # Errors
/// [`Kind::Config`](crate::contract::Kind::Config) where one of these lines is not an object.
pub(super) fn columns(input: &Input, opened: &Opened) -> Result<Vec<Column>, ConnectorError> {
    let mut lines = Lines::new(content::open(input, opened)?);
    let told = |fault: Fault| fault.told(input, || 0);
    let (mut names, mut known) = (Vec::new(), HashSet::new());
    let mut objects = 0;
    while objects < SAMPLE {
        let Some((number, line)) = next(&mut lines).map_err(told)? else { break };
        object::keys(&line, |key| {
            if !key.is_empty() && known.len() <= MOST_COLUMNS && known.insert(key.to_owned()) {
                names.push(Column { name: key.to_owned(), declared: String::new() });
            }
        })
        .map_err(|problem| told(Fault::Line(number, problem)))?;
        objects += 1;
    }
    match names.len() > MOST_COLUMNS {
        true => {
            let problem =
                format!("has more than {MOST_COLUMNS} different keys in its first {SAMPLE} objects");
            Err(errors::columns(&input.path, problem).hint("put keys that are data into one nested object"))
        }
        false => Ok(names),
    }
}

/// Reads the whole file.
///
/// # Errors
/// As [`columns`], for every line.
pub(super) fn read(task: &Task<'_>, outlet: &Outlet) -> Result<(), ConnectorError> {
    read_by(task, Ranges::of(task)?, outlet)
}

/// As [`read`], in these ranges; without them one line after another.
pub(super) fn read_by(
    task: &Task<'_>,
    ranges: Option<Ranges>,
    outlet: &Outlet,
) -> Result<(), ConnectorError> {
    if let Some(ranges) = ranges {
        return ranges.read(&Objects { task, content: &ranges.content }, 0, outlet);
    }
    let mut lines = Lines::new(content::open(task.input, task.opened)?);
    let read = fill(task, &mut lines, u64::MAX, &mut |rows, _| outlet.put(rows));
    read.map_err(|fault| fault.told(task.input, || 0))
}

/// Gives the rows of the lines that begin before `end`.
fn fill<R: BufRead>(task: &Task<'_>, lines: &mut Lines<R>, end: u64, put: Put<'_>) -> Result<(), Fault> {
    let mut places = Places::new(task.schema, task.needed);
    let mut builder = RowBatchBuilder::new(task.schema.clone());
    while lines.place < end
        && let Some((number, line)) = next(lines)?
    {
        let filled = places.fill(&line, matches!(line, Cow::Owned(_)), &mut builder.block(1));
        filled.map_err(|problem| Fault::Line(number, problem))?;
        if builder.is_full() && put(builder.take(), lines.place).is_err() {
            return Ok(());
        }
    }
    if !builder.is_empty() {
        let _ = put(builder.take(), lines.place); // where nobody wants it, nobody waits for more
    }
    Ok(())
}

/// The next line that is not empty. Bytes that are not UTF-8 come as U+FFFD.
fn next<R: BufRead>(lines: &mut Lines<R>) -> Result<Option<(u64, Cow<'_, str>)>, Fault> {
    loop {
        match lines.advance() {
            Ok(false) => return Ok(None),
            Ok(true) if lines.line().iter().all(u8::is_ascii_whitespace) => {}
            Ok(true) => break,
            Err(LineError::Io(error)) => return Err(Fault::Io(error)),
            Err(LineError::TooLong) => {
                return Err(Fault::Line(lines.number, format!("more than {MAX_ROW} bytes")));
            }
        }
    }
    Ok(Some((lines.number, String::from_utf8_lossy(lines.line()))))
}

/// Why there is no next row.
enum Fault {
    Io(io::Error),
    /// What is wrong with a line, by its number since the reading began.
    Line(u64, String),
}

impl Fault {
    /// `before` counts the lines before the reading began.
    fn told(self, input: &Input, before: impl FnOnce() -> u64) -> ConnectorError {
        match self {
            Fault::Io(error) => content::failed(&input.path, input.compression, error),
            Fault::Line(number, problem) => errors::line(&input.path, before() + number, problem)
                .hint("write one JSON object a line, and each key once in it"),
        }
    }
}

/// A file of which any part can be read. Line ends never stand inside an object, so no guess is wrong.
struct Objects<'a> {
    task: &'a Task<'a>,
    content: &'a Plain,
}

impl Form for Objects<'_> {
    fn guess(&self, start: u64) -> Option<u64> {
        let Some(before) = start.checked_sub(1) else { return Some(start) };
        let line = self.content.tail(before).take(Turn::Ahead.most() as u64);
        let skipped = BufReader::new(line).skip_until(b'\n').ok()?;
        Some(before + skipped as u64)
    }

    fn read(&self, range: Range<u64>, turn: Turn, put: Put<'_>) -> Result<(), ConnectorError> {
        let bytes = BufReader::with_capacity(BUFFER, self.content.tail(range.start));
        let mut lines = Lines::begin(bytes, range.start, turn.most());
        let before = || match turn {
            Turn::Come => self.content.lines(range.start),
            Turn::Ahead => 0,
        };
        fill(self.task, &mut lines, range.end, put).map_err(|fault| fault.told(self.task.input, before))
    }
}
