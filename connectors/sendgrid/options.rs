//! What a mapping's `destination` block asks of SendGrid.

use serde_json::{Value as Json, json};

use super::fields::ALTERNATE_EMAILS;
use crate::contract::{ConnectorError, Target};
use crate::options::{lists, only_object, unmatched, word, wrong};

/// The only object.
pub(super) const CONTACTS: &str = "contacts";

/// What a contact is found by; each is one of its identifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Email,
    PhoneNumberId,
    ExternalId,
    AnonymousId,
}

impl Key {
    pub(super) const ALL: [Key; 4] = [Key::Email, Key::PhoneNumberId, Key::ExternalId, Key::AnonymousId];

    /// The field of a mapping and of a body, and the `identifier_type` of a search.
    pub(super) fn field(self) -> &'static str {
        match self {
            Key::Email => "email",
            Key::PhoneNumberId => "phone_number_id",
            Key::ExternalId => "external_id",
            Key::AnonymousId => "anonymous_id",
        }
    }
}

/// How contacts are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Api {
    /// Very many upserts at once by an import, others by calls.
    Auto,
    Contacts,
    Import,
}

/// The options, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) key: Key,
    /// Where the sync keeps the members of a list, and nothing else.
    pub(super) list: Option<String>,
    /// Each contact that is sent is put on these.
    pub(super) lists: Vec<String>,
    pub(super) api: Api,
    /// A file can say what the mapping sends.
    pub(super) importable: bool,
}

impl Options {
    /// # Errors
    /// [`Kind::Config`](crate::contract::Kind::Config) for what SendGrid does not have, or what contradicts itself.
    pub(super) fn read(target: &Target) -> Result<Self, ConnectorError> {
        only_object(target, "SendGrid", CONTACTS)?;
        let key = key(target)?;
        let (list, mut lists) = lists(target, LISTS, id)?;
        lists.sort_unstable();
        lists.dedup();
        let words = [("auto", Api::Auto), ("contacts", Api::Contacts), ("import", Api::Import)];
        let api = word(target, "api", words)?;
        let several = target.fields.iter().any(|field| field == ALTERNATE_EMAILS);
        if several && api == Api::Import {
            let message =
                format!("`destination.api: import` cannot be used: a file has no `{ALTERNATE_EMAILS}`");
            return Err(wrong(message, "use `api: auto` or `api: contacts`, or take the field out"));
        }
        Ok(Options { key, list, lists, api, importable: !several && api != Api::Contacts })
    }
}

/// A list of fields asks for no key.
fn key(target: &Target) -> Result<Key, ConnectorError> {
    let found = match &target.match_on[..] {
        [] if target.fields.is_empty() => Some(Key::Email),
        [one] => Key::ALL.into_iter().find(|key| key.field() == one),
        _ => None,
    };
    found.ok_or_else(|| {
        let hint = "match on one identifier: `match_on: {email: COLUMN}`, or `external_id`, `phone_number_id`, `anonymous_id`";
        unmatched("a contact of SendGrid", &target.match_on, hint)
    })
}

const LISTS: &str = "lists are named by their ids, as in `lists: [ca7a3796-e8a8-4029-9ccb-df8937940562]`; the address of a \
                     list's page in SendGrid ends with it";

/// A list's id: 32 hexadecimal digits with hyphens between them.
fn id(option: &str, value: &Json) -> Result<String, ConnectorError> {
    let text = value.as_str().unwrap_or_default().trim().to_ascii_lowercase();
    let groups: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    let is_hex = groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()));
    match lengths[..] == [8, 4, 4, 4, 12] && is_hex {
        true => Ok(text),
        false => {
            let message = format!("`destination.{option}` names a list as `{value}`, which is no list's id");
            Err(wrong(message, LISTS))
        }
    }
}

/// JSON Schema of each option.
pub(super) fn schema(option: &str) -> Json {
    match option {
        "api" => json!({"enum": ["auto", "contacts", "import"]}),
        "create_missing_properties" => json!({"type": "boolean"}),
        "list" => json!({"type": "string"}),
        "lists" => json!({"type": "array", "items": {"type": "string"}}),
        _ => json!({}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::support;

    const LIST: &str = "ca7a3796-e8a8-4029-9ccb-df8937940562";

    fn read(
        object: &str,
        match_on: &[&str],
        fields: &[&str],
        options: Json,
    ) -> Result<Options, ConnectorError> {
        Options::read(&support::target(object, match_on, fields, options))
    }

    #[test]
    fn every_identifier_is_a_key_and_several_addresses_are_no_cell_of_a_file() {
        for key in Key::ALL {
            let options =
                read("contacts", &[key.field()], &["email"], json!({"lists": [LIST, LIST]})).unwrap();
            assert_eq!(
                (options.key, &options.lists[..], options.importable),
                (key, &[LIST.to_owned()][..], true)
            );
        }
        let fields = ["email", ALTERNATE_EMAILS];
        assert!(!read("contacts", &["email"], &fields, json!({})).unwrap().importable);
        assert!(!read("contacts", &["email"], &["email"], json!({"api": "contacts"})).unwrap().importable);
        assert!(read("contacts", &["email"], &fields, json!({"api": "import"})).is_err());
    }

    #[test]
    fn what_sendgrid_does_not_have_is_named() {
        for (object, match_on, options, word) in [
            ("lists", &["email"][..], json!({}), "`lists`"),
            ("contacts", &["id"], json!({}), "`id`"),
            ("contacts", &["email", "external_id"], json!({}), "`email` and `external_id`"),
            ("contacts", &[], json!({}), "nothing"),
            ("contacts", &["email"], json!({"list": "VIP"}), "\"VIP\""),
            ("contacts", &["email"], json!({"list": 7}), "`7`"),
            ("contacts", &["email"], json!({"lists": LIST}), "`destination.lists`"),
            ("contacts", &["email"], json!({"lists": [LIST], "list": LIST}), "exclude"),
            ("contacts", &["email"], json!({"api": "bulk"}), "`destination.api`"),
        ] {
            let error = read(object, match_on, &["email"], options.clone()).unwrap_err();
            assert_eq!(error.kind, crate::contract::Kind::Config);
            assert!(error.message.contains(word) && error.hint.is_some(), "{options}: {error}");
        }
    }
}
