//! Marketo's connector against written answers, recorded ones and its emulator, and what its tests share.

mod answers;
mod calls;
mod conformance;
mod imports;
mod left;
mod members;
mod recorded;
mod removals;
pub(super) mod schema;

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use serde_json::{Map, Value as Json, json};

use super::Marketo;
use super::config::Config;
use crate::conformance::support::{self, is_applied, rejected};
use crate::contract::{
    Change, ConnectorError, FieldValue, Handles, Kind, Outcome, RateLimit, RemoteHandle, Target, Value, Verb,
};
use crate::http::{Answer, Credentials};
use crate::registry::{Limits, Settings};
use crate::sandbox::{Sandbox, SandboxConfig, Storage};

/// Far longer than any answer of these tests takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Ids of the declared lists.
const NEWS: u64 = 1159;
const BEST: u64 = 1160;

/// The answer of a file of `fixtures/http/marketo`.
fn fixture(name: &str) -> Answer {
    support::answer(&support::fixture(&format!("marketo/{name}"))["response"])
}

fn settings(secret: &str, base_url: &str, rate: RateLimit) -> Settings {
    let limits = Limits { requests: Some(rate), ..Limits::default() };
    let values = json!({"client_id": "id-1", "client_secret": secret});
    Settings { limits, ..support::settings(&values, base_url) }
}

/// A connection by a service, with short pauses and three attempts.
fn connected(secret: &str, base_url: &str, timeout: Duration, rate: RateLimit) -> Marketo {
    Marketo::with_policy(&settings(secret, base_url, rate), support::policy(timeout)).unwrap()
}

/// A connection that has a token already, so that each of its requests is one for the API.
fn with_token(token: &str, base_url: &str, timeout: Duration, rate: RateLimit) -> Marketo {
    let settings = settings("secret", base_url, rate);
    let credentials = Credentials::bearer(SecretString::from(token));
    let config = Config { credentials, ..Config::read(&settings).unwrap() };
    Marketo::of(&settings, support::policy(timeout), config).unwrap()
}

fn wide() -> RateLimit {
    RateLimit { requests: 10_000, per: Duration::from_secs(1) }
}

struct Rig {
    sandbox: Sandbox,
    marketo: Marketo,
}

impl Rig {
    /// An instance with two lists, which never has to wait for its limit.
    async fn start(more: Json) -> Rig {
        let mut block = json!({
            "objects": {"leads": {"score": "integer", "customerId": "string", "plan": {"type": "string", "refuse": "gold"}}},
            "static_lists": {"News": NEWS, "Best": BEST},
            "limits": {"requests": "10000/1s"},
        });
        block.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let mut config = SandboxConfig::default();
        config.add("marketo", &block).unwrap();
        let sandbox = Sandbox::start(config, Storage::Memory, 0).await.unwrap();
        let marketo = connected("secret", &format!("{}/marketo", sandbox.url()), PATIENCE, wide());
        Rig { sandbox, marketo }
    }

    async fn submit(&self, target: &Target, changes: Vec<Change>) -> Vec<Outcome> {
        self.try_submit(target, changes).await.unwrap()
    }

    async fn try_submit(
        &self,
        target: &Target,
        changes: Vec<Change>,
    ) -> Result<Vec<Outcome>, ConnectorError> {
        support::submit(&self.marketo, target, changes).await
    }

    /// What the sandbox keeps of objects of this kind.
    async fn shown(&self, kind: &str) -> Vec<Json> {
        let shown = self.sandbox.show().await.unwrap();
        shown["objects"]["marketo"][kind].as_array().cloned().unwrap_or_default()
    }

    /// The leads, by e-mail or else by id.
    async fn leads(&self) -> Map<String, Json> {
        let name = |lead: &Json| {
            lead["properties"]["email"].as_str().or(lead["id"].as_str()).unwrap_or("-").to_owned()
        };
        self.shown("leads").await.into_iter().map(|lead| (name(&lead), lead["properties"].clone())).collect()
    }

    async fn jobs(&self) -> usize {
        self.shown("imports").await.len()
    }

    fn requests(&self, kind: &str) -> u64 {
        self.sandbox.stats()["requests"][kind].as_u64().unwrap()
    }
}

fn target(options: Json) -> Target {
    Target {
        object: "leads".to_owned(),
        match_on: vec!["email".to_owned()],
        fields: ["email", "firstName", "score", "plan"].map(str::to_owned).to_vec(),
        options: options.as_object().unwrap().clone(),
        ..Target::default()
    }
}

/// Of a sync that keeps the members of a list.
fn members_of(list: u64) -> Target {
    Target { fields: vec!["email".to_owned()], ..target(json!({"list": list})) }
}

fn field(name: &str, value: Value) -> FieldValue {
    FieldValue { name: name.into(), value }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// A change of the lead with this e-mail address.
fn change(verb: Verb, email: &str, fields: &[(&str, Value)]) -> Change {
    let key = vec![field("email", text(email))];
    let mut all = key.clone();
    all.extend(fields.iter().map(|(name, value)| field(name, value.clone())));
    let fields = if verb == Verb::Delete { Vec::new() } else { all };
    Change { verb, destination_key: key, remote_id: None, fields }
}

fn upserts(count: usize) -> Vec<Change> {
    let row = |n: usize| {
        let fields =
            [("firstName", text("Zoë, \"Z\"")), ("score", Value::Integer(n as i64)), ("plan", text("a"))];
        change(Verb::Upsert, &format!("p{n}@x.io"), &fields)
    };
    (0..count).map(row).collect()
}

/// The same changes as a later run knows them: without fields.
fn bare(changes: &[Change]) -> Vec<Change> {
    changes.iter().map(|change| Change { fields: Vec::new(), ..change.clone() }).collect()
}

#[track_caller]
fn id_of(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Applied { remote_id: Some(id), .. } => id.clone(),
        other => panic!("{other:?}"),
    }
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

/// Keeps each handle, and refuses those after so many.
struct Kept {
    all: Mutex<Vec<RemoteHandle>>,
    most: usize,
}

impl Default for Kept {
    fn default() -> Self {
        Kept { all: Mutex::default(), most: usize::MAX }
    }
}

impl Kept {
    fn handles(&self) -> Vec<RemoteHandle> {
        self.all.lock().unwrap().clone()
    }
}

#[async_trait]
impl Handles for Kept {
    async fn store(&self, handle: &RemoteHandle) -> Result<(), ConnectorError> {
        let mut all = self.all.lock().unwrap();
        if all.len() >= self.most {
            return Err(ConnectorError::new(Kind::Internal, "the disk is full"));
        }
        all.push(handle.clone());
        Ok(())
    }
}
