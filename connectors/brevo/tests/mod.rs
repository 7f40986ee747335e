//! Brevo's connector against written answers and against its emulator, and what its tests share.

mod answers;
mod conformance;
mod emulator;
mod imports;
mod members;

use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value as Json, json};

use super::Brevo;
use crate::contract::{
    Change, ConnectorError, Destination, FieldValue, Handles, Outcome, RemoteHandle, RunContext, Submitted,
    Target, Value, Verb,
};
use crate::http::{Answer, Policy};
use crate::registry::{Limits, Settings};
use crate::sandbox::{Sandbox, SandboxConfig, Storage};

/// Far longer than any answer of these tests takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// The answer of a file of `fixtures/http/brevo`; an empty text is an empty body.
fn fixture(name: &str) -> Answer {
    let path = format!("{}/../fixtures/http/brevo/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let case: Json = serde_json::from_str(&text).unwrap();
    let response = &case["response"];
    let headers = response["headers"].as_object().into_iter().flatten();
    let headers: HeaderMap = headers
        .map(|(n, v)| (n.parse::<HeaderName>().unwrap(), HeaderValue::from_str(v.as_str().unwrap()).unwrap()))
        .collect();
    let body = &response["body"];
    Answer {
        status: response["status"].as_u64().unwrap() as u16,
        headers,
        json: body.is_object().then(|| body.clone()),
        plain: None,
        body_is_empty: body == "",
    }
}

/// A connection with short pauses and three attempts.
fn connected(key: &str, base_url: &str, timeout: Duration, limits: Limits) -> Brevo {
    let settings = Settings {
        connection: "mail".to_owned(),
        values: json!({"api_key": key}).as_object().unwrap().clone(),
        base_url: Some(base_url.to_owned()),
        sandbox: true,
        limits,
    };
    let policy = Policy {
        timeout,
        attempts: 3,
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(2),
        ..Policy::default()
    };
    Brevo::with_policy(&settings, policy).unwrap()
}

struct Rig {
    sandbox: Sandbox,
    brevo: Brevo,
}

impl Rig {
    /// An account with lists 4 and 7, which never has to wait for its limit.
    async fn start(more: Json) -> Rig {
        let mut block = json!({
            "objects": {"contacts": {"AGE": "number", "VIP": "boolean", "PLAN": {"type": "string", "refuse": "gold"}}},
            "lists": {"News": 4, "Customers": 7, "Filled": {"id": 9, "dynamic": true}},
            "limits": {"requests": "10000/1s"},
        });
        block.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let mut config = SandboxConfig::default();
        config.add("brevo", &block).unwrap();
        let sandbox = Sandbox::start(config, Storage::Memory, 0).await.unwrap();
        let wide = crate::contract::RateLimit { requests: 10_000, per: Duration::from_secs(1) };
        let limits = Limits { requests: Some(wide), ..Limits::default() };
        let brevo = connected("key", &format!("{}/brevo", sandbox.url()), PATIENCE, limits);
        Rig { sandbox, brevo }
    }

    async fn submit(&self, target: &Target, changes: Vec<Change>) -> Vec<Outcome> {
        self.try_submit(target, changes).await.unwrap()
    }

    async fn try_submit(
        &self,
        target: &Target,
        changes: Vec<Change>,
    ) -> Result<Vec<Outcome>, ConnectorError> {
        let session = self.brevo.open(target, RunContext::alone("run", "contacts")).await?;
        let Submitted::Done(receipt) = session.submit(&changes, &NoHandles).await? else { panic!("no job") };
        session.finish().await?;
        Ok(receipt.into_outcomes())
    }

    /// The contacts that live, by e-mail.
    async fn contacts(&self) -> Map<String, Json> {
        let shown = self.sandbox.show().await.unwrap();
        let contacts = shown["objects"]["brevo"]["contacts"].as_array().cloned().unwrap_or_default();
        let live = contacts.into_iter().filter(|contact| contact["archived"] == false);
        live.map(|c| (c["properties"]["email"].as_str().unwrap_or("-").to_owned(), c["properties"].clone()))
            .collect()
    }

    fn requests(&self, kind: &str) -> u64 {
        self.sandbox.stats()["requests"][kind].as_u64().unwrap()
    }
}

struct NoHandles;

#[async_trait]
impl Handles for NoHandles {
    async fn store(&self, _: &RemoteHandle) -> Result<(), ConnectorError> {
        Ok(())
    }
}

fn target(options: Json) -> Target {
    Target {
        object: "contacts".to_owned(),
        match_on: vec!["email".to_owned()],
        fields: vec!["email".to_owned(), "FIRSTNAME".to_owned(), "AGE".to_owned(), "PLAN".to_owned()],
        missing: Vec::new(),
        associations: Vec::new(),
        options: options.as_object().unwrap().clone(),
    }
}

fn field(name: &str, value: Value) -> FieldValue {
    FieldValue { name: name.into(), value }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn change(verb: Verb, email: &str, fields: &[(&str, Value)]) -> Change {
    let key = vec![field("email", text(email))];
    let mut all = key.clone();
    all.extend(fields.iter().map(|(name, value)| field(name, value.clone())));
    let fields = if verb == Verb::Delete { Vec::new() } else { all };
    Change { verb, destination_key: key, remote_id: None, fields }
}

#[track_caller]
fn rejected(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Rejected { code, .. } => code,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn id_of(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Applied { remote_id: Some(id), .. } => id.clone(),
        other => panic!("{other:?}"),
    }
}

fn is_applied(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Applied { .. })
}
