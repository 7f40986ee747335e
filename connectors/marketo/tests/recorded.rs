//! Recorded exchanges with the real service: each answer is understood, and the sandbox answers in the same way.

use serde_json::{Value as Json, json};

use super::support;
use crate::contract::{Outcome, Verb};
use crate::http::Answer;
use crate::marketo::answers::outcomes;
use crate::marketo::errors::judge;
use crate::sandbox::{Sandbox, SandboxConfig, Storage};

/// The lines of `fixtures/http/marketo/recorded.jsonl`.
fn exchanges() -> Vec<Json> {
    let path = format!("{}/../fixtures/http/marketo/recorded.jsonl", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn answer(exchange: &Json) -> Answer {
    support::answer(&json!({"status": exchange["status"], "headers": {}, "body": exchange["response"]}))
}

/// What a call was for, as our verbs have it.
fn verb(exchange: &Json) -> Option<Verb> {
    let (method, path) = (exchange["method"].as_str().unwrap(), exchange["path"].as_str().unwrap());
    Some(match (method, exchange["request"]["action"].as_str()) {
        ("POST", Some("createOrUpdate")) => Verb::Upsert,
        ("POST", Some("updateOnly")) => Verb::Update,
        ("POST", None) if path.contains("_method=DELETE") => Verb::Delete,
        ("POST", None) if path.contains("/lists/") => Verb::Join,
        ("DELETE", None) => Verb::Leave,
        _ => return None,
    })
}

#[test]
fn every_recorded_answer_is_understood() {
    let (mut applied, mut refused) = (0, 0);
    for exchange in exchanges() {
        let answer = answer(&exchange);
        if exchange["path"].as_str().unwrap().starts_with("/identity/") {
            continue;
        }
        assert!(judge(&answer).is_none(), "{exchange}");
        let Some(verb) = verb(&exchange) else { continue };
        let sent = exchange["response"]["result"].as_array().unwrap().len();
        for outcome in outcomes(&answer.json.unwrap(), verb, sent) {
            match outcome {
                Outcome::Applied { .. } => applied += 1,
                Outcome::Rejected { code, field, .. } => {
                    assert_eq!((code.as_str(), field.is_some()), ("1003", true), "{exchange}");
                    refused += 1;
                }
                other => panic!("{other:?}: {exchange}"),
            }
        }
    }
    assert!(applied >= 10 && refused >= 6, "{applied} {refused}");
}

/// The sandbox gives other ids and times.
#[tokio::test]
async fn the_sandbox_answers_as_was_recorded() {
    let fields = json!({
        "boolean_field": "boolean", "email_field": {"type": "string", "refuse": "bademail"}, "integer_field": "integer",
        "float_field": "number", "datetime_field": "datetime", "date_field": "date", "percent_field": "number",
        "textarea_field": "json", "score_field": "integer", "currency_field": "number",
    });
    let block = json!({
        "objects": {"leads": fields}, "static_lists": {"One": 1159, "Two": 1160}, "limits": {"requests": "10000/1s"},
    });
    let mut config = SandboxConfig::default();
    config.add("marketo", &block).unwrap();
    let sandbox = Sandbox::start(config, Storage::Memory, 0).await.unwrap();
    let (mut compared, mut ids) = (0, Vec::<(String, String)>::new());
    for exchange in exchanges() {
        let path = exchange["path"].as_str().unwrap();
        if path.starts_with("/identity/") {
            continue;
        }
        let swap =
            |text: &str| ids.iter().fold(text.to_owned(), |text, (theirs, ours)| text.replace(theirs, ours));
        let method = exchange["method"].as_str().unwrap().parse().unwrap();
        let url = format!("{}/marketo{}", sandbox.url(), swap(path));
        let mut request = reqwest::Client::new().request(method, url).bearer_auth("token-1");
        if !exchange["request"].is_null() {
            let body = swap(&exchange["request"].to_string());
            request = request.header("content-type", "application/json").body(body);
        }
        let ours: Json = request.send().await.unwrap().json().await.unwrap();
        let theirs = &exchange["response"];
        assert_eq!(ours["success"], theirs["success"], "{exchange}: {ours}");
        let (ours, theirs) = (ours["result"].as_array().unwrap(), theirs["result"].as_array().unwrap());
        assert_eq!(ours.len(), theirs.len(), "{exchange}: {ours:?}");
        for (ours, theirs) in ours.iter().zip(theirs) {
            if let (Some(id), Some(new)) = (theirs["id"].as_u64(), ours["id"].as_u64())
                && theirs["status"] == "created"
            {
                ids.push((id.to_string(), new.to_string()));
            }
            for name in ["status", "reasons", "firstName", "lastName", "date_field", "boolean_field"] {
                let (ours, theirs) = (&ours[name], &theirs[name]);
                // Truth values that were never set are false there, and nothing here.
                if !(name == "boolean_field" && ours.is_null()) {
                    assert_eq!(ours, theirs, "{name} of {exchange}");
                    compared += 1;
                }
            }
        }
    }
    assert!(compared >= 100, "{compared}");
    sandbox.stop().await;
}
