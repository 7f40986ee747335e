//! Brevo's connector against written answers and against its emulator, and what its tests share.

mod answers;
mod conformance;
mod emulator;
mod imports;
mod members;

use std::time::Duration;

use serde_json::{Map, Value as Json, json};

use super::Brevo;
use crate::conformance::support::{self, is_applied, rejected};
use crate::contract::{Change, ConnectorError, FieldValue, Outcome, Target, Value, Verb};
use crate::http::Answer;
use crate::registry::{Limits, Settings};
use crate::sandbox::{Sandbox, SandboxConfig, Storage};

/// Far longer than any answer of these tests takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// The answer of a file of `fixtures/http/brevo`.
fn fixture(name: &str) -> Answer {
    support::answer(&support::fixture(&format!("brevo/{name}"))["response"])
}

/// A connection with short pauses and three attempts.
fn connected(key: &str, base_url: &str, timeout: Duration, limits: Limits) -> Brevo {
    let settings = Settings { limits, ..support::settings(&json!({"api_key": key}), base_url) };
    Brevo::with_policy(&settings, support::policy(timeout)).unwrap()
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
        support::submit(&self.brevo, target, changes).await
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
fn id_of(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Applied { remote_id: Some(id), .. } => id.clone(),
        other => panic!("{other:?}"),
    }
}
