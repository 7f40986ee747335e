//! What a mapping's `destination` block means in Braze's words, as far as it can be told without a request.

use serde_json::{Value as Json, json};

use crate::contract::{ConnectorError, Kind, Target};

/// Users, with what is known of each.
pub(super) const ATTRIBUTES: &str = "attributes";
/// What users did.
pub(super) const EVENTS: &str = "events";

/// What names a user.
pub(super) const EXTERNAL_ID: &str = "external_id";
/// The two parts of an alias.
pub(super) const ALIAS_NAME: &str = "alias_name";
pub(super) const ALIAS_LABEL: &str = "alias_label";

/// All of these.
const NAMES: [&str; 3] = [EXTERNAL_ID, ALIAS_NAME, ALIAS_LABEL];

/// What tells events apart: our own name for it, which is not sent.
pub(super) const EVENT_KEY: &str = "event_id";

/// JSON Schema of each key of a `destination` block that is Braze's own.
pub(super) fn option_schema(option: &str) -> Json {
    match option {
        "api" => json!({"enum": ["track", "bulk"]}),
        "deletion" => json!({"enum": ["user", "unsubscribe"]}),
        _ => json!({"type": "string"}),
    }
}

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Object {
    Attributes,
    Events,
}

/// What names a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    ExternalId,
    /// Its label is this one, or, where there is none, that of the row.
    Alias(Option<String>),
}

/// By which calls objects are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Api {
    Track,
    Bulk,
}

/// What the removal of a user is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deletion {
    /// The user is gone for good, with their history.
    User,
    /// The user stays, and gets no e-mail and no push message any more.
    Unsubscribe,
}

/// What members of an audience have; at least one of the two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct List {
    /// They are subscribed to this subscription group.
    pub(super) group: Option<String>,
    /// This custom attribute of theirs is true.
    pub(super) attribute: Option<String>,
}

/// The meaning of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Aim {
    pub(super) object: Object,
    pub(super) key: Key,
    pub(super) list: Option<List>,
    pub(super) api: Api,
    pub(super) deletion: Deletion,
}

impl Aim {
    /// # Errors
    /// [`Kind::Config`] for an object, a match key, an option or a field that cannot be meant.
    pub(super) fn of(target: &Target) -> Result<Self, ConnectorError> {
        let object = match target.object.as_str() {
            ATTRIBUTES => Object::Attributes,
            EVENTS => Object::Events,
            other => {
                return Err(wrong(
                    format!("Braze has no object `{other}` here"),
                    "use `attributes` or `events`",
                ));
            }
        };
        let list = list(target)?;
        meaningless(target, object, list.as_ref())?;
        let key = match object {
            Object::Attributes => user(target, &names(&target.match_on))?,
            Object::Events => person_of_event(target)?,
        };
        if list.is_some() {
            target.members_only()?;
        }
        one_name(target, &key)?;
        let api = word(target, "api", [("track", Api::Track), ("bulk", Api::Bulk)])?.unwrap_or(Api::Track);
        let deletions = [("user", Deletion::User), ("unsubscribe", Deletion::Unsubscribe)];
        let deletion = word(target, "deletion", deletions)?.unwrap_or(Deletion::User);
        Ok(Aim { object, key, list, api, deletion })
    }

    /// Whether a field only names the user, or only tells events apart.
    pub(super) fn is_key(&self, field: &str) -> bool {
        match (&self.key, self.object) {
            (_, Object::Events) if field == EVENT_KEY => true,
            (Key::ExternalId, _) => field == EXTERNAL_ID,
            (Key::Alias(_), _) => field == ALIAS_NAME || field == ALIAS_LABEL,
        }
    }
}

fn wrong(message: String, hint: &str) -> ConnectorError {
    ConnectorError::new(Kind::Config, message).hint(hint)
}

fn names(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

/// Braze takes a user's names only where they say who is meant: as a field one more would be an attribute, or be dropped.
fn one_name(target: &Target, key: &Key) -> Result<(), ConnectorError> {
    let naming: &[&str] = match key {
        Key::ExternalId => &[EXTERNAL_ID],
        Key::Alias(None) => &[ALIAS_NAME, ALIAS_LABEL],
        Key::Alias(Some(_)) => &[ALIAS_NAME],
    };
    let is_stray = |name: &&String| NAMES.contains(&name.as_str()) && !naming.contains(&name.as_str());
    let Some(stray) = target.fields.iter().find(is_stray) else { return Ok(()) };
    let message = format!("the field `{stray}` would name nobody: users are named by `{}` here", naming[0]);
    Err(wrong(message, "take it out, or name users by it in `match_on`"))
}

/// An option that changes nothing here is a mistake.
fn meaningless(target: &Target, object: Object, list: Option<&List>) -> Result<(), ConnectorError> {
    let idle: &[&'static str] = match (object, list) {
        (Object::Events, _) => &["list", "list_attribute", "api", "deletion"],
        (Object::Attributes, Some(_)) => &["deletion"],
        (Object::Attributes, None) => &[],
    };
    let Some(name) = idle.iter().find(|name| target.options.contains_key(**name)) else { return Ok(()) };
    let why = match (object, *name) {
        (Object::Events, "api") => {
            ": a bulk request takes at most 100 events of one user, so events go by `track`"
        }
        _ => "",
    };
    let message = format!("`destination.{name}` has no effect here{why}");
    Err(wrong(message, "take it out").with("option", *name))
}

fn list(target: &Target) -> Result<Option<List>, ConnectorError> {
    let get = |name: &'static str| {
        let Some(value) = target.options.get(name) else { return Ok(None) };
        let text = value.as_str().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
        text.map(Some).ok_or_else(|| {
            let message = format!("`destination.{name}` is `{value}`, which is no name");
            let hint = match name {
                "list" => "write the id that Braze shows on the page of the subscription group",
                _ => "write the name of the custom attribute that is true for members",
            };
            wrong(message, hint).with("option", name)
        })
    };
    let list = List { group: get("list")?, attribute: get("list_attribute")? };
    Ok((list != List { group: None, attribute: None }).then_some(list))
}

/// The user, by these fields. A list of fields asks for none.
fn user(target: &Target, fields: &[&str]) -> Result<Key, ConnectorError> {
    let label = match target.options.get(ALIAS_LABEL) {
        None => None,
        Some(Json::String(label)) if !label.trim().is_empty() => Some(label.trim().to_owned()),
        Some(_) => {
            let message = "`destination.alias_label` must be the label of the aliases".to_owned();
            return Err(wrong(message, "write it as in `alias_label: crm_id`").with("option", ALIAS_LABEL));
        }
    };
    let has_label = label.is_some();
    let key = match fields {
        [] if target.fields.is_empty() => Some(Key::ExternalId),
        [EXTERNAL_ID] => Some(Key::ExternalId),
        [ALIAS_NAME] if has_label => Some(Key::Alias(label)),
        [ALIAS_NAME, ALIAS_LABEL] | [ALIAS_LABEL, ALIAS_NAME] if !has_label => Some(Key::Alias(None)),
        _ => None,
    };
    let Some(key) = key else {
        let given: Vec<String> = fields.iter().map(|name| format!("`{name}`")).collect();
        let given = if given.is_empty() { "nothing".to_owned() } else { given.join(" and ") };
        let label = if has_label { " with the option `alias_label`" } else { "" };
        return Err(wrong(format!("a user of Braze cannot be named by {given}{label}"), KEY_HINT));
    };
    if key == Key::ExternalId && has_label {
        let message =
            "`destination.alias_label` has no effect here: users are named by `external_id`".to_owned();
        return Err(wrong(message, "take it out").with("option", ALIAS_LABEL));
    }
    Ok(key)
}

const KEY_HINT: &str =
    "use `external_id`, or `alias_name` together with `alias_label`, which is a field or an option";

/// Of an event the match key names the user, tells events apart, or both; else fields name the user.
fn person_of_event(target: &Target) -> Result<Key, ConnectorError> {
    let naming = |names: &[String]| {
        let is_naming = |name: &&String| NAMES.contains(&name.as_str());
        names.iter().filter(is_naming).cloned().collect::<Vec<String>>()
    };
    let by_match = naming(&target.match_on);
    let stray = target.match_on.iter().find(|name| *name != EVENT_KEY && !by_match.contains(name));
    if let Some(stray) = stray {
        let message = format!("events cannot be matched on `{stray}`");
        let hint = "write `match_on: {event_id: COLUMN}` with the column that tells your events apart";
        return Err(wrong(message, hint));
    }
    match by_match.is_empty() {
        true => user(target, &names(&naming(&target.fields))),
        false => user(target, &names(&by_match)),
    }
}

fn word<T: Copy, const N: usize>(
    target: &Target,
    name: &'static str,
    known: [(&'static str, T); N],
) -> Result<Option<T>, ConnectorError> {
    let Some(value) = target.options.get(name) else { return Ok(None) };
    let found = known.iter().find(|(word, _)| value.as_str() == Some(*word));
    found.map(|(_, meaning)| Some(*meaning)).ok_or_else(|| {
        let words: Vec<String> = known.iter().map(|(word, _)| format!("`{word}`")).collect();
        let message = format!("`destination.{name}` must be {}", words.join(" or "));
        wrong(message, "write one of these, or leave it out").with("option", name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(object: &str, match_on: &[&str], fields: &[&str], options: Json) -> Target {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Target {
            object: object.to_owned(),
            match_on: owned(match_on),
            fields: owned(fields),
            options: options.as_object().unwrap().clone(),
            ..Target::default()
        }
    }

    #[test]
    fn a_block_has_one_meaning() {
        let aim = |object, match_on: &[&str], fields: &[&str], options| {
            Aim::of(&target(object, match_on, fields, options)).unwrap()
        };
        let crm = || Key::Alias(Some("crm_id".to_owned()));
        assert_eq!(aim(ATTRIBUTES, &[], &[], json!({})).key, Key::ExternalId);
        assert_eq!(aim(EVENTS, &[], &[], json!({})).object, Object::Events);
        let plain = aim(ATTRIBUTES, &[EXTERNAL_ID], &[EXTERNAL_ID, "plan"], json!({}));
        let usual = Aim {
            object: Object::Attributes,
            key: Key::ExternalId,
            list: None,
            api: Api::Track,
            deletion: Deletion::User,
        };
        assert_eq!(plain, usual);
        let labelled = json!({"alias_label": "crm_id"});
        assert_eq!(aim(ATTRIBUTES, &[ALIAS_NAME], &[ALIAS_NAME], labelled.clone()).key, crm());
        let both = [ALIAS_LABEL, ALIAS_NAME];
        assert_eq!(aim(ATTRIBUTES, &both, &both, json!({})).key, Key::Alias(None));
        let fields = [EVENT_KEY, EXTERNAL_ID, "name", "time"];
        assert_eq!(aim(EVENTS, &[EVENT_KEY], &fields, json!({})).key, Key::ExternalId);
        assert_eq!(aim(EVENTS, &[EXTERNAL_ID], &fields[1..], json!({})).key, Key::ExternalId);
        assert_eq!(aim(EVENTS, &[EVENT_KEY, EXTERNAL_ID], &fields, json!({})).key, Key::ExternalId);
        assert_eq!(aim(EVENTS, &[EVENT_KEY], &[EVENT_KEY, ALIAS_NAME, "name"], labelled).key, crm());
        let listed =
            aim(ATTRIBUTES, &[EXTERNAL_ID], &[EXTERNAL_ID], json!({"list": "g-1", "list_attribute": "vip"}));
        let list = List { group: Some("g-1".to_owned()), attribute: Some("vip".to_owned()) };
        assert_eq!(listed.list, Some(list));
        let options = json!({"api": "bulk", "deletion": "unsubscribe"});
        let bulk = aim(ATTRIBUTES, &[EXTERNAL_ID], &[EXTERNAL_ID], options);
        assert_eq!((bulk.api, bulk.deletion), (Api::Bulk, Deletion::Unsubscribe));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_a_way_on() {
        let id = [EXTERNAL_ID];
        for (target, word) in [
            (target("users", &id, &[], json!({})), "no object `users`"),
            (target(ATTRIBUTES, &["email"], &["email"], json!({})), "cannot be named by `email`"),
            (target(ATTRIBUTES, &[ALIAS_NAME], &[ALIAS_NAME], json!({})), "cannot be named by `alias_name`"),
            (target(ATTRIBUTES, &[EXTERNAL_ID, "email"], &[], json!({})), "`external_id` and `email`"),
            (
                target(ATTRIBUTES, &id, &[EXTERNAL_ID, ALIAS_NAME], json!({})),
                "`alias_name` would name nobody",
            ),
            (
                target(ATTRIBUTES, &[ALIAS_NAME], &[ALIAS_NAME, ALIAS_LABEL], json!({"alias_label": "x"})),
                "`alias_label` would name nobody",
            ),
            (target(EVENTS, &id, &[EXTERNAL_ID, ALIAS_NAME], json!({})), "named by `external_id` here"),
            (target(ATTRIBUTES, &id, &id, json!({"alias_label": "x"})), "no effect here"),
            (target(ATTRIBUTES, &id, &id, json!({"alias_label": 7})), "must be the label"),
            (target(ATTRIBUTES, &id, &id, json!({"list": 7})), "`7`, which is no name"),
            (
                target(ATTRIBUTES, &id, &[EXTERNAL_ID, "plan"], json!({"list": "g"})),
                "`plan` would not be sent",
            ),
            (target(ATTRIBUTES, &id, &id, json!({"list": "g", "deletion": "user"})), "no effect here"),
            (target(ATTRIBUTES, &id, &id, json!({"api": "fast"})), "`track` or `bulk`"),
            (target(ATTRIBUTES, &id, &id, json!({"deletion": true})), "`user` or `unsubscribe`"),
            (target(EVENTS, &["name"], &["name"], json!({})), "matched on `name`"),
            (target(EVENTS, &[EVENT_KEY], &[EVENT_KEY, "name"], json!({})), "named by nothing"),
            (target(EVENTS, &[EVENT_KEY], &[EXTERNAL_ID], json!({"api": "bulk"})), "100 events of one user"),
            (target(EVENTS, &[EVENT_KEY], &[EXTERNAL_ID], json!({"list": "g"})), "no effect here"),
        ] {
            let error = Aim::of(&target).unwrap_err();
            assert_eq!(error.kind, Kind::Config);
            assert!(error.message.contains(word) && error.hint.is_some(), "{error}");
        }
    }
}
