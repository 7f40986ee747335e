//! The emulated account over real HTTP, each rule with a request that must fail.

use reqwest::Method;
use serde_json::{Value as Json, json};

use crate::sandbox::Storage;
use crate::sandbox::tests::Rig;

async fn rig() -> Rig {
    let block = json!({"lists": {"News": "NEWS"}, "limits": {"requests": "10000/1s"}, "import_polls": 1});
    Rig::of("klaviyo", block, Storage::Memory).await
}

const HEADERS: [(&str, &str); 3] = [
    ("authorization", "Klaviyo-API-Key pk_key"),
    ("revision", "2026-07-15"),
    ("content-type", "application/vnd.api+json"),
];

async fn ask(
    rig: &Rig,
    (method, path): (Method, &str),
    headers: &[(&str, &str)],
    body: String,
) -> (u16, Json) {
    let mut request = reqwest::Client::new().request(method, format!("{}/klaviyo{path}", rig.sandbox.url()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.body(body).send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
}

async fn call(rig: &Rig, method: Method, path: &str, body: Json) -> (u16, Json) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    ask(rig, (method, path), &HEADERS, body).await
}

async fn post(rig: &Rig, path: &str, body: Json) -> (u16, Json) {
    call(rig, Method::POST, path, body).await
}

/// Status, code and place of a refusal.
fn fault((status, body): &(u16, Json)) -> (u16, &str, &str) {
    let error = &body["errors"][0];
    let place = error["source"]["pointer"].as_str().or(error["source"]["parameter"].as_str());
    (*status, error["code"].as_str().unwrap_or_default(), place.unwrap_or_default())
}

fn profile(attributes: Json) -> Json {
    json!({"type": "profile", "attributes": attributes})
}

fn job(profiles: Vec<Json>) -> Json {
    json!({"data": {"type": "profile-bulk-import-job", "attributes": {"profiles": {"data": profiles}}}})
}

const IMPORTS: &str = "/api/profile-bulk-import-jobs";

#[tokio::test]
async fn a_key_a_revision_and_a_media_type_are_needed() {
    let rig = rig().await;
    let get = || (Method::GET, "/api/accounts");
    let (key, revision) = (HEADERS[0], HEADERS[1]);
    for (headers, expected) in [
        (vec![revision], (401, "not_authenticated", "/data")),
        (vec![("authorization", "Klaviyo-API-Key invalid"), revision], (401, "not_authenticated", "/data")),
        (vec![("authorization", "Bearer pk_key"), revision], (401, "not_authenticated", "/data")),
        (vec![key], (400, "invalid", "revision")),
        (vec![key, ("revision", "latest")], (400, "invalid", "revision")),
    ] {
        let answer = ask(&rig, get(), &headers, String::new()).await;
        assert_eq!(fault(&answer), expected, "{headers:?}");
    }
    let form = [key, revision, ("content-type", "application/x-www-form-urlencoded")];
    let answer = ask(&rig, (Method::POST, "/api/profile-import"), &form, "a=b".to_owned()).await;
    assert_eq!(fault(&answer).0, 415);
    let (status, account) = call(&rig, Method::GET, "/api/accounts", Json::Null).await;
    assert_eq!((status, account["data"][0]["type"].as_str()), (200, Some("account")));
    assert_eq!(call(&rig, Method::GET, "/api/segments", Json::Null).await.0, 404);
    rig.stop().await;
}

#[tokio::test]
async fn a_profile_is_refused_at_the_place_at_fault() {
    let rig = rig().await;
    for (attributes, place) in [
        (json!({"email": "nobody"}), "/data/attributes/email"),
        (json!({"phone_number": "0612345678"}), "/data/attributes/phone_number"),
        (json!({"first_name": "Ann"}), "/data"),
        (json!({"email": 7}), "/data"),
        (json!({"email": "a@x.io", "plan": "pro"}), "/data"),
    ] {
        let answer = post(&rig, "/api/profile-import", json!({"data": profile(attributes.clone())})).await;
        assert_eq!(fault(&answer), (400, "invalid", place), "{attributes}");
    }
    let large = json!({"email": "a@x.io", "properties": {"note": "x".repeat(100_000)}});
    let answer = post(&rig, "/api/profile-import", json!({"data": profile(large)})).await;
    assert_eq!(answer.0, 413);
    let ann = json!({"data": profile(json!({"email": "a@x.io"}))});
    assert_eq!(post(&rig, "/api/profiles", ann.clone()).await.0, 201);
    assert_eq!(
        fault(&post(&rig, "/api/profiles", ann).await),
        (409, "duplicate_profile", "/data/attributes")
    );
    let nobody = json!({"data": {"type": "profile", "id": "X", "attributes": {}}});
    assert_eq!(call(&rig, Method::PATCH, "/api/profiles/X", nobody).await.0, 404);
    rig.stop().await;
}

#[tokio::test]
async fn an_import_is_refused_for_its_size_its_list_and_rows_without_a_name() {
    let rig = rig().await;
    let row = |n: usize| profile(json!({"email": format!("p{n}@x.io")}));
    let large =
        |length: usize| profile(json!({"email": "a@x.io", "properties": {"note": "x".repeat(length)}}));
    let data = "/data/attributes/profiles/data";
    for (rows, place) in [
        (Vec::new(), data.to_owned()),
        ((0..10_001).map(row).collect(), data.to_owned()),
        (vec![row(0), large(100_000)], format!("{data}/1")),
        (vec![row(0), row(1), profile(json!({"first_name": "Ann"}))], format!("{data}/2")),
    ] {
        assert_eq!(fault(&post(&rig, IMPORTS, job(rows)).await), (400, "invalid", &place[..]));
    }
    let answer = post(&rig, IMPORTS, job((0..60).map(|_| large(90_000)).collect())).await;
    assert_eq!(answer.0, 413);
    let mut unlisted = job(vec![row(0)]);
    unlisted["data"]["relationships"] = json!({"lists": {"data": [{"type": "list", "id": "NONE"}]}});
    assert_eq!(fault(&post(&rig, IMPORTS, unlisted).await), (400, "invalid", "/data/relationships/lists"));
    assert_eq!(call(&rig, Method::GET, &format!("{IMPORTS}/NONE"), Json::Null).await.0, 404);
    rig.stop().await;
}

#[tokio::test]
async fn an_import_ends_after_its_questions_with_an_error_for_each_bad_row() {
    let rig = rig().await;
    let rows = vec![
        profile(json!({"email": "a@x.io", "title": "Dr"})),
        profile(json!({"email": "nobody"})),
        profile(json!({"email": "b@x.io", "phone_number": "12"})),
    ];
    let (status, taken) = post(&rig, IMPORTS, job(rows.clone())).await;
    assert_eq!((status, &taken["data"]["attributes"]["status"]), (202, &json!("queued")));
    let path = format!("{IMPORTS}/{}", taken["data"]["id"].as_str().unwrap());
    let open = format!("{IMPORTS}?filter=any(status,%5B%22queued%22%5D)");
    assert_eq!(call(&rig, Method::GET, &open, Json::Null).await.1["data"].as_array().unwrap().len(), 1);
    let (_, ended) = call(&rig, Method::GET, &path, Json::Null).await;
    let shown = &ended["data"]["attributes"];
    assert_eq!(
        (&shown["status"], &shown["completed_count"], &shown["failed_count"]),
        (&json!("complete"), &json!(1), &json!(2))
    );
    assert_eq!(call(&rig, Method::GET, &open, Json::Null).await.1["data"], json!([]));
    let (_, errors) =
        call(&rig, Method::GET, &format!("{path}/import-errors?page%5Bsize%5D=1"), Json::Null).await;
    assert_eq!(errors["data"][0]["attributes"]["original_payload"]["attributes"], rows[1]["attributes"]);
    assert!(errors["links"]["next"].as_str().unwrap().contains("page%5Bcursor%5D="));
    // An import passes nulls over.
    let nulls = job(vec![profile(json!({"email": "a@x.io", "title": null, "locale": "fr"}))]);
    let again = post(&rig, IMPORTS, nulls).await.1["data"]["id"].as_str().unwrap().to_owned();
    call(&rig, Method::GET, &format!("{IMPORTS}/{again}"), Json::Null).await;
    let find = "/api/profiles?filter=equals(email,%22A@x.io%22)";
    let found = call(&rig, Method::GET, find, Json::Null).await.1["data"][0]["attributes"].clone();
    assert_eq!((&found["title"], &found["locale"]), (&json!("Dr"), &json!("fr")));
    rig.stop().await;
}

#[tokio::test]
async fn lists_suppressions_and_deletions_take_no_more_than_they_say() {
    let rig = rig().await;
    let members = |count: usize| -> Json {
        let one = |n: usize| json!({"type": "profile", "id": format!("X{n}")});
        json!({"data": (0..count).map(one).collect::<Vec<_>>()})
    };
    let path = "/api/lists/NEWS/relationships/profiles";
    assert_eq!(fault(&post(&rig, path, members(1001)).await), (400, "invalid", "/data"));
    assert_eq!(fault(&post(&rig, path, members(1)).await), (404, "not_found", "/data/0/id"));
    assert_eq!(post(&rig, "/api/lists/NONE/relationships/profiles", members(1)).await.0, 404);
    let suppress = |count: usize| {
        let one = |n: usize| profile(json!({"email": format!("p{n}@x.io")}));
        let profiles: Vec<Json> = (0..count).map(one).collect();
        json!({"data": {"type": "profile-suppression-bulk-create-job", "attributes": {"profiles": {"data": profiles}}}})
    };
    let path = "/api/profile-suppression-bulk-create-jobs";
    assert_eq!(
        (post(&rig, path, suppress(101)).await.0, post(&rig, path, suppress(100)).await.0),
        (400, 202)
    );
    let taken = post(&rig, path, suppress(2)).await.1["data"].clone();
    assert_eq!(taken["attributes"]["status"], "queued", "it is taken, and no more");
    let job = format!("{path}/{}", taken["id"].as_str().unwrap());
    let shown = call(&rig, Method::GET, &job, Json::Null).await.1["data"]["attributes"].clone();
    assert_eq!((&shown["status"], &shown["completed_count"]), (&json!("complete"), &json!(2)));
    assert_eq!(call(&rig, Method::GET, &format!("{path}/NONE"), Json::Null).await.0, 404);
    let delete = |one: Json| json!({"data": {"type": "data-privacy-deletion-job", "attributes": {"profile": {"data": one}}}});
    let both = profile(json!({"email": "p1@x.io", "phone_number": "+15005550006"}));
    let path = "/api/data-privacy-deletion-jobs";
    assert_eq!(post(&rig, path, delete(both)).await.0, 400);
    assert_eq!(post(&rig, path, delete(profile(json!({"email": "p1@x.io"})))).await.0, 202);
    rig.stop().await;
}
