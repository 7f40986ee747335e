//! Rows of a query, as they come: a table of the first, or JSON, a row on a line.

use std::sync::Arc;

use async_trait::async_trait;
use outflow_connectors::contract::{Cell, ConnectorError, Kind, Row, RowBatch, RowSink, Schema};
use outflow_connectors::sql::{push_json, push_quoted};
use serde_json::{Map, json};

use super::format::clean;
use super::{Exit, json as body, screen, table};
use crate::error::{Error, ErrorKind};

/// Longest cell of the table, in characters.
const LONGEST: usize = 48;

/// Shows rows until there are enough.
pub struct Rows {
    is_json: bool,
    most: u64,
    shown: u64,
    schema: Arc<Schema>,
    /// Names of the columns as they begin a JSON member: `{"id":`, `,"name":`.
    members: Vec<String>,
    /// Cells of the table; JSON is written at once.
    table: Vec<Vec<String>>,
    buffer: String,
    /// A cell that could not be read, and how many there are.
    unreadable: Option<(String, u64)>,
    is_cut: bool,
    /// Whoever read it went away: nothing more is written.
    is_broken: bool,
}

impl Rows {
    /// At most so many rows of these columns.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn begin(is_json: bool, most: u64, schema: Arc<Schema>) -> Result<Self, Error> {
        let names = schema.columns.iter().enumerate();
        let members = names.map(|(at, column)| {
            let mut member = String::from(if at == 0 { "{" } else { "," });
            push_quoted(&column.name, &mut member);
            member + ":"
        });
        let mut rows = Rows {
            is_json,
            most,
            shown: 0,
            members: members.collect(),
            schema,
            table: Vec::new(),
            buffer: String::new(),
            unreadable: None,
            is_cut: false,
            is_broken: false,
        };
        if is_json {
            let columns = rows.schema.columns.iter().map(|c| json!({"name": c.name, "type": c.declared}));
            let columns = serde_json::Value::Array(columns.collect());
            let envelope = body::envelope("query", Exit::Done.code(), &Map::new());
            let head = format!(
                "{{\"outflow\":{},\"command\":\"query\",\"columns\":{columns},\"rows\":[\n",
                envelope["outflow"]
            );
            rows.write(head.as_bytes())?;
        }
        Ok(rows)
    }

    /// It wanted no more, or its reader went away; the source's words on being stopped are no error.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Writes the end, and what there is to say of the rows.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn finish(mut self, error: Option<&Error>) -> Result<Vec<String>, Error> {
        let exit = error.map_or(Exit::Done, Exit::of_error);
        match self.is_json {
            true => {
                let mut tail = format!("\n],\"exit_code\":{}", exit.code());
                if let Some((first, count)) = &self.unreadable {
                    tail += &format!(",\"unreadable\":{}", json!({"cells": count, "first": first}));
                }
                if let Some(error) = error {
                    tail += &format!(",\"error\":{}", body::error(error));
                }
                self.write((tail + "}\n").as_bytes())?;
            }
            false if error.is_none() => {
                let heads: Vec<String> = self.schema.columns.iter().map(head).collect();
                let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
                let text = table::text(&heads, std::mem::take(&mut self.table));
                written(screen::out(&text))?;
            }
            false => {}
        }
        let mut notes = Vec::new();
        if let Some((first, count)) = self.unreadable {
            notes.push(format!("{count} cells could not be read and are shown as null; the first: {first}"));
        }
        if self.is_cut && !self.is_json {
            notes.push(format!("the first {} rows; `--limit N` shows more", self.shown));
        }
        Ok(notes)
    }

    fn write(&mut self, part: &[u8]) -> Result<(), Error> {
        if self.is_broken {
            return Ok(());
        }
        match screen::bytes(part) {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                (self.is_broken, self.is_cut) = (true, true);
                Ok(())
            }
            result => written(result),
        }
    }

    fn push_json(&mut self, row: Row<'_>) {
        if self.shown > 0 {
            self.buffer.push_str(",\n");
        }
        for (cell, member) in row.cells().zip(&self.members) {
            self.buffer.push_str(member);
            let begun = self.buffer.len();
            if let Err(why) = push_json(cell, &mut self.buffer) {
                self.buffer.truncate(begun);
                self.buffer.push_str("null");
                self.unreadable = Some(match self.unreadable.take() {
                    Some((first, count)) => (first, count + 1),
                    None => (format!("{} is {why}", member.trim_matches(['{', ',', ':'])), 1),
                });
            }
        }
        self.buffer.push('}');
    }

    fn push_text(&mut self, row: Row<'_>) {
        self.table.push(row.cells().map(text).collect());
    }
}

fn head(column: &outflow_connectors::contract::Column) -> String {
    match column.declared.is_empty() {
        true => clean(&column.name),
        false => format!("{}\n{}", clean(&column.name), clean(&column.declared.to_lowercase())),
    }
}

/// A cell as a person would write it.
fn text(cell: Cell<'_>) -> String {
    let text = match cell {
        Cell::Text(text) | Cell::Json(text) | Cell::List(text) => clean(text),
        Cell::Malformed(why) => format!("<{}>", clean(why)),
        cell => {
            let mut json = String::new();
            let _ = push_json(cell, &mut json); // it refuses what is malformed alone
            json.trim_matches('"').to_owned()
        }
    };
    match text.chars().count() > LONGEST {
        true => text.chars().take(LONGEST - 1).chain(['…']).collect(),
        false => text,
    }
}

fn written(result: std::io::Result<()>) -> Result<(), Error> {
    result.map_err(|cause| {
        Error::new("OF-INT-001", ErrorKind::State, "the rows could not be written to stdout").because(&cause)
    })
}

#[async_trait]
impl RowSink for Rows {
    async fn accept(&mut self, batch: RowBatch) -> Result<(), ConnectorError> {
        for row in batch.rows() {
            if self.shown == self.most {
                self.is_cut = true;
                break;
            }
            match self.is_json {
                true => self.push_json(row),
                false => self.push_text(row),
            }
            self.shown += 1;
        }
        if !self.buffer.is_empty() {
            let part = std::mem::take(&mut self.buffer);
            let result = self.write(part.as_bytes());
            self.buffer = part;
            self.buffer.clear();
            result.map_err(|error| ConnectorError::new(Kind::Internal, error.message))?;
        }
        match self.is_cut {
            true => Err(ConnectorError::new(Kind::Internal, "enough rows were read")),
            false => Ok(()),
        }
    }
}
