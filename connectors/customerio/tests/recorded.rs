//! What the real Customer.io was asked and answered, in that order: each answer goes through the parser, and each request to
//! the sandbox, which must answer the same and keep the same.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::letters;
use crate::conformance::support;
use crate::customerio::{answers, errors};
use crate::sandbox::{Sandbox, SandboxConfig, Storage};

const TRACK: &str = "track.customer.io";

/// One line of `fixtures/http/customerio/recorded.jsonl`.
fn exchanges() -> Vec<Json> {
    let path = format!("{}/../fixtures/http/customerio/recorded.jsonl", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_recorded_answer_means_accepted() {
    let tracked: Vec<Json> = exchanges().into_iter().filter(|exchange| exchange["host"] == TRACK).collect();
    assert!(tracked.len() >= 16, "{}", tracked.len());
    for exchange in tracked {
        let answer = support::answer(&json!({"status": exchange["status"], "body": exchange["response"]}));
        assert!(errors::judge(&answer).is_none(), "{exchange}");
        assert_eq!(letters(&answers::outcomes(1, answer.status, answer.json.as_ref())), "a", "{exchange}");
    }
}

/// Up to here the recording is whole: what made the later answers was not recorded.
const WHOLE: i64 = 31;

/// The recorded client read people back by another API: what it saw then, the sandbox has to hold.
#[tokio::test]
async fn the_sandbox_answers_and_keeps_what_was_recorded() {
    let sandbox = Sandbox::start(SandboxConfig::default(), Storage::Memory, 0).await.unwrap();
    let (mut written, mut compared) = (0, 0);
    for exchange in exchanges() {
        let (source, number) = exchange["source"].as_str().unwrap().rsplit_once(' ').unwrap();
        if source != "export-record" || number.parse::<i64>().unwrap() > WHOLE {
            continue;
        }
        let path = exchange["path"].as_str().unwrap();
        if exchange["host"] == TRACK {
            let method = exchange["method"].as_str().unwrap().parse().unwrap();
            let request =
                reqwest::Client::new().request(method, format!("{}/customerio{path}", sandbox.url()));
            let request = request.basic_auth("site", Some("key")).json(&exchange["request"]);
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status().as_u16(), exchange["status"], "{exchange}");
            assert_eq!(answer.json::<Json>().await.unwrap(), exchange["response"], "{exchange}");
            written += 1;
        } else {
            let id = path.trim_end_matches("/attributes").rsplit('/').next().unwrap();
            assert_eq!(kept(&sandbox, id).await, seen(&exchange["response"]), "{exchange}");
            compared += 1;
        }
    }
    assert!(written >= 9 && compared >= 9, "{written} written, {compared} compared");
    sandbox.stop().await;
}

/// Attributes as texts, as the other API shows them, but for the id that each account gives by itself.
fn texts(attributes: &Json) -> BTreeMap<String, String> {
    let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let attributes = attributes.as_object().into_iter().flatten().filter(|(name, _)| *name != "cio_id");
    attributes.map(|(name, value)| (name.clone(), text(value))).collect()
}

fn seen(answer: &Json) -> Option<BTreeMap<String, String>> {
    Some(texts(&answer.get("customer")?["attributes"]))
}

async fn kept(sandbox: &Sandbox, id: &str) -> Option<BTreeMap<String, String>> {
    let shown = sandbox.show().await.unwrap();
    let people = shown["objects"]["customerio"]["people"].as_array().cloned().unwrap_or_default();
    let mut living = people.iter().filter(|person| person["archived"] == false);
    living.find(|person| person["properties"]["id"] == id).map(|person| texts(&person["properties"]))
}
