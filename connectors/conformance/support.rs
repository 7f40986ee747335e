//! What the tests of connectors share: connections that give up soon, answers of fixtures, deliveries.

use std::path::Path;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value as Json;

use super::Forgetful;
use crate::contract::{
    Change, ConnectorError, Destination, FieldValue, Outcome, RunContext, RunEnd, Submitted, Target, Value,
};
use crate::http::{Answer, Policy};
use crate::registry::{Limits, Settings};

/// Three attempts, with pauses of some milliseconds.
pub fn policy(timeout: Duration) -> Policy {
    let (first_pause, longest_pause) = (Duration::from_millis(1), Duration::from_millis(2));
    Policy { timeout, attempts: 3, first_pause, longest_pause, ..Policy::default() }
}

/// The settings of a connection to the sandbox, or to a server of the test's own.
///
/// # Panics
/// Where `values` is no object.
pub fn settings(values: &Json, base_url: &str) -> Settings {
    Settings {
        connection: "under_test".to_owned(),
        values: values.as_object().expect("settings are an object").clone(),
        base_url: Some(base_url.to_owned()),
        sandbox: true,
        limits: Limits::default(),
        environment: Default::default(),
    }
}

/// A file of `fixtures/http/`, named as `hubspot/limit-daily`.
///
/// # Panics
/// Where there is none, or it is not JSON.
pub fn fixture(name: &str) -> Json {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../fixtures/http/{name}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// An answer as fixtures write it, `{"status", "headers", "body"}`: a body that is a text is no JSON, and an empty text is
/// an empty body.
///
/// # Panics
/// Where it is not written so.
pub fn answer(response: &Json) -> Answer {
    let headers = response["headers"].as_object().into_iter().flatten().map(|(name, value)| {
        let value = value.as_str().and_then(|value| HeaderValue::from_str(value).ok());
        (name.parse::<HeaderName>().expect("a header's name"), value.expect("a header's text"))
    });
    let headers: HeaderMap = headers.collect();
    let status = response["status"].as_u64().and_then(|status| u16::try_from(status).ok());
    let body = &response["body"];
    Answer {
        status: status.expect("a status"),
        headers,
        json: (body.is_object() || body.is_array()).then(|| body.clone()),
        plain: body.as_str().filter(|text| !text.is_empty()).map(str::to_owned),
        body_is_empty: body == "",
    }
}

/// Delivers one batch in a session of its own.
///
/// # Errors
/// Those of the session.
///
/// # Panics
/// Where the batch is not answered at once.
pub async fn submit(
    destination: &dyn Destination,
    target: &Target,
    changes: Vec<Change>,
) -> Result<Vec<Outcome>, ConnectorError> {
    let session = destination.open(target, RunContext::alone("run", "sync")).await?;
    let receipt = match session.submit(&changes, &Forgetful).await? {
        Submitted::Done(receipt) | Submitted::Stopped(receipt, _) => receipt,
        Submitted::Pending(_) => panic!("a job was opened"),
    };
    session.finish(RunEnd::Complete).await?;
    Ok(receipt.into_outcomes())
}

/// A field that holds a text.
pub fn field(name: &str, text: &str) -> FieldValue {
    FieldValue { name: name.into(), value: Value::Text(text.to_owned()) }
}

/// The code of a refusal.
///
/// # Panics
/// Where it is none.
#[track_caller]
pub fn rejected(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Rejected { code, .. } => code,
        other => panic!("{other:?}"),
    }
}

/// Whether the destination confirmed the change.
pub fn is_applied(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Applied { .. })
}
