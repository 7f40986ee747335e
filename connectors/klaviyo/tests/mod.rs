//! Klaviyo's connector against written answers and against its emulator, and what its tests share.

mod answers;
mod conformance;
mod imports;
mod members;
mod removals;
pub(super) mod schema;
mod singles;

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value as Json, json};

use super::Klaviyo;
use crate::conformance::support::{self, is_applied, rejected};
use crate::contract::{
    Change, ConnectorError, FieldValue, Handles, Outcome, RemoteHandle, Target, Value, Verb,
};
use crate::http::Answer;
use crate::registry::{Limits, Settings};
use crate::sandbox::{Sandbox, SandboxConfig, Storage};

/// Far longer than any answer of these tests takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// The answer of a file of `fixtures/http/klaviyo`.
fn fixture(name: &str) -> Answer {
    support::answer(&support::fixture(&format!("klaviyo/{name}"))["response"])
}

/// A connection with short pauses and three attempts.
fn connected(key: &str, base_url: &str, timeout: Duration, limits: Limits) -> Klaviyo {
    let settings = Settings { limits, ..support::settings(&json!({"api_key": key}), base_url) };
    Klaviyo::with_policy(&settings, support::policy(timeout)).unwrap()
}

struct Rig {
    sandbox: Sandbox,
    klaviyo: Klaviyo,
}

impl Rig {
    /// An account with the lists `NEWS` and `VIPS`, which never has to wait for its limit.
    async fn start(more: Json) -> Rig {
        let mut block = json!({
            "objects": {"profiles": {"plan": {"type": "string", "refuse": "gold"}}},
            "lists": {"News": "NEWS", "Best customers": "VIPS"},
            "limits": {"requests": "10000/1s"},
        });
        block.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let mut config = SandboxConfig::default();
        config.add("klaviyo", &block).unwrap();
        let sandbox = Sandbox::start(config, Storage::Memory, 0).await.unwrap();
        let wide = crate::contract::RateLimit { requests: 10_000, per: Duration::from_secs(1) };
        let limits = Limits { requests: Some(wide), ..Limits::default() };
        let klaviyo = connected("pk_key", &format!("{}/klaviyo", sandbox.url()), PATIENCE, limits);
        Rig { sandbox, klaviyo }
    }

    async fn submit(&self, target: &Target, changes: Vec<Change>) -> Vec<Outcome> {
        self.try_submit(target, changes).await.unwrap()
    }

    async fn try_submit(
        &self,
        target: &Target,
        changes: Vec<Change>,
    ) -> Result<Vec<Outcome>, ConnectorError> {
        support::submit(&self.klaviyo, target, changes).await
    }

    /// What the sandbox keeps of the profiles, by e-mail or else by id.
    async fn profiles(&self) -> Map<String, Json> {
        let shown = self.sandbox.show().await.unwrap();
        let profiles = shown["objects"]["klaviyo"]["profiles"].as_array().cloned().unwrap_or_default();
        let name = |profile: &Json| {
            profile["properties"]["email"].as_str().or(profile["id"].as_str()).unwrap_or("-").to_owned()
        };
        profiles.into_iter().map(|profile| (name(&profile), profile["properties"].clone())).collect()
    }

    async fn jobs(&self) -> usize {
        let shown = self.sandbox.show().await.unwrap();
        shown["objects"]["klaviyo"]["import_jobs"].as_array().map_or(0, Vec::len)
    }

    fn requests(&self, kind: &str) -> u64 {
        self.sandbox.stats()["requests"][kind].as_u64().unwrap()
    }
}

fn target(options: Json) -> Target {
    Target {
        object: "profiles".to_owned(),
        match_on: vec!["email".to_owned()],
        fields: ["email", "first_name", "location.city", "plan", "age"].map(str::to_owned).to_vec(),
        options: options.as_object().unwrap().clone(),
        ..Target::default()
    }
}

/// Of a sync that keeps the members of a list.
fn members_of(list: &str, more: Json) -> Target {
    let mut options = json!({"list": list});
    options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Target { fields: vec!["email".to_owned()], ..target(options) }
}

fn field(name: &str, value: Value) -> FieldValue {
    FieldValue { name: name.into(), value }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// A change of the profile with this e-mail address.
fn change(verb: Verb, email: &str, fields: &[(&str, Value)]) -> Change {
    let key = vec![field("email", text(email))];
    let mut all = key.clone();
    all.extend(fields.iter().map(|(name, value)| field(name, value.clone())));
    let fields = if verb == Verb::Delete { Vec::new() } else { all };
    Change { verb, destination_key: key, remote_id: None, fields }
}

fn upserts(count: usize) -> Vec<Change> {
    let row = |n: usize| {
        let fields = [
            ("first_name", text("Zoë")),
            ("location.city", text("Kyoto")),
            ("age", Value::Integer(n as i64)),
        ];
        change(Verb::Upsert, &format!("p{n}@x.io"), &fields)
    };
    (0..count).map(row).collect()
}

#[track_caller]
fn id_of(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Applied { remote_id: Some(id), .. } => id.clone(),
        other => panic!("{other:?}"),
    }
}

fn is_unknown(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Unknown { .. })
}

/// The last handle that was stored.
#[derive(Default)]
struct Kept(Mutex<Option<RemoteHandle>>);

#[async_trait]
impl Handles for Kept {
    async fn store(&self, handle: &RemoteHandle) -> Result<(), ConnectorError> {
        *self.0.lock().unwrap() = Some(handle.clone());
        Ok(())
    }
}
