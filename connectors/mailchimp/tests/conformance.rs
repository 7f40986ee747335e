//! The behaviour every destination must show. An account may restore archived members here: else the first upsert of a
//! session looks at who is archived, and faults would strike that look, which `statuses.rs` and `stops.rs` try.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::{change, connected, target, text};
use crate::conformance::{self, Access, Connect, Subject};
use crate::contract::{Change, RateLimit, Verb};
use crate::registry::Limits;

/// No header of Mailchimp tells a rate, so the connection names that of the smallest account of the suite.
const CONNECT: Connect = |base_url, access, timeout| {
    let key = if access == Access::Bad { "invalid" } else { "key" };
    let rate = RateLimit { requests: 10, per: Duration::from_secs(1) };
    Arc::new(connected(key, base_url, timeout, Limits { requests: Some(rate), ..Limits::default() }))
};

fn good(verb: Verb, number: usize) -> Change {
    change(verb, &format!("person{number}@example.com"), &[("FNAME", text("Ann"))])
}

fn refused(verb: Verb, number: usize) -> Change {
    change(verb, &format!("person{number}@example.com"), &[("PLAN", text("gold"))])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mailchimp_behaves_as_every_destination_must() {
    conformance::run(&Subject {
        vendor: "mailchimp",
        block: json!({"objects": {"members": {"PLAN": {"type": "string", "refuse": "gold"}}}}),
        target: target(&["FNAME"], json!({"restore_archived": true})),
        list: Some(target(&[], json!({"tag": "VIP"}))),
        shown_as: "members",
        connect: CONNECT,
        renews: false,
        written_at: "/lists/",
        good,
        refused,
    })
    .await;
}
