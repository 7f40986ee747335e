//! What a dry run shows: examples of the changes and a forecast of what sending them takes.

use outflow_connectors::contract::Capabilities;
use serde_json::{Map, Value as Json, json};

use super::deliver::{Cutter, Shape, size};
use super::diff::{Candidate, Class, Delta, unnamed};
use super::event::{Forecast, InBulk, Op, Preview, SampleChange};
use super::known::Memory;
use super::plan::{Items, Plan};
use super::spec::MappingSpec;
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

/// Bytes that a request spends on each record beside names and values.
const OVERHEAD: u64 = 30;

/// Bytes of a field beside its name and value, such as quotes: so many more than the spool spends.
const PUNCTUATION: u64 = 4;

/// Seconds a request is taken to last where nothing better is known.
const LATENCY: f64 = 0.2;

/// How the changes of a phase are cut, and requests that each batch takes.
pub type Cut<'a> = &'a dyn Fn(u64) -> (Shape, u64);

/// What sending the plan takes: requests, bytes, seconds, and the share of a daily budget.
///
/// # Errors
/// When what the delta spilled cannot be read.
pub fn forecast(
    (delta, plan): (&Delta, &Plan),
    spec: &MappingSpec,
    cut: Cut<'_>,
    capabilities: &Capabilities,
    daily: Option<u64>,
) -> Result<(Forecast, InBulk)> {
    let names = OVERHEAD + spec.fields.iter().map(|field| field.name.len() as u64 + PUNCTUATION).sum::<u64>();
    let (mut forecast, mut in_bulk) = (Forecast::default(), InBulk::default());
    let mut seconds: f64 = 0.0;
    for phase in &plan.phases {
        let (shape, each) = cut(phase.len);
        let (mut cutter, before) = (Cutter::new(&shape), forecast.requests);
        let mut add = |in_spool: Option<u64>| {
            let batches = u64::from(cutter.cuts(in_spool.map_or(64, |bytes| bytes as usize)));
            forecast.requests += batches * if in_spool.is_some() { each + shape.links as u64 } else { each };
            if each > 1 {
                in_bulk = InBulk { batches: in_bulk.batches + batches, changes: in_bulk.changes + 1 };
            }
            forecast.bytes += in_spool.map_or(OVERHEAD, |bytes| bytes + names);
        };
        match &phase.items {
            Items::Listed(items) => {
                let items = items.iter().take(phase.len as usize);
                items.for_each(|item| add(item.place.map(|_| size(item) as u64)));
            }
            Items::Bulk => bulk_sizes(delta, (phase.len, false), |bytes| add(Some(bytes)))?,
            Items::Narrow => bulk_sizes(delta, (phase.len, true), |bytes| add(Some(bytes)))?,
            Items::Removals => (0..phase.len).for_each(|_| add(None)),
        }
        seconds += (forecast.requests - before) as f64 * LATENCY / shape.in_flight.max(1) as f64;
    }
    let requests = forecast.requests as f64;
    forecast.binds = "the time of each answer";
    let rates = [("the limit of requests", capabilities.rate), ("`delivery.rate`", cut(0).0.rate)];
    for (name, rate) in rates.into_iter().filter_map(|(name, rate)| Some((name, rate?))) {
        let beyond = forecast.requests.saturating_sub(u64::from(rate.requests)) as f64;
        let paced = beyond * rate.per.as_secs_f64() / f64::from(rate.requests.max(1));
        if paced > seconds {
            (seconds, forecast.binds) = (paced, name);
        }
    }
    forecast.seconds = seconds;
    forecast.quota_percent = daily.filter(|daily| *daily > 0).map(|daily| requests * 100.0 / daily as f64);
    Ok((forecast, in_bulk))
}

fn bulk_sizes(delta: &Delta, (most, narrow): (u64, bool), mut each: impl FnMut(u64)) -> Result<()> {
    let mut left = most;
    for chunk in delta.candidates.chunks() {
        for candidate in chunk?.iter().filter(|c| c.bulk && c.narrow == narrow) {
            if left == 0 {
                return Ok(());
            }
            left -= 1;
            each(candidate.head.place.size());
        }
    }
    Ok(())
}
