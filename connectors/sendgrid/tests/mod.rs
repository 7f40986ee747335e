//! SendGrid's connector against written answers, recorded ones and its emulator, and what its tests share.

mod answers;
mod conformance;
mod emulator;
mod imports;
mod jobs;
mod members;
mod recorded;

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value as Json, json};

use super::SendGrid;
use crate::conformance::support::{self, is_applied, rejected};
use crate::contract::{
    Change, ConnectorError, FieldValue, Handles, Outcome, RateLimit, RemoteHandle, Target, Value, Verb,
};
use crate::http::Answer;
use crate::registry::{Limits, Settings};
use crate::sandbox::{Sandbox, SandboxConfig, Storage};

/// Far longer than any answer of these tests takes.
const PATIENCE: Duration = Duration::from_secs(20);

const NEWS: &str = "ca7a3796-e8a8-4029-9ccb-df8937940562";
const BEST: &str = "0b1d7b8c-55d0-4f9e-8d4b-0a3d7b0f5a11";

/// The answer of a file of `fixtures/http/sendgrid`.
fn fixture(name: &str) -> Answer {
    support::answer(&support::fixture(&format!("sendgrid/{name}"))["response"])
}

/// A connection with short pauses and three attempts.
fn connected(key: &str, base_url: &str, timeout: Duration, rate: RateLimit) -> SendGrid {
    let limits = Limits { requests: Some(rate), ..Limits::default() };
    let settings = Settings { limits, ..support::settings(&json!({"api_key": key}), base_url) };
    SendGrid::with_policy(&settings, support::policy(timeout)).unwrap()
}

fn wide() -> RateLimit {
    RateLimit { requests: 10_000, per: Duration::from_secs(1) }
}

struct Rig {
    sandbox: Sandbox,
    sendgrid: SendGrid,
}

impl Rig {
    /// An account with two lists, which never has to wait for its limit.
    async fn start(more: Json) -> Rig {
        let mut block = json!({
            "objects": {"contacts": {
                "score": "number", "since": "date", "plan": {"type": "string", "refuse": "gold"},
            }},
            "marketing_lists": {"News": NEWS, "Best": BEST},
            "limits": {"requests": "10000/1s"},
        });
        block.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let mut config = SandboxConfig::default();
        config.add("sendgrid", &block).unwrap();
        let sandbox = Sandbox::start(config, Storage::Memory, 0).await.unwrap();
        let sendgrid = connected("SG.key", &format!("{}/sendgrid", sandbox.url()), PATIENCE, wide());
        Rig { sandbox, sendgrid }
    }

    async fn submit(&self, target: &Target, changes: Vec<Change>) -> Vec<Outcome> {
        self.try_submit(target, changes).await.unwrap()
    }

    async fn try_submit(
        &self,
        target: &Target,
        changes: Vec<Change>,
    ) -> Result<Vec<Outcome>, ConnectorError> {
        support::submit(&self.sendgrid, target, changes).await
    }

    /// Objects of this kind that live, by a property.
    async fn shown(&self, kind: &str, by: &str) -> Map<String, Json> {
        let shown = self.sandbox.show().await.unwrap();
        let objects = shown["objects"]["sendgrid"][kind].as_array().cloned().unwrap_or_default();
        let live = objects.into_iter().filter(|object| object["archived"] == false);
        live.enumerate()
            .map(|(at, o)| {
                let name = o["properties"][by].as_str().map_or_else(|| at.to_string(), str::to_owned);
                (name, o["properties"].clone())
            })
            .collect()
    }

    async fn contacts(&self) -> Map<String, Json> {
        self.shown("contacts", "email").await
    }

    async fn jobs(&self) -> usize {
        self.shown("jobs", "none").await.len()
    }

    fn requests(&self, kind: &str) -> u64 {
        self.sandbox.stats()["requests"][kind].as_u64().unwrap()
    }
}

fn target(options: Json) -> Target {
    let fields = ["email", "first_name", "score", "since", "plan"];
    Target {
        object: "contacts".to_owned(),
        match_on: vec!["email".to_owned()],
        fields: fields.map(str::to_owned).to_vec(),
        options: options.as_object().unwrap().clone(),
        ..Target::default()
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

/// `a` applied, `r` refused, `d` deferred, `u` unknown.
fn letters(outcomes: &[Outcome]) -> String {
    let letter = |outcome: &Outcome| match outcome {
        Outcome::Applied { .. } | Outcome::Skipped { .. } => 'a',
        Outcome::Rejected { .. } => 'r',
        Outcome::Deferred { .. } => 'd',
        Outcome::Unknown { .. } => 'u',
    };
    outcomes.iter().map(letter).collect()
}

/// Keeps the last handle, or refuses each.
#[derive(Default)]
struct Kept(Mutex<Option<RemoteHandle>>, bool);

#[async_trait]
impl Handles for Kept {
    async fn store(&self, handle: &RemoteHandle) -> Result<(), ConnectorError> {
        if self.1 {
            return Err(ConnectorError::new(crate::contract::Kind::Internal, "the disk is full"));
        }
        *self.0.lock().unwrap() = Some(handle.clone());
        Ok(())
    }
}
