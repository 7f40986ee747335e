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
    let operation = DESCRIPTION.operation(request.method.as_str(), &request.path)?;
    let name = format!("{}", operation["operationId"]);
    let said = match &answer.body {
        Some(Content::Json(body)) => body,
        _ => &Json::Null,
    };
    if said["success"] == true {
        let missing = operation["parameters"].as_array().into_iter().flatten().find(|parameter| {
            let name = parameter["name"].as_str().unwrap_or_default();
            parameter["required"] == true && parameter["in"] == "query" && request.query(name).is_none()
        });
        if let Some(parameter) = missing {
            return Some(format!("the request lacks {}", parameter["name"]));
        }
        if let Some(validator) = validator(format!("{name} takes"), || DESCRIPTION.request(operation)) {
            let body: Json = serde_json::from_slice(&request.body).unwrap_or_default();
            if let Some(what) = breach(&validator, &body) {
                return Some(format!("the request: {what}"));
            }
        }
    }
    let status = answer.status.as_u16();
    if !answer.status.is_success() || said.is_null() {
        return None;
    }
    let validator = validator(format!("{name} answers"), || DESCRIPTION.answer(operation, status))?;
    breach(&validator, said).map(|what| format!("the answer: {what}"))
}

/// The sandbox's answer, or a refusal that says what the vendor's description has against it: so every request and every
/// answer of all tests is held against it. What another client sends in the place of an operation is no operation.
pub(in crate::marketo) fn held_against(request: &Request, answer: Answer) -> Answer {
    if request.query("_method").is_some() {
        return answer;
    }
    match complaint(request, &answer) {
        None => answer,
        Some(what) => {
            let message = format!("{} {}: {what}", request.method, request.path);
            eprintln!("the vendor's description: {message}");
            let body = json!({"success": false, "errors": [{"code": "609", "message": message}]});
            Answer::new(StatusCode::NOT_IMPLEMENTED, body)
        }
    }
}

#[test]
fn the_description_finds_fault_with_what_it_refuses() {
    let request = |body: Json| Request {
        method: axum::http::Method::POST,
        path: "/rest/v1/leads.json".to_owned(),
        query: Vec::new(),
        headers: Default::default(),
        body: body.to_string().into(),
        whole: true,
    };
    let told = |result: Json| {
        Answer::new(StatusCode::OK, json!({"requestId": "a", "success": true, "result": result}))
    };
    let fine = told(json!([{"id": 7, "status": "created"}]));
    let good = json!({"action": "createOrUpdate", "lookupField": "email", "input": [{"email": "a@x.io"}]});
    assert_eq!(complaint(&request(good.clone()), &fine), None);
    for bad in [
        json!({}),
        json!({"input": {}}),
        json!({"action": "upsert", "input": []}),
        json!({"lookupField": 7, "input": []}),
    ] {
        assert!(complaint(&request(bad.clone()), &fine).unwrap().starts_with("the request"), "{bad}");
    }
    for bad in
        [told(json!([{"id": "7"}])), told(json!({})), Answer::new(StatusCode::OK, json!({"success": true}))]
    {
        assert!(complaint(&request(good.clone()), &bad).unwrap().starts_with("the answer"), "{bad:?}");
    }
    let bare = Request { method: axum::http::Method::GET, body: Default::default(), ..request(json!({})) };
    assert!(complaint(&bare, &told(json!([]))).unwrap().contains("filterType"));
}
