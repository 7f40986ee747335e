//! Jobs of the Bulk API 2.0 (Bulk API 2.0 and Bulk API Developer Guide, "Bulk API 2.0 Ingest"): made, given their rows in one
//! upload, closed, worked through while somebody asks how far they are, and answered for by three files.
//!
//! The order of the rows is not kept, as the guide warns. A second upload, a column that is no field, a row of another width
//! and a record of too many characters are refused as strictly as can be.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use axum::http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::records::long;
use super::schema::USER;
use super::table::{Line, Table};
use super::{Org, failure, not_found};
use crate::sandbox::State;
use crate::sandbox::vendor::{Answer, Request};

/// Rows that Salesforce takes from a job at a time; each such batch counts.
const BATCH: usize = 10_000;

/// Batches that an org has a day.
pub(super) const BATCHES: u64 = 15_000;

/// What somebody asks for.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Asked {
    object: String,
    operation: String,
    #[serde(default)]
    external_id_field_name: Option<String>,
    #[serde(default)]
    content_type: Option<String>,
    #[serde(default)]
    column_delimiter: Option<String>,
    #[serde(default)]
    line_ending: Option<String>,
    #[serde(default)]
    assignment_rule_id: Option<String>,
}

#[derive(Debug)]
struct Job {
    asked: Asked,
    object: String,
    state: &'static str,
    created: String,
    upload: Option<Vec<u8>>,
    table: Table,
    /// Rows worked through so far.
    done: usize,
    error: Option<String>,
    /// It ends as failed after half of its rows.
    fails: bool,
}

/// Jobs of this process by id, and batches used.
#[derive(Debug)]
pub(super) struct Jobs {
    all: Mutex<BTreeMap<String, Job>>,
    batches: Mutex<u64>,
    most: u64,
    failing: Mutex<u64>,
}

impl Jobs {
    pub(super) fn new(most: Option<u64>, failing: u64) -> Self {
        Jobs {
            all: Mutex::default(),
            batches: Mutex::default(),
            most: most.unwrap_or(BATCHES),
            failing: Mutex::new(failing),
        }
    }

    /// Batches of a day, and how many are left.
    pub(super) fn batches(&self) -> (u64, u64) {
        let used = *self.batches.lock().unwrap_or_else(PoisonError::into_inner);
        (self.most, self.most.saturating_sub(used))
    }
}

impl Job {
    fn is_over(&self) -> bool {
        matches!(self.state, "JobComplete" | "Failed" | "Aborted")
    }

    fn told(&self, id: &str, version: &str) -> Json {
        let failed = self.table.lines.iter().filter(|line| matches!(line, Line::Refused(_))).count();
        let mut told = json!({
            "id": id, "operation": self.asked.operation, "object": self.object, "createdById": USER,
            "createdDate": self.created, "systemModstamp": self.created, "state": self.state,
            "concurrencyMode": "Parallel", "contentType": "CSV",
            "apiVersion": version.trim_start_matches('v').parse::<f64>().unwrap_or(0.0),
            "jobType": "V2Ingest", "lineEnding": self.asked.line_ending.as_deref().unwrap_or("LF"),
            "columnDelimiter": self.asked.column_delimiter.as_deref().unwrap_or("COMMA"),
            "numberRecordsProcessed": self.done, "numberRecordsFailed": failed, "retries": 0,
            "totalProcessingTime": 0, "apiActiveProcessingTime": 0, "apexProcessingTime": 0,
        });
        if let Some(key) = &self.asked.external_id_field_name {
            told["externalIdFieldName"] = key.as_str().into();
        }
        if let Some(rule) = &self.asked.assignment_rule_id {
            told["assignmentRuleId"] = rule.as_str().into();
        }
        if let Some(error) = &self.error {
            told["errorMessage"] = error.as_str().into();
        }
        if self.state == "Open" {
            told["contentUrl"] = format!("services/data/{version}/jobs/ingest/{id}/batches").into();
        }
        told
    }

    /// Goes on by one step, as somebody asks for it.
    fn step(&mut self, org: &Org, state: &State<'_>) -> rusqlite::Result<()> {
        match self.state {
            "UploadComplete" => self.state = "InProgress",
            "InProgress" => self.work(org, state)?,
            _ => {}
        }
        Ok(())
    }

    fn work(&mut self, org: &Org, state: &State<'_>) -> rusqlite::Result<()> {
        let rows = self.table.lines.len();
        let end = if self.fails { rows / 2 } else { rows };
        let until = end.min(self.done + BATCH);
        let key = self.asked.external_id_field_name.clone();
        let kind = (self.object.as_str(), self.asked.operation.as_str(), key.as_deref());
        for place in self.done..until {
            self.table.run(org, kind, place, state)?;
        }
        self.done = until;
        if until == end {
            self.state = if self.fails { "Failed" } else { "JobComplete" };
            self.error =
                self.fails.then(|| "TooManyLockFailure : Too many lock failures. Trying again later.".into());
        }
        Ok(())
    }
}

/// Answers what is below `/jobs/ingest`.
pub(super) fn answer(
    org: &Org,
    (version, rest): (&str, &[&str]),
    request: &Request,
    state: &State<'_>,
) -> rusqlite::Result<Answer> {
    let mut all = org.jobs.all.lock().unwrap_or_else(PoisonError::into_inner);
    let id = match (request.method.as_str(), rest) {
        ("POST", []) => return create(org, request, version, (&mut all, state)),
        ("GET", []) => {
            let records: Vec<Json> = all.iter().map(|(id, job)| job.told(id, version)).collect();
            let body = json!({"done": true, "records": records, "nextRecordsUrl": null});
            return Ok(Answer::new(StatusCode::OK, body));
        }
        (_, [id, ..]) => long(id).unwrap_or_default(),
        _ => return Ok(not_found()),
    };
    let Some(job) = all.get_mut(&id) else { return Ok(not_found()) };
    Ok(match (request.method.as_str(), &rest[1..]) {
        ("GET", []) => {
            job.step(org, state)?;
            Answer::new(StatusCode::OK, job.told(&id, version))
        }
        ("PUT", ["batches"]) => upload(job, request),
        ("PATCH", []) => change(org, job, request, (&id, version)),
        ("DELETE", []) if job.is_over() || job.state == "UploadComplete" => {
            all.remove(&id);
            Answer::empty(StatusCode::NO_CONTENT)
        }
        ("DELETE", []) => invalid_state("The job is not in a state in which it can be deleted"),
        ("GET", [_]) if !job.is_over() => invalid_state("The job has no results yet"),
        // The guide and its clients write them in other cases of letters.
        ("GET", [file]) => match file.to_lowercase().as_str() {
            "successfulresults" => Answer::csv(job.table.saved()),
            "failedresults" => Answer::csv(job.table.refused()),
            "unprocessedrecords" => Answer::csv(job.table.untouched()),
            _ => not_found(),
        },
        _ => not_found(),
    })
}

fn refuse(code: &str, message: &str) -> Answer {
    failure(StatusCode::BAD_REQUEST, code, message)
}

fn invalid_state(message: &str) -> Answer {
    refuse("INVALIDJOBSTATE", message)
}

fn create(
    org: &Org,
    request: &Request,
    version: &str,
    (all, state): (&mut BTreeMap<String, Job>, &State<'_>),
) -> rusqlite::Result<Answer> {
    let asked: Asked = match serde_json::from_slice(&request.body) {
        Ok(asked) => asked,
        Err(error) => return Ok(refuse("INVALIDJOB", &format!("The job cannot be read: {error}"))),
    };
    let Some((object, fields)) = org.schema.get(&asked.object) else {
        let message = format!("Unable to find object: {}", asked.object);
        return Ok(refuse("INVALIDJOB", &message));
    };
    let key = asked.external_id_field_name.as_deref();
    let is_key = |name: &str| {
        name.eq_ignore_ascii_case("Id")
            || fields.iter().any(|field| field.name.eq_ignore_ascii_case(name) && field.external_id)
    };
    let wrong = match asked.operation.as_str() {
        "upsert" if !key.is_some_and(is_key) => {
            Some(format!("External ID: {} is not valid for {object}", key.unwrap_or("none")))
        }
        "insert" | "update" | "delete" | "hardDelete" if key.is_some() => {
            Some("externalIdFieldName is for upsert only".to_owned())
        }
        "insert" | "update" | "delete" | "hardDelete" | "upsert" => None,
        other => Some(format!("Unsupported operation: {other}")),
    };
    let media = asked.content_type.as_deref().unwrap_or("CSV");
    let ending = asked.line_ending.as_deref().unwrap_or("LF");
    let is_known =
        media == "CSV" && matches!(ending, "LF" | "CRLF") && Table::delimiter(asked.delimiter()).is_some();
    if let Some(message) = wrong.or_else(|| (!is_known).then(|| "Unsupported content".to_owned())) {
        return Ok(refuse("INVALIDJOB", &message));
    }
    if org.jobs.batches().1 == 0 {
        return Ok(refuse("ExceededQuota", "ApiBatchItems Limit exceeded."));
    }
    let id = long(&format!("7504S{:010}", state.next_id(1)?)).unwrap_or_default();
    let mut failing = org.jobs.failing.lock().unwrap_or_else(PoisonError::into_inner);
    let fails = *failing > 0;
    *failing = failing.saturating_sub(1);
    let created = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string();
    let job = Job {
        object: object.to_owned(),
        asked,
        state: "Open",
        created,
        upload: None,
        table: Table::default(),
        done: 0,
        error: None,
        fails,
    };
    let told = job.told(&id, version);
    all.insert(id, job);
    Ok(Answer::new(StatusCode::OK, told))
}

impl Asked {
    fn delimiter(&self) -> &str {
        self.column_delimiter.as_deref().unwrap_or("COMMA")
    }
}

fn upload(job: &mut Job, request: &Request) -> Answer {
    if job.state != "Open" {
        return invalid_state("The job takes no data any more");
    }
    if job.upload.is_some() {
        let message = "Found multiple contents for job, please 'Close' / 'Abort' / 'Delete' the current Job then create a new Job and make \
             sure you only do 'PUT' once on a given Job.";
        return refuse("ClientInputError", message);
    }
    job.upload = Some(request.body.to_vec());
    Answer::empty(StatusCode::CREATED)
}

fn change(org: &Org, job: &mut Job, request: &Request, (id, version): (&str, &str)) -> Answer {
    let body: Json = serde_json::from_slice(&request.body).unwrap_or_default();
    match (body["state"].as_str(), job.state) {
        (Some("UploadComplete"), "Open") => {
            let text = job.upload.take().unwrap_or_default();
            let kind = (job.object.as_str(), job.asked.operation.as_str());
            let key = job.asked.external_id_field_name.as_deref();
            let (table, why) = Table::read(org, kind, key, (&text, job.asked.delimiter()));
            let batches = table.lines.len().div_ceil(BATCH) as u64;
            *org.jobs.batches.lock().unwrap_or_else(PoisonError::into_inner) += batches;
            job.table = table;
            job.state = if why.is_some() { "Failed" } else { "UploadComplete" };
            job.error = why.map(|why| format!("InvalidBatch : {why}"));
        }
        (Some("Aborted"), "Open" | "UploadComplete" | "InProgress") => job.state = "Aborted",
        (Some("UploadComplete" | "Aborted"), _) => {
            return invalid_state(&format!("The job is {} already", job.state));
        }
        _ => return refuse("INVALIDJOB", "`state` must be UploadComplete or Aborted"),
    }
    Answer::new(StatusCode::OK, job.told(id, version))
}
