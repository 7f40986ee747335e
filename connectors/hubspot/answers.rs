//! What a batch answer says of each input. Nothing is applied unless it is named as a result.
//!
//! An answer is matched to its input by trace id, else by record id where that was sent, else by the match key; never
//! by position. `errors` are read on every success, not only on 207.
//!
//! A trace id that was not sent belongs to the answer of another request, and names nobody here.
//!
//! An input named both as a result and as an error is unknown: it may have been written in part, so neither "applied"
//! nor "refused without effect" is proven, and sending it again is safe.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::hash::Hash;

use serde_json::Value as Json;

use super::encode::{Inputs, Sent};
use super::errors::{Refusal, refusal};
use crate::contract::{Lookup, Outcome, fold};
use crate::http::json::{list, strings, text};

/// One outcome per input of an answered batch write, which held a part of the inputs.
pub(super) fn outcomes(
    inputs: &Inputs,
    part: impl IntoIterator<Item = usize>,
    answer: &Json,
) -> Vec<Outcome> {
    let part: Vec<usize> = part.into_iter().collect();
    let mut seen = vec![Seen::default(); part.len()];
    let index = Index::new(inputs, &part);
    let mut unnamed = None;
    for result in list(answer, "results") {
        let Some(id) = text(result, "id") else { continue };
        let Some(place) = index.of_result(result, &id) else { continue };
        let created = result.get("new").and_then(Json::as_bool);
        seen[place].results.push((id, created));
    }
    for error in list(answer, "errors") {
        let places = index.of_error(error);
        if places.is_empty() {
            unnamed.get_or_insert_with(|| refusal(error));
        }
        for place in places {
            seen[place].error.get_or_insert_with(|| refusal(error));
        }
    }
    seen.into_iter().map(|s| s.outcome(unnamed.as_ref())).collect()
}

#[derive(Clone, Default)]
struct Seen {
    results: Vec<(String, Option<bool>)>,
    error: Option<Refusal>,
}

impl Seen {
    fn outcome(self, unnamed: Option<&Refusal>) -> Outcome {
        let Seen { mut results, error } = self;
        results.dedup_by(|a, b| a.0 == b.0);
        match (results.len(), error) {
            (0, Some(error)) => error.outcome(),
            (0, None) => {
                let reason = match unnamed {
                    Some(error) => {
                        format!(
                            "the answer does not name this record; it names an error for some: {}",
                            error.message
                        )
                    }
                    None => "the answer does not name this record".to_owned(),
                };
                Outcome::Unknown { reason }
            }
            (1, None) => {
                let (id, created) = results.remove(0);
                Outcome::Applied { remote_id: Some(id), created }
            }
            (_, Some(error)) => {
                let reason = format!("the answer calls it both written and refused: {}", error.message);
                Outcome::Unknown { reason }
            }
            (_, None) => {
                let reason = "the answer names more than one object for this record".to_owned();
                Outcome::Unknown { reason }
            }
        }
    }
}

/// Places in a part by a name; one that several inputs share names none of them.
type Places<K> = HashMap<K, Option<usize>>;

/// Inputs of a part by what an answer can name them by. Each list is made when it is first needed: most answers name
/// all inputs in one way.
pub(super) struct Index<'a> {
    inputs: &'a Inputs,
    /// Ascending.
    part: &'a [usize],
    key_name: Option<&'a str>,
    by_id: OnceCell<Places<&'a str>>,
    by_record_id: OnceCell<Places<&'a str>>,
    by_key: OnceCell<Places<&'a str>>,
    by_folded_key: OnceCell<Places<String>>,
}

fn places<K: Hash + Eq>(names: impl Iterator<Item = (usize, Option<K>)>) -> Places<K> {
    let mut places = HashMap::new();
    for (place, name) in names {
        if let Some(name) = name {
            places.entry(name).and_modify(|known| *known = None).or_insert(Some(place));
        }
    }
    places
}

impl<'a> Index<'a> {
    pub(super) fn new(inputs: &'a Inputs, part: &'a [usize]) -> Self {
        Index {
            inputs,
            part,
            key_name: inputs.key_name.as_deref(),
            by_id: OnceCell::new(),
            by_record_id: OnceCell::new(),
            by_key: OnceCell::new(),
            by_folded_key: OnceCell::new(),
        }
    }

    fn names<K>(&self, name: impl Fn(&'a Sent) -> Option<K>) -> impl Iterator<Item = (usize, Option<K>)> {
        let (inputs, part) = (self.inputs, self.part);
        part.iter().map(move |place| name(&inputs.sent()[*place])).enumerate()
    }

    fn of_id(&self, id: &str) -> Option<usize> {
        let by_id = self.by_id.get_or_init(|| places(self.names(Sent::id)));
        by_id.get(id).copied().flatten()
    }

    /// Only of those sent by record id: an upsert's `id` is a key, which may look like another object's record id.
    fn of_record_id(&self, id: &str) -> Option<usize> {
        let by_record_id =
            self.by_record_id.get_or_init(|| places(self.names(|sent| sent.record_id.as_deref())));
        by_record_id.get(id).copied().flatten()
    }

    fn of_key(&self, key: &str) -> Option<usize> {
        let by_key = self.by_key.get_or_init(|| places(self.names(own_key)));
        by_key.get(key).copied().flatten().or_else(|| {
            let by_folded_key =
                self.by_folded_key.get_or_init(|| places(self.names(|sent| own_key(sent).map(fold))));
            by_folded_key.get(&fold(key)).copied().flatten()
        })
    }

    fn of_trace(&self, id: &str) -> Option<usize> {
        self.part.binary_search(&self.inputs.traced(id)?).ok()
    }

    fn of_result(&self, result: &Json, id: &str) -> Option<usize> {
        if let Some(trace) = result.get("objectWriteTraceId").and_then(Json::as_str) {
            return self.of_trace(trace);
        }
        let key = self.key_name.and_then(|name| text(result.get("properties")?, name));
        key.and_then(|key| self.of_key(&key)).or_else(|| self.of_record_id(id))
    }

    /// Errors name inputs by trace id, or by the ids that were sent.
    pub(super) fn of_error(&self, error: &Json) -> Vec<usize> {
        let context = error.get("context").unwrap_or(&Json::Null);
        let traces: Vec<&str> = strings(context, "objectWriteTraceId").collect();
        if !traces.is_empty() {
            return traces.into_iter().filter_map(|trace| self.of_trace(trace)).collect();
        }
        let ids = strings(context, "ids").chain(strings(context, "id"));
        ids.filter_map(|id| self.of_id(id)).collect()
    }
}

/// The match key of an input that was not sent by record id.
fn own_key(sent: &Sent) -> Option<&str> {
    sent.key.as_deref().filter(|key| sent.record_id.is_none() && !key.is_empty())
}

/// What an answered batch read found under each key, in the keys' order; without a property the keys are record ids.
pub(super) fn lookups(keys: &[String], id_property: Option<&str>, answer: &Json) -> Vec<Lookup> {
    let mut found: HashMap<String, Vec<String>> = HashMap::new();
    let mut strays = false;
    for result in list(answer, "results") {
        let key = match id_property {
            Some(name) => result.get("properties").and_then(|properties| text(properties, name)),
            None => text(result, "id"),
        };
        let key = key.map(|key| fold(&key));
        match (key, text(result, "id")) {
            (Some(key), Some(id)) => found.entry(key).or_default().push(id),
            _ => strays = true,
        }
    }
    // An object can be found by a former or second e-mail address; then one key's absence is not proven.
    strays |= found.keys().any(|found| !keys.iter().any(|k| fold(k) == *found));
    strays |= list(answer, "errors").any(|e| text(e, "category").as_deref() != Some("OBJECT_NOT_FOUND"));
    strays |= !answer.get("results").is_some_and(Json::is_array);
    keys.iter()
        .map(|key| match found.get(&fold(key)).map(Vec::as_slice) {
            Some([id]) => Lookup::Found { remote_id: id.clone() },
            Some(_) => Lookup::Unclear,
            None if strays => Lookup::Unclear,
            None => Lookup::Absent,
        })
        .collect()
}

/// One outcome per record id of an answered batch archive; what is gone already counts as removed.
pub(super) fn archived(
    inputs: &Inputs,
    part: impl IntoIterator<Item = usize>,
    answer: Option<&Json>,
) -> Vec<Outcome> {
    let part: Vec<usize> = part.into_iter().collect();
    let gone =
        |place: usize| Outcome::Applied { remote_id: inputs.sent()[place].record_id.clone(), created: None };
    let Some(answer) = answer else { return part.into_iter().map(gone).collect() };
    let outcomes = outcomes(inputs, part.iter().copied(), answer);
    let absent =
        |o: &Outcome| matches!(o, Outcome::Rejected { code, .. } if code == Outcome::OBJECT_NOT_FOUND);
    part.into_iter().zip(outcomes).map(|(place, o)| if absent(&o) { gone(place) } else { o }).collect()
}
