//! What an answer says of each row of its request: by index, by key or in order; never by guess.

use serde_json::Value as Json;

use super::block::{Block, wrong};
use super::rules::{Condition, Pointer, REFUSED, Rules, Told, not_there};
use crate::contract::{ConnectorError, Outcome, Verb};
use crate::http::Answer;

type Result<T> = std::result::Result<T, ConnectorError>;

/// A row as an answer may name it: the fields of `match_on` with their values as texts.
pub(super) type Key = Vec<(String, String)>;

/// How an item of a list says which row it is about.
#[derive(Debug, Clone)]
pub(super) enum Naming {
    /// By the row's place in the request, from 0.
    Index(Pointer),
    /// The list has an item for each row, in their order.
    Order,
    /// By the values of the match fields.
    Key(Vec<(String, Pointer)>),
}

/// `row_errors`: rows that were refused alone.
#[derive(Debug, Clone)]
pub(super) struct RowErrors {
    list: Pointer,
    pub(super) naming: Naming,
    when: Vec<Condition>,
    told: Told,
    /// Codes that say that the object is not there.
    absent: Vec<String>,
}

/// `row_results`: rows that the answer confirms; without it a success confirms all that it does not refuse.
#[derive(Debug, Clone)]
pub(super) struct RowResults {
    list: Pointer,
    pub(super) naming: Naming,
    when: Vec<Condition>,
    pub(super) id: Option<Pointer>,
}

impl Naming {
    fn read(block: &Block<'_>) -> Result<Self> {
        let ways: Vec<&str> = ["index", "key", "order"].into_iter().filter(|way| block.has(way)).collect();
        match ways.as_slice() {
            ["index"] => Pointer::of(block, "index").map(|p| p.map_or(Naming::Order, Naming::Index)),
            ["order"] if block.flag("order")? == Some(true) => Ok(Naming::Order),
            ["key"] => {
                let pointer = |(name, text): (&str, &str)| {
                    let path = format!("{}.{name}", block.place("key"));
                    Ok((name.to_owned(), Pointer::parse(text, &path)?))
                };
                Ok(Naming::Key(block.texts("key")?.into_iter().map(pointer).collect::<Result<_>>()?))
            }
            _ => Err(wrong(block.path(), "does not say which row an item is about").hint(
                "one of `index: /index` (from 0), `key: {FIELD: /pointer}`, and `order: true` where the list has an item for each row",
            )),
        }
    }

    /// A key must be whole to name one row.
    pub(super) fn check(&self, path: &str, keys: &[String]) -> Result<()> {
        let Naming::Key(named) = self else { return Ok(()) };
        let same =
            named.len() == keys.len() && keys.iter().all(|key| named.iter().any(|(name, _)| name == key));
        if same {
            return Ok(());
        }
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let message = format!(
            "names rows by other fields than those of `match_on`, which are {}",
            super::block::list(&keys)
        );
        Err(wrong(path, message))
    }

    /// The row that the item at this place is about.
    fn row(&self, at: usize, item: &Json, rows: &[Key]) -> Option<usize> {
        match self {
            Naming::Order => Some(at),
            Naming::Index(pointer) => pointer.text(item)?.parse().ok().filter(|index| *index < rows.len()),
            Naming::Key(fields) => {
                let named: Vec<(&String, String)> =
                    fields.iter().map(|(name, p)| Some((name, p.text(item)?))).collect::<Option<_>>()?;
                let is_meant = |key: &Key| {
                    named.iter().all(|(name, text)| key.iter().any(|(n, t)| n == *name && t == text))
                };
                let mut meant = rows.iter().enumerate().filter(|(_, key)| is_meant(key)).map(|(at, _)| at);
                meant.next().filter(|_| meant.next().is_none())
            }
        }
    }
}

const NAMING: [&str; 4] = ["list", "index", "key", "order"];

impl RowErrors {
    pub(super) fn read(block: &Block<'_>) -> Result<Option<Self>> {
        let Some(value) = block.get("row_errors") else { return Ok(None) };
        let keys = [&NAMING[..], &["when", "code", "message", "field", "absent"]].concat();
        let block = Block::read(value, block.place("row_errors"), &keys)?;
        let mut absent = Vec::new();
        for (path, item) in block.items("absent") {
            match item {
                Json::String(code) => absent.push(code.clone()),
                Json::Number(code) => absent.push(code.to_string()),
                _ => return Err(wrong(&path, "must be a code, a text or a number")),
            }
        }
        Ok(Some(RowErrors {
            list: listed(&block)?,
            naming: Naming::read(&block)?,
            when: Condition::read(&block)?,
            told: Told::read(&block)?,
            absent,
        }))
    }

    /// The refusals of rows, and whether an item refuses one that cannot be told.
    fn refused(&self, body: &Json, rows: &[Key], verb: Verb) -> (Vec<Option<Outcome>>, bool) {
        let mut refused = vec![None; rows.len()];
        let items = match self.list.get(body) {
            None | Some(Json::Null) => return (refused, false),
            Some(Json::Array(items)) => items,
            Some(_) => return (refused, true),
        };
        if matches!(self.naming, Naming::Order) && items.len() != rows.len() {
            return (refused, !items.is_empty());
        }
        let mut unnamed = false;
        for (at, item) in items.iter().enumerate() {
            if !self.when.iter().all(|condition| condition.of_item(item)) {
                continue;
            }
            match self.naming.row(at, item, rows) {
                Some(row) => {
                    refused[row].get_or_insert_with(|| self.outcome(item, verb));
                }
                None => unnamed = true,
            }
        }
        (refused, unnamed)
    }

    fn outcome(&self, item: &Json, verb: Verb) -> Outcome {
        let (code, message) = (self.told.code(item), self.told.message(item));
        if code.as_ref().is_some_and(|code| self.absent.contains(code)) {
            return not_there(verb, message);
        }
        let message = message.unwrap_or_else(|| "the API refused this row and gave no reason".to_owned());
        let code = code.unwrap_or_else(|| REFUSED.to_owned());
        Outcome::Rejected { code, field: self.told.field(item), message }
    }
}

impl RowResults {
    pub(super) fn read(block: &Block<'_>) -> Result<Option<Self>> {
        let Some(value) = block.get("row_results") else { return Ok(None) };
        let keys = [&NAMING[..], &["when", "id"]].concat();
        let block = Block::read(value, block.place("row_results"), &keys)?;
        Ok(Some(RowResults {
            list: listed(&block)?,
            naming: Naming::read(&block)?,
            when: Condition::read(&block)?,
            id: Pointer::of(&block, "id")?,
        }))
    }

    /// The rows that are confirmed, each with its object's id where the answer names it.
    fn confirmed(&self, body: &Json, rows: &[Key]) -> Vec<Option<Option<String>>> {
        let mut confirmed = vec![None; rows.len()];
        let Some(Json::Array(items)) = self.list.get(body) else { return confirmed };
        if matches!(self.naming, Naming::Order) && items.len() != rows.len() {
            return confirmed;
        }
        for (at, item) in items.iter().enumerate() {
            if self.when.iter().all(|condition| condition.of_item(item))
                && let Some(row) = self.naming.row(at, item, rows)
            {
                confirmed[row] = Some(self.id.as_ref().and_then(|pointer| pointer.text(item)));
            }
        }
        confirmed
    }
}

fn listed(block: &Block<'_>) -> Result<Pointer> {
    Pointer::of(block, "list")?.ok_or_else(|| {
        wrong(&block.place("list"), "is missing: where in the answer the list stands")
            .hint("as in `list: /errors`")
    })
}

impl Rules {
    /// One outcome for each row of a request that was answered with a success.
    pub(super) fn outcomes(&self, answer: &Answer, verb: Verb, rows: &[Key]) -> Vec<Outcome> {
        if self.is_absent(answer) {
            return rows.iter().map(|_| not_there(verb, None)).collect();
        }
        let body = answer.json.as_ref().unwrap_or(&Json::Null);
        let (refused, unnamed) = match &self.row_errors {
            Some(errors) => errors.refused(body, rows, verb),
            None => (vec![None; rows.len()], false),
        };
        let single = self.remote_id.as_ref().filter(|_| rows.len() == 1).and_then(|p| p.text(body));
        let confirmed = match &self.row_results {
            Some(results) => results.confirmed(body, rows),
            None if unnamed => vec![None; rows.len()],
            None => refused.iter().map(|refused| refused.is_none().then_some(None)).collect(),
        };
        let outcome =
            |(refused, confirmed): (Option<Outcome>, Option<Option<String>>)| match (refused, confirmed) {
                (None, Some(id)) => applied(verb, id.or_else(|| single.clone())),
                (Some(refused), None) => refused,
                (Some(_), Some(_)) => unknown("the answer calls this row both confirmed and refused"),
                (None, None) if unnamed => {
                    unknown("the answer refuses a row without saying which, and does not confirm this one")
                }
                (None, None) => unknown("the answer does not confirm this row"),
            };
        refused.into_iter().zip(confirmed).map(outcome).collect()
    }

    /// The rows by their places that a refusal of the whole request names.
    pub(super) fn named(&self, answer: &Answer, verb: Verb, rows: &[Key]) -> Vec<(usize, Outcome)> {
        let (Some(errors), Some(body)) = (&self.row_errors, &answer.json) else { return Vec::new() };
        let (refused, _) = errors.refused(body, rows, verb);
        refused.into_iter().enumerate().filter_map(|(at, outcome)| Some((at, outcome?))).collect()
    }
}

fn applied(verb: Verb, id: Option<String>) -> Outcome {
    match verb {
        Verb::Delete | Verb::Leave => Outcome::Applied { remote_id: None, created: None },
        Verb::Create => Outcome::Applied { remote_id: id, created: Some(true) },
        Verb::Upsert | Verb::Update | Verb::Join => Outcome::Applied { remote_id: id, created: None },
    }
}

fn unknown(reason: &str) -> Outcome {
    Outcome::Unknown { reason: reason.to_owned() }
}
