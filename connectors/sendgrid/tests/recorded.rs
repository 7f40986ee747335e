//! What a real account was asked and answered, in that order: each answer goes through the parser, and each request to the
//! sandbox, which must answer in the same shape and keep the same.

use serde_json::{Value as Json, json};

use crate::conformance::support;
use crate::contract::{FieldType, Kind};
use crate::sandbox::{Sandbox, SandboxConfig, Storage};
use crate::sendgrid::errors;
use crate::sendgrid::fields::Definitions;

/// The lines of `fixtures/http/sendgrid/recorded.jsonl`.
fn exchanges() -> Vec<Json> {
    let path = format!("{}/../fixtures/http/sendgrid/recorded.jsonl", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_recorded_answer_is_understood() {
    let (mut taken, mut refused) = (0, 0);
    for exchange in exchanges() {
        let (headers, response) = (&exchange["headers"], &exchange["response"]);
        let answer =
            support::answer(&json!({"status": exchange["status"], "headers": headers, "body": response}));
        let observed = errors::observe(&answer.headers);
        assert!(observed.remaining.is_some() && observed.reset.is_some(), "{exchange}");
        match errors::judge(&answer) {
            None => taken += usize::from(answer.text("job_id").is_some()),
            Some(error) => {
                assert_eq!(error.kind, Kind::Rejected);
                assert_eq!(errors::named(response).len(), 1, "{exchange}");
                refused += 1;
            }
        }
    }
    assert!(taken >= 20 && refused == 1, "{taken} {refused}");
}

#[test]
fn the_recorded_definitions_are_a_catalogue() {
    let all = exchanges();
    let recorded = all.iter().find(|exchange| exchange["path"] == "/v3/marketing/field_definitions").unwrap();
    let catalog = Definitions::read(&recorded["response"]).unwrap().catalog();
    for (name, kind) in [
        ("text_field", FieldType::String),
        ("number_field", FieldType::Number),
        ("date_field", FieldType::Date),
        ("whatsapp", FieldType::String),
    ] {
        assert_eq!(catalog.get(name).map(|property| property.kind), Some(kind), "{name}");
    }
    assert!(catalog.get("last_clicked").unwrap().read_only);
}

/// Names of the recorded lists and contacts by ours, which the sandbox gives anew.
#[tokio::test]
async fn the_sandbox_answers_and_keeps_what_was_recorded() {
    let lists = json!({
        "One": "d3749cad-9066-43ba-bd8b-f6b3eb8289ed", "Two": "632f6427-3d80-4319-99d3-f90766888351",
        "Three": "42e0783e-54ae-4548-9fe6-943d2e6fa835", "Four": "a735b597-51c5-4420-b58d-ab8c02d5d693",
    });
    let objects =
        json!({"contacts": {"date_field": "date", "number_field": "number", "text_field": "string"}});
    let block = json!({"objects": objects, "marketing_lists": lists, "job_polls": 0, "limits": {"requests": "10000/1s"}});
    let mut config = SandboxConfig::default();
    config.add("sendgrid", &block).unwrap();
    let sandbox = Sandbox::start(config, Storage::Memory, 0).await.unwrap();
    let (mut compared, mut ids) = (0, Vec::<(String, String)>::new());
    for exchange in exchanges() {
        let (method, mut path) =
            (exchange["method"].as_str().unwrap(), exchange["path"].as_str().unwrap().to_owned());
        ids.iter().for_each(|(theirs, ours)| path = path.replace(theirs, ours));
        // The sandbox numbers custom fields by their names.
        let mut body = exchange["request"].to_string();
        for (theirs, ours) in [("e4_D", "e1_D"), ("e3_N", "e2_N"), ("e2_T", "e3_T")] {
            body = body.replace(theirs, ours);
        }
        let url = format!("{}/sendgrid{path}", sandbox.url());
        let request = reqwest::Client::new().request(method.parse().unwrap(), url).bearer_auth("SG.key");
        let answer = request.header("content-type", "application/json").body(body).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), exchange["status"], "{exchange}");
        assert!(answer.headers().contains_key("x-ratelimit-reset"));
        let answer: Json = answer.json().await.unwrap();
        if exchange["status"] == 400 {
            assert_eq!(answer, exchange["response"]);
        }
        if path.ends_with("/search") {
            assert_eq!(answer["contact_count"], exchange["response"]["contact_count"], "{exchange}");
            if let (Some(ours), Some(theirs)) = (seen(&answer), seen(&exchange["response"])) {
                assert_eq!(ours, theirs, "{exchange}");
                let id = |of: &Json| of["result"][0]["id"].as_str().unwrap().to_owned();
                ids.push((id(&exchange["response"]), id(&answer)));
                compared += 1;
            }
        }
    }
    assert!(compared >= 8, "{compared}");
    sandbox.stop().await;
}

/// What a search shows of a contact, without what each account gives by itself.
fn seen(answer: &Json) -> Option<Json> {
    let mut contact = answer["result"].get(0)?.clone();
    let own = contact.as_object_mut()?;
    for name in [
        "id",
        "created_at",
        "updated_at",
        "_metadata",
        "segment_ids",
        "phone_number_id",
        "external_id",
        "anonymous_id",
    ] {
        own.remove(name);
    }
    if let Some(lists) = own.get_mut("list_ids").and_then(Json::as_array_mut) {
        lists.sort_by_key(Json::to_string);
    }
    // The real one shows times without their milliseconds.
    let text = contact.to_string().replace(".000Z", "Z");
    serde_json::from_str(&text).ok()
}
