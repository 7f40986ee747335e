//! What a mapping's `destination` block means in Customer.io's words, as far as it can be told without a request.

use serde_json::{Value as Json, json};

use crate::contract::{ConnectorError, Kind, Target};

/// The match key of an event: our own name for it.
pub(super) const EVENT_KEY: &str = "event_id";

/// JSON Schema of each key of a `destination` block that is Customer.io's own.
pub(super) fn option_schema(option: &str) -> Json {
    match option {
        "list" => json!({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string"}]}),
        "timestamps" => json!({"enum": ["unix", "iso"]}),
        _ => json!({"type": "boolean"}),
    }
}

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Object {
    People,
    Events,
    /// Members of the manual segment with this id.
    Segment(u32),
    /// People who are suppressed.
    Suppressed,
}

/// What names a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Identifier {
    Id,
    Email,
    CioId,
}

impl Identifier {
    pub(super) const ALL: [Identifier; 3] = [Identifier::Id, Identifier::Email, Identifier::CioId];

    /// As fields and requests call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Identifier::Id => "id",
            Identifier::Email => "email",
            Identifier::CioId => "cio_id",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|identifier| identifier.name() == name)
    }

    /// Most bytes of a value. 150 is documented for the id; an e-mail address is an attribute, which takes 1,000
    /// (<https://docs.customer.io/api/track/>, "Customer limits"). Of a `cio_id` nothing is said; it is taken for an id.
    pub(super) fn longest(self) -> usize {
        match self {
            Identifier::Id | Identifier::CioId => 150,
            Identifier::Email => 1000,
        }
    }
}

/// How dates and times are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Times {
    /// Seconds since 1970; of a date, those of its midnight in UTC.
    Unix,
    /// ISO 8601 texts.
    Iso,
}

/// The meaning of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Aim {
    pub(super) object: Object,
    /// What names the people; `None` only where the target has no fields at all, as when its fields are listed.
    pub(super) identifier: Option<Identifier>,
    pub(super) times: Times,
    /// Updates count as delivered although nobody says whether the person was there.
    pub(super) unseen_updates: bool,
}

impl Aim {
    /// # Errors
    /// [`Kind::Config`] for an object, a match key, an option or a field that cannot be meant.
    pub(super) fn of(target: &Target) -> Result<Self, ConnectorError> {
        let object = object(target)?;
        let identifier = match object {
            Object::Events => person_of_event(target)?,
            _ => matched_on(target)?,
        };
        if let Object::Segment(_) | Object::Suppressed = object {
            target.members_only()?;
        }
        let times = match target.options.get("timestamps").map(Json::as_str) {
            None | Some(Some("unix")) => Times::Unix,
            Some(Some("iso")) => Times::Iso,
            Some(_) => return Err(option("timestamps", "`destination.timestamps` must be `unix` or `iso`")),
        };
        meaningless(target, object)?;
        let unseen_updates = match target.options.get("unseen_updates") {
            None => false,
            Some(Json::Bool(set)) => *set,
            Some(_) => {
                return Err(option(
                    "unseen_updates",
                    "`destination.unseen_updates` must be `true` or `false`",
                ));
            }
        };
        Ok(Aim { object, identifier, times, unseen_updates })
    }
}

/// An option that changes nothing for this object is a mistake.
fn meaningless(target: &Target, object: Object) -> Result<(), ConnectorError> {
    let idle: &[&'static str] = match object {
        Object::People => &[],
        Object::Events => &["unseen_updates"],
        Object::Segment(_) | Object::Suppressed => &["unseen_updates", "timestamps"],
    };
    match idle.iter().find(|name| target.options.contains_key(**name)) {
        None => Ok(()),
        Some(name) => {
            Err(option(name, &format!("`destination.{name}` has no effect here")).hint("take it out"))
        }
    }
}

fn config(message: String, hint: &str) -> ConnectorError {
    ConnectorError::new(Kind::Config, message).hint(hint)
}

/// A key of the `destination` block that is wrong, at its place.
fn option(name: &'static str, message: &str) -> ConnectorError {
    ConnectorError::new(Kind::Config, message).with("option", name)
}

fn object(target: &Target) -> Result<Object, ConnectorError> {
    let list = target.options.get("list");
    match (target.object.as_str(), list) {
        ("people", None) => Ok(Object::People),
        ("people", Some(list)) => members(list),
        ("events", None) => Ok(Object::Events),
        ("events", Some(_)) => {
            Err(option("list", "a list has people, not events").hint("use `object: people`"))
        }
        (other, _) => {
            let message = format!("Customer.io has no object `{other}` here");
            Err(config(message, "use `people` or `events`"))
        }
    }
}

fn members(list: &Json) -> Result<Object, ConnectorError> {
    let id = match list {
        Json::String(text) if text == "suppressed" => return Ok(Object::Suppressed),
        Json::String(text) => text.parse().ok(),
        number => number.as_u64().and_then(|id| u32::try_from(id).ok()),
    };
    id.filter(|id| *id > 0).map(Object::Segment).ok_or_else(|| {
        option("list", &format!("`destination.list` is `{}`, which is no segment's id", plain(list)))
            .hint("use the number that Customer.io shows under Usage on the page of a manual segment, or `suppressed`")
    })
}

fn plain(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn matched_on(target: &Target) -> Result<Option<Identifier>, ConnectorError> {
    let hint = "match on `id`, `email` or `cio_id`";
    match target.match_on.as_slice() {
        [] => Ok(None),
        [one] => match Identifier::parse(one) {
            Some(identifier) => Ok(Some(identifier)),
            None => Err(config(format!("people cannot be matched on `{one}`"), hint)),
        },
        several => {
            let message = format!("people are matched on one identifier, not on {}", several.len());
            Err(config(message, hint))
        }
    }
}

fn person_of_event(target: &Target) -> Result<Option<Identifier>, ConnectorError> {
    if target.match_on.is_empty() && target.fields.is_empty() {
        return Ok(None);
    }
    if target.match_on != [EVENT_KEY] {
        let message = "an event is matched on `event_id` alone".to_owned();
        let hint = "write `match_on: {event_id: COLUMN}` with the column that tells your events apart";
        return Err(config(message, hint));
    }
    let hint = "map exactly one of `id`, `email` and `cio_id`: the person who did it";
    let mut named = target.fields.iter().filter_map(|field| Identifier::parse(field));
    match (named.next(), named.next()) {
        (Some(identifier), None) => Ok(Some(identifier)),
        (None, _) => Err(config("the mapping does not say whose event it is".to_owned(), hint)),
        (Some(_), Some(_)) => Err(config("the mapping names the person of an event twice".to_owned(), hint)),
    }
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
            types: Default::default(),
            missing: Vec::new(),
            associations: Vec::new(),
            options: options.as_object().unwrap().clone(),
        }
    }

    #[test]
    fn a_block_has_one_meaning() {
        let aim = |object, match_on: &[&str], fields: &[&str], options| {
            let aim = Aim::of(&target(object, match_on, fields, options)).unwrap();
            (aim.object, aim.identifier, aim.times)
        };
        let (id, email) = (Some(Identifier::Id), Some(Identifier::Email));
        assert_eq!(aim("people", &[], &[], json!({})), (Object::People, None, Times::Unix));
        assert_eq!(aim("events", &[], &[], json!({})), (Object::Events, None, Times::Unix));
        assert_eq!(
            aim("people", &["email"], &["email", "plan"], json!({"timestamps": "iso"})),
            (Object::People, email, Times::Iso)
        );
        assert_eq!(
            aim("events", &["event_id"], &["event_id", "id", "name", "total"], json!({})),
            (Object::Events, id, Times::Unix)
        );
        for list in [json!(7), json!("7")] {
            assert_eq!(aim("people", &["id"], &["id"], json!({"list": list})).0, Object::Segment(7));
        }
        assert_eq!(aim("people", &["id"], &["id"], json!({"list": "suppressed"})).0, Object::Suppressed);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_a_way_on() {
        for (target, word) in [
            (target("customers", &["id"], &[], json!({})), "no object `customers`"),
            (target("people", &["phone"], &[], json!({})), "cannot be matched on `phone`"),
            (target("people", &["id", "email"], &[], json!({})), "one identifier, not on 2"),
            (target("events", &["id"], &["id", "name"], json!({})), "`event_id` alone"),
            (target("events", &["event_id"], &["event_id", "name"], json!({})), "whose event"),
            (target("events", &["event_id"], &["id", "email", "name"], json!({})), "twice"),
            (target("events", &["event_id"], &["id", "name"], json!({"list": 7})), "people, not events"),
            (target("people", &["id"], &["id", "plan"], json!({"list": 7})), "`plan` would not be sent"),
            (target("people", &["id"], &["id"], json!({"list": "VIP"})), "`VIP`, which is no segment's id"),
            (target("people", &["id"], &["id"], json!({"list": 0})), "no segment's id"),
            (target("people", &["id"], &["id"], json!({"list": 7, "timestamps": "iso"})), "no effect here"),
            (
                target("events", &["event_id"], &["id", "name"], json!({"unseen_updates": true})),
                "no effect here",
            ),
            (target("people", &["id"], &[], json!({"timestamps": "millis"})), "`unix` or `iso`"),
            (target("people", &["id"], &[], json!({"unseen_updates": "yes"})), "`true` or `false`"),
        ] {
            let error = Aim::of(&target).unwrap_err();
            assert_eq!(error.kind, Kind::Config);
            assert!(error.message.contains(word), "{error}");
        }
    }
}
