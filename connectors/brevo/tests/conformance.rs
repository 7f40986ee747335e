//! The behaviour every destination must show.

use std::sync::Arc;

use serde_json::json;

use super::{change, connected, target, text};
use crate::conformance::{self, Access, Subject};
use crate::contract::{Change, Target, Verb};
use crate::registry::Limits;

fn good(verb: Verb, number: usize) -> Change {
    change(verb, &format!("person{number}@example.com"), &[("FIRSTNAME", text("Ann"))])
}

fn refused(verb: Verb, number: usize) -> Change {
    change(verb, &format!("person{number}@example.com"), &[("PLAN", text("gold"))])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn brevo_behaves_as_every_destination_must() {
    let members = Target { fields: vec!["email".to_owned()], ..target(json!({"list": 4})) };
    conformance::run(&Subject {
        vendor: "brevo",
        block: json!({"objects": {"contacts": {"PLAN": {"type": "string", "refuse": "gold"}}}, "lists": {"News": 4}}),
        target: target(json!({})),
        list: Some(members),
        shown_as: "contacts",
        connect: |base_url, access, timeout| {
            let key = if access == Access::Bad { "invalid" } else { "key" };
            Arc::new(connected(key, base_url, timeout, Limits::default()))
        },
        renews: false,
        written_at: "/contacts",
        good,
        refused,
    })
    .await;
}
