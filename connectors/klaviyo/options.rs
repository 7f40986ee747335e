//! What a mapping's `destination` block asks of Klaviyo.

use serde_json::{Value as Json, json};

use crate::contract::{ConnectorError, FieldType, Property, Target};
use crate::options::{flag, unmatched, word, wrong};

/// The only object.
pub(super) const PROFILES: &str = "profiles";
/// Klaviyo's own id of a profile: no attribute.
pub(super) const ID: &str = "id";
/// Before the name of each part of the attribute `location`.
pub(super) const LOCATION: &str = "location.";

/// Attributes of a profile beside its location; all are texts. Any other field is a custom property.
pub(super) const ATTRIBUTES: [&str; 9] = [
    "email",
    "phone_number",
    "external_id",
    "first_name",
    "last_name",
    "organization",
    "locale",
    "title",
    "image",
];
/// Parts of the location; the first two may be numbers.
pub(super) const PLACES: [&str; 10] =
    ["latitude", "longitude", "address1", "address2", "city", "country", "region", "zip", "timezone", "ip"];

/// What a profile is found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Email,
    Phone,
    ExternalId,
    Id,
}

impl Key {
    pub(super) const ALL: [Key; 4] = [Key::Email, Key::Phone, Key::ExternalId, Key::Id];

    /// As fields and filters call it.
    pub(super) fn field(self) -> &'static str {
        match self {
            Key::Email => "email",
            Key::Phone => "phone_number",
            Key::ExternalId => "external_id",
            Key::Id => ID,
        }
    }
}

/// How profiles are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Api {
    /// Many upserts by import jobs, others one by one.
    Auto,
    Import,
    Single,
}

/// What the removal of a profile is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deletion {
    /// The profile is gone for good, with all that is known of it.
    Profile,
    /// The profile stays, and gets no e-mail any more.
    Suppress,
}

/// The options, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) key: Key,
    /// Profiles that are sent are put on it; with `mode: audience` it has the members that the source has.
    pub(super) list: Option<String>,
    pub(super) api: Api,
    pub(super) deletion: Deletion,
    /// Who joins the list is subscribed.
    pub(super) subscribe: bool,
    /// Rows that empty properties go by import, too.
    pub(super) unset_by_import: bool,
}

impl Options {
    /// Those of a mapping that sets none.
    pub(super) fn usual() -> Self {
        Options {
            key: Key::Email,
            list: None,
            api: Api::Auto,
            deletion: Deletion::Profile,
            subscribe: false,
            unset_by_import: false,
        }
    }

    /// # Errors
    /// [`Kind::Config`](crate::contract::Kind::Config) for what Klaviyo does not have, or what contradicts itself.
    pub(super) fn read(target: &Target) -> Result<Self, ConnectorError> {
        if target.object != PROFILES {
            let message = format!("Klaviyo has no object `{}` here", target.object);
            return Err(wrong(message, "use `object: profiles`"));
        }
        let key = key(target)?;
        target.fields.iter().try_for_each(|field| sendable(field, key))?;
        let apis = [("auto", Api::Auto), ("import", Api::Import), ("profiles", Api::Single)];
        let deletions = [("profile", Deletion::Profile), ("suppress", Deletion::Suppress)];
        let options = Options {
            key,
            list: target.options.get("list").map(list).transpose()?,
            api: word(target, "api", apis)?,
            deletion: word(target, "deletion", deletions)?,
            subscribe: flag(target, "subscribe")?,
            unset_by_import: flag(target, "unset_by_import")?,
        };
        options.fit()?;
        Ok(options)
    }

    fn fit(&self) -> Result<(), ConnectorError> {
        if self.subscribe && self.list.is_none() {
            let message = "`destination.subscribe` needs `list`: who joins it is subscribed".to_owned();
            return Err(wrong(message, "name the list with `list: ID`, and set `mode: audience`"));
        }
        if self.subscribe && !matches!(self.key, Key::Email | Key::Phone) {
            let message = format!("nobody can be subscribed by `{}`", self.key.field());
            return Err(wrong(
                message,
                "match on `email` for e-mail, or on `phone_number` for text messages",
            ));
        }
        if self.deletion == Deletion::Suppress && self.key != Key::Email {
            let message =
                "`destination.deletion: suppress` names profiles by their e-mail addresses".to_owned();
            return Err(wrong(message, "use `match_on: {email: COLUMN}`, or leave `deletion` out"));
        }
        if self.api == Api::Import && self.key == Key::Id {
            let message =
                "an import cannot be matched on `id`: it makes profiles that are not there".to_owned();
            return Err(wrong(message, "leave `api` out, and use `mode: update`"));
        }
        Ok(())
    }
}

/// A list of fields asks for no key.
fn key(target: &Target) -> Result<Key, ConnectorError> {
    let names: Vec<&str> = target.match_on.iter().map(String::as_str).collect();
    let found = match names[..] {
        [] if target.fields.is_empty() => Some(Key::Email),
        [name] => Key::ALL.into_iter().find(|key| key.field() == name),
        _ => None,
    };
    found.ok_or_else(|| {
        let hint = "match on one of `email`, `phone_number`, `external_id` and `id`";
        unmatched("a profile of Klaviyo", &target.match_on, hint)
    })
}

/// What can only be a mistake is no custom property.
fn sendable(field: &str, key: Key) -> Result<(), ConnectorError> {
    let error = match field {
        ID if key != Key::Id => "`id` is Klaviyo's own, and can only be matched on".to_owned(),
        "location" | "properties" => format!("`{field}` cannot be sent as a whole"),
        _ => match field.strip_prefix(LOCATION) {
            Some(part) if !PLACES.contains(&part) => format!("the location of a profile has no `{part}`"),
            _ => return Ok(()),
        },
    };
    let places = PLACES.map(|part| format!("`{LOCATION}{part}`")).join(", ");
    Err(wrong(error, &format!("a location has {places}; each custom property is a field by its own name")))
}

fn list(value: &Json) -> Result<String, ConnectorError> {
    let id = value.as_str().map(str::trim).filter(|id| {
        !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    });
    id.map(str::to_owned).ok_or_else(|| {
        let message = format!("`destination.list` is `{value}`, which is no list's id");
        wrong(message, "write the id that the list's address in Klaviyo ends with, as in `list: Y6nRLr`")
    })
}

/// JSON Schema of each option.
pub(super) fn schema(option: &str) -> Json {
    match option {
        "api" => json!({"enum": ["auto", "import", "profiles"]}),
        "deletion" => json!({"enum": ["profile", "suppress"]}),
        "list" => json!({"type": "string"}),
        _ => json!({"type": "boolean"}),
    }
}

/// The attributes as fields. Custom properties are nowhere listed.
pub(super) fn properties() -> Vec<Property> {
    let unique = |name: &str| Key::ALL.iter().any(|key| key.field() == name);
    let attribute = |name: &str| Property { unique: unique(name), ..Property::new(name, FieldType::String) };
    let places = PLACES.iter().map(|part| {
        let kind = if part.ends_with("itude") { FieldType::Number } else { FieldType::String };
        Property::new(format!("{LOCATION}{part}"), kind)
    });
    [ID].iter().chain(&ATTRIBUTES).map(|name| attribute(name)).chain(places).collect()
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
    fn a_block_is_read() {
        let fields = ["email", "first_name", "location.city", "plan"];
        assert_eq!(read("profiles", &["email"], &fields, json!({})).unwrap(), Options::usual());
        assert_eq!(read("profiles", &[], &[], json!({})).unwrap(), Options::usual());
        let block = json!({"list": "Y6nRLr", "api": "import", "deletion": "suppress", "subscribe": true, "unset_by_import": true});
        let all = read("profiles", &["email"], &fields, block).unwrap();
        assert_eq!(
            (all.list.as_deref(), all.api, all.deletion),
            (Some("Y6nRLr"), Api::Import, Deletion::Suppress)
        );
        assert!(all.subscribe && all.unset_by_import);
        for key in Key::ALL {
            assert_eq!(read("profiles", &[key.field()], &[key.field()], json!({})).unwrap().key, key);
        }
    }

    #[test]
    fn what_klaviyo_does_not_have_is_named() {
        for (object, match_on, field, options, word) in [
            ("people", &["email"][..], "email", json!({}), "`people`"),
            ("profiles", &["title"], "title", json!({}), "`title`"),
            ("profiles", &["email", "id"], "id", json!({}), "`email` and `id`"),
            ("profiles", &[], "email", json!({}), "nothing"),
            ("profiles", &["email"], "id", json!({}), "only be matched on"),
            ("profiles", &["email"], "location", json!({}), "as a whole"),
            ("profiles", &["email"], "properties", json!({}), "as a whole"),
            ("profiles", &["email"], "location.street", json!({}), "no `street`"),
            ("profiles", &["email"], "email", json!({"list": 7}), "no list's id"),
            ("profiles", &["email"], "email", json!({"list": "a/b"}), "no list's id"),
            ("profiles", &["email"], "email", json!({"api": "bulk"}), "`destination.api`"),
            ("profiles", &["email"], "email", json!({"deletion": "archive"}), "`destination.deletion`"),
            ("profiles", &["id"], "id", json!({"api": "import"}), "makes profiles"),
            ("profiles", &["email"], "email", json!({"subscribe": "yes"}), "`true` or `false`"),
            ("profiles", &["email"], "email", json!({"subscribe": true}), "needs `list`"),
            (
                "profiles",
                &["external_id"],
                "external_id",
                json!({"subscribe": true, "list": "A"}),
                "subscribed by",
            ),
            (
                "profiles",
                &["external_id"],
                "external_id",
                json!({"deletion": "suppress"}),
                "e-mail addresses",
            ),
        ] {
            let error = read(object, match_on, &[field], options.clone()).unwrap_err();
            assert_eq!(error.kind, crate::contract::Kind::Config);
            assert!(error.message.contains(word) && error.hint.is_some(), "{field} {options}: {error}");
        }
    }
}
