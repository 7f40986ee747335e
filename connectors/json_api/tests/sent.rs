//! What is sent for a row: escaped for its place, and nothing that could reach another object.

use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::{Value as Json, json};

use super::super::encode::{Row, request};
use super::super::requests::Requests;
use super::target;
use crate::contract::{Change, FieldValue, Number, Value, Verb};
use crate::http::Request;

fn options(request: Json) -> Json {
    let mut request = request;
    for (key, value) in [("method", "PUT"), ("path", "/x")] {
        request.as_object_mut().unwrap().entry(key).or_insert(value.into());
    }
    json!({"request": request, "success": {"status": 200}})
}

/// The request for rows with this key and this name.
fn made(declared: Json, rows: &[(&str, Value)]) -> Result<Request, String> {
    let requests = Requests::read(&target(options(declared))).unwrap();
    let call = requests.get(Verb::Upsert).unwrap();
    let row = |(key, name): &(&str, Value)| {
        let field = |name: &str, value| FieldValue { name: name.into(), value };
        let key = field("id", Value::Text((*key).to_owned()));
        let fields = vec![key.clone(), field("name", name.clone())];
        let change = Change { verb: Verb::Create, destination_key: vec![key], remote_id: None, fields };
        change.borrowed(|change| Row::new(change, "people")).unwrap()
    };
    let rows: Vec<Row> = rows.iter().map(row).collect();
    let mut headers = HeaderMap::new();
    headers.insert("x-team", HeaderValue::from_static("data"));
    request(call, &rows.iter().collect::<Vec<_>>(), &headers).map_err(|fault| fault.message)
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn body(declared: &str, name: Value) -> Result<String, String> {
    let request = made(json!({"body": declared}), &[("1", name)])?;
    Ok(String::from_utf8(request.body.unwrap()).unwrap())
}

#[test]
fn values_are_escaped_for_json() {
    let evil = "a\", \"admin\": true, \"b\": \"\n\\";
    let safe = serde_json::to_string(evil).unwrap();
    for declared in ["{\"n\":{{ fields.name | tojson }}}", "{\"n\":\"{{ fields.name }}\"}"] {
        assert_eq!(body(declared, text(evil)).unwrap(), format!("{{\"n\":{safe}}}"), "{declared}");
    }
    let whole = body("{{ fields | tojson }}", text("é<>&'")).unwrap();
    assert_eq!(serde_json::from_str::<Json>(&whole).unwrap(), json!({"id": "1", "name": "é<>&'"}));
    for (value, printed) in [
        (Value::Null, "null"),
        (Value::Integer(7), "7"),
        (Value::Number(Number::parse("12345678901234567890.5").unwrap()), "12345678901234567890.5"),
        (Value::Boolean(false), "false"),
        (Value::List(vec![text("a"), Value::Null]), "[\"a\",null]"),
        (Value::Json(json!({"a": [1.5]})), "{\"a\":[1.5]}"),
    ] {
        assert_eq!(body("{{ fields.name | tojson }}", value).unwrap(), printed);
    }
}

#[test]
fn a_body_that_is_no_json_is_not_sent() {
    let error = body("{\"n\": {{ fields.name }}}", text("1, \"admin\": true")).unwrap_err();
    assert!(error.starts_with("the body is not JSON") && error.contains("tojson"), "{error}");
    assert!(body("{\"n\": {{ fields.nickname | tojson }}}", text("x")).unwrap_err().contains("undefined"));
    let optional = "{% if fields.nickname is defined %}1{% else %}2{% endif %}";
    assert_eq!(body(optional, text("x")).unwrap(), "2");
    let bomb = "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}";
    assert!(body(bomb, text("x")).unwrap_err().contains("steps"));
}

#[test]
fn a_key_cannot_lead_the_path_elsewhere() {
    let path =
        |key: &str| made(json!({"path": "/people/{{ key.id }}"}), &[(key, Value::Null)]).map(|r| r.path);
    assert_eq!(path("a b/c?d#é").unwrap(), "/people/a%20b%2Fc%3Fd%23%C3%A9");
    assert_eq!(path("a.b").unwrap(), "/people/a.b");
    for bad in ["", ".", ".."] {
        assert!(path(bad).is_err(), "{bad:?}");
    }
    let encoded =
        made(json!({"path": "/people/{{ key.id | urlencode }}?q={{ fields.name }}"}), &[("a/b", text("&"))]);
    let request = encoded.unwrap();
    assert_eq!(request.path, "/people/a%2Fb?q=%26");
    assert!(
        request.label.is_some_and(|label| label.contains("{{") && !label.contains("a%2Fb")),
        "for the log"
    );
    assert!(
        made(json!({"path": "/p/{{ fields.name }}"}), &[("1", Value::Null)]).unwrap_err().contains("empty")
    );
    assert!(made(json!({"path": "/p/{{ key.id | safe }}"}), &[("../q", Value::Null)]).is_err());
    assert!(made(json!({"path": "/p/{{ id }}"}), &[("1", Value::Null)]).is_err(), "no id is known");
}

#[test]
fn headers_are_the_connections_and_the_requests() {
    let declared = json!({"headers": {"X-Key": "{{ key.id }}", "X-Team": "own"}, "body": "{}"});
    let request = made(declared.clone(), &[("k 1", Value::Null)]).unwrap();
    assert_eq!(
        (&request.headers["x-key"], &request.headers["x-team"]),
        (&"k 1".parse().unwrap(), &"own".parse().unwrap())
    );
    assert!(request.repeatable, "PUT");
    let error = made(declared, &[("a\r\nX-Admin: 1", Value::Null)]).unwrap_err();
    assert!(error.contains("header `x-key`"), "{error}");
}

#[test]
fn a_form_is_encoded_and_other_bodies_are_as_they_are() {
    let body = |media: &str, name: &str| {
        let declared = json!({"headers": {"Content-Type": media}, "body": "n={{ fields.name }}"});
        String::from_utf8(made(declared, &[("1", text(name))]).unwrap().body.unwrap()).unwrap()
    };
    assert_eq!(body("application/x-www-form-urlencoded", "a&b= c"), "n=a%26b%3D%20c");
    assert_eq!(body("text/plain; charset=utf-8", "a&b"), "n=a&b");
}

#[test]
fn a_batch_names_its_rows_and_keeps_its_size() {
    let declared = json!({
        "batch": {"rows": 10, "bytes": "40B"},
        "body": "[{% for row in rows %}{{ row.fields.name | tojson }}{% if not loop.last %},{% endif %}{% endfor %}]",
    });
    let sent = made(declared.clone(), &[("1", text("a")), ("2", text("b"))]).unwrap();
    assert_eq!(sent.body.unwrap(), b"[\"a\",\"b\"]");
    let error = made(declared, &[("1", text(&"x".repeat(50)))]).unwrap_err();
    assert!(error.contains("54 bytes") && error.contains("40"), "{error}");
}

#[test]
fn a_row_without_a_key_is_refused_alone() {
    for (verb, refused) in
        [(Verb::Upsert, true), (Verb::Update, true), (Verb::Delete, true), (Verb::Create, false)]
    {
        for value in [Value::Null, text("")] {
            let key = vec![FieldValue { name: "id".into(), value }];
            let change = Change { verb, destination_key: key, remote_id: None, fields: vec![] };
            assert_eq!(change.borrowed(|change| Row::new(change, "people")).is_err(), refused, "{verb}");
        }
    }
}
