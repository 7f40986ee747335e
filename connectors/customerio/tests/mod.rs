//! Customer.io's connector against recorded answers and against the sandbox.

mod answers;
mod conformance;
mod emulator;
mod recorded;

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::CustomerIo;
use crate::conformance::support::{self, field};
use crate::contract::{Change, ConnectorError, Outcome, RateLimit, Target, Verb};
use crate::registry::{Limits, Settings};
use crate::sandbox::{Sandbox, SandboxConfig, Storage};

/// A connection with short pauses and three attempts.
fn connected(values: Json, base_url: &str, requests: Option<RateLimit>, timeout: Duration) -> CustomerIo {
    let limits = Limits { requests, ..Limits::default() };
    let settings = Settings { limits, ..support::settings(&values, base_url) };
    CustomerIo::with_policy(&settings, support::policy(timeout)).unwrap()
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
        support::submit(&self.customerio, target, changes).await
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
