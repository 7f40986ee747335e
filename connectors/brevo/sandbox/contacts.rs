//! Contacts: one by one, in batches of updates, and in pages.

use axum::http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::attributes::Taken;
use super::{Account, absent, parse, refused};
use crate::sandbox::vendor::{Answer, Request};
use crate::sandbox::{Object, State};

pub(super) const CONTACTS: &str = "contacts";
/// Most contacts of a batch.
const BATCH: usize = 100;
const OWN: [&str; 5] = ["email", "ext_id", "emailBlacklisted", "smsBlacklisted", "listIds"];
/// Values that one contact has alone.
const UNIQUE: [&str; 3] = ["email", "ext_id", "SMS"];

/// What a request says of a contact.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Sent {
    email: Option<String>,
    ext_id: Option<String>,
    id: Option<u64>,
    sms: Option<String>,
    attributes: Map<String, Json>,
    #[serde(rename = "emailBlacklisted")]
    email_blacklisted: Option<bool>,
    #[serde(rename = "smsBlacklisted")]
    sms_blacklisted: Option<bool>,
    #[serde(rename = "listIds")]
    list_ids: Vec<u64>,
    #[serde(rename = "unlinkListIds")]
    unlink_list_ids: Vec<u64>,
    #[serde(rename = "updateEnabled")]
    update_enabled: Option<bool>,
}

impl Sent {
    /// A row of an import.
    pub(super) fn imported(email: String, attributes: Map<String, Json>, list_ids: Vec<u64>) -> Self {
        Sent { email: Some(email), attributes, list_ids, ..Sent::default() }
    }
}

pub(super) fn now() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// What a change of a contact comes to: its refusal, or the contact.
pub(super) type Changed = rusqlite::Result<Result<Object, Answer>>;

pub(super) fn post(account: &Account, request: &Request, state: &State<'_>) -> rusqlite::Result<Answer> {
    let sent: Sent = match parse(request) {
        Ok(sent) => sent,
        Err(refusal) => return Ok(refusal),
    };
    let updates = sent.update_enabled == Some(true);
    let sms = sent.attributes.get("SMS").and_then(Json::as_str).filter(|text| !text.is_empty());
    if sent.email.is_none() && sent.ext_id.is_none() && sms.is_none() {
        return Ok(refused("missing_parameter", "email, ext_id or SMS is missing"));
    }
    if sent.id.is_some() || sent.sms.is_some() || !sent.unlink_list_ids.is_empty() {
        return Ok(refused("invalid_parameter", "id, sms and unlinkListIds are not taken here"));
    }
    let mut found = None;
    for (name, value) in [("email", sent.email.as_deref()), ("ext_id", sent.ext_id.as_deref()), ("SMS", sms)]
    {
        if let Some(value) = value
            && found.is_none()
        {
            found = holder(name, value, state)?;
        }
    }
    if found.is_some() && !updates {
        let name = if sent.email.is_some() { "email" } else { "ext_id" };
        return Ok(duplicate("create", name));
    }
    let created = found.is_none();
    Ok(match change(account, found, &sent, state)? {
        Err(refusal) => refusal,
        Ok(contact) if created => {
            Answer::new(StatusCode::CREATED, json!({"id": contact.id.parse::<u64>().unwrap_or_default()}))
        }
        Ok(_) => Answer::empty(StatusCode::NO_CONTENT),
    })
}

/// `GET`, `PUT` and `DELETE` of one contact.
pub(super) fn one(
    account: &Account,
    identifier: &str,
    request: &Request,
    state: &State<'_>,
) -> rusqlite::Result<Answer> {
    let is_number = !identifier.is_empty() && identifier.bytes().all(|byte| byte.is_ascii_digit());
    let found = match request.query("identifierType") {
        Some("contact_id") => living(identifier, state)?,
        None if is_number => living(identifier, state)?,
        Some("email_id") if !is_email(identifier) => {
            return Ok(refused("invalid_parameter", "Invalid email address"));
        }
        Some("email_id") => holder("email", identifier, state)?,
        None if identifier.contains('@') => holder("email", identifier, state)?,
        Some("ext_id") => holder("ext_id", identifier, state)?,
        Some("phone_id") => holder("SMS", identifier, state)?,
        _ => return Ok(refused("invalid_parameter", "Invalid identifier or identifierType")),
    };
    let Some(found) = found else { return Ok(absent("Contact does not exist")) };
    Ok(match request.method.as_str() {
        "GET" => {
            let mut contact = shown(&found);
            contact["statistics"] = json!({});
            Answer::new(StatusCode::OK, contact)
        }
        "DELETE" => {
            remove(found, state)?;
            Answer::empty(StatusCode::NO_CONTENT)
        }
        "PUT" => match parse::<Sent>(request) {
            Err(refusal) => refusal,
            Ok(sent) if sent.email.is_some() || sent.id.is_some() || sent.update_enabled.is_some() => {
                refused("invalid_parameter", "email, id and updateEnabled are not taken here")
            }
            Ok(sent) => match change(account, Some(found), &sent, state)? {
                Err(refusal) => refusal,
                Ok(_) => Answer::empty(StatusCode::NO_CONTENT),
            },
        },
        _ => refused("method_not_allowed", "Method not allowed"),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch {
    contacts: Vec<Sent>,
}

/// All or none: a refusal undoes what was done before it.
pub(super) fn batch(account: &Account, request: &Request, state: &State<'_>) -> rusqlite::Result<Answer> {
    let contacts = match parse::<Batch>(request) {
        Ok(Batch { contacts }) if (1..=BATCH).contains(&contacts.len()) => contacts,
        Ok(_) => return Ok(refused("out_of_range", "contacts must have 1 to 100 elements")),
        Err(refusal) => return Ok(refusal),
    };
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for (index, sent) in contacts.iter().enumerate() {
        let contact = match (&sent.email, sent.id, &sent.sms) {
            (Some(email), None, None) => holder("email", email, state)?,
            (None, Some(id), None) => living(&id.to_string(), state)?,
            (None, None, Some(sms)) => holder("SMS", sms, state)?,
            _ => {
                return Ok(refused("invalid_parameter", "Each contact is named by one of email, id and sms"));
            }
        };
        match contact {
            Some(contact) => found.push(contact),
            None => missing.push(index.to_string()),
        }
    }
    if !missing.is_empty() {
        return Ok(absent(&format!("No contact found for indexes {}", missing.join(","))));
    }
    for (contact, sent) in found.into_iter().zip(&contacts) {
        let sent = Sent { email: None, ..sent.clone() };
        if let Err(refusal) = change(account, Some(contact), &sent, state)? {
            return Ok(refusal);
        }
    }
    Ok(Answer::empty(StatusCode::NO_CONTENT))
}

/// A page of all contacts, or of one list's, of at most so many.
pub(super) fn page(
    account: &Account,
    request: &Request,
    (most, list): (usize, Option<u64>),
    state: &State<'_>,
) -> rusqlite::Result<Answer> {
    let number = |name: &str, usual: usize| match request.query(name) {
        None => Some(usual),
        Some(text) => text.parse().ok(),
    };
    let (Some(limit @ 1..), Some(offset)) = (number("limit", 50), number("offset", 0)) else {
        return Ok(refused("invalid_parameter", "limit and offset must be numbers"));
    };
    if limit > most {
        return Ok(refused("out_of_range", &format!("Limit exceeds max value, which is {most}")));
    }
    let since = match request.query("modifiedSince").map(str::parse::<Timestamp>) {
        None => None,
        Some(Ok(since)) => Some(since),
        Some(Err(_)) => return Ok(refused("invalid_parameter", "modifiedSince must be a date-time")),
    };
    let wanted: Option<Vec<u64>> = match (list, request.query("listIds")) {
        (Some(list), _) => Some(vec![list]),
        (None, Some(ids)) => Some(ids.split(',').filter_map(|id| id.parse().ok()).collect()),
        (None, None) => None,
    };
    if wanted.iter().flatten().any(|id| account.lists.get(*id).is_none()) {
        return Ok(refused("invalid_parameter", "One of listIds does not exist"));
    }
    let mut all = Vec::new();
    state.scan(CONTACTS, |contact| {
        let on = lists_of(&contact);
        let is_wanted = wanted.as_ref().is_none_or(|wanted| wanted.iter().any(|list| on.contains(list)));
        let changed = contact.updated_at.parse::<Timestamp>().ok();
        if !contact.archived && is_wanted && since.is_none_or(|since| changed > Some(since)) {
            all.push(shown(&contact));
        }
        true
    })?;
    if request.query("sort") != Some("asc") {
        all.reverse();
    }
    let count = all.len();
    let contacts: Vec<Json> = all.into_iter().skip(offset).take(limit).collect();
    Ok(Answer::new(StatusCode::OK, json!({"contacts": contacts, "count": count})))
}

fn living(id: &str, state: &State<'_>) -> rusqlite::Result<Option<Object>> {
    Ok(state.get(CONTACTS, id)?.filter(|contact| !contact.archived))
}

pub(super) fn holder(name: &str, value: &str, state: &State<'_>) -> rusqlite::Result<Option<Object>> {
    match state.holder(CONTACTS, name, &value.trim().to_lowercase())? {
        Some(id) => living(&id, state),
        None => Ok(None),
    }
}

pub(super) fn by_id(id: &str, state: &State<'_>) -> rusqlite::Result<Option<Object>> {
    living(id, state)
}

pub(super) fn lists_of(contact: &Object) -> Vec<u64> {
    let ids = contact.properties.get("listIds").and_then(Json::as_array).into_iter().flatten();
    ids.filter_map(Json::as_u64).collect()
}

fn duplicate(call: &str, name: &str) -> Answer {
    let message = format!("Unable to {call} contact, {name} is already associated with another Contact");
    let body = json!({"code": "duplicate_parameter", "message": message, "metadata": {"duplicate_identifiers": [name]}});
    Answer::new(StatusCode::BAD_REQUEST, body)
}

/// A contact as answers show it.
fn shown(contact: &Object) -> Json {
    let own = |name: &str| contact.properties.get(name).cloned();
    let attributes: Map<String, Json> =
        contact.properties.iter().filter(|(name, _)| !OWN.contains(&name.as_str())).map(clone).collect();
    let mut shown = json!({
        "id": contact.id.parse::<u64>().unwrap_or_default(), "email": own("email"), "createdAt": contact.created_at,
        "modifiedAt": contact.updated_at, "emailBlacklisted": own("emailBlacklisted").unwrap_or(false.into()),
        "smsBlacklisted": own("smsBlacklisted").unwrap_or(false.into()), "listIds": lists_of(contact),
        "attributes": attributes,
    });
    if let Some(ext_id) = own("ext_id") {
        shown["ext_id"] = ext_id;
    }
    shown
}

fn clone((name, value): (&String, &Json)) -> (String, Json) {
    (name.clone(), value.clone())
}

/// Whether text is an address, by the little that all agree on.
pub(super) fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !"\"(),:;<>@[]\\".contains(c);
    !local.is_empty()
        && text.chars().filter(|c| *c != '@').all(plain)
        && !local.contains('@')
        && domain.split('.').count() > 1
        && domain.split('.').all(|label| !label.is_empty())
}

/// Makes a contact or changes it.
pub(super) fn change(account: &Account, found: Option<Object>, sent: &Sent, state: &State<'_>) -> Changed {
    let verb = if found.is_some() { "update" } else { "create" };
    let moved = sent.attributes.get("EMAIL").and_then(Json::as_str).filter(|text| !text.is_empty());
    let email = sent.email.as_deref().or(moved).map(|email| email.trim().to_lowercase());
    if email.as_deref().is_some_and(|email| !is_email(email)) {
        return Ok(Err(refused("invalid_parameter", "Invalid email address")));
    }
    if sent.list_ids.iter().chain(&sent.unlink_list_ids).any(|id| account.lists.get(*id).is_none()) {
        return Ok(Err(refused("invalid_parameter", "Invalid list ids")));
    }
    let created = found.is_none();
    let before = found.as_ref().map(|found| found.properties.clone()).unwrap_or_default();
    let mut contact = match found {
        Some(found) => found,
        None => blank(state)?,
    };
    for (name, value) in sent.attributes.iter().filter(|(name, _)| *name != "EMAIL") {
        let (attribute, taken) = account.attributes.take(name, value, state)?;
        if value.as_str().is_some_and(|text| attribute.refuse.iter().any(|refused| refused == text)) {
            return Ok(Err(refused("invalid_parameter", &format!("{name} is not valid"))));
        }
        match taken {
            Taken::Kept(value) => drop(contact.properties.insert(name.clone(), value)),
            Taken::Cleared => drop(contact.properties.remove(name)),
            Taken::Ignored => {}
        }
    }
    let phone =
        |text: &str| text.trim_start_matches('+').bytes().all(|byte| byte.is_ascii_digit()) && text.len() > 5;
    if contact.properties.get("SMS").and_then(Json::as_str).is_some_and(|sms| !phone(sms)) {
        return Ok(Err(refused("invalid_parameter", "Invalid phone number")));
    }
    let texts = [("email", email), ("ext_id", sent.ext_id.clone())];
    for (name, text) in texts.into_iter().filter_map(|(name, text)| Some((name, text?))) {
        match text.is_empty() {
            true => drop(contact.properties.remove(name)),
            false => drop(contact.properties.insert(name.to_owned(), text.into())),
        }
    }
    for (name, flag) in
        [("emailBlacklisted", sent.email_blacklisted), ("smsBlacklisted", sent.sms_blacklisted)]
    {
        if let Some(flag) = flag {
            contact.properties.insert(name.to_owned(), flag.into());
        }
    }
    let mut lists = lists_of(&contact);
    lists.extend(&sent.list_ids);
    lists.retain(|list| !sent.unlink_list_ids.contains(list));
    put_on(&mut contact, lists);
    keep(contact, (created, before, verb), state)
}

pub(super) fn put_on(contact: &mut Object, mut lists: Vec<u64>) {
    lists.sort_unstable();
    lists.dedup();
    contact.properties.insert("listIds".to_owned(), json!(lists));
}

fn blank(state: &State<'_>) -> rusqlite::Result<Object> {
    let now = now();
    Ok(Object {
        id: state.next_id(1)?.to_string(),
        archived: false,
        created_at: now.clone(),
        updated_at: now,
        properties: Map::new(),
    })
}

/// Stores a contact, unless another has one of its unique values.
fn keep(
    mut contact: Object,
    (created, before, verb): (bool, Map<String, Json>, &str),
    state: &State<'_>,
) -> Changed {
    let value =
        |of: &Map<String, Json>, name: &str| of.get(name).and_then(Json::as_str).map(str::to_lowercase);
    for name in UNIQUE {
        let (old, new) = (value(&before, name), value(&contact.properties, name));
        if old == new {
            continue;
        }
        if let Some(new) = &new
            && state.holder(CONTACTS, name, new)?.is_some()
        {
            return Ok(Err(duplicate(verb, name)));
        }
        if let Some(old) = old {
            state.release(CONTACTS, name, &old)?;
        }
        if let Some(new) = new {
            state.claim(CONTACTS, name, &new, &contact.id)?;
        }
    }
    contact.updated_at = now();
    if created {
        state.insert(CONTACTS, &contact)?;
    } else {
        state.save(CONTACTS, &contact)?;
    }
    Ok(Ok(contact))
}

fn remove(mut contact: Object, state: &State<'_>) -> rusqlite::Result<()> {
    for name in UNIQUE {
        if let Some(value) = contact.properties.get(name).and_then(Json::as_str) {
            state.release(CONTACTS, name, &value.to_lowercase())?;
        }
    }
    (contact.archived, contact.updated_at) = (true, now());
    state.save(CONTACTS, &contact)
}
