//! Imports: taken at once, done after some questions for them, with an error for each row that was refused.

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::profiles::{self, LONGEST, Sent};
use super::{Account, errors as all_errors, invalid, made, now, parse, refused, shown};
use crate::sandbox::vendor::{Answer, Request};
use crate::sandbox::{Object, State};

const JOBS: &str = "import_jobs";
const BYTES: usize = 5_000_000;
const PROFILES: usize = 10_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    data: Import,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Import {
    #[serde(rename = "type")]
    kind: String,
    attributes: Profiles,
    relationships: Option<Relationships>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Profiles {
    profiles: Many<Json>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Relationships {
    lists: Many<Named>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Many<T> {
    data: Vec<T>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    #[serde(rename = "type")]
    kind: String,
    id: String,
}

pub(super) fn start(account: &Account, request: &Request, state: &State<'_>) -> rusqlite::Result<Answer> {
    if request.body.len() > BYTES {
        return Ok(refused(
            StatusCode::PAYLOAD_TOO_LARGE,
            "invalid",
            "The payload is larger than 5MB",
            "/data",
        ));
    }
    let import = match parse::<Document>(request) {
        Ok(Document { data }) if data.kind == "profile-bulk-import-job" => data,
        Ok(_) => return Ok(invalid("The type must be `profile-bulk-import-job`", "/data/type")),
        Err(refusal) => return Ok(refusal),
    };
    let rows = import.attributes.profiles.data;
    if rows.is_empty() || rows.len() > PROFILES {
        return Ok(invalid("An import takes 1 to 10000 profiles", "/data/attributes/profiles/data"));
    }
    let lists = import.relationships.map(|related| related.lists.data).unwrap_or_default();
    if lists.len() > 1
        || lists.iter().any(|list| list.kind != "list" || !account.lists.contains_key(&list.id))
    {
        return Ok(invalid("The list does not exist", "/data/relationships/lists"));
    }
    let mut faults = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let pointer = format!("/data/attributes/profiles/data/{index}");
        let detail = match serde_json::from_value::<Sent>(row.clone()) {
            _ if row.to_string().len() > LONGEST => "The profile is larger than 100KB".to_owned(),
            Ok(sent) if sent.id.is_none() && sent.identifiers().next().is_none() => {
                "One of email, phone_number, external_id or id is needed".to_owned()
            }
            Ok(_) => continue,
            Err(error) => error.to_string(),
        };
        faults.push(super::error("invalid", &detail, json!({"pointer": pointer})));
    }
    if !faults.is_empty() {
        return Ok(all_errors(StatusCode::BAD_REQUEST, faults));
    }
    let properties = json!({
        "status": "queued", "total_count": rows.len(), "completed_count": 0, "failed_count": 0,
        "completed_at": null, "expires_at": null, "started_at": null,
        "asked": 0, "profiles": rows, "list": lists.first().map(|list| &list.id),
    });
    let mut job = made("IMPORT", properties.as_object().cloned().unwrap_or_default(), state)?;
    state.insert(JOBS, &job)?;
    let answer = Answer::new(StatusCode::ACCEPTED, json!({"data": shown::job(&job)}));
    if account.polls == 0 {
        run(account, &mut job, state)?;
        state.save(JOBS, &job)?;
    }
    Ok(answer)
}

fn absent(id: &str) -> Answer {
    refused(
        StatusCode::NOT_FOUND,
        "not_found",
        &format!("An import with id {id} does not exist."),
        "/data/id",
    )
}

/// How far an import is; the last question needed finds it done.
pub(super) fn progress(account: &Account, id: &str, state: &State<'_>) -> rusqlite::Result<Answer> {
    let Some(mut job) = state.get(JOBS, id)? else { return Ok(absent(id)) };
    if job.properties.contains_key("profiles") {
        let asked = job.properties.get("asked").and_then(Json::as_u64).unwrap_or_default() + 1;
        job.properties.insert("asked".to_owned(), asked.into());
        if asked < account.polls {
            job.properties.insert("status".to_owned(), "processing".into());
            job.properties.insert("started_at".to_owned(), now().into());
        } else {
            run(account, &mut job, state)?;
        }
        state.save(JOBS, &job)?;
    }
    Ok(Answer::new(StatusCode::OK, json!({"data": shown::job(&job)})))
}

/// Does the work. What is refused of a row is one of the job's errors.
fn run(account: &Account, job: &mut Object, state: &State<'_>) -> rusqlite::Result<()> {
    let rows = job.properties.remove("profiles");
    let list = job.properties.get("list").and_then(Json::as_str).map(str::to_owned);
    let (mut done, mut errors) = (0, Vec::new());
    for (index, row) in rows.as_ref().and_then(Json::as_array).into_iter().flatten().enumerate() {
        let Ok(sent) = serde_json::from_value::<Sent>(row.clone()) else { continue };
        match profiles::change(account, &sent, false, state)? {
            Ok((mut profile, _)) => {
                done += 1;
                if let Some(list) = &list {
                    super::lists::put_on(&mut profile, list, true);
                    state.save(profiles::PROFILES, &profile)?;
                }
            }
            Err(fault) => {
                let behind = if fault.field.is_empty() {
                    String::new()
                } else {
                    format!("/attributes/{}", fault.field)
                };
                let pointer = format!("/data/attributes/profiles/data/{index}{behind}");
                errors.push(json!({
                    "code": fault.code, "title": "Invalid input.", "detail": fault.detail,
                    "source": {"pointer": pointer}, "original_payload": row,
                }));
            }
        }
    }
    let mut set = |name: &str, value: Json| job.properties.insert(name.to_owned(), value);
    set("completed_count", done.into());
    set("failed_count", errors.len().into());
    set("errors", errors.into());
    set("status", "complete".into());
    set("completed_at", now().into());
    Ok(())
}

pub(super) fn errors(id: &str, request: &Request, state: &State<'_>) -> rusqlite::Result<Answer> {
    let Some(job) = state.get(JOBS, id)? else { return Ok(absent(id)) };
    let errors = job.properties.get("errors").and_then(Json::as_array).cloned().unwrap_or_default();
    let resource = |(number, attributes): (usize, Json)| json!({"type": "import-error", "id": format!("{id}-{number}"), "attributes": attributes});
    Ok(shown::page(request, errors.into_iter().enumerate().map(resource).collect()))
}

/// The imports, of which `filter` may ask for some by their status.
pub(super) fn open(request: &Request, state: &State<'_>) -> rusqlite::Result<Answer> {
    let wanted = request.query("filter").map(profiles::filter);
    if wanted.as_ref().is_some_and(|filter| filter.as_ref().is_none_or(|(name, _)| name != "status")) {
        return Ok(invalid("The sandbox takes a filter by status: any(status,[\"queued\"])", "/filter"));
    }
    let wanted = wanted.flatten().map(|(_, words)| words);
    let status = |properties: &Map<String, Json>| {
        properties.get("status").and_then(Json::as_str).unwrap_or_default().to_owned()
    };
    let mut all = Vec::new();
    state.scan(JOBS, |job| {
        if wanted.as_ref().is_none_or(|words| words.contains(&status(&job.properties))) {
            all.push(shown::job(&job));
        }
        true
    })?;
    Ok(shown::page(request, all))
}
