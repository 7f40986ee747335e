//! Jobs: taken at once, done after some questions for them; what they refuse stands in a file.

use std::io::Read;

use axum::http::{StatusCode, header};
use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::contacts::{self, IDENTIFIERS, now};
use super::fields::RESERVED;
use super::{Account, absent, parse, refused, uuid};
use crate::sandbox::vendor::{Answer, Request};
use crate::sandbox::{Object, State};

const JOBS: &str = "jobs";

/// Takes a job; it is done at once where nobody has to ask for it.
pub(super) fn begin(
    account: &Account,
    kind: &str,
    payload: Json,
    state: &State<'_>,
) -> rusqlite::Result<String> {
    let (id, now) = (uuid(state.next_id(1)?), now());
    let properties = json!({"kind": kind, "status": "pending", "asked": 0, "payload": payload});
    let mut job = Object {
        id: id.clone(),
        archived: false,
        created_at: now.clone(),
        updated_at: now,
        properties: properties.as_object().cloned().unwrap_or_default(),
    };
    if account.polls == 0 && !payload.is_null() {
        run(account, &mut job, state)?;
    }
    state.insert(JOBS, &job)?;
    Ok(id)
}

/// How far a job is; the last question needed finds it done.
pub(super) fn status(
    account: &Account,
    id: &str,
    request: &Request,
    state: &State<'_>,
) -> rusqlite::Result<Answer> {
    let Some(mut job) = state.get(JOBS, id)? else { return Ok(absent("job not found")) };
    let has_work = job.properties.get("payload").is_some_and(|payload| !payload.is_null());
    if has_work {
        let asked = job.properties.get("asked").and_then(Json::as_u64).unwrap_or_default() + 1;
        job.properties.insert("asked".to_owned(), asked.into());
        if asked >= account.polls {
            run(account, &mut job, state)?;
        }
        state.save(JOBS, &job)?;
    }
    let own = |name: &str| job.properties.get(name).cloned().unwrap_or_default();
    let mut body = json!({
        "id": id, "status": own("status"), "job_type": if own("kind") == "delete" { "delete" } else { "upsert" },
        "started_at": job.created_at,
    });
    if let Some(results) = job.properties.get("results") {
        body["results"] = results.clone();
        body["finished_at"] = job.updated_at.clone().into();
        if job.properties.contains_key("errors") {
            body["results"]["errors_url"] =
                format!("{}/__files/errors/{id}?signature=s3cr3t", home(request)).into();
        }
    }
    Ok(Answer::new(StatusCode::OK, body))
}

/// Where this sandbox stands, as the client calls it.
fn home(request: &Request) -> String {
    let host = request.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("127.0.0.1");
    format!("http://{host}/sendgrid")
}

/// Does what a job has to do.
fn run(account: &Account, job: &mut Object, state: &State<'_>) -> rusqlite::Result<()> {
    let payload = job.properties.remove("payload").unwrap_or_default();
    let ids = || payload["ids"].as_array().into_iter().flatten().filter_map(Json::as_str);
    let kind = job.properties.get("kind").and_then(Json::as_str).unwrap_or_default().to_owned();
    let (mut created, mut updated, mut deleted, mut errors) = (0_u64, 0_u64, 0_u64, Vec::new());
    match kind.as_str() {
        "delete" => {
            for id in ids() {
                deleted += u64::from(contacts::remove(id, state)?);
            }
        }
        "leave" => {
            for id in ids() {
                contacts::take_off(id, payload["list"].as_str().unwrap_or_default(), state)?;
            }
        }
        _ => {
            let lists: Vec<String> = serde_json::from_value(payload["list_ids"].clone()).unwrap_or_default();
            for contact in payload["contacts"].as_array().into_iter().flatten().filter_map(Json::as_object) {
                match contacts::apply(account, contact, &lists, state)? {
                    Ok(true) => created += 1,
                    Ok(false) => updated += 1,
                    Err(why) => errors.push(line(contact, &why)),
                }
            }
        }
    }
    let done = created + updated;
    let status = match (errors.len(), done) {
        (0, _) => "completed",
        (_, 0) => "failed",
        _ => "errored",
    };
    let results = match kind.as_str() {
        "delete" => json!({"requested_count": ids().count(), "deleted_count": deleted}),
        "leave" => json!({"requested_count": ids().count()}),
        _ => json!({
            "requested_count": done + errors.len() as u64, "created_count": created, "updated_count": updated,
            "errored_count": errors.len(),
        }),
    };
    job.properties.insert("status".to_owned(), status.into());
    job.properties.insert("results".to_owned(), results);
    if !errors.is_empty() {
        job.properties.insert("errors".to_owned(), json!(errors));
    }
    job.updated_at = now();
    Ok(())
}

/// A line of the file of errors: the identifiers, and why.
fn line(contact: &Map<String, Json>, why: &str) -> Vec<String> {
    let text = |name: &&str| contact.get(*name).and_then(Json::as_str).unwrap_or_default().to_owned();
    IDENTIFIERS.iter().map(text).chain([why.to_owned()]).collect()
}

/// The file of a job's errors.
pub(super) fn errors(id: &str, state: &State<'_>) -> rusqlite::Result<Answer> {
    let lines = state.get(JOBS, id)?.and_then(|job| job.properties.get("errors").cloned());
    let Some(lines) = lines else { return Ok(absent("no such file")) };
    let mut file = csv::Writer::from_writer(Vec::new());
    let header: Vec<String> =
        IDENTIFIERS.iter().map(|name| (*name).to_owned()).chain(["error".to_owned()]).collect();
    let lines: Vec<Vec<String>> = serde_json::from_value(lines).unwrap_or_default();
    let written = [header].iter().chain(&lines).try_for_each(|line| file.write_record(line));
    match (written, file.into_inner()) {
        (Ok(()), Ok(text)) => Ok(Answer::csv(text)),
        _ => Ok(refused("", "the file cannot be written")),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Import {
    #[serde(default)]
    list_ids: Vec<String>,
    file_type: String,
    field_mappings: Vec<Option<String>>,
}

/// An import, which waits for its file.
pub(super) fn import(account: &Account, request: &Request, state: &State<'_>) -> rusqlite::Result<Answer> {
    let import: Import = match parse(request) {
        Ok(import) => import,
        Err(refusal) => return Ok(refusal),
    };
    if import.file_type != "csv" {
        return Ok(refused("file_type", "file_type must be csv"));
    }
    if import.list_ids.iter().any(|id| !account.lists.has(id)) {
        return Ok(absent("a list does not exist"));
    }
    let custom = account.fields.all(state)?;
    let mut columns: Vec<Option<(String, bool)>> = Vec::new();
    for id in &import.field_mappings {
        let Some(id) = id else {
            columns.push(None);
            continue;
        };
        let own = id.strip_prefix("_rf").and_then(|rest| rest.split('_').next()?.parse::<usize>().ok());
        let reserved = own.and_then(|at| RESERVED.get(at));
        match (reserved, custom.iter().any(|(_, known, _)| known == id)) {
            (Some(name), _) => columns.push(Some(((*name).to_owned(), false))),
            (None, true) => columns.push(Some((id.clone(), true))),
            (None, false) => return Ok(refused("field_mappings", &format!("unknown field id {id}"))),
        }
    }
    let is_identified = columns.iter().flatten().any(|(name, _)| IDENTIFIERS.contains(&name.as_str()));
    if !is_identified {
        return Ok(refused("field_mappings", "at least one identifier is required"));
    }
    let job = begin(account, "import", Json::Null, state)?;
    if let Some(mut made) = state.get(JOBS, &job)? {
        made.properties.insert("columns".to_owned(), json!(columns));
        made.properties.insert("list_ids".to_owned(), json!(import.list_ids));
        state.save(JOBS, &made)?;
    }
    let uri = format!("{}/__files/imports/{job}?signature=s3cr3t", home(request));
    let headers = [json!({"header": "x-amz-server-side-encryption", "value": "aws:kms"})];
    Ok(Answer::new(StatusCode::OK, json!({"job_id": job, "upload_uri": uri, "upload_headers": headers})))
}

/// The file of an import, plain or packed; its first line is names.
pub(super) fn upload(
    account: &Account,
    id: &str,
    request: &Request,
    state: &State<'_>,
) -> rusqlite::Result<Answer> {
    let Some(mut job) = state.get(JOBS, id)? else { return Ok(absent("no such upload")) };
    let is_asked =
        request.headers.get("x-amz-server-side-encryption").is_some_and(|value| value == "aws:kms");
    let is_signed = request.query("signature") == Some("s3cr3t");
    let is_long = request.headers.get(header::CONTENT_LENGTH).is_some();
    let is_typed = request.headers.get(header::CONTENT_TYPE).is_some();
    if !is_asked || !is_signed || !is_long || is_typed {
        return Ok(refused("", "the upload is not as it was asked for"));
    }
    // Done already: the same file once more changes nothing.
    if job.properties.contains_key("results") {
        return Ok(Answer::empty(StatusCode::OK));
    }
    let mut text = Vec::new();
    let plain = match request.body.starts_with(&[0x1f, 0x8b]) {
        true => MultiGzDecoder::new(&request.body[..]).read_to_end(&mut text).is_ok(),
        false => {
            text.extend_from_slice(&request.body);
            true
        }
    };
    let columns: Vec<Option<(String, bool)>> =
        serde_json::from_value(job.properties.get("columns").cloned().unwrap_or_default())
            .unwrap_or_default();
    let mut reader = csv::ReaderBuilder::new().from_reader(&text[..]);
    let fits = plain && reader.headers().is_ok_and(|header| header.len() == columns.len());
    let mut rows: Vec<Json> = Vec::new();
    for line in reader.records() {
        match line {
            Ok(line) if fits => rows.push(contact(&columns, &line)),
            _ => return Ok(refused("", "the field mapping does not match the file")),
        }
    }
    let lists = job.properties.get("list_ids").cloned().unwrap_or_default();
    job.properties.insert("payload".to_owned(), json!({"contacts": rows, "list_ids": lists}));
    if account.polls == 0 {
        run(account, &mut job, state)?;
    }
    state.save(JOBS, &job)?;
    Ok(Answer::empty(StatusCode::OK))
}

/// A line as a contact; an empty cell leaves its field as it is.
fn contact(columns: &[Option<(String, bool)>], line: &csv::StringRecord) -> Json {
    let mut contact = json!({});
    for (column, cell) in columns.iter().zip(line.iter()) {
        match column {
            Some((id, true)) if !cell.is_empty() => contact["custom_fields"][id] = cell.into(),
            Some((name, false)) if !cell.is_empty() => contact[name] = cell.into(),
            _ => {}
        }
    }
    contact
}
