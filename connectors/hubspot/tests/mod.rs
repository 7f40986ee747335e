//! HubSpot's connector against recorded answers and against a server that says what a test tells it.

mod answers;
mod conformance;
mod creation;
mod emulator;
mod poisoned;
mod recorded;
mod session;

use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value as Json, json};

use super::HubSpot;
use crate::contract::{
    Change, ConnectorError, Destination, FieldValue, Handles, Outcome, RemoteHandle, RunContext, Submitted,
    Target, Value, Verb,
};
use crate::http::{Answer, Policy};
use crate::registry::{Limits, Settings};

/// One file of `fixtures/http/hubspot`.
struct Case {
    /// The request's body.
    request: Json,
    answer: Answer,
}

fn fixture(name: &str) -> Case {
    let path = format!("{}/../fixtures/http/hubspot/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let case: Json = serde_json::from_str(&text).unwrap();
    let response = &case["response"];
    let answer = answer_of(&response["status"], &response["headers"], &response["body"]);
    Case { request: case["request"]["body"].clone(), answer }
}

/// An answer as fixtures write it; an empty text is an empty body.
fn answer_of(status: &Json, headers: &Json, body: &Json) -> Answer {
    let headers = headers.as_object().into_iter().flatten();
    let headers: HeaderMap = headers
        .map(|(n, v)| (n.parse::<HeaderName>().unwrap(), HeaderValue::from_str(v.as_str().unwrap()).unwrap()))
        .collect();
    Answer {
        status: status.as_u64().unwrap() as u16,
        headers,
        json: body.is_object().then(|| body.clone()),
        plain: body.as_str().filter(|text| !text.is_empty()).map(str::to_owned),
        body_is_empty: body == "",
    }
}

/// A connection of the token `pat-test`, with short pauses and three attempts.
fn hubspot(base_url: &str, sandbox: bool, timeout: Duration) -> HubSpot {
    connected("pat-test", base_url, sandbox, timeout)
}

fn connected(token: &str, base_url: &str, sandbox: bool, timeout: Duration) -> HubSpot {
    with_settings(json!({"token": token}), base_url, sandbox, timeout)
}

fn with_settings(values: Json, base_url: &str, sandbox: bool, timeout: Duration) -> HubSpot {
    let settings = Settings {
        connection: "marketing".to_owned(),
        values: values.as_object().unwrap().clone(),
        base_url: Some(base_url.to_owned()),
        sandbox,
        limits: Limits::default(),
    };
    let policy = Policy {
        timeout,
        attempts: 3,
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(2),
        ..Policy::default()
    };
    HubSpot::with_policy(&settings, policy).unwrap()
}

struct NoHandles;

#[async_trait]
impl Handles for NoHandles {
    async fn store(&self, _: &RemoteHandle) -> Result<(), ConnectorError> {
        Ok(())
    }
}

fn target() -> Target {
    Target {
        object: "contacts".to_owned(),
        match_on: vec!["email".to_owned()],
        fields: vec!["email".to_owned(), "firstname".to_owned()],
        missing: Vec::new(),
        associations: Vec::new(),
        options: serde_json::Map::new(),
    }
}

fn field(name: &str, value: &str) -> FieldValue {
    FieldValue { name: name.into(), value: Value::Text(value.to_owned()) }
}

fn change(verb: Verb, email: &str, remote_id: Option<&str>) -> Change {
    let fields =
        if verb == Verb::Delete { vec![] } else { vec![field("email", email), field("firstname", "Ann")] };
    Change {
        verb,
        destination_key: vec![field("email", email)],
        remote_id: remote_id.map(str::to_owned),
        fields,
    }
}

async fn submit(hubspot: &HubSpot, changes: Vec<Change>) -> Result<Vec<Outcome>, ConnectorError> {
    let context = RunContext::alone("run", "contacts");
    let session = hubspot.open(&target(), context).await?;
    let Submitted::Done(receipt) = session.submit(&changes, &NoHandles).await? else { panic!("no job") };
    session.finish().await?;
    Ok(receipt.into_outcomes())
}

fn rejected(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Rejected { code, .. } => code,
        other => panic!("{other:?}"),
    }
}

fn is_applied(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Applied { .. })
}
