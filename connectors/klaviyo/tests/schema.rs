//! Requests and answers held against the vendor's own description, which stands beside this file.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use axum::http::StatusCode;
use jsonschema::Validator;
use serde_json::{Value as Json, json};

use crate::conformance::openapi::Description;
use crate::sandbox::vendor::{Answer, Content, Request};

static DESCRIPTION: LazyLock<Description> =
    LazyLock::new(|| Description::new(serde_json::from_str(include_str!("openapi.json")).unwrap()));

type Kept = Mutex<HashMap<String, Arc<Validator>>>;
static VALIDATORS: LazyLock<Kept> = LazyLock::new(Kept::default);

fn validator(name: String, schema: impl FnOnce() -> Option<Json>) -> Option<Arc<Validator>> {
    if let Some(known) = VALIDATORS.lock().unwrap().get(&name) {
        return Some(known.clone());
    }
    let made = Arc::new(jsonschema::draft202012::new(&schema()?).unwrap());
    VALIDATORS.lock().unwrap().insert(name, made.clone());
    Some(made)
}

fn breach(validator: &Validator, instance: &Json) -> Option<String> {
    let error = validator.iter_errors(instance).next()?;
    Some(format!("{error} at {}", error.instance_path()))
}

/// What the description says against an exchange that the sandbox took.
fn complaint(request: &Request, answer: &Answer) -> Option<String> {
    let (method, path) = (request.method.as_str(), request.path.as_str());
    let Some(operation) = DESCRIPTION.operation(method, path) else {
        return Some("the vendor describes no such operation".to_owned());
    };
    let name = format!("{}", operation["operationId"]);
    let taken = answer.status.is_success();
    let body: Option<Json> = serde_json::from_slice(&request.body).ok();
    match (taken, validator(format!("{name} takes"), || DESCRIPTION.request(operation)), body) {
        (true, None, Some(_)) => return Some("it takes no body".to_owned()),
        (true, Some(_), None) => return Some("it needs a body".to_owned()),
        (true, Some(validator), Some(body)) => {
            if let Some(what) = breach(&validator, &body) {
                return Some(format!("the request: {what}"));
            }
        }
        _ => {}
    }
    let status = answer.status.as_u16();
    if !DESCRIPTION.knows(operation, status) {
        return Some(format!("it never answers {status}"));
    }
    let said = match &answer.body {
        Some(Content::Json(body)) => body,
        _ => &Json::Null,
    };
    match validator(format!("{name} answers {status}"), || DESCRIPTION.answer(operation, status)) {
        None if said.is_null() => None,
        None => Some(format!("{status} has no body")),
        Some(validator) => breach(&validator, said).map(|what| format!("the answer {status}: {what}")),
    }
}

/// The sandbox's answer, or a refusal that says what the vendor's description has against it: so every request and every
/// answer of all tests is held against it.
pub(in crate::klaviyo) fn held_against(request: &Request, answer: Answer) -> Answer {
    let is_strange = answer.status == StatusCode::NOT_FOUND
        && DESCRIPTION.operation(request.method.as_str(), &request.path).is_none();
    match complaint(request, &answer).filter(|_| !is_strange) {
        None => answer,
        Some(what) => {
            let detail = format!("{} {}: {what}", request.method, request.path);
            eprintln!("the vendor's description: {detail}");
            let error = json!({"id": "0", "code": "not_as_described", "title": "", "detail": detail});
            Answer::new(StatusCode::NOT_IMPLEMENTED, json!({"errors": [error]}))
        }
    }
}

#[test]
fn the_description_finds_fault_with_what_it_refuses() {
    let request = |body: Json| Request {
        method: axum::http::Method::POST,
        path: "/api/profile-bulk-import-jobs".to_owned(),
        query: Vec::new(),
        headers: Default::default(),
        body: body.to_string().into(),
        whole: true,
    };
    let job = |profile: Json| json!({"data": {"type": "profile-bulk-import-job", "attributes": {"profiles": {"data": [profile]}}}});
    let attributes = json!({"created_at": "2026-07-15T00:00:00Z", "status": "queued", "total_count": 1});
    let taken = json!({"type": "profile-bulk-import-job", "id": "A", "attributes": attributes, "links": {"self": "https://a.x"}});
    let answer = Answer::new(StatusCode::ACCEPTED, json!({"data": taken}));
    let good = job(json!({"type": "profile", "attributes": {"email": null, "location": {"latitude": 1.5}}}));
    assert_eq!(complaint(&request(good), &answer), None);
    for bad in [
        job(json!({"type": "people", "attributes": {}})),
        job(json!({"type": "profile", "attributes": {"email": 7}})),
        job(json!({"type": "profile"})),
        json!({"data": []}),
    ] {
        assert!(complaint(&request(bad.clone()), &answer).unwrap().starts_with("the request"), "{bad}");
    }
    let answer = Answer::new(StatusCode::ACCEPTED, json!({"data": {"id": "A"}}));
    let good = job(json!({"type": "profile", "attributes": {}}));
    assert!(complaint(&request(good), &answer).unwrap().starts_with("the answer"));
}
