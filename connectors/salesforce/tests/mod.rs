//! Salesforce's connector against its emulator and against recorded answers, and what its tests share.

mod conformance;
mod emulator;
mod grants;
mod jobs;
mod recorded;
mod resume;

use std::time::Duration;

use serde_json::{Map, Value as Json, json};

use super::Salesforce;
use crate::conformance::support;
use crate::contract::{Change, ConnectorError, FieldValue, Outcome, Target, Value, Verb};
use crate::http::Patience;
use crate::registry::{Limits, Settings};
use crate::sandbox::{Sandbox, SandboxConfig, Storage};

/// Far longer than any answer of these tests takes.
const PATIENCE: Duration = Duration::from_secs(20);

const PAUSE: Duration = Duration::from_millis(1);

/// Short pauses, and an end that no job comes to.
const TIMES: (Duration, Patience) = (PAUSE, Patience { first: PAUSE, longest: PAUSE, whole: PATIENCE });

fn auth(secret: &str) -> Json {
    json!({"auth": {"method": "client_credentials", "client_id": "app", "client_secret": secret}})
}

/// A connection with short pauses and three attempts.
fn connected(values: &Json, base_url: &str, timeout: Duration) -> Salesforce {
    limited(values, base_url, timeout, Limits::default())
}

fn limited(values: &Json, base_url: &str, timeout: Duration, limits: Limits) -> Salesforce {
    let settings = Settings { limits, sandbox: false, ..support::settings(values, base_url) };
    Salesforce::with_policy(&settings, support::policy(timeout), TIMES).unwrap()
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn target(options: Json) -> Target {
    Target {
        object: "Contact".to_owned(),
        match_on: vec!["Code__c".to_owned()],
        fields: ["Code__c", "LastName", "Email", "Tier__c", "Account.Number__c"].map(str::to_owned).to_vec(),
        options: options.as_object().unwrap().clone(),
        ..Target::default()
    }
}

fn field(name: &str, value: Value) -> FieldValue {
    FieldValue { name: name.into(), value }
}

/// A change of the contact with this code.
fn change(verb: Verb, code: &str, fields: &[(&str, Value)]) -> Change {
    let key = field("Code__c", text(code));
    let more = fields.iter().map(|(name, value)| field(name, value.clone()));
    let fields = match verb {
        Verb::Delete => Vec::new(),
        _ => std::iter::once(key.clone()).chain(more).collect(),
    };
    Change { verb, destination_key: vec![key], remote_id: None, fields }
}

fn block(more: Json) -> Json {
    let mut block = json!({"objects": {
        "Account": {"Number__c": {"unique": true}},
        "Contact": {"Code__c": {"unique": true}, "Tier__c": {"enum": ["A", "B"]}, "Note__c": "string",
            "Plan__c": {"type": "string", "refuse": "gold"}},
    }});
    block.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    block
}

/// The address of a server that gives this answer to everything.
async fn answering(body: Json) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let app = axum::Router::new().fallback(move || std::future::ready(axum::Json(body.clone())));
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

struct Rig {
    sandbox: Sandbox,
    salesforce: Salesforce,
}

impl Rig {
    async fn start(more: Json) -> Rig {
        let mut config = SandboxConfig::default();
        config.add("salesforce", &block(more)).unwrap();
        let sandbox = Sandbox::start(config, Storage::Memory, 0).await.unwrap();
        let salesforce = connected(&auth("secret"), &format!("{}/salesforce", sandbox.url()), PATIENCE);
        Rig { sandbox, salesforce }
    }

    async fn submit(&self, target: &Target, changes: Vec<Change>) -> Vec<Outcome> {
        self.try_submit(target, changes).await.unwrap()
    }

    async fn try_submit(
        &self,
        target: &Target,
        changes: Vec<Change>,
    ) -> Result<Vec<Outcome>, ConnectorError> {
        support::submit(&self.salesforce, target, changes).await
    }

    /// The records that live, by their codes.
    async fn contacts(&self) -> Map<String, Json> {
        let shown = self.sandbox.show().await.unwrap();
        let contacts = shown["objects"]["salesforce"]["Contact"].as_array().cloned().unwrap_or_default();
        let live = contacts.into_iter().filter(|contact| contact["archived"] == false);
        live.map(|c| (c["properties"]["Code__c"].as_str().unwrap_or("-").to_owned(), c["properties"].clone()))
            .collect()
    }

    fn requests(&self, kind: &str) -> u64 {
        self.sandbox.stats()["requests"][kind].as_u64().unwrap()
    }
}
