//! What a mapping's `destination` block asks of Brevo.

use serde_json::{Value as Json, json};

use crate::contract::{ConnectorError, Target};
use crate::options::{lists, only_object, unmatched, word, wrong};
use crate::settings::size;

/// The only object.
pub(super) const CONTACTS: &str = "contacts";
pub(super) const EMAIL: &str = "email";
pub(super) const EXT_ID: &str = "ext_id";
/// Fields of a contact that are no attributes, beside its keys.
pub(super) const FLAGS: [&str; 2] = ["emailBlacklisted", "smsBlacklisted"];

/// Upserts of one batch from which on an import is worth its wait: so many single ones take half a minute.
const MANY: usize = 300;

/// Bytes of an import's body that the vendor advises, and those that it takes at most
/// (<https://developers.brevo.com/reference/import-contacts>).
const ADVISED_BYTES: usize = 8_000_000;
const MOST_BYTES: usize = 10_000_000;

/// What a contact is found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Email,
    ExtId,
}

impl Key {
    /// The field of a mapping, and of a request's body.
    pub(super) fn field(self) -> &'static str {
        match self {
            Key::Email => EMAIL,
            Key::ExtId => EXT_ID,
        }
    }

    /// The `identifierType` of a path that names a contact so.
    pub(super) fn identifier(self) -> &'static str {
        match self {
            Key::Email => "email_id",
            Key::ExtId => "ext_id",
        }
    }
}

/// How contacts are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Api {
    /// Many upserts at once by an import, others one by one.
    Auto,
    Import,
    Single,
}

/// The options, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) key: Key,
    /// Where the sync keeps the members of a list, and nothing else.
    pub(super) list: Option<u64>,
    /// Each contact that is sent is put on these.
    pub(super) lists: Vec<u64>,
    pub(super) api: Api,
    /// Bytes of an import's body.
    pub(super) max_bytes: usize,
    /// An import can say all that the mapping sends.
    pub(super) importable: bool,
}

impl Options {
    /// # Errors
    /// [`Kind::Config`](crate::contract::Kind::Config) for what Brevo does not have, or what contradicts itself.
    pub(super) fn read(target: &Target) -> Result<Self, ConnectorError> {
        only_object(target, "Brevo", CONTACTS)?;
        let key = match target.match_on.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            [EMAIL] => Key::Email,
            [EXT_ID] => Key::ExtId,
            // A list of fields asks for no key.
            [] if target.fields.is_empty() => Key::Email,
            _ => {
                let hint = "use `match_on: {email: COLUMN}` or `match_on: {ext_id: COLUMN}`";
                return Err(unmatched("a contact of Brevo", &target.match_on, hint));
            }
        };
        let (list, lists) = lists(target, LISTS, id)?;
        let words = [("auto", Api::Auto), ("import", Api::Import), ("single", Api::Single)];
        let api = word(target, "api", words)?;
        let max_bytes = match target.options.get("max_bytes").map(size) {
            None => ADVISED_BYTES,
            Some(Some(bytes @ 1..=MOST_BYTES)) => bytes,
            Some(_) => {
                let message = "`destination.max_bytes` must be a size up to `10MB`".to_owned();
                return Err(wrong(message, "write it as `max_bytes: 8MB`, which is what Brevo advises"));
            }
        };
        let unfit = unfit(target, key, &lists);
        if let (Api::Import, Some(why)) = (api, unfit) {
            let message = format!("`destination.api: import` cannot be used: {why}");
            return Err(wrong(message, "use `api: auto` or `api: single`, or mend the mapping"));
        }
        Ok(Options { key, list, lists, api, max_bytes, importable: unfit.is_none() && api != Api::Single })
    }

    /// Whether a batch of so many upserts goes by import.
    pub(super) fn imports(&self, rows: usize) -> bool {
        self.importable && (self.api == Api::Import || rows > MANY)
    }
}

/// Why an import cannot say what this mapping sends: its rows hold an e-mail and attributes, and go to lists.
fn unfit(target: &Target, key: Key, lists: &[u64]) -> Option<&'static str> {
    let own = |field: &String| field == EXT_ID || FLAGS.contains(&field.as_str());
    match () {
        () if lists.is_empty() => Some("an import needs `lists` to put the contacts on"),
        () if key != Key::Email => Some("an import finds contacts by `email` alone"),
        () if target.fields.iter().any(own) => {
            Some("an import takes attributes alone, not `ext_id`, `emailBlacklisted` or `smsBlacklisted`")
        }
        () => None,
    }
}

const LISTS: &str =
    "lists are named by their numbers, as in `lists: [4, 7]`; Brevo shows them beside each list's name";

/// A list's number, or the same as text.
fn id(option: &str, value: &Json) -> Result<u64, ConnectorError> {
    let number = value.as_u64().or_else(|| value.as_str()?.trim().parse().ok());
    number.filter(|id| *id > 0).ok_or_else(|| {
        let message = format!("`destination.{option}` names a list as `{value}`, which is no list's number");
        wrong(message, LISTS)
    })
}

/// JSON Schema of each option.
pub(super) fn schema(option: &str) -> Json {
    match option {
        "api" => json!({"enum": ["auto", "import", "single"]}),
        "create_missing_properties" => json!({"type": "boolean"}),
        "list" => json!({"type": ["integer", "string"]}),
        "lists" => json!({"type": "array", "items": {"type": ["integer", "string"]}}),
        "max_bytes" => json!({"type": ["string", "integer"]}),
        _ => json!({}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::support;

    fn read(
        object: &str,
        match_on: &[&str],
        fields: &[&str],
        options: Json,
    ) -> Result<Options, ConnectorError> {
        Options::read(&support::target(object, match_on, fields, options))
    }

    #[test]
    fn an_import_is_for_attributes_of_contacts_by_email_on_lists() {
        let fields = ["email", "FIRSTNAME"];
        let all = read("contacts", &["email"], &fields, json!({"lists": [4, "7"]})).unwrap();
        assert_eq!(
            (&all.lists[..], all.api, all.max_bytes, all.importable),
            (&[4, 7][..], Api::Auto, 8_000_000, true)
        );
        for (key, fields, options) in [
            ("email", &fields[..], json!({})),
            ("email", &fields, json!({"lists": []})),
            ("email", &fields, json!({"lists": [4], "api": "single"})),
            ("ext_id", &fields, json!({"lists": [4]})),
            ("email", &["email", "ext_id"], json!({"lists": [4]})),
            ("email", &["email", "smsBlacklisted"], json!({"lists": [4]})),
        ] {
            assert!(
                !read("contacts", &[key], fields, options.clone()).unwrap().importable,
                "{fields:?} {options}"
            );
        }
    }

    #[test]
    fn what_brevo_does_not_have_is_named() {
        for (object, match_on, options, word) in [
            ("companies", &["email"][..], json!({}), "`companies`"),
            ("contacts", &["SMS"], json!({}), "`SMS`"),
            ("contacts", &["email", "ext_id"], json!({}), "`email` and `ext_id`"),
            ("contacts", &[], json!({}), "nothing"),
            ("contacts", &["email"], json!({"list": "VIP"}), "\"VIP\""),
            ("contacts", &["email"], json!({"lists": 4}), "`destination.lists`"),
            ("contacts", &["email"], json!({"lists": [0]}), "`0`"),
            ("contacts", &["email"], json!({"lists": [1], "list": 2}), "exclude"),
            ("contacts", &["email"], json!({"api": "bulk"}), "`destination.api`"),
            ("contacts", &["email"], json!({"api": "import"}), "needs `lists`"),
            ("contacts", &["ext_id"], json!({"api": "import", "lists": [1]}), "by `email` alone"),
            ("contacts", &["email"], json!({"max_bytes": 10_000_001}), "up to `10MB`"),
            ("contacts", &["email"], json!({"max_bytes": "11 MB"}), "`destination.max_bytes`"),
        ] {
            let error = read(object, match_on, &["email"], options.clone()).unwrap_err();
            assert_eq!(error.kind, crate::contract::Kind::Config);
            assert!(error.message.contains(word) && error.hint.is_some(), "{options}: {error}");
        }
    }
}
