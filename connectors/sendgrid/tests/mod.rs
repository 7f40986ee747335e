//! SendGrid's connector against written answers, recorded ones and its emulator, and what its tests share.

mod answers;
mod conformance;
mod emulator;
mod imports;
mod jobs;
mod members;
mod recorded;

use std::time::Duration;

use serde_json::{Map, Value as Json, json};

use super::SendGrid;
use crate::conformance::rig::{self, Few, Kept, PATIENCE, wide};
use crate::conformance::support::{self, holding as field, is_applied, letters, rejected, text};
use crate::contract::{Change, Target, Value, Verb};
use crate::http::Answer;
use crate::registry::Limits;

const NEWS: &str = "ca7a3796-e8a8-4029-9ccb-df8937940562";
const BEST: &str = "0b1d7b8c-55d0-4f9e-8d4b-0a3d7b0f5a11";

/// The answer of a file of `fixtures/http/sendgrid`.
fn fixture(name: &str) -> Answer {
    support::answer(&support::fixture(&format!("sendgrid/{name}"))["response"])
}

/// A connection with short pauses and three attempts.
fn connected(key: &str, base_url: &str, timeout: Duration, limits: Limits) -> SendGrid {
    SendGrid::with_policy(&support::by_key(key, base_url, limits), support::policy(timeout)).unwrap()
}

type Rig = rig::Rig<SendGrid>;

impl Rig {
    /// An account with two lists, which never has to wait for its limit.
    async fn start(more: Json) -> Self {
        let usual = json!({
            "objects": {"contacts": {
                "score": "number", "since": "date", "plan": {"type": "string", "refuse": "gold"},
            }},
            "marketing_lists": {"News": NEWS, "Best": BEST},
            "limits": {"requests": "10000/1s"},
        });
        Rig::new("sendgrid", usual, &more, |url| connected("SG.key", url, PATIENCE, wide())).await
    }

    /// The contacts that live, by an identifier.
    async fn contacts_by(&self, key: &str) -> Map<String, Json> {
        rig::by(key, self.live("contacts").await)
    }

    async fn contacts(&self) -> Map<String, Json> {
        self.contacts_by("email").await
    }

    async fn jobs(&self) -> usize {
        self.live("jobs").await.len()
    }
}

fn target(options: Json) -> Target {
    let fields = ["email", "first_name", "score", "since", "plan"];
    support::target("contacts", &["email"], &fields, options)
}

fn change(verb: Verb, email: &str, fields: &[(&str, Value)]) -> Change {
    support::change(verb, ("email", email), fields)
}
