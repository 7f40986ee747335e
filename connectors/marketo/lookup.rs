//! Leads by their match key: `GET /rest/v1/leads.json` with `filterType` and up to 300 `filterValues` (`leads.md`, "Query").

use std::collections::HashMap;

use super::client::Client;
use super::encode::{is_id, rejected};
use super::options::ID;
use crate::contract::{ConnectorError, Kind, Outcome, fold};
use crate::http::escaped;
use crate::split::{Limits, cut};

/// Values of one question, and bytes of them in its address: an address may have 8 kB (`error-codes.md`, 414).
const QUESTION: Limits = Limits { rows: 300, bytes: 6_000 };

/// What a look at Marketo says of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    /// The lead of this id has it.
    One(String),
    Absent,
    /// So many leads have it.
    Several(usize),
    /// Marketo takes no question for this key: the outcome of its row.
    Refused(Outcome),
}

/// What stands under each of these keys, none of them empty, in their order. A question that is refused is halved, down to the
/// key that it is refused for.
///
/// # Errors
/// Where Marketo cannot be asked.
pub(super) async fn find(client: &Client, key: &str, texts: &[&str]) -> Result<Vec<Seen>, ConnectorError> {
    if key == ID {
        return Ok(texts.iter().map(|text| by_id(text)).collect());
    }
    let mut seen: Vec<Seen> = texts.iter().map(|text| unsearchable(key, text)).collect();
    let asked: Vec<usize> = (0..texts.len()).filter(|at| seen[*at] == Seen::Absent).collect();
    // Each value with the comma behind it.
    let lengths = asked.iter().map(|at| escaped(texts[*at]).len() + 3);
    let runs = cut(lengths, QUESTION, 0);
    let mut parts: Vec<&[usize]> = runs.into_iter().rev().filter_map(|run| asked.get(run)).collect();
    while let Some(part) = parts.pop() {
        let values: Vec<&str> = part.iter().map(|at| texts[*at]).collect();
        let leads = match client.leads(key, &values).await {
            Ok(leads) => leads,
            Err(error) if error.kind == Kind::Rejected => {
                match *part {
                    [at] => seen[at] = Seen::Refused(refused(key, error)),
                    _ => {
                        let (first, second) = part.split_at(part.len() / 2);
                        parts.extend([second, first]);
                    }
                }
                continue;
            }
            Err(error) => return Err(error),
        };
        let mut there: HashMap<String, Vec<String>> = HashMap::new();
        for (id, value) in leads {
            let ids = there.entry(fold(&value)).or_default();
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        for at in part {
            seen[*at] = match there.get(&fold(texts[*at])).map(Vec::as_slice) {
                None | Some([]) => Seen::Absent,
                Some([id]) => Seen::One(id.clone()),
                Some(several) => Seen::Several(several.len()),
            };
        }
    }
    Ok(seen)
}

/// A lead's own id needs no question: what is done with it says whether the lead is there.
fn by_id(text: &str) -> Seen {
    match is_id(text.trim()) {
        true => Seen::One(text.trim().to_owned()),
        false => Seen::Refused(not_an_id(text)),
    }
}

pub(super) fn not_an_id(text: &str) -> Outcome {
    rejected("KEY_NOT_AN_ID", ID, format!("`{text}` is no id of a lead: these are whole numbers"))
}

/// Refuses a key that no question can hold; any other may be absent.
fn unsearchable(key: &str, text: &str) -> Seen {
    match text.contains(',') || escaped(text).len() as u64 + 3 > QUESTION.bytes {
        true => {
            let message = "Marketo looks up no value with a comma, and none of this length";
            Seen::Refused(rejected("KEY_NOT_SEARCHABLE", key, message))
        }
        false => Seen::Absent,
    }
}

fn refused(key: &str, error: ConnectorError) -> Outcome {
    Outcome::Rejected {
        code: error.code.unwrap_or_else(|| "KEY_NOT_SEARCHABLE".to_owned()),
        field: Some(key.to_owned()),
        message: format!("Marketo takes no question for this `{key}`: {}", error.message),
    }
}

/// No lead has this key.
pub(super) fn absent(key: &str) -> Outcome {
    rejected(Outcome::OBJECT_NOT_FOUND, key, format!("there is no lead with this `{key}`"))
}

pub(super) fn several(key: &str, leads: usize) -> Outcome {
    rejected("SEVERAL_LEADS", key, format!("{leads} leads have this `{key}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_question_can_hold_is_refused_by_name() {
        let code = |seen: Seen| match seen {
            Seen::Refused(Outcome::Rejected { code, .. }) => code,
            other => format!("{other:?}"),
        };
        assert_eq!(code(unsearchable("customerId", "a,b")), "KEY_NOT_SEARCHABLE");
        assert_eq!(code(unsearchable("customerId", &"ä".repeat(1_000))), "KEY_NOT_SEARCHABLE");
        assert_eq!(unsearchable("customerId", "a b"), Seen::Absent);
        assert_eq!(by_id(" 7149"), Seen::One("7149".to_owned()));
        assert_eq!(code(by_id("07")), "KEY_NOT_AN_ID");
    }
}
