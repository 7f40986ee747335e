//! The connector against the sandbox: two readings of SendGrid's facts, written apart, must agree.

use serde_json::json;

use super::{BEST, NEWS, Rig, change, field, is_applied, letters, rejected, target, text};
use crate::contract::{
    AccountId, Change, Destination, FieldType, Kind, Outcome, Property, Target, Value, Verb,
};

#[tokio::test]
async fn a_contact_lives_from_upsert_to_delete() {
    let rig = Rig::start(json!({})).await;
    let target = target(json!({"lists": [NEWS, BEST]}));
    assert_eq!(rig.destination.account().await.unwrap(), AccountId("sandbox".to_owned()));
    let since = Value::Date("2026-02-03".parse().unwrap());
    let ann = |name: &str| {
        let fields = [("first_name", text(name)), ("score", Value::Integer(30)), ("since", since.clone())];
        change(Verb::Upsert, "ann@x.io", &fields)
    };
    let outcomes = rig.submit(&target, vec![ann("Ann")]).await;
    assert_eq!(outcomes[0], Outcome::Applied { remote_id: None, created: Some(true) });
    let outcomes = rig.submit(&target, vec![ann("Anna")]).await;
    assert_eq!(outcomes[0], Outcome::Applied { remote_id: None, created: Some(false) });
    let expected = json!({
        "email": "ann@x.io", "first_name": "Anna", "score": 30, "since": "2026-02-03T00:00:00Z", "list_ids": [BEST, NEWS],
    });
    assert_eq!(rig.contacts().await["ann@x.io"], expected);
    // An omitted field stays, and a null clears.
    let cleared = change(Verb::Upsert, "ann@x.io", &[("first_name", Value::Null), ("since", Value::Null)]);
    assert_eq!(letters(&rig.submit(&target, vec![cleared]).await), "a");
    let expected = json!({"email": "ann@x.io", "score": 30, "list_ids": [BEST, NEWS]});
    assert_eq!(rig.contacts().await["ann@x.io"], expected);
    for _ in 0..2 {
        let gone = ["ann@x.io", "nobody@x.io", "no address"].map(|email| change(Verb::Delete, email, &[]));
        let outcomes = rig.submit(&target, gone.to_vec()).await;
        // Of what SendGrid does not search for nobody says that it is not there.
        assert_eq!((letters(&outcomes).as_str(), rejected(&outcomes[2])), ("aar", "INVALID_REQUEST"));
        assert!(rig.contacts().await.is_empty());
    }
    assert_eq!(letters(&rig.submit(&target, vec![change(Verb::Delete, "", &[])]).await), "r");
}

#[tokio::test]
async fn contacts_are_matched_by_each_identifier() {
    for key in ["external_id", "phone_number_id", "anonymous_id"] {
        let rig = Rig::start(json!({})).await;
        let target = Target {
            match_on: vec![key.to_owned()],
            fields: vec![key.to_owned(), "city".to_owned()],
            ..target(json!({}))
        };
        let row = |verb, city: &str| Change {
            verb,
            destination_key: vec![field(key, text("k/1 ü"))],
            remote_id: None,
            fields: vec![field(key, text("k/1 ü")), field("city", text(city))],
        };
        for city in ["Paris", "Rome"] {
            assert_eq!(letters(&rig.submit(&target, vec![row(Verb::Upsert, city)]).await), "a", "{key}");
        }
        let contacts = rig.contacts_by(key).await;
        assert_eq!(contacts["k/1 ü"]["city"], "Rome", "{key}");
        assert_eq!(letters(&rig.submit(&target, vec![row(Verb::Delete, "")]).await), "a");
        assert!(rig.contacts_by(key).await.is_empty());
    }
}

#[tokio::test]
async fn rows_that_a_call_is_refused_for_cost_themselves_and_the_rest_goes_in_one() {
    let rig = Rig::start(json!({})).await;
    let mut changes: Vec<Change> =
        (0..50).map(|n| change(Verb::Upsert, &format!("p{n}@x.io"), &[("plan", text("a"))])).collect();
    for at in [3, 40] {
        changes[at] = change(Verb::Upsert, "no address", &[]);
    }
    changes[7] = change(Verb::Upsert, "", &[]);
    let outcomes = rig.submit(&target(json!({})), changes).await;
    for (at, outcome) in outcomes.iter().enumerate() {
        match at {
            3 | 40 => assert_eq!(rejected(outcome), "INVALID_CONTACT"),
            7 => assert_eq!(rejected(outcome), "KEY_EMPTY"),
            _ => assert!(is_applied(outcome), "{at}: {outcome:?}"),
        }
    }
    let Outcome::Rejected { field, message, .. } = &outcomes[3] else { panic!() };
    assert_eq!((field.as_deref(), message.as_str()), (Some("email"), "email 'no address' is not valid"));
    assert_eq!((rig.requests("writes"), rig.jobs().await, rig.contacts().await.len()), (2, 1, 47));
}

#[tokio::test]
async fn a_refusal_that_names_no_contact_is_searched_for_in_bounds() {
    let fault = json!({"do": "status", "code": 400, "path": "/v3/marketing/contacts", "times": 1});
    let rig = Rig::start(json!({"faults": [fault]})).await;
    let changes: Vec<Change> = (0..8).map(|n| change(Verb::Upsert, &format!("p{n}@x.io"), &[])).collect();
    let target = Target { fields: vec!["email".to_owned()], ..target(json!({})) };
    assert_eq!(letters(&rig.submit(&target, changes.clone()).await), "aaaaaaaa");
    let fault = json!({"do": "status", "code": 400, "path": "/v3/marketing/contacts"});
    let rig = Rig::start(json!({"faults": [fault]})).await;
    assert_eq!(letters(&rig.submit(&target, changes).await), "rrrrrrrr");
    assert!(rig.requests("writes") <= 25, "{}", rig.requests("writes"));
}

#[tokio::test]
async fn the_catalogue_is_the_accounts_and_a_list_that_is_not_there_is_found_first() {
    let rig = Rig::start(json!({})).await;
    let catalog = rig.destination.catalog(&target(json!({"lists": [NEWS, BEST]}))).await.unwrap();
    assert_eq!(catalog.get("score").unwrap().kind, FieldType::Number);
    assert!(catalog.get("email").unwrap().unique && catalog.get("nonsense").is_none() && !catalog.open);
    assert!(catalog.get("updated_at").unwrap().read_only);
    let other = NEWS.replace("ca7a", "dddd");
    for (options, word) in [
        (json!({"lists": [NEWS, other]}), "no list dddd3796"),
        (json!({"list": other}), "takes members only"),
    ] {
        let error = rig.destination.catalog(&target(options)).await.err().unwrap();
        assert!(
            error.kind == Kind::Config && error.message.contains(word) && error.hint.is_some(),
            "{error:?}"
        );
    }
    let members = Target { fields: vec!["email".to_owned()], ..target(json!({"list": other})) };
    let error = rig.destination.catalog(&members).await.err().unwrap();
    assert!(error.message.contains("no list"), "{error:?}");
    assert_eq!(rig.requests("writes"), 0);
}

#[tokio::test]
async fn fields_that_are_missing_are_made_once() {
    let rig = Rig::start(json!({})).await;
    let missing = vec![Property::new("level", FieldType::Integer), Property::new("town", FieldType::String)];
    let mut target = Target { missing, ..target(json!({})) };
    target.fields.extend(["level".to_owned(), "town".to_owned()]);
    for level in [1, 2] {
        let fields = [("level", Value::Integer(level)), ("town", text("Rome"))];
        assert_eq!(letters(&rig.submit(&target, vec![change(Verb::Upsert, "a@x.io", &fields)]).await), "a");
    }
    let contact = rig.contacts().await["a@x.io"].clone();
    assert_eq!((&contact["level"], &contact["town"]), (&json!(2), &json!("Rome")));
    // Two fields, and the contact twice.
    assert_eq!(rig.requests("writes"), 4);
    // A text may hold anything; a number may not.
    let other = vec![Property::new("level", FieldType::String)];
    let other = Target { missing: other, ..target.clone() };
    let error = rig.try_submit(&other, vec![change(Verb::Upsert, "a@x.io", &[])]).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (Kind::Config, Some("FIELD_TYPE_MISMATCH")));
}
