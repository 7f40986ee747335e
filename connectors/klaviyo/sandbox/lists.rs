//! Lists with their members, subscriptions, suppressions and deletions.

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::profiles::{self, PROFILES};
use super::{Account, errors, invalid, made, now, parse, refused, shown};
use crate::sandbox::vendor::{Answer, Request};
use crate::sandbox::{Object, State};

/// Most profiles of a call to a list or a subscription, and of a suppression.
const MEMBERS: usize = 1000;
const SUPPRESSED: usize = 100;
const SUPPRESSIONS: &str = "suppression_jobs";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    #[serde(rename = "type")]
    kind: String,
    id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Data<T> {
    data: T,
}

fn no_list(id: &str) -> Answer {
    refused(StatusCode::NOT_FOUND, "not_found", &format!("A list with id {id} does not exist."), "/data/id")
}

pub(super) fn list(account: &Account, id: &str) -> Answer {
    let Some(name) = account.lists.get(id) else { return no_list(id) };
    let time = "2026-01-01T00:00:00+00:00";
    let attributes =
        json!({"name": name, "created": time, "updated": time, "opt_in_process": "single_opt_in"});
    let links = json!({"self": format!("https://a.klaviyo.com/api/lists/{id}")});
    Answer::new(
        StatusCode::OK,
        json!({"data": {"type": "list", "id": id, "attributes": attributes, "links": links}}),
    )
}

/// Puts a profile on a list or takes it off.
pub(super) fn put_on(profile: &mut Object, list: &str, on: bool) {
    mark(profile, "lists", list, on);
}

fn mark(profile: &mut Object, name: &str, word: &str, on: bool) {
    let words = profile.properties.get(name).and_then(Json::as_array).cloned().unwrap_or_default();
    let mut words: Vec<Json> = words.into_iter().filter(|other| other != word).collect();
    words.extend(on.then(|| Json::from(word)));
    match words.is_empty() {
        true => profile.properties.remove(name),
        false => profile.properties.insert(name.to_owned(), words.into()),
    };
    profile.updated_at = now();
}

pub(super) fn members(
    account: &Account,
    id: &str,
    adds: bool,
    request: &Request,
    state: &State<'_>,
) -> rusqlite::Result<Answer> {
    if !account.lists.contains_key(id) {
        return Ok(no_list(id));
    }
    let named = match parse::<Data<Vec<Named>>>(request) {
        Ok(Data { data }) => data,
        Err(refusal) => return Ok(refusal),
    };
    if named.is_empty() || named.len() > MEMBERS || named.iter().any(|one| one.kind != "profile") {
        return Ok(invalid("1 to 1000 profiles are taken in one request", "/data"));
    }
    let mut faults = Vec::new();
    for (index, one) in named.iter().enumerate() {
        match profiles::living(&one.id, state)? {
            Some(mut profile) => {
                put_on(&mut profile, id, adds);
                state.save(PROFILES, &profile)?;
            }
            None => {
                let detail = format!("A profile with id {} does not exist.", one.id);
                let source = json!({"pointer": format!("/data/{index}/id")});
                faults.push(super::error("not_found", &detail, source));
            }
        }
    }
    Ok(match faults.is_empty() {
        true => Answer::empty(StatusCode::NO_CONTENT),
        // What was done before is undone with the answer.
        false => errors(StatusCode::NOT_FOUND, faults),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Job<A> {
    #[serde(rename = "type")]
    kind: String,
    attributes: A,
    relationships: Option<Related>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Related {
    list: Data<Named>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Profiles {
    profiles: Data<Vec<Profile>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct One {
    profile: Data<Profile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Profile {
    #[serde(rename = "type")]
    kind: String,
    id: Option<String>,
    attributes: Identified,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Identified {
    email: Option<String>,
    phone_number: Option<String>,
    subscriptions: Option<Json>,
}

impl Profile {
    fn found(&self, state: &State<'_>) -> rusqlite::Result<Option<Object>> {
        match (&self.id, &self.attributes.email, &self.attributes.phone_number) {
            (Some(id), ..) => profiles::living(id, state),
            (None, Some(email), _) => profiles::holder("email", email, state),
            (None, None, Some(phone)) => profiles::holder("phone_number", phone, state),
            _ => Ok(None),
        }
    }
}

/// Subscribes those that are there, and lifts what they were suppressed for.
pub(super) fn subscribe(account: &Account, request: &Request, state: &State<'_>) -> rusqlite::Result<Answer> {
    let job = match parse::<Data<Job<Profiles>>>(request) {
        Ok(Data { data }) if data.kind == "profile-subscription-bulk-create-job" => data,
        Ok(_) => return Ok(invalid("The type is not that of a subscription", "/data/type")),
        Err(refusal) => return Ok(refusal),
    };
    let list = job.relationships.map(|related| related.list.data.id);
    if let Some(id) = list.as_ref().filter(|id| !account.lists.contains_key(*id)) {
        return Ok(no_list(id));
    }
    let who = job.attributes.profiles.data;
    if who.is_empty() || who.len() > MEMBERS || who.iter().any(|one| one.kind != "profile") {
        return Ok(invalid("1 to 1000 profiles are taken in one request", "/data/attributes/profiles/data"));
    }
    for (index, one) in who.iter().enumerate() {
        let agreed = one.attributes.subscriptions.as_ref().and_then(Json::as_object);
        let known = |channel: &String| matches!(channel.as_str(), "email" | "sms");
        let Some(agreed) = agreed.filter(|agreed| !agreed.is_empty() && agreed.keys().all(known)) else {
            let pointer = format!("/data/attributes/profiles/data/{index}/attributes/subscriptions");
            return Ok(invalid("A subscription names its channels", &pointer));
        };
        let Some(mut profile) = one.found(state)? else { continue };
        agreed.keys().for_each(|channel| mark(&mut profile, "subscribed", channel, true));
        profile.properties.remove("suppressed");
        list.iter().for_each(|list| put_on(&mut profile, list, true));
        state.save(PROFILES, &profile)?;
    }
    Ok(Answer::empty(StatusCode::ACCEPTED))
}

/// Suppresses addresses; one that has no profile gets one.
pub(super) fn suppress(request: &Request, state: &State<'_>) -> rusqlite::Result<Answer> {
    let job = match parse::<Data<Job<Profiles>>>(request) {
        Ok(Data { data }) if data.kind == "profile-suppression-bulk-create-job" => data,
        Ok(_) => return Ok(invalid("The type is not that of a suppression", "/data/type")),
        Err(refusal) => return Ok(refusal),
    };
    let who = job.attributes.profiles.data;
    if who.is_empty() || who.len() > SUPPRESSED {
        return Ok(invalid("1 to 100 profiles are taken in one request", "/data/attributes/profiles/data"));
    }
    for (index, one) in who.iter().enumerate() {
        let Some(email) = one.attributes.email.as_deref().filter(|email| profiles::is_email(email)) else {
            let pointer = format!("/data/attributes/profiles/data/{index}/attributes/email");
            return Ok(invalid("Invalid email address", &pointer));
        };
        let mut profile = match one.found(state)? {
            Some(profile) => profile,
            None => {
                let mut profile = made("01SANDBX", Default::default(), state)?;
                profile.properties.insert("email".to_owned(), email.into());
                state.insert(PROFILES, &profile)?;
                state.claim(PROFILES, "email", &email.to_lowercase(), &profile.id)?;
                profile
            }
        };
        profile.properties.insert("suppressed".to_owned(), true.into());
        state.save(PROFILES, &profile)?;
    }
    let counts = json!({
        "status": "complete", "total_count": who.len(), "completed_count": who.len(), "skipped_count": 0,
        "completed_at": now(),
    });
    let job = made("SUPPRESS", counts.as_object().cloned().unwrap_or_default(), state)?;
    state.insert(SUPPRESSIONS, &job)?;
    // It is done, but the answer does not say so: a question for the job does.
    let mut taken = shown::suppression(&job);
    let hidden = json!({"status": "queued", "completed_count": 0, "completed_at": null});
    for (name, value) in hidden.as_object().into_iter().flatten() {
        taken["attributes"][name.as_str()] = value.clone();
    }
    Ok(Answer::new(StatusCode::ACCEPTED, json!({"data": taken})))
}

/// How far a suppression is.
pub(super) fn suppression(id: &str, state: &State<'_>) -> rusqlite::Result<Answer> {
    Ok(match state.get(SUPPRESSIONS, id)? {
        Some(job) => Answer::new(StatusCode::OK, json!({"data": shown::suppression(&job)})),
        None => {
            let detail = format!("A suppression with id {id} does not exist.");
            refused(StatusCode::NOT_FOUND, "not_found", &detail, "/data/id")
        }
    })
}

/// Removes a profile for good; what is not there is nobody's fault.
pub(super) fn delete(request: &Request, state: &State<'_>) -> rusqlite::Result<Answer> {
    let one = match parse::<Data<Job<One>>>(request) {
        Ok(Data { data }) if data.kind == "data-privacy-deletion-job" => data.attributes.profile.data,
        Ok(_) => return Ok(invalid("The type is not that of a deletion", "/data/type")),
        Err(refusal) => return Ok(refusal),
    };
    let given = [&one.id, &one.attributes.email, &one.attributes.phone_number];
    if given.iter().filter(|name| name.is_some()).count() != 1 {
        return Ok(invalid(
            "Exactly one of id, email and phone_number is taken",
            "/data/attributes/profile/data",
        ));
    }
    if let Some(profile) = one.found(state)? {
        for name in ["email", "phone_number", "external_id"] {
            if let Some(value) = profile.properties.get(name).and_then(Json::as_str) {
                let value = if name == "email" { value.to_lowercase() } else { value.to_owned() };
                state.release(PROFILES, name, &value)?;
            }
        }
        state.purge(PROFILES, &profile.id)?;
    }
    Ok(Answer::empty(StatusCode::ACCEPTED))
}
