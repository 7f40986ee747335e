//! The emulated account over real HTTP, each rule with a request that must fail.

use reqwest::Method;
use serde_json::{Value as Json, json};

use crate::sandbox::Storage;
use crate::sandbox::tests::Rig;

const NEWS: &str = "ca7a3796-e8a8-4029-9ccb-df8937940562";
const V3: &str = "/v3/marketing";

async fn rig(polls: u64) -> Rig {
    let block = json!({
        "objects": {"contacts": {"plan": {"type": "string", "refuse": "gold"}, "score": "number", "since": "date"}},
        "marketing_lists": {"News": NEWS}, "limits": {"requests": "10000/1s"}, "job_polls": polls,
    });
    Rig::of("sendgrid", block, Storage::Memory).await
}

async fn call(rig: &Rig, method: Method, path: &str, body: Option<Json>) -> (u16, Json) {
    let mut request = rig.request(method, &format!("/sendgrid{V3}{path}"));
    if let Some(body) = body {
        request = request.json(&body);
    }
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
}

async fn put(rig: &Rig, body: Json) -> (u16, Json) {
    call(rig, Method::PUT, "/contacts", Some(body)).await
}

async fn count(rig: &Rig) -> usize {
    let shown = rig.sandbox.show().await.unwrap();
    let all = shown["objects"]["sendgrid"]["contacts"].as_array().cloned().unwrap_or_default();
    all.iter().filter(|contact| contact["archived"] == false).count()
}

#[tokio::test]
async fn a_key_is_needed_but_not_by_the_store_of_files() {
    let rig = rig(0).await;
    for (key, status) in [("invalid", 401), ("SG.x", 200)] {
        let answer = rig.get_as(key, "/sendgrid/v3/user/username").await;
        assert_eq!(answer.0, status);
    }
    let (status, body) = rig.get_as("SG.x", "/sendgrid/__files/errors/x").await;
    assert!(status == 400 && body["errors"][0]["message"].as_str().unwrap().contains("no key"), "{body}");
    rig.stop().await;
}

#[tokio::test]
async fn a_call_is_refused_whole_and_names_each_contact() {
    let rig = rig(0).await;
    for (contact, field) in [
        (json!({"email": "000"}), "contacts[1].email"),
        (json!({"first_name": "x"}), "contacts[1]"),
        (json!({"email": ""}), "contacts[1].email"),
        (json!({"email": "a@x.io", "nonsense": "x"}), "contacts[1].nonsense"),
        (json!({"email": "a@x.io", "city": 7}), "contacts[1].city"),
        (json!({"email": "a@x.io", "city": "x".repeat(61)}), "contacts[1].city"),
        (json!({"email": "a@x.io", "custom_fields": {"plan": "x"}}), "contacts[1].custom_fields"),
        (
            json!({"email": "a@x.io", "alternate_emails": ["1", "2", "3", "4", "5", "6"]}),
            "contacts[1].alternate_emails",
        ),
    ] {
        let (status, body) = put(&rig, json!({"contacts": [{"email": "good@x.io"}, contact]})).await;
        assert_eq!((status, body["errors"][0]["field"].as_str()), (400, Some(field)), "{contact}: {body}");
    }
    for (body, expected) in [
        (json!({"contacts": []}), 400),
        (json!({"contacts": [{"email": "a@x.io"}], "lists": []}), 400),
        (json!({"contacts": [{"email": "a@x.io"}], "list_ids": [NEWS.replace("ca", "bb")]}), 404),
        (json!({"contacts": [{"email": "a@x.io"}], "list_ids": [NEWS]}), 202),
    ] {
        assert_eq!(put(&rig, body.clone()).await.0, expected, "{body}");
    }
    assert_eq!(count(&rig).await, 1);
    rig.stop().await;
}

#[tokio::test]
async fn a_job_is_done_after_a_while_and_its_file_names_what_it_refused() {
    let rig = rig(2).await;
    let contacts = json!([
        {"email": "a@x.io", "custom_fields": {"e1_T": "x", "e2_N": 1.5, "e3_D": "2026-02-03T00:00:00Z"}},
        {"email": "b@x.io", "custom_fields": {"e1_T": "gold"}}, {"email": "c@x.io", "custom_fields": {"e2_N": "many"}},
        {"email": "d@x.io", "custom_fields": {"e3_D": "AAAAA"}},
    ]);
    let (status, body) = put(&rig, json!({"contacts": contacts})).await;
    assert_eq!(status, 202, "{body}");
    let path = format!("/contacts/imports/{}", body["job_id"].as_str().unwrap());
    assert_eq!(call(&rig, Method::GET, &path, None).await.1["status"], "pending");
    assert_eq!(count(&rig).await, 0, "not yet");
    let (_, job) = call(&rig, Method::GET, &path, None).await;
    assert_eq!(
        (&job["status"], &job["results"]["errored_count"], count(&rig).await),
        (&json!("errored"), &json!(3), 1)
    );
    let file =
        reqwest::get(job["results"]["errors_url"].as_str().unwrap()).await.unwrap().text().await.unwrap();
    assert!(
        file.starts_with("email,")
            && file.contains("b@x.io,,,,plan is not allowed")
            && file.contains("since is no date"),
        "{file}"
    );
    assert_eq!(call(&rig, Method::GET, "/contacts/imports/none", None).await.0, 404);
    rig.stop().await;
}

#[tokio::test]
async fn an_identifier_that_a_contact_has_must_come_again() {
    let rig = rig(0).await;
    put(&rig, json!({"contacts": [{"email": "A@x.io", "external_id": "1"}, {"email": "b@x.io"}]})).await;
    for (contact, status) in [
        (json!({"email": "a@x.io"}), "failed"),
        (json!({"external_id": "1", "email": "c@x.io"}), "failed"),
        (json!({"email": "b@x.io", "external_id": "1"}), "failed"),
        (json!({"email": "a@x.io", "external_id": "1", "city": "Rome"}), "completed"),
        (json!({"email": "b@x.io", "anonymous_id": "2"}), "completed"),
    ] {
        let job = put(&rig, json!({"contacts": [contact]})).await.1["job_id"].as_str().unwrap().to_owned();
        let (_, job) = call(&rig, Method::GET, &format!("/contacts/imports/{job}"), None).await;
        assert_eq!(job["status"], status, "{contact}: {job}");
    }
    assert_eq!(count(&rig).await, 2);
    rig.stop().await;
}

#[tokio::test]
async fn contacts_are_searched_for_removed_and_taken_off_lists() {
    let rig = rig(0).await;
    put(&rig, json!({"contacts": [{"email": "a@x.io"}], "list_ids": [NEWS]})).await;
    let search = |kind: &'static str, body: Json| call(&rig, Method::POST, kind, Some(body));
    let by_email = "/contacts/search/identifiers/email";
    let (status, body) = search(by_email, json!({"identifiers": ["A@x.io", "b@x.io"]})).await;
    let found = &body["result"]["a@x.io"]["contact"];
    assert!(
        status == 200 && body["result"]["b@x.io"]["error"].is_string() && found["list_ids"] == json!([NEWS]),
        "{body}"
    );
    assert_eq!(search("/contacts/search/emails", json!({"emails": ["a@x.io"]})).await.0, 200);
    for (path, body, status) in [
        (by_email, json!({"identifiers": ["b@x.io"]}), 404),
        (by_email, json!({"identifiers": ["nobody"]}), 400),
        (by_email, json!({"identifiers": []}), 400),
        (by_email, json!({"identifiers": vec!["a@x.io"; 101]}), 400),
        (by_email, json!({"emails": ["a@x.io"]}), 400),
        ("/contacts/search/identifiers/id", json!({"identifiers": ["1"]}), 400),
    ] {
        assert_eq!(search(path, body.clone()).await.0, status, "{path} {body}");
    }
    let id = found["id"].as_str().unwrap();
    for path in [format!("/lists/none/contacts?contact_ids={id}"), "/lists/none".to_owned()] {
        assert_eq!(call(&rig, Method::DELETE, &path, None).await.0, 404, "{path}");
    }
    assert_eq!(call(&rig, Method::DELETE, &format!("/lists/{NEWS}/contacts"), None).await.0, 400);
    let (status, _) =
        call(&rig, Method::DELETE, &format!("/lists/{NEWS}/contacts?contact_ids={id}"), None).await;
    let (_, body) = search(by_email, json!({"identifiers": ["a@x.io"]})).await;
    assert_eq!((status, &body["result"]["a@x.io"]["contact"]["list_ids"]), (202, &json!([])));
    assert_eq!(
        call(&rig, Method::DELETE, "/contacts?delete_all_contacts=true", None).await.0,
        400,
        "not here"
    );
    assert_eq!(call(&rig, Method::DELETE, &format!("/contacts?ids={id}"), None).await.0, 202);
    assert_eq!(count(&rig).await, 0);
    rig.stop().await;
}

#[tokio::test]
async fn an_import_takes_the_file_that_it_asked_for_and_no_other() {
    let rig = rig(1).await;
    for body in [
        json!({"file_type": "json", "field_mappings": ["_rf2_T"]}),
        json!({"file_type": "csv", "field_mappings": ["_rf0_T"]}),
        json!({"file_type": "csv", "field_mappings": ["email"]}),
        json!({"file_type": "csv"}),
    ] {
        assert_eq!(call(&rig, Method::PUT, "/contacts/imports", Some(body.clone())).await.0, 400, "{body}");
    }
    let body = json!({"file_type": "csv", "field_mappings": ["_rf2_T", null, "e2_N"], "list_ids": [NEWS]});
    let (_, upload) = call(&rig, Method::PUT, "/contacts/imports", Some(body)).await;
    let path = format!("/contacts/imports/{}", upload["job_id"].as_str().unwrap());
    for _ in 0..3 {
        assert_eq!(call(&rig, Method::GET, &path, None).await.1["status"], "pending");
    }
    let uri = upload["upload_uri"].as_str().unwrap();
    let send = |header: bool, uri: String, text: &'static str| async move {
        let mut request = reqwest::Client::new().put(uri).body(text);
        if header {
            request = request.header("x-amz-server-side-encryption", "aws:kms");
        }
        request.send().await.unwrap().status().as_u16()
    };
    let good = "email,x,score\na@x.io,-,7\nnobody,-,1\n";
    assert_eq!(send(false, uri.to_owned(), good).await, 400);
    assert_eq!(send(true, uri.replace("s3cr3t", "guess"), good).await, 400);
    assert_eq!(send(true, uri.to_owned(), "email,score\na@x.io,7\n").await, 400);
    assert_eq!(send(true, uri.to_owned(), good).await, 200);
    let (_, job) = call(&rig, Method::GET, &path, None).await;
    assert_eq!((&job["status"], count(&rig).await), (&json!("errored"), 1), "{job}");
    rig.stop().await;
}

#[tokio::test]
async fn fields_are_made_once_whatever_the_size_of_their_letters() {
    let rig = rig(0).await;
    let make = |name: &'static str, kind: &'static str| {
        call(&rig, Method::POST, "/field_definitions", Some(json!({"name": name, "field_type": kind})))
    };
    let (status, body) = make("town", "Text").await;
    assert_eq!((status, &body["name"]), (200, &json!("town")));
    for (name, kind) in
        [("Town", "Text"), ("Email", "Text"), ("plan", "Text"), ("", "Text"), ("other", "Blob")]
    {
        assert_eq!(make(name, kind).await.0, 400, "{name} {kind}");
    }
    let (_, body) = call(&rig, Method::GET, "/field_definitions", None).await;
    let names: Vec<&str> =
        body["custom_fields"].as_array().unwrap().iter().map(|f| f["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["plan", "score", "since", "town"]);
    rig.stop().await;
}
