//! What `outflow explain` shows.

use std::fmt::Write;

use outflow_connectors::registry::ErrorEntry;
use serde_json::{Map, Value as Json, json};

use super::Answer;
use super::style::{STRONG, paint};

/// One code in full.
pub fn one(entry: &ErrorEntry) -> Answer {
    let text =
        format!("{}\n\n{}\n\nWhat to do\n{}\n", paint(STRONG, entry.code), entry.meaning, entry.action);
    Answer::new(text, body(&[entry]))
}

/// All codes, each with what it means.
pub fn list(entries: &[&'static ErrorEntry]) -> Answer {
    let width = entries.iter().map(|entry| entry.code.len()).max().unwrap_or(0);
    let mut text = String::new();
    for entry in entries {
        let code = paint(STRONG, &format!("{:width$}", entry.code));
        let _ = writeln!(text, "{code}   {}", entry.meaning);
    }
    Answer::new(text, body(entries))
}

fn body(entries: &[&ErrorEntry]) -> Map<String, Json> {
    let entry = |e: &&ErrorEntry| json!({"code": e.code, "meaning": e.meaning, "action": e.action});
    Map::from_iter([("codes".to_owned(), entries.iter().map(entry).collect())])
}
