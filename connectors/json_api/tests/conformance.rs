//! The behaviour every destination must show, of three kinds of APIs.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::{by_address, change, connected, field, in_batches, target};
use crate::conformance::{self, Access, Subject};
use crate::contract::{Change, Verb};

fn good(verb: Verb, number: usize) -> Change {
    change(verb, &format!("person {number}/ä"))
}

fn refused(verb: Verb, number: usize) -> Change {
    let mut change = good(verb, number);
    change.fields.push(field("nickname", "Mallory"));
    change
}

fn subject(options: Json) -> Subject {
    Subject {
        vendor: "http",
        block: json!({"objects": {"people": {
            "id": "string", "name": "string", "nickname": {"type": "string", "refuse": "Mallory"},
        }}}),
        target: target(options),
        list: None,
        shown_as: "people",
        connect: |base_url, access, timeout| {
            let token = if access == Access::Good { "tok-good" } else { "invalid" };
            Arc::new(connected(token, base_url, timeout))
        },
        renews: false,
        written_at: "/people",
        good,
        refused,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_of_one_row_a_request_behaves_as_every_destination_must() {
    conformance::run(&subject(by_address())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_that_answers_for_each_row_behaves_as_every_destination_must() {
    conformance::run(&subject(in_batches("/people/batch"))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_that_refuses_batches_whole_behaves_as_every_destination_must() {
    conformance::run(&subject(in_batches("/people/batch/strict"))).await;
}
