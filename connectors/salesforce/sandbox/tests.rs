//! The emulator by itself: what it refuses.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde_json::{Value as Json, json};

use super::records::long;
use super::token::flaw;
use crate::sandbox::{Sandbox, SandboxConfig, Storage};

struct Org(Sandbox);

impl Org {
    async fn start(more: Json) -> Org {
        let mut block = json!({"objects": {
            "Contact": {"Code__c": {"unique": true}, "Tier__c": {"enum": ["A", "B"]}, "Tags__c": {"enum": ["x", "y"], "multiple": true}},
            "Invoice__c": {"Key__c": {"unique": true}},
        }, "references": {"Invoice__c": {"Contact__c": "Contact"}}});
        block.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let mut config = SandboxConfig::default();
        config.add("salesforce", &block).unwrap();
        Org(Sandbox::start(config, Storage::Memory, 0).await.unwrap())
    }

    async fn call(&self, method: &str, path: &str, body: Option<Json>) -> (u16, Json) {
        let url = format!("{}/salesforce/services/data/v66.0{path}", self.0.url());
        let request = reqwest::Client::new().request(method.parse().unwrap(), url).bearer_auth("token");
        let request = if let Some(body) = body { request.json(&body) } else { request };
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    async fn upsert(&self, record: Json) -> Json {
        let mut record = record;
        record["attributes"] = json!({"type": "Contact"});
        let body = json!({"allOrNone": false, "records": [record]});
        let (status, mut answer) =
            self.call("PATCH", "/composite/sobjects/Contact/Code__c", Some(body)).await;
        assert_eq!(status, 200, "{answer}");
        answer[0].take()
    }
}

#[tokio::test]
async fn a_record_that_is_wrong_is_refused_in_the_vendors_words() {
    let org = Org::start(json!({})).await;
    let made = org.upsert(json!({"Code__c": "a", "LastName": "Ann", "Tier__c": "A", "Tags__c": "x;y"})).await;
    assert_eq!((&made["success"], &made["created"]), (&json!(true), &json!(true)));
    let again = org.upsert(json!({"Code__c": "A", "Email": "ann@x.io"})).await;
    assert_eq!((&again["id"], &again["created"]), (&made["id"], &json!(false)), "in any case of letters");
    for (record, code) in [
        (json!({"Code__c": "b"}), "REQUIRED_FIELD_MISSING"),
        (json!({"LastName": "x"}), "MISSING_ARGUMENT"),
        (json!({"Code__c": "a", "LastName": null}), "REQUIRED_FIELD_MISSING"),
        (json!({"Code__c": "a", "Nope__c": 1}), "INVALID_FIELD"),
        (json!({"Code__c": "a", "CreatedDate": "2020-01-01T00:00:00Z"}), "INVALID_FIELD_FOR_INSERT_UPDATE"),
        (json!({"Code__c": "a", "Email": "x"}), "INVALID_EMAIL_ADDRESS"),
        (json!({"Code__c": "a", "Tier__c": "C"}), "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        (json!({"Code__c": "a", "Tags__c": "x;z"}), "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        (json!({"Code__c": "a", "LastName": "x".repeat(81)}), "STRING_TOO_LONG"),
        (json!({"Code__c": "a", "Birthdate": "29.02.2024"}), "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        (json!({"Code__c": "a", "DoNotCall": "yes"}), "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        (json!({"Code__c": "a", "AccountId": "abc"}), "MALFORMED_ID"),
        (json!({"Code__c": "a", "AccountId": "0014S000007dTS6QAM"}), "INVALID_CROSS_REFERENCE_KEY"),
        (json!({"Code__c": "a", "Account": {"Nope__c": "x"}}), "INVALID_FIELD"),
    ] {
        let answer = org.upsert(record.clone()).await;
        assert_eq!(
            (&answer["success"], &answer["errors"][0]["statusCode"]),
            (&json!(false), &json!(code)),
            "{record}"
        );
    }
    let id = made["id"].as_str().unwrap();
    let (_, kept) = org.call("GET", &format!("/sobjects/Contact/{}", &id[..15]), None).await;
    assert_eq!(
        (&kept["LastName"], &kept["Tags__c"], &kept["Tier__c"]),
        (&json!("Ann"), &json!("x;y"), &json!("A"))
    );
}

#[tokio::test]
async fn a_request_that_is_wrong_is_refused_whole() {
    let org = Org::start(json!({})).await;
    let record = json!({"attributes": {"type": "Contact"}, "LastName": "x"});
    for (method, path, body, status, code) in [
        ("POST", "/composite/sobjects", json!({"records": []}), 400, "EXCEEDED_ID_LIMIT"),
        (
            "POST",
            "/composite/sobjects",
            json!({"records": vec![record.clone(); 201]}),
            400,
            "EXCEEDED_ID_LIMIT",
        ),
        ("POST", "/composite/sobjects", json!({"rows": []}), 400, "JSON_PARSER_ERROR"),
        (
            "POST",
            "/composite/sobjects",
            json!({"allOrNone": true, "records": [record]}),
            501,
            "NOT_IMPLEMENTED",
        ),
        ("DELETE", "/composite/sobjects?ids=x&allOrNone=true", Json::Null, 501, "NOT_IMPLEMENTED"),
        ("POST", "/sobjects/Contact", json!([]), 400, "JSON_PARSER_ERROR"),
        ("GET", "/query/7-2000", Json::Null, 400, "INVALID_QUERY_LOCATOR"),
        ("GET", "/query/x", Json::Null, 400, "INVALID_QUERY_LOCATOR"),
        ("DELETE", "/composite/sobjects?ids=", Json::Null, 400, "EXCEEDED_ID_LIMIT"),
        ("GET", "/sobjects/Nope/describe", Json::Null, 404, "NOT_FOUND"),
        ("GET", "/query?q=SELECT", Json::Null, 400, "MALFORMED_QUERY"),
        ("GET", "/query?q=SELECT%20Nope%20FROM%20Contact", Json::Null, 400, "INVALID_FIELD"),
        ("GET", "/query?q=SELECT%20Id%20FROM%20Nope", Json::Null, 400, "INVALID_TYPE"),
    ] {
        let (got, answer) = org.call(method, path, (!body.is_null()).then_some(body)).await;
        assert_eq!((got, &answer[0]["errorCode"]), (status, &json!(code)), "{method} {path}: {answer}");
    }
    let (status, twice) = {
        let record =
            |name: &str| json!({"attributes": {"type": "Contact"}, "Code__c": "k", "LastName": name});
        let body = json!({"allOrNone": false, "records": [record("a"), record("b")]});
        org.call("PATCH", "/composite/sobjects/Contact/Code__c", Some(body)).await
    };
    assert_eq!((status, &twice[1]["errors"][0]["statusCode"]), (200, &json!("DUPLICATE_VALUE")));
}

#[tokio::test]
async fn queries_find_what_is_there_and_calls_are_counted() {
    let org = Org::start(json!({"limits": {"daily_calls": 9}})).await;
    for name in ["it's", "b"] {
        org.upsert(json!({"Code__c": name, "LastName": "Ann"})).await;
    }
    let (_, found) = org.call("GET", "/query?q=SELECT%20Id,Code__c%20FROM%20Contact%20WHERE%20Code__c%20IN%20('it\\'s','x')%20LIMIT%205", None).await;
    assert_eq!((&found["totalSize"], &found["records"][0]["Code__c"]), (&json!(1), &json!("it's")));
    let id = found["records"][0]["Id"].as_str().unwrap().to_owned();
    let (_, gone) = org.call("DELETE", &format!("/composite/sobjects?ids={id}&allOrNone=false"), None).await;
    assert_eq!(gone[0]["success"], true);
    let (_, gone) = org.call("DELETE", &format!("/composite/sobjects?ids={id}"), None).await;
    assert_eq!(gone[0]["errors"][0]["statusCode"], "ENTITY_IS_DELETED");
    let (_, limits) = org.call("GET", "/limits", None).await;
    assert_eq!(limits["DailyApiRequests"], json!({"Max": 9, "Remaining": 3}));
    for _ in 0..3 {
        org.call("GET", "/limits", None).await;
    }
    let (status, refused) = org.call("GET", "/limits", None).await;
    assert_eq!((status, &refused[0]["errorCode"]), (403, &json!("REQUEST_LIMIT_EXCEEDED")));
}

#[test]
fn declarations_that_cannot_be_meant_are_refused() {
    for (block, word) in [
        (json!({"locks": "many"}), "`locks` must be"),
        (json!({"references": []}), "`references` must be"),
        (json!({"references": {"Contact": {"X__c": "Nope"}}}), "no object `Nope`"),
    ] {
        let mut config = SandboxConfig::default();
        config.add("salesforce", &block).unwrap();
        let error = (super::EMULATOR.make)(&config.vendor("salesforce")).err().unwrap();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn an_id_has_the_recorded_checksum() {
    for id in ["0014S000007dTS6QAM", "0014S000007dTHQQA2", "00Q4S000002sSacUAE", "0TO4S000000GuXcWAK"] {
        assert_eq!(long(&id[..15]).as_deref(), Some(id));
    }
    assert_eq!((long("short"), long("0014S00000-dTS6")), (None, None));
}

#[test]
fn an_assertion_says_what_salesforce_asks_for() {
    let encode = |part: &Json| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
    let now = jiff::Timestamp::now().as_second();
    let signed =
        |alg: &str, claims: &Json| format!("{}.{}.c2ln", encode(&json!({"alg": alg})), encode(claims));
    let good =
        json!({"iss": "app", "sub": "u@x.io", "aud": "https://login.salesforce.com", "exp": now + 180});
    assert_eq!(flaw(&signed("RS256", &good)), None);
    let with = |name: &str, value: Json| {
        let mut claims = good.clone();
        claims[name] = value;
        signed("RS256", &claims)
    };
    assert_eq!(flaw(&with("exp", (now + 180).to_string().into())), None, "some clients send a text");
    for (assertion, word) in [
        (signed("none", &good), "invalid"),
        (with("iss", json!("")), "approved"),
        (with("sub", json!(null)), "approved"),
        (with("aud", json!("login")), "audience"),
        (with("exp", json!(now - 5)), "expired"),
        (with("exp", json!(now + 3600)), "expired"),
        ("a.b".to_owned(), "invalid"),
        ("a.b.c.d".to_owned(), "invalid"),
    ] {
        assert!(flaw(&assertion).is_some_and(|flaw| flaw.contains(word)), "{word}");
    }
}
