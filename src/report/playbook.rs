//! What `outflow explain` shows.

use std::fmt::Write;

use outflow_connectors::registry::ErrorEntry;
use serde_json::{Map, Value as Json, json};

use super::Answer;
use super::style::{STRONG, paint};

/// What is said of a code, and who raises it.
#[derive(Debug, Clone, Copy)]
pub struct Explained {
    pub entry: &'static ErrorEntry,
    /// The type of the connector whose code it is; `None` for outflow's own, and for those of all connectors.
    pub connector: Option<&'static str>,
}

impl Explained {
    /// `KEY_EMPTY (hubspot)`.
    fn name(&self) -> String {
        match self.connector {
            Some(connector) => format!("{} ({connector})", self.entry.code),
            None => self.entry.code.to_owned(),
        }
    }
}

/// One code in full; of each connector that has it.
pub fn full(found: &[Explained]) -> Answer {
    let texts = found.iter().map(|one| {
        let ErrorEntry { meaning, action, .. } = one.entry;
        format!("{}\n\n{meaning}\n\nWhat to do\n{action}\n", paint(STRONG, &one.name()))
    });
    Answer::new(texts.collect::<Vec<_>>().join("\n"), body(found))
}

/// All codes, each with what it means.
pub fn list(all: &[Explained]) -> Answer {
    let names: Vec<String> = all.iter().map(Explained::name).collect();
    let width = names.iter().map(String::len).max().unwrap_or(0);
    let mut text = String::new();
    for (name, one) in names.iter().zip(all) {
        let _ = writeln!(text, "{}   {}", paint(STRONG, &format!("{name:width$}")), one.entry.meaning);
    }
    Answer::new(text, body(all))
}

fn body(all: &[Explained]) -> Map<String, Json> {
    let object = |one: &Explained| {
        let ErrorEntry { code, meaning, action } = one.entry;
        json!({"code": code, "connector": one.connector, "meaning": meaning, "action": action})
    };
    Map::from_iter([("codes".to_owned(), all.iter().map(object).collect())])
}
