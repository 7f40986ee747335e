//! The emulator over real HTTP: what it keeps, and what it refuses as a careful API would.

use reqwest::Method;
use serde_json::{Value as Json, json};

use crate::sandbox::Storage;
use crate::sandbox::tests::Rig;

async fn rig() -> Rig {
    let people = json!({"name": "string", "age": "integer", "plan": {"enum": ["A", "B"]},
        "note": {"type": "string", "refuse": "blocked"}});
    Rig::of("http", json!({"objects": {"people": people}}), Storage::Memory).await
}

async fn send(rig: &Rig, method: Method, path: &str, body: Json) -> (u16, Json) {
    let answer = rig.request(method, &format!("/http{path}")).json(&body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn an_object_lives_at_its_address() {
    let rig = rig().await;
    let (status, body) = send(&rig, Method::PATCH, "/v1/people/a%2Fb", json!({"age": 1})).await;
    assert_eq!((status, &body["error"]["code"]), (404, &json!("not_found")));
    for created in [true, false] {
        let (status, body) =
            send(&rig, Method::PUT, "/v1/people/a%2Fb", json!({"name": "Ann", "age": 7})).await;
        assert_eq!((status, body), (200, json!({"id": "a/b", "created": created})));
    }
    send(&rig, Method::PATCH, "/v1/people/a%2Fb", json!({"age": null})).await;
    let (_, body) = rig.get("/http/v1/people/a%2Fb").await;
    assert_eq!(body, json!({"id": "a/b", "properties": {"name": "Ann"}}));
    for status in [200, 404] {
        assert_eq!(send(&rig, Method::DELETE, "/v1/people/a%2Fb", json!({})).await.0, status);
    }
    assert_eq!(send(&rig, Method::POST, "/v1/people", json!({"name": "Bob"})).await.0, 201);
    rig.stop().await;
}

#[tokio::test]
async fn a_declared_object_takes_what_is_declared() {
    let rig = rig().await;
    for (properties, code) in [
        (json!({"nam": "x"}), "unknown_property"),
        (json!({"name": 7}), "invalid_value"),
        (json!({"age": "7"}), "invalid_value"),
        (json!({"age": 7.5}), "invalid_value"),
        (json!({"plan": "C"}), "invalid_value"),
        (json!({"note": "blocked"}), "refused_value"),
    ] {
        let (status, body) = send(&rig, Method::PUT, "/people/1", properties.clone()).await;
        assert_eq!((status, &body["error"]["code"]), (400, &json!(code)), "{properties}");
        assert!(body["error"]["field"].is_string() && body["error"]["message"].is_string());
    }
    assert_eq!(send(&rig, Method::PUT, "/pets/1", json!({"anything": [1]})).await.0, 200);
    assert_eq!(send(&rig, Method::PUT, "/pets/%20", json!({})).await.0, 400);
    assert_eq!(send(&rig, Method::PUT, "/pets/1", json!([])).await.0, 400);
    let raw = rig.request(Method::PUT, "/http/pets/1").body("{}").send().await.unwrap();
    assert_eq!(raw.status(), 415);
    rig.stop().await;
}

#[tokio::test]
async fn a_batch_answers_for_each_item_or_does_nothing() {
    let rig = rig().await;
    let items = json!({"items": [
        {"id": "1", "properties": {"name": "Ann"}}, {"id": "2", "properties": {"age": "x"}}, {"id": "3"},
    ]});
    let (status, body) = send(&rig, Method::POST, "/people/batch/strict", items.clone()).await;
    assert_eq!((status, body["results"].as_array().unwrap().len()), (400, 0));
    assert_eq!(rig.get("/http/people/1").await.0, 404, "nothing was done");
    let (status, body) = send(&rig, Method::POST, "/people/batch", items).await;
    assert_eq!((status, &body["results"][0]), (207, &json!({"id": "1", "created": true, "index": 0})));
    let errors: Vec<_> =
        body["errors"].as_array().unwrap().iter().map(|e| (&e["index"], &e["code"])).collect();
    assert_eq!(errors, [(&json!(1), &json!("invalid_value")), (&json!(2), &json!("invalid_item"))]);
    for wrong in
        [json!({}), json!({"items": []}), json!({"items": [{"id": "1", "deleted": true}], "more": 1})]
    {
        assert_eq!(send(&rig, Method::POST, "/people/batch", wrong).await.0, 400);
    }
    let gone = json!({"items": [{"id": "1", "deleted": true}]});
    assert_eq!(send(&rig, Method::POST, "/people/batch", gone).await.0, 200);
    rig.stop().await;
}

#[tokio::test]
async fn a_method_answers_200_always() {
    let rig = rig().await;
    let (status, body) = send(&rig, Method::POST, "/api/people.create", json!({"age": "x"})).await;
    assert_eq!((status, &body["ok"], &body["error"]), (200, &json!(false), &json!("invalid_value")));
    let (_, body) = send(&rig, Method::POST, "/api/people.create", json!({"name": "Ann"})).await;
    let id = body["item"]["id"].clone();
    for (call, sent, ok) in [
        ("update", json!({"id": id, "age": 3}), true),
        ("update", json!({"age": 3}), false),
        ("delete", json!({"id": id}), true),
        ("delete", json!({"id": id}), false),
        ("list", json!({}), false),
    ] {
        let (status, body) = send(&rig, Method::POST, &format!("/api/people.{call}"), sent).await;
        assert_eq!((status, &body["ok"]), (200, &json!(ok)), "{call}: {body}");
    }
    rig.stop().await;
}

#[tokio::test]
async fn credentials_are_needed() {
    let rig = rig().await;
    let url = format!("{}/http/account", rig.sandbox.url());
    let client = reqwest::Client::new();
    for (request, status) in [
        (client.get(&url), 401),
        (client.get(&url).bearer_auth("invalid"), 401),
        (client.get(&url).basic_auth("any", Some("invalid")), 401),
        (client.get(&url).basic_auth("invalid", Some("")), 401),
        (client.get(&url).header("x-api-key", "invalid"), 401),
        (client.get(&url).bearer_auth("tok"), 200),
        (client.get(&url).basic_auth("site", Some("key")), 200),
        (client.get(&url).header("x-api-key", "key"), 200),
    ] {
        let shown = format!("{request:?}");
        assert_eq!(request.send().await.unwrap().status(), status, "{shown}");
    }
    rig.stop().await;
}

#[tokio::test]
async fn tokens_are_granted_to_whom_is_known() {
    let rig = rig().await;
    for (form, status) in [
        ("grant_type=client_credentials&client_id=app&client_secret=good", 200),
        ("grant_type=client_credentials&client_id=app&client_secret=invalid", 400),
        ("grant_type=client_credentials&client_id=app", 400),
        ("grant_type=refresh_token&client_id=app&client_secret=good&refresh_token=r", 200),
        ("grant_type=refresh_token&client_id=app&client_secret=good&refresh_token=invalid", 400),
        ("grant_type=password&client_id=app&client_secret=good", 400),
    ] {
        let (answered, body) = rig.form("/http/oauth/token", form).await;
        assert_eq!((answered, body["access_token"].is_string()), (status, status == 200), "{form}");
    }
    rig.stop().await;
}
