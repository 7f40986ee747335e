//! What the emulator refuses, asked over HTTP as any client would.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value as Json, json};

use crate::sandbox::{Sandbox, SandboxConfig, Storage};

/// Sends bodies to `path`, each to the account of this block, and gives each answer.
async fn asked(block: Json, key: &str, path: &str, bodies: &[Json]) -> Vec<(u16, Json)> {
    let mut config = SandboxConfig::default();
    config.add("template", &block).unwrap();
    let sandbox = Sandbox::start(config, Storage::Memory, 0).await.unwrap();
    let client = reqwest::Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
    let mut answers = Vec::new();
    for body in bodies {
        let url = format!("{}/template{path}", sandbox.url());
        let answer = client.post(url).bearer_auth(key).json(body).send().await.unwrap();
        answers.push((answer.status().as_u16(), answer.json().await.unwrap()));
    }
    sandbox.stop().await;
    answers
}

fn upsert(id: &str) -> Json {
    json!({"op": "upsert", "id": id, "fields": {"name": "Ann"}})
}

#[tokio::test]
async fn what_is_wrong_is_refused_whole() {
    let many: Vec<Json> = (0..101).map(|number| upsert(&number.to_string())).collect();
    let bodies = [
        json!({}),
        json!({"operations": []}),
        json!({"operations": many}),
        json!({"operations": [upsert("1"), upsert("1")]}),
        json!({"operations": [upsert("")]}),
        json!({"operations": [{"op": "upsert", "id": "1", "fields": {}, "more": 1}]}),
        json!({"operations": [{"op": "rename", "id": "1"}]}),
        json!({"operations": [upsert("1")], "more": 1}),
    ];
    for (body, answer) in bodies.iter().zip(asked(json!({}), "key", "/people/batch", &bodies).await) {
        assert_eq!((answer.0, &answer.1["error"]["code"]), (400, &"invalid_request".into()), "{body}");
    }
    for (key, path, status) in
        [("invalid", "/people/batch", StatusCode::UNAUTHORIZED), ("key", "/elsewhere", StatusCode::NOT_FOUND)]
    {
        let answers = asked(json!({}), key, path, &[json!({"operations": [upsert("1")]})]).await;
        assert_eq!(answers[0].0, status.as_u16());
    }
}

#[tokio::test]
async fn each_operation_has_its_own_result() {
    let block =
        json!({"objects": {"people": {"name": "string", "plan": {"type": "string", "refuse": "gold"}}}});
    let refused = |id: &str, name: &str| json!({"op": "upsert", "id": id, "fields": {name: "gold"}});
    let operations =
        [upsert("1"), refused("2", "plan"), refused("3", "size"), json!({"op": "delete", "id": "9"})];
    let answers = asked(block, "key", "/people/batch", &[json!({"operations": operations})]).await;
    let status = |index: u64| {
        let results = answers[0].1["results"].as_array().unwrap();
        let result = results.iter().find(|result| result["index"] == index).unwrap();
        result["code"].as_str().or(result["status"].as_str()).unwrap().to_owned()
    };
    assert_eq!([0, 1, 2, 3].map(status), ["done", "invalid_value", "unknown_field", "done"]);
}
