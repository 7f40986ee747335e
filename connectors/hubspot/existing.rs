//! Creates that meet an object with their own key.
//!
//! Nobody knows whose it is: somebody else's, or ours by a create whose answer was lost or that the network sent twice. What
//! it holds decides. An object that holds every value that was to be sent is as wanted, so the create counts as done; any
//! other is left alone and the row is refused, for a create never changes what is there. A row that shall change it is
//! an upsert, which HubSpot has a call for.

use std::collections::{BTreeSet, HashMap};

use super::answers::{self, list, text};
use super::client::{Client, ObjectType};
use super::encode::{Inputs, fold};
use crate::contract::{ConnectorError, Lookup, Number, Outcome};

/// Codes of a create whose key an object has.
const CODES: [&str; 2] = ["CONFLICT", "CONFLICTING_UNIQUE_VALUE"];

/// The key of each of these inputs, with its place; empty where the mapping matches on nothing.
fn keys(inputs: &Inputs, places: impl Iterator<Item = usize>) -> Vec<(usize, String)> {
    places
        .filter_map(|place| Some((place, inputs.sent()[place].key.clone().filter(|key| !key.is_empty())?)))
        .collect()
}

/// The rows of a part refused whole for an object that is there, of those whose key has one.
///
/// # Errors
/// When HubSpot cannot be asked.
pub(super) async fn named(
    (client, object): (&Client, &ObjectType),
    (inputs, part): (&Inputs, &[usize]),
    refusal: &ConnectorError,
) -> Result<Vec<(usize, Outcome)>, ConnectorError> {
    let is_conflict = refusal.code.as_deref().is_some_and(|code| CODES.contains(&code));
    let Some(property) = inputs.key_name.as_deref().filter(|_| is_conflict && part.len() > 1) else {
        return Ok(Vec::new());
    };
    let asked = keys(inputs, part.iter().copied());
    let texts: Vec<String> = asked.iter().map(|(_, key)| key.clone()).collect();
    let answer = client.read(object, Some(property), &texts).await?;
    let found = asked.iter().zip(answers::lookups(&texts, Some(property), &answer));
    let refused = |id: String| Outcome::Rejected {
        code: CODES[0].to_owned(),
        field: Some(property.to_owned()),
        message: format!("an object with this key exists already, with the id {id}"),
    };
    Ok(found
        .filter_map(|((place, _), lookup)| match lookup {
            Lookup::Found { remote_id } => Some((*place, refused(remote_id))),
            Lookup::Absent | Lookup::Unclear => None,
        })
        .collect())
}

/// Counts as done the refused creates whose object holds all that they were to send. Where HubSpot cannot be asked the
/// refusals stand.
pub(super) async fn confirm(
    (client, object): (&Client, &ObjectType),
    inputs: &Inputs,
    outcomes: &mut [Outcome],
) {
    let met = |o: &Outcome| matches!(o, Outcome::Rejected { code, .. } if CODES.contains(&code.as_str()));
    let refused = keys(inputs, (0..outcomes.len()).filter(|place| met(&outcomes[*place])));
    let Some(property) = inputs.key_name.as_deref().filter(|_| !refused.is_empty()) else { return };
    let wanted: HashMap<usize, HashMap<String, String>> =
        refused.iter().map(|(place, _)| (*place, inputs.properties(*place))).collect();
    let names: BTreeSet<&str> = wanted.values().flat_map(|row| row.keys().map(String::as_str)).collect();
    let texts: Vec<String> = refused.iter().map(|(_, key)| key.clone()).collect();
    let answer = match client.read_properties(object, (Some(property), &texts), names).await {
        Ok(answer) => answer,
        Err(error) => {
            tracing::debug!(%error, "objects that creates met could not be read");
            return;
        }
    };
    for ((place, key), lookup) in refused.iter().zip(answers::lookups(&texts, Some(property), &answer)) {
        let Lookup::Found { remote_id } = lookup else { continue };
        let found = list(&answer, "results").find(|found| text(found, "id").as_deref() == Some(&remote_id));
        let holds = |name: &str, value: &str| {
            let held = found.and_then(|found| text(found.get("properties")?, name)).unwrap_or_default();
            (name == property && fold(&held) == fold(key)) || is_same(&held, value)
        };
        if wanted[place].iter().all(|(name, value)| holds(name, value)) {
            outcomes[*place] = Outcome::Applied { remote_id: Some(remote_id), created: None };
        }
    }
}

/// Texts are compared as they are, numbers by their value.
fn is_same(held: &str, wanted: &str) -> bool {
    held == wanted || matches!((Number::parse(held), Number::parse(wanted)), (Ok(a), Ok(b)) if a == b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_same_in_any_form() {
        assert!(is_same("a", "a") && is_same("", "") && is_same("3039.50", "3039.5"));
        for (held, wanted) in [("a", "A"), ("", "0"), ("1", "1.01"), ("true", "false"), ("a", "")] {
            assert!(!is_same(held, wanted), "{held} {wanted}");
        }
    }
}
