//! What a run left of its imports, and what the next one makes of it: nothing is imported twice that may be running.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::{Kept, Rig, bare, letters, target, text, upserts};
use crate::contract::{
    Change, Destination, Outcome, RemoteHandle, RunContext, Session, Submitted, Target, Verb,
};

fn imported() -> Target {
    target(json!({"api": "import"}))
}

async fn session(rig: &Rig) -> Box<dyn Session> {
    rig.marketo.open(&imported(), RunContext::alone("run", "sync")).await.unwrap()
}

async fn sent(session: &dyn Session, changes: &Vec<Change>, kept: &Kept) -> Vec<Outcome> {
    match session.submit(changes, kept).await.unwrap() {
        Submitted::Done(receipt) => receipt.into_outcomes(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_import_that_a_run_left_is_settled_by_the_next() {
    let unheard = json!({"do": "status", "code": 403, "path": "/bulk/v1/leads/batch/", "times": 1});
    let rig = Rig::start(json!({"faults": [unheard], "import_polls": 3})).await;
    let (kept, mut changes) = (Kept::default(), upserts(6));
    changes[1].fields[1].value = crate::contract::Value::Null;
    changes[4].fields[3].value = text("gold");
    // The second went by a call, whose answer says so.
    assert_eq!(letters(&sent(&*session(&rig).await, &changes, &kept).await), "uauuuu");
    let handles = kept.handles();
    assert_eq!(handles.len(), 2, "before it was sent, and with its number: {handles:?}");
    let before = rig.requests("writes");
    let next = session(&rig).await;
    let receipt = next.settle(&handles[1], &bare(&changes)).await.unwrap();
    assert_eq!(letters(receipt.outcomes()), "auaara");
    assert_eq!((rig.requests("writes"), rig.leads().await.len()), (before, 5), "settling sends nothing");
    // One that Marketo does not know proves nothing.
    let odd = RemoteHandle(handles[1].0.replace("\"1001\"", "\"999999\""));
    assert_ne!(odd, handles[1]);
    let later = session(&rig).await;
    assert_eq!(letters(later.settle(&odd, &bare(&changes)).await.unwrap().outcomes()), "uuuuuu");
    let again = letters(&sent(&*later, &changes, &Kept::default()).await);
    assert_eq!((again.as_str(), rig.jobs().await), ("dadddd", 1), "it may be at work all the same");
}

#[tokio::test]
async fn rows_of_an_import_whose_number_is_lost_are_let_alone_for_a_while() {
    for fault in ["lost_ack", "garbage", "truncate"] {
        let lost = json!({"do": fault, "path": "/bulk/v1/leads.json", "times": 1});
        let rig = Rig::start(json!({"faults": [lost]})).await;
        let (kept, changes) = (Kept::default(), upserts(3));
        let first = session(&rig).await;
        assert_eq!(letters(&sent(&*first, &changes, &kept).await), "uuu", "{fault}");
        assert_eq!(letters(&sent(&*first, &changes, &Kept::default()).await), "ddd", "{fault}");
        assert_eq!((rig.jobs().await, rig.requests("writes"), rig.leads().await.len()), (1, 1, 0), "{fault}");
        let handle = kept.handles().pop().unwrap();
        let next = session(&rig).await;
        assert_eq!(letters(next.settle(&handle, &bare(&changes)).await.unwrap().outcomes()), "uuu");
        let mut more = upserts(4);
        assert_eq!(
            letters(&sent(&*next, &more, &Kept::default()).await),
            "ddda",
            "{fault}: only what is new is sent"
        );
        more.iter_mut().for_each(|change| change.verb = Verb::Delete);
        assert_eq!(letters(&sent(&*next, &more, &Kept::default()).await), "ddda");
        assert_eq!(rig.jobs().await, 2, "{fault}: it is not sent again");
        // An hour later it has ended, or never will.
        let begun = Timestamp::now().checked_sub(Duration::from_secs(2 * 3600)).unwrap();
        let (head, rest) = handle.0.split_once("\"begun\":\"").unwrap();
        let (_, rest) = rest.split_once('"').unwrap();
        let old = RemoteHandle(format!("{head}\"begun\":\"{begun}\"{rest}"));
        let later = session(&rig).await;
        assert_eq!(letters(later.settle(&old, &bare(&changes)).await.unwrap().outcomes()), "uuu");
        assert_eq!(letters(&sent(&*later, &changes, &Kept::default()).await), "aaa");
        assert_eq!(rig.leads().await.len(), 3, "{fault}: each lead is there once");
    }
}

#[tokio::test]
async fn rows_of_an_import_whose_end_was_not_seen_are_let_alone() {
    let unheard = json!({"do": "status", "code": 500, "path": "/bulk/v1/leads/batch/"});
    let rig = Rig::start(json!({"faults": [unheard]})).await;
    let (kept, changes) = (Kept::default(), upserts(2));
    assert_eq!(letters(&sent(&*session(&rig).await, &changes, &kept).await), "uu");
    let next = session(&rig).await;
    let receipt = next.settle(&kept.handles().pop().unwrap(), &bare(&changes)).await.unwrap();
    assert_eq!(letters(receipt.outcomes()), "uu");
    assert_eq!(letters(&sent(&*next, &changes, &Kept::default()).await), "dd");
    assert_eq!((rig.jobs().await, rig.requests("writes")), (1, 1));
}

#[tokio::test]
async fn a_handle_that_names_no_imports_is_an_error() {
    let rig = Rig::start(json!({})).await;
    let error =
        session(&rig).await.settle(&RemoteHandle("3404".to_owned()), &upserts(1)).await.err().unwrap();
    assert_eq!(error.kind, crate::contract::Kind::Internal);
}
