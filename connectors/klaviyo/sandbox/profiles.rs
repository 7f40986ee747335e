//! Profiles: by filter, one by one, and as rows of imports. They are kept flat: `location.city`, and custom properties by
//! their own names.

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use super::{Account, errors, invalid, made, now, parse, refused, shown};
use crate::sandbox::vendor::{Answer, Request};
use crate::sandbox::{Object, State};

pub(super) const PROFILES: &str = "profiles";
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
/// Values that one profile has alone.
const IDENTIFIERS: [&str; 3] = ["email", "phone_number", "external_id"];
/// What the sandbox keeps beside.
pub(super) const OWN: [&str; 3] = ["lists", "subscribed", "suppressed"];
/// Most bytes of a profile.
pub(super) const LONGEST: usize = 100_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    data: Sent,
}

/// A profile in a request.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sent {
    #[serde(rename = "type")]
    kind: String,
    pub(super) id: Option<String>,
    pub(super) attributes: Attributes,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    meta: Option<Meta>,
}

/// Texts, nulls among them; a name that is left out says nothing.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
pub(super) struct Attributes {
    #[serde(flatten, with = "texts")]
    texts: Map<String, Json>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    location: Option<Location>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    properties: Option<Map<String, Json>>,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
pub(super) struct Location(Map<String, Json>);

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Meta {
    patch_properties: Option<Patch>,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Patch {
    unset: Option<Vec<String>>,
}

/// Attributes that are none, or whose value is no text.
mod texts {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_json::{Map, Value as Json};

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Map<String, Json>, D::Error> {
        let texts = Map::<String, Json>::deserialize(from)?;
        match texts.iter().find(|(name, value)| {
            !super::ATTRIBUTES.contains(&name.as_str()) || !(value.is_null() || value.is_string())
        }) {
            Some((name, _)) => Err(D::Error::custom(format!("`{name}` is not a valid field of a profile"))),
            None => Ok(texts),
        }
    }

    pub(super) fn serialize<S: Serializer>(texts: &Map<String, Json>, to: S) -> Result<S::Ok, S::Error> {
        texts.serialize(to)
    }
}

/// Why a profile is refused: the status, the code, and what of it.
pub(super) struct Fault {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) detail: String,
    /// Behind `/attributes/`; empty for the profile as a whole.
    pub(super) field: String,
}

impl Fault {
    fn invalid(detail: &str, field: &str) -> Self {
        let (detail, field) = (detail.to_owned(), field.to_owned());
        Fault { status: StatusCode::BAD_REQUEST, code: "invalid", detail, field }
    }

    fn answer(&self) -> Answer {
        let pointer = match self.field.as_str() {
            "" => "/data".to_owned(),
            field => format!("/data/attributes/{field}"),
        };
        refused(self.status, self.code, &self.detail, &pointer)
    }
}

pub(super) fn living(id: &str, state: &State<'_>) -> rusqlite::Result<Option<Object>> {
    Ok(state.get(PROFILES, id)?.filter(|profile| !profile.archived))
}

/// The profile with this identifier; e-mail addresses are the same in any case.
pub(super) fn holder(name: &str, value: &str, state: &State<'_>) -> rusqlite::Result<Option<Object>> {
    match state.holder(PROFILES, name, &form(name, value))? {
        Some(id) => living(&id, state),
        None => Ok(None),
    }
}

fn form(name: &str, value: &str) -> String {
    if name == "email" { value.trim().to_lowercase() } else { value.to_owned() }
}

pub(super) fn is_email(text: &str) -> bool {
    let parts: Vec<&str> = text.split('@').collect();
    matches!(parts[..], [name, host] if !name.is_empty() && host.contains('.') && !text.contains(' '))
}

fn is_phone(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default();
    (2..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

impl Sent {
    pub(super) fn identifiers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let texts = &self.attributes.texts;
        IDENTIFIERS.into_iter().filter_map(|name| Some((name, texts.get(name)?.as_str()?)))
    }

    /// The profile that it is about. One that is named by several is that of the first.
    fn found(&self, state: &State<'_>) -> rusqlite::Result<Result<Option<Object>, Fault>> {
        if let Some(id) = &self.id {
            let absent = || Fault {
                status: StatusCode::NOT_FOUND,
                code: "not_found",
                detail: format!("A profile with id {id} does not exist."),
                field: String::new(),
            };
            return Ok(living(id, state)?.map(Some).ok_or_else(absent));
        }
        for (name, value) in self.identifiers() {
            if let Some(found) = holder(name, value, state)? {
                return Ok(Ok(Some(found)));
            }
        }
        Ok(Ok(None))
    }

    /// What is wrong with it, whatever is there already.
    fn fault(&self, account: &Account) -> Option<Fault> {
        if self.kind != "profile" {
            return Some(Fault::invalid("The type must be `profile`", ""));
        }
        if self.id.is_none() && self.identifiers().next().is_none() {
            return Some(Fault::invalid("One of email, phone_number, external_id or id is needed", ""));
        }
        for (name, value) in self.identifiers() {
            if name == "email" && !is_email(value) {
                return Some(Fault::invalid("Invalid email address", name));
            }
            if name == "phone_number" && !is_phone(value) {
                return Some(Fault::invalid(
                    "Invalid phone number format (Example of a valid format: +12345678901)",
                    name,
                ));
            }
        }
        let rules = account.objects.get(PROFILES);
        for (name, value) in self.attributes.properties.iter().flatten() {
            let rule = rules.and_then(|rules| rules.get(name));
            if rule.is_some_and(|rule| {
                value.as_str().is_some_and(|text| rule.refuse.iter().any(|no| no == text))
            }) {
                let detail = format!("The account refuses this value of {name}");
                return Some(Fault::invalid(&detail, &format!("properties/{name}")));
            }
        }
        None
    }
}

/// What becomes of a profile: its refusal, or the profile and whether it is new.
pub(super) type Changed = rusqlite::Result<Result<(Object, bool), Fault>>;

/// Creates or updates. `nulls` says whether those empty anything; an import passes them over.
pub(super) fn change(account: &Account, sent: &Sent, nulls: bool, state: &State<'_>) -> Changed {
    if let Some(fault) = sent.fault(account) {
        return Ok(Err(fault));
    }
    let found = match sent.found(state)? {
        Ok(found) => found,
        Err(fault) => return Ok(Err(fault)),
    };
    let is_new = found.is_none();
    let mut profile = match found {
        Some(profile) => profile,
        None => made("01SANDBX", Map::new(), state)?,
    };
    for (name, value) in sent.identifiers() {
        if holder(name, value, state)?.is_some_and(|other| other.id != profile.id) {
            return Ok(Err(duplicate(name)));
        }
    }
    if is_new {
        state.insert(PROFILES, &profile)?;
    }
    for name in IDENTIFIERS {
        let Some(value) = sent.attributes.texts.get(name).filter(|value| nulls || !value.is_null()) else {
            continue;
        };
        if let Some(Json::String(old)) = profile.properties.get(name) {
            state.release(PROFILES, name, &form(name, old))?;
        }
        if let Some(new) = value.as_str() {
            state.claim(PROFILES, name, &form(name, new), &profile.id)?;
        }
    }
    merge(&mut profile.properties, sent, nulls);
    profile.updated_at = now();
    state.save(PROFILES, &profile)?;
    Ok(Ok((profile, is_new)))
}

fn duplicate(name: &str) -> Fault {
    Fault {
        status: StatusCode::CONFLICT,
        code: "duplicate_profile",
        detail: "A profile already exists with one of these identifiers.".to_owned(),
        field: name.to_owned(),
    }
}

fn merge(properties: &mut Map<String, Json>, sent: &Sent, nulls: bool) {
    let mut set = |name: String, value: &Json| match value {
        Json::Null if nulls => {
            properties.remove(&name);
        }
        Json::Null => {}
        value => {
            properties.insert(name, value.clone());
        }
    };
    sent.attributes.texts.iter().for_each(|(name, value)| set(name.clone(), value));
    for (part, value) in sent.attributes.location.iter().flat_map(|location| &location.0) {
        set(format!("location.{part}"), value);
    }
    sent.attributes.properties.iter().flatten().for_each(|(name, value)| set(name.clone(), value));
    let unset = sent.meta.iter().filter_map(|meta| meta.patch_properties.as_ref()?.unset.as_ref()).flatten();
    unset.for_each(|name| {
        properties.remove(name);
    });
}

fn document(request: &Request) -> Result<Sent, Answer> {
    if request.body.len() > LONGEST {
        let detail = "The payload is larger than 100KB";
        return Err(refused(StatusCode::PAYLOAD_TOO_LARGE, "invalid", detail, "/data"));
    }
    parse::<Document>(request).map(|document| document.data)
}

fn answered(changed: Result<(Object, bool), Fault>) -> Answer {
    match changed {
        Ok((profile, is_new)) => {
            let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
            Answer::new(status, json!({"data": shown::profile(&profile)}))
        }
        Err(fault) => fault.answer(),
    }
}

pub(super) fn upsert(account: &Account, request: &Request, state: &State<'_>) -> rusqlite::Result<Answer> {
    match document(request) {
        Ok(sent) => change(account, &sent, true, state).map(answered),
        Err(refusal) => Ok(refusal),
    }
}

pub(super) fn create(account: &Account, request: &Request, state: &State<'_>) -> rusqlite::Result<Answer> {
    let sent = match document(request) {
        Ok(sent) => sent,
        Err(refusal) => return Ok(refusal),
    };
    if sent.id.is_some() || sent.meta.is_some() {
        return Ok(invalid("A new profile takes neither id nor meta", "/data"));
    }
    for (name, value) in sent.identifiers() {
        if let Some(there) = holder(name, value, state)? {
            let mut error = super::error(
                "duplicate_profile",
                &duplicate(name).detail,
                json!({"pointer": "/data/attributes"}),
            );
            error["meta"] = json!({"duplicate_profile_id": there.id});
            return Ok(errors(StatusCode::CONFLICT, vec![error]));
        }
    }
    change(account, &sent, true, state).map(answered)
}

pub(super) fn update(
    account: &Account,
    id: &str,
    request: &Request,
    state: &State<'_>,
) -> rusqlite::Result<Answer> {
    match document(request) {
        Ok(sent) if sent.id.as_deref() != Some(id) => {
            Ok(invalid("The id must be that of the path", "/data/id"))
        }
        Ok(sent) => change(account, &sent, true, state).map(answered),
        Err(refusal) => Ok(refusal),
    }
}

/// `filter=any(email,["a","b"])` or `equals(email,"a")`.
pub(super) fn filtered(request: &Request, state: &State<'_>) -> rusqlite::Result<Answer> {
    let Some((name, values)) = request.query("filter").and_then(filter) else {
        return Ok(invalid("The sandbox takes a filter by one identifier: any(email,[\"..\"])", "/filter"));
    };
    // No address that Klaviyo knows has a quote in it.
    if name == "email" && values.iter().any(|value| value.contains('"')) {
        return Ok(invalid("A value of the filter is not valid", "/filter"));
    }
    let mut all: Vec<Object> = Vec::new();
    for value in values {
        let found = if name == "id" { living(&value, state)? } else { holder(&name, &value, state)? };
        if let Some(found) = found.filter(|found| all.iter().all(|other| other.id != found.id)) {
            all.push(found);
        }
    }
    let agreed = request.query("additional-fields[profile]") == Some("subscriptions");
    let resource = |profile: &Object| {
        let mut shown = shown::profile(profile);
        if agreed {
            shown["attributes"]["subscriptions"] = shown::subscriptions(profile);
        }
        shown
    };
    Ok(shown::page(request, all.iter().map(resource).collect()))
}

/// The field and the values of a filter.
pub(super) fn filter(text: &str) -> Option<(String, Vec<String>)> {
    let (operator, rest) = text.split_once('(')?;
    let (name, values) = rest.strip_suffix(')')?.split_once(',')?;
    let values = match operator {
        "any" => serde_json::from_str(values).ok()?,
        "equals" => vec![serde_json::from_str(values).ok()?],
        _ => return None,
    };
    (name == "id" || name == "status" || IDENTIFIERS.contains(&name)).then(|| (name.to_owned(), values))
}
