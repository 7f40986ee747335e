//! Calls: each row's own answer, tokens that end, limits, and what a lost answer leaves.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::{
    NEWS, PATIENCE, Rig, change, field, id_of, is_applied, letters, rejected, target, text, upserts,
    with_token,
};
use crate::conformance::support;
use crate::contract::{
    AccountId, Change, Destination, FieldType, Kind, Lookup, Outcome, Permission, RateLimit, RunContext,
    Target, Value, Verb, Window,
};
use crate::registry::Limits;

#[tokio::test]
async fn rows_go_by_three_hundreds_and_each_has_its_own_answer() {
    let rig = Rig::start(json!({})).await;
    let mut changes = upserts(700);
    changes[4].fields[3].value = text("gold");
    changes[5] = change(Verb::Upsert, "no address", &[]);
    changes[6] = change(Verb::Upsert, "", &[]);
    changes[7] = change(Verb::Upsert, "zoë@x.io", &[]);
    changes[301].fields.push(field("no_such", text("x")));
    let only_calls = target(json!({"api": "leads"}));
    let outcomes = rig.submit(&only_calls, changes).await;
    for (number, outcome) in outcomes.iter().enumerate() {
        match number {
            4 | 5 => assert_eq!(rejected(outcome), "1003"),
            6 => assert_eq!(rejected(outcome), "KEY_EMPTY"),
            7 => assert_eq!(rejected(outcome), "EMAIL_NOT_ASCII"),
            301 => assert_eq!(rejected(outcome), "1006"),
            _ => assert!(is_applied(outcome), "{number}: {outcome:?}"),
        }
    }
    let Outcome::Rejected { field, .. } = &outcomes[4] else { panic!() };
    assert_eq!(field.as_deref(), Some("plan"));
    assert_eq!((rig.requests("writes"), rig.leads().await.len()), (3, 695));
    let lead = rig.leads().await["p9@x.io"].clone();
    assert_eq!(lead, json!({"email": "p9@x.io", "firstName": "Zoë, \"Z\"", "score": 9, "plan": "a"}));
    let again = rig.submit(&only_calls, upserts(1)).await;
    assert!(matches!(&again[0], Outcome::Applied { created: Some(false), remote_id: Some(_) }), "{again:?}");
}

#[tokio::test]
async fn a_null_empties_and_an_insert_changes_nothing() {
    let rig = Rig::start(json!({})).await;
    let both = [("firstName", text("Ann")), ("score", Value::Integer(7))];
    let made = rig.submit(&target(json!({})), vec![change(Verb::Create, "a@x.io", &both)]).await;
    assert!(matches!(&made[0], Outcome::Applied { created: Some(true), .. }));
    let empty = [("firstName", Value::Null), ("score", Value::Integer(8))];
    let again = rig.submit(&target(json!({})), vec![change(Verb::Create, "a@x.io", &empty)]).await;
    assert_eq!(rejected(&again[0]), "1005");
    assert_eq!(rig.leads().await["a@x.io"]["score"], 7);
    rig.submit(&target(json!({})), vec![change(Verb::Upsert, "a@x.io", &empty)]).await;
    assert_eq!(rig.leads().await["a@x.io"], json!({"email": "a@x.io", "score": 8}));
}

#[tokio::test]
async fn an_update_goes_by_the_id_that_is_known_and_makes_nothing() {
    let rig = Rig::start(json!({})).await;
    let id = id_of(&rig.submit(&target(json!({})), upserts(1)).await[0]);
    let mut moved = change(Verb::Update, "new@x.io", &[("score", Value::Integer(70))]);
    moved.remote_id = Some(id);
    let mut gone = change(Verb::Update, "b@x.io", &[]);
    gone.remote_id = Some("999999".to_owned());
    let changes = vec![
        change(Verb::Update, "p0@x.io", &[("firstName", text("Bo"))]),
        change(Verb::Update, "nobody@x.io", &[]),
        moved,
        gone,
    ];
    let outcomes = rig.submit(&target(json!({})), changes).await;
    assert_eq!(letters(&outcomes), "arar");
    assert_eq!(
        (rejected(&outcomes[1]), rejected(&outcomes[3])),
        (Outcome::OBJECT_NOT_FOUND, Outcome::OBJECT_NOT_FOUND)
    );
    let leads = rig.leads().await;
    assert_eq!(
        (leads.len(), &leads["new@x.io"]["firstName"], &leads["new@x.io"]["score"]),
        (1, &json!("Bo"), &json!(70))
    );
    // By Marketo's own id alone.
    let by_id = Target {
        match_on: vec!["id".to_owned()],
        fields: vec!["id".into(), "score".into()],
        ..target(json!({}))
    };
    let keyed = |id: &str| Change {
        verb: Verb::Update,
        destination_key: vec![field("id", text(id))],
        remote_id: None,
        fields: vec![field("id", text(id)), field("score", Value::Integer(1))],
    };
    let known = rig.shown("leads").await[0]["id"].as_str().unwrap().to_owned();
    let outcomes = rig.submit(&by_id, vec![keyed(&known), keyed("x7")]).await;
    assert_eq!((letters(&outcomes).as_str(), rejected(&outcomes[1])), ("ar", "KEY_NOT_AN_ID"));
    assert_eq!(rig.leads().await["new@x.io"]["score"], 1);
}

#[tokio::test]
async fn a_lead_that_is_sent_is_put_on_the_list() {
    let rig = Rig::start(json!({})).await;
    let listed = target(json!({"list": NEWS, "partition": "North"}));
    assert_eq!(letters(&rig.submit(&listed, upserts(2)).await), "aa");
    assert_eq!(rig.leads().await["p1@x.io"]["static_lists"], json!([NEWS]));
    let fault = json!({"do": "status", "code": 403, "path": "/rest/v1/lists/"});
    let rig = Rig::start(json!({"faults": [fault]})).await;
    let outcomes = rig.submit(&listed, upserts(2)).await;
    assert_eq!(
        (letters(&outcomes).as_str(), rig.leads().await.len()),
        ("uu", 2),
        "who is not on it is not done"
    );
}

#[tokio::test]
async fn a_token_that_ends_with_http_200_is_renewed_and_the_call_repeated_once() {
    let rig = Rig::start(json!({"token_calls": 1})).await;
    for number in 0..3 {
        assert_eq!(letters(&rig.submit(&target(json!({})), upserts(1)).await), "a", "{number}");
    }
    // The first token is good for the first call; each later one is refused once and sent again.
    assert_eq!((rig.requests("writes"), rig.leads().await.len()), (5, 1));
    let rig = Rig::start(json!({"token_calls": 0})).await;
    let error = rig.try_submit(&target(json!({})), upserts(1)).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (Kind::Auth, Some("EXPIRED_TOKEN")));
    assert_eq!((rig.requests("writes"), rig.leads().await.len()), (2, 0), "a new token is tried once");
}

#[tokio::test]
async fn a_limit_is_waited_for_and_a_day_is_not() {
    let rate = RateLimit { requests: 1_000, per: Duration::from_millis(100) };
    let fault = json!({"do": "status", "code": 429, "times": 2, "path": "/rest/v1/leads.json"});
    let rig = Rig::start(json!({"faults": [fault]})).await;
    let marketo = with_token("token-1", &format!("{}/marketo", rig.sandbox.url()), PATIENCE, rate);
    assert_eq!(letters(&support::submit(&marketo, &target(json!({})), upserts(1)).await.unwrap()), "a");
    assert_eq!(rig.requests("refused"), 2);
    let rig = Rig::start(json!({"limits": {"requests": "10000/1s", "daily_calls": 2}})).await;
    rig.submit(&target(json!({})), upserts(1)).await;
    let error = rig.try_submit(&target(json!({})), upserts(1)).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (Kind::Quota, Some("607")));
    assert_eq!(rig.marketo.daily_budget(), Some(50_000));
}

#[tokio::test]
async fn a_call_whose_answer_is_lost_is_not_followed_by_another_with_its_keys() {
    for fault in ["lost_ack", "garbage", "truncate"] {
        let fault = json!({"do": fault, "path": "/rest/v1/leads.json", "times": 1});
        let rig = Rig::start(json!({"faults": [fault.clone()]})).await;
        let error = rig.try_submit(&target(json!({})), upserts(2)).await.unwrap_err();
        assert_eq!((error.kind, rig.requests("writes")), (Kind::Ambiguous, 1), "{fault}: it is sent once");
        let rig = Rig::start(json!({"faults": [fault]})).await;
        let updates = vec![change(Verb::Update, "nobody@x.io", &[])];
        assert_eq!(letters(&rig.submit(&target(json!({})), updates).await), "r");
        assert_eq!(rig.requests("writes"), 2, "an update makes no lead, and is sent again");
    }
}

/// The run is closing, so that whoever waits is told.
#[derive(Debug)]
struct Closing;

#[async_trait::async_trait]
impl Permission for Closing {
    fn check(&self) -> Result<(), crate::contract::ConnectorError> {
        Ok(())
    }

    async fn closing(&self) {}
}

#[tokio::test]
async fn calls_that_an_earlier_run_left_are_given_time_before_anything_is_sent() {
    let rig = Rig::start(json!({})).await;
    let now = Timestamp::now();
    let left = Some(Window { from: now, to: now });
    // An emulator on this machine has none at work, so nothing waits for it.
    let context = RunContext { unsettled: left, ..RunContext::alone("run", "sync") };
    let session = rig.marketo.open(&target(json!({})), context.clone()).await.unwrap();
    assert!(session.submit(&upserts(1), &super::Kept::default()).await.is_ok());
    let mut patient =
        with_token("token-1", &format!("{}/marketo", rig.sandbox.url()), PATIENCE, super::wide());
    patient.lost_call = Duration::from_secs(3600);
    let before = rig.requests("writes");
    let closing = RunContext { permission: Arc::new(Closing), ..context.clone() };
    let session = patient.open(&target(json!({})), closing).await.unwrap();
    let error = session.submit(&upserts(1), &super::Kept::default()).await.err().unwrap();
    assert_eq!((error.kind, rig.requests("writes")), (Kind::Revoked, before));
    assert!(
        error.message.contains("calls of an earlier one"),
        "it waits before it asks for its turn: {error}"
    );
    patient.lost_call = Duration::from_millis(1);
    let session = patient.open(&target(json!({})), context).await.unwrap();
    assert!(session.submit(&upserts(1), &super::Kept::default()).await.is_ok());
}

#[tokio::test]
async fn the_fields_and_the_account_are_read_before_anything_is_sent() {
    let rig = Rig::start(json!({})).await;
    let catalog = rig.marketo.catalog(&target(json!({"list": NEWS}))).await.unwrap();
    assert_eq!(catalog.get("score").unwrap().kind, FieldType::Integer);
    assert!(catalog.get("createdAt").unwrap().read_only && catalog.get("customerId").unwrap().unique);
    assert!(catalog.get("no_such").is_none() && !catalog.open);
    let error = rig.marketo.catalog(&target(json!({"list": 7}))).await.err().unwrap();
    assert!(error.kind == Kind::Config && error.message.contains("static list 7"), "{error}");
    assert_eq!(rig.marketo.account().await.unwrap(), AccountId("sandbox".to_owned()));
    assert_eq!(rig.requests("writes"), 0);
}

#[tokio::test]
async fn what_a_crash_left_of_creates_is_looked_for() {
    let rig = Rig::start(json!({})).await;
    let id = id_of(&rig.submit(&target(json!({})), upserts(1)).await[0]);
    let keys: Vec<_> =
        ["P0@x.io", "nobody@x.io", "", "a,b"].map(|key| vec![field("email", text(key))]).to_vec();
    let found = rig.marketo.look_up(&target(json!({})), &keys).await.unwrap();
    let there = Lookup::Found { remote_id: id };
    assert_eq!(found, [there.clone(), Lookup::Absent, Lookup::Unclear, Lookup::Unclear]);
    // Who is to be on a list is not done before.
    let listed = target(json!({"list": NEWS}));
    assert_eq!(rig.marketo.look_up(&listed, &keys[..2]).await.unwrap(), [Lookup::Unclear, Lookup::Absent]);
    rig.submit(&listed, upserts(1)).await;
    assert_eq!(rig.marketo.look_up(&listed, &keys[..2]).await.unwrap(), [there, Lookup::Absent]);
}

#[tokio::test]
async fn creates_are_looked_for_once_a_call_that_may_make_them_has_ended() {
    let rig = Rig::start(json!({})).await;
    let mut patient =
        with_token("token-1", &format!("{}/marketo", rig.sandbox.url()), PATIENCE, super::wide());
    patient.lost_call = Duration::from_millis(700);
    let now = Timestamp::now();
    let left = Some(Window { from: now, to: now });
    let context = RunContext { unsettled: left, ..RunContext::alone("run", "sync") };
    let _session = patient.open(&target(json!({})), context).await.unwrap();
    let keys = [vec![field("email", text("p0@x.io"))]];
    assert_eq!(patient.look_up(&target(json!({})), &keys).await.unwrap(), [Lookup::Absent]);
    assert!(
        Timestamp::now() >= now.checked_add(Duration::from_millis(600)).unwrap(),
        "it may appear till then"
    );
}

#[tokio::test]
async fn each_way_has_its_sizes() {
    let marketo = with_token("token-1", "http://127.0.0.1:1", PATIENCE, super::wide());
    let of = |options: serde_json::Value| marketo.capabilities(&target(options)).unwrap();
    let usual = of(json!({}));
    assert_eq!((usual.batch_rows, usual.batch_bytes, usual.in_flight), (300, Some(1_000_000), 5));
    let bulk = usual.bulk.clone().unwrap();
    assert_eq!((bulk.from, bulk.batch_bytes, bulk.in_flight), (10_000, 9_900_000, 2));
    assert!(usual.remote_ids && !usual.supports(Verb::Join));
    assert!(of(json!({"api": "leads"})).bulk.is_none() && of(json!({"list": 7})).supports(Verb::Join));
    let import = of(json!({"api": "import"}));
    assert_eq!((import.remote_ids, import.bulk.unwrap().from), (false, 0));
    let many = Limits { concurrency: Some(8), ..Limits::default() };
    let many = crate::marketo::connector::all_of(&many);
    assert_eq!((many.in_flight, many.bulk.unwrap().in_flight), (8, 2), "an instance works on two imports");
    let by_id =
        Target { match_on: vec!["id".to_owned()], fields: vec!["id".to_owned()], ..target(json!({})) };
    assert_eq!(marketo.capabilities(&by_id).unwrap().verbs, [Verb::Update, Verb::Delete]);
    assert!(marketo.capabilities(&super::members_of(7)).unwrap().bulk.is_none());
}
