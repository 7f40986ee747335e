//! The emulated workspace over real HTTP, each rule with a request that must fail.

use serde_json::{Value as Json, json};

use crate::sandbox::{Sandbox, SandboxConfig, Storage};

/// A running sandbox and a raw client of it.
struct Rig(Sandbox);

impl Rig {
    async fn start(block: Json) -> Rig {
        let mut config = SandboxConfig::default();
        config.add("braze", &block).unwrap();
        Rig(Sandbox::start(config, Storage::Memory, 0).await.unwrap())
    }

    async fn usual() -> Rig {
        Self::start(json!({
            "objects": {"attributes": {"plan": {"type": "string", "refuse": "blocked"}}},
            "subscription_groups": {"g-1": "Newsletter"},
        }))
        .await
    }

    async fn post(&self, path: &str, body: &Json) -> (u16, Json) {
        let request = reqwest::Client::new().post(format!("{}/braze{path}", self.0.url()));
        let answer = request.bearer_auth("key").json(body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    async fn track(&self, body: Json) -> (u16, Json) {
        self.post("/users/track", &body).await
    }

    async fn living(&self, object: &str) -> usize {
        let shown = self.0.show().await.unwrap();
        let objects = shown["objects"]["braze"][object].as_array().cloned().unwrap_or_default();
        objects.iter().filter(|object| object["archived"] == false).count()
    }
}

fn user(id: &str) -> Json {
    json!({"external_id": id, "plan": "pro"})
}

#[tokio::test]
async fn a_bad_object_is_named_by_its_place_and_the_others_are_taken() {
    let rig = Rig::usual().await;
    let with = |name: &str, value: Json| {
        let mut user = user("a");
        user[name] = value;
        user
    };
    let bad = [
        json!({"plan": "pro"}),
        with("external_id", json!("")),
        with("external_id", json!(7)),
        with("user_alias", json!({"alias_name": "a", "alias_label": "b"})),
        json!({"user_alias": {"alias_name": "a"}}),
        with("_update_existing_only", json!("yes")),
        with("plan", json!("blocked")),
        with("email", json!(7)),
        with("email", json!("nobody")),
        with("email", json!("a b@x.io")),
        with("email", json!("a@b@x.io")),
        with("email", json!("a.@x.io")),
        with("email", json!("a@x")),
        with("note", json!("x".repeat(256))),
        with("more", json!({"a": null})),
        with(&"n".repeat(256), json!(1)),
        with("subscription_groups", json!("g-1")),
        with(
            "subscription_groups",
            json!([{"subscription_group_id": "g-2", "subscription_state": "subscribed"}]),
        ),
        with("subscription_groups", json!([{"subscription_group_id": "g-1", "subscription_state": "on"}])),
    ];
    for object in &bad {
        let (status, answer) = rig.track(json!({"attributes": [user("b"), object]})).await;
        assert_eq!((status, &answer["attributes_processed"]), (201, &json!(1)), "{object}: {answer}");
        let error = &answer["errors"][0];
        assert_eq!((&error["input_array"], &error["index"]), (&json!("attributes"), &json!(1)), "{object}");
        let (status, answer) = rig.track(json!({"attributes": [object]})).await;
        assert_eq!((status, &answer["errors"][0]["index"]), (400, &json!(0)), "{object}: {answer}");
    }
    assert_eq!(rig.living("users").await, 1);
    let fine = json!({"attributes": [with("email", json!("a.b+c@mail.x.io")), with("email", Json::Null)]});
    assert_eq!(rig.track(fine).await.1["attributes_processed"], 2);
    rig.0.stop().await;
}

#[tokio::test]
async fn an_event_must_be_whole() {
    let rig = Rig::usual().await;
    let good = json!({"external_id": "a", "name": "purchase", "time": "2026-02-03T04:05:06Z", "properties": {"n": 1}});
    let with = |name: &str, value: Json| {
        let mut event = good.clone();
        event[name] = value;
        event
    };
    for event in [
        with("name", json!("")),
        with("time", Json::Null),
        with("time", json!("yesterday")),
        with("properties", json!([])),
        with("properties", json!({"note": "x".repeat(256)})),
        with("total", json!(5)),
        with("external_id", Json::Null),
    ] {
        let (status, answer) = rig.track(json!({"events": [event]})).await;
        assert_eq!(
            (status, &answer["errors"][0]["input_array"]),
            (400, &json!("events")),
            "{event}: {answer}"
        );
    }
    let alias = json!({"user_alias": {"alias_name": "n", "alias_label": "l"}, "name": "x", "time": "2026-02-03T04:05:06Z"});
    let (status, answer) = rig.track(json!({"events": [good, alias]})).await;
    assert_eq!((status, &answer["events_processed"]), (201, &json!(2)), "{answer}");
    assert_eq!((rig.living("events").await, rig.living("users").await), (1, 1), "an alias makes nobody");
    rig.0.stop().await;
}

#[tokio::test]
async fn a_request_has_its_limits() {
    let rig = Rig::usual().await;
    let users = |count: usize| (0..count).map(|n| user(&n.to_string())).collect::<Vec<_>>();
    let events =
        |count: usize| vec![json!({"external_id": "a", "name": "x", "time": "2026-02-03T04:05:06Z"}); count];
    assert_eq!(rig.track(json!({"attributes": users(75)})).await.0, 201);
    for body in [json!({"attributes": users(76)}), json!({"attributes": users(70), "events": events(6)})] {
        let (status, answer) = rig.track(body).await;
        assert_eq!((status, &answer["message"]), (400, &json!("Max Input Length Exceeded")));
    }
    assert_eq!(rig.post("/users/track/bulk", &json!({"attributes": users(1000)})).await.0, 201);
    assert_eq!(rig.post("/users/track/bulk", &json!({"attributes": users(1001)})).await.0, 400);
    assert_eq!(rig.post("/users/track/bulk", &json!({"events": events(101)})).await.0, 400);
    let large = json!({"attributes": [{"external_id": "a", "image_url": "x".repeat(2_000_000)}]});
    assert_eq!(rig.post("/users/track/bulk", &large).await.0, 400);
    assert_eq!(rig.track(large).await.0, 201);
    let huge = json!({"attributes": [{"external_id": "a", "image_url": "x".repeat(4_000_000)}]});
    assert_eq!(rig.track(huge).await.0, 413);
    assert_eq!(rig.track(json!({})).await.0, 400);
    assert_eq!(rig.track(json!({"attribute": []})).await.0, 400);
    assert_eq!(rig.track(json!({"purchases": [{}]})).await.0, 400);
    let rig = Rig::start(json!({"contract": "mau"})).await;
    assert_eq!(rig.track(json!({"attributes": users(51)})).await.0, 400);
    rig.0.stop().await;
}

#[tokio::test]
async fn removals_and_looks_name_users_in_one_way() {
    let rig = Rig::usual().await;
    rig.track(json!({"attributes": [user("a")]})).await;
    let alias =
        json!({"user_alias": {"alias_name": "n", "alias_label": "l"}, "_update_existing_only": false});
    rig.track(json!({"attributes": [alias]})).await;
    let many: Vec<String> = (0..51).map(|n| n.to_string()).collect();
    for body in [
        json!({}),
        json!({"external_ids": []}),
        json!({"external_ids": many}),
        json!({"external_ids": ["a"], "user_aliases": [{"alias_name": "n", "alias_label": "l"}]}),
        json!({"user_aliases": [{"alias_name": "n"}]}),
        json!({"emails": ["a"]}),
    ] {
        assert_eq!(rig.post("/users/delete", &body).await.0, 400, "{body}");
    }
    assert_eq!(rig.living("users").await, 2);
    let (_, shown) = rig.post("/users/export/ids", &json!({"external_ids": ["a", "b"]})).await;
    assert_eq!(shown["users"][0]["custom_attributes"], json!({"plan": "pro"}), "{shown}");
    assert_eq!(shown["invalid_user_ids"], json!(["b"]));
    let (status, answer) = rig.post("/users/delete", &json!({"external_ids": ["a", "b"]})).await;
    assert_eq!((status, answer), (201, json!({"deleted": 2, "message": "success"})));
    let aliases = json!({"user_aliases": [{"alias_name": "n", "alias_label": "l"}]});
    assert_eq!(rig.post("/users/delete", &aliases).await.0, 201);
    assert_eq!(rig.living("users").await, 0);
    assert_eq!(rig.post("/users/export/ids", &json!({"external_ids": []})).await.0, 400);
    rig.0.stop().await;
}

#[tokio::test]
async fn credentials_are_needed_and_every_address_is_known() {
    let rig = Rig::usual().await;
    let client = reqwest::Client::new();
    let url = format!("{}/braze", rig.0.url());
    let status =
        |request: reqwest::RequestBuilder| async move { request.send().await.unwrap().status().as_u16() };
    let attributes = || client.get(format!("{url}/custom_attributes"));
    assert_eq!(status(attributes()).await, 401);
    assert_eq!(status(attributes().bearer_auth("invalid")).await, 401);
    assert_eq!(status(attributes().bearer_auth("key")).await, 200);
    assert_eq!(status(attributes().query(&[("cursor", "x")]).bearer_auth("key")).await, 400);
    assert_eq!(status(client.get(format!("{url}/users/track")).bearer_auth("key")).await, 404);
    assert_eq!(status(client.post(format!("{url}/users/track")).body("{}").bearer_auth("key")).await, 400);
    let answer =
        client.post(format!("{url}/users/track")).bearer_auth("key").json(&json!({})).send().await.unwrap();
    for header in ["x-request-id", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"] {
        assert!(answer.headers().contains_key(header), "{header}");
    }
    rig.0.stop().await;
}

#[test]
fn what_a_block_cannot_mean_is_refused() {
    use crate::sandbox::VendorConfig;
    for (block, word) in [
        (json!({"objects": {"purchases": {"a": "string"}}}), "`objects.purchases`"),
        (json!({"contract": "old"}), "`contract`"),
        (json!({"subscription_groups": ["g-1"]}), "`subscription_groups`"),
    ] {
        let mut config = SandboxConfig::default();
        config.add("braze", &block).unwrap();
        let config: VendorConfig = config.vendor("braze");
        let why = super::emulator(&config).err().unwrap();
        assert!(why.contains(word), "{why}");
    }
}
