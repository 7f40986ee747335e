//! Members as Mailchimp reads them.

use serde_json::{Value as Json, json};

use crate::contract::{Change, FieldValue, Number, Outcome, Value, Verb};
use crate::mailchimp::encode::{Reading, Rows, hash, key};
use crate::mailchimp::fields::{EMAIL, Forms, STATUS, TAGS};

fn field(name: &str, value: Value) -> FieldValue {
    FieldValue { name: name.into(), value }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn reading(resubscribe: bool) -> Reading {
    let fields = [json!({"tag": "BORN", "type": "birthday"}), json!({"tag": "HOME", "type": "address"})];
    Reading { forms: Forms::of(&fields), resubscribe, status_if_new: "pending".to_owned() }
}

fn rows(change: &Change, resubscribe: bool) -> Result<Rows, Outcome> {
    let mut rows = Rows::default();
    change.borrowed(|change| rows.push(3, change, &reading(resubscribe)))?;
    Ok(rows)
}

fn single(verb: Verb, fields: Vec<FieldValue>) -> Result<Json, Outcome> {
    let change =
        Change { verb, destination_key: vec![field(EMAIL, text("Ann@x.io"))], remote_id: None, fields };
    Ok(serde_json::from_slice(&rows(&change, false)?.single(0, verb)).unwrap())
}

#[test]
fn a_member_is_named_by_the_hash_of_its_address_in_small_letters() {
    assert_eq!(hash("Ann@x.io "), hash("ann@x.io"));
    assert_eq!(hash("hello@mailchimp.com"), "5907a15e8f6bc5e453d8c01f259352c6");
}

#[test]
fn each_field_stands_where_mailchimp_looks_for_it() {
    let fields = vec![
        field(EMAIL, text("Ann@x.io")),
        field("FNAME", text("Zoë \"x\"")),
        field("LTV", Value::Number(Number::parse("12.50").unwrap())),
        field("GONE", Value::Null),
        field("SINCE", Value::Date("2026-02-03".parse().unwrap())),
        field("BORN", Value::Date("1990-12-09".parse().unwrap())),
        field("HOME", Value::Json(json!({"addr1": "1 rue X", "city": "Paris"}))),
        field("vip", Value::Null),
        field("language", text("fr")),
        field("ip_signup", Value::Null),
        field("timestamp_signup", Value::DateTime("2026-02-03T04:05:06Z".parse().unwrap())),
        field("location.latitude", Value::Number(Number::parse("48.8").unwrap())),
        field("location.longitude", Value::Null),
        field("interests.9143cf", Value::Boolean(true)),
        field("interests.1c2d3e", Value::Null),
        field(TAGS, Value::List(vec![text("a")])),
    ];
    let expected = json!({
        "email_address": "ann@x.io", "status_if_new": "pending", "vip": false, "language": "fr",
        "timestamp_signup": "2026-02-03T04:05:06Z", "location": {"latitude": 48.8},
        "interests": {"9143cf": true, "1c2d3e": false},
        "merge_fields": {
            "FNAME": "Zoë \"x\"", "LTV": 12.5, "GONE": "", "SINCE": "2026-02-03", "BORN": "12/09",
            "HOME": {"addr1": "1 rue X", "city": "Paris"},
        },
    });
    assert_eq!(single(Verb::Upsert, fields).unwrap(), expected);
    assert_eq!(
        single(Verb::Update, vec![field(EMAIL, text("ann@x.io"))]).unwrap(),
        json!({"merge_fields": {}}),
        "an update does not name the address that it goes by"
    );
}

#[test]
fn a_status_brings_nobody_back_unless_that_is_asked_for() {
    for (status, resubscribe, if_new, set) in [
        (Some("subscribed"), false, "subscribed", None),
        (Some("subscribed"), true, "subscribed", Some("subscribed")),
        (Some("pending"), false, "pending", None),
        (Some("unsubscribed"), false, "unsubscribed", Some("unsubscribed")),
        (Some("cleaned"), false, "cleaned", Some("cleaned")),
        (None, true, "pending", None),
    ] {
        let change = Change {
            verb: Verb::Upsert,
            destination_key: vec![field(EMAIL, text("ann@x.io"))],
            remote_id: None,
            fields: vec![field(STATUS, status.map_or(Value::Null, text))],
        };
        let rows = rows(&change, resubscribe).unwrap();
        let body: Json = serde_json::from_slice(&rows.single(0, Verb::Upsert)).unwrap();
        assert_eq!(
            (&body["status_if_new"], body.get("status")),
            (&json!(if_new), set.map(Json::from).as_ref())
        );
        let mut listed = Vec::new();
        rows.listed(0, &mut listed);
        let listed: Json = serde_json::from_slice(&listed).unwrap();
        assert_eq!((&listed["status"], listed.get("status_if_new")), (&json!(set.unwrap_or(if_new)), None));
    }
}

#[test]
fn values_of_another_form_are_refused_alone() {
    for (name, value) in [
        ("BORN", text("31/12")),
        ("BORN", text("1990-12-09")),
        ("BORN", Value::Integer(12)),
        ("HOME", text("1 rue X")),
        ("HOME", Value::Json(json!(["1 rue X"]))),
    ] {
        let refused = single(Verb::Upsert, vec![field(name, value)]).unwrap_err();
        assert!(matches!(refused, Outcome::Rejected { code, .. } if code == "MERGE_FIELD_FORM"), "{name}");
    }
    assert_eq!(
        single(Verb::Upsert, vec![field("BORN", text("02/29"))]).unwrap()["merge_fields"]["BORN"],
        "02/29"
    );
}

#[test]
fn a_row_without_an_address_is_refused_unless_its_member_is_known() {
    let change = |verb, remote_id: Option<&str>| Change {
        verb,
        destination_key: vec![field(EMAIL, Value::Null)],
        remote_id: remote_id.map(str::to_owned),
        fields: vec![],
    };
    for (verb, id, refused) in [
        (Verb::Upsert, None, true),
        (Verb::Upsert, Some("abc"), true),
        (Verb::Delete, None, true),
        (Verb::Update, Some("abc"), false),
        (Verb::Delete, Some("abc"), false),
        (Verb::Join, Some("abc"), true),
    ] {
        let outcome = change(verb, id).borrowed(key);
        let is_refused = matches!(&outcome, Err(Outcome::Rejected { code, .. }) if code == "KEY_EMPTY");
        assert_eq!(is_refused, refused, "{verb} {id:?}");
    }
}

#[test]
fn an_address_that_changes_is_sent_to_the_member_that_is_known() {
    let old = hash("old@x.io");
    let change = Change {
        verb: Verb::Update,
        destination_key: vec![field(EMAIL, text("new@x.io"))],
        remote_id: Some(old.clone()),
        fields: vec![],
    };
    let rows = rows(&change, false).unwrap();
    assert_eq!((&rows.sent(0).hash, rows.sent(0).known), (&old, false));
    let body: Json = serde_json::from_slice(&rows.single(0, Verb::Update)).unwrap();
    assert_eq!(body, json!({"email_address": "new@x.io", "merge_fields": {}}));
}
