//! Imports: taken at once, done after some questions for them, and without a word on what was skipped.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use super::contacts::{self, Sent};
use super::{Account, absent, parse, refused};
use crate::sandbox::vendor::{Answer, Request};
use crate::sandbox::{Object, State};

const PROCESSES: &str = "processes";
/// Most bytes of a body.
const BYTES: usize = 10_000_000;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Import {
    json_body: Vec<Row>,
    list_ids: Vec<u64>,
    #[serde(default = "yes")]
    update_existing_contacts: bool,
    #[serde(default)]
    empty_contacts_attributes: bool,
    #[serde(default)]
    disable_notification: bool,
    notify_url: Option<String>,
    #[serde(default)]
    email_blacklist: bool,
    #[serde(default)]
    sms_blacklist: bool,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Row {
    email: Option<String>,
    #[serde(default)]
    attributes: Map<String, Json>,
}

pub(super) fn start(account: &Account, request: &Request, state: &State<'_>) -> rusqlite::Result<Answer> {
    if request.body.len() > BYTES {
        return Ok(refused("out_of_range", "jsonBody is larger than 10 MB"));
    }
    let import = match parse::<Import>(request) {
        Ok(import) => import,
        Err(refusal) => return Ok(refusal),
    };
    if import.list_ids.is_empty() || import.list_ids.iter().any(|id| account.lists.get(*id).is_none()) {
        return Ok(refused("invalid_parameter", "listIds must name lists that exist"));
    }
    if import.json_body.is_empty() {
        return Ok(refused("missing_parameter", "jsonBody is empty"));
    }
    if import.email_blacklist || import.sms_blacklist {
        return Ok(refused("invalid_parameter", "The sandbox blocklists nobody by an import"));
    }
    let now = contacts::now();
    let id = state.next_id(1)?;
    let properties = json!({"status": "queued", "asked": 0, "import": import});
    let process = Object {
        id: id.to_string(),
        archived: false,
        created_at: now.clone(),
        updated_at: now,
        properties: properties.as_object().cloned().unwrap_or_default(),
    };
    state.insert(PROCESSES, &process)?;
    Ok(Answer::new(StatusCode::ACCEPTED, json!({"processId": id})))
}

/// How far a process is; the last question needed finds it done.
pub(super) fn process(account: &Account, id: &str, state: &State<'_>) -> rusqlite::Result<Answer> {
    let Some(mut process) = state.get(PROCESSES, id)? else { return Ok(absent("Process ID does not exist")) };
    let asked = process.properties.get("asked").and_then(Json::as_u64).unwrap_or_default() + 1;
    let waiting = process.properties.get("import").cloned();
    if let Some(import) = waiting {
        let status = if asked < account.polls { "in_process" } else { "completed" };
        process.properties.insert("asked".to_owned(), asked.into());
        process.properties.insert("status".to_owned(), status.into());
        if status == "completed" {
            process.properties.remove("import");
            if let Ok(import) = serde_json::from_value::<Import>(import) {
                run(account, import, state)?;
            }
        }
        state.save(PROCESSES, &process)?;
    }
    let mut body = json!({
        "id": id.parse::<u64>().unwrap_or_default(), "name": "IMPORTUSER",
        "status": process.properties.get("status"),
    });
    if body["status"] == "completed" {
        body["info"] = json!({"import": {"invalid_emails": null, "duplicate_email_id": null}});
    }
    Ok(Answer::new(StatusCode::OK, body))
}

/// What is refused of a contact skips it. Where empty values count, a value that only other rows name is one.
fn run(account: &Account, import: Import, state: &State<'_>) -> rusqlite::Result<()> {
    let names: BTreeSet<String> =
        import.json_body.iter().flat_map(|row| row.attributes.keys().cloned()).collect();
    for row in import.json_body {
        let Some(email) = row.email else { continue };
        let found = contacts::holder("email", &email, state)?;
        if found.is_some() && !import.update_existing_contacts {
            continue;
        }
        let mut attributes = row.attributes;
        if import.empty_contacts_attributes {
            for name in &names {
                attributes.entry(name).or_insert_with(|| "".into());
            }
        } else {
            attributes.retain(|_, value| value != "");
        }
        let sent = Sent::imported(email, attributes, import.list_ids.clone());
        // Its refusal is nobody's answer.
        let _skipped = contacts::change(account, found, &sent, state)?;
    }
    Ok(())
}
