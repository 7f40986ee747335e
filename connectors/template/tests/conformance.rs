//! The behaviour every destination must show.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::super::connector::TemplateDestination;
use super::{change, field, target};
use crate::conformance::{self, Access, Subject, support};
use crate::contract::{Change, Destination, Kind, Target, Value, Verb};

/// A connection with short pauses and three attempts.
fn connected(base_url: &str, key: &str, timeout: Duration) -> TemplateDestination {
    let settings = support::settings(&json!({"api_key": key}), base_url);
    TemplateDestination::with_policy(&settings, support::policy(timeout)).unwrap()
}

fn good(verb: Verb, number: usize) -> Change {
    change(verb, &format!("person {number}"))
}

fn refused(verb: Verb, number: usize) -> Change {
    let mut change = good(verb, number);
    change.fields.push(field("plan", Value::Text("gold".to_owned())));
    change
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn template_behaves_as_every_destination_must() {
    conformance::run(&Subject {
        vendor: "template",
        block: json!({"objects": {"people": {"name": "string", "plan": {"type": "string", "refuse": "gold"}}}}),
        target: target(),
        list: None,
        shown_as: "people",
        connect: |base_url, access, timeout| {
            Arc::new(connected(base_url, if access == Access::Bad { "invalid" } else { "key" }, timeout))
        },
        renews: false,
        written_at: "/people/batch",
        good,
        refused,
    })
    .await;
}

#[tokio::test]
async fn what_the_api_has_not_is_said_before_a_request() {
    let template = connected("http://127.0.0.1:9", "key", Duration::from_secs(1));
    for (target, word) in [
        (Target { object: "events".to_owned(), ..target() }, "`events`"),
        (Target { match_on: vec!["email".to_owned()], ..target() }, "`email`"),
    ] {
        let error = template.capabilities(&target).unwrap_err();
        assert!(
            error.kind == Kind::Config && error.message.contains(word) && error.hint.is_some(),
            "{error:?}"
        );
    }
}
