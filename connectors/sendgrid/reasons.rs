//! A job's file of errors, read with care: its form stands in no document that we know. It may be CSV with a header, JSON, or
//! a JSON object a line; a row is told by the value of its key, or by its place as in the API's own errors (`contacts[3].email`).

use std::collections::{HashMap, HashSet};

use serde_json::Value as Json;

use super::errors;
use super::options::Key;
use crate::contract::fold;
use crate::http::shortened;

/// What a file of errors says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reasons {
    /// By the place of a row in its job.
    pub(super) named: HashMap<usize, String>,
    /// Records of which nobody can say whose they are.
    pub(super) strangers: usize,
}

/// A record of the file, as names and texts.
type Record = Vec<(String, String)>;

impl Reasons {
    /// Of a job whose rows have these match keys.
    pub(super) fn read(file: &[u8], key: Key, keys: &[&str]) -> Self {
        let mut rows: HashMap<String, usize> = HashMap::with_capacity(keys.len());
        let mut twice = HashSet::new();
        for (row, text) in keys.iter().enumerate() {
            if rows.insert(fold(text), row).is_some() {
                twice.insert(fold(text));
            }
        }
        rows.retain(|text, _| !twice.contains(text));
        let mut reasons = Reasons::default();
        for record in records(file) {
            match row(&record, key, &rows, keys.len()) {
                Some(row) => drop(reasons.named.entry(row).or_insert_with(|| reason(&record))),
                None => reasons.strangers += 1,
            }
        }
        reasons
    }
}

fn records(file: &[u8]) -> Vec<Record> {
    let text = String::from_utf8_lossy(file);
    let text = text.trim_start_matches('\u{feff}').trim();
    match text.chars().next() {
        None => Vec::new(),
        Some('[' | '{') => of_json(text),
        Some(_) => of_csv(text),
    }
}

/// One value, or one a line; what cannot be read is a record that names nobody.
fn of_json(text: &str) -> Vec<Record> {
    let mut values: Vec<Json> = Vec::new();
    for value in serde_json::Deserializer::from_str(text).into_iter() {
        let is_end = value.is_err();
        values.push(value.unwrap_or_default());
        if is_end {
            break;
        }
    }
    let mut records = Vec::new();
    for value in values {
        let inner = value.as_object().and_then(|whole| {
            ["errors", "contacts", "rows", "results"].iter().find_map(|name| whole.get(*name)?.as_array())
        });
        match value.as_array().or(inner) {
            Some(items) => records.extend(items.iter().map(flat)),
            None => records.push(flat(&value)),
        }
    }
    records
}

/// All texts and numbers of a value, by the nearest name above each.
fn flat(value: &Json) -> Record {
    let (mut record, mut left) = (Vec::new(), vec![(String::new(), value)]);
    while let Some((name, value)) = left.pop() {
        match value {
            Json::Object(inner) => left.extend(inner.iter().map(|(name, value)| (name.clone(), value))),
            Json::Array(items) => left.extend(items.iter().map(|item| (name.clone(), item))),
            Json::String(text) => record.push((name, text.clone())),
            Json::Number(number) => record.push((name, number.to_string())),
            Json::Null | Json::Bool(_) => {}
        }
    }
    record
}

fn of_csv(text: &str) -> Vec<Record> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let Ok(header) = reader.headers().cloned() else { return vec![Vec::new()] };
    let read = |line: Result<csv::StringRecord, csv::Error>| -> Record {
        let Ok(line) = line else { return Vec::new() };
        let name = |at: usize| header.get(at).unwrap_or_default().trim().to_lowercase();
        line.iter().enumerate().map(|(at, cell)| (name(at), cell.to_owned())).collect()
    };
    reader.records().map(read).collect()
}

/// The only row that a record speaks of: by its place, by a cell under the name of the match key, or else of `identifier`. A
/// value of another identifier is nobody's: the same text may be the match key of another row.
fn row(record: &Record, key: Key, rows: &HashMap<String, usize>, count: usize) -> Option<usize> {
    let cells = |wanted: &str| -> Vec<Option<usize>> {
        let under = record.iter().filter(|(name, text)| !text.is_empty() && plain(name) == wanted);
        under.map(|(_, text)| rows.get(&fold(text)).copied()).collect()
    };
    let places = record.iter().filter_map(|(_, text)| Some(errors::place(text)?.0));
    let mut meant: Vec<Option<usize>> = places.map(|place| (place < count).then_some(place)).collect();
    if meant.is_empty() {
        meant = cells(&plain(key.field()));
    }
    if meant.is_empty() {
        meant = cells("identifier");
    }
    let first = (*meant.first()?)?;
    meant.iter().all(|row| *row == Some(first)).then_some(first)
}

/// A column's name without what is between its words; `Contact Email` is the contact's `email`.
fn plain(name: &str) -> String {
    let name: String =
        name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    match name.strip_prefix("contact") {
        Some(rest) => rest.to_owned(),
        None => name,
    }
}

fn reason(record: &Record) -> String {
    let says =
        |name: &str| ["error", "message", "reason", "description"].iter().any(|word| name.contains(word));
    let said: Vec<&str> = record
        .iter()
        .filter(|(name, text)| says(&name.to_lowercase()) && !text.trim().is_empty())
        .map(|(_, text)| text.trim())
        .collect();
    match said.is_empty() {
        true => "SendGrid's file of errors names this contact without a reason".to_owned(),
        false => shortened(&said.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &str, keys: &[&str]) -> (Vec<(usize, String)>, usize) {
        read_by(Key::Email, file, keys)
    }

    fn read_by(key: Key, file: &str, keys: &[&str]) -> (Vec<(usize, String)>, usize) {
        let reasons = Reasons::read(file.as_bytes(), key, keys);
        let mut named: Vec<(usize, String)> = reasons.named.into_iter().collect();
        named.sort();
        (named, reasons.strangers)
    }

    #[test]
    fn a_row_is_found_in_every_form_that_can_be_thought_of() {
        let keys = ["a@x.io", "b@x.io", "c@x.io"];
        for file in [
            "email,first_name,error\nB@x.io,Bo,bad date\n",
            "\u{feff}Contact Email,Reason\r\n\"b@x.io\",\"bad date\"\r\n",
            "{\"email\": \"b@x.io\", \"error\": \"bad date\"}",
            "{\"errors\": [{\"field\": \"contacts[1].custom_fields\", \"message\": \"bad date\"}]}",
            "[{\"contact\": {\"email\": \"b@x.io\"}, \"errors\": [{\"message\": \"bad date\"}]}]",
            "{\"email\": \"b@x.io\", \"message\": \"bad date\"}\n",
            "identifier,error\nb@x.io,bad date\n",
            "email,external_id,error\nb@x.io,a@x.io,bad date\n",
        ] {
            assert_eq!(read(file, &keys), (vec![(1, "bad date".to_owned())], 0), "{file}");
        }
        let two = "{\"email\": \"b@x.io\", \"error\": \"x\"}\n{\"email\": \"c@x.io\"}\n";
        assert_eq!(read(two, &keys).0.len(), 2);
    }

    #[test]
    fn what_names_nobody_or_several_is_a_stranger() {
        let keys = ["a@x.io", "b@x.io"];
        for file in [
            "email,error\nz@x.io,bad\n",
            "line,error\n2,bad\n",
            "first,second,error\na@x.io,b@x.io,bad\n",
            "external_id,error\na@x.io,bad\n",
            "referrer_email,error\na@x.io,bad\n",
            "email,identifier,error\nz@x.io,a@x.io,bad\n",
            "{\"field\": \"contacts[7].email\", \"message\": \"bad\"}",
            "{\"broken",
            "{x} {y}",
        ] {
            assert_eq!(read(file, &keys), (Vec::new(), 1), "{file}");
        }
        assert_eq!(read("", &keys), (Vec::new(), 0));
        // An address under another name is somebody else's.
        assert_eq!(read("referrer_email,email,error\na@x.io,b@x.io,bad\n", &keys).0, [(1, "bad".to_owned())]);
        assert_eq!(read("referrer_email,email,error\na@x.io,z@x.io,bad\n", &keys), (Vec::new(), 1));
        // An id of ours may be any word: it counts only under its name.
        assert_eq!(
            read_by(Key::ExternalId, "external_id,city,error\n7,1,bad\n", &["1", "7"]).0,
            [(1, "bad".to_owned())]
        );
        assert_eq!(read_by(Key::ExternalId, "city,error\n7,bad\n", &["1", "7"]), (Vec::new(), 1));
        // Two keys that differ in their letters' size alone cannot be told apart.
        assert_eq!(read_by(Key::ExternalId, "external_id,error\nK1,bad\n", &["K1", "k1"]), (Vec::new(), 1));
    }
}
