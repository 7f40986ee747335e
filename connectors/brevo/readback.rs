//! Contacts as Brevo shows them after an import, held against what was sent.
//!
//! Facts: `GET /contacts` with `listIds`, `modifiedSince` and pages of up to 1,000
//! (<https://developers.brevo.com/reference/get-contacts>).

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value as Json};

use super::attributes::SMS;
use super::client::Client;
use super::encode::Rows;
use crate::contract::{ConnectorError, Number, fold};
use crate::http::json::text;

/// Most contacts of a page.
const PAGE: usize = 1000;

/// Pages beyond those that the rows need: others change the same list.
const STRANGERS: usize = 200;

/// How far the vendor's clock may be behind ours.
const SKEW: Duration = Duration::from_secs(300);

/// From when on contacts are looked at, whose import begins now.
pub(super) fn since() -> Timestamp {
    let now = Timestamp::now();
    now.checked_sub(SKEW).unwrap_or(now)
}

/// Those rows' contacts that are shown, by e-mail: the ids of those with all that was sent, on all `lists`, and none for the
/// others. Those on a later page than is looked at, or not marked as changed, are left out.
pub(super) async fn read(
    client: &Client,
    (rows, run): (&Rows, Range<usize>),
    lists: &[u64],
    since: Timestamp,
) -> Result<HashMap<String, Option<String>>, ConnectorError> {
    let mut sent: HashMap<String, usize> = run.clone().map(|row| (rows.sent(row).key.clone(), row)).collect();
    let (mut found, mut offset) = (HashMap::new(), 0);
    let Some(list) = lists.first() else { return Ok(found) };
    for _ in 0..run.len().div_ceil(PAGE) + STRANGERS {
        let page = client.changed(*list, since, (PAGE, offset)).await?;
        for shown in &page {
            let Some(key) = text(shown, "email").map(|email| fold(&email)) else { continue };
            let Some(row) = sent.remove(&key) else { continue };
            let item: Json = serde_json::from_slice(rows.items().item(row)).unwrap_or_default();
            let id = text(shown, "id").filter(|_| is_on(shown, lists) && shows(shown, &item));
            if id.is_none() {
                tracing::debug!(place = rows.sent(row).place, "a contact is not shown as it was sent");
            }
            found.insert(key, id);
        }
        if page.len() < PAGE || sent.is_empty() {
            break;
        }
        offset += page.len();
    }
    Ok(found)
}

fn is_on(shown: &Json, lists: &[u64]) -> bool {
    let on: BTreeSet<u64> = shown
        .get("listIds")
        .and_then(Json::as_array)
        .into_iter()
        .flatten()
        .filter_map(Json::as_u64)
        .collect();
    lists.iter().all(|list| on.contains(list))
}

/// Whether a contact shows every attribute of an item.
fn shows(shown: &Json, item: &Json) -> bool {
    let none = Map::new();
    let attributes = |contact: &Json| contact.get("attributes").and_then(Json::as_object).cloned();
    let (Some(sent), shown) = (attributes(item), attributes(shown).unwrap_or(none)) else { return false };
    sent.iter().all(|(name, value)| {
        let shown = shown.get(name).unwrap_or(&Json::Null);
        is_same(value, shown) || (name == SMS && is_same_phone(value, shown))
    })
}

/// Whether two texts are one phone number: the `+` or `00` before its country's code may not be shown.
fn is_same_phone(sent: &Json, shown: &Json) -> bool {
    let number = |value: &Json| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let digits = text.strip_prefix('+').or_else(|| text.strip_prefix("00")).unwrap_or(&text).to_owned();
        Some(digits).filter(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
    };
    number(sent).is_some_and(|sent| Some(sent) == number(shown))
}

/// Whether a value is shown as it was sent. An emptied attribute may be absent, a day may be shown with its midnight, and
/// options in another order.
fn is_same(sent: &Json, shown: &Json) -> bool {
    let is_empty = |value: &Json| match value {
        Json::Null => true,
        Json::String(text) => text.is_empty(),
        Json::Array(items) => items.is_empty(),
        _ => false,
    };
    match (sent, shown) {
        _ if is_empty(sent) => is_empty(shown),
        (Json::Number(sent), Json::Number(shown)) => {
            let number = |text: String| Number::parse(&text).ok();
            number(sent.to_string()).is_some_and(|sent| Some(sent) == number(shown.to_string()))
        }
        (Json::Array(sent), Json::Array(shown)) => {
            let texts = |items: &[Json]| items.iter().map(Json::to_string).collect::<BTreeSet<_>>();
            texts(sent) == texts(shown)
        }
        (Json::String(sent), Json::String(shown)) => {
            sent == shown
                || shown.strip_prefix(sent.as_str()).is_some_and(|rest| rest.starts_with("T00:00:00"))
        }
        // An option's number may be shown as such.
        (Json::String(sent), Json::Number(shown)) => *sent == shown.to_string(),
        _ => sent == shown,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_contact_counts_only_where_it_shows_all_that_was_sent() {
        let item = json!({"email": "a@x.io", "attributes": {"A": "x", "N": 1.50, "D": "2026-02-03", "E": "", "M": ["a", "b"]}});
        let contact = |attributes: Json| json!({"id": 1, "attributes": attributes});
        let as_sent = json!({"A": "x", "N": 1.5, "D": "2026-02-03", "M": ["b", "a"], "OTHER": "y"});
        assert!(shows(&contact(as_sent.clone()), &item));
        for (name, value) in [
            ("A", json!("y")),
            ("A", Json::Null),
            ("N", json!(1.51)),
            ("N", json!("1.5")),
            ("D", json!("2026-02-04")),
            ("E", json!("kept")),
            ("M", json!(["a"])),
        ] {
            let mut other = as_sent.clone();
            other[name] = value.clone();
            assert!(!shows(&contact(other), &item), "{name} {value}");
        }
        assert!(!shows(&json!({"id": 1}), &item));
        let phone = json!({"attributes": {"SMS": "+33612345678", "A": "+1"}});
        assert!(shows(&contact(json!({"SMS": "33612345678", "A": "+1"})), &phone));
        for other in [
            json!({"SMS": "+33612345679", "A": "+1"}),
            json!({"SMS": "33612345678", "A": "1"}),
            json!({"A": "+1"}),
        ] {
            assert!(!shows(&contact(other), &phone));
        }
        assert!(is_on(&json!({"listIds": [4, 7]}), &[7]) && !is_on(&json!({"listIds": [4]}), &[4, 7]));
    }

    #[test]
    fn forms_of_one_value_are_the_same() {
        for (sent, shown) in [
            (json!("2026-02-03"), json!("2026-02-03T00:00:00.000Z")),
            (json!("1"), json!(1)),
            (json!(100), json!(100.0)),
            (json!(""), json!([])),
        ] {
            assert!(is_same(&sent, &shown), "{sent} {shown}");
        }
        assert!(!is_same(&json!(true), &json!("true")) && !is_same(&json!("2026"), &json!("2026T")));
    }
}
