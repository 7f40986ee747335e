//! HubSpot's connector against recorded answers and against a server that says what a test tells it.

mod answers;
mod session;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value as Json;

use crate::http::Answer;

/// One file of `fixtures/http/hubspot`.
struct Case {
    /// The request's body.
    request: Json,
    answer: Answer,
}

fn fixture(name: &str) -> Case {
    let path = format!("{}/../fixtures/http/hubspot/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let case: Json = serde_json::from_str(&text).unwrap();
    let response = &case["response"];
    let headers = response["headers"].as_object().unwrap().iter();
    let headers: HeaderMap = headers
        .map(|(n, v)| (n.parse::<HeaderName>().unwrap(), HeaderValue::from_str(v.as_str().unwrap()).unwrap()))
        .collect();
    let body = &response["body"];
    let answer = Answer {
        status: response["status"].as_u64().unwrap() as u16,
        headers,
        json: body.is_object().then(|| body.clone()),
        body_is_empty: body == "",
    };
    Case { request: case["request"]["body"].clone(), answer }
}
