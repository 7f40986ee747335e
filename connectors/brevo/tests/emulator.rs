//! The connector against the sandbox: two readings of Brevo's facts, written apart, must agree.

use serde_json::json;

use super::{Rig, change, field, id_of, is_applied, rejected, target, text};
use crate::contract::{
    AccountId, Change, Destination, FieldType, Kind, Lookup, Outcome, Property, Target, Value, Verb,
};

#[tokio::test]
async fn a_contact_lives_from_upsert_to_delete() {
    let rig = Rig::start(json!({})).await;
    let target = target(json!({"lists": [4, 7], "api": "single"}));
    assert_eq!(rig.destination.account().await.unwrap(), AccountId("sandbox".to_owned()));
    let ann =
        |verb, name| change(verb, "ann@x.io", &[("FIRSTNAME", text(name)), ("AGE", Value::Integer(30))]);
    let outcomes = rig.submit(&target, vec![ann(Verb::Upsert, "Ann")]).await;
    let id = id_of(&outcomes[0]);
    assert_eq!(outcomes[0], Outcome::Applied { remote_id: Some(id.clone()), created: Some(true) });
    let outcomes = rig.submit(&target, vec![ann(Verb::Upsert, "Anna")]).await;
    assert_eq!(outcomes[0], Outcome::Applied { remote_id: None, created: Some(false) });
    let expected = json!({"FIRSTNAME": "Anna", "AGE": 30, "email": "ann@x.io", "listIds": [4, 7]});
    assert_eq!(rig.contacts().await["ann@x.io"], expected);

    let outcomes = rig.submit(&target, vec![ann(Verb::Create, "Other")]).await;
    assert_eq!(rejected(&outcomes[0]), "duplicate_parameter");
    let cleared = change(Verb::Update, "ann@x.io", &[("AGE", Value::Null)]);
    let outcomes = rig.submit(&target, vec![cleared]).await;
    assert!(is_applied(&outcomes[0]), "{outcomes:?}");
    assert!(rig.contacts().await["ann@x.io"].get("AGE").is_none());

    // The address changes by the id.
    let moved = Change { remote_id: Some(id.clone()), ..change(Verb::Update, "new@x.io", &[]) };
    assert_eq!(id_of(&rig.submit(&target, vec![moved]).await[0]), id);
    assert_eq!(rig.contacts().await.keys().collect::<Vec<_>>(), ["new@x.io"]);
    for email in ["new@x.io", "nobody@x.io"] {
        let outcomes = rig.submit(&target, vec![change(Verb::Delete, email, &[])]).await;
        assert!(is_applied(&outcomes[0]), "{outcomes:?}");
    }
    assert!(rig.contacts().await.is_empty());
}

#[tokio::test]
async fn contacts_are_matched_by_an_id_of_ours_as_well() {
    let rig = Rig::start(json!({})).await;
    let target = Target { match_on: vec!["ext_id".to_owned()], ..target(json!({})) };
    let row = |verb, email: &str| Change {
        verb,
        destination_key: vec![field("ext_id", text("k/1 ü"))],
        remote_id: None,
        fields: vec![field("ext_id", text("k/1 ü")), field("email", text(email))],
    };
    for (verb, email) in [(Verb::Upsert, "a@x.io"), (Verb::Upsert, "b@x.io"), (Verb::Update, "c@x.io")] {
        let outcomes = rig.submit(&target, vec![row(verb, email)]).await;
        assert!(is_applied(&outcomes[0]), "{outcomes:?}");
        assert_eq!(rig.contacts().await.keys().collect::<Vec<_>>(), [email]);
    }
    let found = rig.destination.look_up(&target, &[vec![field("ext_id", text("k/1 ü"))]]).await.unwrap();
    assert!(matches!(found[0], Lookup::Found { .. }));
    let outcomes = rig.submit(&target, vec![row(Verb::Delete, "")]).await;
    assert!(is_applied(&outcomes[0]) && rig.contacts().await.is_empty());
}

#[tokio::test]
async fn a_key_says_whether_its_contact_is_there() {
    let rig = Rig::start(json!({})).await;
    let target = target(json!({}));
    let id = id_of(&rig.submit(&target, vec![change(Verb::Create, "ann+1@x.io", &[])]).await[0]);
    let key = |value: Value| vec![field("email", value)];
    let keys = [key(text("no address")), key(text("ann+1@x.io")), key(text("bob@x.io")), key(Value::Null)];
    let expected = [Lookup::Unclear, Lookup::Found { remote_id: id }, Lookup::Absent, Lookup::Unclear];
    assert_eq!(rig.destination.look_up(&target, &keys).await.unwrap(), expected);
}

#[tokio::test]
async fn many_updates_go_in_one_request_and_what_is_absent_costs_itself() {
    let rig = Rig::start(json!({})).await;
    let target = target(json!({"lists": [7]}));
    let emails: Vec<String> = (0..40).map(|n| format!("p{n}@x.io")).collect();
    let some: Vec<Change> =
        emails.iter().filter(|e| *e != "p3@x.io").map(|e| change(Verb::Upsert, e, &[])).collect();
    assert!(rig.submit(&target, some).await.iter().all(is_applied));
    let before = rig.requests("writes");
    let updates = |plan: &str| -> Vec<Change> {
        emails.iter().map(|email| change(Verb::Update, email, &[("PLAN", text(plan))])).collect()
    };
    let outcomes = rig.submit(&target, updates("a")).await;
    for (number, outcome) in outcomes.iter().enumerate() {
        match number {
            3 => assert_eq!(rejected(outcome), "OBJECT_NOT_FOUND"),
            _ => assert!(is_applied(outcome), "{number}: {outcome:?}"),
        }
    }
    // The batch, the two that the index can mean, and the batch without them.
    assert_eq!(rig.requests("writes") - before, 4);
    let contacts = rig.contacts().await;
    assert_eq!(contacts.len(), 39);
    assert!(contacts.values().all(|contact| contact["PLAN"] == "a" && contact["listIds"] == json!([7])));
    // Refused whole for one row: the others are found and sent.
    let mut updates = updates("b");
    updates.remove(3);
    updates[20].fields = vec![field("PLAN", text("gold"))];
    let outcomes = rig.submit(&target, updates).await;
    let refused: Vec<usize> = (0..39).filter(|at| !is_applied(&outcomes[*at])).collect();
    assert_eq!((refused, rejected(&outcomes[20])), (vec![20], "invalid_parameter"));
}

#[tokio::test]
async fn the_catalogue_is_the_accounts() {
    let rig = Rig::start(json!({})).await;
    let catalog = rig.destination.catalog(&target(json!({"lists": ["4", 7]}))).await.unwrap();
    assert_eq!(catalog.get("AGE").unwrap().kind, FieldType::Number);
    assert!(catalog.get("email").unwrap().unique && catalog.get("nonsense").is_none() && !catalog.open);
    for (options, word) in
        [(json!({"lists": [4, 5]}), "no list 5"), (json!({"list": 5}), "takes members only")]
    {
        let error = rig.destination.catalog(&target(options)).await.unwrap_err();
        assert!(
            error.kind == Kind::Config && error.message.contains(word) && error.hint.is_some(),
            "{error:?}"
        );
    }
    for (list, word) in [(5, "no list 5"), (9, "fills the list 9 itself")] {
        let members = Target { fields: vec!["email".to_owned()], ..target(json!({"list": list})) };
        let error = rig.destination.catalog(&members).await.unwrap_err();
        assert!(error.kind == Kind::Config && error.message.contains(word), "{error:?}");
    }
}

#[tokio::test]
async fn attributes_that_are_missing_are_made_once() {
    let rig = Rig::start(json!({})).await;
    let missing = vec![Property::new("SCORE", FieldType::Integer), Property::new("CITY", FieldType::String)];
    let target = Target { missing, ..target(json!({})) };
    for score in [1, 2] {
        let outcomes = rig
            .submit(&target, vec![change(Verb::Upsert, "a@x.io", &[("SCORE", Value::Integer(score))])])
            .await;
        assert!(is_applied(&outcomes[0]), "{outcomes:?}");
    }
    assert_eq!(rig.contacts().await["a@x.io"]["SCORE"], 2);
    // Two attributes, and the contact twice.
    assert_eq!(rig.requests("writes"), 4);
    let other = vec![Property::new("CITY", FieldType::Boolean), Property::new("SCORE", FieldType::Boolean)];
    let other = Target { missing: other, ..target.clone() };
    let error = rig.try_submit(&other, vec![change(Verb::Upsert, "a@x.io", &[])]);
    let error = error.await.unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (Kind::Config, Some("ATTRIBUTE_TYPE_MISMATCH")));
}
