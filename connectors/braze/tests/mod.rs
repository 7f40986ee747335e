//! Braze's connector against recorded answers and against the sandbox.

mod answers;
mod conformance;
mod emulator;
mod recorded;

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::Braze;
use super::options::{ATTRIBUTES, EXTERNAL_ID};
use crate::conformance::support::{self, field};
use crate::contract::{Change, ConnectorError, Outcome, RateLimit, Target, Verb};
use crate::registry::{Limits, Settings};
use crate::sandbox::{Sandbox, SandboxConfig, Storage};

/// A connection with short pauses and three attempts.
fn connected(values: Json, base_url: &str, requests: Option<RateLimit>, timeout: Duration) -> Braze {
    let limits = Limits { requests, ..Limits::default() };
    let settings = Settings { limits, ..support::settings(&values, base_url) };
    Braze::with_policy(&settings, support::policy(timeout)).unwrap()
}

/// A running sandbox and a connection to it.
struct Rig {
    sandbox: Sandbox,
    braze: Braze,
}

impl Rig {
    async fn start(block: Json) -> Rig {
        Self::of(json!({"api_key": "key-test"}), block).await
    }

    async fn of(values: Json, block: Json) -> Rig {
        let mut config = SandboxConfig::default();
        config.add("braze", &block).unwrap();
        let sandbox = Sandbox::start(config, Storage::Memory, 0).await.unwrap();
        let url = format!("{}/braze", sandbox.url());
        let braze = connected(values, &url, None, Duration::from_secs(20));
        Rig { sandbox, braze }
    }

    /// The properties of what lives under this name, in the order of creation.
    async fn living(&self, object: &str) -> Vec<Json> {
        let shown = self.sandbox.show().await.unwrap();
        let objects = shown["objects"]["braze"][object].as_array().cloned().unwrap_or_default();
        let living = objects.into_iter().filter(|object| object["archived"] == false);
        living.map(|object| object["properties"].clone()).collect()
    }

    async fn submit(&self, target: &Target, changes: Vec<Change>) -> Result<Vec<Outcome>, ConnectorError> {
        support::submit(&self.braze, target, changes).await
    }
}

fn target(object: &str, match_on: &[&str], fields: &[&str], options: Json) -> Target {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Target {
        object: object.to_owned(),
        match_on: owned(match_on),
        fields: owned(fields),
        options: options.as_object().unwrap().clone(),
        ..Target::default()
    }
}

fn users(options: Json) -> Target {
    target(ATTRIBUTES, &[EXTERNAL_ID], &[EXTERNAL_ID, "plan"], options)
}

/// A change of the user with this external id.
fn change(verb: Verb, id: &str, fields: &[(&str, &str)]) -> Change {
    Change {
        verb,
        destination_key: vec![field(EXTERNAL_ID, id)],
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
