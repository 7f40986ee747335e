//! HubSpot's connector against recorded answers and against a server that says what a test tells it.

mod answers;
mod conformance;
mod creation;
mod emulator;
mod poisoned;
mod recorded;
mod session;

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::HubSpot;
use crate::conformance::support::{self, field, is_applied, rejected};
use crate::contract::{Change, ConnectorError, Outcome, Target, Verb};
use crate::http::Answer;
use crate::registry::Settings;

/// One file of `fixtures/http/hubspot`.
struct Case {
    /// The request's body.
    request: Json,
    answer: Answer,
}

fn fixture(name: &str) -> Case {
    let case = support::fixture(&format!("hubspot/{name}"));
    Case { request: case["request"]["body"].clone(), answer: support::answer(&case["response"]) }
}

/// A connection of the token `pat-test`, with short pauses and three attempts.
fn hubspot(base_url: &str, sandbox: bool, timeout: Duration) -> HubSpot {
    connected("pat-test", base_url, sandbox, timeout)
}

fn connected(token: &str, base_url: &str, sandbox: bool, timeout: Duration) -> HubSpot {
    with_settings(json!({"token": token}), base_url, sandbox, timeout)
}

fn with_settings(values: Json, base_url: &str, sandbox: bool, timeout: Duration) -> HubSpot {
    let settings = Settings { sandbox, ..support::settings(&values, base_url) };
    HubSpot::with_policy(&settings, support::policy(timeout)).unwrap()
}

fn target() -> Target {
    Target {
        object: "contacts".to_owned(),
        match_on: vec!["email".to_owned()],
        fields: vec!["email".to_owned(), "firstname".to_owned()],
        types: Default::default(),
        missing: Vec::new(),
        associations: Vec::new(),
        options: serde_json::Map::new(),
    }
}

fn change(verb: Verb, email: &str, remote_id: Option<&str>) -> Change {
    let fields =
        if verb == Verb::Delete { vec![] } else { vec![field("email", email), field("firstname", "Ann")] };
    Change {
        verb,
        destination_key: vec![field("email", email)],
        remote_id: remote_id.map(str::to_owned),
        fields,
    }
}

async fn submit(hubspot: &HubSpot, changes: Vec<Change>) -> Result<Vec<Outcome>, ConnectorError> {
    support::submit(hubspot, &target(), changes).await
}
