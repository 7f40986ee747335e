//! Brevo's connector against written answers and against its emulator, and what its tests share.

mod answers;
mod conformance;
mod emulator;
mod imports;
mod members;

use std::time::Duration;

use serde_json::{Map, Value as Json, json};

use super::Brevo;
use crate::conformance::rig::{self, Few, Kept, PATIENCE, wide};
use crate::conformance::support::{self, holding as field, id_of, is_applied, is_unknown, rejected, text};
use crate::contract::{Change, Target, Value, Verb};
use crate::http::Answer;
use crate::registry::Limits;

/// The answer of a file of `fixtures/http/brevo`.
fn fixture(name: &str) -> Answer {
    support::answer(&support::fixture(&format!("brevo/{name}"))["response"])
}

/// A connection with short pauses and three attempts.
fn connected(key: &str, base_url: &str, timeout: Duration, limits: Limits) -> Brevo {
    Brevo::with_policy(&support::by_key(key, base_url, limits), support::policy(timeout)).unwrap()
}

type Rig = rig::Rig<Brevo>;

impl Rig {
    /// An account with lists 4 and 7, which never has to wait for its limit.
    async fn start(more: Json) -> Self {
        let usual = json!({
            "objects": {"contacts": {"AGE": "number", "VIP": "boolean", "PLAN": {"type": "string", "refuse": "gold"}}},
            "lists": {"News": 4, "Customers": 7, "Filled": {"id": 9, "dynamic": true}},
            "limits": {"requests": "10000/1s"},
        });
        Rig::new("brevo", usual, &more, |url| connected("key", url, PATIENCE, wide())).await
    }

    /// The contacts that live, by e-mail.
    async fn contacts(&self) -> Map<String, Json> {
        rig::by("email", self.live("contacts").await)
    }
}

fn target(options: Json) -> Target {
    support::target("contacts", &["email"], &["email", "FIRSTNAME", "AGE", "PLAN"], options)
}

fn change(verb: Verb, email: &str, fields: &[(&str, Value)]) -> Change {
    support::change(verb, ("email", email), fields)
}
