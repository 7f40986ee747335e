//! What becomes of profiles that vanished from the source.

use serde_json::json;

use super::{Kept, Rig, change, id_of, is_applied, is_unknown, rejected, target};
use crate::contract::{Change, DeleteKind, Destination, Outcome, RunContext, Submitted, Target, Value, Verb};

#[tokio::test]
async fn a_profile_is_removed_for_good_by_one_identifier() {
    let rig = Rig::start(json!({})).await;
    let made = rig
        .submit(
            &target(json!({})),
            ["a@x.io", "b@x.io", "c@x.io"].map(|e| change(Verb::Upsert, e, &[])).into(),
        )
        .await;
    assert_eq!(rig.destination.capabilities(&target(json!({}))).unwrap().deletes, DeleteKind::Hard);
    let mut removals: Vec<Change> =
        ["a@x.io", "old@x.io", "no@x.io", "c@x.io"].map(|e| change(Verb::Delete, e, &[])).into();
    removals[1].remote_id = Some(id_of(&made[1]));
    removals[3].destination_key[0].value = Value::Null;
    let outcomes = rig.submit(&target(json!({})), removals).await;
    assert!(outcomes[..3].iter().all(is_applied), "{outcomes:?}");
    assert_eq!(rejected(&outcomes[3]), "KEY_EMPTY");
    assert_eq!(rig.profiles().await.keys().collect::<Vec<_>>(), ["c@x.io"]);
}

#[tokio::test]
async fn a_deletion_that_is_not_confirmed_is_not_done() {
    let fault = json!({"do": "garbage", "path": "/api/data-privacy-deletion-jobs"});
    let rig = Rig::start(json!({"faults": [fault]})).await;
    let error =
        rig.try_submit(&target(json!({})), vec![change(Verb::Delete, "a@x.io", &[])]).await.unwrap_err();
    assert_eq!(error.kind, crate::contract::Kind::Ambiguous);
    let fault = json!({"do": "status", "code": 404, "path": "/api/data-privacy-deletion-jobs"});
    let rig = Rig::start(json!({"faults": [fault]})).await;
    assert!(is_applied(&rig.submit(&target(json!({})), vec![change(Verb::Delete, "a@x.io", &[])]).await[0]));
}

#[tokio::test]
async fn who_is_suppressed_stays_and_nobody_is_made_for_it() {
    let rig = Rig::start(json!({})).await;
    let emails: Vec<String> = (0..120).map(|n| format!("p{n}@x.io")).collect();
    rig.submit(&target(json!({})), emails.iter().map(|email| change(Verb::Upsert, email, &[])).collect())
        .await;
    let suppressing = target(json!({"deletion": "suppress"}));
    assert_eq!(rig.destination.capabilities(&suppressing).unwrap().deletes, DeleteKind::Archive);
    let written = rig.requests("writes");
    let all = emails.iter().map(String::as_str).chain(["no@x.io", "none"]);
    let outcomes =
        rig.submit(&suppressing, all.map(|email| change(Verb::Delete, email, &[])).collect()).await;
    assert!(outcomes.iter().all(is_applied), "{outcomes:?}");
    assert_eq!(rig.requests("writes") - written, 2);
    let profiles = rig.profiles().await;
    assert!(profiles.len() == 120 && profiles.values().all(|profile| profile["suppressed"] == true));
}

#[tokio::test]
async fn a_key_that_a_deletion_does_not_take_is_looked_up() {
    let rig = Rig::start(json!({})).await;
    let on = Target {
        match_on: vec!["external_id".to_owned()],
        fields: vec!["external_id".to_owned()],
        ..target(json!({}))
    };
    let row = |verb: Verb, id: &str| {
        let own = super::field("external_id", super::text(id));
        Change { verb, destination_key: vec![own.clone()], remote_id: None, fields: vec![own] }
    };
    rig.submit(&on, vec![row(Verb::Upsert, "7"), row(Verb::Upsert, "8")]).await;
    let written = rig.requests("writes");
    let outcomes = rig.submit(&on, vec![row(Verb::Delete, "7"), row(Verb::Delete, "9")]).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Applied { .. })), "{outcomes:?}");
    assert_eq!((rig.requests("writes") - written, rig.profiles().await.len()), (1, 1));
}

#[tokio::test]
async fn a_suppression_counts_once_its_job_says_that_it_is_done() {
    let fault =
        json!({"do": "status", "code": 403, "path": "/profile-suppression-bulk-create-jobs/", "times": 1});
    let rig = Rig::start(json!({"faults": [fault]})).await;
    let of = |verb: Verb, emails: &[&str]| -> Vec<Change> {
        emails.iter().map(|email| change(verb, email, &[])).collect()
    };
    rig.submit(&target(json!({})), of(Verb::Upsert, &["a@x.io", "b@x.io"])).await;
    let (suppressing, kept) = (target(json!({"deletion": "suppress"})), Kept::default());
    let removals = of(Verb::Delete, &["a@x.io", "no@x.io", "b@x.io"]);
    let session = rig.destination.open(&suppressing, RunContext::alone("run", "people")).await.unwrap();
    let Submitted::Done(receipt) = session.submit(&removals, &kept).await.unwrap() else { panic!() };
    let outcomes = receipt.outcomes();
    assert!(is_unknown(&outcomes[0]) && is_applied(&outcomes[1]) && is_unknown(&outcomes[2]), "{outcomes:?}");

    let (handle, written) = (kept.last().unwrap(), rig.requests("writes"));
    let session = rig.destination.open(&suppressing, RunContext::alone("next", "people")).await.unwrap();
    let receipt = session.settle(&handle, &removals).await.unwrap();
    let outcomes = receipt.outcomes();
    assert!(is_applied(&outcomes[0]) && is_unknown(&outcomes[1]) && is_applied(&outcomes[2]), "{outcomes:?}");
    let again = rig.submit(&suppressing, of(Verb::Delete, &["a@x.io"])).await;
    assert!(matches!(&again[..], [Outcome::Skipped { .. }]), "{again:?}");
    assert_eq!(rig.requests("writes"), written, "who is suppressed is not suppressed again");
}

#[tokio::test]
async fn a_suppression_without_a_job_is_not_done() {
    let fault = json!({"do": "garbage", "path": "/api/profile-suppression-bulk-create-jobs"});
    let rig = Rig::start(json!({"faults": [fault]})).await;
    rig.submit(&target(json!({})), vec![change(Verb::Upsert, "a@x.io", &[])]).await;
    let suppressing = target(json!({"deletion": "suppress"}));
    let error = rig.try_submit(&suppressing, vec![change(Verb::Delete, "a@x.io", &[])]).await.unwrap_err();
    assert_eq!(error.kind, crate::contract::Kind::Ambiguous);
}
