//! Customer.io's connector against recorded answers and against the sandbox.

mod answers;
mod conformance;
mod emulator;
mod recorded;

use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value as Json, json};

use super::CustomerIo;
use crate::contract::{
    Change, ConnectorError, Destination, FieldValue, Handles, Outcome, RateLimit, RemoteHandle, RunContext,
    Submitted, Target, Value, Verb,
};
use crate::http::{Answer, Policy};
use crate::registry::{Limits, Settings};
use crate::sandbox::{Sandbox, SandboxConfig, Storage};

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

/// A connection with short pauses and three attempts.
fn connected(values: Json, base_url: &str, requests: Option<RateLimit>, timeout: Duration) -> CustomerIo {
    let settings = Settings {
        connection: "messages".to_owned(),
        values: values.as_object().unwrap().clone(),
        base_url: Some(base_url.to_owned()),
        sandbox: true,
        limits: Limits { requests, ..Limits::default() },
    };
    let policy = Policy {
        timeout,
        attempts: 3,
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(2),
        ..Policy::default()
    };
    CustomerIo::with_policy(&settings, policy).unwrap()
}

fn credentials(site_id: &str) -> Json {
    json!({"site_id": site_id, "api_key": "key-test"})
}

/// A running sandbox and a connection to it.
struct Rig {
    sandbox: Sandbox,
    customerio: CustomerIo,
}

impl Rig {
    async fn start(block: Json) -> Rig {
        Self::of(credentials("site-test"), block).await
    }

    async fn of(values: Json, block: Json) -> Rig {
        let mut config = SandboxConfig::default();
        config.add("customerio", &block).unwrap();
        let sandbox = Sandbox::start(config, Storage::Memory, 0).await.unwrap();
        let url = format!("{}/customerio", sandbox.url());
        let customerio = connected(values, &url, None, Duration::from_secs(20));
        Rig { sandbox, customerio }
    }

    /// The properties of what lives under this name, in the order of creation.
    async fn living(&self, object: &str) -> Vec<Json> {
        let shown = self.sandbox.show().await.unwrap();
        let objects = shown["objects"]["customerio"][object].as_array().cloned().unwrap_or_default();
        let living = objects.into_iter().filter(|object| object["archived"] == false);
        living.map(|object| object["properties"].clone()).collect()
    }

    async fn submit(&self, target: &Target, changes: Vec<Change>) -> Result<Vec<Outcome>, ConnectorError> {
        let session = self.customerio.open(target, RunContext::alone("run", "people")).await?;
        let Submitted::Done(receipt) = session.submit(&changes, &NoHandles).await? else { panic!("no job") };
        session.finish().await?;
        Ok(receipt.into_outcomes())
    }
}

struct NoHandles;

#[async_trait]
impl Handles for NoHandles {
    async fn store(&self, _: &RemoteHandle) -> Result<(), ConnectorError> {
        Ok(())
    }
}

fn target(object: &str, match_on: &str, fields: &[&str], options: Json) -> Target {
    Target {
        object: object.to_owned(),
        match_on: vec![match_on.to_owned()],
        fields: fields.iter().map(|field| (*field).to_owned()).collect(),
        missing: Vec::new(),
        associations: Vec::new(),
        options: self::options(options),
    }
}

fn options(options: Json) -> serde_json::Map<String, Json> {
    options.as_object().unwrap().clone()
}

fn people() -> Target {
    target("people", "id", &["id", "plan"], json!({}))
}

fn field(name: &str, value: &str) -> FieldValue {
    FieldValue { name: name.into(), value: Value::Text(value.to_owned()) }
}

/// A change of the person with this id.
fn change(verb: Verb, id: &str, fields: &[(&str, &str)]) -> Change {
    Change {
        verb,
        destination_key: vec![field("id", id)],
        remote_id: None,
        fields: fields.iter().map(|(name, value)| field(name, value)).collect(),
    }
}

/// Outcomes as letters: applied, rejected, deferred, unknown, skipped.
fn letters(outcomes: &[Outcome]) -> String {
    let letter = |outcome: &Outcome| match outcome {
        Outcome::Applied { .. } => 'a',
        Outcome::Rejected { .. } => 'r',
        Outcome::Deferred { .. } => 'd',
        Outcome::Unknown { .. } => 'u',
        Outcome::Skipped { .. } => 's',
    };
    outcomes.iter().map(letter).collect()
}
