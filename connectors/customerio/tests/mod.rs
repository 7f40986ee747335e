//! Customer.io's connector against recorded answers and against the sandbox.

mod answers;
mod conformance;
mod emulator;
mod recorded;

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::CustomerIo;
use crate::conformance::rig::{self, PATIENCE};
use crate::conformance::support::{self, field, letters};
use crate::contract::{Change, RateLimit, Target, Verb};
use crate::registry::{Limits, Settings};

/// A connection with short pauses and three attempts.
fn connected(values: Json, base_url: &str, requests: Option<RateLimit>, timeout: Duration) -> CustomerIo {
    let limits = Limits { requests, ..Limits::default() };
    let settings = Settings { limits, ..support::settings(&values, base_url) };
    CustomerIo::with_policy(&settings, support::policy(timeout)).unwrap()
}

fn credentials(site_id: &str) -> Json {
    json!({"site_id": site_id, "api_key": "key-test"})
}

type Rig = rig::Rig<CustomerIo>;

impl Rig {
    async fn start(block: Json) -> Self {
        Self::of(credentials("site-test"), block).await
    }

    async fn of(values: Json, block: Json) -> Self {
        Rig::new("customerio", block, &json!({}), |url| connected(values, url, None, PATIENCE)).await
    }

    /// The properties of what lives under this name, in the order of creation.
    async fn living(&self, object: &str) -> Vec<Json> {
        self.live(object).await.into_iter().map(|object| object["properties"].clone()).collect()
    }
}

fn target(object: &str, match_on: &str, fields: &[&str], options: Json) -> Target {
    support::target(object, &[match_on], fields, options)
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
