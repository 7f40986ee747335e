//! Delivery by jobs to the emulator.

use serde_json::json;

use super::{Rig, change, target, text};
use crate::conformance::support::{is_applied, rejected};
use crate::contract::{BatchSource, Change, Destination, FieldValue, Kind, Outcome, Target, Value, Verb};

pub(super) fn named(code: &str, name: &str) -> Change {
    change(Verb::Upsert, code, &[("LastName", text(name))])
}

pub(super) fn many(rows: usize) -> Vec<Change> {
    (0..rows).map(|row| named(&format!("k{row}"), &format!("Name {row}"))).collect()
}

pub(super) fn by(api: &str) -> Target {
    target(json!({"api": api}))
}

pub(super) fn applied(outcomes: &[Outcome]) -> usize {
    outcomes.iter().filter(|outcome| is_applied(outcome)).count()
}

#[tokio::test]
async fn many_changes_go_by_one_job_and_few_by_collections() {
    let rig = Rig::start(json!({})).await;
    let outcomes = rig.submit(&by("auto"), many(1_500)).await;
    assert_eq!(applied(&outcomes), 1_500);
    assert!(
        outcomes.iter().all(|o| matches!(o, Outcome::Applied { created: Some(true), remote_id: Some(_) }))
    );
    assert!(rig.requests("writes") <= 4, "{}", rig.requests("writes"));
    let contacts = rig.contacts().await;
    assert_eq!((contacts.len(), &contacts["k1499"]["LastName"]), (1_500, &json!("Name 1499")));

    let before = rig.requests("writes");
    assert_eq!(applied(&rig.submit(&by("auto"), many(200)).await), 200);
    assert_eq!(rig.requests("writes") - before, 1);
    let again = rig.submit(&by("bulk"), many(2)).await;
    assert!(again.iter().all(|o| matches!(o, Outcome::Applied { created: Some(false), .. })), "{again:?}");
    assert_eq!(rig.requests("writes") - before, 1 + 3, "made, filled, closed");
}

#[tokio::test]
async fn every_verb_goes_by_jobs() {
    let rig = Rig::start(json!({})).await;
    let as_verb = |verb| move |row: usize| change(verb, &format!("k{row}"), &[("LastName", text("Bo"))]);
    let created = rig.submit(&by("bulk"), (0..3).map(as_verb(Verb::Create)).collect()).await;
    assert!(created.iter().all(|o| matches!(o, Outcome::Applied { created: Some(true), .. })), "{created:?}");
    let twice = rig.submit(&by("bulk"), vec![as_verb(Verb::Create)(1)]).await;
    assert_eq!(rejected(&twice[0]), "DUPLICATE_VALUE");

    let updated = rig.submit(&by("bulk"), (1..5).map(as_verb(Verb::Update)).collect()).await;
    assert_eq!(applied(&updated), 2);
    assert_eq!(rejected(&updated[3]), Outcome::OBJECT_NOT_FOUND);
    let removed = rig.submit(&by("bulk"), (2..5).map(as_verb(Verb::Delete)).collect()).await;
    assert_eq!(applied(&removed), 3, "what is not there counts as removed");
    let contacts = rig.contacts().await;
    assert_eq!(contacts.keys().collect::<Vec<_>>(), ["k0", "k1"]);
    assert_eq!(contacts["k1"]["LastName"], "Bo");
}

#[tokio::test]
async fn what_is_removed_for_good_is_in_no_recycle_bin() {
    let rig = Rig::start(json!({})).await;
    rig.submit(&by("auto"), vec![named("a", "Ann"), named("b", "Bo")]).await;
    let hard = target(json!({"hard_delete": true}));
    assert!(is_applied(&rig.submit(&hard, vec![change(Verb::Delete, "a", &[])]).await[0]));
    assert!(is_applied(&rig.submit(&by("auto"), vec![change(Verb::Delete, "b", &[])]).await[0]));
    let shown = rig.sandbox.show().await.unwrap();
    let left = shown["objects"]["salesforce"]["Contact"].as_array().unwrap();
    assert_eq!((left.len(), &left[0]["archived"]), (1, &json!(true)), "{left:?}");
}

#[tokio::test]
async fn values_and_nulls_arrive_to_the_last_character_by_both_apis() {
    let nasty = " =1+1, \"q\"\r\n\n\u{1f600} 日本 ; ' ";
    let before = json!({"LastName": "x", "Note__c": "old", "Email": "a@b.io"});
    for api in ["bulk", "collections"] {
        let rig = Rig::start(json!({})).await;
        let row = |fields: &[(&str, Value)]| {
            let fields: Vec<_> = fields.iter().chain(&[("LastName", text("x"))]).cloned().collect();
            vec![change(Verb::Upsert, "a", &fields)]
        };
        let wide = Target {
            fields: ["Code__c", "LastName", "Email", "Note__c", "Birthdate", "DoNotCall"]
                .map(str::to_owned)
                .to_vec(),
            ..by(api)
        };
        rig.submit(&wide, row(&[("Note__c", text("old")), ("Email", text("a@b.io"))])).await;
        for (name, value) in before.as_object().unwrap() {
            assert_eq!(&rig.contacts().await["a"][name], value, "{api}");
        }
        let day = Value::Date("2024-02-29".parse().unwrap());
        let sent = [("Note__c", text(nasty)), ("Birthdate", day), ("DoNotCall", Value::Boolean(true))];
        assert_eq!(applied(&rig.submit(&wide, row(&sent)).await), 1);
        let contact = &rig.contacts().await["a"];
        assert_eq!(
            (&contact["Note__c"], &contact["Birthdate"]),
            (&json!(nasty), &json!("2024-02-29")),
            "{api}"
        );
        assert_eq!(
            (&contact["Email"], &contact["DoNotCall"]),
            (&json!("a@b.io"), &json!(true)),
            "left alone"
        );
        assert_eq!(applied(&rig.submit(&wide, row(&[("Note__c", Value::Null)])).await), 1);
        let contact = &rig.contacts().await["a"];
        assert!(contact.get("Note__c").is_none() && contact["Email"] == "a@b.io", "{api}: {contact}");
    }
}

#[tokio::test]
async fn a_text_that_says_null_goes_by_a_collection_or_not_at_all() {
    let rows = || {
        let mut rows = many(300);
        rows[7] = named("k7", "#N/A");
        rows
    };
    let rig = Rig::start(json!({})).await;
    assert_eq!(applied(&rig.submit(&by("auto"), rows()).await), 300);
    assert_eq!(rig.contacts().await["k7"]["LastName"], "#N/A");
    let rig = Rig::start(json!({})).await;
    let outcomes = rig.submit(&by("bulk"), rows()).await;
    assert_eq!((applied(&outcomes), rejected(&outcomes[7])), (299, "NULL_MARKER_IN_TEXT"));
    let alone = rig.submit(&by("bulk"), vec![named("k7", "#N/A")]).await;
    assert_eq!(rejected(&alone[0]), "NULL_MARKER_IN_TEXT");
    assert!(!rig.contacts().await.contains_key("k7"));
}

#[tokio::test]
async fn parents_are_named_missed_and_let_go_of() {
    let rig = Rig::start(json!({})).await;
    let account = Target {
        object: "Account".to_owned(),
        match_on: vec!["Number__c".to_owned()],
        fields: vec!["Number__c".to_owned(), "Name".to_owned()],
        ..by("bulk")
    };
    let field = |name: &str, value: &str| FieldValue { name: name.into(), value: text(value) };
    let acme = Change {
        verb: Verb::Upsert,
        destination_key: vec![field("Number__c", "A-1")],
        remote_id: None,
        fields: vec![field("Number__c", "A-1"), field("Name", "Acme")],
    };
    rig.submit(&account, vec![acme]).await;
    let child = |row: usize, parent: Value| {
        let fields = [("LastName", text("x")), ("Account.Number__c", parent)];
        change(Verb::Upsert, &format!("k{row}"), &fields)
    };
    let rows = vec![child(0, text("A-1")), child(1, text("A-9")), child(2, Value::Null), named("k3", "x")];
    let outcomes = rig.submit(&by("bulk"), rows).await;
    assert_eq!(applied(&outcomes), 3);
    let Outcome::Rejected { code, message, .. } = &outcomes[1] else { panic!("{outcomes:?}") };
    assert!(code == "INVALID_FIELD" && message.contains("A-9"), "{message}");
    let contacts = rig.contacts().await;
    assert!(contacts["k0"]["AccountId"].as_str().unwrap().starts_with("001"));
    assert!(contacts["k2"].get("AccountId").is_none());
    let gone = rig.submit(&by("bulk"), vec![child(0, Value::Null), named("k3", "y")]).await;
    assert_eq!(applied(&gone), 2);
    assert!(rig.contacts().await["k0"].get("AccountId").is_none());
}

#[tokio::test]
async fn locked_rows_are_all_delivered_at_last() {
    for api in ["auto", "bulk"] {
        let rig = Rig::start(json!({"locks": "5%"})).await;
        let outcomes = rig.submit(&by(api), many(4_000)).await;
        assert_eq!(applied(&outcomes), 4_000, "{api}");
        assert_eq!(rig.contacts().await.len(), 4_000);
    }
}

#[tokio::test]
async fn rows_of_a_failed_job_count_and_those_that_it_left_are_sent_again() {
    for api in ["auto", "bulk"] {
        let rig = Rig::start(json!({"failing_jobs": 2})).await;
        let outcomes = rig.submit(&by(api), many(5_000)).await;
        assert_eq!(applied(&outcomes), 5_000, "{api}");
        assert!(
            outcomes.iter().all(|o| matches!(o, Outcome::Applied { created: Some(true), .. })),
            "none twice"
        );
    }
    let rig = Rig::start(json!({"failing_jobs": 100})).await;
    let outcomes = rig.submit(&by("bulk"), many(1_000)).await;
    let deferred = outcomes
        .iter()
        .filter(|o| matches!(o, Outcome::Deferred { reason } if reason.contains("TooManyLock")));
    assert_eq!(deferred.count() + applied(&outcomes), 1_000);
    assert!(applied(&outcomes) > 900 && applied(&outcomes) < 1_000);
}

#[tokio::test]
async fn a_refused_row_costs_itself_and_a_job_of_bad_columns_says_so() {
    let rig = Rig::start(json!({})).await;
    let mut rows = many(500);
    rows[3] = change(Verb::Upsert, "k3", &[("LastName", Value::Null)]);
    rows[4] =
        change(Verb::Upsert, "k4", &[("LastName", text("x")), ("Email", text("no, \"address\"\nat all"))]);
    let outcomes = rig.submit(&by("auto"), rows).await;
    assert_eq!(applied(&outcomes), 498);
    assert_eq!(rejected(&outcomes[3]), "REQUIRED_FIELD_MISSING");
    let Outcome::Rejected { code, field, message } = &outcomes[4] else { panic!() };
    assert_eq!((code.as_str(), field.as_deref()), ("INVALID_EMAIL_ADDRESS", Some("Email")));
    assert!(message.contains("no, \"address\""), "{message}");

    let wrong = Target { fields: vec!["Code__c".to_owned(), "Gone__c".to_owned()], ..by("bulk") };
    let error =
        rig.try_submit(&wrong, vec![change(Verb::Upsert, "z", &[("Gone__c", text("x"))])]).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (Kind::Config, Some("InvalidBatch")));
    assert!(error.message.contains("Gone__c"), "{error}");
    let no_key = Target { match_on: vec!["Email".to_owned()], ..by("bulk") };
    let error = rig.try_submit(&no_key, many(1)).await.unwrap_err();
    assert_eq!(error.kind, Kind::Config, "{error}");
}

#[tokio::test]
async fn a_record_that_no_job_takes_goes_by_a_collection_or_is_refused() {
    let rig =
        Rig::start(json!({"objects": {"Contact": {"Code__c": {"unique": true}, "A__c": "string"}}})).await;
    let wide =
        |api: &str| Target { fields: ["Code__c", "LastName", "A__c"].map(str::to_owned).to_vec(), ..by(api) };
    let long = change(Verb::Upsert, "k0", &[("LastName", text("x")), ("A__c", text(&"x".repeat(400_001)))]);
    let rows = || std::iter::once(long.clone()).chain(many(300).into_iter().skip(1)).collect::<Vec<_>>();
    let outcomes = rig.submit(&wide("bulk"), rows()).await;
    assert_eq!((applied(&outcomes), rejected(&outcomes[0])), (299, "RECORD_TOO_LONG"));
    let outcomes = rig.submit(&wide("auto"), rows()).await;
    assert_eq!(applied(&outcomes), 299);
    assert_eq!(rejected(&outcomes[0]), "STRING_TOO_LONG", "Salesforce's own word, by a collection");
}

/// The header has 49 bytes, and a row 13 to 17.
#[tokio::test]
async fn a_batch_whose_sheet_is_too_large_goes_by_several_jobs() {
    let mut rig = Rig::start(json!({})).await;
    rig.destination.job_bytes = 2_000;
    let mut rows = many(300);
    rows[7] = named("k7", &"x".repeat(2_000));
    let outcomes = rig.submit(&by("bulk"), rows).await;
    assert_eq!((applied(&outcomes), rejected(&outcomes[7])), (299, "RECORD_TOO_LONG"));
    assert_eq!(rig.requests("writes"), 3 * 3, "three jobs, each made, filled and closed");
    let contacts = rig.contacts().await;
    assert_eq!((contacts.len(), &contacts["k299"]["LastName"]), (299, &json!("Name 299")));
    assert!(!contacts.contains_key("k7"));
}

#[tokio::test]
async fn batches_of_the_day_end_a_run_cleanly() {
    let rig = Rig::start(json!({"bulk_batches": 1})).await;
    assert!(rig.destination.allowance(1, 300).await.unwrap().unwrap().contains("1 are left"));
    assert_eq!(applied(&rig.submit(&by("auto"), many(300)).await), 300);
    let error = rig.try_submit(&by("auto"), many(300)).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (Kind::Quota, Some("ExceededQuota")));
    assert!(error.hint.unwrap().contains("api: collections"));
}

#[test]
fn a_batch_is_walked_in_the_order_in_which_it_is_sent() {
    let batch = many(3);
    let mut codes = Vec::new();
    batch
        .each_in(1..3, &mut |change| {
            codes.push(change.destination_key[0].value.to_string());
            Ok(())
        })
        .unwrap();
    assert_eq!(codes, ["k1", "k2"]);
    assert!(batch.each_in(2..4, &mut |_| Ok(())).is_err());
}
