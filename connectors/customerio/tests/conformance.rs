//! The behaviour every destination must show: people, and events.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::{change, connected, credentials, field, options, people, target};
use crate::conformance::{self, Access, Connect, Subject};
use crate::contract::{Change, RateLimit, Target, Verb};
use crate::customerio::target::EVENT_KEY;

/// No header of Customer.io tells its rate, so the connection names that of the smallest account of the suite.
const CONNECT: Connect = |base_url, access, timeout| {
    let site = if access == Access::Bad { "invalid" } else { "site-test" };
    let rate = RateLimit { requests: 10, per: Duration::from_secs(1) };
    Arc::new(connected(credentials(site), base_url, Some(rate), timeout))
};

fn person(verb: Verb, number: usize) -> Change {
    change(verb, &format!("p{number}"), if verb == Verb::Delete { &[] } else { &[("plan", "pro")] })
}

fn refused_person(verb: Verb, number: usize) -> Change {
    change(verb, &format!("p{number}"), &[("plan", "blocked")])
}

fn event(verb: Verb, number: usize) -> Change {
    let fields = [("id", "p1"), ("name", "purchase"), ("plan", "pro")];
    Change { destination_key: vec![field(EVENT_KEY, &number.to_string())], ..change(verb, "p1", &fields) }
}

fn refused_event(verb: Verb, number: usize) -> Change {
    let mut event = event(verb, number);
    event.fields[2] = field("plan", "blocked");
    event
}

/// With the consent that updates need.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_behave_as_every_destination_must() {
    conformance::run(&Subject {
        vendor: "customerio",
        block: json!({
            "objects": {"people": {"plan": {"type": "string", "refuse": "blocked"}}},
            "segments": {"7": "Newsletter"},
        }),
        target: Target { options: options(json!({"unseen_updates": true})), ..people() },
        list: Some(target("people", "id", &["id"], json!({"list": 7}))),
        shown_as: "people",
        connect: CONNECT,
        renews: false,
        written_at: "api/v2/batch",
        good: person,
        refused: refused_person,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_behave_as_every_destination_must() {
    conformance::run(&Subject {
        vendor: "customerio",
        block: json!({"objects": {"events": {"plan": {"type": "string", "refuse": "blocked"}}}}),
        target: target("events", EVENT_KEY, &[EVENT_KEY, "id", "name", "plan"], json!({})),
        list: None,
        shown_as: "events",
        connect: CONNECT,
        renews: false,
        written_at: "api/v2/batch",
        good: event,
        refused: refused_event,
    })
    .await;
}
