//! The behaviour every destination must show.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::{auth, block, change, limited, target, text};
use crate::conformance::{self, Access, Subject};
use crate::contract::{Change, RateLimit, Target, Verb};
use crate::registry::Limits;

fn good(verb: Verb, number: usize) -> Change {
    change(verb, &format!("k{number}"), &[("LastName", text("Ann"))])
}

fn refused(verb: Verb, number: usize) -> Change {
    change(verb, &format!("k{number}"), &[("LastName", text("Ann")), ("Plan__c", text("gold"))])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn salesforce_behaves_as_every_destination_must() {
    conformance::run(&Subject {
        vendor: "salesforce",
        block: block(json!({})),
        target: Target { fields: vec!["Code__c".to_owned(), "LastName".to_owned()], ..target(json!({})) },
        list: None,
        shown_as: "Contact",
        connect: |base_url, access, timeout| {
            let token = |token: &str| json!({"auth": {"method": "access_token", "access_token": token}});
            let values = match access {
                Access::Good => token("00D!token"),
                Access::Bad => token("invalid"),
                Access::Renewing => auth("secret"),
            };
            // Salesforce has no window of its own, so the user's is kept to.
            let requests = Some(RateLimit { requests: 10, per: Duration::from_secs(1) });
            let limits = Limits { requests, ..Limits::default() };
            Arc::new(limited(&values, base_url, timeout, limits))
        },
        renews: true,
        written_at: "/composite/sobjects",
        good,
        refused,
    })
    .await;
}
