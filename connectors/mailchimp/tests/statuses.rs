//! Nobody who left is brought back unless that is asked for.

use serde_json::{Value as Json, json};

use super::{Kept, Rig, change, known, stopped, target, text};
use crate::conformance::support::{is_applied, rejected};
use crate::contract::{Change, Destination, Outcome, RunContext, Session, Submitted, Verb};

fn named(name: &str) -> Vec<Change> {
    vec![change(Verb::Upsert, "ann@x.io", &[("FNAME", text(name))])]
}

fn with_status(status: &str) -> Vec<Change> {
    vec![change(Verb::Upsert, "ann@x.io", &[("status", text(status))])]
}

async fn shown(rig: &Rig, email: &str) -> (Json, Json) {
    let member = &rig.members().await[email];
    (member["status"].clone(), member.get("FNAME").cloned().unwrap_or_default())
}

#[tokio::test]
async fn who_unsubscribed_stays_so_through_every_kind_of_upsert() {
    for options in
        [json!({}), json!({"api": "batches"}), json!({"restore_archived": true}), json!({"api": "members"})]
    {
        let rig = Rig::start(json!({})).await;
        let plain = target(&["FNAME"], options.clone());
        let statuses = target(&["status"], json!({}));
        assert!(is_applied(&rig.submit(&plain, named("Ann")).await[0]), "{options}");
        assert_eq!(shown(&rig, "ann@x.io").await, (json!("subscribed"), json!("Ann")));
        // A row can take its member away,
        assert!(is_applied(&rig.submit(&statuses, with_status("unsubscribed")).await[0]));
        // and none of these brings it back: neither a row whose member is known nor one whose member is not,
        for (changes, name) in
            [(named("Bea"), "Bea"), (named("Cleo").into_iter().map(known).collect(), "Cleo")]
        {
            let outcomes = rig.submit(&plain, changes).await;
            assert!(is_applied(&outcomes[0]), "{options}: {outcomes:?}");
            assert_eq!(shown(&rig, "ann@x.io").await, (json!("unsubscribed"), json!(name)), "{options}");
        }
        // nor a status that says so, until it is asked for.
        for status in ["subscribed", "pending", "transactional"] {
            assert!(is_applied(&rig.submit(&statuses, with_status(status)).await[0]));
            assert_eq!(shown(&rig, "ann@x.io").await.0, "unsubscribed");
        }
        let asked = target(&["status"], json!({"resubscribe": true}));
        let outcomes = rig.submit(&asked, with_status("subscribed")).await;
        assert!(matches!(outcomes[0], Outcome::Applied { created: Some(false), .. }), "{outcomes:?}");
        assert_eq!(shown(&rig, "ann@x.io").await.0, "subscribed");
    }
}

#[tokio::test]
async fn who_left_by_themselves_is_changed_and_never_subscribed() {
    let rig = Rig::start(json!({"left": ["ann@x.io"]})).await;
    assert!(is_applied(&rig.submit(&target(&["FNAME"], json!({})), named("Ann")).await[0]));
    assert_eq!(shown(&rig, "ann@x.io").await, (json!("unsubscribed"), json!("Ann")));
    let asked = target(&["status"], json!({"resubscribe": true}));
    let outcomes = rig.submit(&asked, with_status("subscribed")).await;
    assert_eq!(rejected(&outcomes[0]), "ERROR_GENERIC");
    let [Outcome::Rejected { message, .. }] = &outcomes[..] else { panic!() };
    assert!(message.contains("compliance state"), "{message}");
    assert_eq!(shown(&rig, "ann@x.io").await.0, "unsubscribed");
}

#[tokio::test]
async fn new_members_have_the_status_that_the_mapping_or_the_row_names() {
    let rig = Rig::start(json!({})).await;
    let fields = target(&["status"], json!({"status_if_new": "pending"}));
    let row = |email: &str, status| change(Verb::Upsert, email, &[("status", status)]);
    let changes = vec![
        row("a@x.io", crate::contract::Value::Null),
        row("b@x.io", text("transactional")),
        row("c@x.io", text("unsubscribed")),
    ];
    let outcomes = rig.submit(&fields, changes).await;
    assert!(outcomes.iter().all(is_applied), "{outcomes:?}");
    let members = rig.members().await;
    let statuses = ["a@x.io", "b@x.io", "c@x.io"].map(|email| members[email]["status"].clone());
    assert_eq!(statuses, ["pending", "transactional", "unsubscribed"]);
    assert_eq!(rig.requests("writes"), 1, "all in one call");
}

#[tokio::test]
async fn who_is_archived_comes_back_only_where_that_is_asked_for() {
    for options in [json!({}), json!({"api": "batches"})] {
        let rig = Rig::start(json!({})).await;
        let plain = target(&["FNAME"], options.clone());
        rig.submit(&plain, named("Ann")).await;
        let removed = rig.submit(&plain, vec![change(Verb::Delete, "ann@x.io", &[])]).await;
        assert!(is_applied(&removed[0]) && shown(&rig, "ann@x.io").await.0 == "archived");
        let writes = rig.requests("writes");
        for verb in [Verb::Upsert, Verb::Create] {
            let mut changes = named("Bea");
            changes[0].verb = verb;
            assert_eq!(rejected(&rig.submit(&plain, changes).await[0]), "MEMBER_ARCHIVED");
        }
        assert_eq!(
            rejected(&rig.submit(&plain, vec![known(named("Bea").remove(0))]).await[0]),
            "MEMBER_ARCHIVED"
        );
        assert_eq!(rig.requests("writes"), writes, "nothing was sent of it");
        assert_eq!(shown(&rig, "ann@x.io").await, (json!("archived"), json!("Ann")));

        let mut restoring = plain.clone();
        restoring.options.insert("restore_archived".to_owned(), json!(true));
        let outcomes = rig.submit(&restoring, named("Bea")).await;
        assert!(is_applied(&outcomes[0]), "{outcomes:?}");
        assert_eq!(shown(&rig, "ann@x.io").await, (json!("subscribed"), json!("Bea")));
    }
}

#[tokio::test]
async fn a_look_at_the_archived_that_fails_sends_nothing() {
    for fault in ["garbage", "truncate"] {
        let rig = Rig::start(json!({"faults": [{"do": fault, "path": "/members"}]})).await;
        let error = rig.try_submit(&target(&["FNAME"], json!({})), named("Ann")).await.unwrap_err();
        assert_eq!(
            (error.kind, rig.requests("writes")),
            (crate::contract::Kind::Unavailable, 0),
            "{error:?}"
        );
    }
}

async fn in_session(session: &dyn Session, changes: Vec<Change>) -> Vec<Outcome> {
    match session.submit(&changes, &Kept::default()).await.unwrap() {
        Submitted::Done(receipt) => receipt.into_outcomes(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_was_written_of_an_archived_member_is_not_said_to_be_refused() {
    for api in ["members", "batches"] {
        let rig = Rig::start(json!({})).await;
        let to = target(&["FNAME", "status"], json!({"api": api}));
        let session = rig.destination.open(&to, RunContext::alone("run", "members")).await.unwrap();
        assert!(is_applied(&in_session(&*session, named("Ann")).await[0]));
        // The session has looked at who is archived; this one is so since.
        assert!(is_applied(&rig.submit(&to, vec![change(Verb::Delete, "ann@x.io", &[])]).await[0]));
        for changes in [named("Bea"), with_status("unsubscribed")] {
            let outcomes = in_session(&*session, changes).await;
            assert!(matches!(outcomes[0], Outcome::Unknown { .. }), "{api}: {outcomes:?}");
            assert_eq!(shown(&rig, "ann@x.io").await, (json!("archived"), json!("Bea")), "{api}");
        }
    }
}

#[tokio::test]
async fn a_member_that_was_written_and_does_not_come_back_is_unknown() {
    for (api, code) in [("members", 400), ("members", 401), ("batches", 400), ("batches", 401)] {
        // The call that makes one member is refused, and no other.
        let faults = json!([
            {"do": "delay", "ms": 0, "path": "/members/"},
            {"do": "status", "code": code, "path": "/members"},
        ]);
        let rig = Rig::start(json!({"faults": faults})).await;
        let to = target(&[], json!({"api": api, "restore_archived": true}));
        let rows = |verb| ["ann@x.io", "bo@x.io"].map(|email| change(verb, email, &[])).to_vec();
        for verb in [Verb::Upsert, Verb::Delete] {
            assert!(rig.submit(&to, rows(verb)).await.iter().all(is_applied), "{api} {code}");
        }
        let writes = rig.requests("writes");
        let submitted = rig.submitted(&to, rows(Verb::Upsert)).await;
        let outcomes = match (code, submitted) {
            (400, Submitted::Done(receipt)) => receipt.into_outcomes(),
            (_, submitted) => stopped(submitted),
        };
        assert!(outcomes.iter().any(|o| matches!(o, Outcome::Unknown { .. })), "{api} {code}: {outcomes:?}");
        let claims = |o: &Outcome| matches!(o, Outcome::Rejected { .. } | Outcome::Applied { .. });
        assert!(!outcomes.iter().any(claims), "{api} {code}: {outcomes:?}");
        if (api, code) == ("batches", 401) {
            assert_eq!(rig.requests("writes"), writes + 2, "no other is brought back");
            assert!(outcomes.iter().all(|o| matches!(o, Outcome::Unknown { .. })), "{outcomes:?}");
        }
        assert_eq!(shown(&rig, "ann@x.io").await.0, "archived");
    }
}
