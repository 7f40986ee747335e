//! Batches of operations.

use std::sync::Arc;

use serde_json::json;

use super::{Closing, Kept, Rig, change, is_unknown, target, text};
use crate::conformance::support::{is_applied, rejected};
use crate::contract::{
    Change, Destination, Kind, Outcome, RemoteHandle, RunContext, Submitted, Target, Verb, Window,
};
use crate::mailchimp::jobs::perhaps_left;

fn batches() -> Target {
    target(&["PLAN"], json!({"api": "batches"}))
}

fn upserts(count: usize) -> Vec<Change> {
    (0..count).map(|n| change(Verb::Upsert, &format!("p{n}@x.io"), &[("PLAN", text("free"))])).collect()
}

#[tokio::test]
async fn each_operation_is_its_rows_outcome() {
    let rig = Rig::start(json!({})).await;
    let mut changes = upserts(1_050);
    changes[3].fields[1].value = text("gold");
    let outcomes = rig.submit(&batches(), changes).await;
    for (number, outcome) in outcomes.iter().enumerate() {
        match number {
            3 => assert_eq!(rejected(outcome), "INVALID_RESOURCE"),
            _ => assert!(is_applied(outcome), "{number}: {outcome:?}"),
        }
    }
    assert_eq!(rig.requests("writes"), 2, "a thousand in a request");
    assert_eq!(rig.members().await.len(), 1_049);
}

#[tokio::test]
async fn what_nobody_knows_is_unknown() {
    for fault in [
        json!({"do": "lost_ack", "path": "/batches"}),
        json!({"do": "garbage", "path": "/batches"}),
        json!({"do": "status", "code": 500, "path": "/batches/"}),
        json!({"do": "garbage", "path": "/results"}),
        json!({"do": "truncate", "path": "/results"}),
        json!({"do": "status", "code": 404, "path": "/results"}),
    ] {
        let rig = Rig::start(json!({"faults": [fault.clone()]})).await;
        let outcomes = rig.submit(&batches(), upserts(3)).await;
        assert!(outcomes.iter().all(is_unknown), "{fault}: {outcomes:?}");
        assert_eq!(rig.requests("writes"), 1, "{fault}: a batch is never repeated blindly");
    }
}

#[tokio::test]
async fn a_batch_that_is_refused_whole_sends_each_row_alone() {
    let rig = Rig::start(json!({"faults": [{"do": "status", "code": 400, "path": "/batches"}]})).await;
    assert!(rig.submit(&batches(), upserts(5)).await.iter().all(is_applied));
    assert_eq!(rig.requests("writes"), 6);
    let rig = Rig::start(json!({"faults": [{"do": "status", "code": 401, "path": "/batches"}]})).await;
    let error = rig.try_submit(&batches(), upserts(5)).await.unwrap_err();
    assert_eq!((error.kind, rig.requests("writes")), (Kind::Auth, 1));
}

/// A batch whose run ended before its results were there, and its handle.
async fn left(rig: &Rig, changes: &Vec<Change>) -> RemoteHandle {
    let kept = Kept::default();
    let session = rig.destination.open(&batches(), RunContext::alone("run", "members")).await.unwrap();
    let submitted = session.submit(changes, &kept).await.unwrap();
    let (Submitted::Done(receipt) | Submitted::Stopped(receipt, _)) = submitted else { panic!() };
    assert!(receipt.outcomes().iter().all(is_unknown), "{receipt:?}");
    assert!(rig.members().await.is_empty(), "it is still at work");
    kept.last().unwrap()
}

#[tokio::test]
async fn the_results_of_a_batch_that_a_run_left_are_taken_by_the_next() {
    let fault = json!({"do": "status", "code": 401, "path": "/batches/", "times": 1});
    let rig = Rig::start(json!({"faults": [fault]})).await;
    let mut changes = upserts(3);
    changes[1].fields[1].value = text("gold");
    let handle = left(&rig, &changes).await;
    let session = rig.destination.open(&batches(), RunContext::alone("next", "members")).await.unwrap();
    let mut bare: Vec<Change> = changes.iter().map(|c| Change { fields: Vec::new(), ..c.clone() }).collect();
    bare.push(change(Verb::Upsert, "other@x.io", &[]));
    let receipt = session.settle(&handle, &bare).await.unwrap();
    let outcomes = receipt.outcomes();
    assert!(is_applied(&outcomes[0]) && is_applied(&outcomes[2]), "{outcomes:?}");
    assert_eq!(rejected(&outcomes[1]), "INVALID_RESOURCE");
    assert!(matches!(outcomes[3], Outcome::Unknown { .. }), "{outcomes:?}");
    assert_eq!((rig.members().await.len(), rig.requests("writes")), (2, 1));
    // What Mailchimp knows no more proves nothing.
    let receipt = session.settle(&RemoteHandle("ffff".to_owned()), &bare).await.unwrap();
    assert!(receipt.outcomes().iter().all(is_unknown));
}

/// A run after one that left a batch and did not write it down.
fn after_a_crash() -> RunContext {
    let now = jiff::Timestamp::now();
    RunContext { unsettled: Some(Window { from: now, to: now }), ..RunContext::alone("next", "members") }
}

#[tokio::test]
async fn a_batch_that_nobody_wrote_down_is_waited_for_whatever_comes_next() {
    let pro = |verb| vec![change(verb, "p0@x.io", &[("PLAN", text("pro"))])];
    for (options, changes, status) in [
        (json!({"api": "batches"}), pro(Verb::Upsert), "subscribed"),
        (json!({"api": "members"}), pro(Verb::Upsert), "subscribed"),
        (json!({}), pro(Verb::Upsert), "subscribed"),
        (json!({}), pro(Verb::Update), "subscribed"),
        (json!({}), vec![change(Verb::Delete, "p0@x.io", &[])], "archived"),
    ] {
        let fault = json!({"do": "status", "code": 401, "path": "/batches/", "times": 1});
        let rig = Rig::start(json!({"faults": [fault], "batch_polls": 1})).await;
        let older = upserts(1);
        let handle = left(&rig, &older).await;
        let to = target(&["PLAN"], options.clone());
        let session = rig.destination.open(&to, after_a_crash()).await.unwrap();
        let Submitted::Done(receipt) = session.submit(&changes, &Kept::default()).await.unwrap() else {
            panic!()
        };
        assert!(is_applied(&receipt.outcomes()[0]), "{options}: {receipt:?}");
        // The older batch ends now at the latest.
        let session = rig.destination.open(&batches(), RunContext::alone("last", "members")).await.unwrap();
        session.settle(&handle, &older).await.unwrap();
        let member = &rig.members().await["p0@x.io"];
        assert_eq!(member["status"], status, "{options}: the older batch does not come after the newer");
        assert!(status == "archived" || member["PLAN"] == "pro", "{options}: {member}");
    }
}

#[test]
fn a_batch_that_does_not_say_when_it_was_submitted_may_be_one_that_was_left() {
    let time = |text: &str| text.parse::<jiff::Timestamp>().unwrap();
    let window = Window { from: time("2026-07-27T06:00:00Z"), to: time("2026-07-27T07:00:00Z") };
    for (batch, may_be) in [
        (json!({"status": "started", "submitted_at": "2026-07-27T06:30:00+00:00"}), true),
        (json!({"status": "started", "submitted_at": "2026-07-27T07:04:00+00:00"}), true),
        (json!({"status": "started", "submitted_at": "2026-07-27T09:00:00+00:00"}), false),
        (json!({"status": "started", "submitted_at": "yesterday"}), true),
        (json!({"status": "pending", "submitted_at": ""}), true),
        (json!({"status": "pending"}), true),
        (json!({}), true),
        (json!({"status": "finished"}), false),
        (json!({"status": "finished", "submitted_at": "2026-07-27T06:30:00+00:00"}), false),
    ] {
        assert_eq!(perhaps_left(&batch, window), may_be, "{batch}");
    }
}

#[tokio::test]
async fn a_batch_that_may_be_at_work_still_is_not_settled() {
    let fault = json!({"do": "status", "code": 500, "path": "/batches/"});
    let rig = Rig::start(json!({"faults": [fault]})).await;
    let changes = upserts(2);
    let handle = left(&rig, &changes).await;
    let session = rig.destination.open(&batches(), RunContext::alone("next", "members")).await.unwrap();
    let error = session.settle(&handle, &changes).await.unwrap_err();
    assert_eq!(error.kind, Kind::Unavailable, "{error:?}");

    // One that has ended does no more, even where its results are not to be had.
    let faults = json!([
        {"do": "status", "code": 401, "path": "/batches/", "times": 1},
        {"do": "status", "code": 404, "path": "/results"},
    ]);
    let rig = Rig::start(json!({"faults": faults})).await;
    let handle = left(&rig, &changes).await;
    let session = rig.destination.open(&batches(), RunContext::alone("next", "members")).await.unwrap();
    let receipt = session.settle(&handle, &changes).await.unwrap();
    assert!(receipt.outcomes().iter().all(is_unknown), "{receipt:?}");
}

#[tokio::test]
async fn no_batch_follows_one_that_could_not_be_written_down() {
    let rig = Rig::start(json!({})).await;
    let session = rig.destination.open(&batches(), RunContext::alone("run", "members")).await.unwrap();
    let submitted = session.submit(&upserts(1_050), &Kept::with_room(0)).await.unwrap();
    let Submitted::Stopped(receipt, error) = submitted else { panic!() };
    assert_eq!((error.message.as_str(), rig.requests("writes")), ("the disk is full", 1));
    let (sent, unsent) = receipt.outcomes().split_at(1_000);
    assert!(sent.iter().all(is_unknown));
    assert!(unsent.iter().all(|o| matches!(o, Outcome::Deferred { .. })));
}

#[tokio::test]
async fn a_run_that_ends_leaves_its_batch_to_the_next() {
    let rig = Rig::start(json!({"batch_polls": 1_000_000})).await;
    let context =
        RunContext { permission: Arc::new(Closing::default()), ..RunContext::alone("run", "members") };
    let session = rig.destination.open(&batches(), context).await.unwrap();
    let kept = Kept::default();
    let Submitted::Stopped(receipt, error) = session.submit(&upserts(3), &kept).await.unwrap() else {
        panic!()
    };
    assert_eq!(error.kind, Kind::Revoked, "{error:?}");
    assert!(receipt.outcomes().iter().all(is_unknown), "{receipt:?}");
    assert!(kept.last().is_some(), "the next run can ask for it");
}
