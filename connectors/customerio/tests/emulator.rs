//! The connector against the sandbox: two readings of Customer.io's facts, written apart, must agree.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::{Rig, change, credentials, field, letters, people, target};
use crate::contract::{AccountId, Change, Destination, Kind, Outcome, Value, Verb};
use crate::customerio::target::EVENT_KEY;

fn block() -> Json {
    json!({
        "limits": {"requests": "10000/1s"},
        "objects": {"people": {"plan": {"type": "string", "refuse": "blocked"}}},
        "segments": {"7": "Newsletter", "8": {"name": "Buyers", "data_driven": true}},
    })
}

fn upserts(ids: &[&str]) -> Vec<Change> {
    ids.iter().map(|id| change(Verb::Upsert, id, &[("id", id), ("plan", "pro")])).collect()
}

fn without_cio_id(mut person: Json) -> Json {
    person.as_object_mut().unwrap().remove("cio_id");
    person
}

#[tokio::test]
async fn a_person_lives_from_upsert_to_delete() {
    let rig = Rig::start(block()).await;
    assert_eq!(rig.destination.account().await.unwrap(), AccountId("sandbox".to_owned()));
    for _ in 0..2 {
        assert_eq!(letters(&rig.submit(&people(), upserts(&["a", "b"])).await), "aa");
    }
    let mut cleared = upserts(&["a"]);
    cleared[0].fields[1].value = Value::Null;
    rig.submit(&people(), cleared).await;
    let kept: Vec<Json> = rig.living("people").await.into_iter().map(without_cio_id).collect();
    assert_eq!(kept, [json!({"id": "a"}), json!({"id": "b", "plan": "pro"})]);
    let removals = ["a", "nobody"].map(|id| change(Verb::Delete, id, &[]));
    for _ in 0..2 {
        assert_eq!(letters(&rig.submit(&people(), removals.to_vec()).await), "aa");
        assert_eq!(rig.living("people").await.len(), 1);
    }
    rig.sandbox.stop().await;
}

#[tokio::test]
async fn an_email_is_one_whatever_its_case() {
    let rig = Rig::start(block()).await;
    let by_email = target("people", "email", &["email", "plan"], json!({}));
    let fold = rig.destination.normaliser(&by_email, "email").unwrap();
    for email in ["ann@example.com", " Ann@Example.COM"] {
        let key = fold(Value::Text(email.to_owned())).to_string();
        assert_eq!(key, "ann@example.com");
        let row = Change {
            destination_key: vec![field("email", &key)],
            ..change(Verb::Upsert, "", &[("plan", email)])
        };
        assert_eq!(letters(&rig.submit(&by_email, vec![row]).await), "a");
    }
    assert_eq!(rig.living("people").await.len(), 1);
    assert!(rig.destination.normaliser(&by_email, "plan").is_none());
    rig.sandbox.stop().await;
}

#[tokio::test]
async fn a_bad_row_costs_itself_and_what_is_known_to_be_bad_is_not_sent() {
    let rig = Rig::start(block()).await;
    let (long, large) = ("x".repeat(1001), "x".repeat(40_000));
    let id = "i".repeat(151);
    let changes = vec![
        change(Verb::Upsert, "a", &[("plan", "pro")]),
        change(Verb::Upsert, "b", &[("plan", "blocked")]),
        change(Verb::Upsert, "", &[("plan", "pro")]),
        change(Verb::Upsert, &id, &[("plan", "pro")]),
        change(Verb::Upsert, "c", &[("note", &large)]),
        change(Verb::Upsert, "d", &[("note", &long)]),
        change(Verb::Upsert, "e", &[("plan", "free")]),
    ];
    let outcomes = rig.submit(&people(), changes).await;
    let codes: Vec<&str> = outcomes
        .iter()
        .map(|outcome| match outcome {
            Outcome::Rejected { code, .. } => code.as_str(),
            Outcome::Applied { .. } => "",
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(codes, ["", "invalid", "KEY_EMPTY", "KEY_TOO_LONG", "ROW_TOO_LARGE", "invalid", ""]);
    assert_eq!((rig.destination.traffic().writes, rig.living("people").await.len()), (1, 2));
    rig.sandbox.stop().await;
}

/// 500,000 bytes a request, which the sandbox counts by itself.
#[tokio::test]
async fn a_batch_goes_in_as_many_requests_as_its_bytes_need() {
    let rig = Rig::start(block()).await;
    let note = "x".repeat(990);
    let rows = |bad: &[usize]| {
        let row = |n: usize| {
            let plan = if bad.contains(&n) { "blocked" } else { "pro" };
            let notes: Vec<String> = (0..10).map(|at| format!("note{at}")).collect();
            let mut fields: Vec<(&str, &str)> =
                notes.iter().map(|name| (name.as_str(), note.as_str())).collect();
            fields.push(("plan", plan));
            change(Verb::Upsert, &format!("p{n}"), &fields)
        };
        (0..120).map(row).collect::<Vec<_>>()
    };
    let outcomes = rig.submit(&people(), rows(&[3, 77, 119])).await;
    let refused: Vec<usize> = outcomes
        .iter()
        .enumerate()
        .filter(|(_, o)| matches!(o, Outcome::Rejected { .. }))
        .map(|(at, _)| at)
        .collect();
    assert_eq!((refused, rig.destination.traffic().writes), (vec![3, 77, 119], 3));
    assert_eq!(rig.living("people").await.len(), 117);
    assert!(rig.destination.traffic().bytes > 1_200_000);
    rig.sandbox.stop().await;
}

#[tokio::test]
async fn updates_need_a_word_of_consent_and_never_create() {
    let rig = Rig::start(block()).await;
    let verbs = |target| rig.destination.capabilities(&target).unwrap();
    assert!(!verbs(people()).supports(Verb::Update) && !verbs(people()).supports(Verb::Create));
    let consenting = target("people", "id", &["id", "plan"], json!({"unseen_updates": true}));
    assert!(verbs(consenting.clone()).supports(Verb::Update));
    rig.submit(&people(), upserts(&["a"])).await;
    let updates = ["a", "nobody"].map(|id| change(Verb::Update, id, &[("plan", "free")]));
    assert_eq!(letters(&rig.submit(&consenting, updates.to_vec()).await), "aa");
    let kept: Vec<Json> = rig.living("people").await.into_iter().map(without_cio_id).collect();
    assert_eq!(kept, [json!({"id": "a", "plan": "free"})]);
    rig.sandbox.stop().await;
}

fn events() -> crate::contract::Target {
    target("events", EVENT_KEY, &[EVENT_KEY, "email", "name", "timestamp", "total"], json!({}))
}

fn event(key: &str, name: &str) -> Change {
    let fields = [("email", "ann@example.com"), ("name", name), ("total", "5")];
    Change { destination_key: vec![field(EVENT_KEY, key)], ..change(Verb::Create, "", &fields) }
}

#[tokio::test]
async fn an_event_that_is_sent_twice_is_kept_once() {
    let rig = Rig::start(block()).await;
    let capabilities = rig.destination.capabilities(&events()).unwrap();
    assert!(capabilities.verbs == [Verb::Create]);
    for _ in 0..2 {
        let sent = vec![event("1", "purchase"), event("2", "purchase"), event("1", "refund"), event("3", "")];
        assert_eq!(letters(&rig.submit(&events(), sent).await), "aaar");
    }
    let kept = rig.living("events").await;
    let names: Vec<&str> = kept.iter().map(|event| event["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["purchase", "purchase", "refund"]);
    assert_eq!(kept[0], json!({"email": "ann@example.com", "name": "purchase", "total": "5"}));
    rig.sandbox.stop().await;
}

#[tokio::test]
async fn a_lost_answer_leaves_one_event() {
    let mut block = block();
    block["faults"] = json!([{"do": "lost_ack", "times": 1}]);
    let rig = Rig::start(block).await;
    assert_eq!(letters(&rig.submit(&events(), vec![event("1", "purchase")]).await), "a");
    assert_eq!((rig.living("events").await.len(), rig.destination.traffic().writes), (1, 2));
    rig.sandbox.stop().await;
}

fn segment(list: Json) -> crate::contract::Target {
    target("people", "id", &["id"], json!({"list": list}))
}

fn members(verb: Verb, ids: &[&str]) -> Vec<Change> {
    ids.iter().map(|id| change(verb, id, &[])).collect()
}

async fn ids(rig: &Rig, object: &str) -> BTreeSet<String> {
    rig.living(object).await.iter().map(|shown| shown["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_segment_gains_and_loses_members_and_makes_nobody() {
    let rig = Rig::start(block()).await;
    rig.submit(&people(), upserts(&["a", "b"])).await;
    let target = segment(json!(7));
    let verbs = rig.destination.capabilities(&target).unwrap().verbs;
    assert_eq!(verbs, [Verb::Join, Verb::Leave]);
    for _ in 0..2 {
        let joins = members(Verb::Join, &["a", "b", "nobody", ""]);
        assert_eq!(letters(&rig.submit(&target, joins).await), "aaar");
        assert_eq!(ids(&rig, "segments/7").await, ["a", "b"].map(str::to_owned).into());
    }
    for _ in 0..2 {
        assert_eq!(letters(&rig.submit(&target, members(Verb::Leave, &["a", "nobody"])).await), "aa");
        assert_eq!(ids(&rig, "segments/7").await, ["b"].map(str::to_owned).into());
    }
    assert_eq!(ids(&rig, "people").await.len(), 2);
    rig.sandbox.stop().await;
}

/// "Requires people to have `id` attributes", and says nothing where they have none.
#[tokio::test]
async fn nobody_is_taken_out_of_a_segment_without_an_id() {
    let rig = Rig::start(block()).await;
    let by_email = target("people", "email", &["email"], json!({"list": 7}));
    let ann = |verb| Change {
        destination_key: vec![field("email", "ann@x.io")],
        ..change(verb, "", &[("email", "ann@x.io")])
    };
    rig.submit(&target("people", "email", &["email"], json!({})), vec![ann(Verb::Upsert)]).await;
    for verb in [Verb::Join, Verb::Leave] {
        assert_eq!(letters(&rig.submit(&by_email, vec![ann(verb)]).await), "a");
        assert_eq!(rig.living("segments/7").await.len(), 1);
    }
    rig.sandbox.stop().await;
}

#[tokio::test]
async fn a_segment_that_is_not_there_or_fills_itself_is_the_mappings_fault() {
    let rig = Rig::start(block()).await;
    for id in [8, 9] {
        let error = rig.try_submit(&segment(json!(id)), members(Verb::Join, &["a", "b"])).await.unwrap_err();
        assert_eq!(
            (error.kind, error.code.as_deref()),
            (Kind::Config, Some("SEGMENT_UNUSABLE")),
            "{error:?}"
        );
    }
    assert_eq!(rig.destination.traffic().writes, 2, "no row is looked for");
    rig.sandbox.stop().await;
}

#[tokio::test]
async fn who_is_suppressed_is_gone_until_let_back() {
    let rig = Rig::start(block()).await;
    let list = segment(json!("suppressed"));
    rig.submit(&people(), upserts(&["a", "b"])).await;
    for _ in 0..2 {
        assert_eq!(letters(&rig.submit(&list, members(Verb::Join, &["a", "nobody"])).await), "aa");
    }
    assert_eq!(ids(&rig, "suppressed").await, ["a", "nobody"].map(str::to_owned).into());
    // Customer.io accepts what it is told of a suppressed person, and drops it.
    assert_eq!(letters(&rig.submit(&people(), upserts(&["a"])).await), "a");
    assert_eq!(ids(&rig, "people").await, ["b"].map(str::to_owned).into());
    assert_eq!(letters(&rig.submit(&list, members(Verb::Leave, &["a"])).await), "a");
    rig.submit(&people(), upserts(&["a"])).await;
    assert_eq!(ids(&rig, "people").await, ["a", "b"].map(str::to_owned).into());
    rig.sandbox.stop().await;
}

#[tokio::test]
async fn the_wrong_region_and_wrong_credentials_are_told_apart() {
    let rig = Rig::of(credentials("site"), json!({"region": "eu"})).await;
    let error = rig.destination.account().await.unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (Kind::Config, Some("WRONG_REGION")));
    assert!(error.hint.as_deref().is_some_and(|hint| hint.contains("region: eu")), "{error:?}");
    rig.sandbox.stop().await;
    let mut european = credentials("site");
    european["region"] = json!("eu");
    let rig = Rig::of(european, json!({"region": "eu"})).await;
    assert!(rig.destination.account().await.is_ok());
    rig.sandbox.stop().await;
    let rig = Rig::of(json!({"site_id": "site", "api_key": "invalid"}), json!({})).await;
    assert_eq!(rig.destination.account().await.unwrap_err().kind, Kind::Auth);
    rig.sandbox.stop().await;
}
