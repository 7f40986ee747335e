//! Delivery to the emulator.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Rig, answering, auth, change, connected, field, target, text};
use crate::conformance::support::{is_applied, rejected};
use crate::contract::{Change, Destination, Kind, Lookup, Outcome, Target, Value, Verb};

fn named(code: &str, name: &str) -> Change {
    change(Verb::Upsert, code, &[("LastName", text(name))])
}

fn id(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Applied { remote_id: Some(id), .. } => id.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn records_are_made_changed_and_removed() {
    let rig = Rig::start(json!({})).await;
    let target = target(json!({}));
    let nasty = " =1+1 \"q\" #N/A\r\n\u{1f600} 日本 ";
    let made = rig.submit(&target, vec![named("a", nasty), named("b", "Bo"), named("c", "")]).await;
    assert!(is_applied(&made[0]) && is_applied(&made[1]));
    assert_eq!(rejected(&made[2]), "REQUIRED_FIELD_MISSING");
    assert_eq!(rig.contacts().await["a"]["LastName"], nasty);

    let by_id = Change { remote_id: Some(id(&made[0])[..15].to_owned()), ..change(Verb::Update, "new", &[]) };
    let outcomes =
        rig.submit(&target, vec![by_id, change(Verb::Update, "B", &[("LastName", text("Bob"))])]).await;
    assert!(outcomes.iter().all(is_applied), "{outcomes:?}");
    let contacts = rig.contacts().await;
    assert_eq!((&contacts["new"]["LastName"], &contacts["B"]["LastName"]), (&json!(nasty), &json!("Bob")));

    let outcomes = rig.submit(&target, vec![change(Verb::Update, "nobody", &[])]).await;
    assert_eq!(rejected(&outcomes[0]), Outcome::OBJECT_NOT_FOUND);
    let gone = vec![change(Verb::Delete, "new", &[]), change(Verb::Delete, "nobody", &[])];
    assert!(rig.submit(&target, gone).await.iter().all(is_applied));
    let again = Change { remote_id: Some(id(&made[0])), ..change(Verb::Delete, "x", &[]) };
    assert!(is_applied(&rig.submit(&target, vec![again]).await[0]), "it is in the recycle bin already");
    assert_eq!(rig.contacts().await.len(), 1);
}

#[tokio::test]
async fn a_record_can_be_named_by_its_id_alone() {
    let rig = Rig::start(json!({})).await;
    let made = rig.submit(&target(json!({})), vec![named("a", "Ann")]).await;
    let fields = vec!["Id".to_owned(), "LastName".to_owned()];
    let by_id = Target { match_on: vec!["Id".to_owned()], fields, ..target(json!({})) };
    let capabilities = rig.destination.capabilities(&by_id).unwrap();
    assert!(!capabilities.supports(Verb::Upsert) && capabilities.supports(Verb::Update));
    let catalog = rig.destination.catalog(&by_id).await.unwrap();
    assert!(!catalog.get("Id").unwrap().read_only, "its values are sent, to say which record is meant");
    let normalise = rig.destination.normaliser(&by_id, "Id").unwrap();
    let short = id(&made[0])[..15].to_owned();
    assert_eq!(normalise(text(&short)), text(&id(&made[0])));
    let key = field("Id", text(&short));
    let fields = vec![key.clone(), field("LastName", text("Bo"))];
    let change = Change { verb: Verb::Update, destination_key: vec![key], remote_id: None, fields };
    assert!(is_applied(&rig.submit(&by_id, vec![change]).await[0]));
    assert_eq!(rig.contacts().await["a"]["LastName"], "Bo");
}

#[tokio::test]
async fn a_parent_is_named_by_its_external_id_or_said_to_be_missing() {
    let rig = Rig::start(json!({})).await;
    let accounts = Target {
        object: "Account".to_owned(),
        match_on: vec!["Number__c".to_owned()],
        fields: vec!["Number__c".to_owned(), "Name".to_owned()],
        ..Target::default()
    };
    let account = Change {
        verb: Verb::Upsert,
        destination_key: vec![field("Number__c", text("n-1"))],
        remote_id: None,
        fields: vec![field("Number__c", text("n-1")), field("Name", text("Acme"))],
    };
    let account = id(&rig.submit(&accounts, vec![account]).await[0]);
    let of = |code: &str, number: Value| {
        change(Verb::Upsert, code, &[("LastName", text("Ann")), ("Account.Number__c", number)])
    };
    let outcomes = rig.submit(&target(json!({})), vec![of("a", text("n-1")), of("b", text("n-9"))]).await;
    assert!(is_applied(&outcomes[0]));
    let Outcome::Rejected { code, message, .. } = &outcomes[1] else { panic!("{outcomes:?}") };
    assert!(code == "INVALID_FIELD" && message.contains("n-9 not found for field Number__c"), "{message}");
    assert_eq!(rig.contacts().await["a"]["AccountId"], json!(account));
    assert!(is_applied(&rig.submit(&target(json!({})), vec![of("a", Value::Null)]).await[0]));
    assert!(rig.contacts().await["a"].get("AccountId").is_none(), "it has no parent any more");
}

#[tokio::test]
async fn locked_records_are_sent_again_until_they_are_free() {
    let rig = Rig::start(json!({"locks": 60})).await;
    let many = (0..200).map(|n| named(&format!("k{n}"), "Ann")).collect();
    let outcomes = rig.submit(&target(json!({})), many).await;
    assert!(outcomes.iter().all(is_applied));
    assert_eq!((rig.contacts().await.len(), rig.requests("writes")), (200, 3));

    let rig = Rig::start(json!({"locks": 1_000_000})).await;
    let outcomes = rig.submit(&target(json!({})), vec![named("a", "Ann")]).await;
    assert!(
        matches!(&outcomes[0], Outcome::Deferred { reason } if reason.contains("locked")),
        "{outcomes:?}"
    );
}

#[tokio::test]
async fn a_session_that_ends_is_renewed_and_nothing_is_sent_twice() {
    let rig = Rig::start(json!({"session_calls": 2})).await;
    for n in 0..6 {
        let outcomes = rig.submit(&target(json!({})), vec![named(&format!("k{n}"), "Ann")]).await;
        assert!(is_applied(&outcomes[0]), "{n}: {outcomes:?}");
    }
    assert_eq!(rig.contacts().await.len(), 6);
}

#[tokio::test]
async fn a_lost_create_is_looked_for_by_its_key() {
    let rig = Rig::start(json!({})).await;
    rig.submit(&target(json!({})), vec![named("it's \\ a", "Ann")]).await;
    let key = |code: &str| vec![field("Code__c", text(code))];
    let found =
        rig.destination.look_up(&target(json!({})), &[key("IT'S \\ A"), key("b"), vec![]]).await.unwrap();
    assert!(matches!(found[0], Lookup::Found { .. }), "{found:?}");
    assert_eq!(found[1..], [Lookup::Absent, Lookup::Unclear]);
}

#[tokio::test]
async fn a_query_is_read_to_its_last_page_or_not_at_all() {
    let rig = Rig::start(json!({})).await;
    for batch in 0..11 {
        let many = (0..200).map(|n| named(&format!("k{}", batch * 200 + n), "Ann")).collect();
        assert!(rig.submit(&target(json!({})), many).await.iter().all(is_applied));
    }
    let rows = rig.destination.client.query("SELECT Id, Code__c FROM Contact").await.unwrap();
    let codes: BTreeSet<&str> = rows.iter().filter_map(|row| row["Code__c"].as_str()).collect();
    assert_eq!((rows.len(), codes.len()), (2_200, 2_200));

    let broken = |next: &str, records: serde_json::Value| json!({"totalSize": 9, "done": false, "nextRecordsUrl": next, "records": records});
    for body in [
        json!({"totalSize": 9, "done": false, "records": [{"Id": "1"}]}),
        broken("@evil.example/services/data/", json!([{"Id": "1"}])),
        broken("https://evil.example", json!([{"Id": "1"}])),
        // It would go on without an end.
        broken("/services/data/v66.0/query/1", json!([])),
        json!({"totalSize": 0, "done": true}),
    ] {
        let server = answering(body.clone()).await;
        let token = json!({"auth": {"method": "access_token", "access_token": "00D!token"}});
        let error = connected(&token, &server, super::PATIENCE).client.query("SELECT Id FROM Contact").await;
        let error = error.unwrap_err();
        assert!(
            error.kind == Kind::Unavailable && error.message.contains("was not understood"),
            "{body}: {error}"
        );
    }
}

#[tokio::test]
async fn what_a_mapping_cannot_mean_is_said_before_anything_is_sent() {
    let rig = Rig::start(json!({})).await;
    let with = |object: &str, key: &str, more: &str| Target {
        object: object.to_owned(),
        match_on: vec![key.to_owned()],
        fields: vec![key.to_owned(), more.to_owned()],
        ..Target::default()
    };
    for (target, word) in [
        (with("Contcat", "Code__c", "LastName"), "no object `Contcat`"),
        (with("Contact", "LastName", "Email"), "`LastName` of `Contact` is not an External ID"),
        (with("Contact", "Code__c", "Account.Name"), "`Name` of `Account` is not an External ID"),
        (with("Task", "Id", "Who.Code__c"), "may refer to several objects"),
        (with("Contact", "Code__c", "Acount.Number__c"), "`Contact` has no parent `Acount`"),
        (with("Contact", "Code__c", "Account.Numbr__c"), "`Account` has no field `Numbr__c`"),
    ] {
        let error = rig.destination.catalog(&target).await.unwrap_err();
        assert!(error.kind == Kind::Config && error.message.contains(word), "{error}");
    }
    let near = rig.destination.catalog(&with("Contcat", "Code__c", "LastName")).await.unwrap_err();
    assert_eq!(near.hint.as_deref(), Some("did you mean `Contact`?"));
    let catalog = rig.destination.catalog(&target(json!({}))).await.unwrap();
    let property = |name: &str| catalog.get(name).unwrap();
    assert!(property("LastName").required && property("Code__c").unique && property("CreatedDate").read_only);
    assert_eq!(property("Tier__c").options, ["A", "B"]);
    assert!(catalog.get("Account.Number__c").is_some() && !property("Account.Number__c").unique);
    assert_eq!(rig.requests("writes"), 0);
}

#[tokio::test]
async fn a_version_that_the_org_does_not_speak_is_named_with_its_newest() {
    let rig = Rig::start(json!({})).await;
    let mut values = auth("secret");
    values["api_version"] = json!("99");
    let error =
        connected(&values, &format!("{}/salesforce", rig.sandbox.url()), super::PATIENCE).account().await;
    let error = error.unwrap_err();
    assert!(error.message.contains("version 99.0") && error.hint.unwrap().contains("`67.0`"));
    assert_eq!(rig.destination.account().await.unwrap().0, "salesforce:00D4S000000Oz4EUAS");
}
