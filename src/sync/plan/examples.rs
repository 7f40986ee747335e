//! Some of the rows that a guard speaks of, by their keys.

use crate::error::{Error, Result};
use crate::sync::diff::{Class, Delta, unnamed};
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
        "OF-RUN-023" => vec![("new", of(delta, &[Class::Add])?), ("gone", gone(delta, memory)?)],
        "OF-RUN-024" => vec![("new or changed", of(delta, &[Class::Add, Class::Change])?)],
        _ => Vec::new(),
    };
    for (kind, keys) in parts.into_iter().filter(|(_, keys)| !keys.is_empty()) {
        held.message.push_str(&format!("; {kind} are for instance {}", keys.join(", ")));
    }
    Ok(held)
}

/// The first rows of some classes.
fn of(delta: &Delta, classes: &[Class]) -> Result<Vec<String>> {
    let mut keys = Vec::new();
    for chunk in delta.candidates.chunks() {
        for candidate in chunk?.iter().filter(|candidate| classes.contains(&candidate.class)) {
            let record = delta.spool.read(candidate.head.place, candidate.head.hashes())?;
            keys.push(serde_json::Value::Object(delta.mapper.key_json(&record.key_values)).to_string());
            if keys.len() == NAMED {
                return Ok(keys);
            }
        }
    }
    Ok(keys)
}

/// The first vanished rows, as far as the ledger can name them.
fn gone(delta: &Delta, memory: &Memory<'_>) -> Result<Vec<String>> {
    let keys = delta.vanished.slice(0, NAMED)?;
    let details = memory.details(&keys)?;
    let named = keys.iter().map(|key| match details.get(key).and_then(|detail| detail.key.clone()) {
        Some(text) => text,
        None => serde_json::Value::Object(unnamed(*key)).to_string(),
    });
    Ok(named.collect())
}
