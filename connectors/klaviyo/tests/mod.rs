//! Klaviyo's connector against written answers and against its emulator, and what its tests share.

mod answers;
mod conformance;
mod imports;
mod members;
mod removals;
pub(super) mod schema;
mod singles;

use std::time::Duration;

use serde_json::{Map, Value as Json, json};

use super::Klaviyo;
use crate::conformance::rig::{self, Closing, Kept, PATIENCE, wide};
use crate::conformance::support::{self, holding as field, id_of, is_applied, is_unknown, rejected, text};
use crate::contract::{Change, Target, Value, Verb};
use crate::http::Answer;
use crate::registry::Limits;

/// The answer of a file of `fixtures/http/klaviyo`.
fn fixture(name: &str) -> Answer {
    support::answer(&support::fixture(&format!("klaviyo/{name}"))["response"])
}

/// A connection with short pauses and three attempts.
fn connected(key: &str, base_url: &str, timeout: Duration, limits: Limits) -> Klaviyo {
    Klaviyo::with_policy(&support::by_key(key, base_url, limits), support::policy(timeout)).unwrap()
}

type Rig = rig::Rig<Klaviyo>;

impl Rig {
    /// An account with the lists `NEWS` and `VIPS`, which never has to wait for its limit.
    async fn start(more: Json) -> Self {
        let usual = json!({
            "objects": {"profiles": {"plan": {"type": "string", "refuse": "gold"}}},
            "lists": {"News": "NEWS", "Best customers": "VIPS"},
            "limits": {"requests": "10000/1s"},
        });
        Rig::new("klaviyo", usual, &more, |url| connected("pk_key", url, PATIENCE, wide())).await
    }

    /// What the sandbox keeps of the profiles, by e-mail or else by id.
    async fn profiles(&self) -> Map<String, Json> {
        rig::by("email", self.objects("profiles").await)
    }

    async fn jobs(&self) -> usize {
        self.objects("import_jobs").await.len()
    }
}

fn target(options: Json) -> Target {
    let fields = ["email", "first_name", "location.city", "plan", "age"];
    support::target("profiles", &["email"], &fields, options)
}

/// Of a sync that keeps the members of a list.
fn members_of(list: &str, more: Json) -> Target {
    let mut options = json!({"list": list});
    options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Target { fields: vec!["email".to_owned()], ..target(options) }
}

/// A change of the profile with this e-mail address.
fn change(verb: Verb, email: &str, fields: &[(&str, Value)]) -> Change {
    support::change(verb, ("email", email), fields)
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
