//! What an answer says of each object in a request.
//!
//! 201 with `{"message": "success", "attributes_processed": n}`: so many were queued, and `errors` names the others
//! (<https://www.braze.com/docs/api/endpoints/user_data/post_user_track/>). Where the numbers do not add up, or an error does
//! not say which object it is about, what is not named is unknown. 202 with `{"message": "queued"}`, during maintenance: all
//! were taken (<https://www.braze.com/docs/api/errors/>, "Queued responses").

use serde_json::Value as Json;

use super::errors;
use crate::contract::Outcome;
use crate::http::json::{list, text};
use crate::http::{Answer, Reply};

const APPLIED: Outcome = Outcome::Applied { remote_id: None, created: None };

/// What became of objects in this array of a request; `places` are theirs among all that are to be sent.
pub(super) fn reply(array: &str, places: &[usize], answer: &Answer) -> Reply {
    let Some(body @ Json::Object(_)) = &answer.json else {
        return unknown(places.len(), "the answer is not the object that it should be");
    };
    let (refused, unplaced) = refusals(array, places.len(), body);
    if !answer.is_success() {
        let named = places.iter().zip(refused).filter_map(|(place, refused)| Some((*place, refused?)));
        return Reply::Named(named.collect());
    }
    let others = others(array, body, (answer.status, refused.as_slice(), unplaced.as_deref()));
    Reply::Each(refused.into_iter().map(|refused| refused.unwrap_or_else(|| others.clone())).collect())
}

/// What became of so many removals.
pub(super) fn removed(users: usize, answer: &Answer) -> Reply {
    let body = answer.json.as_ref().unwrap_or(&Json::Null);
    let outcome = match (is_queued(answer.status, body), count(body, "deleted")) {
        (true, _) => APPLIED,
        (false, _) if text(body, "message").as_deref() != Some("success") => {
            return unknown(users, "the answer does not say that the users were removed");
        }
        (_, Some(deleted)) if deleted == users => APPLIED,
        (_, deleted) => miscounted(deleted, users),
    };
    Reply::Each(vec![outcome; users])
}

fn unknown(objects: usize, reason: &str) -> Reply {
    Reply::Each(vec![Outcome::Unknown { reason: reason.to_owned() }; objects])
}

/// The refusal of each object that is named, and the words of an error that names none.
fn refusals(array: &str, objects: usize, body: &Json) -> (Vec<Option<Outcome>>, Option<String>) {
    let (mut refused, mut unplaced): (Vec<Option<Outcome>>, _) = (vec![None; objects], None);
    for error in list(body, "errors") {
        let is_ours = text(error, "input_array").as_deref() == Some(array);
        let index = error.get("index").and_then(Json::as_u64).filter(|_| is_ours);
        let slot =
            index.and_then(|index| usize::try_from(index).ok()).and_then(|index| refused.get_mut(index));
        let refusal = errors::refusal(error);
        match slot {
            Some(slot) => _ = slot.get_or_insert(refusal),
            None => unplaced = unplaced.or(Some(said(refusal))),
        }
    }
    (refused, unplaced)
}

fn said(refusal: Outcome) -> String {
    match refusal {
        Outcome::Rejected { message, .. } => message,
        other => format!("{other:?}"),
    }
}

/// What became of the objects that no error names.
fn others(
    array: &str,
    body: &Json,
    (status, refused, unplaced): (u16, &[Option<Outcome>], Option<&str>),
) -> Outcome {
    if let Some(message) = unplaced {
        let reason = format!("the answer names an error, but not the row that it is about: {message}");
        return Outcome::Unknown { reason };
    }
    if is_queued(status, body) {
        return APPLIED;
    }
    if text(body, "message").as_deref() != Some("success") {
        return Outcome::Unknown { reason: "the answer does not say that the rows were taken".to_owned() };
    }
    let expected = refused.iter().filter(|refused| refused.is_none()).count();
    match count(body, &format!("{array}_processed")) {
        // Where all count, those that are refused among them, the others do as well.
        Some(processed) if processed == expected || processed == refused.len() => APPLIED,
        processed => miscounted(processed, expected),
    }
}

fn is_queued(status: u16, body: &Json) -> bool {
    status == 202 && text(body, "message").as_deref() == Some("queued")
}

fn count(body: &Json, name: &str) -> Option<usize> {
    body.get(name)?.as_u64().and_then(|count| usize::try_from(count).ok())
}

fn miscounted(told: Option<usize>, expected: usize) -> Outcome {
    let told = told.map_or_else(|| "no number".to_owned(), |told| told.to_string());
    Outcome::Unknown { reason: format!("the answer counts {told} where {expected} rows were to be taken") }
}
