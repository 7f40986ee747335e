//! JSON Lines: one object a line, its keys the columns.
//!
//! A file does not announce its columns, so they are the keys of the first objects; a key that first comes later cannot
//! be named by a mapping, and is passed over.

mod object;

use std::borrow::Cow;
use std::collections::HashSet;
use std::io::BufRead;

use self::object::Places;
use super::content::{self, LineError, Lines, MAX_ROW};
use super::errors;
use super::locate::Input;
use super::opened::Opened;
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
    let (mut names, mut known) = (Vec::new(), HashSet::new());
    let mut objects = 0;
    while objects < SAMPLE {
        let Some((number, line)) = next(&mut lines, input)? else { break };
        object::keys(&line, |key| {
            if !key.is_empty() && known.len() <= MOST_COLUMNS && known.insert(key.to_owned()) {
                names.push(Column { name: key.to_owned(), declared: String::new() });
            }
        })
        .map_err(|problem| wrong(input, number, &problem))?;
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
    let mut lines = Lines::new(content::open(task.input, task.opened)?);
    let mut places = Places::new(task.schema, task.needed);
    let mut builder = RowBatchBuilder::new(task.schema.clone());
    while let Some((number, line)) = next(&mut lines, task.input)? {
        let filled = places.fill(&line, matches!(line, Cow::Owned(_)), &mut builder.block(1));
        filled.map_err(|problem| wrong(task.input, number, &problem))?;
        if builder.is_full() && outlet.put(builder.take()).is_err() {
            return Ok(());
        }
    }
    if !builder.is_empty() {
        let _ = outlet.put(builder.take()); // where nobody wants it, nobody waits for more
    }
    Ok(())
}

/// The next line that is not empty. Bytes that are not UTF-8 come as U+FFFD.
fn next<'a, R: BufRead>(
    lines: &'a mut Lines<R>,
    input: &Input,
) -> Result<Option<(u64, Cow<'a, str>)>, ConnectorError> {
    loop {
        match lines.advance() {
            Ok(false) => return Ok(None),
            Ok(true) if lines.line().iter().all(u8::is_ascii_whitespace) => {}
            Ok(true) => break,
            Err(LineError::Io(error)) => return Err(content::failed(&input.path, input.compression, error)),
            Err(LineError::TooLong) => {
                let problem = format!("more than {MAX_ROW} bytes");
                return Err(wrong(input, lines.number, &problem));
            }
        }
    }
    Ok(Some((lines.number, String::from_utf8_lossy(lines.line()))))
}

fn wrong(input: &Input, line: u64, problem: &str) -> ConnectorError {
    errors::line(&input.path, line, problem).hint("write one JSON object a line, and each key once in it")
}
