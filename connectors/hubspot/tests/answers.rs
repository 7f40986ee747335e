//! What HubSpot answers and what is made of it: recorded and documented answers of `fixtures/http/hubspot`, and any
//! mixture of results and errors.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::fixture;
use crate::contract::{
    Change, ConnectorError, FieldType, FieldValue, Kind, Lookup, Outcome, Retry, Value, Verb,
};
use crate::http::CODES;
use crate::hubspot::answers::{archived, lookups, outcomes};
use crate::hubspot::client::ObjectType;
use crate::hubspot::encode::Inputs;
use crate::hubspot::errors::{VENDOR, judge, refusal};
use crate::hubspot::playbook;

fn is_explained(code: &str) -> bool {
    playbook::ENTRIES.iter().chain(CODES).any(|entry| entry.code == code)
}

/// The inputs of a fixture's request, matched on this property.
pub(super) fn inputs(request: &Json, key: &str) -> Inputs {
    let text = |json: &Json, name: &str| json.get(name).and_then(Json::as_str).map(str::to_owned);
    let mut inputs = Inputs::new("row");
    for input in request["inputs"].as_array().unwrap() {
        let value = text(&input["properties"], key);
        let (verb, remote_id) = match (text(input, "id"), text(input, "idProperty")) {
            (Some(_), Some(_)) => (Verb::Upsert, None),
            (Some(id), None) => (Verb::Update, Some(id)),
            (None, _) => (Verb::Create, None),
        };
        let destination_key = value.map(|value| FieldValue { name: key.into(), value: Value::Text(value) });
        let destination_key = destination_key.into_iter().collect();
        let change = Change { verb, destination_key, remote_id, fields: Vec::new() };
        change.borrowed(|change| inputs.push(change)).unwrap();
    }
    inputs
}

/// The outcomes of a request with all inputs.
fn all(inputs: &Inputs, answer: &Json) -> Vec<Outcome> {
    outcomes(inputs, 0..inputs.len(), answer)
}

fn settled(name: &str, key: &str) -> Vec<Outcome> {
    let case = fixture(name);
    assert!(judge(&case.answer).is_none(), "{name}");
    all(&inputs(&case.request, key), case.answer.json.as_ref().unwrap())
}

fn applied(id: &str, created: Option<bool>) -> Outcome {
    Outcome::Applied { remote_id: Some(id.to_owned()), created }
}

fn judged(name: &str) -> ConnectorError {
    judge(&fixture(name).answer).unwrap_or_else(|| panic!("{name} is no success"))
}

#[test]
fn recorded_answers_without_trace_ids_are_matched_by_key_or_id() {
    assert_eq!(settled("create-contacts", "email"), [applied("291401", None)]);
    assert_eq!(settled("create-custom-object", "grouparoo_object_property"), [applied("860320431", None)]);
    assert_eq!(settled("update-contacts", "email"), [applied("291401", None)]);
    for (name, key) in
        [("create-several", "grouparoo_object_property"), ("update-several", "grouparoo_object_property")]
    {
        let case = fixture(name);
        let sent = case.request["inputs"].as_array().unwrap();
        let results = case.answer.json.as_ref().unwrap()["results"].as_array().unwrap().clone();
        assert_eq!(sent.len(), results.len());
        for (input, outcome) in sent.iter().zip(settled(name, key)) {
            let Outcome::Applied { remote_id: Some(id), .. } = outcome else { panic!("{name}: {outcome:?}") };
            let result = results.iter().find(|r| r["id"] == *id).unwrap();
            let value = |properties: &Json| properties.get(key).cloned();
            match input.get("id") {
                Some(sent) => assert_eq!(*sent, json!(id)),
                None => assert_eq!(value(&result["properties"]), value(&input["properties"])),
            }
        }
    }
}

#[test]
fn a_partial_answer_costs_only_the_row_it_names() {
    let refused = Outcome::Rejected {
        code: "INVALID_EMAIL".to_owned(),
        field: Some("email".to_owned()),
        message: "Email address nobody is invalid".to_owned(),
    };
    let answered = settled("upsert-partly-refused", "email");
    assert_eq!(answered, [applied("501", Some(true)), refused, applied("502", Some(false))]);

    let answered = settled("upsert-errors-on-200", "email");
    assert_eq!(answered[0], applied("501", Some(true)));
    assert!(
        matches!(&answered[1], Outcome::Rejected { code, field: Some(field), .. }
            if code == "PROPERTY_DOESNT_EXIST" && field == "colour"),
        "{answered:?}"
    );
}

#[test]
fn what_no_answer_names_is_unknown() {
    let answered = settled("upsert-silent", "email");
    assert!(answered.iter().all(|o| matches!(o, Outcome::Unknown { .. })), "{answered:?}");
    let answered = settled("upsert-errors-without-trace", "email");
    assert_eq!(answered[0], applied("501", Some(true)));
    assert!(
        matches!(&answered[1], Outcome::Unknown { reason } if reason.contains("invalid")),
        "{answered:?}"
    );
    let case = fixture("upsert-silent");
    for body in [json!(null), json!({}), json!([]), json!({"results": {}}), json!({"results": [null, 7, {}]})]
    {
        let answered = all(&inputs(&case.request, "email"), &body);
        assert!(answered.iter().all(|o| matches!(o, Outcome::Unknown { .. })), "{body}");
    }
}

#[test]
fn a_key_that_looks_like_a_record_id_proves_nothing() {
    let request = json!({"inputs": [
        {"id": "501", "idProperty": "external_id", "properties": {"external_id": "501"}},
        {"id": "502", "idProperty": "external_id", "properties": {"external_id": "502"}},
    ]});
    let body = json!({"results": [{"id": "502", "properties": {}}]});
    let answered = all(&inputs(&request, "external_id"), &body);
    assert!(answered.iter().all(|o| matches!(o, Outcome::Unknown { .. })), "{answered:?}");
}

#[test]
fn a_row_on_which_hubspot_broke_is_unknown() {
    let body = json!({"results": [], "errors": [{"status": "error", "category": "INTERNAL_ERROR",
        "message": "internal error", "context": {"objectWriteTraceId": ["row-0"]}}]});
    let answered = all(&sent(1), &body);
    assert_eq!(answered, [Outcome::Unknown { reason: "internal error".to_owned() }]);
}

#[test]
fn a_row_called_both_written_and_refused_is_unknown() {
    let mut case = fixture("upsert-partly-refused");
    let body = case.answer.json.as_mut().unwrap();
    body["errors"][0]["context"]["objectWriteTraceId"][0] = json!("row-0");
    let answered = all(&inputs(&case.request, "email"), body);
    assert!(matches!(answered[0], Outcome::Unknown { .. }), "{answered:?}");
    assert!(matches!(answered[1], Outcome::Unknown { .. }), "{answered:?}");
    assert_eq!(answered[2], applied("502", Some(false)));
}

#[test]
fn an_archive_is_proven_by_its_status_and_what_is_gone_is_gone() {
    let case = fixture("archive-contacts");
    assert!(judge(&case.answer).is_none() && case.answer.json.is_none());
    let mut sent = Inputs::new("row");
    ["1", "2"].iter().for_each(|id| sent.push_id(id));
    assert_eq!(archived(&sent, 0..2, None), [applied("1", None), applied("2", None)]);
    let partly = json!({"results": [], "errors": [
        {"category": "OBJECT_NOT_FOUND", "message": "not there", "context": {"ids": ["1"]}}]});
    let answered = archived(&sent, 0..2, Some(&partly));
    assert_eq!(answered[0], applied("1", None));
    assert!(matches!(answered[1], Outcome::Unknown { .. }));
}

#[test]
fn a_look_up_proves_absence_only_where_nothing_is_odd() {
    let case = fixture("read-some-absent");
    let keys = ["Ann@example.com".to_owned(), "bob@example.com".to_owned()];
    let found = Lookup::Found { remote_id: "501".to_owned() };
    let mut body = case.answer.json.unwrap();
    assert_eq!(lookups(&keys, Some("email"), &body), [found.clone(), Lookup::Absent]);
    let second = json!({"id": "9", "properties": {"email": "bobby@example.com"}});
    body["results"].as_array_mut().unwrap().push(second);
    assert_eq!(lookups(&keys, Some("email"), &body), [found, Lookup::Unclear]);
    assert_eq!(lookups(&keys, Some("email"), &json!({})), [Lookup::Unclear, Lookup::Unclear]);
}

#[test]
fn every_refusal_says_who_must_act_and_when_to_come_back() {
    let day = std::time::Duration::from_secs(3600);
    let second = std::time::Duration::from_secs(1);
    for (name, kind, retry, code) in [
        ("refused-whole", Kind::Rejected, Retry::Never, "INVALID_EMAIL"),
        ("refused-inner-error", Kind::Rejected, Retry::Never, "INVALID_OPTION"),
        ("create-conflict", Kind::Rejected, Retry::Never, "CONFLICT"),
        ("update-not-found", Kind::Rejected, Retry::Never, "OBJECT_NOT_FOUND"),
        ("unauthenticated", Kind::Auth, Retry::Never, "INVALID_AUTHENTICATION"),
        ("missing-scopes", Kind::Auth, Retry::Never, "MISSING_SCOPES"),
        ("locked", Kind::Unavailable, Retry::After(second * 2), "LOCKED"),
        ("migration", Kind::Unavailable, Retry::After(day), "MIGRATION_IN_PROGRESS"),
        ("limit-daily", Kind::Quota, Retry::Never, "DAILY"),
        ("limit-ten-secondly", Kind::RateLimited, Retry::Backoff, "TEN_SECONDLY_ROLLING"),
        ("search-secondly-limit", Kind::RateLimited, Retry::After(second), "SECONDLY"),
    ] {
        let error = judged(name);
        assert_eq!((error.kind, error.retry, error.code.as_deref()), (kind, retry, Some(code)), "{name}");
        assert!(is_explained(code), "{code} has no entry");
        assert!(error.kind != Kind::Auth || error.hint.is_some(), "{name}");
    }
    assert!(judged("missing-scopes").message.contains("`crm.objects.contacts.write`"));
    assert!(judged("create-conflict").message.contains("291401"));
    let field = ("field", "email".to_owned());
    assert!(judged("refused-whole").context.contains(&field));
    for name in ["server-error", "bad-gateway-page"] {
        assert!(judge(&fixture(name).answer).is_none(), "{name} is left to its status");
    }
}

#[test]
fn limits_are_read_from_real_headers() {
    let seen = (VENDOR.observe)(&fixture("create-contacts").answer.headers);
    assert_eq!((seen.max, seen.remaining, seen.daily_remaining), (Some(100), Some(99), None));
    assert_eq!(seen.interval, Some(std::time::Duration::from_secs(10)));
    assert_eq!((VENDOR.observe)(&fixture("search-secondly-limit").answer.headers), Default::default());
    assert_eq!((VENDOR.observe)(&fixture("limit-daily").answer.headers).daily_remaining, Some(0));
}

#[test]
fn real_properties_become_a_catalogue() {
    let catalog = |name: &str, object: &str| {
        let case = fixture(name);
        let results = case.answer.json.as_ref().unwrap()["results"].as_array().unwrap().clone();
        crate::hubspot::properties::catalog(&ObjectType::parse(object).unwrap(), &results)
    };
    let contacts = catalog("properties-contacts", "contacts");
    let get = |name: &str| contacts.get(name).unwrap_or_else(|| panic!("no {name}"));
    assert!(get("email").unique && !get("email").read_only && get("email").kind == FieldType::String);
    assert!(get("hs_object_id").read_only && !get("hs_object_id").unique);
    let stage = get("lifecyclestage");
    assert!(stage.options.iter().any(|o| o == "customer") && !stage.multiple, "{stage:?}");
    let kinds: std::collections::HashSet<FieldType> = contacts.properties.iter().map(|p| p.kind).collect();
    for kind in [FieldType::Boolean, FieldType::Number, FieldType::Date, FieldType::DateTime, FieldType::List]
    {
        assert!(kinds.contains(&kind), "{kind}");
    }
    assert!(contacts.properties.iter().filter(|p| p.kind == FieldType::List).all(|p| p.multiple));

    let custom = catalog("properties-custom-object", "2-3604285");
    assert!(!custom.get("email").unwrap().unique, "only contacts are keyed by e-mail");
    let key = custom.get("hs_unique_creation_key").unwrap();
    assert!(key.unique && key.read_only);
    assert!(!custom.open);
}

#[test]
fn objects_are_safe_in_a_path() {
    for good in ["contacts", "2-1234567", "p62515_pets", "0-1"] {
        assert!(ObjectType::parse(good).is_ok(), "{good}");
    }
    for bad in ["", "a/b", "..", "a b", "contacts?x=1", "%2e", "é", &"x".repeat(101)] {
        assert_eq!(ObjectType::parse(bad).unwrap_err().kind, Kind::Config, "{bad}");
    }
}

#[test]
fn all_invalid_properties_of_a_row_are_told() {
    let list = r#"Property values were not valid: [{"isValid":true,"name":"ok"},
        {"isValid":false,"message":"C is not an option","error":"INVALID_OPTION","name":"plan"},
        {"isValid":false,"message":"x is no number","error":"INVALID_NUMBER","name":"value"}]"#;
    let error = refusal(&json!({"message": list, "category": "VALIDATION_ERROR"}));
    assert_eq!((error.code.as_str(), error.field.as_deref()), ("INVALID_OPTION", Some("plan")));
    assert_eq!(error.message, "C is not an option; `value`: x is no number");
    let lacking = json!({"message": "Some required properties were not set.", "category": "VALIDATION_ERROR",
        "context": {"properties": ["name"]}});
    assert_eq!(refusal(&lacking).field.as_deref(), Some("name"));
    let throttled = json!({"message": "slow down", "category": "RATE_LIMITS"});
    assert!(matches!(refusal(&throttled).outcome(), Outcome::Deferred { .. }));
    assert_eq!(refusal(&json!(7)).code, "UNKNOWN");
}

#[test]
fn our_own_codes_have_one_entry_each() {
    for code in [
        "NOT_JSON",
        "REDIRECTED",
        "NOT_AUTHORIZED",
        "NOT_FOUND",
        "SERVER_ERROR",
        "REFUSED",
        "RATE_LIMITS",
        "UNREACHABLE",
        "NO_ANSWER",
        "DAILY_BUDGET",
        "KEY_EMPTY",
        "LIST_SEPARATOR",
        "REJECTED",
        "UNKNOWN",
    ] {
        assert!(is_explained(code), "{code}");
    }
    let mut codes: Vec<_> = playbook::ENTRIES.iter().chain(CODES).map(|e| e.code).collect();
    codes.sort_unstable();
    let all = codes.len();
    codes.dedup();
    assert_eq!(codes.len(), all, "a code of the sender is explained twice");
}

#[test]
fn the_answer_to_another_batch_proves_nothing() {
    let inputs = sent(2);
    let of = |name: &str| {
        json!({
            "results": [{"id": "100", "objectWriteTraceId": format!("{name}-0")}],
            "errors": [{"category": "VALIDATION_ERROR", "message": "no", "context":
                {"objectWriteTraceId": [format!("{name}-1")], "ids": ["p1@example.com"]}}],
        })
    };
    let own = all(&inputs, &of("row"));
    assert!(matches!(own[..], [Outcome::Applied { .. }, Outcome::Rejected { .. }]), "{own:?}");
    let other = all(&inputs, &of("column"));
    assert!(matches!(other[..], [Outcome::Unknown { .. }, Outcome::Unknown { .. }]), "{other:?}");
}

/// What an answer may say of a row, named in any of three ways or not at all.
fn entry(rows: usize) -> impl Strategy<Value = (usize, u8, bool)> {
    (0..rows + 2, 0u8..4, any::<bool>())
}

fn sent(rows: usize) -> Inputs {
    let key = |row: usize| format!("p{row}@example.com");
    let each = |row| json!({"id": key(row), "idProperty": "email", "properties": {"email": key(row)}});
    inputs(&json!({"inputs": (0..rows).map(each).collect::<Vec<_>>()}), "email")
}

/// A result or error that names a row by trace id (0), key (1), id (2) or not at all (3).
fn named(row: usize, by: u8, is_error: bool) -> Json {
    let key = format!("p{row}@example.com");
    match (is_error, by) {
        (false, 0) => json!({"id": format!("{}", 100 + row), "objectWriteTraceId": format!("row-{row}")}),
        (false, 1) => json!({"id": format!("{}", 100 + row), "properties": {"email": key.to_uppercase()}}),
        (false, _) => json!({"id": format!("{}", 900 + row), "properties": {}}),
        (true, 0) => {
            json!({"category": "VALIDATION_ERROR", "message": "no", "context": {"objectWriteTraceId": [format!("row-{row}")]}})
        }
        (true, 1 | 2) => json!({"category": "OBJECT_NOT_FOUND", "message": "no", "context": {"ids": [key]}}),
        (true, _) => json!({"message": "no"}),
    }
}

proptest! {
    #[test]
    fn one_outcome_per_change_and_applied_only_if_named(
        (rows, entries) in (1usize..9).prop_flat_map(|n| (Just(n), proptest::collection::vec(entry(n), 0..24)))
    ) {
        let of = |errors: bool| -> Vec<Json> {
            entries.iter().filter(|e| e.2 == errors).map(|(row, by, e)| named(*row, *by, *e)).collect()
        };
        let body = json!({"status": "COMPLETE", "results": of(false), "errors": of(true)});
        let answered = all(&sent(rows), &body);
        prop_assert_eq!(answered.len(), rows);
        for (row, outcome) in answered.iter().enumerate() {
            let is_named = |errors: bool, ways: u8| entries.iter().any(|(r, by, e)| *r == row && *e == errors && *by < ways);
            let (result, error) = (is_named(false, 2), is_named(true, 3));
            match outcome {
                Outcome::Applied { .. } => prop_assert!(result && !error),
                Outcome::Rejected { .. } => prop_assert!(error && !result),
                Outcome::Unknown { .. } => prop_assert!(result == error),
                other => prop_assert!(false, "{:?}", other),
            }
        }
    }
}
