//! What a dry run shows: examples of the changes and a forecast of what sending them takes.

use outflow_connectors::contract::Capabilities;
use serde_json::{Map, Value as Json, json};

use super::acknowledge::record_text;
use super::deliver::{Shape, cut};
use super::diff::{Candidate, Class, Delta, unnamed};
use super::event::{Forecast, Op, Preview, SampleChange};
use super::planned::{Item, Known, Plan};
use super::spec::MappingSpec;
use crate::error::Result;
use crate::ledger::{Detail, KeyHash};

/// Examples of each kind.
const SAMPLE: usize = 100;

/// Builds the preview of a plan.
pub fn preview(delta: &Delta, known: &Known, plan: &Plan) -> Result<Preview> {
    let mut sample = Vec::new();
    for (class, op) in [(Class::Add, Op::Add), (Class::Change, Op::Change)] {
        for candidate in delta.candidates.iter().filter(|c| c.class == class).take(SAMPLE) {
            sample.push(change(delta, known.details.get(&candidate.key), candidate, op)?);
        }
    }
    for key in plan.removed.iter().take(SAMPLE) {
        sample.push(removal(known.details.get(key), *key));
    }
    let scales = delta.mapper.spec.fields.iter().filter_map(|f| Some((f.name.to_string(), f.scale?)));
    Ok(Preview { sample, scales: scales.collect(), ..Preview::default() })
}

fn change(delta: &Delta, detail: Option<&Detail>, candidate: &Candidate, op: Op) -> Result<SampleChange> {
    let record = delta.spool.read(candidate.place)?;
    let new = object(&record_text(&delta.mapper, &record));
    let old = detail.and_then(|detail| detail.record.as_deref()).map(object);
    let changed = |name: &str| match (op, &old, detail) {
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

/// Seconds a request is taken to last where nothing better is known.
const LATENCY: f64 = 0.2;

/// What sending the plan takes: requests, bytes, seconds, and the share of a daily budget.
pub fn forecast(
    plan: &Plan,
    spec: &MappingSpec,
    shape: &Shape,
    capabilities: &Capabilities,
    daily: Option<u64>,
) -> Forecast {
    let names = OVERHEAD + spec.fields.iter().map(|field| field.name.len() as u64).sum::<u64>();
    let bytes = |item: &Item| item.place.map_or(OVERHEAD, |place| place.bytes() + names);
    let mut forecast = Forecast::default();
    for phase in &plan.phases {
        forecast.requests += cut(phase.items.clone(), shape).len() as u64;
        forecast.bytes += phase.items.iter().map(bytes).sum::<u64>();
    }
    let requests = forecast.requests as f64;
    let mut seconds = requests * LATENCY / shape.in_flight.max(1) as f64;
    for rate in [capabilities.rate, shape.rate].into_iter().flatten() {
        let beyond = forecast.requests.saturating_sub(u64::from(rate.requests)) as f64;
        seconds = seconds.max(beyond * rate.per.as_secs_f64() / f64::from(rate.requests.max(1)));
    }
    forecast.seconds = seconds;
    forecast.quota_percent = daily.filter(|daily| *daily > 0).map(|daily| requests * 100.0 / daily as f64);
    forecast
}
