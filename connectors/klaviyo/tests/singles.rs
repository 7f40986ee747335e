//! Profiles one by one: upserts, creates, updates, and what stands in their way.

use serde_json::json;

use super::{Rig, change, field, id_of, is_applied, is_unknown, rejected, target, text};
use crate::contract::{Change, Destination, Kind, Lookup, Outcome, Target, Value, Verb};

#[tokio::test]
async fn an_upsert_makes_or_changes_and_names_the_profile() {
    let rig = Rig::start(json!({})).await;
    let row = |name: Value, plan: Value| {
        vec![change(Verb::Upsert, "Ann@x.io", &[("first_name", name), ("plan", plan)])]
    };
    let first = rig.submit(&target(json!({})), row(text("Ann"), text("pro"))).await;
    let again = rig.submit(&target(json!({})), row(Value::Null, Value::Null)).await;
    let created = |outcome: &Outcome| matches!(outcome, Outcome::Applied { created: Some(true), .. });
    assert!(created(&first[0]) && !created(&again[0]));
    assert_eq!(id_of(&first[0]), id_of(&again[0]));
    assert_eq!(rig.profiles().await["Ann@x.io"], json!({"email": "Ann@x.io"}));
    let refused = rig.submit(&target(json!({})), row(text("Ann"), text("gold"))).await;
    assert!(
        matches!(&refused[0], Outcome::Rejected { code, field, .. }
        if code == "invalid" && field.as_deref() == Some("plan")),
        "{refused:?}"
    );
}

#[tokio::test]
async fn each_identifier_can_be_matched_on() {
    for (key, value, other) in
        [("phone_number", "+15005550006", "+15005550007"), ("external_id", "shop-7 \"x\", [y]", "shop-8")]
    {
        let rig = Rig::start(json!({})).await;
        let on = Target {
            match_on: vec![key.to_owned()],
            fields: vec![key.to_owned(), "plan".to_owned()],
            ..target(json!({}))
        };
        let row = |verb: Verb, value: &str, plan: &str| {
            let own = field(key, text(value));
            vec![Change {
                verb,
                destination_key: vec![own.clone()],
                remote_id: None,
                fields: vec![own, field("plan", text(plan))],
            }]
        };
        let made = rig.submit(&on, row(Verb::Upsert, value, "a")).await;
        assert_eq!(rig.profiles().await[&id_of(&made[0])]["plan"], "a");
        let updated = rig.submit(&on, row(Verb::Update, value, "b")).await;
        assert_eq!(id_of(&updated[0]), id_of(&made[0]));
        assert_eq!(
            rejected(&rig.submit(&on, row(Verb::Update, other, "b")).await[0]),
            Outcome::OBJECT_NOT_FOUND
        );
        let keys: Vec<_> = [value, other, ""].map(|value| vec![field(key, text(value))]).into();
        let found = rig.destination.look_up(&on, &keys).await.unwrap();
        assert_eq!(found, [Lookup::Found { remote_id: id_of(&made[0]) }, Lookup::Absent, Lookup::Unclear]);
        assert!(is_applied(&rig.submit(&on, row(Verb::Delete, value, "")).await[0]));
        assert!(rig.profiles().await.is_empty(), "{key}");
    }
}

#[tokio::test]
async fn klaviyos_own_id_can_be_matched_on_but_makes_nothing() {
    let rig = Rig::start(json!({})).await;
    let made = id_of(&rig.submit(&target(json!({})), vec![change(Verb::Upsert, "a@x.io", &[])]).await[0]);
    let on = Target {
        match_on: vec!["id".to_owned()],
        fields: vec!["id".to_owned(), "plan".to_owned()],
        ..target(json!({}))
    };
    let verbs = rig.destination.capabilities(&on).unwrap().verbs;
    assert_eq!(verbs, [Verb::Update, Verb::Delete]);
    let row = |id: &str| {
        let own = field("id", text(id));
        Change {
            verb: Verb::Update,
            destination_key: vec![own.clone()],
            remote_id: None,
            fields: vec![own, field("plan", text("pro"))],
        }
    };
    let outcomes = rig.submit(&on, vec![row(&made), row("01NOBODY")]).await;
    assert!(is_applied(&outcomes[0]));
    assert_eq!(rejected(&outcomes[1]), Outcome::OBJECT_NOT_FOUND);
    assert_eq!(rig.profiles().await["a@x.io"]["plan"], "pro");
}

#[tokio::test]
async fn an_insert_refuses_what_is_there_and_is_never_repeated() {
    let rig = Rig::start(json!({})).await;
    let row = |email: &str, name: Value| vec![change(Verb::Create, email, &[("first_name", name)])];
    let made = rig.submit(&target(json!({})), row("a@x.io", Value::Null)).await;
    assert!(matches!(made[0], Outcome::Applied { created: Some(true), .. }), "{made:?}");
    let again = rig.submit(&target(json!({})), row("A@x.io", text("Ann"))).await;
    assert_eq!(rejected(&again[0]), "duplicate_profile");
    assert_eq!(rig.profiles().await["a@x.io"], json!({"email": "a@x.io"}));
    let rig = Rig::start(json!({"faults": [{"do": "lost_ack", "path": "/api/profiles", "times": 1}]})).await;
    let error = rig.try_submit(&target(json!({})), row("a@x.io", text("Ann"))).await.unwrap_err();
    assert_eq!((error.kind, rig.requests("writes"), rig.profiles().await.len()), (Kind::Ambiguous, 1, 1));
}

#[tokio::test]
async fn an_update_by_id_changes_the_key_itself() {
    let rig = Rig::start(json!({})).await;
    let made = id_of(&rig.submit(&target(json!({})), vec![change(Verb::Upsert, "a@x.io", &[])]).await[0]);
    let moved = Change { remote_id: Some(made.clone()), ..change(Verb::Update, "b@x.io", &[]) };
    let outcomes = rig.submit(&target(json!({})), vec![moved]).await;
    assert_eq!((id_of(&outcomes[0]), rig.requests("reads")), (made, 0));
    assert_eq!(rig.profiles().await.keys().collect::<Vec<_>>(), ["b@x.io"]);
    // An address that another profile has.
    let other = id_of(&rig.submit(&target(json!({})), vec![change(Verb::Upsert, "c@x.io", &[])]).await[0]);
    let taken = Change { remote_id: Some(other), ..change(Verb::Update, "b@x.io", &[]) };
    assert_eq!(rejected(&rig.submit(&target(json!({})), vec![taken]).await[0]), "duplicate_profile");
}

#[tokio::test]
async fn a_profile_that_may_not_be_on_the_list_is_not_done() {
    let path = "/relationships/profiles";
    for (fault, stops) in [
        (json!({"do": "status", "code": 403, "path": path}), true),
        (json!({"do": "status", "code": 503, "path": path}), false),
        (json!({"do": "garbage", "path": path}), false),
    ] {
        let rig = Rig::start(json!({"faults": [fault.clone()]})).await;
        let listed = target(json!({"list": "NEWS"}));
        let outcomes = rig.submit(&listed, vec![change(Verb::Upsert, "a@x.io", &[])]).await;
        assert!(is_unknown(&outcomes[0]), "{fault} {stops}: {outcomes:?}");
        assert_eq!(rig.profiles().await.len(), 1);
    }
    let rig = Rig::start(json!({})).await;
    let listed = target(json!({"list": "NEWS"}));
    for verb in [Verb::Create, Verb::Upsert, Verb::Update] {
        let outcomes = rig.submit(&listed, vec![change(verb, "a@x.io", &[])]).await;
        assert!(is_applied(&outcomes[0]), "{verb}: {outcomes:?}");
        assert_eq!(rig.profiles().await["a@x.io"]["lists"], json!(["NEWS"]));
    }
}

#[tokio::test]
async fn a_list_that_is_not_there_is_found_before_anything_is_sent() {
    let rig = Rig::start(json!({})).await;
    assert!(rig.destination.catalog(&target(json!({"list": "NEWS"}))).await.unwrap().open);
    let error = rig.destination.catalog(&target(json!({"list": "NONE"}))).await.unwrap_err();
    assert!(
        error.kind == Kind::Config && error.message.contains("no list `NONE`") && error.hint.is_some(),
        "{error:?}"
    );
    assert_eq!(rig.destination.account().await.unwrap().0, "sandbox");
}
