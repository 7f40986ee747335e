//! Creates that meet an object with their own key.
//!
//! Nobody knows whose it is: somebody else's, or ours by a create whose answer was lost or that the network sent twice. What
//! it holds decides. An object that holds every value that was to be sent is as wanted, so the create counts as done. Any
//! other is left alone and the row is refused, for a create changes nothing that is there; where the mapping says
//! `on_conflict: update`, it is updated instead.

use std::collections::{BTreeSet, HashMap};

use super::answers;
use super::client::{Call, Client, ObjectType};
use super::encode::Inputs;
use crate::contract::{
    ChangeRef, ConnectorError, FieldRef, Kind, Lookup, Number, Outcome, Target, ValueRef, Verb, fold,
};
use crate::http::json::{list, text};

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

/// Whether objects that creates meet are updated: `destination.on_conflict`.
///
/// # Errors
/// [`Kind::Config`] for another word.
pub(super) fn updates(target: &Target) -> Result<bool, ConnectorError> {
    match target.options.get("on_conflict").map(|word| word.as_str().unwrap_or_default()) {
        None | Some("refuse") => Ok(false),
        Some("update") => Ok(true),
        Some(_) => Err(ConnectorError::new(
            Kind::Config,
            "`destination.on_conflict` is neither `refuse` nor `update`",
        )
        .hint("`update` changes objects that a create meets; without it their rows are refused")),
    }
}

/// Counts as done the refused creates whose object holds all that they were to send, and changes the objects of the
/// others where that is asked for. Where HubSpot cannot be asked the refusals stand.
pub(super) async fn confirm(
    (client, object): (&Client, &ObjectType),
    inputs: &Inputs,
    updates: bool,
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
    let mut others = Vec::new();
    for ((place, key), lookup) in refused.iter().zip(answers::lookups(&texts, Some(property), &answer)) {
        let Lookup::Found { remote_id } = lookup else { continue };
        let found = list(&answer, "results").find(|found| text(found, "id").as_deref() == Some(&remote_id));
        let holds = |name: &str, value: &str| {
            let held = found.and_then(|found| text(found.get("properties")?, name)).unwrap_or_default();
            (name == property && fold(&held) == fold(key)) || is_same(&held, value)
        };
        if wanted[place].iter().all(|(name, value)| holds(name, value)) {
            outcomes[*place] = Outcome::Applied { remote_id: Some(remote_id), created: None };
        } else if updates {
            others.push((*place, remote_id));
        }
    }
    if !others.is_empty() {
        update((client, object), (inputs, &others), outcomes).await;
    }
}

/// Brings the rows of refused creates into the objects that they met, by their ids.
async fn update(
    (client, object): (&Client, &ObjectType),
    (inputs, met): (&Inputs, &[(usize, String)]),
    outcomes: &mut [Outcome],
) {
    let mut changed = Inputs::new(format!("{:08x}", getrandom::u32().unwrap_or_default()));
    for (place, id) in met {
        let properties = inputs.properties(*place);
        let fields: Vec<FieldRef<'_>> =
            properties.iter().map(|(name, value)| FieldRef { name, value: ValueRef::Text(value) }).collect();
        let change =
            ChangeRef { verb: Verb::Update, destination_key: &[], remote_id: Some(id), fields: &fields };
        if let Err(outcome) = changed.push(change) {
            outcomes[*place] = outcome;
            return;
        }
    }
    let (answer, _) = client.write(object, Call::Update, changed.body(0..met.len())).await;
    let updated = match answer {
        Ok(answer) => answers::outcomes(&changed, 0..met.len(), &answer.json.unwrap_or_default()),
        // Refused whole, or never sent: the refusals of the creates stand.
        Err(error) if error.kind != Kind::Ambiguous => return,
        Err(error) => vec![Outcome::Unknown { reason: error.message }; met.len()],
    };
    for ((place, _), outcome) in met.iter().zip(updated) {
        outcomes[*place] = match outcome {
            Outcome::Applied { remote_id, .. } => Outcome::Applied { remote_id, created: Some(false) },
            other => other,
        };
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
