//! Profiles by their match key: `GET /api/profiles` with `filter=any(email,["..",".."])`, whose fields and operators the
//! vendor's description lists.

use std::collections::HashMap;

use super::client::Client;
use super::errors;
use super::options::Key;
use crate::contract::{ConnectorError, Kind, Outcome, fold};

/// Keys of one question: its address stays well below what servers take.
pub(super) const KEYS: usize = 50;

/// What stands under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    One(String),
    Nothing,
    /// Which is meant is not said.
    Several(usize),
    /// Klaviyo takes no question for this key: the outcome of its row.
    Refused(Outcome),
}

/// What stands under each of these keys, none of them empty. A question that is refused is halved, down to the key that it
/// is refused for.
///
/// # Errors
/// Never [`Kind::Rejected`]: where so many keys as fill a question are refused and none is taken, it is not the keys.
pub(super) async fn ids(client: &Client, key: Key, keys: &[String]) -> Result<Vec<Found>, ConnectorError> {
    let form = |value: &str| if key == Key::Email { fold(value) } else { value.to_owned() };
    let mut found = Vec::with_capacity(keys.len());
    let mut parts: Vec<&[String]> = keys.chunks(KEYS).rev().collect();
    let mut is_taken = false;
    while let Some(part) = parts.pop() {
        let mut there: HashMap<String, Vec<String>> = HashMap::new();
        let profiles = match client.profiles(key, part).await {
            Err(error) if error.kind == Kind::Rejected && part.len() > 1 => {
                let (first, second) = part.split_at(part.len() / 2);
                parts.extend([second, first]);
                continue;
            }
            Err(error) if error.kind == Kind::Rejected && (is_taken || found.len() + 1 < KEYS) => {
                found.push(Found::Refused(refused(key, error)));
                continue;
            }
            answer => answer.map_err(errors::not_asked)?,
        };
        is_taken = true;
        for (id, value) in profiles {
            there.entry(form(&value)).or_default().push(id);
        }
        found.extend(part.iter().map(|key| match there.get(&form(key)).map(Vec::as_slice) {
            None | Some([]) => Found::Nothing,
            Some([id]) => Found::One(id.clone()),
            Some(several) => Found::Several(several.len()),
        }));
    }
    Ok(found)
}

fn refused(key: Key, error: ConnectorError) -> Outcome {
    Outcome::Rejected {
        code: error.code.unwrap_or_else(|| "invalid".to_owned()),
        field: Some(key.field().to_owned()),
        message: format!("Klaviyo takes no question for this `{}`: {}", key.field(), error.message),
    }
}

/// No profile has this key.
pub(super) fn absent(key: Key) -> Outcome {
    Outcome::Rejected {
        code: Outcome::OBJECT_NOT_FOUND.to_owned(),
        field: Some(key.field().to_owned()),
        message: format!("there is no profile with this `{}`", key.field()),
    }
}

pub(super) fn ambiguous(key: Key, profiles: usize) -> Outcome {
    Outcome::Rejected {
        code: "SEVERAL_PROFILES".to_owned(),
        field: Some(key.field().to_owned()),
        message: format!("{profiles} profiles have this `{}`", key.field()),
    }
}
