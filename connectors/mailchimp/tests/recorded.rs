//! What the real Mailchimp was asked and answered, in that order: each answer goes through the parser, and each request
//! to the sandbox, which must answer the same.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use crate::conformance::support;
use crate::contract::Kind;
use crate::mailchimp::encode::hash;
use crate::mailchimp::errors;
use crate::mailchimp::fields::{Forms, catalog};
use crate::mailchimp::upsert::{Shown, shown};
use crate::sandbox::{Sandbox, SandboxConfig, Storage};

/// The lines of `fixtures/http/mailchimp/recorded.jsonl`. Addresses were replaced and the hashes of the former ones
/// were not, so those are made anew here.
fn exchanges() -> Vec<Json> {
    let path = format!("{}/../fixtures/http/mailchimp/recorded.jsonl", env!("CARGO_MANIFEST_DIR"));
    let mut text = std::fs::read_to_string(path).unwrap();
    let mut hashes = BTreeMap::new();
    for line in text.lines() {
        let answer = &serde_json::from_str::<Json>(line).unwrap()["response"];
        if let (Some(id), Some(email)) = (answer["id"].as_str(), answer["email_address"].as_str()) {
            hashes.insert(id.to_owned(), hash(email));
        }
    }
    assert!(hashes.len() >= 6, "{hashes:?}");
    for (old, new) in &hashes {
        text = text.replace(old, new);
    }
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn status(exchange: &Json) -> u16 {
    exchange["status"].as_u64().unwrap().try_into().unwrap()
}

#[test]
fn every_recorded_answer_is_understood() {
    let (mut members, mut refusals) = (0, 0);
    for exchange in exchanges() {
        let answer = support::answer(&json!({"status": exchange["status"], "body": exchange["response"]}));
        let body = &exchange["response"];
        match (errors::judge(&answer), status(&exchange)) {
            (None, 200) if body["merge_fields"].is_array() => {
                let fields = body["merge_fields"].as_array().unwrap();
                let shown = catalog(fields, &[], false);
                assert!(shown.get("FNAME").is_some() && shown.get("JOINED_AT").is_some(), "{exchange}");
                assert_eq!(Forms::of(fields).get("ADDRESS"), crate::mailchimp::fields::Form::Address);
            }
            (None, 200) => {
                let email = body["email_address"].as_str().unwrap().to_lowercase();
                let is_archived = body["status"] == "archived";
                match shown(body, &email, "") {
                    Shown::Written(id) => assert!(!is_archived && id == hash(&email), "{exchange}"),
                    Shown::Archived => assert!(is_archived, "{exchange}"),
                    Shown::Nothing => panic!("{exchange}"),
                }
                members += 1;
            }
            (None, 204) => {}
            (Some(error), 400..=499) => {
                assert_eq!(error.kind, Kind::Rejected, "{exchange}");
                assert_eq!(errors::is_absent(&error), status(&exchange) == 404, "{exchange}");
                refusals += 1;
            }
            other => panic!("{other:?}: {exchange}"),
        }
    }
    assert!(members >= 40 && refusals >= 20, "{members} members, {refusals} refusals");
}

/// What both must say of a member: not those numbers and times that each account gives by itself.
fn compared(member: &Json, like: &Json) -> Json {
    let mut fields = Map::new();
    for tag in like["merge_fields"].as_object().into_iter().flatten().map(|(tag, _)| tag) {
        fields.insert(tag.clone(), member["merge_fields"][tag].clone());
    }
    let names = member["tags"].as_array().into_iter().flatten().map(|tag| tag["name"].clone());
    let mut tags: Vec<String> = names.map(|name| name.to_string()).collect();
    tags.sort();
    json!({"id": member["id"], "email": member["email_address"], "status": member["status"], "fields": fields, "tags": tags})
}

async fn sandbox() -> Sandbox {
    let mut config = SandboxConfig::default();
    let number = || json!("number");
    let fields = json!({"USERID": number(), "LTV": number(), "TICKET": number(), "JOINED_AT": "date"});
    config
        .add("mailchimp", &json!({"audiences": {"a36b032126": "Recorded"}, "objects": {"members": fields}}))
        .unwrap();
    Sandbox::start(config, Storage::Memory, 0).await.unwrap()
}

async fn ask(sandbox: &Sandbox, method: &str, path: &str, body: &Json) -> (u16, Json) {
    let client = reqwest::Client::new();
    let url = format!("{}/mailchimp{path}", sandbox.url());
    let mut request = client.request(method.parse().unwrap(), url).basic_auth("any", Some("key"));
    if body.as_object().is_some_and(|body| !body.is_empty()) {
        request = request.json(body);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

/// Members of whom the later recordings begin with their end.
async fn seed(sandbox: &Sandbox) {
    let list = "/3.0/lists/a36b032126/members";
    for (email, fields) in [
        ("person93@example.com", json!({"FNAME": "Test2", "LNAME": "Plumber"})),
        ("person94@example.com", json!({"FNAME": "Test2"})),
    ] {
        let member = json!({"email_address": email, "status": "subscribed", "merge_fields": fields, "tags": ["mailchimp people"]});
        assert_eq!(ask(sandbox, "POST", list, &member).await.0, 200);
        assert_eq!(ask(sandbox, "DELETE", &format!("{list}/{}", hash(email)), &json!({})).await.0, 204);
    }
}

#[tokio::test]
async fn the_sandbox_answers_as_was_recorded() {
    let sandbox = sandbox().await;
    seed(&sandbox).await;
    let mut members = 0;
    for exchange in exchanges() {
        let (method, path) = (exchange["method"].as_str().unwrap(), exchange["path"].as_str().unwrap());
        if exchange["source"] == "export/exportRecord 75" {
            // What archived this member was the same request as number 68, and is not among the recordings.
            assert_eq!(ask(&sandbox, "DELETE", path, &json!({})).await.0, 204);
        }
        let (code, body) = ask(&sandbox, method, path, &exchange["request"]).await;
        assert_eq!(code, status(&exchange), "{exchange}\n{body}");
        let recorded = &exchange["response"];
        if code >= 400 {
            for part in ["title", "detail", "errors"] {
                assert_eq!(body[part], recorded[part], "{exchange}");
            }
        } else if recorded["email_address"].is_string() {
            assert_eq!(compared(&body, recorded), compared(recorded, recorded), "{exchange}");
            members += 1;
        }
    }
    assert!(members >= 40, "{members}");
    sandbox.stop().await;
}
