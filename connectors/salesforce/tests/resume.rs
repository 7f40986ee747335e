//! Jobs whose answers are lost, whose run ends before they do, or which somebody else ends.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value as Json, json};
use tokio::sync::Notify;

use super::super::jobs::{State, Wanted};
use super::jobs::{applied, by, many, named};
use super::{Rig, auth, change, connected};
use crate::conformance::support::{self, rejected};
use crate::contract::{
    Change, ConnectorError, Destination, Handles, Kind, Outcome, RemoteHandle, RunContext, RunEnd, Submitted,
    Target, Value, Verb, Window,
};

/// A `sandbox` block with this fault, as often as said.
fn fault(kind: &str, path: &str, times: u64) -> Json {
    json!({"faults": [{"do": kind, "path": path, "times": times}]})
}

#[tokio::test]
async fn answers_are_lost_at_every_step_and_nothing_else_is() {
    for kind in ["lost_ack", "truncate", "garbage"] {
        for path in ["/jobs/ingest", "/batches", "/successfulResults", "/failedResults"] {
            for times in [1, 2] {
                let rig = Rig::start(fault(kind, path, times)).await;
                let mut rows = many(300);
                rows[5] = change(Verb::Upsert, "k5", &[("LastName", Value::Null)]);
                let outcomes = rig.submit(&by("bulk"), rows).await;
                assert_eq!(applied(&outcomes), 299, "{kind} {path} {times}: {outcomes:?}");
                assert_eq!(rejected(&outcomes[5]), "REQUIRED_FIELD_MISSING");
                let made = |o: &Outcome| matches!(o, Outcome::Applied { created: Some(true), .. });
                assert_eq!(
                    outcomes.iter().filter(|o| made(o)).count(),
                    299,
                    "{kind} {path} {times}: uploaded twice"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_session_that_ends_at_any_call_is_renewed_and_the_upload_begun_anew() {
    for calls in 1..6 {
        let rig = Rig::start(json!({"session_calls": calls})).await;
        let outcomes = rig.submit(&by("bulk"), many(2_000)).await;
        assert_eq!(applied(&outcomes), 2_000, "{calls}");
        assert_eq!(jobs(&rig).await, ["Complete"], "{calls}");
    }
}

#[tokio::test]
async fn a_day_that_ends_while_a_job_works_leaves_its_rows_to_a_later_run() {
    // After a token, two describes and the limits it is made, filled, closed, and asked for: each call may be the day's last.
    for (calls, is_closed) in [(4, false), (5, false), (6, false), (7, true), (8, true), (9, true)] {
        let rig = Rig::start(json!({"limits": {"daily_calls": calls}})).await;
        let (rows, kept) = (many(300), Kept::default());
        let session = rig.destination.open(&by("bulk"), RunContext::alone("run", "sync")).await.unwrap();
        match session.submit(&rows, &kept).await {
            Ok(Submitted::Stopped(receipt, error)) => {
                assert_eq!((error.kind, is_closed), (Kind::Quota, true), "{calls}: {error}");
                let outcomes = receipt.outcomes();
                assert!(outcomes.iter().all(|o| matches!(o, Outcome::Unknown { .. })), "{:?}", outcomes[0]);
                assert!(kept.0.lock().unwrap().last().unwrap().ends_with('+'));
            }
            Err(error) => assert_eq!((error.kind, is_closed), (Kind::Quota, false), "{calls}: {error}"),
            Ok(other) => panic!("{calls}: {other:?}"),
        }
        assert!(is_closed || rig.contacts().await.is_empty());
    }
}

#[tokio::test]
async fn rows_of_a_job_that_somebody_aborts_are_sent_by_another() {
    let rig = Rig::start(json!({})).await;
    let target = by("bulk");
    let client = rig.destination.client.sending(rig.destination.client.http.permitted_by(Arc::new(Always)));
    let abort = async {
        loop {
            let jobs = client.all_jobs().await.unwrap();
            match jobs.iter().find(|job| job.state == State::Working) {
                Some(job) => return client.abort_job(&job.id).await.unwrap(),
                None => tokio::task::yield_now().await,
            }
        }
    };
    let (outcomes, ()) = tokio::join!(rig.submit(&target, many(11_000)), abort);
    assert_eq!(applied(&outcomes), 11_000);
    assert_eq!(jobs(&rig).await, ["Aborted", "Complete"]);
    assert_eq!(rig.contacts().await.len(), 11_000);
}

#[tokio::test]
async fn an_upload_and_a_file_that_stand_still_are_given_up_and_begun_again() {
    for path in ["/batches", "/successfulResults"] {
        let rig = Rig::start(fault("hang", path, 1)).await;
        let base_url = format!("{}/salesforce", rig.sandbox.url());
        let salesforce = connected(&auth("secret"), &base_url, Duration::from_secs(4));
        let outcomes = support::submit(&salesforce, &by("bulk"), many(3_000)).await.unwrap();
        assert_eq!(applied(&outcomes), 3_000, "{path}");
        assert_eq!(rig.sandbox.stats()["fired"]["hang"], 1, "{path}");
    }
}

/// Keeps every handle that is stored, and fails at the one of this number.
#[derive(Default)]
struct Kept(Mutex<Vec<String>>, Option<usize>);

#[async_trait]
impl Handles for Kept {
    async fn store(&self, handle: &RemoteHandle) -> Result<(), ConnectorError> {
        let mut kept = self.0.lock().unwrap();
        if self.1 == Some(kept.len()) {
            return Err(ConnectorError::new(Kind::Internal, "the disk is full"));
        }
        kept.push(handle.0.clone());
        Ok(())
    }
}

/// Notes the first handle, and says so and stands still at the second.
#[derive(Default)]
struct Stuck(Notify, AtomicBool);

#[async_trait]
impl Handles for Stuck {
    async fn store(&self, _: &RemoteHandle) -> Result<(), ConnectorError> {
        if self.1.swap(true, Ordering::SeqCst) {
            self.0.notify_one();
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}

/// Ends the first job as soon as it is noted, as somebody else might.
struct Ends<'a>(&'a Rig, AtomicBool);

#[async_trait]
impl Handles for Ends<'_> {
    async fn store(&self, handle: &RemoteHandle) -> Result<(), ConnectorError> {
        if !self.1.swap(true, Ordering::SeqCst) {
            let client = &self.0.destination.client;
            let client = client.sending(client.http.permitted_by(Arc::new(Always)));
            client.abort_job(&handle.0).await?;
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_job_that_somebody_ends_before_it_has_its_data_is_made_anew() {
    let rig = Rig::start(json!({})).await;
    let session = rig.destination.open(&by("bulk"), RunContext::alone("run", "sync")).await.unwrap();
    let Submitted::Done(receipt) =
        session.submit(&many(300), &Ends(&rig, AtomicBool::new(false))).await.unwrap()
    else {
        panic!()
    };
    assert_eq!(applied(receipt.outcomes()), 300);
    assert_eq!(jobs(&rig).await, ["Aborted", "Complete"]);
}

/// What a job left undone was sent once more: a later run must not take it for undone.
#[tokio::test]
async fn rows_that_were_sent_again_are_not_what_the_first_job_says_of_them() {
    for verb in [Verb::Create, Verb::Upsert] {
        let rig = Rig::start(json!({"locks": 3})).await;
        let rows: Vec<Change> = many(300).into_iter().map(|row| Change { verb, ..row }).collect();
        let kept = Kept::default();
        let session = rig.destination.open(&by("auto"), RunContext::alone("run", "sync")).await.unwrap();
        session.submit(&rows, &kept).await.unwrap();
        assert_eq!(rig.contacts().await.len(), 300);
        let handles = kept.0.into_inner().unwrap();
        assert!(handles[2].ends_with("+ +"), "{handles:?}");
        let outcomes = settled(&rig, &by("auto"), &handles[2], &rows).await;
        let unknown = outcomes.iter().filter(|o| matches!(o, Outcome::Unknown { .. })).count();
        let expected = if verb == Verb::Create { (300, 0) } else { (297, 3) };
        assert_eq!((applied(&outcomes), unknown), expected, "creates are looked for");
    }
}

/// A batch after a crash: keys and verbs, but no fields.
fn bare(changes: &[Change]) -> Vec<Change> {
    changes.iter().map(|change| Change { fields: Vec::new(), ..change.clone() }).collect()
}

async fn settled(rig: &Rig, target: &Target, handle: &str, batch: &[Change]) -> Vec<Outcome> {
    let session = rig.destination.open(target, RunContext::alone("next", "sync")).await.unwrap();
    let batch = bare(batch);
    session.settle(&RemoteHandle(handle.to_owned()), &batch).await.unwrap().into_outcomes()
}

async fn jobs(rig: &Rig) -> Vec<String> {
    let jobs = rig.destination.client.all_jobs().await.unwrap();
    jobs.into_iter().map(|job| format!("{:?}", job.state)).collect()
}

#[tokio::test]
async fn a_job_is_found_again_wherever_its_run_ended() {
    for verb in [Verb::Upsert, Verb::Create] {
        let rig = Rig::start(json!({})).await;
        let target = by("bulk");
        let mut rows: Vec<Change> = many(400).into_iter().map(|row| Change { verb, ..row }).collect();
        rows[9] = change(verb, "k9", &[("LastName", Value::Null)]);
        let kept = Kept::default();
        let session = rig.destination.open(&target, RunContext::alone("run", "sync")).await.unwrap();
        let Submitted::Done(_) = session.submit(&rows, &kept).await.unwrap() else { panic!() };
        let handles = kept.0.into_inner().unwrap();
        assert_eq!(handles.len(), 2, "{handles:?}");
        assert_eq!(format!("{}+", handles[0]), handles[1]);

        // After its data was uploaded, or its job closed.
        let before = rig.requests("writes");
        let outcomes = settled(&rig, &target, &handles[1], &rows).await;
        assert_eq!((applied(&outcomes), rejected(&outcomes[9])), (399, "REQUIRED_FIELD_MISSING"));
        assert_eq!(rig.requests("writes"), before, "nothing is uploaded twice");
        // Salesforce keeps results for a week.
        let outcomes = settled(&rig, &target, "7504S0000000000AAA+", &rows).await;
        match verb {
            Verb::Create => {
                assert_eq!(applied(&outcomes), 399, "they are looked for");
                assert!(matches!(outcomes[9], Outcome::Deferred { .. }));
            }
            _ => assert!(outcomes.iter().all(|o| matches!(o, Outcome::Unknown { .. })), "{:?}", outcomes[0]),
        }
    }
}

#[tokio::test]
async fn a_job_without_its_data_is_ended_and_one_with_it_is_closed() {
    let (target, rows) = (by("bulk"), many(3));
    // The run ended between the upload and the note of it.
    let rig = Rig::start(json!({})).await;
    let session = rig.destination.open(&target, RunContext::alone("run", "sync")).await.unwrap();
    let kept = Kept(Mutex::default(), Some(1));
    assert_eq!(session.submit(&rows, &kept).await.unwrap_err().message, "the disk is full");
    let handle = kept.0.lock().unwrap()[0].clone();
    let outcomes = settled(&rig, &target, &handle, &rows).await;
    assert!(outcomes.iter().all(|o| matches!(o, Outcome::Deferred { .. })), "{outcomes:?}");
    assert_eq!(jobs(&rig).await, ["Aborted"]);
    assert_eq!(rig.contacts().await.len(), 0);

    // Between the note and the close.
    let rig = Rig::start(json!({})).await;
    let session = rig.destination.open(&target, RunContext::alone("run", "sync")).await.unwrap();
    let stuck = Stuck::default();
    tokio::select! {
        _ = session.submit(&rows, &stuck) => panic!("it went on"),
        () = stuck.0.notified() => {}
    }
    let [job] = rig.destination.client.all_jobs().await.unwrap().try_into().unwrap();
    assert_eq!(job.state, State::Open);
    let handle = format!("{}+", job.id);
    let outcomes = settled(&rig, &target, &handle, &rows).await;
    assert_eq!((applied(&outcomes), rig.contacts().await.len()), (3, 3));
    assert_eq!(jobs(&rig).await, ["Complete"]);

    // Somebody ended it meanwhile, and Salesforce has no results of it.
    let client = rig.destination.client.sending(rig.destination.client.http.permitted_by(Arc::new(Always)));
    let wanted = Wanted { object: "Contact", operation: "upsert", key: Some("Code__c"), rule: None };
    let job = client.create_job(&wanted, &Default::default()).await.unwrap();
    client.abort_job(&job.id).await.unwrap();
    let outcomes = settled(&rig, &target, &format!("{}+", job.id), &rows).await;
    assert!(outcomes.iter().all(|o| matches!(o, Outcome::Unknown { .. })), "{outcomes:?}");

    // Nothing could be noted at all.
    let rig = Rig::start(json!({})).await;
    let session = rig.destination.open(&target, RunContext::alone("run", "sync")).await.unwrap();
    let kept = Kept(Mutex::default(), Some(0));
    session.submit(&rows, &kept).await.unwrap_err();
    assert_eq!(jobs(&rig).await, ["Aborted"], "no job without a note of it");
}

#[tokio::test]
async fn rows_that_went_by_collections_after_a_job_are_unknown_to_a_later_run() {
    let rig = Rig::start(json!({})).await;
    let (target, mut rows) = (by("auto"), many(300));
    rows[7] = named("k7", "#N/A");
    let kept = Kept::default();
    let session = rig.destination.open(&target, RunContext::alone("run", "sync")).await.unwrap();
    session.submit(&rows, &kept).await.unwrap();
    let handles = kept.0.into_inner().unwrap();
    assert_eq!(handles.len(), 3);
    let outcomes = settled(&rig, &target, &handles[1], &rows).await;
    assert!(matches!(outcomes[7], Outcome::Deferred { .. }), "it was not begun: {:?}", outcomes[7]);
    let outcomes = settled(&rig, &target, &handles[2], &rows).await;
    assert_eq!((applied(&outcomes), matches!(outcomes[7], Outcome::Unknown { .. })), (299, true));
}

#[tokio::test]
async fn a_job_whose_answer_was_lost_is_ended_and_others_are_left() {
    let rig = Rig::start(fault("lost_ack", "/jobs/ingest", 1)).await;
    assert_eq!(applied(&rig.submit(&by("bulk"), many(3)).await), 3);
    assert_eq!(jobs(&rig).await, ["Aborted", "Complete"]);

    // One for another operation may be somebody's.
    let rig = Rig::start(json!({})).await;
    let wanted = |operation| Wanted { object: "Contact", operation, key: None, rule: None };
    let client = rig.destination.client.sending(rig.destination.client.http.permitted_by(Arc::new(Always)));
    for operation in ["insert", "delete"] {
        client.create_job(&wanted(operation), &Default::default()).await.unwrap();
    }
    let from = jiff::Timestamp::now() - Duration::from_secs(60);
    let unsettled = Some(Window { from, to: jiff::Timestamp::now() + Duration::from_secs(600) });
    let context = RunContext { unsettled, ..RunContext::alone("run", "sync") };
    let session = rig.destination.open(&by("bulk"), context).await.unwrap();
    let rows: Vec<Change> = many(3).into_iter().map(|row| Change { verb: Verb::Create, ..row }).collect();
    session.submit(&rows, &Kept::default()).await.unwrap();
    assert_eq!(jobs(&rig).await, ["Open", "Open", "Complete"]);
    session.finish(RunEnd::Complete).await.unwrap();
    assert_eq!(jobs(&rig).await, ["Aborted", "Open", "Complete"]);
}

/// The permission of a run that nothing ends.
#[derive(Debug)]
struct Always;

#[async_trait]
impl crate::contract::Permission for Always {
    fn check(&self) -> Result<(), ConnectorError> {
        Ok(())
    }

    async fn closing(&self) {
        std::future::pending().await
    }
}
