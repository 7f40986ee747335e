//! What the answer to a batch says of each entity in it.
//!
//! 200 with an object: all are accepted. 207: those that `errors` names by `batch_index` are refused, and all others are
//! accepted (<https://docs.customer.io/api/track/>, "Send multiple requests"). An error whose entity cannot be told may be
//! about any, so what is not named is unknown then; and so is everything where the answer has another shape.

use serde_json::Value as Json;

use super::errors::Refusal;
use crate::contract::Outcome;

/// One outcome for each of the entities of an answered batch.
pub(super) fn outcomes(entities: usize, status: u16, answer: Option<&Json>) -> Vec<Outcome> {
    let unknown = |reason: &str| vec![Outcome::Unknown { reason: reason.to_owned() }; entities];
    let Some(Json::Object(body)) = answer else {
        return unknown("the answer is not the object that it should be");
    };
    let errors = match body.get("errors") {
        None | Some(Json::Null) if status != 207 => &[][..],
        Some(Json::Array(errors)) if status != 207 || !errors.is_empty() => errors.as_slice(),
        _ => return unknown("the answer says that some records are wrong, but not which"),
    };
    let mut refused: Vec<Option<Refusal>> = vec![None; entities];
    let mut unplaced = None;
    for error in errors {
        let place =
            error.get("batch_index").and_then(Json::as_u64).and_then(|index| usize::try_from(index).ok());
        match place.and_then(|place| refused.get_mut(place)) {
            Some(known) => _ = known.get_or_insert_with(|| Refusal::of(error)),
            None => _ = unplaced.get_or_insert_with(|| Refusal::of(error)),
        }
    }
    let others = match unplaced {
        None => Outcome::Applied { remote_id: None, created: None },
        Some(error) => {
            let reason = format!(
                "the answer names an error, but not the record that it is about: {}",
                error.message()
            );
            Outcome::Unknown { reason }
        }
    };
    refused.into_iter().map(|error| error.map_or_else(|| others.clone(), Refusal::outcome)).collect()
}
