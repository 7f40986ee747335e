//! The behaviour every destination must show.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::{NEWS, change, connected, target, text};
use crate::conformance::{self, Access, Subject};
use crate::contract::{Change, RateLimit, Target, Verb};
use crate::registry::Limits;

fn good(verb: Verb, number: usize) -> Change {
    change(verb, &format!("person{number}@example.com"), &[("first_name", text("Ann"))])
}

fn refused(verb: Verb, number: usize) -> Change {
    change(verb, &format!("person{number}@example.com"), &[("first_name", text("gold"))])
}

/// Jobs are done as soon as they are taken, so that a call whose answer is lost has its effect; it is not sent twice in a session. No header tells how long a
/// window is, so the connection names that of the smallest account of the suite.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sendgrid_behaves_as_every_destination_must() {
    let fields = vec!["email".to_owned(), "first_name".to_owned()];
    let members = Target { fields: vec!["email".to_owned()], ..target(json!({"list": NEWS})) };
    conformance::run_unrepeated(&Subject {
        vendor: "sendgrid",
        block: json!({
            "objects": {"contacts": {"first_name": {"type": "string", "refuse": "gold"}}},
            "marketing_lists": {"News": NEWS}, "job_polls": 0,
        }),
        target: Target { fields, ..target(json!({})) },
        list: Some(members),
        shown_as: "contacts",
        connect: |base_url, access, timeout| {
            let key = if access == Access::Bad { "invalid" } else { "SG.key" };
            let rate = RateLimit { requests: 10, per: Duration::from_secs(1) };
            let limits = Limits { requests: Some(rate), ..Limits::default() };
            Arc::new(connected(key, base_url, timeout, limits))
        },
        renews: false,
        written_at: "/v3/marketing/contacts",
        good,
        refused,
    })
    .await;
}
