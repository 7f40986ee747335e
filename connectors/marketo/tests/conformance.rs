//! The behaviour every destination must show.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::{NEWS, change, connected, members_of, target, text, with_token};
use crate::conformance::{self, Access, Subject};
use crate::contract::{Change, RateLimit, Target, Verb};

fn good(verb: Verb, number: usize) -> Change {
    change(verb, &format!("person{number}@example.com"), &[("firstName", text("Ann"))])
}

fn refused(verb: Verb, number: usize) -> Change {
    change(verb, &format!("person{number}@example.com"), &[("firstName", text("gold"))])
}

/// What may make leads is sent once in a session, because a second call beside a lost one makes duplicates. No header tells of
/// the window, so the connection names that of the smallest account of the suite.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn marketo_behaves_as_every_destination_must() {
    let fields = vec!["email".to_owned(), "firstName".to_owned()];
    conformance::run_unrepeated(&Subject {
        vendor: "marketo",
        block: json!({
            "objects": {"leads": {"firstName": {"type": "string", "refuse": "gold"}}},
            "static_lists": {"News": NEWS},
        }),
        target: Target { fields, ..target(json!({})) },
        list: Some(members_of(NEWS)),
        shown_as: "leads",
        connect: |base_url, access, timeout| {
            let rate = RateLimit { requests: 10, per: Duration::from_secs(1) };
            Arc::new(match access {
                Access::Good => with_token("token-1", base_url, timeout, rate),
                Access::Bad => connected("invalid", base_url, timeout, rate),
                Access::Renewing => connected("secret", base_url, timeout, rate),
            })
        },
        renews: true,
        written_at: "/rest/v1/leads.json",
        good,
        refused,
    })
    .await;
}
