//! The behaviour every destination must show: users, with a subscription group, and events.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::{change, connected, field, target, users};
use crate::braze::options::{EVENT_KEY, EVENTS, EXTERNAL_ID};
use crate::conformance::{self, Access, Connect, Subject};
use crate::contract::{Change, FieldValue, RateLimit, Value, Verb};

/// No header of Braze tells how long a window is, so the connection names that of the smallest account of the suite.
const CONNECT: Connect = |base_url, access, timeout| {
    let key = if access == Access::Bad { "invalid" } else { "key-test" };
    let rate = RateLimit { requests: 10, per: Duration::from_secs(1) };
    Arc::new(connected(json!({"api_key": key}), base_url, Some(rate), timeout))
};

fn user(verb: Verb, number: usize) -> Change {
    change(verb, &format!("u{number}"), if verb == Verb::Delete { &[] } else { &[("plan", "pro")] })
}

fn refused_user(verb: Verb, number: usize) -> Change {
    change(verb, &format!("u{number}"), &[("plan", "blocked")])
}

fn event(verb: Verb, number: usize) -> Change {
    let mut event = change(verb, "", &[(EXTERNAL_ID, "u1"), ("name", "purchase"), ("plan", "pro")]);
    event.destination_key = vec![field(EVENT_KEY, &number.to_string())];
    let time = Value::DateTime("2026-02-03T04:05:06Z".parse().unwrap());
    event.fields.push(FieldValue { name: "time".into(), value: time });
    event
}

fn refused_event(verb: Verb, number: usize) -> Change {
    let mut event = event(verb, number);
    event.fields[2] = field("plan", "blocked");
    event
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_behave_as_every_destination_must() {
    conformance::run(&Subject {
        vendor: "braze",
        block: json!({
            "objects": {"attributes": {"plan": {"type": "string", "refuse": "blocked"}}},
            "subscription_groups": {"g-1": "Newsletter"},
        }),
        target: users(json!({})),
        list: Some(target("attributes", &[EXTERNAL_ID], &[EXTERNAL_ID], json!({"list": "g-1"}))),
        shown_as: "users",
        connect: CONNECT,
        renews: false,
        written_at: "users/track",
        good: user,
        refused: refused_user,
    })
    .await;
}

/// An event whose answer was lost is not sent again: Braze would count it twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_behave_as_every_destination_must() {
    conformance::run_unrepeated(&Subject {
        vendor: "braze",
        block: json!({"objects": {"events": {"plan": {"type": "string", "refuse": "blocked"}}}}),
        target: target(EVENTS, &[EVENT_KEY], &[EVENT_KEY, EXTERNAL_ID, "name", "time", "plan"], json!({})),
        list: None,
        shown_as: "events",
        connect: CONNECT,
        renews: false,
        written_at: "users/track",
        good: event,
        refused: refused_event,
    })
    .await;
}
