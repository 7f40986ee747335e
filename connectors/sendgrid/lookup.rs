//! Contacts by their keys, a hundred at a time (`POST /v3/marketing/contacts/search/identifiers/{identifier_type}`).

use std::collections::HashMap;

use serde_json::Value as Json;

use super::client::Client;
use super::errors;
use super::options::Key;
use crate::contract::{ConnectorError, Kind, Outcome, fold};
use crate::http::json::text;

/// Most identifiers of a search.
const SEARCHED: usize = 100;

/// What a look at SendGrid says of a key.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Seen {
    /// This contact has it as its own.
    Found(Json),
    /// SendGrid says that nobody has it.
    Absent,
    /// It cannot be told whether there is such a contact; the row comes to this.
    Unclear(Outcome),
}

/// Who has these keys, in their order.
///
/// # Errors
/// Where SendGrid cannot be asked.
pub(super) async fn find(client: &Client, key: Key, keys: &[&str]) -> Result<Vec<Seen>, ConnectorError> {
    let mut seen = vec![unclear("its search was not asked for"); keys.len()];
    let all: Vec<usize> = (0..keys.len()).collect();
    let mut parts: Vec<&[usize]> = all.chunks(SEARCHED).rev().collect();
    while let Some(part) = parts.pop() {
        let texts: Vec<&str> = part.iter().map(|place| keys[*place]).collect();
        match client.search(key, &texts).await {
            Ok(None) => part.iter().for_each(|place| seen[*place] = Seen::Absent),
            Ok(Some(entries)) => {
                let entries: HashMap<String, Json> =
                    entries.into_iter().map(|(text, entry)| (same(key, &text), entry)).collect();
                for place in part {
                    seen[*place] = of_entry(key, keys[*place], &entries);
                }
            }
            // One of them may be no such identifier, for which the whole search is refused.
            Err(error) if error.kind == Kind::Rejected => match *part {
                [place] => seen[place] = Seen::Unclear(refused(key, error)),
                _ => {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([second, first]);
                }
            },
            Err(error) => return Err(error),
        }
    }
    Ok(seen)
}

/// What the entries of a search say of a key.
fn of_entry(key: Key, wanted: &str, entries: &HashMap<String, Json>) -> Seen {
    let wanted = same(key, wanted);
    let Some(entry) = entries.get(&wanted) else { return unclear("its search does not name the contact") };
    let Some(contact) = entry.get("contact").filter(|contact| contact.is_object()) else {
        return match text(entry, "error") {
            Some(_) => Seen::Absent,
            None => unclear("its search shows neither a contact nor an error"),
        };
    };
    match text(contact, key.field()) {
        Some(own) if same(key, &own) == wanted => Seen::Found(contact.clone()),
        // An address may also be an alternate one of somebody else.
        _ => unclear("its search shows a contact that does not have the key as its own"),
    }
}

fn unclear(why: &str) -> Seen {
    Seen::Unclear(Outcome::Deferred {
        reason: format!("whether SendGrid has the contact is not known: {why}"),
    })
}

/// A search for this key alone was refused.
fn refused(key: Key, error: ConnectorError) -> Outcome {
    Outcome::Rejected {
        code: error.code.unwrap_or_else(|| errors::INVALID.to_owned()),
        field: Some(key.field().to_owned()),
        message: error.message,
    }
}

/// The form in which an identifier is compared: addresses in small letters, phone numbers by their digits, because SendGrid may show
/// them with their `+`.
fn same(key: Key, text: &str) -> String {
    match key {
        Key::Email => fold(text),
        Key::PhoneNumberId => {
            let digits: String = text.chars().filter(char::is_ascii_digit).collect();
            if digits.is_empty() { text.to_owned() } else { digits }
        }
        Key::ExternalId | Key::AnonymousId => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_an_error_of_its_own_makes_a_key_nobodys() {
        let contact = json!({"id": "1", "email": "a@x.io"});
        let entry =
            |entry: Json| of_entry(Key::Email, "A@x.io", &HashMap::from([("a@x.io".to_owned(), entry)]));
        assert_eq!(entry(json!({"contact": contact})), Seen::Found(contact));
        assert_eq!(entry(json!({"error": "contact not found"})), Seen::Absent);
        for odd in [
            json!({}),
            json!({"contact": null}),
            json!({"contact": {"id": "1"}}),
            json!({"contact": {"id": "2", "email": "b@x.io", "alternate_emails": ["a@x.io"]}}),
        ] {
            let seen = entry(odd.clone());
            assert!(matches!(seen, Seen::Unclear(Outcome::Deferred { .. })), "{odd}: {seen:?}");
        }
        let seen = of_entry(Key::Email, "a@x.io", &HashMap::new());
        assert!(matches!(seen, Seen::Unclear(Outcome::Deferred { .. })), "{seen:?}");
    }
}
