//! People, their events and the suppressed ones, and the rules for each.
//!
//! A person's record is named by its `cio_id`; identifiers are unique values of it, an e-mail in lower case. What cannot be
//! applied is dropped without a word, as the documents say: updates of nobody, identifiers that belong to another person, and
//! anything about somebody who is suppressed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value as Json};

use crate::sandbox::{Object, PropertySpec, State};

const PEOPLE: &str = "people";
const EVENTS: &str = "events";
const SUPPRESSED: &str = "suppressed";

/// The limits of <https://docs.customer.io/api/track/>, in bytes but for the number of attributes.
const LONGEST_ID: usize = 150;
const LONGEST_NAME: usize = 150;
const LONGEST_VALUE: usize = 1000;
const ATTRIBUTES: usize = 300;
const LONGEST_EVENT_NAME: usize = 100;

/// Why something is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) reason: &'static str,
    pub(super) field: String,
    pub(super) message: String,
}

impl Wrong {
    pub(super) fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Wrong { reason: "invalid", field: field.into(), message: message.into() }
    }

    pub(super) fn missing(field: &str) -> Self {
        Wrong { reason: "required", field: field.to_owned(), message: format!("{field} must be present") }
    }
}

/// What names a person: the kind of identifier, and its value in the form in which it is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Who {
    kind: String,
    value: String,
}

impl Who {
    pub(super) fn new(kind: &str, value: &Json) -> Result<Self, Wrong> {
        let field = format!("identifiers.{kind}");
        if !matches!(kind, "id" | "email" | "cio_id") {
            return Err(Wrong::invalid(field, format!("{kind} is not an identifier of this workspace")));
        }
        let Some(value) = value.as_str() else {
            return Err(Wrong::invalid(field, format!("{kind} attribute must be a string value")));
        };
        if value.is_empty() {
            return Err(Wrong::invalid(field, format!("{kind} attribute cannot be an empty string")));
        }
        if kind == "email" && !value.contains('@') {
            return Err(Wrong::invalid(field, format!("{value} is not an email address")));
        }
        if kind != "email" && value.len() > LONGEST_ID {
            return Err(Wrong::invalid(field, format!("{kind} cannot be longer than {LONGEST_ID} bytes")));
        }
        Ok(Who { kind: kind.to_owned(), value: comparable(kind, value) })
    }

    /// The identifier of a path, whose kind is told by its shape.
    pub(super) fn of_path(text: &str) -> Result<Self, Wrong> {
        match (text.strip_prefix("cio_"), text.contains('@')) {
            (Some(id), _) => Self::new("cio_id", &id.into()),
            (None, true) => Self::new("email", &text.into()),
            (None, false) => Self::new("id", &text.into()),
        }
    }
}

fn comparable(kind: &str, value: &str) -> String {
    if kind == "email" { value.to_lowercase() } else { value.to_owned() }
}

pub(super) struct People<'a> {
    pub(super) rules: &'a BTreeMap<String, PropertySpec>,
    pub(super) state: &'a State<'a>,
}

/// An event to keep.
pub(super) struct Event<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) id: Option<&'a str>,
    pub(super) timestamp: Option<&'a Json>,
    pub(super) data: &'a Map<String, Json>,
}

type Done = rusqlite::Result<Result<(), Wrong>>;

impl People<'_> {
    pub(super) fn find(&self, who: &Who) -> rusqlite::Result<Option<Object>> {
        let id = match who.kind.as_str() {
            "cio_id" => Some(who.value.clone()),
            kind => self.state.holder(PEOPLE, kind, &who.value)?,
        };
        let found = id.map(|id| self.state.get(PEOPLE, &id)).transpose()?.flatten();
        Ok(found.filter(|person| !person.archived))
    }

    /// Adds or updates a person.
    pub(super) fn identify(&self, who: &Who, attributes: &Map<String, Json>) -> Done {
        let only_if_there = match attributes.get("_update") {
            None => false,
            Some(Json::Bool(set)) => *set,
            Some(_) => return Ok(Err(Wrong::invalid("attributes._update", "_update must be true or false"))),
        };
        if let Err(wrong) = self.check(attributes) {
            return Ok(Err(wrong));
        }
        if self.is_suppressed(who)? {
            return Ok(Ok(()));
        }
        let mut found = self.find(who)?;
        if found.is_none() && who.kind == "id" {
            // An id that nobody has goes to the person whose e-mail comes with it.
            let email = attributes.get("email").and_then(Json::as_str);
            found = email
                .map(|email| Who::new("email", &email.into()))
                .and_then(Result::ok)
                .map_or(Ok(None), |who| self.find(&who))?;
            if let Some(person) = &mut found {
                self.rename(person, "id", Some(&who.value))?;
            }
        }
        let (mut person, fresh) = match found {
            Some(person) => (person, false),
            None if only_if_there || who.kind == "cio_id" => return Ok(Ok(())),
            None => (self.nobody()?, true),
        };
        if fresh {
            self.state.insert(PEOPLE, &person)?;
            self.rename(&mut person, &who.kind, Some(&who.value))?;
        }
        for (name, value) in attributes.iter().filter(|(name, _)| *name != "_update" && *name != "_timestamp")
        {
            match (name.as_str(), value) {
                ("id", _) if who.kind != "cio_id" && person.properties.contains_key("id") => {}
                ("id" | "email", value) => self.rename(&mut person, name, value.as_str())?,
                (_, Json::Null) => _ = person.properties.remove(name),
                _ => _ = person.properties.insert(name.clone(), value.clone()),
            }
        }
        person.updated_at = now();
        self.state.save(PEOPLE, &person)?;
        Ok(Ok(()))
    }

    fn nobody(&self) -> rusqlite::Result<Object> {
        let id = format!("{:08x}", self.state.next_id(0xa300_0001)?);
        let properties = Map::from_iter([("cio_id".to_owned(), id.clone().into())]);
        Ok(Object { id, archived: false, created_at: now(), updated_at: now(), properties })
    }

    /// Gives the person another identifier, or none; one that belongs to somebody else stays theirs.
    fn rename(&self, person: &mut Object, kind: &str, value: Option<&str>) -> rusqlite::Result<()> {
        let value = value.map(|value| comparable(kind, value));
        if let Some(value) = &value
            && self.state.holder(PEOPLE, kind, value)?.is_some()
        {
            return Ok(());
        }
        if let Some(old) = person.properties.remove(kind).as_ref().and_then(Json::as_str) {
            self.state.release(PEOPLE, kind, old)?;
        }
        if let Some(value) = value {
            self.state.claim(PEOPLE, kind, &value, &person.id)?;
            person.properties.insert(kind.to_owned(), value.into());
        }
        Ok(())
    }

    /// Removes a person; nobody is nothing to remove.
    pub(super) fn delete(&self, who: &Who) -> rusqlite::Result<()> {
        let Some(mut person) = self.find(who)? else { return Ok(()) };
        for kind in ["id", "email"] {
            if let Some(value) = person.properties.get(kind).and_then(Json::as_str) {
                self.state.release(PEOPLE, kind, value)?;
            }
        }
        (person.archived, person.updated_at) = (true, now());
        self.state.save(PEOPLE, &person)
    }

    /// Removes a person and keeps their identifiers away, or lets them come back.
    pub(super) fn suppress(&self, who: &Who, suppressed: bool) -> rusqlite::Result<()> {
        let mut all = vec![who.clone()];
        if let Some(person) = self.find(who)? {
            let kinds = person.properties.iter().filter(|(kind, _)| matches!(kind.as_str(), "id" | "email"));
            let kinds = kinds.filter_map(|(kind, value)| {
                Some(Who { kind: kind.clone(), value: value.as_str()?.to_owned() })
            });
            all.extend(kinds.filter(|other| other != who));
        }
        for who in &all {
            let id = mark(who);
            let known = self.state.get(SUPPRESSED, &id)?;
            let properties = Map::from_iter([(who.kind.clone(), who.value.clone().into())]);
            let mark = Object { id, archived: !suppressed, created_at: now(), updated_at: now(), properties };
            match (known, suppressed) {
                (Some(_), _) => self.state.save(SUPPRESSED, &mark)?,
                (None, true) => self.state.insert(SUPPRESSED, &mark)?,
                (None, false) => {}
            }
        }
        if suppressed { self.delete(who) } else { Ok(()) }
    }

    fn is_suppressed(&self, who: &Who) -> rusqlite::Result<bool> {
        Ok(self.state.get(SUPPRESSED, &mark(who))?.is_some_and(|mark| !mark.archived))
    }

    /// Keeps an event, once for each id. It makes no person: whether it would is not documented.
    pub(super) fn event(&self, who: Option<&Who>, event: &Event<'_>) -> Done {
        let name = match event.name {
            None | Some("") => return Ok(Err(Wrong::missing("name"))),
            Some(name) if name.len() > LONGEST_EVENT_NAME => {
                let message = format!("event name cannot be longer than {LONGEST_EVENT_NAME} bytes");
                return Ok(Err(Wrong::invalid("name", message)));
            }
            Some(name) => name,
        };
        if event.id.is_some_and(|id| !is_ulid(id)) {
            return Ok(Err(Wrong::invalid("id", "id must be a valid ULID")));
        }
        if event.timestamp.is_some_and(|at| at.as_i64().is_none()) {
            return Ok(Err(Wrong::invalid("timestamp", "timestamp must be an integer of seconds")));
        }
        if let Some(wrong) = event.data.iter().find_map(|(name, value)| self.breaks_rule(name, value)) {
            return Ok(Err(wrong));
        }
        let id = match event.id {
            Some(id) => id.to_owned(),
            None => format!("event-{}", self.state.next_id(1)?),
        };
        if who.map_or(Ok(false), |who| self.is_suppressed(who))? || self.state.get(EVENTS, &id)?.is_some() {
            return Ok(Ok(()));
        }
        let mut properties = event.data.clone();
        properties.insert("name".to_owned(), name.into());
        properties.extend(who.map(|who| (who.kind.clone(), who.value.clone().into())));
        properties.extend(event.timestamp.map(|at| ("timestamp".to_owned(), at.clone())));
        let kept = Object { id, archived: false, created_at: now(), updated_at: now(), properties };
        self.state.insert(EVENTS, &kept)?;
        Ok(Ok(()))
    }

    fn check(&self, attributes: &Map<String, Json>) -> Result<(), Wrong> {
        if attributes.len() > ATTRIBUTES {
            let message = format!("cannot identify more than {ATTRIBUTES} attributes in one request");
            return Err(Wrong::invalid("attributes", message));
        }
        for (name, value) in attributes {
            let field = format!("attributes.{name}");
            if name.is_empty() || name.len() > LONGEST_NAME {
                let message = format!("attribute name cannot be longer than {LONGEST_NAME} bytes");
                return Err(Wrong::invalid("attributes", message));
            }
            let bytes = value.as_str().map_or_else(|| value.to_string().len(), str::len);
            if bytes > LONGEST_VALUE {
                let message =
                    format!("value for attribute '{name}' cannot be longer than {LONGEST_VALUE} bytes");
                return Err(Wrong::invalid(field, message));
            }
            match (name.as_str(), value) {
                ("cio_id", _) => return Err(Wrong::invalid(field, "cio_id cannot be set")),
                ("id" | "email", Json::Null) => {}
                ("id" | "email", value) => {
                    _ = Who::new(name, value).map_err(|wrong| Wrong { field, ..wrong })?
                }
                ("created_at", value) if !value.is_null() && value.as_i64().is_none() => {
                    return Err(Wrong::invalid(field, "created_at must be an integer of seconds"));
                }
                _ => {}
            }
            if let Some(wrong) = self.breaks_rule(name, value) {
                return Err(wrong);
            }
        }
        Ok(())
    }

    /// A rule of the account that no schema shows.
    fn breaks_rule(&self, name: &str, value: &Json) -> Option<Wrong> {
        let refuse = &self.rules.get(name)?.refuse;
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let message = || format!("{text} is not allowed by a rule of this account");
        refuse.contains(&text).then(|| Wrong::invalid(format!("attributes.{name}"), message()))
    }
}

/// Where a suppressed identifier is kept.
fn mark(who: &Who) -> String {
    format!("{}:{}", who.kind, who.value)
}

/// 26 digits of Crockford's base 32, of which the first holds three bits.
fn is_ulid(text: &str) -> bool {
    let digit = |c: char| c.is_ascii_digit() || c.is_ascii_uppercase() && !"ILOU".contains(c);
    text.len() == 26 && text.chars().all(digit) && text.starts_with(|c| c <= '7')
}

fn now() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}
