//! Imports: what a file can say, what its files of failures and warnings say of each row, and their place in the queue.

use serde_json::json;

use super::{Kept, NEWS, Rig, change, is_applied, letters, rejected, target, text, upserts};
use crate::contract::{Destination, Kind, Outcome, RunContext, Submitted, Value, Verb};

fn imported() -> crate::contract::Target {
    target(json!({"api": "import", "list": NEWS}))
}

#[tokio::test]
async fn rows_that_fill_every_column_go_by_a_file_and_the_others_by_a_call() {
    let rig = Rig::start(json!({})).await;
    let mut changes = upserts(400);
    changes[3].fields[1].value = Value::Null;
    changes[4].fields[3].value = text("gold");
    changes[5] = change(
        Verb::Upsert,
        "no address",
        &[("firstName", text("B")), ("score", Value::Integer(1)), ("plan", text("a"))],
    );
    changes[6] = change(Verb::Upsert, "", &[]);
    changes[7].fields[1].value = text("two\nlines");
    changes[8].fields[3].value = text("NULL");
    let outcomes = rig.submit(&imported(), changes).await;
    for (number, outcome) in outcomes.iter().enumerate() {
        match number {
            4 | 5 => assert_eq!(rejected(outcome), "IMPORT_ROW_FAILED"),
            6 => assert_eq!(rejected(outcome), "KEY_EMPTY"),
            _ => assert!(is_applied(outcome), "{number}: {outcome:?}"),
        }
    }
    let Outcome::Rejected { field, message, .. } = &outcomes[4] else { panic!() };
    assert_eq!(
        (field.as_deref(), message.as_str()),
        (Some("plan"), "Invalid value for field 'plan' and value 'gold'")
    );
    // The file, the call with what it could not say, and the list of those that went by the call.
    assert_eq!((rig.requests("writes"), rig.jobs().await), (3, 1));
    let leads = rig.leads().await;
    assert_eq!(leads.len(), 397);
    assert!(leads.values().all(|lead| lead["static_lists"] == json!([NEWS])), "each is on the list");
    assert_eq!(
        (&leads["p9@x.io"]["firstName"], &leads["p7@x.io"]["firstName"]),
        (&json!("Zoë, \"Z\""), &json!("two\nlines"))
    );
}

#[tokio::test]
async fn few_rows_go_by_a_call_unless_an_import_is_asked_for() {
    let rig = Rig::start(json!({})).await;
    assert_eq!(letters(&rig.submit(&target(json!({})), upserts(300)).await).matches('a').count(), 300);
    assert_eq!((rig.requests("writes"), rig.jobs().await), (1, 0));
    assert_eq!(letters(&rig.submit(&target(json!({})), upserts(301)).await).matches('a').count(), 301);
    assert_eq!((rig.requests("writes"), rig.jobs().await), (2, 1));
    // Only upserts can be imported.
    let updates: Vec<_> =
        upserts(301).into_iter().map(|c| crate::contract::Change { verb: Verb::Update, ..c }).collect();
    rig.submit(&imported(), updates).await;
    assert_eq!(rig.jobs().await, 1);
}

#[tokio::test]
async fn a_row_of_which_an_import_warns_is_sent_by_a_call_that_says_what_is_wrong() {
    let rig = Rig::start(json!({"import_warns": ["odd", "gold"]})).await;
    let mut changes = upserts(5);
    changes[1].fields[1].value = text("odd");
    changes[2].fields[1].value = text(&"x".repeat(300));
    let outcomes = rig.submit(&target(json!({"api": "import"})), changes).await;
    assert_eq!(letters(&outcomes), "aauaa");
    // A call took the one as it is, and refuses the other, of which the import has done a part.
    let Outcome::Unknown { reason } = &outcomes[2] else { panic!() };
    assert!(reason.contains("1003") && reason.contains("too long"), "{reason}");
    assert_eq!(rig.leads().await["p1@x.io"]["firstName"], "odd");
    assert_eq!((rig.requests("writes"), rig.leads().await.len()), (2, 5));
}

#[tokio::test]
async fn without_its_file_of_failures_nothing_of_an_import_counts_as_done() {
    for fault in [
        json!({"do": "status", "code": 403, "path": "/failures.json"}),
        json!({"do": "garbage", "path": "/failures.json"}),
        json!({"do": "status", "code": 404, "path": "/bulk/v1/leads/batch/"}),
        json!({"do": "status", "code": 500, "path": "/bulk/v1/leads/batch/"}),
        json!({"do": "garbage", "path": "/bulk/v1/leads/batch/"}),
    ] {
        let rig = Rig::start(json!({"faults": [fault.clone()]})).await;
        let mut changes = upserts(4);
        changes[2].fields[3].value = text("gold");
        assert_eq!(letters(&rig.submit(&imported(), changes).await), "uuuu", "{fault}");
    }
}

#[tokio::test]
async fn an_import_waits_for_its_place_in_the_queue() {
    let rig = Rig::start(json!({"queue_full": 2})).await;
    assert_eq!(letters(&rig.submit(&imported(), upserts(3)).await), "aaa");
    assert_eq!((rig.requests("writes"), rig.jobs().await), (3, 1));
}

#[tokio::test]
async fn an_import_that_fails_whole_says_why_and_did_nothing() {
    let rig = Rig::start(json!({})).await;
    let odd = crate::contract::Target { fields: vec!["email".into(), "noSuch".into()], ..imported() };
    let changes = vec![change(Verb::Upsert, "a@x.io", &[("noSuch", text("x"))])];
    let outcomes = rig.submit(&odd, changes).await;
    assert_eq!(rejected(&outcomes[0]), "IMPORT_FAILED");
    let Outcome::Rejected { message, .. } = &outcomes[0] else { panic!() };
    assert!(message.contains("noSuch") && rig.leads().await.is_empty(), "{message}");
}

#[tokio::test]
async fn an_import_is_written_down_before_it_is_sent() {
    let rig = Rig::start(json!({})).await;
    let session = rig.marketo.open(&imported(), RunContext::alone("run", "sync")).await.unwrap();
    let full = Kept { most: 0, ..Kept::default() };
    let error = session.submit(&upserts(3), &full).await.err().unwrap();
    assert_eq!((error.message.as_str(), rig.requests("writes")), ("the disk is full", 0));
    // Where its number cannot be, nothing is known of it.
    let full = Kept { most: 1, ..Kept::default() };
    let Submitted::Done(receipt) = session.submit(&upserts(3), &full).await.unwrap() else { panic!() };
    assert_eq!((letters(receipt.outcomes()).as_str(), rig.jobs().await), ("uuu", 1));
}

#[tokio::test]
async fn an_import_that_is_refused_before_its_first_row_sends_nothing() {
    for (code, kind) in [(401, Kind::Auth), (403, Kind::Auth), (404, Kind::Config), (400, Kind::Internal)] {
        let fault = json!({"do": "status", "code": code, "path": "/bulk/v1/leads.json"});
        let rig = Rig::start(json!({"faults": [fault]})).await;
        let error = rig.try_submit(&imported(), upserts(3)).await.unwrap_err();
        assert_eq!(error.kind, kind, "{code}: {error:?}");
        assert_eq!((rig.leads().await.len(), rig.jobs().await), (0, 0));
    }
}
