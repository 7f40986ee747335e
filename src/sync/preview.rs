//! What a dry run shows of the changes: examples.

use serde_json::{Map, Value as Json, json};

use super::diff::{Candidate, Class, Delta, unnamed};
use super::event::{Op, Preview, SampleChange};
use super::known::Memory;
use super::spool::record_text;
use crate::error::Result;
use crate::ledger::{Detail, KeyHash};

/// Examples of each kind.
const SAMPLE: usize = 100;

/// Builds the preview of a plan.
///
/// # Errors
/// When the ledger, or what the delta spilled, cannot be read.
pub fn preview(delta: &Delta, memory: &Memory<'_>) -> Result<Preview> {
    let mut sample = Vec::new();
    for (class, op) in [(Class::Add, Op::Add), (Class::Change, Op::Change)] {
        let candidates = first(delta, class)?;
        let details = memory.details_of(&candidates)?;
        for candidate in &candidates {
            sample.push(change(delta, details.get(&candidate.head.key), candidate, op)?);
        }
    }
    let vanished = delta.vanished.slice(0, SAMPLE)?;
    let details = memory.details(&vanished)?;
    sample.extend(vanished.iter().map(|key| removal(details.get(key), *key)));
    let scales = delta.mapper.spec.fields.iter().filter_map(|f| Some((f.name.to_string(), f.scale?)));
    Ok(Preview { sample, scales: scales.collect(), ..Preview::default() })
}

/// The first candidates of a class, in the order of the extract.
fn first(delta: &Delta, class: Class) -> Result<Vec<Candidate>> {
    let mut found = Vec::new();
    for chunk in delta.candidates.chunks() {
        found.extend(chunk?.into_iter().filter(|candidate| candidate.class == class));
        if found.len() >= SAMPLE {
            break;
        }
    }
    found.truncate(SAMPLE);
    Ok(found)
}

fn change(delta: &Delta, detail: Option<&Detail>, candidate: &Candidate, op: Op) -> Result<SampleChange> {
    let record = delta.spool.read(candidate.head.place, candidate.head.hashes())?;
    let new = object(&record_text(&delta.mapper, &record));
    let old = detail.and_then(|detail| detail.record.as_deref()).map(object);
    let sent = candidate.narrow.then(|| detail.map(|detail| delta.mapper.changed(&record, detail))).flatten();
    let changed = |name: &str| match (op, &old, detail) {
        // Just these are sent.
        _ if sent.is_some() => sent.iter().flatten().any(|field| **field == *name),
        (Op::Change, Some(old), _) => old.get(name) != new.get(name),
        (Op::Change, None, Some(detail)) if !detail.fields.is_empty() => {
            let known = detail.fields.iter().find(|(field, _)| **field == *name);
            let hash = delta.mapper.field_hashes(&record).into_iter().find(|(field, _)| **field == *name);
            hash.is_some_and(|hash| known != Some(&hash))
        }
        _ => true,
    };
    let names: Vec<String> = new.keys().filter(|name| changed(name)).cloned().collect();
    let fields = names.into_iter().map(|name| {
        let before = old.as_ref().and_then(|old| old.get(&name)).cloned().unwrap_or(Json::Null);
        let pair = json!({"old": before, "new": new.get(&name)});
        (name, pair)
    });
    let key = delta.mapper.key_json(&record.key_values);
    Ok(SampleChange { op, key, fields: fields.collect(), old_known: op == Op::Change && old.is_some() })
}

fn removal(detail: Option<&Detail>, key: KeyHash) -> SampleChange {
    let named = detail.and_then(|detail| detail.key.as_deref()).map(object);
    let key = named.unwrap_or_else(|| unnamed(key));
    let old = detail.and_then(|detail| detail.record.as_deref()).map(object).unwrap_or_default();
    let old_known = !old.is_empty();
    let fields = old.into_iter().map(|(name, value)| (name, json!({"old": value, "new": null}))).collect();
    SampleChange { op: Op::Remove, key, fields, old_known }
}

fn object(text: &str) -> Map<String, Json> {
    serde_json::from_str(text).unwrap_or_default()
}
