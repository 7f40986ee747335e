//! What the end of a job means, and what becomes of jobs that a run left.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::{Few, Kept, NEWS, Rig, change, is_applied, letters, rejected, target, text};
use crate::contract::{
    Change, Destination, Kind, Outcome, RemoteHandle, RunContext, Session, Submitted, Target, Value, Verb,
    Window,
};

fn upserts(count: usize) -> Vec<Change> {
    (0..count).map(|n| change(Verb::Upsert, &format!("p{n}@x.io"), &[("plan", text("a"))])).collect()
}

async fn session(rig: &Rig) -> Box<dyn Session> {
    rig.destination.open(&target(json!({})), RunContext::alone("run", "sync")).await.unwrap()
}

async fn outcomes(session: &dyn Session, changes: &Vec<Change>, kept: &Kept) -> Vec<Outcome> {
    match session.submit(changes, kept).await.unwrap() {
        Submitted::Done(receipt) => receipt.into_outcomes(),
        other => panic!("{other:?}"),
    }
}

fn bare(changes: &[Change]) -> Vec<Change> {
    changes.iter().map(|change| Change { fields: Vec::new(), ..change.clone() }).collect()
}

#[tokio::test]
async fn a_row_that_its_job_refuses_is_told_from_the_others_by_the_file() {
    let rig = Rig::start(json!({"job_polls": 4})).await;
    let mut changes = upserts(20);
    changes[5].fields[1].value = text("gold");
    let outcomes = rig.submit(&target(json!({})), changes).await;
    for (at, outcome) in outcomes.iter().enumerate() {
        match at {
            5 => assert_eq!(rejected(outcome), "JOB_ROW_REFUSED"),
            _ => assert!(is_applied(outcome), "{at}: {outcome:?}"),
        }
    }
    let Outcome::Rejected { message, .. } = &outcomes[5] else { panic!() };
    assert_eq!(message, "plan is not allowed");
    assert_eq!((rig.requests("writes"), rig.contacts().await.len()), (1, 19));
    // Alone its job fails, and the file says why.
    let mut alone = upserts(1);
    alone[0].fields[1].value = text("gold");
    assert_eq!(rejected(&rig.submit(&target(json!({})), alone).await[0]), "JOB_ROW_REFUSED");
}

#[tokio::test]
async fn without_its_file_of_errors_nothing_of_a_job_counts_as_done() {
    for fault in [
        json!({"do": "status", "code": 403, "path": "/__files/errors"}),
        json!({"do": "garbage", "path": "/__files/errors"}),
    ] {
        let rig = Rig::start(json!({"faults": [fault.clone()]})).await;
        let mut changes = upserts(4);
        changes[2].fields[1].value = text("gold");
        assert_eq!(letters(&rig.submit(&target(json!({})), changes).await), "uuuu", "{fault}");
    }
}

#[tokio::test]
async fn what_nobody_knows_is_unknown() {
    for fault in [
        json!({"do": "lost_ack", "path": "/v3/marketing/contacts"}),
        json!({"do": "status", "code": 500, "path": "/contacts/imports/"}),
        json!({"do": "status", "code": 403, "path": "/contacts/imports/"}),
        json!({"do": "status", "code": 404, "path": "/contacts/imports/"}),
        json!({"do": "garbage", "path": "/contacts/imports/"}),
    ] {
        let rig = Rig::start(json!({"faults": [fault.clone()]})).await;
        match rig.try_submit(&target(json!({})), upserts(3)).await {
            Ok(outcomes) => assert_eq!(letters(&outcomes), "uuu", "{fault}"),
            Err(error) => assert_eq!(error.kind, Kind::Ambiguous, "{fault}"),
        }
    }
}

#[tokio::test]
async fn a_job_that_a_run_left_is_asked_for_by_the_next() {
    let fault = json!({"do": "status", "code": 403, "path": "/contacts/imports/", "times": 1});
    let rig = Rig::start(json!({"faults": [fault]})).await;
    let (kept, mut changes) = (Kept::default(), upserts(6));
    changes[1].destination_key[0].value = text("no address");
    changes[1].fields.remove(0);
    changes[4].fields[1].value = text("gold");
    assert_eq!(letters(&outcomes(&*session(&rig).await, &changes, &kept).await), "uruuuu");
    assert!(rig.contacts().await.is_empty(), "it is still at work");
    let handle = kept.last().unwrap();
    let next = session(&rig).await;
    let receipt = next.settle(&handle, &bare(&changes)).await.unwrap();
    // The second was in no job that is known of.
    assert_eq!(letters(receipt.outcomes()), "auaara");
    assert_eq!(rig.contacts().await.len(), 4);
    // One that SendGrid does not know proves nothing.
    let odd = RemoteHandle("c:00000000-0000-4000-8000-000000000000:0-5".to_owned());
    assert_eq!(letters(next.settle(&odd, &bare(&changes)).await.unwrap().outcomes()), "uuuuuu");
    assert_eq!(rig.requests("writes"), 2, "settling sends nothing");
}

#[tokio::test]
async fn nothing_more_is_sent_by_a_batch_whose_job_cannot_be_written_down() {
    let rig = Rig::start(json!({})).await;
    let there = upserts(150);
    assert!(rig.submit(&target(json!({})), there.clone()).await.iter().all(is_applied));
    let before = rig.requests("writes");
    let full = Kept::with_room(0);
    let removals: Vec<Change> = there.iter().map(|c| Change { verb: Verb::Delete, ..c.clone() }).collect();
    let outcomes = outcomes(&*session(&rig).await, &removals, &full).await;
    assert_eq!(letters(&outcomes), format!("{}{}", "u".repeat(100), "d".repeat(50)));
    assert_eq!(rig.requests("writes") - before, 1);
}

#[tokio::test]
async fn a_run_that_ends_between_two_calls_leaves_the_rest_unsent() {
    let rig = Rig::start(json!({})).await;
    let there = upserts(150);
    assert!(rig.submit(&target(json!({})), there.clone()).await.iter().all(is_applied));
    let context = RunContext { permission: Arc::new(Few(1.into())), ..RunContext::alone("run", "sync") };
    let session = rig.destination.open(&target(json!({})), context).await.unwrap();
    let removals: Vec<Change> = there.iter().map(|c| Change { verb: Verb::Delete, ..c.clone() }).collect();
    let outcomes = outcomes(&*session, &removals, &Kept::default()).await;
    assert_eq!(letters(&outcomes), format!("{}{}", "a".repeat(100), "d".repeat(50)));
    assert_eq!(rig.contacts().await.len(), 50);
}

#[tokio::test]
async fn a_run_that_ends_behind_a_file_stops_with_what_is_known() {
    let rig = Rig::start(json!({})).await;
    let fields = ["email", "plan"].map(str::to_owned).to_vec();
    let imported = Target { fields, ..target(json!({"api": "import"})) };
    let mut changes = upserts(3);
    // A file cannot say it.
    changes[1].fields[1].value = Value::Null;
    let context = RunContext { permission: Arc::new(Few(2.into())), ..RunContext::alone("run", "sync") };
    let session = rig.destination.open(&imported, context).await.unwrap();
    match session.submit(&changes, &Kept::default()).await.unwrap() {
        Submitted::Stopped(receipt, error) => {
            assert_eq!((letters(receipt.outcomes()).as_str(), error.kind), ("ada", Kind::Revoked));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(rig.contacts().await.len(), 2);
}

#[tokio::test]
async fn what_a_lost_call_may_still_make_does_not_count_as_removed() {
    let lost = json!({"do": "lost_ack", "path": "/v3/marketing/contacts", "times": 1});
    let rig = Rig::start(json!({"faults": [lost]})).await;
    let error = rig.try_submit(&target(json!({})), upserts(2)).await.unwrap_err();
    assert_eq!(
        (error.kind, rig.requests("writes"), rig.jobs().await),
        (Kind::Ambiguous, 1, 1),
        "it is sent once"
    );
    assert!(rig.contacts().await.is_empty(), "its job is still at work");
    let now = Timestamp::now();
    let long_ago = now.checked_sub(Duration::from_secs(7 * 3600)).unwrap();
    let members = Target { fields: vec!["email".to_owned()], ..target(json!({"list": NEWS})) };
    for (from, expected) in [(Some(now), "dd"), (Some(long_ago), "aa"), (None, "aa")] {
        let unsettled = from.map(|from| Window { from, to: now });
        for (target, verb) in [(target(json!({})), Verb::Delete), (members.clone(), Verb::Leave)] {
            let context = RunContext { unsettled, ..RunContext::alone("next", "sync") };
            let session = rig.destination.open(&target, context).await.unwrap();
            let gone: Vec<Change> = upserts(2).into_iter().map(|c| Change { verb, ..c }).collect();
            assert_eq!(
                letters(&outcomes(&*session, &gone, &Kept::default()).await),
                expected,
                "{verb} {from:?}"
            );
        }
    }
    assert_eq!(rig.requests("writes"), 1);
}

#[tokio::test]
async fn an_identifier_that_a_contact_has_must_be_sent_with_it() {
    let rig = Rig::start(json!({})).await;
    let both = change(Verb::Upsert, "a@x.io", &[("external_id", text("7"))]);
    assert_eq!(letters(&rig.submit(&target(json!({})), vec![both]).await), "a");
    let outcomes = rig.submit(&target(json!({})), vec![change(Verb::Upsert, "a@x.io", &[])]).await;
    assert_eq!(rejected(&outcomes[0]), "JOB_ROW_REFUSED");
    // A member is put on a list with all of them.
    let members = target(json!({"list": NEWS}));
    assert_eq!(letters(&rig.submit(&members, vec![change(Verb::Join, "a@x.io", &[])]).await), "a");
    assert_eq!(rig.contacts().await["a@x.io"]["list_ids"], Json::from(vec![NEWS]));
}
