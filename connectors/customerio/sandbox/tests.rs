//! The emulated workspace over real HTTP, each rule with a request that must fail.

use reqwest::Method;
use serde_json::{Value as Json, json};

use crate::sandbox::{Sandbox, SandboxConfig, Storage};

/// A running sandbox and a raw client of it.
struct Rig(Sandbox);

impl Rig {
    async fn start() -> Rig {
        let mut config = SandboxConfig::default();
        let block = json!({
            "objects": {"people": {"plan": {"type": "string", "refuse": "blocked"}}},
            "segments": {"7": "Newsletter", "8": {"data_driven": true}},
        });
        config.add("customerio", &block).unwrap();
        Rig(Sandbox::start(config, Storage::Memory, 0).await.unwrap())
    }

    async fn send(&self, method: Method, path: &str, body: &[u8]) -> (u16, Json) {
        let request = reqwest::Client::new().request(method, format!("{}/customerio{path}", self.0.url()));
        let request = request.basic_auth("site", Some("key")).header("content-type", "application/json");
        let answer = request.body(body.to_vec()).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    async fn post(&self, path: &str, body: &Json) -> (u16, Json) {
        self.send(Method::POST, path, body.to_string().as_bytes()).await
    }

    async fn batch(&self, entities: &[Json]) -> (u16, Json) {
        self.post("/api/v2/batch", &json!({"batch": entities})).await
    }

    async fn people(&self) -> Vec<Json> {
        let shown = self.0.show().await.unwrap();
        let people = shown["objects"]["customerio"]["people"].as_array().cloned().unwrap_or_default();
        let living = people.into_iter().filter(|person| person["archived"] == false);
        living.map(|person| person["properties"].clone()).collect()
    }
}

fn person(identifiers: Json, attributes: Json) -> Json {
    json!({"type": "person", "identifiers": identifiers, "action": "identify", "attributes": attributes})
}

#[tokio::test]
async fn a_bad_entity_is_named_by_its_place_and_the_others_are_accepted() {
    let rig = Rig::start().await;
    let good = person(json!({"id": "a"}), json!({"plan": "pro"}));
    let with = |key: &str, value: Json| {
        let mut entity = good.clone();
        entity[key] = value;
        entity
    };
    let many: serde_json::Map<String, Json> = (0..301).map(|n| (format!("a{n}"), json!(n))).collect();
    let bad = [
        with("type", json!("object")),
        with("action", json!("merge")),
        with("identifiers", json!({})),
        with("identifiers", json!({"id": "a", "email": "a@x.io"})),
        with("identifiers", json!({"phone": "+1"})),
        with("identifiers", json!({"id": 7})),
        with("identifiers", json!({"id": ""})),
        with("identifiers", json!({"email": "nobody"})),
        with("identifiers", json!({"id": "x".repeat(151)})),
        with("attributes", json!({"plan": "blocked"})),
        with("attributes", json!({"created_at": "2026-01-01"})),
        with("attributes", json!({"cio_id": "a"})),
        with("attributes", json!({"_update": "yes"})),
        with("attributes", json!({"note": "x".repeat(1001)})),
        with("attributes", json!({"x".repeat(151): 1})),
        with("attributes", Json::Object(many)),
        with("attributes", json!({"a": "x".repeat(33_000)})),
        with("devices", json!([])),
        with("name", json!("purchase")),
        json!({"type": "person", "identifiers": {"id": "a"}, "action": "event"}),
        json!({"type": "person", "identifiers": {"id": "a"}, "action": "event", "name": "x".repeat(101)}),
        json!({"type": "person", "identifiers": {"id": "a"}, "action": "event", "name": "n", "id": "not-a-ulid"}),
        json!({"type": "person", "identifiers": {"id": "a"}, "action": "event", "name": "n", "timestamp": "now"}),
        json!({"type": "person", "identifiers": {"id": "a"}, "action": "delete", "attributes": {}}),
    ];
    for entity in &bad {
        let (status, body) = rig.batch(&[good.clone(), entity.clone(), good.clone()]).await;
        let errors = body["errors"].as_array().cloned().unwrap_or_default();
        assert_eq!((status, errors.len()), (207, 1), "{entity}: {body}");
        assert_eq!(errors[0]["batch_index"], 1, "{body}");
        assert!(
            errors[0]["reason"].is_string() && !errors[0]["message"].as_str().unwrap().is_empty(),
            "{body}"
        );
        assert_eq!(rig.post("/api/v2/entity", entity).await.0, 400, "{entity}");
    }
    assert_eq!(rig.batch(std::slice::from_ref(&good)).await, (200, json!({})));
    assert_eq!(rig.people().await.len(), 1);
    rig.0.stop().await;
}

#[tokio::test]
async fn a_request_that_is_none_is_refused_whole() {
    let rig = Rig::start().await;
    for body in [json!({"batch": []}), json!({}), json!({"batch": [], "more": 1}), json!([])] {
        assert_eq!(rig.post("/api/v2/batch", &body).await.0, 400, "{body}");
    }
    assert_eq!(rig.send(Method::POST, "/api/v2/batch", b"{").await.0, 400);
    // One byte decides: the frame and the entities around a text of this length.
    let entity = |length: usize| person(json!({"id": "a"}), json!({"n": "x".repeat(length)})).to_string();
    let body = |length: usize| {
        let full: Vec<String> = (0..507).map(|_| entity(900)).collect();
        format!("{{\"batch\":[{},{}]}}", full.join(","), entity(length))
    };
    let room = 500_000 - body(0).len();
    assert!((1..1000).contains(&room), "{room}");
    assert_eq!(rig.send(Method::POST, "/api/v2/batch", body(room - 1).as_bytes()).await.0, 200);
    let (status, answer) = rig.send(Method::POST, "/api/v2/batch", body(room).as_bytes()).await;
    assert_eq!((status, answer["errors"][0]["reason"].as_str()), (400, Some("invalid")));
    rig.0.stop().await;
}

#[tokio::test]
async fn credentials_are_needed_and_every_address_is_known() {
    let rig = Rig::start().await;
    let url = format!("{}/customerio/api/v1/accounts/region", rig.0.url());
    let status =
        |request: reqwest::RequestBuilder| async move { request.send().await.unwrap().status().as_u16() };
    let client = reqwest::Client::new();
    assert_eq!(status(client.get(&url)).await, 401);
    assert_eq!(status(client.get(&url).bearer_auth("key")).await, 401);
    for (site, key) in [("invalid", "key"), ("site", "invalid"), ("", "key"), ("site", "")] {
        assert_eq!(status(client.get(&url).basic_auth(site, Some(key))).await, 401, "{site}:{key}");
    }
    assert_eq!(status(client.get(&url).basic_auth("site", Some("key"))).await, 200);
    for (method, path) in [
        (Method::GET, "/api/v2/batch"),
        (Method::POST, "/api/v3/batch"),
        (Method::PUT, "/api/v1/customers/a/devices"),
    ] {
        assert_eq!(rig.send(method, path, b"{}").await.0, 404, "{path}");
    }
    rig.0.stop().await;
}

/// What nobody may change is dropped without a word.
#[tokio::test]
async fn identifiers_belong_to_one_person_and_change_by_the_rules() {
    let rig = Rig::start().await;
    let entities = [
        person(json!({"id": "a"}), json!({"email": "A@x.io", "n": 1})),
        // An e-mail that somebody has already stays theirs.
        person(json!({"id": "b"}), json!({"n": 2})),
        person(json!({"email": "b@x.io"}), json!({"id": "b", "n": 3})),
        // A new id with an e-mail that is known renames the person.
        person(json!({"id": "c"}), json!({"email": "a@x.io", "n": 4})),
        person(json!({"cio_id": "ffffffff"}), json!({"n": 5})),
        person(json!({"id": "d"}), json!({"_update": true, "n": 6})),
    ];
    assert_eq!(rig.batch(&entities).await.0, 200);
    let shown: Vec<Json> = rig.people().await;
    let brief: Vec<(&str, &str, i64)> = shown
        .iter()
        .map(|p| {
            (p["id"].as_str().unwrap_or("-"), p["email"].as_str().unwrap_or("-"), p["n"].as_i64().unwrap())
        })
        .collect();
    assert_eq!(brief, [("c", "a@x.io", 4), ("b", "-", 2), ("-", "b@x.io", 3)]);
    rig.0.stop().await;
}

#[tokio::test]
async fn the_first_version_takes_one_person_at_a_time() {
    let rig = Rig::start().await;
    for (method, path, body, status) in [
        (Method::PUT, "/api/v1/customers/a%40x.io", json!({"plan": "pro"}), 200),
        (Method::PUT, "/api/v1/customers/a", json!({"plan": "blocked"}), 400),
        (Method::PUT, "/api/v1/customers/a", json!([]), 400),
        (Method::PUT, "/api/v1/customers/cio_none", json!({"plan": "pro"}), 200),
        (Method::POST, "/api/v1/customers/a/events", json!({"name": "n", "data": {"total": 1}}), 200),
        (Method::POST, "/api/v1/customers/a/events", json!({"data": {}}), 400),
        (Method::POST, "/api/v1/customers/a/events", json!({"name": "n", "data": ""}), 400),
        (Method::POST, "/api/v1/customers/a/events", json!({"name": "n", "type": "click"}), 400),
        (Method::POST, "/api/v1/events", json!({"name": "n", "anonymous_id": "x"}), 200),
        (Method::POST, "/api/v1/customers/a%40x.io/suppress", json!({}), 200),
        (Method::PUT, "/api/v1/customers/a%40x.io", json!({"plan": "pro"}), 200),
    ] {
        let (answered, said) = rig.send(method, path, body.to_string().as_bytes()).await;
        assert_eq!(answered, status, "{path} {body}: {said}");
        assert!(status == 200 || said["meta"]["error"].is_string(), "{said}");
    }
    assert_eq!(rig.people().await, Vec::<Json>::new(), "who is suppressed does not come back");
    assert_eq!(rig.post("/api/v1/customers/a%40x.io/unsuppress", &json!({})).await.0, 200);
    rig.send(Method::PUT, "/api/v1/customers/a%40x.io", b"{}").await;
    assert_eq!(rig.people().await.len(), 1);
    rig.send(Method::DELETE, "/api/v1/customers/A%40x.io", b"").await;
    assert_eq!(rig.people().await.len(), 0);
    rig.0.stop().await;
}

#[tokio::test]
async fn a_segment_takes_a_thousand_of_one_kind() {
    let rig = Rig::start().await;
    let add = |segment: u32, query: &str| format!("/api/v1/segments/{segment}/add_customers{query}");
    let many: Vec<String> = (0..1001).map(|n| n.to_string()).collect();
    for (path, body) in [
        (add(9, ""), json!({"ids": ["a"]})),
        (add(8, ""), json!({"ids": ["a"]})),
        (add(7, "?id_type=phone"), json!({"ids": ["a"]})),
        (add(7, ""), json!({"ids": []})),
        (add(7, ""), json!({"ids": [7]})),
        (add(7, ""), json!({"ids": many})),
        (add(7, ""), json!({"emails": ["a@x.io"]})),
    ] {
        assert_eq!(rig.post(&path, &body).await.0, 400, "{path}");
    }
    assert_eq!(rig.post(&add(7, "?id_type=email"), &json!({"ids": many[1..]})).await, (200, json!({})));
    rig.0.stop().await;
}

#[test]
fn a_mistake_in_the_block_is_named() {
    for (block, word) in [
        (json!({"objects": {"contacts": {}}}), "`objects.contacts`"),
        (json!({"region": "mars"}), "`region`"),
        (json!({"segments": {"VIP": "x"}}), "`segments.VIP`"),
        (json!({"segments": {"7": {"dynamic": true}}}), "segments.7.dynamic"),
    ] {
        let mut config = SandboxConfig::default();
        config.add("customerio", &block).unwrap();
        let error = (super::EMULATOR.make)(&config.vendor("customerio")).err().unwrap();
        assert!(error.contains(word), "{block}: {error}");
    }
}
