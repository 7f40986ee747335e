//! Members of a list, and who is subscribed.

use jiff::Timestamp;
use serde_json::json;

use super::{Kept, Rig, change, field, is_applied, members_of, rejected, target, text};
use crate::contract::{
    Change, Destination, FieldValue, Kind, Lookup, Outcome, RunContext, Submitted, Verb, Window,
};
use crate::klaviyo::playbook::ENTRIES;

fn of(verb: Verb, emails: &[&str]) -> Vec<Change> {
    emails.iter().map(|email| change(verb, email, &[])).collect()
}

#[tokio::test]
async fn members_are_found_by_key_and_changed_together() {
    let rig = Rig::start(json!({})).await;
    let emails: Vec<String> = (0..1100).map(|n| format!("p{n}@x.io")).collect();
    rig.submit(&target(json!({})), emails.iter().map(|email| change(Verb::Upsert, email, &[])).collect())
        .await;
    let (list, written, read) =
        (members_of("VIPS", json!({})), rig.requests("writes"), rig.requests("reads"));
    let all: Vec<&str> = emails.iter().map(String::as_str).chain(["no@x.io"]).collect();
    let outcomes = rig.submit(&list, of(Verb::Join, &all)).await;
    assert!(outcomes[..1100].iter().all(is_applied));
    assert_eq!(rejected(&outcomes[1100]), Outcome::OBJECT_NOT_FOUND);
    assert_eq!((rig.requests("writes") - written, rig.requests("reads") - read), (2, 23));
    assert!(rig.profiles().await.values().all(|profile| profile["lists"] == json!(["VIPS"])));

    let mut leaving = of(Verb::Leave, &["p1@x.io", "no@x.io", "p2@x.io"]);
    leaving[2].remote_id = Some("01GONE".to_owned());
    leaving[0].remote_id = Some(super::id_of(&outcomes[1]));
    let left = rig.submit(&list, leaving).await;
    assert!(left.iter().all(is_applied), "who is not there is on no list: {left:?}");
    let profiles = rig.profiles().await;
    assert!(profiles["p1@x.io"].get("lists").is_none() && profiles["p2@x.io"].get("lists").is_some());
}

#[tokio::test]
async fn nobody_is_subscribed_unless_the_mapping_says_so() {
    let rig = Rig::start(json!({})).await;
    let suppressed = target(json!({"deletion": "suppress"}));
    rig.submit(&target(json!({})), of(Verb::Upsert, &["a@x.io", "b@x.io"])).await;
    rig.submit(&suppressed, of(Verb::Delete, &["a@x.io", "b@x.io"])).await;
    rig.submit(&target(json!({})), of(Verb::Upsert, &["a@x.io"])).await;
    rig.submit(&members_of("NEWS", json!({})), of(Verb::Join, &["a@x.io"])).await;
    let ann = rig.profiles().await["a@x.io"].clone();
    assert_eq!((&ann["suppressed"], ann.get("subscribed")), (&json!(true), None));

    let subscribing = members_of("NEWS", json!({"subscribe": true}));
    assert_eq!(rig.destination.capabilities(&subscribing).unwrap().verbs, [Verb::Join, Verb::Leave]);
    let outcomes = rig.submit(&subscribing, of(Verb::Join, &["a@x.io", "no@x.io"])).await;
    assert!(is_applied(&outcomes[0]));
    assert_eq!(rejected(&outcomes[1]), Outcome::OBJECT_NOT_FOUND, "nobody is made by a subscription");
    let profiles = rig.profiles().await;
    let ann = json!({"email": "a@x.io", "lists": ["NEWS"], "subscribed": ["email"]});
    assert_eq!(
        (&profiles["a@x.io"], &profiles["b@x.io"]["suppressed"], profiles.len()),
        (&ann, &json!(true), 2)
    );
    rig.submit(&subscribing, of(Verb::Leave, &["a@x.io"])).await;
    assert_eq!(
        rig.profiles().await["a@x.io"]["subscribed"],
        json!(["email"]),
        "leaving a list unsubscribes nobody"
    );
}

#[tokio::test]
async fn a_list_takes_no_fields_and_a_lost_subscription_is_not_repeated() {
    let rig = Rig::start(json!({"faults": [{"do": "lost_ack", "path": "subscription"}]})).await;
    rig.submit(&target(json!({})), of(Verb::Upsert, &["a@x.io"])).await;
    let error =
        rig.try_submit(&target(json!({"list": "NEWS"})), of(Verb::Join, &["a@x.io"])).await.unwrap_err();
    assert!(
        error.kind == Kind::Config && error.message.contains("`first_name` would not be sent"),
        "{error:?}"
    );
    let subscribing = target(json!({"list": "NEWS", "subscribe": true}));
    assert_eq!(rig.destination.catalog(&subscribing).await.unwrap_err().kind, Kind::Config);
    let written = rig.requests("writes");
    let subscribing = members_of("NEWS", json!({"subscribe": true}));
    let error = rig.try_submit(&subscribing, of(Verb::Join, &["a@x.io"])).await.unwrap_err();
    assert_eq!((error.kind, rig.requests("writes") - written), (Kind::Ambiguous, 1));
    let gone = members_of("GONE", json!({}));
    let error = rig.try_submit(&gone, of(Verb::Join, &["a@x.io"])).await.unwrap_err();
    assert!(error.kind == Kind::Config && error.message.contains("no list `GONE`"), "{error:?}");
}

#[tokio::test]
async fn who_unsubscribed_after_a_lost_subscription_is_not_subscribed_again() {
    let lost = json!({"do": "lost_ack", "path": "/api/profile-subscription-bulk-create-jobs", "times": 1});
    let rig = Rig::start(json!({"faults": [lost]})).await;
    rig.submit(&target(json!({})), of(Verb::Upsert, &["a@x.io", "b@x.io", "c@x.io"])).await;
    let (subscribing, before) = (members_of("NEWS", json!({"subscribe": true})), Timestamp::now());
    let error = rig.try_submit(&subscribing, of(Verb::Join, &["a@x.io", "b@x.io"])).await.unwrap_err();
    assert_eq!(error.kind, Kind::Ambiguous);
    rig.submit(&target(json!({"deletion": "suppress"})), of(Verb::Delete, &["a@x.io"])).await;

    let unsettled = Some(Window { from: before, to: Timestamp::now() });
    let context = RunContext { unsettled, ..RunContext::alone("next", "people") };
    let session = rig.destination.open(&subscribing, context).await.unwrap();
    let (all, written) = (of(Verb::Join, &["a@x.io", "b@x.io", "c@x.io"]), rig.requests("writes"));
    let Submitted::Done(receipt) = session.submit(&all, &Kept::default()).await.unwrap() else { panic!() };
    let outcomes = receipt.outcomes();
    assert_eq!(rejected(&outcomes[0]), "CONSENT_WITHDRAWN");
    assert!(ENTRIES.iter().any(|entry| entry.code == "CONSENT_WITHDRAWN"));
    assert!(outcomes[1..].iter().all(is_applied), "{outcomes:?}");
    assert_eq!(rig.requests("writes") - written, 2, "one is put on the list, one is subscribed");
    let profiles = rig.profiles().await;
    assert_eq!(profiles["a@x.io"]["suppressed"], true, "nobody has lifted it");
    for email in ["b@x.io", "c@x.io"] {
        let profile = &profiles[email];
        assert_eq!((&profile["lists"], &profile["subscribed"]), (&json!(["NEWS"]), &json!(["email"])));
    }
}

#[tokio::test]
async fn a_profile_that_is_gone_costs_nobody_else_their_place() {
    for (verb, times) in [(Verb::Join, 1), (Verb::Leave, 3)] {
        let fault = json!({"do": "status", "code": 404, "path": "/relationships/profiles", "times": times});
        let rig = Rig::start(json!({"faults": [fault]})).await;
        rig.submit(&target(json!({})), of(Verb::Upsert, &["a@x.io", "b@x.io"])).await;
        let written = rig.requests("writes");
        let outcomes = rig.submit(&members_of("VIPS", json!({})), of(verb, &["a@x.io", "b@x.io"])).await;
        assert!(outcomes.iter().all(is_applied), "{verb}: {outcomes:?}");
        assert_eq!(rig.requests("writes") - written, 3, "{verb}: the list is there, so each is tried alone");
    }
}

#[tokio::test]
async fn a_key_that_no_question_takes_costs_its_own_row_alone() {
    let rig = Rig::start(json!({})).await;
    let emails: Vec<String> = (0..60).map(|n| format!("p{n}@x.io")).collect();
    let mut all: Vec<&str> = emails.iter().map(String::as_str).collect();
    rig.submit(&target(json!({})), of(Verb::Upsert, &all)).await;
    let odd = "o\"h@x.io";
    all.insert(7, odd);
    let suppressing = target(json!({"deletion": "suppress"}));
    for (target, verb) in [(members_of("VIPS", json!({})), Verb::Join), (suppressing, Verb::Delete)] {
        for (place, outcome) in rig.submit(&target, of(verb, &all)).await.iter().enumerate() {
            match place {
                7 => assert_eq!(rejected(outcome), "invalid", "{verb}"),
                _ => assert!(is_applied(outcome), "{verb} {place}: {outcome:?}"),
            }
        }
    }
    let keys: Vec<Vec<FieldValue>> =
        vec![vec![field("email", text("p1@x.io"))], vec![field("email", text(odd))]];
    let found = rig.destination.look_up(&target(json!({})), &keys).await.unwrap();
    assert!(matches!(&found[..], [Lookup::Found { .. }, Lookup::Unclear]), "{found:?}");
}

#[tokio::test]
async fn where_no_question_is_taken_no_row_is_refused() {
    let fault = json!({"do": "status", "code": 400, "path": "/api/profiles"});
    let rig = Rig::start(json!({"faults": [fault]})).await;
    let emails: Vec<String> = (0..60).map(|n| format!("p{n}@x.io")).collect();
    let all: Vec<&str> = emails.iter().map(String::as_str).collect();
    let error = rig.try_submit(&members_of("VIPS", json!({})), of(Verb::Join, &all)).await.unwrap_err();
    assert_eq!((error.kind, rig.requests("writes")), (Kind::Unavailable, 0));
    assert!(rig.requests("reads") < 100, "{}", rig.requests("reads"));
}
