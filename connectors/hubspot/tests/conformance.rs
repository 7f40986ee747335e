//! The behaviour every destination must show.

use std::sync::Arc;

use serde_json::json;

use super::{change, field, target, with_settings};
use crate::conformance::{self, Access, Subject};
use crate::contract::{Change, Target, Verb};

fn good(verb: Verb, number: usize) -> Change {
    change(verb, &format!("person{number}@example.com"), None)
}

fn refused(verb: Verb, number: usize) -> Change {
    let mut change = good(verb, number);
    change.fields.push(field("nickname", "Mallory"));
    change
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hubspot_behaves_as_every_destination_must() {
    conformance::run(&Subject {
        vendor: "hubspot",
        block: json!({
            "objects": {"contacts": {"nickname": {"type": "string", "refuse": "Mallory"}}},
            "lists": {"VIP": "contacts"},
        }),
        target: target(),
        list: Some(Target { options: json!({"list": "VIP"}).as_object().unwrap().clone(), ..target() }),
        shown_as: "contacts",
        connect: |base_url, access, timeout| {
            let values = match access {
                Access::Good => json!({"token": "pat-test"}),
                Access::Bad => json!({"token": "invalid"}),
                Access::Renewing => json!({"auth": {
                    "method": "refresh_token", "client_id": "app", "client_secret": "app-secret", "refresh_token": "rt",
                }}),
            };
            Arc::new(with_settings(values, base_url, true, timeout))
        },
        renews: true,
        written_at: "batch/upsert",
        good,
        refused,
    })
    .await;
}
