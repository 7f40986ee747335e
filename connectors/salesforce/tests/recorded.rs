//! What a real org was asked and answered: each answer goes through the parser, each request to the emulator, which must answer
//! in the same shape; and what it said of its objects.

use std::fs;

use serde_json::{Value as Json, json};

use super::super::answers;
use super::super::describe::Object;
use super::super::errors;
use crate::conformance::support;
use crate::contract::{FieldType, Outcome, Verb};
use crate::sandbox::{Sandbox, SandboxConfig, Storage};

fn file(name: &str) -> String {
    fs::read_to_string(format!("{}/../fixtures/http/salesforce/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn exchanges() -> Vec<Json> {
    file("recorded.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn verb(exchange: &Json) -> Option<Verb> {
    match exchange["method"].as_str()? {
        "POST" => Some(Verb::Create),
        "PATCH" => Some(Verb::Update),
        "DELETE" => Some(Verb::Delete),
        _ => None,
    }
}

#[test]
fn every_recorded_answer_is_understood() {
    let (mut applied, mut refused) = (0, Vec::new());
    for exchange in exchanges() {
        let answer = support::answer(&json!({"status": exchange["status"], "body": exchange["response"]}));
        let Some(verb) = verb(&exchange) else {
            assert_eq!(errors::judge(&answer).unwrap().code.as_deref(), Some("NOT_FOUND"));
            continue;
        };
        assert!(errors::judge(&answer).is_none(), "{exchange}");
        let records = exchange["response"].as_array().unwrap().len();
        for outcome in answers::outcomes(verb, records, answer.json.as_ref()) {
            match outcome {
                Outcome::Applied { remote_id: Some(id), .. } if id.len() == 18 => applied += 1,
                Outcome::Rejected { code, field, .. } => refused.push((code, field)),
                other => panic!("{other:?}: {exchange}"),
            }
        }
    }
    assert!(applied >= 12, "{applied}");
    let refusal = |code: &str, field: Option<&str>| (code.to_owned(), field.map(str::to_owned));
    let expected = [
        refusal("INVALID_EMAIL_ADDRESS", Some("email_field__c")),
        refusal("CANNOT_UPDATE_CONVERTED_LEAD", None),
        refusal("REQUIRED_FIELD_MISSING", Some("Name")),
    ];
    assert_eq!(refused, expected);
}

#[test]
fn real_describes_are_read() {
    let read = |name: &str| {
        let file: Json = serde_json::from_str(&file(&format!("describe-{name}.json"))).unwrap();
        Object::read(&file["response"]["body"]).unwrap()
    };
    let account = read("account");
    assert!(
        account.createable && account.updateable && account.fields.len() == 70,
        "{}",
        account.fields.len()
    );
    let property = |name: &str| account.field(name).unwrap().property();
    assert!(property("Id").unique && property("Id").read_only);
    assert!(property("Name").required && property("Name").max_length == Some(255));
    assert!(property("BillingAddress").read_only, "its parts are written");
    assert!(!property("OwnerId").required, "it is the user, unless set");
    assert_eq!(
        (property("AnnualRevenue").kind, property("AnnualRevenue").scale),
        (FieldType::Number, Some(0))
    );
    assert_eq!(property("NumberOfEmployees").kind, FieldType::Integer);
    assert!(property("Industry").options.is_empty(), "it takes other values as well");
    assert_eq!(account.relation("owner").unwrap().reference_to, ["User"]);
    let contact = read("contact");
    assert_eq!(contact.relation("Account").unwrap().name, "AccountId");
    assert!(contact.field("Email").unwrap().is_key());
    assert!(read("lead").field("Company").unwrap().property().required);
}

/// Which keys an answer's elements have, and which codes.
fn shape(body: &Json) -> Vec<(Vec<String>, Json)> {
    let one = |one: &Json| {
        let keys = one.as_object().into_iter().flatten().map(|(key, _)| key.clone()).collect();
        let error = &one["errors"][0];
        (keys, json!([one["success"], error["statusCode"], error["fields"], one["errorCode"]]))
    };
    body.as_array().into_iter().flatten().map(one).collect()
}

/// The first record of the recording is made and changed by what was sent then, with the ids of the emulator.
#[tokio::test]
async fn the_emulator_answers_in_the_recorded_shape() {
    let mut config = SandboxConfig::default();
    let fields = json!({"objects": {"Account": {"email_field__c": {"type": "string", "refuse": "badone"}, "Site": "string"}}});
    config.add("salesforce", &fields).unwrap();
    let sandbox = Sandbox::start(config, Storage::Memory, 0).await.unwrap();
    let (mut id, mut compared) = (String::new(), 0);
    for exchange in exchanges() {
        let is_of = |object: &str| exchange["request"]["records"][0]["attributes"]["type"] == object;
        // What made the other records was not recorded, and converted leads are not emulated.
        let is_whole = exchange["request"]["records"].as_array().is_some_and(|records| records.len() == 1);
        if !(is_of("Account") && is_whole) {
            continue;
        }
        let mut body = exchange["request"].clone();
        if exchange["method"] == "PATCH" {
            body["records"][0]["id"] = id.clone().into();
        }
        let url = format!("{}/salesforce/services/data/v66.0/composite/sobjects", sandbox.url());
        let method = exchange["method"].as_str().unwrap().parse().unwrap();
        let request = reqwest::Client::new().request(method, url).bearer_auth("token").json(&body);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), exchange["status"], "{exchange}");
        let answer: Json = answer.json().await.unwrap();
        assert_eq!(shape(&answer), shape(&exchange["response"]), "{exchange}");
        id = answer[0]["id"].as_str().map_or(id, str::to_owned);
        compared += 1;
    }
    assert!(compared >= 3, "{compared}");
    let url = format!("{}/salesforce/services/data/v66.0/sobjects/Account/0014S000007Ny26QAC", sandbox.url());
    let answer = reqwest::Client::new().get(url).bearer_auth("token").send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 404);
    let gone = exchanges().into_iter().find(|exchange| exchange["method"] == "GET").unwrap();
    assert_eq!(answer.json::<Json>().await.unwrap(), gone["response"]);
}
