//! What the real Braze was asked and answered, in that order: each answer goes through the parser, and each request to the
//! sandbox, which must answer the same and keep what Braze showed then.

use serde_json::{Map, Value as Json, json};

use super::letters;
use crate::braze::{answers, errors};
use crate::conformance::support;
use crate::http::Reply;
use crate::sandbox::{Sandbox, SandboxConfig, Storage};

/// One line of `fixtures/http/braze/recorded.jsonl`.
fn exchanges() -> Vec<Json> {
    let path = format!("{}/../fixtures/http/braze/recorded.jsonl", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_recorded_write_means_taken() {
    let mut read = 0;
    for exchange in exchanges() {
        let answer = support::answer(&json!({"status": exchange["status"], "body": exchange["response"]}));
        assert!(errors::judge(&answer).is_none(), "{exchange}");
        let body = &exchange["request"];
        let (count, reply) = match exchange["path"].as_str().unwrap() {
            "/users/track" => {
                let places: Vec<usize> = (0..body["attributes"].as_array().unwrap().len()).collect();
                (places.len(), answers::reply("attributes", &places, &answer))
            }
            "/users/delete" => {
                let users = body["external_ids"].as_array().unwrap().len();
                (users, answers::removed(users, &answer))
            }
            _ => continue,
        };
        let Reply::Each(outcomes) = reply else { panic!("{exchange}") };
        assert_eq!(letters(&outcomes), "a".repeat(count), "{exchange}");
        read += 1;
    }
    assert!(read >= 15, "{read}");
}

/// The recorded client waited before each look, so that what was queued had been applied.
#[tokio::test]
async fn the_sandbox_answers_and_keeps_what_was_recorded() {
    let sandbox = Sandbox::start(SandboxConfig::default(), Storage::Memory, 0).await.unwrap();
    let (mut written, mut compared) = (0, 0);
    for exchange in exchanges() {
        let path = exchange["path"].as_str().unwrap();
        let request = reqwest::Client::new().post(format!("{}/braze{path}", sandbox.url()));
        let answer = request.bearer_auth("key").json(&exchange["request"]).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), exchange["status"], "{exchange}");
        let answer: Json = answer.json().await.unwrap();
        if path == "/users/export/ids" {
            assert_eq!(seen(&answer), seen(&exchange["response"]), "{exchange}");
            compared += 1;
        } else {
            assert_eq!(answer, exchange["response"], "{exchange}");
            written += 1;
        }
    }
    assert!(written >= 15 && compared >= 12, "{written} written, {compared} compared");
    sandbox.stop().await;
}

/// Users and their attributes, without what Braze gives each by itself.
fn seen(answer: &Json) -> (Vec<Json>, Json) {
    let users = answer["users"].as_array().into_iter().flatten().map(|user| {
        let names = ["external_id", "first_name", "last_name"];
        let mut kept: Map<String, Json> =
            names.into_iter().filter_map(|name| Some((name.to_owned(), user.get(name)?.clone()))).collect();
        kept.insert("custom_attributes".to_owned(), user["custom_attributes"].clone());
        // A day is shown with its midnight.
        let day = user.get("dob").and_then(Json::as_str).and_then(|day| day.get(..10));
        kept.extend(day.map(|day| ("dob".to_owned(), day.into())));
        Json::Object(kept)
    });
    let mut users: Vec<Json> = users.collect();
    users.sort_by_key(|user| user["external_id"].as_str().map(str::to_owned));
    (users, answer.get("invalid_user_ids").cloned().unwrap_or(json!([])))
}
