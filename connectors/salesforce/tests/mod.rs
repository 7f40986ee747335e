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
use crate::conformance::rig::{self, PATIENCE};
use crate::conformance::support::{self, holding as field, text};
use crate::contract::{Change, Target, Value, Verb};
use crate::http::Patience;
use crate::registry::{Limits, Settings};

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

fn target(options: Json) -> Target {
    let fields = ["Code__c", "LastName", "Email", "Tier__c", "Account.Number__c"];
    support::target("Contact", &["Code__c"], &fields, options)
}

/// A change of the contact with this code.
fn change(verb: Verb, code: &str, fields: &[(&str, Value)]) -> Change {
    support::change(verb, ("Code__c", code), fields)
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

type Rig = rig::Rig<Salesforce>;

impl Rig {
    async fn start(more: Json) -> Self {
        let connect = |url: &str| connected(&auth("secret"), url, PATIENCE);
        Rig::new("salesforce", block(json!({})), &more, connect).await
    }

    /// The records that live, by their codes.
    async fn contacts(&self) -> Map<String, Json> {
        rig::by("Code__c", self.live("Contact").await)
    }
}
