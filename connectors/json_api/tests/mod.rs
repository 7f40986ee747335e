//! The connector by itself: what is declared, what is sent, what answers mean; and against the sandbox.

mod answers;
mod conformance;
mod declared;
mod emulator;
mod sent;

use std::time::Duration;

use reqwest::header::HeaderMap;
use serde_json::{Value as Json, json};

use super::JsonApi;
use crate::conformance::support::{self, field, is_applied, submit};
use crate::contract::{Change, Target, Verb};
use crate::http::Answer;

/// People by `id`, with these options.
fn target(options: Json) -> Target {
    Target {
        object: "people".to_owned(),
        match_on: vec!["id".to_owned()],
        fields: vec!["id".to_owned(), "name".to_owned(), "nickname".to_owned()],
        types: Default::default(),
        missing: Vec::new(),
        associations: Vec::new(),
        options: options.as_object().unwrap().clone(),
    }
}

/// One row a request, by address.
fn by_address() -> Json {
    json!({
        "request": {"method": "PUT", "path": "/{{ object }}/{{ key.id }}", "body": "{{ fields | tojson }}"},
        "create": {"method": "POST", "path": "/{{ object }}", "body": "{{ fields | tojson }}",
            "success": {"status": 201}},
        "update": {"method": "PATCH", "path": "/{{ object }}/{{ key.id }}", "body": "{{ fields | tojson }}",
            "absent": {"status": 404, "when": {"pointer": "/error/code", "equals": "not_found"}}},
        "delete": {"method": "DELETE", "path": "/{{ object }}/{{ key.id }}",
            "absent": {"status": 404, "when": {"pointer": "/error/code", "equals": "not_found"}}},
        "success": {"status": [200]},
        "rejected": {"status": [400, 422], "code": "/error/code", "message": "/error/message", "field": "/error/field"},
        "remote_id": "/id",
    })
}

/// Up to a hundred rows a request; the answer confirms each.
fn in_batches(address: &str) -> Json {
    json!({
        "request": {
            "method": "POST", "path": address, "repeatable": true, "batch": {"rows": 100},
            "body": "{\"items\": [{% for row in rows %}{\"id\": {{ row.key.id | tojson }}, \"properties\": {{ row.fields | tojson }}}{% if not loop.last %},{% endif %}{% endfor %}]}",
        },
        "success": {"status": [200, 207]},
        "rejected": {"status": 400},
        "row_results": {"list": "/results", "index": "/index", "id": "/id"},
        "row_errors": {"list": "/errors", "index": "/index", "code": "/code", "message": "/message", "field": "/field"},
    })
}

/// A connection with short pauses and three attempts.
fn connected(token: &str, base_url: &str, timeout: Duration) -> JsonApi {
    let values = json!({
        "auth": {"method": "bearer", "token": token},
        "account": {"path": "/account", "id": "/id"},
    });
    JsonApi::with_policy(&support::settings(&values, base_url), support::policy(timeout)).unwrap()
}

fn change(verb: Verb, id: &str) -> Change {
    let bare = matches!(verb, Verb::Delete | Verb::Leave);
    let fields = if bare { vec![] } else { vec![field("id", id), field("name", "Ann")] };
    Change { verb, destination_key: vec![field("id", id)], remote_id: None, fields }
}

/// An answer with a JSON body; a text stands for a page that is no JSON.
fn answer(status: u16, body: Json) -> Answer {
    let plain = body.as_str().map(str::to_owned);
    let json = Some(body).filter(|body| !body.is_string() && !body.is_null());
    let body_is_empty = json.is_none() && plain.is_none();
    Answer { status, headers: HeaderMap::new(), json, plain, body_is_empty }
}
