//! The connector against the sandbox: two readings of Braze's facts, written apart, must agree.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::{Rig, change, field, letters, target, users};
use crate::braze::options::{ALIAS_LABEL, ALIAS_NAME, ATTRIBUTES, EVENT_KEY, EVENTS, EXTERNAL_ID};
use crate::conformance::support::rejected;
use crate::contract::{
    AccountId, Change, DeleteKind, Destination, FieldType, FieldValue, Kind, Outcome, Target, Value, Verb,
};

fn block() -> Json {
    json!({
        "limits": {"requests": "10000/1s"},
        "objects": {
            "attributes": {
                "plan": {"type": "string", "refuse": "blocked"},
                "score": "number",
                "retired": {"type": "string", "read_only": true},
            },
            "events": {"plan": {"type": "string", "refuse": "blocked"}},
        },
        "subscription_groups": {"g-1": "Newsletter"},
    })
}

fn upserts(ids: &[&str]) -> Vec<Change> {
    ids.iter().map(|id| change(Verb::Upsert, id, &[(EXTERNAL_ID, id), ("plan", "pro")])).collect()
}

#[tokio::test]
async fn a_user_lives_from_upsert_to_delete() {
    let rig = Rig::start(block()).await;
    assert_eq!(rig.braze.account().await.unwrap(), AccountId("sandbox".to_owned()));
    for _ in 0..2 {
        assert_eq!(letters(&rig.submit(&users(json!({})), upserts(&["a", "b"])).await.unwrap()), "aa");
    }
    let mut cleared = upserts(&["a"]);
    cleared[0].fields[1].value = Value::Null;
    rig.submit(&users(json!({})), cleared).await.unwrap();
    let kept = [json!({"external_id": "a"}), json!({"external_id": "b", "plan": "pro"})];
    assert_eq!(rig.living("users").await, kept);
    let removals = ["a", "nobody"].map(|id| change(Verb::Delete, id, &[]));
    for _ in 0..2 {
        assert_eq!(letters(&rig.submit(&users(json!({})), removals.to_vec()).await.unwrap()), "aa");
        assert_eq!(rig.living("users").await.len(), 1);
    }
    rig.sandbox.stop().await;
}

#[tokio::test]
async fn an_alias_makes_finds_and_removes_its_user() {
    let rig = Rig::start(block()).await;
    let aliased = target(ATTRIBUTES, &[ALIAS_NAME], &[ALIAS_NAME, "plan"], json!({ALIAS_LABEL: "crm"}));
    let row = |verb, plan: &str| Change {
        destination_key: vec![field(ALIAS_NAME, "k1")],
        ..change(verb, "", &[(ALIAS_NAME, "k1"), ("plan", plan)])
    };
    for plan in ["free", "pro"] {
        assert_eq!(letters(&rig.submit(&aliased, vec![row(Verb::Upsert, plan)]).await.unwrap()), "a");
    }
    let kept = json!({"alias_name": "k1", "alias_label": "crm", "plan": "pro"});
    assert_eq!(rig.living("users").await, [kept]);
    assert_eq!(letters(&rig.submit(&aliased, vec![row(Verb::Delete, "")]).await.unwrap()), "a");
    assert_eq!(rig.living("users").await.len(), 0);
    rig.sandbox.stop().await;
}

#[tokio::test]
async fn an_update_writes_what_it_holds_and_makes_nobody() {
    let rig = Rig::start(block()).await;
    let capabilities = rig.braze.capabilities(&users(json!({}))).unwrap();
    assert!(capabilities.changed_fields && !capabilities.remote_ids && !capabilities.supports(Verb::Create));
    rig.submit(&users(json!({})), vec![change(Verb::Upsert, "a", &[("plan", "pro"), ("city", "Oslo")])])
        .await
        .unwrap();
    let updates = ["a", "nobody"].map(|id| change(Verb::Update, id, &[("plan", "free")]));
    assert_eq!(letters(&rig.submit(&users(json!({})), updates.to_vec()).await.unwrap()), "aa");
    assert_eq!(rig.living("users").await, [json!({"external_id": "a", "plan": "free", "city": "Oslo"})]);
    rig.sandbox.stop().await;
}

#[tokio::test]
async fn a_bad_row_costs_itself_and_what_is_known_to_be_bad_is_not_sent() {
    let rig = Rig::start(block()).await;
    let long = "x".repeat(256);
    let changes = vec![
        change(Verb::Upsert, "a", &[("plan", "pro")]),
        change(Verb::Upsert, "b", &[("plan", "blocked")]),
        change(Verb::Upsert, "", &[("plan", "pro")]),
        change(Verb::Upsert, "c", &[("note", &long)]),
        change(Verb::Upsert, "d", &[("plan", "free")]),
    ];
    let outcomes = rig.submit(&users(json!({})), changes).await.unwrap();
    assert_eq!(letters(&outcomes), "arrra");
    let codes: Vec<&str> = outcomes[1..4].iter().map(rejected).collect();
    assert_eq!(codes, ["VALUE_INVALID", "KEY_EMPTY", "TEXT_TOO_LONG"]);
    assert_eq!((rig.braze.traffic().writes, rig.living("users").await.len()), (1, 2));
    rig.sandbox.stop().await;
}

#[tokio::test]
async fn an_address_that_is_none_costs_its_row_alone() {
    let rig = Rig::start(block()).await;
    let mail = |id, address| change(Verb::Upsert, id, &[("email", address)]);
    let changes = vec![mail("a", "ann@x.io"), mail("b", "nobody"), mail("c", "cyd@x.io")];
    let outcomes = rig.submit(&users(json!({})), changes).await.unwrap();
    assert_eq!(letters(&outcomes), "ara");
    assert_eq!(rejected(&outcomes[1]), "VALUE_INVALID");
    assert!(matches!(&outcomes[1], Outcome::Rejected { field, .. } if field.as_deref() == Some("email")));
    assert_eq!(ids(&rig, "users").await, ["a", "c"].map(str::to_owned).into());
    rig.sandbox.stop().await;
}

/// Where Braze takes nothing of a request it says so by a refusal of all, and names each.
#[tokio::test]
async fn a_request_of_bad_rows_alone_is_answered_for_each() {
    let rig = Rig::start(block()).await;
    let changes = ["a", "b"].map(|id| change(Verb::Upsert, id, &[("plan", "blocked")]));
    let outcomes = rig.submit(&users(json!({})), changes.to_vec()).await.unwrap();
    assert_eq!((letters(&outcomes).as_str(), rig.braze.traffic().writes), ("rr", 1));
    rig.sandbox.stop().await;
}

#[tokio::test]
async fn a_batch_goes_in_as_many_requests_as_the_contract_and_its_bytes_need() {
    let rows = |count: usize, note: &str| {
        let fields: Vec<String> = (0..30).map(|n| format!("note{n}")).collect();
        let fields: Vec<(&str, &str)> = fields.iter().map(|name| (name.as_str(), note)).collect();
        (0..count).map(|n| change(Verb::Upsert, &format!("u{n}"), &fields)).collect::<Vec<_>>()
    };
    let rig = Rig::start(block()).await;
    assert_eq!(letters(&rig.submit(&users(json!({})), rows(160, "x")).await.unwrap()), "a".repeat(160));
    assert_eq!(rig.braze.traffic().writes, 3, "75 at a time");
    let bulk = users(json!({"api": "bulk"}));
    let capabilities = rig.braze.capabilities(&bulk).unwrap();
    assert_eq!((capabilities.batch_rows, capabilities.batch_bytes), (1000, Some(2_000_000)));
    assert_eq!(letters(&rig.submit(&bulk, rows(600, &"x".repeat(200))).await.unwrap()), "a".repeat(600));
    assert_eq!(rig.braze.traffic().writes, 5, "almost 4 MB, 2 at most in each");
    let removals = (0..120).map(|n| change(Verb::Delete, &format!("u{n}"), &[])).collect();
    rig.submit(&bulk, removals).await.unwrap();
    assert_eq!((rig.braze.traffic().writes, rig.living("users").await.len()), (8, 480), "50 at a time");
    rig.sandbox.stop().await;
}

#[tokio::test]
async fn a_contract_of_fewer_objects_is_told_and_can_be_set() {
    let mut block = block();
    block["contract"] = json!("mau");
    let rig = Rig::start(block.clone()).await;
    let many: Vec<String> = (0..60).map(|n| format!("u{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let error = rig.submit(&users(json!({})), upserts(&many)).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (Kind::Config, Some("TOO_MANY_OBJECTS")));
    assert!(error.hint.is_some_and(|hint| hint.contains("batch_rows: 50")));
    assert_eq!((rig.braze.traffic().writes, rig.living("users").await.len()), (1, 0));
    rig.sandbox.stop().await;
    let rig = Rig::of(json!({"api_key": "key", "batch_rows": 50}), block).await;
    assert_eq!(rig.braze.capabilities(&users(json!({}))).unwrap().batch_rows, 50);
    rig.submit(&users(json!({})), upserts(&many)).await.unwrap();
    assert_eq!((rig.braze.traffic().writes, rig.living("users").await.len()), (2, 60));
    rig.sandbox.stop().await;
}

#[tokio::test]
async fn a_removal_can_unsubscribe_and_keep_the_user() {
    let rig = Rig::start(block()).await;
    let target = users(json!({"deletion": "unsubscribe"}));
    assert_eq!(rig.braze.capabilities(&target).unwrap().deletes, DeleteKind::Archive);
    rig.submit(&target, upserts(&["a"])).await.unwrap();
    let removals = ["a", "nobody"].map(|id| change(Verb::Delete, id, &[]));
    assert_eq!(letters(&rig.submit(&target, removals.to_vec()).await.unwrap()), "aa");
    let kept = json!({
        "external_id": "a", "plan": "pro", "email_subscribe": "unsubscribed", "push_subscribe": "unsubscribed",
    });
    assert_eq!(rig.living("users").await, [kept]);
    rig.sandbox.stop().await;
}

fn events() -> Target {
    target(EVENTS, &[EVENT_KEY], &[EVENT_KEY, EXTERNAL_ID, "name", "time", "plan"], json!({}))
}

fn event(key: &str, plan: &str) -> Change {
    let fields = [(EVENT_KEY, key), (EXTERNAL_ID, "ann"), ("name", "purchase"), ("plan", plan)];
    let mut event =
        Change { destination_key: vec![field(EVENT_KEY, key)], ..change(Verb::Create, "", &fields) };
    let time = Value::DateTime("2026-02-03T04:05:06Z".parse().unwrap());
    event.fields.push(FieldValue { name: "time".into(), value: time });
    event
}

#[tokio::test]
async fn an_event_is_counted_each_time_it_is_sent() {
    let rig = Rig::start(block()).await;
    let capabilities = rig.braze.capabilities(&events()).unwrap();
    assert!(capabilities.verbs == [Verb::Create] && !capabilities.repeatable_creates);
    assert!(!capabilities.changed_fields);
    let sent = vec![event("1", "pro"), event("2", "blocked"), event("1", "pro")];
    assert_eq!(letters(&rig.submit(&events(), sent).await.unwrap()), "ara");
    let kept =
        json!({"external_id": "ann", "name": "purchase", "time": "2026-02-03T04:05:06Z", "plan": "pro"});
    assert_eq!(rig.living("events").await, [kept.clone(), kept]);
    rig.sandbox.stop().await;
}

#[tokio::test]
async fn an_event_whose_answer_was_lost_is_not_sent_again() {
    let mut block = block();
    block["faults"] = json!([{"do": "lost_ack", "times": 1}]);
    let rig = Rig::start(block).await;
    let error = rig.submit(&events(), vec![event("1", "pro")]).await.unwrap_err();
    assert_eq!((error.kind, rig.braze.traffic().writes), (Kind::Ambiguous, 1));
    assert_eq!(rig.living("events").await.len(), 1);
    rig.sandbox.stop().await;
}

/// Of several requests the one that is lost is unknown, those before are done, and those behind are not sent.
#[tokio::test]
async fn events_behind_a_lost_answer_wait() {
    let mut block = block();
    block["faults"] = json!([{"do": "lost_ack", "times": 1}]);
    let rig = Rig::of(json!({"api_key": "key", "batch_rows": 2}), block).await;
    let sent = (0..5).map(|n| event(&n.to_string(), "pro")).collect();
    let outcomes = rig.submit(&events(), sent).await.unwrap();
    assert_eq!((letters(&outcomes).as_str(), rig.braze.traffic().writes), ("uuddd", 1));
    assert_eq!(rig.living("events").await.len(), 2);
    rig.sandbox.stop().await;
}

async fn ids(rig: &Rig, object: &str) -> BTreeSet<String> {
    let shown = rig.living(object).await;
    shown.iter().map(|shown| shown["external_id"].as_str().unwrap().to_owned()).collect()
}

fn members(verb: Verb, ids: &[&str]) -> Vec<Change> {
    ids.iter().map(|id| change(verb, id, &[])).collect()
}

#[tokio::test]
async fn a_group_gains_and_loses_members_and_makes_nobody() {
    let rig = Rig::start(block()).await;
    rig.submit(&users(json!({})), upserts(&["a", "b"])).await.unwrap();
    let group =
        target(ATTRIBUTES, &[EXTERNAL_ID], &[EXTERNAL_ID], json!({"list": "g-1", "list_attribute": "vip"}));
    let capabilities = rig.braze.capabilities(&group).unwrap();
    assert!(capabilities.verbs == [Verb::Join, Verb::Leave] && !capabilities.changed_fields);
    for _ in 0..2 {
        let joined = rig.submit(&group, members(Verb::Join, &["a", "b", "nobody", ""])).await.unwrap();
        assert_eq!(letters(&joined), "aaar");
        assert_eq!(ids(&rig, "subscription_groups/g-1").await, ["a", "b"].map(str::to_owned).into());
    }
    for _ in 0..2 {
        let left = rig.submit(&group, members(Verb::Leave, &["a", "nobody"])).await.unwrap();
        assert_eq!(letters(&left), "aa");
        assert_eq!(ids(&rig, "subscription_groups/g-1").await, ["b"].map(str::to_owned).into());
    }
    let kept =
        [json!({"external_id": "a", "plan": "pro"}), json!({"external_id": "b", "plan": "pro", "vip": true})];
    assert_eq!(rig.living("users").await, kept);
    rig.sandbox.stop().await;
}

/// Which words Braze uses of a group that is not there is not known: rows are refused, one by one.
#[tokio::test]
async fn a_group_that_is_not_there_refuses_its_rows() {
    let rig = Rig::start(block()).await;
    rig.submit(&users(json!({})), upserts(&["a"])).await.unwrap();
    let group = target(ATTRIBUTES, &[EXTERNAL_ID], &[EXTERNAL_ID], json!({"list": "g-2"}));
    let outcomes = rig.submit(&group, members(Verb::Join, &["a"])).await.unwrap();
    assert_eq!(rejected(&outcomes[0]), "VALUE_INVALID");
    assert!(
        matches!(&outcomes[0], Outcome::Rejected { field, .. } if field.as_deref() == Some("subscription_groups"))
    );
    rig.sandbox.stop().await;
}

#[tokio::test]
async fn the_workspaces_own_attributes_are_looked_up_page_by_page() {
    let mut block = block();
    for n in 0..120 {
        block["objects"]["attributes"][format!("flag{n:03}")] = json!("boolean");
    }
    let rig = Rig::start(block).await;
    let catalog = rig.braze.catalog(&users(json!({}))).await.unwrap();
    assert_eq!(rig.braze.traffic().reads, 3, "50 at a time");
    assert!(catalog.open);
    let kind = |name: &str| catalog.get(name).map(|property| (property.kind, property.read_only));
    assert_eq!(kind("flag119"), Some((FieldType::Boolean, false)));
    assert_eq!(kind("score"), Some((FieldType::Number, false)));
    assert_eq!(kind("retired"), Some((FieldType::String, true)));
    let catalog = rig.braze.catalog(&events()).await.unwrap();
    assert!(catalog.get("name").is_some_and(|name| name.required) && catalog.get("score").is_none());
    assert_eq!(rig.braze.traffic().reads, 3, "events have no attributes");
    rig.sandbox.stop().await;
}

#[tokio::test]
async fn wrong_credentials_are_the_users_to_mend() {
    let rig = Rig::of(json!({"api_key": "invalid"}), block()).await;
    let error = rig.braze.account().await.unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (Kind::Auth, Some("INVALID_API_KEY")));
    assert!(error.hint.is_some_and(|hint| hint.contains("custom_attributes.get")));
    rig.sandbox.stop().await;
}
