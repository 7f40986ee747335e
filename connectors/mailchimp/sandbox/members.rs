//! Members of a list, as they are kept and shown.

use axum::http::StatusCode;
use jiff::Timestamp;
use serde_json::{Map, Value as Json, json};

use super::super::encode::hash;
use super::{Account, absent, invalid, not_allowed};
use crate::sandbox::vendor::{Answer, Request};
use crate::sandbox::{Object, State};

pub(super) const MEMBERS: &str = "members";
/// Where addresses that were removed for good are remembered.
pub(super) const FORGOTTEN: &str = "forgotten";

pub(super) fn now() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

pub(super) fn text_of<'a>(member: &'a Object, name: &str) -> &'a str {
    member.properties.get(name).and_then(Json::as_str).unwrap_or_default()
}

pub(super) fn id_of(list: &str, hash: &str) -> String {
    format!("{list}/{hash}")
}

pub(super) fn blank(list: &str, email: &str) -> Object {
    let now = now();
    let properties = Map::from_iter([("email_address".to_owned(), email.into())]);
    Object {
        id: id_of(list, &hash(email)),
        archived: false,
        created_at: now.clone(),
        updated_at: now,
        properties,
    }
}

/// The member with this hash, archived or not, and whether it is kept already: who left before is not until it is
/// changed.
pub(super) fn find(
    account: &Account,
    list: &str,
    hash: &str,
    state: &State<'_>,
) -> rusqlite::Result<Option<(Object, bool)>> {
    let hash = hash.to_lowercase();
    if let Some(member) = state.get(MEMBERS, &id_of(list, &hash))? {
        return Ok(Some((member, true)));
    }
    Ok(account.left.get(&hash).map(|email| {
        let mut member = blank(list, email);
        member.properties.insert("status".to_owned(), "unsubscribed".into());
        (member, false)
    }))
}

pub(super) fn keep(mut member: Object, is_kept: bool, state: &State<'_>) -> rusqlite::Result<Object> {
    member.archived = text_of(&member, "status") == "archived";
    member.updated_at = now();
    match is_kept {
        true => state.save(MEMBERS, &member)?,
        false => state.insert(MEMBERS, &member)?,
    }
    Ok(member)
}

/// A member as answers show it.
pub(super) fn shown(account: &Account, member: &Object, state: &State<'_>) -> rusqlite::Result<Json> {
    let own = |name: &str, usual: Json| member.properties.get(name).cloned().unwrap_or(usual);
    let (list, hash) = member.id.split_once('/').unwrap_or_default();
    let mut merge_fields = Map::new();
    for tag in account.merge_fields.all(state)?.into_keys() {
        let value = member.properties.get(&tag).cloned().unwrap_or_else(|| "".into());
        merge_fields.insert(tag, value);
    }
    let mut interests: Map<String, Json> =
        account.interests.keys().map(|id| (id.clone(), false.into())).collect();
    if let Some(chosen) = member.properties.get("interests").and_then(Json::as_object) {
        interests.extend(chosen.clone());
    }
    Ok(json!({
        "id": hash, "email_address": own("email_address", "".into()), "unique_email_id": &hash[..hash.len().min(10)],
        "contact_id": hash, "email_type": own("email_type", "html".into()), "status": own("status", "".into()),
        "merge_fields": merge_fields, "interests": interests, "ip_signup": own("ip_signup", "".into()),
        "timestamp_signup": own("timestamp_signup", "".into()), "last_changed": member.updated_at,
        "language": own("language", "".into()), "vip": own("vip", false.into()),
        "location": own("location", json!({"latitude": 0, "longitude": 0})), "source": "API - Generic",
        "tags_count": tags(member).len(), "tags": shown_tags(member), "list_id": list,
    }))
}

pub(super) fn tags(member: &Object) -> Vec<String> {
    let tags = member.properties.get("tags").and_then(Json::as_array).into_iter().flatten();
    tags.filter_map(Json::as_str).map(str::to_owned).collect()
}

/// A tag's number is the same wherever it is shown.
fn shown_tags(member: &Object) -> Vec<Json> {
    let number =
        |name: &str| name.bytes().fold(4_000_000u64, |sum, byte| sum * 31 % 9_999_991 + u64::from(byte));
    tags(member).iter().map(|name| json!({"id": number(name), "name": name})).collect()
}

/// Whether text is an address, by the little that all agree on.
pub(super) fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !"\"(),:;<>@[]\\".contains(c);
    !local.is_empty()
        && local.chars().all(plain)
        && domain.chars().all(plain)
        && domain.split('.').count() > 1
        && domain.split('.').all(|label| !label.is_empty())
}

/// Answers what is asked of one member, but for what changes its fields.
pub(super) fn one(
    account: &Account,
    (list, hash): (&str, &str),
    rest: &[&str],
    request: &Request,
    state: &State<'_>,
) -> rusqlite::Result<Answer> {
    let Some((member, is_kept)) = find(account, list, hash, state)? else { return Ok(absent()) };
    match (request.method.as_str(), rest) {
        ("GET", []) => Ok(Answer::new(StatusCode::OK, shown(account, &member, state)?)),
        ("GET", ["tags"]) => {
            let tags = shown_tags(&member);
            Ok(Answer::new(StatusCode::OK, json!({"total_items": tags.len(), "tags": tags})))
        }
        ("POST", ["tags"]) => tag(member, is_kept, request, state),
        ("DELETE", []) => archive(member, is_kept, state),
        ("POST", ["actions", "delete-permanent"]) => {
            let forgotten = Object { properties: Map::new(), archived: true, ..member.clone() };
            if state.get(FORGOTTEN, &member.id)?.is_none() {
                state.insert(FORGOTTEN, &forgotten)?;
            }
            state.purge(MEMBERS, &member.id)?;
            Ok(Answer::empty(StatusCode::NO_CONTENT))
        }
        _ => Ok(not_allowed("The requested method and resource are not compatible.")),
    }
}

fn archive(mut member: Object, is_kept: bool, state: &State<'_>) -> rusqlite::Result<Answer> {
    if matches!(text_of(&member, "status"), "archived" | "cleaned" | "pending") {
        let why = "Can not archive a contact that is bounced, pending or archived";
        return Ok(not_allowed(&format!("This list member cannot be removed. {why}")));
    }
    member.properties.insert("status".to_owned(), "archived".into());
    keep(member, is_kept, state)?;
    Ok(Answer::empty(StatusCode::NO_CONTENT))
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Tags {
    tags: Vec<Tag>,
    #[serde(default)]
    is_syncing: bool,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Tag {
    name: String,
    status: String,
}

fn tag(mut member: Object, is_kept: bool, request: &Request, state: &State<'_>) -> rusqlite::Result<Answer> {
    let sent: Tags = match super::parse(request) {
        Ok(sent) => sent,
        Err(refusal) => return Ok(refusal),
    };
    let valid =
        |tag: &Tag| !tag.name.trim().is_empty() && matches!(tag.status.as_str(), "active" | "inactive");
    if sent.is_syncing || !sent.tags.iter().all(valid) {
        return Ok(invalid("Each tag has a name, and the status active or inactive."));
    }
    let mut tags = tags(&member);
    for tag in &sent.tags {
        tags.retain(|name| !name.eq_ignore_ascii_case(&tag.name));
        tags.extend((tag.status == "active").then(|| tag.name.clone()));
    }
    tags.sort();
    match tags.is_empty() {
        true => drop(member.properties.remove("tags")),
        false => drop(member.properties.insert("tags".to_owned(), json!(tags))),
    }
    keep(member, is_kept, state)?;
    Ok(Answer::empty(StatusCode::NO_CONTENT))
}

/// A page of a list's members, or of those with one status.
pub(super) fn page(
    account: &Account,
    list: &str,
    request: &Request,
    state: &State<'_>,
) -> rusqlite::Result<Answer> {
    let number = |name: &str, usual: usize| request.query(name).map_or(Some(usual), |text| text.parse().ok());
    let (Some(count @ 0..=1000), Some(offset)) = (number("count", 10), number("offset", 0)) else {
        return Ok(invalid("count must be 0 to 1000, and offset a number"));
    };
    let (mut found, prefix) = (Vec::new(), id_of(list, ""));
    state.scan(MEMBERS, |member| {
        let status = text_of(&member, "status");
        let is_wanted = request.query("status").map_or(status != "archived", |wanted| wanted == status);
        if member.id.starts_with(&prefix) && is_wanted {
            found.push(member);
        }
        true
    })?;
    if request.query("sort_field") == Some("last_changed") {
        found.sort_by(|a, b| a.updated_at.cmp(&b.updated_at));
    }
    let total = found.len();
    let page: rusqlite::Result<Vec<Json>> =
        found.iter().skip(offset).take(count).map(|member| shown(account, member, state)).collect();
    Ok(Answer::new(StatusCode::OK, json!({"members": page?, "list_id": list, "total_items": total})))
}
