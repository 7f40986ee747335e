//! The emulated account over real HTTP, each rule with a request that must fail.

use reqwest::Method;
use serde_json::{Value as Json, json};

use crate::sandbox::Storage;
use crate::sandbox::tests::Rig;

async fn rig() -> Rig {
    let block = json!({
        "objects": {"contacts": {
            "AGE": "number", "BORN": "date", "VIP": "boolean", "PLAN": {"type": "string", "refuse": "gold"},
            "TOPICS": {"enum": ["art", "law"], "multiple": true}, "GENDER": {"enum": [1, 2]},
            "SCORE": {"type": "number", "read_only": true},
        }},
        "lists": {"News": 4, "Filled": {"id": 9, "dynamic": true}},
        "limits": {"requests": "10000/1s"},
        "import_polls": 2,
    });
    Rig::of("brevo", block, Storage::Memory).await
}

async fn call(rig: &Rig, method: Method, path: &str, body: Option<Json>) -> (u16, Json) {
    let mut request = rig.request(method, &format!("/brevo/v3{path}")).header("api-key", "key");
    if let Some(body) = body {
        request = request.json(&body);
    }
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
}

async fn post(rig: &Rig, path: &str, body: Json) -> (u16, Json) {
    call(rig, Method::POST, path, Some(body)).await
}

async fn attributes(rig: &Rig, email: &str) -> Json {
    call(rig, Method::GET, &format!("/contacts/{email}"), None).await.1["attributes"].clone()
}

#[tokio::test]
async fn a_key_is_needed_and_invalid_is_none() {
    let rig = rig().await;
    for key in ["", "invalid"] {
        let request = rig.request(Method::GET, "/brevo/account").header("api-key", key);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 401);
        assert_eq!(answer.json::<Json>().await.unwrap()["code"], "unauthorized");
    }
    let (status, account) = call(&rig, Method::GET, "/account", None).await;
    assert!(status == 200 && account["organization_id"].is_string());
    rig.stop().await;
}

#[tokio::test]
async fn a_contact_is_refused_with_the_vendors_code() {
    let rig = rig().await;
    let ann =
        json!({"email": "Ann@X.io", "ext_id": "k1", "attributes": {"SMS": "+33612345678"}, "listIds": [4]});
    let (status, body) = post(&rig, "/contacts", ann.clone()).await;
    assert!(status == 201 && body["id"].is_u64(), "{body}");
    for (body, code) in [
        (ann.clone(), "duplicate_parameter"),
        (json!({"email": "b@x.io", "ext_id": "k1"}), "duplicate_parameter"),
        (json!({"email": "b@x.io", "attributes": {"SMS": "+33612345678"}}), "duplicate_parameter"),
        (json!({"attributes": {}}), "missing_parameter"),
        (json!({"email": "nobody"}), "invalid_parameter"),
        (json!({"email": "a b@x.io"}), "invalid_parameter"),
        (json!({"email": "b@x.io", "listIds": [5]}), "invalid_parameter"),
        (json!({"email": "b@x.io", "attributes": {"SMS": "home"}}), "invalid_parameter"),
        (json!({"email": "b@x.io", "attributes": {"PLAN": "gold"}}), "invalid_parameter"),
        (json!({"email": "b@x.io", "firstname": "Bob"}), "invalid_parameter"),
        (json!({"email": 7}), "invalid_parameter"),
        (json!({"id": 1, "email": "b@x.io"}), "invalid_parameter"),
    ] {
        let (status, answer) = post(&rig, "/contacts", body.clone()).await;
        assert_eq!((status, answer["code"].as_str()), (400, Some(code)), "{body}: {answer}");
    }
    let (status, _) = post(&rig, "/contacts", json!({"email": "ann@x.io", "updateEnabled": true})).await;
    assert_eq!(status, 204);
    // Two contacts cannot become one.
    post(&rig, "/contacts", json!({"email": "b@x.io"})).await;
    let both = json!({"email": "b@x.io", "ext_id": "k1", "updateEnabled": true});
    let (status, answer) = post(&rig, "/contacts", both).await;
    assert_eq!((status, &answer["metadata"]["duplicate_identifiers"]), (400, &json!(["ext_id"])));
    assert_eq!(call(&rig, Method::GET, "/contacts", None).await.1["count"], 2);
    rig.stop().await;
}

#[tokio::test]
async fn what_does_not_fit_an_attribute_is_ignored_without_a_word() {
    let rig = rig().await;
    let good =
        json!({"AGE": 1.5, "BORN": "2026-02-03", "VIP": true, "PLAN": "a", "TOPICS": ["art"], "GENDER": "1"});
    post(&rig, "/contacts", json!({"email": "a@x.io", "attributes": good})).await;
    assert_eq!(attributes(&rig, "a@x.io").await, good);
    let bad = json!({"AGE": "old", "BORN": "soon", "VIP": "yes", "PLAN": 7, "TOPICS": ["tax"], "GENDER": "3",
                     "SCORE": 5, "NO_SUCH": "x", "firstname": "x"});
    let (status, _) =
        post(&rig, "/contacts", json!({"email": "a@x.io", "attributes": bad, "updateEnabled": true})).await;
    assert_eq!((status, attributes(&rig, "a@x.io").await), (204, good.clone()));
    let empty: Json = good.as_object().unwrap().keys().map(|name| (name.clone(), json!(""))).collect();
    let (status, _) = call(&rig, Method::PUT, "/contacts/a@x.io", Some(json!({"attributes": empty}))).await;
    assert_eq!((status, attributes(&rig, "a@x.io").await), (204, json!({})));
    rig.stop().await;
}

#[tokio::test]
async fn one_contact_is_named_by_each_of_its_keys() {
    let rig = rig().await;
    let body = json!({"email": "a+b@x.io", "ext_id": "k/1", "attributes": {"SMS": "33612345678"}});
    let id = post(&rig, "/contacts", body).await.1["id"].to_string();
    for path in [
        format!("/contacts/{id}"),
        format!("/contacts/{id}?identifierType=contact_id"),
        "/contacts/a%2Bb%40x.io".to_owned(),
        "/contacts/k%2F1?identifierType=ext_id".to_owned(),
        "/contacts/33612345678?identifierType=phone_id".to_owned(),
    ] {
        let (status, body) = call(&rig, Method::GET, &path, None).await;
        assert_eq!((status, body["id"].to_string()), (200, id.clone()), "{path}");
    }
    for (method, path, status, code) in [
        (Method::GET, "/contacts/k1", 400, "invalid_parameter"),
        (Method::GET, "/contacts/no@x.io", 404, "document_not_found"),
        (Method::DELETE, "/contacts/999", 404, "document_not_found"),
        (Method::PATCH, "/contacts/a%2Bb%40x.io", 400, "method_not_allowed"),
    ] {
        let (answered, body) = call(&rig, method, path, None).await;
        assert_eq!((answered, body["code"].as_str()), (status, Some(code)), "{path}");
    }
    let put = |body| call(&rig, Method::PUT, "/contacts/no@x.io", Some(body));
    assert_eq!(put(json!({})).await.0, 404);
    assert_eq!(call(&rig, Method::DELETE, &format!("/contacts/{id}"), None).await.0, 204);
    assert_eq!(call(&rig, Method::GET, &format!("/contacts/{id}"), None).await.0, 404);
    rig.stop().await;
}

#[tokio::test]
async fn a_batch_updates_all_or_none() {
    let rig = rig().await;
    for email in ["a@x.io", "b@x.io"] {
        post(&rig, "/contacts", json!({"email": email})).await;
    }
    let aged = |email: &str, age: u64| json!({"email": email, "attributes": {"AGE": age}});
    let (status, body) =
        post(&rig, "/contacts/batch", json!({"contacts": [aged("a@x.io", 1), aged("c@x.io", 1)]})).await;
    assert_eq!((status, body["message"].as_str()), (404, Some("No contact found for indexes 1")));
    let bad = json!({"contacts": [aged("a@x.io", 1), {"email": "b@x.io", "attributes": {"PLAN": "gold"}}]});
    assert_eq!(post(&rig, "/contacts/batch", bad).await.0, 400);
    assert_eq!(attributes(&rig, "a@x.io").await, json!({}), "nothing was changed");
    let good = json!({"contacts": [aged("a@x.io", 1), aged("b@x.io", 2)]});
    assert_eq!(post(&rig, "/contacts/batch", good).await.0, 204);
    assert_eq!(attributes(&rig, "b@x.io").await, json!({"AGE": 2}));
    for contacts in [json!([]), json!([{"email": "a@x.io", "id": 1}]), vec![aged("a@x.io", 1); 101].into()] {
        assert_eq!(post(&rig, "/contacts/batch", json!({"contacts": contacts})).await.0, 400);
    }
    rig.stop().await;
}

#[tokio::test]
async fn an_import_is_done_after_a_while_and_skips_what_is_wrong() {
    let rig = rig().await;
    let rows = json!([{"email": "a@x.io", "attributes": {"AGE": 1, "NO_SUCH": 1}}, {"email": "nobody"},
                      {"email": "g@x.io", "attributes": {"PLAN": "gold"}}, {"attributes": {}}]);
    for body in [
        json!({"jsonBody": rows}),
        json!({"jsonBody": rows, "listIds": []}),
        json!({"jsonBody": rows, "listIds": [5]}),
        json!({"jsonBody": [], "listIds": [4]}),
        json!({"jsonBody": [{"email": "a@x.io", "ext_id": "1"}], "listIds": [4]}),
        json!({"fileBody": "EMAIL", "listIds": [4]}),
    ] {
        assert_eq!(post(&rig, "/contacts/import", body.clone()).await.0, 400, "{body}");
    }
    let (status, body) = post(&rig, "/contacts/import", json!({"jsonBody": rows, "listIds": [4]})).await;
    assert_eq!(status, 202, "{body}");
    let path = format!("/processes/{}", body["processId"]);
    assert_eq!(call(&rig, Method::GET, &path, None).await.1["status"], "in_process");
    assert_eq!(call(&rig, Method::GET, "/contacts", None).await.1["count"], 0, "not yet");
    for _ in 0..2 {
        let (_, body) = call(&rig, Method::GET, &path, None).await;
        assert_eq!((&body["status"], &body["name"]), (&json!("completed"), &json!("IMPORTUSER")));
    }
    let (_, page) = call(&rig, Method::GET, "/contacts?listIds=4", None).await;
    assert_eq!((&page["count"], &page["contacts"][0]["attributes"]), (&json!(1), &json!({"AGE": 1})));
    // Nothing is erased unless that is asked for.
    for (erases, left) in [(false, json!({"AGE": 1})), (true, json!({}))] {
        let rows = json!([{"email": "a@x.io", "attributes": {"AGE": ""}}]);
        let body = json!({"jsonBody": rows, "listIds": [4], "emptyContactsAttributes": erases});
        let path = format!("/processes/{}", post(&rig, "/contacts/import", body).await.1["processId"]);
        call(&rig, Method::GET, &path, None).await;
        call(&rig, Method::GET, &path, None).await;
        assert_eq!(attributes(&rig, "a@x.io").await, left);
    }
    assert_eq!(call(&rig, Method::GET, "/processes/999", None).await.0, 404);
    rig.stop().await;
}

#[tokio::test]
async fn pages_and_lists_have_their_limits() {
    let rig = rig().await;
    for n in 0..3 {
        post(&rig, "/contacts", json!({"email": format!("p{n}@x.io"), "listIds": [4]})).await;
    }
    let emails = |page: &Json| -> Vec<String> {
        page["contacts"].as_array().unwrap().iter().map(|c| c["email"].as_str().unwrap().to_owned()).collect()
    };
    let page = |query: &'static str| call(&rig, Method::GET, query, None);
    assert_eq!(emails(&page("/contacts?limit=2&sort=asc").await.1), ["p0@x.io", "p1@x.io"]);
    assert_eq!(emails(&page("/contacts?limit=2&offset=2").await.1), ["p0@x.io"]);
    assert_eq!(page("/contacts?modifiedSince=2100-01-01T00:00:00.000Z").await.1["count"], 0);
    assert_eq!(page("/contacts/lists/4/contacts?limit=500").await.1["count"], 3);
    for query in [
        "/contacts?limit=1001",
        "/contacts?limit=0",
        "/contacts?modifiedSince=yesterday",
        "/contacts?listIds=5",
        "/contacts/lists/4/contacts?limit=501",
        "/contacts/lists/x",
    ] {
        assert_eq!(page(query).await.0, 400, "{query}");
    }
    assert_eq!(page("/contacts/lists/5").await.0, 404);
    for (list, body, status) in [
        (4, json!({"emails": ["no@x.io"]}), 400),
        (4, json!({"emails": ["p0@x.io"]}), 400),
        (4, json!({}), 400),
        (4, json!({"emails": vec!["p0@x.io"; 151]}), 400),
        (9, json!({"emails": ["p0@x.io"]}), 400),
        (5, json!({"emails": ["p0@x.io"]}), 404),
    ] {
        assert_eq!(
            post(&rig, &format!("/contacts/lists/{list}/contacts/add"), body.clone()).await.0,
            status,
            "{body}"
        );
    }
    let (status, body) =
        post(&rig, "/contacts/lists/4/contacts/remove", json!({"emails": ["p0@x.io", "no@x.io"]})).await;
    let expected = json!({"contacts": {"success": ["p0@x.io"], "failure": ["no@x.io"]}});
    assert_eq!((status, body), (201, expected));
    rig.stop().await;
}

#[tokio::test]
async fn attributes_are_made_in_capitals_and_once() {
    let rig = rig().await;
    let make = |path: &'static str, kind: &'static str| post(&rig, path, json!({"type": kind}));
    assert_eq!(make("/contacts/attributes/normal/CITY", "text").await.0, 201);
    for (path, kind) in [
        ("/contacts/attributes/normal/CITY", "text"),
        ("/contacts/attributes/normal/AGE", "text"),
        ("/contacts/attributes/normal/City2", "text"),
        ("/contacts/attributes/global/TOTAL", "text"),
        ("/contacts/attributes/normal/TOWN", "blob"),
    ] {
        assert_eq!(make(path, kind).await.0, 400, "{path} {kind}");
    }
    let (_, body) = call(&rig, Method::GET, "/contacts/attributes", None).await;
    let of = |name: &str| {
        body["attributes"].as_array().unwrap().iter().find(|a| a["name"] == name).cloned().unwrap_or_default()
    };
    assert_eq!(of("CITY"), json!({"name": "CITY", "category": "normal", "type": "text"}));
    assert_eq!(of("TOPICS")["multiCategoryOptions"], json!(["art", "law"]));
    assert_eq!(of("GENDER")["enumeration"][0]["valueStr"], "1");
    assert_eq!(of("SCORE")["category"], "calculated");
    rig.stop().await;
}

#[tokio::test]
async fn calls_other_than_those_on_contacts_have_a_hundred_an_hour() {
    let rig = rig().await;
    for _ in 0..100 {
        assert_eq!(call(&rig, Method::GET, "/account", None).await.0, 200);
    }
    let request = rig.request(Method::GET, "/brevo/account").header("api-key", "key");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 429);
    assert_eq!(answer.headers()["x-sib-ratelimit-reset"].to_str().unwrap(), "3600");
    assert_eq!(call(&rig, Method::GET, "/contacts", None).await.0, 200);
    rig.stop().await;
}
