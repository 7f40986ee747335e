//! The keys of a block, judged with the place in the messages.

use serde_json::{Map, Value as Json};

use crate::nearest::did_you_mean;

pub(crate) fn object<'a>(value: &'a Json, place: &str) -> Result<&'a Map<String, Json>, String> {
    value.as_object().ok_or_else(|| format!("{place} must be a block of keys and values"))
}

pub(crate) fn known_keys(entries: &Map<String, Json>, known: &[&str], prefix: &str) -> Result<(), String> {
    match entries.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => {
            let hint = did_you_mean(key, known.iter().copied());
            let hint = hint.unwrap_or_else(|| format!("known are {}", list(known)));
            Err(format!("unknown key `{prefix}{key}`; {hint}"))
        }
        None => Ok(()),
    }
}

pub(super) fn list(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}
