//! The emulated portal over real HTTP, each rule with a request that must fail.

use serde_json::{Value as Json, json};

use crate::sandbox::tests::Rig;

const CONTACTS: &str = "/hubspot/crm/v3/objects/contacts/batch";

fn block() -> Json {
    json!({"objects": {
        "contacts": {
            "lifetime_value": "number",
            "plan": {"enum": ["A", "B"]},
            "external_id": {"type": "string", "unique": true},
            "note": {"type": "string", "refuse": "blocked"},
        },
        "2-777": {"key": {"type": "string", "unique": true}, "label": {"type": "string", "required": true}},
    }})
}

fn input(email: &str, properties: Json) -> Json {
    json!({"id": email, "idProperty": "email", "properties": properties})
}

fn traced(trace: &str, email: &str, properties: Json) -> Json {
    let mut input = input(email, properties);
    input["objectWriteTraceId"] = trace.into();
    input
}

fn batch(inputs: &[Json]) -> Json {
    json!({"inputs": inputs})
}

/// What a read by e-mail finds, in the order of the e-mails.
async fn read(rig: &Rig, emails: &[&str], property: &str) -> Vec<Json> {
    let inputs: Vec<_> = emails.iter().map(|email| json!({"id": email})).collect();
    let body = json!({"inputs": inputs, "idProperty": "email", "properties": ["email", property]});
    let (_, answer) = rig.post(&format!("{CONTACTS}/read"), &body).await;
    let results = answer["results"].as_array().unwrap();
    let of = |email: &&str| results.iter().find(|r| r["properties"]["email"] == *email);
    emails
        .iter()
        .map(|email| of(email).map_or(json!("absent"), |r| r["properties"][property].clone()))
        .collect()
}

fn codes(message: &Json) -> Vec<String> {
    let list = message.as_str().unwrap().strip_prefix("Property values were not valid: ").unwrap();
    let list: Vec<Json> = serde_json::from_str(list).unwrap();
    list.iter().map(|invalid| invalid["error"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn an_upsert_creates_then_updates_the_same_object() {
    let rig = Rig::memory(block()).await;
    let upsert = format!("{CONTACTS}/upsert");
    let (status, body) = rig.post(&upsert, &batch(&[input("Ana@X.io", json!({"firstname": "Ana"}))])).await;
    assert_eq!((status, body["status"].as_str()), (200, Some("COMPLETE")));
    let first = &body["results"][0];
    assert_eq!((&first["new"], &first["properties"]["email"]), (&json!(true), &json!("ana@x.io")));
    assert_eq!(first["properties"]["hs_object_id"], first["id"]);
    assert!(first["properties"]["createdate"].is_string() && first["createdAt"].is_string());
    let (_, body) = rig.post(&upsert, &batch(&[input("ana@x.IO", json!({"city": "Oslo"}))])).await;
    assert_eq!((&body["results"][0]["new"], &body["results"][0]["id"]), (&json!(false), &first["id"]));
    assert_eq!(read(&rig, &["ana@x.io"], "firstname").await, [json!("Ana")]);
    let (_, body) = rig.post(&upsert, &batch(&[input("ana@x.io", json!({"firstname": ""}))])).await;
    assert!(body["results"][0]["properties"]["firstname"].is_null());
    assert_eq!(read(&rig, &["ana@x.io"], "firstname").await, [Json::Null], "an empty text clears");
    rig.stop().await;
}

#[tokio::test]
async fn with_trace_ids_a_bad_row_costs_itself_alone() {
    let rig = Rig::memory(block()).await;
    let inputs = [
        traced("r1", "a@x.io", json!({"lifetime_value": "1.5"})),
        traced("r2", "b@x.io", json!({"lifetime_value": "much", "plan": "C"})),
        traced("r3", "c@x.io", json!({"note": "blocked"})),
        traced("r4", "nobody", json!({})),
    ];
    let (status, body) = rig.post(&format!("{CONTACTS}/upsert"), &batch(&inputs)).await;
    assert_eq!((status, &body["status"], &body["numErrors"]), (207, &json!("COMPLETE"), &json!(3)));
    assert_eq!(body["results"].as_array().unwrap().len(), 1);
    assert_eq!(body["results"][0]["objectWriteTraceId"], "r1");
    for (error, trace, expected) in [
        (&body["errors"][0], "r2", &["INVALID_NUMBER", "INVALID_OPTION"][..]),
        (&body["errors"][1], "r3", &["INVALID_VALUE"]),
        (&body["errors"][2], "r4", &["INVALID_EMAIL"]),
    ] {
        assert_eq!((&error["status"], &error["category"]), (&json!("error"), &json!("VALIDATION_ERROR")));
        assert_eq!(error["context"]["objectWriteTraceId"], json!([trace]));
        assert_eq!(codes(&error["message"]), expected);
    }
    assert_eq!(read(&rig, &["a@x.io", "b@x.io"], "lifetime_value").await, [json!("1.5"), json!("absent")]);
    rig.stop().await;
}

#[tokio::test]
async fn from_2026_09_on_errors_come_with_the_ordinary_status() {
    let rig = Rig::memory(block()).await;
    let inputs = [traced("r1", "a@x.io", json!({})), traced("r2", "b@x.io", json!({"plan": "C"}))];
    for (version, expected) in [("2026-03", 207), ("2026-09", 200), ("2020-01", 404)] {
        let path = format!("/hubspot/crm/objects/{version}/contacts/batch/upsert");
        let (status, body) = rig.post(&path, &batch(&inputs)).await;
        assert_eq!(status, expected, "{version}: {body}");
        assert_eq!(body["numErrors"], if expected == 404 { Json::Null } else { json!(1) });
    }
    rig.stop().await;
}

#[tokio::test]
async fn without_trace_ids_on_every_input_a_bad_row_refuses_the_batch() {
    let rig = Rig::memory(block()).await;
    let good = input("a@x.io", json!({}));
    for inputs in [
        [good.clone(), input("b@x.io", json!({"nope": "1"}))],
        [traced("r1", "a@x.io", json!({})), input("b@x.io", json!({"nope": "1"}))],
        [traced("r", "a@x.io", json!({})), traced("r", "b@x.io", json!({"nope": "1"}))],
    ] {
        let (status, body) = rig.post(&format!("{CONTACTS}/upsert"), &batch(&inputs)).await;
        assert_eq!((status, &body["category"]), (400, &json!("VALIDATION_ERROR")));
        assert_eq!(codes(&body["message"]), ["PROPERTY_DOESNT_EXIST"]);
        assert!(body["correlationId"].is_string());
        assert_eq!(read(&rig, &["a@x.io"], "email").await, [json!("absent")], "nothing was written");
    }
    rig.stop().await;
}

#[tokio::test]
async fn what_is_no_proper_batch_is_refused() {
    let rig = Rig::memory(block()).await;
    let many: Vec<_> = (0..101).map(|n| input(&format!("c{n}@x.io"), json!({}))).collect();
    for (call, body, part) in [
        ("upsert", batch(&many), "maximum is 100"),
        ("upsert", batch(&[]), "empty"),
        ("upsert", batch(&[input("a@x.io", json!({})), input("A@x.io", json!({}))]), "Duplicate IDs"),
        ("upsert", batch(&[input("", json!({}))]), "empty id"),
        ("upsert", batch(&[input("a@x.io", json!({"lifetime_value": 5}))]), "Invalid input JSON on line 1"),
        ("upsert", batch(&[input("a@x.io", json!({"firstname": null}))]), "Invalid input JSON"),
        ("upsert", batch(&[json!({"id": "a@x.io", "properties": {}})]), "idProperty is required"),
        ("upsert", batch(&[json!({"id": "x", "idProperty": "firstname", "properties": {}})]), "non-unique"),
        (
            "upsert",
            batch(&[json!({"id": "1", "idProperty": "hs_object_id", "properties": {}})]),
            "non-unique",
        ),
        (
            "update",
            batch(&[json!({"id": "1", "idProperty": "hs_object_id", "properties": {}})]),
            "non-unique",
        ),
        (
            "upsert",
            batch(&[json!({"id": "a@x.io", "idproperty": "email", "properties": {}})]),
            "unknown field",
        ),
        ("upsert", json!({"input": []}), "unknown field"),
        (
            "archive",
            batch(&many.iter().map(|i| json!({"id": i["id"]})).collect::<Vec<_>>()),
            "maximum is 100",
        ),
        ("read", json!({"inputs": [], "properties": []}), "1 to 100"),
    ] {
        let (status, answer) = rig.post(&format!("{CONTACTS}/{call}"), &body).await;
        assert_eq!(status, 400, "{call} {part}: {answer}");
        assert!(answer["message"].as_str().unwrap().contains(part), "{part}: {answer}");
    }
    let raw = |body: &str, media: &str| {
        let path = format!("{CONTACTS}/upsert");
        rig.request(reqwest::Method::POST, &path).header("content-type", media).body(body.to_owned()).send()
    };
    assert_eq!(raw("{\"inputs\": [", "application/json").await.unwrap().status(), 400);
    assert_eq!(raw("{\"inputs\": []}", "text/plain").await.unwrap().status(), 415);
    let huge = format!("{{\"inputs\": [{}]}}", " ".repeat(17 << 20));
    assert_eq!(raw(&huge, "application/json").await.unwrap().status(), 400);
    assert_eq!(rig.get(&format!("{CONTACTS}/upsert")).await.0, 404);
    assert_eq!(rig.post(&format!("{CONTACTS}/destroy"), &json!({})).await.0, 404);
    let (status, body) = rig.post("/hubspot/crm/v3/objects/2-1/batch/read", &json!({})).await;
    assert_eq!((status, body["message"].as_str()), (400, Some("Unable to infer object type from: 2-1")));
    rig.stop().await;
}

#[tokio::test]
async fn unique_values_have_one_holder_among_the_living() {
    let rig = Rig::memory(block()).await;
    let create = format!("{CONTACTS}/create");
    let new = |email: &str, external: &str| json!({"properties": {"email": email, "external_id": external}});
    let (status, body) = rig.post(&create, &batch(&[new("a@x.io", "1")])).await;
    assert_eq!(status, 201);
    let id = body["results"][0]["id"].as_str().unwrap().to_owned();
    let (status, body) = rig.post(&create, &batch(&[new("A@x.io", "2")])).await;
    assert_eq!((status, &body["category"]), (409, &json!("CONFLICT")));
    assert_eq!(body["message"], format!("Contact already exists. Existing ID: {id}"));
    let (status, body) = rig.post(&create, &batch(&[new("b@x.io", "1")])).await;
    assert_eq!((status, codes(&body["message"])), (400, vec!["CONFLICTING_UNIQUE_VALUE".to_owned()]));
    let (_, body) = rig.post(&create, &batch(&[new("b@x.io", "2")])).await;
    let other = body["results"][0]["id"].clone();
    let change = |to: &str| batch(&[json!({"id": other, "properties": {"email": to}})]);
    assert_eq!(rig.post(&format!("{CONTACTS}/update"), &change("a@x.io")).await.0, 409);
    assert_eq!(rig.post(&format!("{CONTACTS}/update"), &change("c@x.io")).await.0, 200);
    assert_eq!(rig.post(&create, &batch(&[new("b@x.io", "3")])).await.0, 201, "the old value is free again");
    // By another unique property, and after an archive.
    let by =
        |external: &str| batch(&[json!({"id": external, "idProperty": "external_id", "properties": {}})]);
    let (_, body) = rig.post(&format!("{CONTACTS}/upsert"), &by("1")).await;
    assert_eq!((&body["results"][0]["id"], &body["results"][0]["new"]), (&json!(id), &json!(false)));
    let archive = batch(&[json!({"id": id}), json!({"id": "999999"})]);
    let answer =
        rig.request(reqwest::Method::POST, &format!("{CONTACTS}/archive")).json(&archive).send().await;
    let answer = answer.unwrap();
    assert_eq!((answer.status().as_u16(), answer.bytes().await.unwrap().len()), (204, 0));
    assert_eq!(read(&rig, &["a@x.io"], "email").await, [json!("absent")]);
    assert_eq!(rig.get(&format!("/hubspot/crm/v3/objects/contacts/{id}")).await.0, 404);
    assert_eq!(rig.get(&format!("/hubspot/crm/v3/objects/contacts/{id}?archived=true")).await.0, 200);
    let (_, body) = rig.post(&format!("{CONTACTS}/upsert"), &by("1")).await;
    assert_eq!(body["results"][0]["new"], true);
    assert_ne!(body["results"][0]["id"], json!(id));
    rig.stop().await;
}

#[tokio::test]
async fn reads_and_updates_name_what_is_absent() {
    let rig = Rig::memory(block()).await;
    let (_, body) =
        rig.post(&format!("{CONTACTS}/upsert"), &batch(&[input("a@x.io", json!({"plan": "A"}))])).await;
    let id = body["results"][0]["id"].clone();
    let both = json!({"inputs": [{"id": id}, {"id": "5"}], "properties": ["plan", "city"]});
    let (status, body) = rig.post(&format!("{CONTACTS}/read"), &both).await;
    assert_eq!((status, &body["errors"][0]["context"]["ids"]), (207, &json!(["5"])));
    assert_eq!(body["errors"][0]["category"], "OBJECT_NOT_FOUND");
    let properties = &body["results"][0]["properties"];
    assert_eq!((&properties["plan"], &properties["city"]), (&json!("A"), &Json::Null));
    let update =
        batch(&[json!({"id": id, "properties": {"plan": "B"}}), json!({"id": "5", "properties": {}})]);
    let (status, body) = rig.post(&format!("{CONTACTS}/update"), &update).await;
    assert_eq!(
        (status, &body["numErrors"], &body["errors"][0]["context"]["ids"]),
        (207, &json!(1), &json!(["5"]))
    );
    assert_eq!(body["results"][0]["properties"]["plan"], "B");
    let (status, body) =
        rig.get("/hubspot/crm/v3/objects/contacts/A%40x.io?idProperty=email&properties=plan,city").await;
    assert_eq!((status, &body["id"], &body["properties"]["plan"]), (200, &id, &json!("B")));
    assert_eq!(rig.get("/hubspot/crm/v3/objects/contacts/x?idProperty=city").await.0, 400);
    rig.stop().await;
}

#[tokio::test]
async fn custom_objects_have_the_declared_properties_and_required_ones() {
    let rig = Rig::memory(block()).await;
    let path = "/hubspot/crm/v3/objects/2-777/batch/upsert";
    let row = |properties: Json| batch(&[json!({"id": "k", "idProperty": "key", "properties": properties})]);
    let (status, body) = rig.post(path, &row(json!({}))).await;
    assert_eq!((status, &body["context"]["properties"]), (400, &json!(["label"])));
    assert_eq!(rig.post(path, &row(json!({"label": "x"}))).await.0, 200);
    assert_eq!(rig.post(path, &row(json!({}))).await.0, 200, "the object has it already");
    assert_eq!(rig.post(path, &row(json!({"label": ""}))).await.0, 400);
    rig.stop().await;
}

#[tokio::test]
async fn a_search_filters() {
    let rig = Rig::memory(block()).await;
    let inputs: Vec<_> = (0..3).map(|n| input(&format!("c{n}@x.io"), json!({"city": "Oslo"}))).collect();
    rig.post(&format!("{CONTACTS}/upsert"), &batch(&inputs)).await;
    let path = "/hubspot/crm/v3/objects/contacts/search";
    let filter = |property: &str, value: &str| {
        json!({"filterGroups": [{"filters": [{"propertyName": property, "operator": "EQ", "value": value}]}],
               "properties": ["email"], "limit": 2, "sorts": [], "after": "0"})
    };
    let (status, body) = rig.post(path, &filter("email", "C1@x.io")).await;
    assert_eq!((status, &body["total"]), (200, &json!(1)));
    assert_eq!(body["results"][0]["properties"]["email"], "c1@x.io");
    let (_, body) = rig.post(path, &filter("city", "oslo")).await;
    assert_eq!((&body["total"], &body["paging"]["next"]["after"]), (&json!(3), &json!("2")));
    assert_eq!(rig.post(path, &filter("nope", "x")).await.0, 400);
    // Five in a second, and the answers carry no window.
    let statuses = futures_util::future::join_all((0..6).map(|_| {
        let body = filter("city", "x");
        let request = rig.request(reqwest::Method::POST, path).json(&body).send();
        async { request.await.unwrap() }
    }));
    let answers = statuses.await;
    assert!(answers.iter().any(|answer| answer.status() == 429));
    assert!(answers.iter().all(|answer| !answer.headers().contains_key("x-hubspot-ratelimit-max")));
    rig.stop().await;
}

#[tokio::test]
async fn tokens_are_checked() {
    let rig = Rig::memory(block()).await;
    let upsert = format!("{CONTACTS}/upsert");
    let body = batch(&[input("a@x.io", json!({}))]);
    let send = async |token: &str, method: reqwest::Method, path: &str| {
        let request = rig.request(method, path).header("authorization", "");
        let mut request = request.json(&body).build().unwrap();
        let headers = request.headers_mut();
        headers.remove("authorization");
        if !token.is_empty() {
            headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        let answer = reqwest::Client::new().execute(request).await.unwrap();
        (answer.status().as_u16(), answer.json::<Json>().await.unwrap())
    };
    for token in ["", "invalid"] {
        let (status, answer) = send(token, reqwest::Method::POST, &upsert).await;
        assert_eq!((status, &answer["category"]), (401, &json!("INVALID_AUTHENTICATION")));
    }
    let (status, answer) = send("no-write-scope", reqwest::Method::POST, &upsert).await;
    assert_eq!((status, &answer["category"]), (403, &json!("MISSING_SCOPES")));
    let scopes = &answer["errors"][0]["context"]["requiredGranularScopes"];
    assert_eq!(scopes, &json!(["crm.objects.contacts.write"]));
    assert_eq!(read(&rig, &["a@x.io"], "email").await, [json!("absent")]);
    let properties = "/hubspot/crm/v3/properties/contacts";
    assert_eq!(send("no-write-scope", reqwest::Method::GET, properties).await.0, 200);
    assert_eq!(send("invalid", reqwest::Method::GET, properties).await.0, 401);
    rig.stop().await;
}

#[tokio::test]
async fn the_catalogue_lists_default_and_declared_properties() {
    let rig = Rig::memory(block()).await;
    let (status, body) = rig.get("/hubspot/crm/v3/properties/contacts").await;
    assert_eq!(status, 200);
    let results = body["results"].as_array().unwrap();
    let of = |name: &str| results.iter().find(|p| p["name"] == name).unwrap();
    for (name, kind) in [
        ("email", "string"),
        ("createdate", "datetime"),
        ("lifecyclestage", "enumeration"),
        ("lifetime_value", "number"),
        ("plan", "enumeration"),
    ] {
        assert_eq!(of(name)["type"], kind, "{name}");
    }
    assert_eq!(of("createdate")["modificationMetadata"]["readOnlyValue"], true);
    assert_eq!(of("external_id")["hasUniqueValue"], true);
    let options = of("plan")["options"].as_array().unwrap();
    assert_eq!(options.iter().map(|o| &o["value"]).collect::<Vec<_>>(), ["A", "B"]);
    assert!(!of("note").to_string().contains("blocked"), "the rule is not in the catalogue");
    assert_eq!(rig.get("/hubspot/crm/v3/properties/0-1").await.1, body);
    assert_eq!(rig.get("/hubspot/crm/v3/properties/nothing").await.0, 400);
    let (_, details) = rig.get("/hubspot/account-info/v3/details").await;
    assert_eq!((&details["portalId"], &details["timeZone"]), (&json!(62_515), &json!("UTC")));
    rig.stop().await;
}

#[tokio::test]
async fn the_window_and_the_day_are_exact() {
    let mut block = block();
    block["limits"] = json!({"requests": "3/10s", "daily_calls": 5});
    let rig = Rig::memory(block).await;
    let details = "/hubspot/account-info/v3/details";
    for remaining in ["2", "1", "0"] {
        let answer = rig.request(reqwest::Method::GET, details).send().await.unwrap();
        let header = |name: &str| answer.headers()[name].to_str().unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(header("x-hubspot-ratelimit-remaining"), remaining);
        assert_eq!(header("x-hubspot-ratelimit-max"), "3");
        assert_eq!(header("x-hubspot-ratelimit-interval-milliseconds"), "10000");
        assert_eq!(header("x-hubspot-ratelimit-daily"), "5");
        assert!(!header("x-hubspot-correlation-id").is_empty());
    }
    let (status, body) = rig.get(details).await;
    assert_eq!((status, &body["policyName"]), (429, &json!("TEN_SECONDLY_ROLLING")));
    assert_eq!((&body["status"], &body["errorType"]), (&json!("error"), &json!("RATE_LIMIT")));
    rig.stop().await;

    let rig = Rig::memory(json!({"limits": {"daily_calls": 2}})).await;
    let (_, usage) = rig.get("/hubspot/account-info/v3/api-usage/daily/private-apps").await;
    let usage = &usage["results"][0];
    assert_eq!((&usage["usageLimit"], &usage["currentUsage"]), (&json!(2), &json!(1)));
    assert_eq!(rig.get(details).await.0, 200);
    let (status, body) = rig.get(details).await;
    assert_eq!((status, &body["policyName"]), (429, &json!("DAILY")));
    rig.stop().await;
}
