//! Some of the rows that a guard speaks of, by their keys.

use crate::error::{Error, Result};
use crate::sync::diff::{Candidate, Class, Delta, unnamed};
use crate::sync::known::Memory;

/// Rows named in a message.
const NAMED: usize = 3;

/// Adds to a guard's message which rows it is about.
///
/// # Errors
/// When the ledger, or what the delta spilled, cannot be read.
pub fn with_examples(mut held: Error, delta: &Delta, memory: &Memory<'_>) -> Result<Error> {
    let parts = match held.code {
        "OF-RUN-021" | "OF-RUN-022" => vec![("gone", gone(delta, memory)?)],
        "OF-RUN-023" => {
            vec![("new", of(delta, |row| row.class == Class::Add)?), ("gone", gone(delta, memory)?)]
        }
        "OF-RUN-024" => {
            let is_change = |row: &Candidate| !row.owed && matches!(row.class, Class::Add | Class::Change);
            vec![("new or changed", of(delta, is_change)?)]
        }
        _ => Vec::new(),
    };
    for (kind, keys) in parts.into_iter().filter(|(_, keys)| !keys.is_empty()) {
        held.message.push_str(&format!("; {kind} are for instance {}", keys.join(", ")));
    }
    Ok(held)
}

/// The first of the rows that are meant.
fn of(delta: &Delta, is_meant: impl Fn(&Candidate) -> bool) -> Result<Vec<String>> {
    let mut keys = Vec::new();
    for chunk in delta.candidates.chunks() {
        for candidate in chunk?.iter().filter(|candidate| is_meant(candidate)) {
            let record = delta.spool.read(candidate.head.place, candidate.head.hashes())?;
            keys.push(serde_json::Value::Object(delta.mapper.key_json(&record.key_values)).to_string());
            if keys.len() == NAMED {
                return Ok(keys);
            }
        }
    }
    Ok(keys)
}

/// The first vanished rows, as far as the ledger can name them; then those that only unsettled batches know.
fn gone(delta: &Delta, memory: &Memory<'_>) -> Result<Vec<String>> {
    let keys = delta.vanished.slice(0, NAMED)?;
    let details = memory.details(&keys)?;
    let named = keys.iter().map(|key| match details.get(key).and_then(|detail| detail.key.clone()) {
        Some(text) => text,
        None => serde_json::Value::Object(unnamed(*key)).to_string(),
    });
    let mut named: Vec<String> = named.collect();
    let lost = delta.vanished_dirty.iter().filter_map(|key| delta.dirty.get(key)?.intents.last());
    let room = NAMED - named.len();
    named.extend(lost.map(|intent| intent.key_text.clone()).take(room));
    Ok(named)
}
