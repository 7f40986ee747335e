//! The behaviour every destination must show.

use std::sync::Arc;

use serde_json::json;

use super::{change, connected, members_of, target, text};
use crate::conformance::{self, Access, Subject};
use crate::contract::{Change, Verb};
use crate::registry::Limits;

fn good(verb: Verb, number: usize) -> Change {
    change(
        verb,
        &format!("person{number}@example.com"),
        &[("first_name", text("Ann")), ("plan", text("pro"))],
    )
}

fn refused(verb: Verb, number: usize) -> Change {
    change(verb, &format!("person{number}@example.com"), &[("plan", text("gold"))])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn klaviyo_behaves_as_every_destination_must() {
    conformance::run(&Subject {
        vendor: "klaviyo",
        block: json!({
            "objects": {"profiles": {"plan": {"type": "string", "refuse": "gold"}}}, "lists": {"News": "NEWS"},
        }),
        target: target(json!({})),
        list: Some(members_of("NEWS", json!({}))),
        shown_as: "profiles",
        connect: |base_url, access, timeout| {
            let key = if access == Access::Bad { "invalid" } else { "pk_key" };
            Arc::new(connected(key, base_url, timeout, Limits::default()))
        },
        renews: false,
        written_at: "/api/profile-import",
        good,
        refused,
    })
    .await;
}
