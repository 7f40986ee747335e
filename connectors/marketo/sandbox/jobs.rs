//! Imports: taken at once, done after some questions for them, with files of what was refused and of what was left out
//! (`bulk-lead-import.md`).

use std::sync::PoisonError;

use serde_json::{Map, Value as Json, json};

use super::leads::{self, Action};
use super::schema::Flaw;
use super::{Instance, Query, lists, now, refused, told};
use crate::delimited::push_cell;
use crate::sandbox::vendor::{Answer, Request};
use crate::sandbox::{Object, State};

const JOBS: &str = "imports";
/// Imports that wait or are worked on at once.
const QUEUED: usize = 10;

/// The file of a multipart body.
fn file_of(request: &Request) -> Option<&[u8]> {
    let media = request.headers.get("content-type")?.to_str().ok()?;
    let boundary = media.split("boundary=").nth(1)?.split(';').next()?.trim_matches('"');
    let mark = format!("--{boundary}");
    let body = &request.body[..];
    let find = |part: &[u8], word: &[u8]| part.windows(word.len()).position(|window| window == word);
    let mut rest = &body[find(body, mark.as_bytes())? + mark.len()..];
    loop {
        let start = find(rest, b"\r\n\r\n")? + 4;
        let end = find(&rest[start..], format!("\r\n{mark}").as_bytes())? + start;
        let head = String::from_utf8_lossy(&rest[..start]);
        if head.contains("name=\"file\"") && head.contains("filename=") {
            return Some(&rest[start..end]);
        }
        rest = &rest[end + 2 + mark.len()..];
    }
}

pub(super) fn start(
    instance: &Instance,
    (request, query): (&Request, &Query),
    state: &State<'_>,
) -> rusqlite::Result<Answer> {
    let Some(file) = file_of(request) else {
        return Ok(refused("613", "Invalid Multipart Request"));
    };
    if query.get("format") != Some("csv") {
        return Ok(refused("1003", "The sandbox reads `format=csv`"));
    }
    let lookup = query.get("lookupField").unwrap_or("email");
    if let Some(refusal) = leads::unsearchable(instance, lookup) {
        return Ok(refusal);
    }
    let list = query.get("listId");
    let is_list = |id: &str| id.parse::<u64>().is_ok_and(|id| instance.lists.contains_key(&id));
    if list.is_some_and(|id| !is_list(id)) {
        return Ok(refused("1013", "Object of type 'StaticList' not found"));
    }
    let mut full = instance.full.lock().unwrap_or_else(PoisonError::into_inner);
    let mut waiting = 0;
    state.scan(JOBS, |job| {
        waiting += usize::from(job.properties.contains_key("file"));
        true
    })?;
    if *full > 0 || waiting >= QUEUED {
        *full = full.saturating_sub(1);
        return Ok(refused("1016", "Too many imports queued"));
    }
    let id = state.next_id(1001)?.to_string();
    let properties = json!({
        "status": "Queued", "numOfLeadsProcessed": 0, "numOfRowsFailed": 0, "numOfRowsWithWarning": 0, "asked": 0,
        "lookup": lookup, "list": list, "file": String::from_utf8_lossy(file),
    });
    let now = now();
    let mut job = Object {
        id: id.clone(),
        archived: false,
        created_at: now.clone(),
        updated_at: now,
        properties: properties.as_object().cloned().unwrap_or_default(),
    };
    state.insert(JOBS, &job)?;
    if instance.polls == 0 {
        run(instance, &mut job, state)?;
        state.save(JOBS, &job)?;
    }
    Ok(told(vec![json!({
        "batchId": leads::number(&id), "importId": id, "status": "Queued", "numOfLeadsProcessed": 0,
    })]))
}

fn absent(id: &str) -> Answer {
    refused("1013", &format!("Object of type 'Import' with id '{id}' not found"))
}

/// How far an import is; the last question needed finds it done.
pub(super) fn progress(instance: &Instance, file: &str, state: &State<'_>) -> rusqlite::Result<Answer> {
    let id = file.strip_suffix(".json").unwrap_or(file);
    let Some(mut job) = state.get(JOBS, id)? else { return Ok(absent(id)) };
    if job.properties.contains_key("file") {
        let asked = job.properties.get("asked").and_then(Json::as_u64).unwrap_or_default() + 1;
        job.properties.insert("asked".to_owned(), asked.into());
        if asked < instance.polls {
            job.properties.insert("status".to_owned(), "Importing".into());
        } else {
            earlier(instance, id, state)?;
            run(instance, &mut job, state)?;
        }
        state.save(JOBS, &job)?;
    }
    let shown = ["status", "numOfLeadsProcessed", "numOfRowsFailed", "numOfRowsWithWarning", "message"];
    let mut body = json!({"batchId": leads::number(id), "importId": id});
    for name in shown {
        if let Some(value) = job.properties.get(name) {
            body[name] = value.clone();
        }
    }
    Ok(told(vec![body]))
}

/// Does the work of the imports that came before this one: the queue's first goes first, whoever asks.
fn earlier(instance: &Instance, id: &str, state: &State<'_>) -> rusqlite::Result<()> {
    let mut waiting = Vec::new();
    state.scan(JOBS, |job| {
        let is_earlier = job.id != id;
        if is_earlier && job.properties.contains_key("file") {
            waiting.push(job);
        }
        is_earlier
    })?;
    for mut job in waiting {
        run(instance, &mut job, state)?;
        state.save(JOBS, &job)?;
    }
    Ok(())
}

/// The lines that were refused, or of which something was left out.
pub(super) fn file(id: &str, file: &str, state: &State<'_>) -> rusqlite::Result<Answer> {
    let Some(job) = state.get(JOBS, id)? else { return Ok(absent(id)) };
    let name = file.strip_suffix(".json").unwrap_or(file);
    let text = job.properties.get(name).and_then(Json::as_str).unwrap_or_default();
    Ok(Answer::csv(text.as_bytes().to_vec()))
}

/// What came of a file so far.
#[derive(Default)]
struct Outcome {
    processed: u64,
    failures: Lines,
    warnings: Lines,
}

/// Lines with a reason behind each.
#[derive(Default)]
struct Lines {
    text: Vec<u8>,
    count: u64,
}

impl Lines {
    fn push(&mut self, cells: &csv::StringRecord, reason: &str) {
        for cell in cells.iter() {
            push_cell(cell.as_bytes(), b',', &mut self.text);
            self.text.push(b',');
        }
        push_cell(reason.as_bytes(), b',', &mut self.text);
        self.text.push(b'\n');
        self.count += 1;
    }
}

/// Does the work of an import.
fn run(instance: &Instance, job: &mut Object, state: &State<'_>) -> rusqlite::Result<()> {
    let text = job.properties.remove("file");
    let text = text.as_ref().and_then(Json::as_str).unwrap_or_default();
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let header = reader.headers().cloned().unwrap_or_default();
    let unknown = header.iter().find(|name| instance.schema.get(name).is_none()).map(str::to_owned);
    let mut set = |name: &str, value: Json| job.properties.insert(name.to_owned(), value);
    if header.is_empty() || unknown.is_some() {
        set("status", "Failed".into());
        set("message", format!("Invalid column '{}'", unknown.unwrap_or_default()).into());
        return Ok(());
    }
    let lookup = job_text(&job.properties, "lookup");
    let list = job_text(&job.properties, "list").parse().ok();
    let mut outcome = Outcome::default();
    for line in reader.records().flatten() {
        row(instance, (&header, &line), (lookup.as_str(), list), (&mut outcome, state))?;
    }
    finish(job, &header, outcome);
    Ok(())
}

fn job_text(properties: &Map<String, Json>, name: &str) -> String {
    properties.get(name).and_then(Json::as_str).unwrap_or_default().to_owned()
}

fn row(
    instance: &Instance,
    (header, line): (&csv::StringRecord, &csv::StringRecord),
    (lookup, list): (&str, Option<u64>),
    (outcome, state): (&mut Outcome, &State<'_>),
) -> rusqlite::Result<()> {
    if line.len() != header.len() {
        outcome.failures.push(line, "The line has other columns than the header");
        return Ok(());
    }
    let mut sent = Map::new();
    let mut left_out = Vec::new();
    for (name, cell) in header.iter().zip(line.iter()) {
        let value = Json::from(cell);
        let is_left_out = instance.warns.iter().any(|text| text == cell);
        match instance.schema.flaw(name, &value) {
            // An empty cell changes nothing.
            _ if cell.is_empty() => {}
            Some(Flaw::Long) => left_out.push(name),
            None if is_left_out => left_out.push(name),
            _ => drop(sent.insert(name.to_owned(), value)),
        }
    }
    let action = if lookup == "id" { Action::UpdateOnly } else { Action::CreateOrUpdate };
    match leads::change(instance, (action, lookup), &sent, state)? {
        Ok((id, _)) => {
            outcome.processed += 1;
            if let Some(list) = list {
                lists::put_on(&id, list, state)?;
            }
            if !left_out.is_empty() {
                outcome
                    .warnings
                    .push(line, &format!("Value of field '{}' was left out", left_out.join("', '")));
            }
        }
        Err((_, message)) => outcome.failures.push(line, &message),
    }
    Ok(())
}

fn finish(job: &mut Object, header: &csv::StringRecord, outcome: Outcome) {
    let Outcome { processed, failures, warnings } = outcome;
    let message = match failures.count {
        0 => format!("Import succeeded, {processed} records imported ({processed} members)"),
        failed => format!(
            "Import completed with errors, {processed} records imported ({processed} members), {failed} failed"
        ),
    };
    let whole = |lines: &Lines, column: &str| {
        let mut text = header.iter().collect::<Vec<_>>().join(",");
        text.push_str(&format!(",{column}\n"));
        text.push_str(&String::from_utf8_lossy(&lines.text));
        text
    };
    let said = json!({
        "status": "Complete", "message": message, "numOfLeadsProcessed": processed, "numOfRowsFailed": failures.count,
        "numOfRowsWithWarning": warnings.count, "failures": whole(&failures, "Import Failure Reason"),
        "warnings": whole(&warnings, "Import Warning Reason"),
    });
    job.properties.extend(said.as_object().cloned().unwrap_or_default());
}
