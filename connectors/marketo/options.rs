//! What a mapping's `destination` block asks of Marketo.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::encode::CALL;
use crate::contract::{ConnectorError, Kind, Target};
use crate::settings::duration;

/// The only object.
pub(super) const LEADS: &str = "leads";
/// Marketo's own id of a lead.
pub(super) const ID: &str = "id";
pub(super) const EMAIL: &str = "email";
/// No marketing mail goes to who has it.
pub(super) const UNSUBSCRIBED: &str = "unsubscribed";

/// An import whose number nobody knows is taken to have ended after so long, unless the mapping says otherwise.
const LOST_IMPORT: Duration = Duration::from_secs(3600);

/// How leads are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Api {
    /// Very many upserts by imports, others by calls.
    Auto,
    Leads,
    Import,
}

/// What the removal of a lead is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deletion {
    /// The lead is gone for good.
    Lead,
    /// The lead stays, and gets no marketing mail any more.
    Unsubscribe,
}

/// The options, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Options {
    /// The field that leads are found by.
    pub(super) key: String,
    /// The id of a static list: leads that are sent are put on it; with `mode: audience` it has the members that the source has.
    pub(super) list: Option<u64>,
    pub(super) api: Api,
    pub(super) deletion: Deletion,
    /// The lead partition that new leads are made in.
    pub(super) partition: Option<String>,
    pub(super) lost_import: Duration,
}

impl Options {
    /// Those of a mapping that sets none.
    pub(super) fn usual() -> Self {
        Options {
            key: EMAIL.to_owned(),
            list: None,
            api: Api::Auto,
            deletion: Deletion::Lead,
            partition: None,
            lost_import: LOST_IMPORT,
        }
    }

    /// # Errors
    /// [`Kind::Config`] for what Marketo does not have, or what contradicts itself.
    pub(super) fn read(target: &Target) -> Result<Self, ConnectorError> {
        if target.object != LEADS {
            let message = format!("Marketo has no object `{}` here", target.object);
            return Err(wrong(message, "use `object: leads`"));
        }
        let key = key(target)?;
        if key != ID && target.fields.iter().any(|field| field == ID) {
            let message = "`id` is Marketo's own, and can only be matched on".to_owned();
            return Err(wrong(
                message,
                "use `match_on: {id: COLUMN}` with `mode: update`, or take the field out",
            ));
        }
        let set = |name: &str| target.options.get(name);
        let apis = [("auto", Api::Auto), ("leads", Api::Leads), ("import", Api::Import)];
        let deletions = [("lead", Deletion::Lead), ("unsubscribe", Deletion::Unsubscribe)];
        let options = Options {
            key,
            list: set("list").map(list).transpose()?,
            api: word(set("api"), "api", apis)?.unwrap_or(Api::Auto),
            deletion: word(set("deletion"), "deletion", deletions)?.unwrap_or(Deletion::Lead),
            partition: set("partition").map(partition).transpose()?,
            lost_import: set("lost_import_wait").map(wait).transpose()?.unwrap_or(LOST_IMPORT),
        };
        if options.api == Api::Import && options.key == ID {
            let message = "`destination.api: import` cannot be matched on `id`".to_owned();
            return Err(wrong(message, "leave `api` out, and use `mode: update`"));
        }
        Ok(options)
    }

    /// Whether so many upserts go by an import.
    pub(super) fn imports(&self, rows: usize) -> bool {
        match self.api {
            Api::Auto => rows > CALL.0 && self.key != ID,
            Api::Import => true,
            Api::Leads => false,
        }
    }
}

/// A list of fields asks for no key.
fn key(target: &Target) -> Result<String, ConnectorError> {
    match &target.match_on[..] {
        [] if target.fields.is_empty() => Ok(EMAIL.to_owned()),
        [name] => Ok(name.clone()),
        names => {
            let given: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            let given = if given.is_empty() { "nothing".to_owned() } else { given.join(" and ") };
            let message = format!("a lead of Marketo cannot be matched on {given}");
            Err(wrong(message, "match on one field, as in `match_on: {email: COLUMN}`"))
        }
    }
}

fn list(value: &Json) -> Result<u64, ConnectorError> {
    let id = match value {
        Json::Number(number) => number.as_u64(),
        Json::String(text) => text.trim().trim_start_matches("ST").parse().ok(),
        _ => None,
    };
    // The API's ids of lists have 32 bits.
    id.filter(|id| (1..=i32::MAX as u64).contains(id)).ok_or_else(|| {
        let message = format!("`destination.list` is `{value}`, which is no static list's id");
        wrong(
            message,
            "write the number behind `ST` in the address of the list's page in Marketo, as in `list: 1159`",
        )
    })
}

fn partition(value: &Json) -> Result<String, ConnectorError> {
    let name = value.as_str().map(str::trim).filter(|name| !name.is_empty());
    name.map(str::to_owned).ok_or_else(|| {
        wrong(
            "`destination.partition` must be the name of a lead partition".to_owned(),
            "write it as Marketo shows it",
        )
    })
}

fn wait(value: &Json) -> Result<Duration, ConnectorError> {
    duration(value).ok_or_else(|| {
        wrong(
            "`destination.lost_import_wait` must be a length of time".to_owned(),
            "write it as `30m` or `2h`",
        )
    })
}

fn word<T: Copy, const N: usize>(
    value: Option<&Json>,
    name: &str,
    known: [(&str, T); N],
) -> Result<Option<T>, ConnectorError> {
    let Some(value) = value else { return Ok(None) };
    match known.iter().find(|(word, _)| value.as_str() == Some(*word)) {
        Some((_, meaning)) => Ok(Some(*meaning)),
        None => {
            let words: Vec<String> = known.iter().map(|(word, _)| format!("`{word}`")).collect();
            Err(wrong(format!("`destination.{name}` is not known"), &format!("use {}", words.join(" or "))))
        }
    }
}

fn wrong(message: String, hint: &str) -> ConnectorError {
    ConnectorError::new(Kind::Config, message).hint(hint)
}

/// JSON Schema of each option.
pub(super) fn schema(option: &str) -> Json {
    match option {
        "api" => json!({"enum": ["auto", "leads", "import"]}),
        "deletion" => json!({"enum": ["lead", "unsubscribe"]}),
        "list" | "lost_import_wait" => json!({"type": ["integer", "string"]}),
        "partition" => json!({"type": "string"}),
        _ => json!({}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(
        object: &str,
        match_on: &[&str],
        fields: &[&str],
        options: Json,
    ) -> Result<Options, ConnectorError> {
        let texts = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Options::read(&Target {
            object: object.to_owned(),
            match_on: texts(match_on),
            fields: texts(fields),
            options: options.as_object().unwrap().clone(),
            ..Target::default()
        })
    }

    #[test]
    fn a_block_is_read() {
        let fields = ["email", "firstName"];
        assert_eq!(read("leads", &["email"], &fields, json!({})).unwrap(), Options::usual());
        assert_eq!(read("leads", &[], &[], json!({})).unwrap(), Options::usual());
        let block = json!({
            "list": "ST1159", "api": "import", "deletion": "unsubscribe", "partition": "EMEA", "lost_import_wait": "30m",
        });
        let all = read("leads", &["customerId"], &["customerId"], block).unwrap();
        assert_eq!((all.key.as_str(), all.list, all.api), ("customerId", Some(1159), Api::Import));
        assert_eq!((all.deletion, all.partition.as_deref()), (Deletion::Unsubscribe, Some("EMEA")));
        assert_eq!(all.lost_import, Duration::from_secs(1800));
        assert_eq!(read("leads", &["id"], &["id"], json!({"list": 7})).unwrap().list, Some(7));
    }

    #[test]
    fn what_marketo_does_not_have_is_named() {
        for (object, match_on, field, options, word) in [
            ("contacts", &["email"][..], "email", json!({}), "`contacts`"),
            ("leads", &[], "email", json!({}), "nothing"),
            ("leads", &["email", "id"], "email", json!({}), "`email` and `id`"),
            ("leads", &["email"], "id", json!({}), "only be matched on"),
            ("leads", &["email"], "email", json!({"list": "VIP"}), "no static list's id"),
            ("leads", &["email"], "email", json!({"list": 0}), "no static list's id"),
            ("leads", &["email"], "email", json!({"list": 3_000_000_000_u64}), "no static list's id"),
            ("leads", &["email"], "email", json!({"api": "bulk"}), "`destination.api`"),
            ("leads", &["email"], "email", json!({"deletion": "archive"}), "`destination.deletion`"),
            ("leads", &["email"], "email", json!({"partition": 7}), "`destination.partition`"),
            (
                "leads",
                &["email"],
                "email",
                json!({"lost_import_wait": "soon"}),
                "`destination.lost_import_wait`",
            ),
            ("leads", &["id"], "id", json!({"api": "import"}), "matched on `id`"),
        ] {
            let error = read(object, match_on, &[field], options.clone()).unwrap_err();
            assert_eq!(error.kind, Kind::Config);
            assert!(error.message.contains(word) && error.hint.is_some(), "{field} {options}: {error}");
        }
    }
}
