//! Members that are made and changed.

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::super::encode::hash;
use super::members::{self, FORGOTTEN, MEMBERS, blank, find, id_of, keep, text_of};
use super::{Account, absent, invalid, parse, problem};
use crate::sandbox::vendor::{Answer, Content, Request};
use crate::sandbox::{Object, State};

/// Most members of a call.
const MOST: usize = 500;

const STATUSES: [&str; 5] = ["subscribed", "unsubscribed", "cleaned", "pending", "transactional"];

/// What a request says of a member.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Sent {
    email_address: Option<String>,
    status: Option<String>,
    status_if_new: Option<String>,
    merge_fields: Map<String, Json>,
    interests: Map<String, Json>,
    tags: Option<Vec<String>>,
    email_type: Option<String>,
    language: Option<String>,
    vip: Option<bool>,
    location: Option<Json>,
    ip_signup: Option<String>,
    timestamp_signup: Option<String>,
    ip_opt: Option<String>,
    timestamp_opt: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Many {
    members: Vec<Sent>,
    #[serde(default)]
    update_existing: bool,
    #[serde(default)]
    sync_tags: bool,
}

/// How a member is written.
#[derive(Debug, Clone, Copy)]
struct How<'a> {
    list: &'a str,
    /// Merge fields that are required may be missing.
    skips: bool,
}

/// What writing a member comes to: its refusal, or the member and whether it is new.
type Written = rusqlite::Result<Result<(Object, bool), Answer>>;

fn how<'a>(list: &'a str, request: &Request) -> How<'a> {
    How { list, skips: request.query("skip_merge_validation") == Some("true") }
}

/// `PUT` and `PATCH` of one member.
pub(super) fn one(
    account: &Account,
    (list, at): (&str, &str),
    request: &Request,
    state: &State<'_>,
) -> rusqlite::Result<Answer> {
    let sent: Sent = match parse(request) {
        Ok(sent) => sent,
        Err(refusal) => return Ok(refusal),
    };
    let found = find(account, list, at, state)?;
    let makes = request.method == "PUT";
    let how = how(list, request);
    if sent.tags.is_some() || (!makes && sent.status_if_new.is_some()) {
        return Ok(invalid("Schema describes other fields."));
    }
    let written = match found {
        Some(found) => change(account, found, &sent, (how, false), state)?,
        None if !makes => return Ok(absent()),
        None => {
            let status = sent.status.clone().or_else(|| sent.status_if_new.clone());
            make(account, &Sent { status, ..sent }, how, state)?
        }
    };
    shown(account, written, state)
}

/// `POST` of one member: makes it, or brings it back where it is archived.
pub(super) fn add(
    account: &Account,
    list: &str,
    request: &Request,
    state: &State<'_>,
) -> rusqlite::Result<Answer> {
    let sent: Sent = match parse(request) {
        Ok(sent) => sent,
        Err(refusal) => return Ok(refusal),
    };
    if sent.status_if_new.is_some() {
        return Ok(invalid("Schema describes other fields."));
    }
    let email = sent.email_address.clone().unwrap_or_default();
    let how = how(list, request);
    let written = match find(account, list, &hash(&email), state)? {
        Some((member, _)) if text_of(&member, "status") != "archived" => Err(exists(&email)),
        Some(archived) => change(account, archived, &sent, (how, true), state)?,
        None => make(account, &sent, how, state)?,
    };
    shown(account, written, state)
}

fn shown(
    account: &Account,
    written: Result<(Object, bool), Answer>,
    state: &State<'_>,
) -> rusqlite::Result<Answer> {
    Ok(match written {
        Ok((member, _)) => Answer::new(StatusCode::OK, members::shown(account, &member, state)?),
        Err(refusal) => refusal,
    })
}

/// `POST /lists/{id}`: each member by itself.
pub(super) fn many(
    account: &Account,
    list: &str,
    request: &Request,
    state: &State<'_>,
) -> rusqlite::Result<Answer> {
    let many: Many = match parse(request) {
        Ok(many) => many,
        Err(refusal) => return Ok(refusal),
    };
    if !(1..=MOST).contains(&many.members.len()) {
        return Ok(invalid("The number of members must be between 1 and 500."));
    }
    let how = how(list, request);
    let (mut new, mut updated, mut errors, mut seen) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for sent in &many.members {
        let email = sent.email_address.clone().unwrap_or_default();
        let at = hash(&email);
        let written = match find(account, list, &at, state)? {
            _ if sent.status_if_new.is_some() || sent.status.is_none() || many.sync_tags => {
                Err(invalid("Schema describes other fields."))
            }
            _ if seen.contains(&at) => Err(invalid("This address is in the request twice.")),
            Some(_) if !many.update_existing => Err(exists(&email)),
            Some(found) => change(account, found, sent, (how, true), state)?,
            None => make(account, sent, how, state)?,
        };
        seen.push(at);
        match written {
            Ok((member, true)) => new.push(members::shown(account, &member, state)?),
            Ok((member, false)) => updated.push(members::shown(account, &member, state)?),
            Err(refusal) => errors.push(of_row(&email, &refusal)),
        }
    }
    let body = json!({
        "total_created": new.len(), "total_updated": updated.len(), "error_count": errors.len(),
        "new_members": new, "updated_members": updated, "errors": errors,
    });
    Ok(Answer::new(StatusCode::OK, body))
}

fn of_row(email: &str, refusal: &Answer) -> Json {
    let Some(Content::Json(body)) = &refusal.body else { return json!({"email_address": email}) };
    let fault = &body["errors"][0];
    let code = if body["title"] == "Member Exists" { "ERROR_CONTACT_EXISTS" } else { "ERROR_GENERIC" };
    json!({
        "email_address": email, "error": body["detail"], "error_code": code,
        "field": fault["field"].as_str().unwrap_or_default(), "field_message": fault["message"].as_str().unwrap_or_default(),
    })
}

fn exists(email: &str) -> Answer {
    let detail = format!("{email} is already a list member. Use PUT to insert or update list members.");
    problem(StatusCode::BAD_REQUEST, "Member Exists", &detail)
}

/// What is wrong with an address.
fn fault_of(email: &str) -> Option<Answer> {
    match members::is_email(email) {
        false => Some(invalid("Please provide a valid email address.")),
        true if email.to_lowercase().starts_with("foo@") => {
            Some(invalid(&format!("{email} looks fake or invalid, please enter a real email address.")))
        }
        true => None,
    }
}

fn make(account: &Account, sent: &Sent, how: How<'_>, state: &State<'_>) -> Written {
    let email = sent.email_address.clone().unwrap_or_default();
    if let Some(refusal) = fault_of(&email) {
        return Ok(Err(refusal));
    }
    let at = hash(&email);
    if find(account, how.list, &at, state)?.is_some() {
        return Ok(Err(exists(&email)));
    }
    if state.get(FORGOTTEN, &id_of(how.list, &at))?.is_some() {
        let detail = format!("{email} was permanently deleted and cannot be re-imported.");
        return Ok(Err(problem(StatusCode::BAD_REQUEST, "Forgotten Email Not Subscribed", &detail)));
    }
    if sent.status.is_none() {
        return Ok(Err(invalid("A new member needs a status.")));
    }
    let mut member = blank(how.list, &email);
    member.properties.insert("status".to_owned(), "".into());
    Ok(match put(account, &mut member, sent, (how, true), state)? {
        Some(refusal) => Err(refusal),
        None => Ok((keep(member, false, state)?, true)),
    })
}

/// Changes a member; one that is archived comes back only where it is being `made`.
fn change(
    account: &Account,
    (mut member, mut is_kept): (Object, bool),
    sent: &Sent,
    (how, made): (How<'_>, bool),
    state: &State<'_>,
) -> Written {
    let archived = text_of(&member, "status") == "archived";
    let sent = match archived && !made {
        true => Sent { status: None, ..sent.clone() },
        false => sent.clone(),
    };
    if let Some(email) = &sent.email_address {
        if let Some(refusal) = fault_of(email) {
            return Ok(Err(refusal));
        }
        let (old, new) = (member.id.clone(), id_of(how.list, &hash(email)));
        if new != old {
            if find(account, how.list, &hash(email), state)?.is_some() {
                return Ok(Err(exists(email)));
            }
            if let Some(refusal) = put(account, &mut member, &sent, (how, false), state)? {
                return Ok(Err(refusal));
            }
            state.purge(MEMBERS, &old)?;
            (member.id, is_kept) = (new, false);
        }
        member.properties.insert("email_address".to_owned(), email.clone().into());
    }
    Ok(match put(account, &mut member, &sent, (how, made), state)? {
        Some(refusal) => Err(refusal),
        None => Ok((keep(member, is_kept, state)?, archived && made)),
    })
}

/// Puts what was sent into a member; its refusal, before anything is kept.
fn put(
    account: &Account,
    member: &mut Object,
    sent: &Sent,
    (how, made): (How<'_>, bool),
    state: &State<'_>,
) -> rusqlite::Result<Option<Answer>> {
    let left = account.left.contains_key(&hash(text_of(member, "email_address")));
    for status in sent.status.iter() {
        if !STATUSES.contains(&status.as_str()) {
            return Ok(Some(super::invalid_field("Invalid status.", "status", "The value is not allowed.")));
        }
        if left && !matches!(status.as_str(), "unsubscribed" | "cleaned") {
            let detail = format!(
                "{} is in a compliance state due to unsubscribe, bounce, or compliance review and cannot be subscribed.",
                text_of(member, "email_address")
            );
            return Ok(Some(problem(StatusCode::BAD_REQUEST, "Member In Compliance State", &detail)));
        }
        member.properties.insert("status".to_owned(), status.clone().into());
    }
    if let Some(id) = sent.interests.keys().find(|id| !account.interests.contains_key(*id)) {
        return Ok(Some(invalid(&format!("Invalid interest ID: '{id}'."))));
    }
    let mut chosen =
        member.properties.get("interests").and_then(Json::as_object).cloned().unwrap_or_default();
    chosen.extend(sent.interests.clone());
    if !chosen.is_empty() {
        member.properties.insert("interests".to_owned(), Json::Object(chosen));
    }
    let texts = [
        ("email_type", &sent.email_type),
        ("language", &sent.language),
        ("ip_signup", &sent.ip_signup),
        ("timestamp_signup", &sent.timestamp_signup),
        ("ip_opt", &sent.ip_opt),
        ("timestamp_opt", &sent.timestamp_opt),
    ];
    for (name, text) in texts.into_iter().filter_map(|(name, text)| Some((name, text.clone()?))) {
        member.properties.insert(name.to_owned(), text.into());
    }
    if let Some(vip) = sent.vip {
        member.properties.insert("vip".to_owned(), vip.into());
    }
    if let Some(location) = &sent.location {
        member.properties.insert("location".to_owned(), location.clone());
    }
    if let Some(tags) = &sent.tags {
        member.properties.insert("tags".to_owned(), json!(tags));
    }
    account.merge_fields.take(&sent.merge_fields, &mut member.properties, made && !how.skips, state)
}
