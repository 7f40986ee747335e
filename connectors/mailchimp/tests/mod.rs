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
use crate::conformance::rig::{self, Closing, Kept, PATIENCE};
use crate::conformance::support::{self, holding as field, is_unknown, text};
use crate::contract::{Change, Destination, Kind, Outcome, RunContext, Submitted, Target, Value, Verb};
use crate::registry::Limits;

const LIST: &str = "a1b2c3d4e5";

/// A connection with short pauses and three attempts.
fn connected(key: &str, base_url: &str, timeout: Duration, limits: Limits) -> Mailchimp {
    Mailchimp::with_policy(&support::by_key(key, base_url, limits), support::policy(timeout)).unwrap()
}

type Rig = rig::Rig<Mailchimp>;

impl Rig {
    async fn start(more: Json) -> Self {
        let usual = json!({
            "objects": {"members": {
                "LTV": "number", "SINCE": "date", "HOME": "json", "TIER": {"enum": ["free", "pro"]},
                "PLAN": {"type": "string", "refuse": "gold"},
            }},
            "interests": {"9143cf3bd1": "Art"},
            "limits": {"requests": "10000/1s"},
        });
        let connect = |url: &str| connected("key-us3", url, PATIENCE, Limits::default());
        Rig::new("mailchimp", usual, &more, connect).await
    }

    /// What a batch comes to in a session of its own.
    async fn submitted(&self, target: &Target, changes: Vec<Change>) -> Submitted {
        let session = self.destination.open(target, RunContext::alone("run", "members")).await.unwrap();
        session.submit(&changes, &Kept::default()).await.unwrap()
    }

    /// All members by address, archived or not.
    async fn members(&self) -> Map<String, Json> {
        rig::by("email_address", self.objects("members").await)
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
    let mut options = json!({"list": LIST});
    options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    support::target("members", &["email_address"], &[&["email_address"], fields].concat(), options)
}

fn change(verb: Verb, email: &str, fields: &[(&str, Value)]) -> Change {
    support::change(verb, ("email_address", email), fields)
}

fn known(change: Change) -> Change {
    let id = super::encode::hash(&change.destination_key[0].value.to_string());
    Change { remote_id: Some(id), ..change }
}
