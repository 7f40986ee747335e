//! Contacts: upserts and removals, which jobs do later, and searches.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::fields::{self, RESERVED};
use super::{Account, absent, jobs, parse, refused, uuid};
use crate::sandbox::vendor::{Answer, Request};
use crate::sandbox::{Object, State};

pub(super) const CONTACTS: &str = "contacts";
/// Most contacts and bytes of a call.
const CALL: (usize, usize) = (30_000, 6_000_000);
/// Most identifiers of a search.
const SEARCHED: usize = 100;
pub(super) const IDENTIFIERS: [&str; 4] = ["email", "phone_number_id", "external_id", "anonymous_id"];
/// Longest texts, by the document.
const LENGTHS: [(&str, usize); 10] = [
    ("email", 254),
    ("external_id", 254),
    ("anonymous_id", 254),
    ("first_name", 50),
    ("last_name", 50),
    ("address_line_1", 100),
    ("address_line_2", 100),
    ("city", 60),
    ("country", 50),
    ("state_province_region", 50),
];

pub(super) fn now() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Upsert {
    #[serde(default)]
    list_ids: Vec<String>,
    contacts: Vec<Map<String, Json>>,
}

pub(super) fn put(account: &Account, request: &Request, state: &State<'_>) -> rusqlite::Result<Answer> {
    if request.body.len() > CALL.1 {
        return Ok(refused("", "the body has more than 6 MB"));
    }
    let upsert: Upsert = match parse(request) {
        Ok(upsert) => upsert,
        Err(refusal) => return Ok(refusal),
    };
    if !(1..=CALL.0).contains(&upsert.contacts.len()) {
        return Ok(refused("contacts", "contacts must have 1 to 30000 elements"));
    }
    if let Some(id) = upsert.list_ids.iter().find(|id| !account.lists.has(id)) {
        return Ok(absent(&format!("list {id} does not exist")));
    }
    let known: BTreeSet<String> = account.fields.all(state)?.into_iter().map(|(_, id, _)| id).collect();
    let errors: Vec<Json> = upsert
        .contacts
        .iter()
        .enumerate()
        .filter_map(|(at, contact)| {
            let (field, message) = flaw(contact, &known)?;
            Some(json!({"field": format!("contacts[{at}]{field}"), "message": message}))
        })
        .collect();
    if !errors.is_empty() {
        return Ok(Answer::new(StatusCode::BAD_REQUEST, json!({"errors": errors})));
    }
    let payload = json!({"contacts": upsert.contacts, "list_ids": upsert.list_ids});
    let job = jobs::begin(account, "upsert", payload, state)?;
    Ok(Answer::new(StatusCode::ACCEPTED, json!({"job_id": job})))
}

/// What is wrong with a contact, at which field of it.
fn flaw(contact: &Map<String, Json>, custom: &BTreeSet<String>) -> Option<(String, String)> {
    let at = |name: &str, message: String| Some((format!(".{name}"), message));
    for (name, value) in contact {
        match (name.as_str(), value) {
            ("custom_fields", Json::Object(fields)) => {
                if let Some(id) = fields.keys().find(|id| !custom.contains(*id)) {
                    return at("custom_fields", format!("custom field '{id}' does not exist"));
                }
            }
            ("alternate_emails", Json::Array(emails))
                if emails.len() <= 5 && emails.iter().all(Json::is_string) => {}
            ("custom_fields" | "alternate_emails", _) => return at(name, format!("{name} is not valid")),
            (known, Json::String(text)) if RESERVED.contains(&known) => {
                let longest = LENGTHS.iter().find(|(field, _)| *field == known).map(|(_, longest)| *longest);
                if longest.is_some_and(|longest| text.chars().count() > longest) {
                    return at(name, format!("{name} is too long"));
                }
            }
            (known, _) if RESERVED.contains(&known) => return at(name, format!("{name} must be a string")),
            _ => return at(name, format!("unknown field '{name}'")),
        }
    }
    let text = |name: &str| contact.get(name).and_then(Json::as_str).filter(|text| !text.is_empty());
    match contact.get("email").and_then(Json::as_str) {
        Some(email) if !is_email(email) => at("email", format!("email '{email}' is not valid")),
        _ if IDENTIFIERS.iter().all(|name| text(name).is_none()) => {
            Some((String::new(), "at least one identifier is required".to_owned()))
        }
        _ => None,
    }
}

/// Whether text is an address, by the little that all agree on.
pub(super) fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let is_plain =
        text.chars().all(|c| !c.is_whitespace() && !c.is_control() && !"\"(),:;<>[]\\".contains(c));
    is_plain
        && !local.is_empty()
        && !local.contains('@')
        && domain.split('.').count() > 1
        && domain.split('.').all(|label| !label.is_empty())
}

fn value_of(properties: &Map<String, Json>, name: &str) -> Option<String> {
    let text = properties.get(name)?.as_str().filter(|text| !text.is_empty())?;
    Some(if name == "email" { text.trim().to_lowercase() } else { text.to_owned() })
}

/// The contact that has this identifier.
pub(super) fn holder(name: &str, value: &str, state: &State<'_>) -> rusqlite::Result<Option<Object>> {
    let value = if name == "email" { value.trim().to_lowercase() } else { value.to_owned() };
    match state.holder(CONTACTS, name, &value)? {
        Some(id) => Ok(state.get(CONTACTS, &id)?.filter(|contact| !contact.archived)),
        None => Ok(None),
    }
}

/// Does what a job has for one contact: whether it is new, or why it is refused.
pub(super) fn apply(
    account: &Account,
    sent: &Map<String, Json>,
    lists: &[String],
    state: &State<'_>,
) -> rusqlite::Result<Result<bool, String>> {
    if let Some(email) = value_of(sent, "email").filter(|email| !is_email(email)) {
        return Ok(Err(format!("email '{email}' is not valid")));
    }
    let mut found: Vec<Object> = Vec::new();
    for name in IDENTIFIERS {
        if let Some(value) = value_of(sent, name)
            && let Some(contact) = holder(name, &value, state)?
            && found.iter().all(|known| known.id != contact.id)
        {
            found.push(contact);
        }
    }
    if found.len() > 1 {
        return Ok(Err("the identifiers belong to several contacts".to_owned()));
    }
    let is_new = found.is_empty();
    let now = now();
    let mut contact = match found.pop() {
        Some(contact) => contact,
        None => Object {
            id: uuid(state.next_id(1)?),
            archived: false,
            created_at: now.clone(),
            updated_at: now.clone(),
            properties: Map::new(),
        },
    };
    for name in IDENTIFIERS {
        let (had, has) = (value_of(&contact.properties, name), value_of(sent, name));
        if had.is_some() && had != has {
            return Ok(Err(format!("the contact's existing identifier {name} must be present")));
        }
    }
    if let Err(why) = change(account, &mut contact.properties, sent, state)? {
        return Ok(Err(why));
    }
    put_on(&mut contact.properties, lists);
    for name in IDENTIFIERS {
        if let Some(value) = value_of(&contact.properties, name)
            && state.holder(CONTACTS, name, &value)?.is_none()
        {
            state.claim(CONTACTS, name, &value, &contact.id)?;
        }
    }
    contact.updated_at = now;
    match is_new {
        true => state.insert(CONTACTS, &contact)?,
        false => state.save(CONTACTS, &contact)?,
    }
    Ok(Ok(is_new))
}

/// Sets the values of one contact, custom ones by their names.
fn change(
    account: &Account,
    properties: &mut Map<String, Json>,
    sent: &Map<String, Json>,
    state: &State<'_>,
) -> rusqlite::Result<Result<(), String>> {
    let mut values: Vec<(String, Option<Json>)> = Vec::new();
    for (name, value) in sent.iter().filter(|(name, _)| *name != "custom_fields") {
        let value = if name == "email" { json!(value_of(sent, name)) } else { value.clone() };
        let is_empty = value == "" || value == json!([]);
        values.push((name.clone(), (!is_empty).then_some(value)));
    }
    let definitions = account.fields.all(state)?;
    for (id, value) in sent.get("custom_fields").and_then(Json::as_object).into_iter().flatten() {
        let Some((name, _, kind)) = definitions.iter().find(|(_, known, _)| known == id) else {
            return Ok(Err(format!("custom field {id} does not exist")));
        };
        match fields::taken(kind, value) {
            Ok(value) => values.push((name.clone(), value)),
            Err(why) => return Ok(Err(format!("{name} {why}"))),
        }
    }
    for (name, value) in values {
        match value {
            Some(value) if account.fields.refuses(&name, &value) => {
                return Ok(Err(format!("{name} is not allowed")));
            }
            Some(value) => drop(properties.insert(name, value)),
            None => drop(properties.remove(&name)),
        }
    }
    Ok(Ok(()))
}

fn lists_of(properties: &Map<String, Json>) -> BTreeSet<String> {
    let ids = properties.get("list_ids").and_then(Json::as_array).into_iter().flatten();
    ids.filter_map(|id| id.as_str().map(str::to_owned)).collect()
}

fn put_on(properties: &mut Map<String, Json>, lists: &[String]) {
    let mut all = lists_of(properties);
    all.extend(lists.iter().cloned());
    properties.insert("list_ids".to_owned(), json!(all));
}

/// Takes a contact off a list; one that is not on it stays as it was.
pub(super) fn take_off(id: &str, list: &str, state: &State<'_>) -> rusqlite::Result<()> {
    let Some(mut contact) = state.get(CONTACTS, id)?.filter(|contact| !contact.archived) else {
        return Ok(());
    };
    let mut all = lists_of(&contact.properties);
    if all.remove(list) {
        contact.properties.insert("list_ids".to_owned(), json!(all));
        contact.updated_at = now();
        state.save(CONTACTS, &contact)?;
    }
    Ok(())
}

/// `DELETE ?ids=`: the ids are not looked at before the job does it.
pub(super) fn delete(account: &Account, request: &Request, state: &State<'_>) -> rusqlite::Result<Answer> {
    let ids: Vec<&str> =
        request.query("ids").unwrap_or_default().split(',').filter(|id| !id.is_empty()).collect();
    if ids.is_empty() {
        return Ok(refused("ids", "the sandbox deletes contacts by ids alone"));
    }
    let job = jobs::begin(account, "delete", json!({"ids": ids}), state)?;
    Ok(Answer::new(StatusCode::ACCEPTED, json!({"job_id": job})))
}

/// Whether there was one to remove.
pub(super) fn remove(id: &str, state: &State<'_>) -> rusqlite::Result<bool> {
    let Some(mut contact) = state.get(CONTACTS, id)?.filter(|contact| !contact.archived) else {
        return Ok(false);
    };
    for name in IDENTIFIERS {
        if let Some(value) = value_of(&contact.properties, name) {
            state.release(CONTACTS, name, &value)?;
        }
    }
    (contact.archived, contact.updated_at) = (true, now());
    state.save(CONTACTS, &contact)?;
    Ok(true)
}

/// A contact as answers show it.
fn shown(contact: &Object) -> Json {
    let mut shown = json!({
        "id": contact.id, "list_ids": lists_of(&contact.properties), "segment_ids": null,
        "created_at": contact.created_at, "updated_at": contact.updated_at, "custom_fields": {},
    });
    for name in RESERVED {
        let empty = if name == "alternate_emails" { json!([]) } else { json!("") };
        shown[name] = contact.properties.get(name).cloned().unwrap_or(empty);
    }
    for (name, value) in &contact.properties {
        if name != "list_ids" && !RESERVED.contains(&name.as_str()) {
            shown["custom_fields"][name] = value.clone();
        }
    }
    shown
}

/// By identifiers of one kind, under this key of the body.
pub(super) fn search_by(
    kind: &str,
    key: &str,
    request: &Request,
    state: &State<'_>,
) -> rusqlite::Result<Answer> {
    if !IDENTIFIERS.contains(&kind) {
        return Ok(refused("identifier_type", "identifier_type is not valid"));
    }
    let body: Map<String, Json> = match parse(request) {
        Ok(body) => body,
        Err(refusal) => return Ok(refusal),
    };
    let texts: Option<Vec<&str>> =
        body.get(key).and_then(Json::as_array).and_then(|texts| texts.iter().map(Json::as_str).collect());
    let texts = match texts {
        Some(texts) if body.len() == 1 && (1..=SEARCHED).contains(&texts.len()) => texts,
        _ => return Ok(refused(key, "1 to 100 identifiers are searched for at once")),
    };
    if kind == "email" && texts.iter().any(|text| !is_email(text)) {
        return Ok(refused(key, "an address is not valid"));
    }
    let (mut result, mut any) = (Map::new(), false);
    for text in texts {
        let name = if kind == "email" { text.trim().to_lowercase() } else { text.to_owned() };
        let entry = match holder(kind, text, state)? {
            Some(contact) => {
                any = true;
                json!({"contact": shown(&contact)})
            }
            None => json!({"error": "contact not found"}),
        };
        result.insert(name, entry);
    }
    match any {
        true => Ok(Answer::new(StatusCode::OK, json!({"result": result}))),
        false => Ok(absent("no contacts were found")),
    }
}

/// `email = '..'` is all of the query language that is spoken here.
pub(super) fn search(request: &Request, state: &State<'_>) -> rusqlite::Result<Answer> {
    let body: Json = match parse(request) {
        Ok(body) => body,
        Err(refusal) => return Ok(refusal),
    };
    let query = body.get("query").and_then(Json::as_str).unwrap_or_default();
    let Some(email) = query.strip_prefix("email = '").and_then(|rest| rest.strip_suffix('\'')) else {
        return Ok(refused("query", "the sandbox searches by `email = '..'` alone"));
    };
    let found: Vec<Json> = holder("email", email, state)?.iter().map(shown).collect();
    Ok(Answer::new(StatusCode::OK, json!({"contact_count": found.len(), "result": found})))
}
