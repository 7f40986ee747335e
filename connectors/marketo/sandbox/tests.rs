//! The emulated instance over real HTTP, each rule with a request that must fail.

use reqwest::Method;
use serde_json::{Value as Json, json};

use crate::sandbox::Storage;
use crate::sandbox::tests::Rig;

async fn rig(more: Json) -> Rig {
    let mut block = json!({
        "objects": {"leads": {"plan": {"type": "string", "refuse": "gold"}, "since": "date"}}, "static_lists": {"News": 1159},
        "limits": {"requests": "10000/1s"}, "import_polls": 1,
    });
    block.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Rig::of("marketo", block, Storage::Memory).await
}

async fn call(rig: &Rig, method: Method, path: &str, body: Json) -> Json {
    let request = rig.request(method, &format!("/marketo{path}"));
    let request = if body.is_null() { request } else { request.json(&body) };
    request.send().await.unwrap().json().await.unwrap()
}

async fn sync(rig: &Rig, body: Json) -> Json {
    call(rig, Method::POST, "/rest/v1/leads.json", body).await
}

/// The code of a refusal of a whole call, or of its first lead.
fn code(body: &Json) -> &str {
    let lead = body["result"][0]["reasons"][0]["code"].as_str();
    body["errors"][0]["code"].as_str().or(lead).unwrap_or_default()
}

#[tokio::test]
async fn a_call_is_refused_for_what_is_wrong_with_it_and_with_http_200() {
    let rig = rig(json!({})).await;
    let lead = json!([{"email": "a@x.io"}]);
    for (body, expected) in [
        (json!({"input": []}), "1003"),
        (json!({"input": vec![json!({"email": "a@x.io"}); 301]}), "1003"),
        (json!({"leads": lead}), "609"),
        (json!({"action": "upsert", "input": lead}), "1001"),
        (json!({"lookupField": "firstName", "input": lead}), "1011"),
        (json!({"lookupField": "id", "input": [{"id": 7}]}), "1003"),
        (json!({"action": "updateOnly", "partitionName": "x", "input": lead}), "1003"),
        (json!({"input": [{"firstName": "Ann"}]}), "1003"),
        (json!({"input": [{"email": "a@x.io", "noSuch": 1}]}), "1006"),
        (json!({"input": [{"email": "a@x.io", "since": "soon"}]}), "1003"),
        (json!({"input": [{"email": "a@x.io", "plan": "gold"}]}), "1003"),
        (json!({"input": [{"email": "a@x.io", "company": "X"}]}), "1021"),
        (json!({"input": [{"email": "a@x.io", "createdAt": "2026-01-01T00:00:00Z"}]}), "1003"),
        (json!({"input": [{"email": "zoë@x.io"}]}), "1003"),
        (json!({"action": "updateOnly", "input": lead}), "1004"),
    ] {
        let answer = sync(&rig, body.clone()).await;
        assert_eq!(code(&answer), expected, "{body}: {answer}");
    }
    let shown = rig.sandbox.show().await.unwrap();
    assert!(shown["objects"]["marketo"].is_null(), "nothing was kept: {shown}");
    let lost = call(&rig, Method::GET, "/rest/v1/nothing.json", Json::Null).await;
    assert_eq!((&lost["success"], code(&lost)), (&json!(false), "610"));
}

#[tokio::test]
async fn leads_are_found_whatever_the_size_of_their_letters_and_by_pages() {
    let rig = rig(json!({})).await;
    let input: Vec<Json> = (0..5).map(|n| json!({"email": format!("P{n}@x.io"), "plan": "a"})).collect();
    let made = sync(&rig, json!({"input": input})).await;
    assert!(made["result"].as_array().unwrap().iter().all(|lead| lead["status"] == "created"), "{made}");
    let again = sync(&rig, json!({"input": [{"email": "p0@X.io", "plan": null}]})).await;
    assert_eq!(
        (&again["result"][0]["id"], &again["result"][0]["status"]),
        (&made["result"][0]["id"], &json!("updated"))
    );
    let asked = "/rest/v1/leads.json?filterType=plan&filterValues=A,b&fields=id,email,plan&batchSize=3";
    let page = call(&rig, Method::GET, asked, Json::Null).await;
    assert_eq!(page["result"].as_array().unwrap().len(), 3);
    let next = format!("{asked}&nextPageToken={}", page["nextPageToken"].as_str().unwrap());
    let next = call(&rig, Method::GET, &next, Json::Null).await;
    assert_eq!((next["result"].as_array().unwrap().len(), next.get("nextPageToken")), (1, None));
    let same = sync(&rig, json!({"lookupField": "plan", "input": [{"plan": "a"}]})).await;
    assert_eq!(code(&same), "1007");
    for (asked, expected) in [
        ("filterType=firstName&filterValues=a", "1011"),
        ("filterType=email", "1003"),
        ("filterType=email&filterValues=a&fields=x", "1006"),
    ] {
        let answer = call(&rig, Method::GET, &format!("/rest/v1/leads.json?{asked}"), Json::Null).await;
        assert_eq!(code(&answer), expected, "{asked}");
    }
    let long = format!("/marketo/rest/v1/leads.json?filterType=email&filterValues={}", "x".repeat(9_000));
    assert_eq!(rig.request(Method::GET, &long).send().await.unwrap().status().as_u16(), 414);
}

#[tokio::test]
async fn a_token_is_needed_in_the_header_and_ends() {
    let rig = rig(json!({"token_calls": 1})).await;
    let plain = reqwest::Client::new();
    let url = |path: &str| format!("{}/marketo{path}", rig.sandbox.url());
    let usage = "/rest/v1/stats/usage.json";
    let answer: Json =
        plain.get(url(&format!("{usage}?access_token=x"))).send().await.unwrap().json().await.unwrap();
    assert_eq!(code(&answer), "601");
    let ask = |id: &str, secret: &str| {
        let query = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
        plain.get(url(&format!("/identity/oauth/token?{query}"))).send()
    };
    for (id, secret) in [("invalid", "s"), ("i", "invalid"), ("", "s")] {
        assert_eq!(ask(id, secret).await.unwrap().status().as_u16(), 401, "{id} {secret}");
    }
    let granted: Json = ask("i", "s").await.unwrap().json().await.unwrap();
    assert_eq!((&granted["token_type"], &granted["expires_in"]), (&json!("bearer"), &json!(3599)));
    let token = granted["access_token"].as_str().unwrap();
    for expected in ["", "602"] {
        let answer: Json =
            plain.get(url(usage)).bearer_auth(token).send().await.unwrap().json().await.unwrap();
        assert_eq!(code(&answer), expected);
    }
}

async fn import(rig: &Rig, query: &str, csv: &str) -> Json {
    let body = format!(
        "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\nContent-Type: text/csv\r\n\r\n{csv}\r\n--XX--\r\n"
    );
    let request = rig.request(Method::POST, &format!("/marketo/bulk/v1/leads.json?{query}"));
    let request = request.header("content-type", "multipart/form-data; boundary=XX").body(body);
    request.send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn an_import_is_done_when_it_is_asked_for_and_names_what_it_refused() {
    let rig = rig(json!({"import_warns": ["odd"]})).await;
    let long = "x".repeat(256);
    let csv = format!("email,plan\na@x.io,a\nb@x.io,gold\nc@x.io,odd\nd@x.io,{long}\ne@x.io,\n,a\nf@x.io\n");
    let taken = import(&rig, "format=csv&lookupField=email&listId=1159", &csv).await;
    assert_eq!(taken["result"][0]["status"], "Queued", "{taken}");
    let id = taken["result"][0]["batchId"].as_u64().unwrap();
    let path = |name: &str| format!("/bulk/v1/leads/batch/{id}{name}.json");
    let told = call(&rig, Method::GET, &path(""), Json::Null).await["result"][0].clone();
    let counts = ["numOfLeadsProcessed", "numOfRowsFailed", "numOfRowsWithWarning"]
        .map(|name| told[name].as_u64().unwrap());
    assert_eq!((told["status"].as_str(), counts), (Some("Complete"), [4, 3, 2]), "{told}");
    let file = |name: &str| rig.request(Method::GET, &format!("/marketo{}", path(name))).send();
    let failures = file("/failures").await.unwrap().text().await.unwrap();
    assert!(
        failures.starts_with("email,plan,Import Failure Reason\nb@x.io,gold,Invalid value"),
        "{failures}"
    );
    assert!(failures.contains("\n,a,Value for lookup field 'email' not found\n"), "{failures}");
    let warnings = file("/warnings").await.unwrap().text().await.unwrap();
    assert_eq!(warnings.lines().count(), 3, "{warnings}");
    let shown = rig.sandbox.show().await.unwrap();
    let leads = shown["objects"]["marketo"]["leads"].as_array().unwrap();
    assert!(leads.iter().all(|lead| lead["properties"]["static_lists"] == json!([1159])), "{leads:?}");
    assert!(leads.iter().skip(1).all(|lead| lead["properties"]["plan"].is_null()), "{leads:?}");
}

#[tokio::test]
async fn an_import_is_refused_for_its_form_and_for_a_full_queue() {
    let rig = rig(json!({})).await;
    for (query, expected) in [
        ("format=csv&listId=7", "1013"),
        ("format=csv&lookupField=firstName", "1011"),
        ("format=tsv", "1003"),
    ] {
        assert_eq!(code(&import(&rig, query, "email\na@x.io\n").await), expected, "{query}");
    }
    let request = rig.request(Method::POST, "/marketo/bulk/v1/leads.json?format=csv");
    let bare: Json = request.json(&json!({})).send().await.unwrap().json().await.unwrap();
    assert_eq!(code(&bare), "612");
    let huge = format!("email\n{}", "x".repeat(10_000_000));
    let body = format!(
        "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n{huge}\r\n--XX--\r\n"
    );
    let request = rig.request(Method::POST, "/marketo/bulk/v1/leads.json?format=csv").body(body);
    let answer = request.header("content-type", "multipart/form-data; boundary=XX").send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 413);
    for number in 0..11 {
        let taken = import(&rig, "format=csv", "email\na@x.io\n").await;
        assert_eq!(code(&taken), if number < 10 { "" } else { "1016" }, "{number}: {taken}");
    }
    let failed =
        import(&self::rig(json!({"import_polls": 0})).await, "format=csv", "email,noSuch\na@x.io,1\n").await;
    assert_eq!(failed["success"], true);
}

#[tokio::test]
async fn a_list_knows_its_members() {
    let rig = rig(json!({})).await;
    let made = sync(&rig, json!({"input": [{"email": "a@x.io"}, {"email": "b@x.io"}]})).await;
    let id = made["result"][0]["id"].as_u64().unwrap();
    let leads = "/rest/v1/lists/1159/leads.json";
    let statuses = |answer: &Json| -> Vec<String> {
        let results = answer["result"].as_array().unwrap();
        results
            .iter()
            .map(|one| one["reasons"][0]["code"].as_str().or(one["status"].as_str()).unwrap().to_owned())
            .collect()
    };
    let named = json!({"input": [{"id": id}, {"id": 999_999}]});
    for _ in 0..2 {
        assert_eq!(statuses(&call(&rig, Method::POST, leads, named.clone()).await), ["added", "1004"]);
    }
    let asked = format!("/rest/v1/lists/1159/leads/ismember.json?id={id}&id={}", id + 1);
    assert_eq!(statuses(&call(&rig, Method::GET, &asked, Json::Null).await), ["memberof", "notmemberof"]);
    let members = call(&rig, Method::GET, leads, Json::Null).await;
    assert_eq!(members["result"][0]["id"], json!(id));
    for expected in ["removed", "1015"] {
        let path = format!("{leads}?id={id}");
        assert_eq!(statuses(&call(&rig, Method::DELETE, &path, Json::Null).await), [expected]);
    }
    assert_eq!(code(&call(&rig, Method::GET, "/rest/v1/lists/7.json", Json::Null).await), "1013");
    assert_eq!(code(&call(&rig, Method::POST, "/rest/v1/lists/7/leads.json", named).await), "1013");
}

#[test]
fn a_block_that_cannot_be_meant_is_refused() {
    for (block, word) in [
        (json!({"static_lists": {"News": "x"}}), "`static_lists.News`"),
        (json!({"static_lists": {"A": 1, "B": 1}}), "another list"),
        (json!({"objects": {"contacts": {}}}), "`contacts`"),
        (json!({"import_polls": -1}), "`import_polls`"),
        (json!({"import_warns": "odd"}), "`import_warns`"),
    ] {
        let mut config = crate::sandbox::SandboxConfig::default();
        config.add("marketo", &block).unwrap();
        let error = (super::EMULATOR.make)(&config.vendor("marketo")).err().unwrap();
        assert!(error.contains(word), "{block}: {error}");
    }
}
