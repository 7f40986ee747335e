//! What an import that has ended did to each of its rows. Pure.
//!
//! A row counts as done only where all of these say so: the job is `complete`, it took as many profiles as were sent, it
//! counts as many failures as its errors name rows, and no error is left over. An error names a row by the match key in
//! what it repeats of it; from where its pointer counts stands in no document that we know.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value as Json;

use super::client::Job;
use super::errors::{Refusal, refusal};
use super::options::Key;
use crate::contract::{Outcome, fold};
use crate::http::json::text;

/// The outcomes of the rows with these keys, which were the job's profiles in this order. `all` says whether these are all
/// of its errors, each given by its attributes.
pub(super) fn outcomes(job: &Job, (errors, all): (&[Json], bool), key: Key, keys: &[String]) -> Vec<Outcome> {
    let (named, strange) = by_row(errors, key, keys);
    let (sent, failed) = (keys.len() as u64, named.len() as u64);
    let doubt = match () {
        () if job.status != "complete" => Some(format!("Klaviyo's import ended as `{}`", job.status)),
        () if job.total != Some(sent) => {
            Some(format!("Klaviyo counts {} of {sent} profiles", shown(job.total)))
        }
        () if strange > 0 || !all => Some("some errors of the import name no row of it".to_owned()),
        () if job.failed != Some(failed) => {
            Some(format!("Klaviyo counts {} failures, and its errors name {failed} rows", shown(job.failed)))
        }
        // Whether what failed counts as completed stands in no document that we know.
        () if job.completed.is_some_and(|done| done != sent && done + failed != sent) => {
            Some(format!("Klaviyo counts {} of {sent} profiles as completed", shown(job.completed)))
        }
        () => None,
    };
    // More rows named than failures counted: some of them may have been done all the same.
    let is_certain = job.status == "complete" && job.failed.is_some_and(|counted| counted >= failed);
    let mut named = named;
    let outcome = |row: usize| match (named.remove(&row), &doubt) {
        (Some(refusal), _) if is_certain => refusal.outcome(),
        (Some(refusal), _) => Outcome::Unknown {
            reason: format!(
                "the import may have done it all the same: {}: {}",
                refusal.code, refusal.message
            ),
        },
        (None, Some(reason)) => Outcome::Unknown { reason: reason.clone() },
        (None, None) => Outcome::Applied { remote_id: None, created: None },
    };
    (0..keys.len()).map(outcome).collect()
}

fn shown(count: Option<u64>) -> String {
    count.map_or_else(|| "no".to_owned(), |count| count.to_string())
}

/// What a suppression of so many addresses did: it names none of them, so all are done or none is known to be.
pub(super) fn suppressed(job: &Job, sent: usize) -> Vec<Outcome> {
    let all = Some(sent as u64);
    let is_done = job.status == "complete" && job.skipped.unwrap_or_default() == 0;
    let outcome = match is_done && job.total == all && job.completed == all {
        true => Outcome::Applied { remote_id: None, created: None },
        false => Outcome::Unknown {
            reason: format!(
                "Klaviyo's suppression of {sent} addresses ended as `{}`, with {} done and {} skipped",
                job.status,
                shown(job.completed),
                shown(job.skipped)
            ),
        },
    };
    vec![outcome; sent]
}

/// The first error of each row that has any, and how many errors name no row.
fn by_row(errors: &[Json], key: Key, keys: &[String]) -> (BTreeMap<usize, Refusal>, usize) {
    let form = |value: &str| if key == Key::Email { fold(value) } else { value.to_owned() };
    let rows: HashMap<String, usize> = keys.iter().enumerate().map(|(row, key)| (form(key), row)).collect();
    let (mut named, mut strange) = (BTreeMap::new(), 0);
    for error in errors {
        match payload_key(error, key).and_then(|value| rows.get(&form(&value)).copied()) {
            Some(row) => {
                named.entry(row).or_insert_with(|| refusal(error));
            }
            None => strange += 1,
        }
    }
    (named, strange)
}

/// The match key in what an error repeats of its row: the profile as it was sent, or its attributes alone.
fn payload_key(error: &Json, key: Key) -> Option<String> {
    let payload = error.get("original_payload")?;
    let inner = [Some(payload), payload.get("data"), payload.get("profile")];
    let places = inner.into_iter().flatten().flat_map(|object| [object.get("attributes"), Some(object)]);
    places.flatten().find_map(|object| text(object, key.field()))
}
