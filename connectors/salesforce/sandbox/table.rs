//! The rows of a job, from the CSV that was uploaded to the files of its results.

use std::collections::HashSet;

use csv::{ReaderBuilder, WriterBuilder};
use serde_json::{Map, Value as Json, json};

use super::Org;
use super::collections::{self, Saved};
use super::records::{Refused, by_id, remove};
use super::schema::Field;
use crate::sandbox::State;

/// Characters of a record at most.
const LONGEST: usize = 400_000;

/// What a cell says to clear its field.
const NULL: &str = "#N/A";

/// What became of a row.
#[derive(Debug)]
pub(super) enum Line {
    Waits,
    Saved(Saved),
    Refused(Refused),
}

#[derive(Debug, Default)]
pub(super) struct Table {
    header: Vec<String>,
    rows: Vec<csv::StringRecord>,
    pub(super) lines: Vec<Line>,
    /// Keys that came by, folded.
    seen: Vec<String>,
    delimiter: Option<u8>,
}

/// What a column sets.
enum Column<'a> {
    Id,
    Field(&'a Field),
    /// A relationship, the parent's object where it is named, and its key.
    Parent(&'a Field, Option<&'a str>, &'a str),
}

impl Table {
    pub(super) fn delimiter(name: &str) -> Option<u8> {
        Some(match name {
            "BACKQUOTE" => b'`',
            "CARET" => b'^',
            "COMMA" => b',',
            "PIPE" => b'|',
            "SEMICOLON" => b';',
            "TAB" => b'\t',
            _ => return None,
        })
    }

    /// Reads an upload, and says what is wrong with all of it.
    pub(super) fn read(
        org: &Org,
        kind: (&str, &str),
        key: Option<&str>,
        (text, delimiter): (&[u8], &str),
    ) -> (Self, Option<String>) {
        let delimiter = Self::delimiter(delimiter).unwrap_or(b',');
        let mut reader = ReaderBuilder::new().delimiter(delimiter).from_reader(text);
        let header = reader.headers().map(|names| names.iter().map(str::to_owned).collect());
        let rows: Result<Vec<_>, _> = reader.into_records().collect();
        let unreadable = [header.as_ref().err(), rows.as_ref().err()].into_iter().flatten().next();
        let mut why = unreadable.map(|error| format!("The CSV cannot be read: {error}"));
        let (header, rows) = (header.unwrap_or_default(), rows.unwrap_or_default());
        let lines = rows.iter().map(|_| Line::Waits).collect();
        let table = Table { header, rows, lines, seen: Vec::new(), delimiter: Some(delimiter) };
        why = why.or_else(|| table.check(org, kind, key).err());
        (table, why)
    }

    fn check(&self, org: &Org, (object, operation): (&str, &str), key: Option<&str>) -> Result<(), String> {
        let Table { header, rows, .. } = self;
        let deletes = matches!(operation, "delete" | "hardDelete");
        if deletes && *header != ["Id"] {
            return Err(format!("{operation} takes the one column Id"));
        }
        let mut names = HashSet::new();
        for name in header {
            if column(org, object, name).is_none() {
                return Err(format!("Field name not found : {name}"));
            }
            if !names.insert(name.to_lowercase()) {
                return Err(format!("Duplicate field name : {name}"));
            }
        }
        let needed = if operation == "update" { Some("Id") } else { key };
        if let Some(name) = needed.filter(|name| !names.contains(&name.to_lowercase())) {
            return Err(format!("Field name not found : {name}"));
        }
        if rows.is_empty() {
            return Err("Records not found".to_owned());
        }
        if rows.iter().any(|row| row.iter().map(|cell| cell.chars().count()).sum::<usize>() > LONGEST) {
            return Err(format!("A record has more than {LONGEST} characters"));
        }
        Ok(())
    }

    /// Saves the row at this place, or learns why not.
    pub(super) fn run(
        &mut self,
        org: &Org,
        (object, operation, key): (&str, &str, Option<&str>),
        place: usize,
        state: &State<'_>,
    ) -> rusqlite::Result<()> {
        let saved = match operation {
            "delete" | "hardDelete" => delete(org, (object, &self.rows[place][0]), operation, state)?,
            _ => match record(org, object, &self.header, &self.rows[place]) {
                Err(refused) => Err(refused),
                Ok(record) => match (operation, key) {
                    ("insert", _) => {
                        collections::create(org, &record, state)?.map(|(id, _)| (id, Some(true)))
                    }
                    ("upsert", Some(key)) if !key.eq_ignore_ascii_case("Id") => {
                        collections::upsert(org, (object, key), &record, &mut self.seen, state)?
                    }
                    _ => collections::update(org, &record, state)?.map(|(id, _)| (id, Some(false))),
                },
            },
        };
        self.lines[place] = saved.map_or_else(Line::Refused, Line::Saved);
        Ok(())
    }

    pub(super) fn saved(&self) -> Vec<u8> {
        self.file(&["sf__Id", "sf__Created"], |line| match line {
            Line::Saved((id, created)) => Some(vec![id.clone(), created.unwrap_or(false).to_string()]),
            _ => None,
        })
    }

    pub(super) fn refused(&self) -> Vec<u8> {
        self.file(&["sf__Id", "sf__Error"], |line| match line {
            Line::Refused(refused) => {
                let fields = refused.fields.join(" ");
                Some(vec![String::new(), format!("{}:{}:{fields} --", refused.code, refused.message)])
            }
            _ => None,
        })
    }

    pub(super) fn untouched(&self) -> Vec<u8> {
        self.file(&[], |line| matches!(line, Line::Waits).then(Vec::new))
    }

    /// The rows that `told` has something to say of, in another order than they came in.
    fn file(&self, columns: &[&str], told: impl Fn(&Line) -> Option<Vec<String>>) -> Vec<u8> {
        let mut writer = WriterBuilder::new()
            .delimiter(self.delimiter.unwrap_or(b','))
            .quote_style(csv::QuoteStyle::Always)
            .from_writer(Vec::new());
        let header = columns.iter().copied().chain(self.header.iter().map(String::as_str));
        let mut written = writer.write_record(header);
        let mut places: Vec<usize> = (0..self.lines.len()).collect();
        places.sort_by_key(|place| (*place as u32).wrapping_mul(2_654_435_761));
        for place in places {
            if let Some(said) = told(&self.lines[place]) {
                let cells = said.iter().map(String::as_str).chain(self.rows[place].iter());
                written = written.and_then(|()| writer.write_record(cells));
            }
        }
        // Into memory it cannot fail.
        drop(written);
        writer.into_inner().unwrap_or_default()
    }
}

fn delete(
    org: &Org,
    (object, id): (&str, &str),
    operation: &str,
    state: &State<'_>,
) -> rusqlite::Result<Result<Saved, Refused>> {
    if org.is_locked() {
        return Ok(Err(Refused::locked()));
    }
    let found = match by_id(object, id, state)? {
        Ok(found) => found,
        Err(refused) => return Ok(Err(refused)),
    };
    let id = found.id.clone();
    remove(org, object, found, state)?;
    if operation == "hardDelete" {
        state.purge(object, &id)?;
    }
    Ok(Ok((id, Some(false))))
}

fn column<'a>(org: &'a Org, object: &str, name: &'a str) -> Option<Column<'a>> {
    if name.eq_ignore_ascii_case("Id") {
        return Some(Column::Id);
    }
    let (_, fields) = org.schema.get(object)?;
    let Some((parent, key)) = name.split_once('.') else {
        return fields.iter().find(|field| field.name.eq_ignore_ascii_case(name)).map(Column::Field);
    };
    let (object, relation) = match parent.split_once(':') {
        Some((object, relation)) => (Some(object), relation),
        None => (None, parent),
    };
    let field = fields.iter().find(|field| field.relationship.as_deref() == Some(relation))?;
    // The type is named where there are several, and only there.
    (object.is_some() == (field.reference_to.len() > 1)).then_some(Column::Parent(field, object, key))
}

/// A row as a record of a collection.
fn record(
    org: &Org,
    object: &str,
    header: &[String],
    row: &csv::StringRecord,
) -> Result<Map<String, Json>, Refused> {
    let mut record = Map::new();
    record.insert("attributes".to_owned(), json!({"type": object}));
    for (name, cell) in header.iter().zip(row) {
        // An empty cell leaves its field alone.
        if cell.is_empty() {
            continue;
        }
        match column(org, object, name) {
            Some(Column::Id) => drop(record.insert("Id".to_owned(), cell.into())),
            Some(Column::Field(field)) => drop(record.insert(field.name.clone(), value(field, cell))),
            Some(Column::Parent(field, ..)) if cell == NULL => {
                let message = format!("{name} cannot be null");
                return Err(Refused::new("INVALID_FIELD", message, &[&field.name]));
            }
            Some(Column::Parent(field, parent, key)) => {
                let mut named = json!({key: cell});
                if let Some(parent) = parent {
                    named["attributes"] = json!({"type": parent});
                }
                record.insert(field.relationship.clone().unwrap_or_default(), named);
            }
            None => {}
        }
    }
    Ok(record)
}

/// A cell as the JSON value of its field; what it cannot be stays a text, and is refused for it.
fn value(field: &Field, cell: &str) -> Json {
    let text = || Json::from(cell);
    match field.kind {
        _ if cell == NULL => Json::Null,
        "int" => cell.parse::<i64>().map_or_else(|_| text(), Json::from),
        "double" | "currency" | "percent" => cell.parse::<f64>().map_or_else(|_| text(), Json::from),
        "boolean" => match cell.to_lowercase().as_str() {
            "true" | "1" => true.into(),
            "false" | "0" => false.into(),
            _ => text(),
        },
        _ => text(),
    }
}
