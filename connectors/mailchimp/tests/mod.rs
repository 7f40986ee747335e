//! Mailchimp's connector against recorded answers and against its emulator, and what its tests share.

mod answers;
mod audience;
mod conformance;
mod emulator;
mod encoding;
mod jobs;
mod recorded;
mod statuses;
mod stops;

use std::time::Duration;

use serde_json::{Map, Value as Json, json};

use super::Mailchimp;
use crate::conformance::support;
use crate::contract::{
    Change, ConnectorError, Destination, FieldValue, Kind, Outcome, RunContext, Submitted, Target, Value,
    Verb,
};
use crate::registry::{Limits, Settings};
use crate::sandbox::{Sandbox, SandboxConfig, Storage};

/// Far longer than any answer of these tests takes.
const PATIENCE: Duration = Duration::from_secs(20);

const LIST: &str = "a1b2c3d4e5";

/// A connection with short pauses and three attempts.
fn connected(key: &str, base_url: &str, timeout: Duration, limits: Limits) -> Mailchimp {
    let settings = Settings { limits, ..support::settings(&json!({"api_key": key}), base_url) };
    Mailchimp::with_policy(&settings, support::policy(timeout)).unwrap()
}

struct Rig {
    sandbox: Sandbox,
    mailchimp: Mailchimp,
}

impl Rig {
    async fn start(more: Json) -> Rig {
        let mut block = json!({
            "objects": {"members": {
                "LTV": "number", "SINCE": "date", "HOME": "json", "TIER": {"enum": ["free", "pro"]},
                "PLAN": {"type": "string", "refuse": "gold"},
            }},
            "interests": {"9143cf3bd1": "Art"},
            "limits": {"requests": "10000/1s"},
        });
        block.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let mut config = SandboxConfig::default();
        config.add("mailchimp", &block).unwrap();
        let sandbox = Sandbox::start(config, Storage::Memory, 0).await.unwrap();
        let url = format!("{}/mailchimp", sandbox.url());
        let mailchimp = connected("key-us3", &url, PATIENCE, Limits::default());
        Rig { sandbox, mailchimp }
    }

    async fn submit(&self, target: &Target, changes: Vec<Change>) -> Vec<Outcome> {
        self.try_submit(target, changes).await.unwrap()
    }

    async fn try_submit(
        &self,
        target: &Target,
        changes: Vec<Change>,
    ) -> Result<Vec<Outcome>, ConnectorError> {
        support::submit(&self.mailchimp, target, changes).await
    }

    /// What a batch comes to in a session of its own.
    async fn submitted(&self, target: &Target, changes: Vec<Change>) -> Submitted {
        let session = self.mailchimp.open(target, RunContext::alone("run", "members")).await.unwrap();
        session.submit(&changes, &jobs::Kept::default()).await.unwrap()
    }

    /// All members by address, archived or not.
    async fn members(&self) -> Map<String, Json> {
        let shown = self.sandbox.show().await.unwrap();
        let members = shown["objects"]["mailchimp"]["members"].as_array().cloned().unwrap_or_default();
        let email = |m: &Json| m["properties"]["email_address"].as_str().unwrap_or("-").to_owned();
        members.into_iter().map(|m| (email(&m), m["properties"].clone())).collect()
    }

    fn requests(&self, kind: &str) -> u64 {
        self.sandbox.stats()["requests"][kind].as_u64().unwrap()
    }
}

/// The outcomes of a batch that was ended by a key that is refused.
#[track_caller]
fn stopped(submitted: Submitted) -> Vec<Outcome> {
    match submitted {
        Submitted::Stopped(receipt, error) if error.kind == Kind::Auth => receipt.into_outcomes(),
        other => panic!("{other:?}"),
    }
}

/// A target with more options beside the list.
fn target(fields: &[&str], more: Json) -> Target {
    let mut options = json!({"list": LIST}).as_object().unwrap().clone();
    options.extend(more.as_object().unwrap().clone());
    Target {
        object: "members".to_owned(),
        match_on: vec!["email_address".to_owned()],
        fields: [&["email_address"], fields].concat().into_iter().map(str::to_owned).collect(),
        options,
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
    let key = vec![field("email_address", text(email))];
    let mut all = key.clone();
    all.extend(fields.iter().map(|(name, value)| field(name, value.clone())));
    let fields = if verb == Verb::Delete { Vec::new() } else { all };
    Change { verb, destination_key: key, remote_id: None, fields }
}

fn known(change: Change) -> Change {
    let id = super::encode::hash(&change.destination_key[0].value.to_string());
    Change { remote_id: Some(id), ..change }
}
