//! Every request that the example sends to SendGrid is one that the vendor's own OpenAPI documents allow.

use std::fs;
use std::path::Path;

use serde_json::{Value as Json, json};

use crate::support::{outflow, quickstart};

/// The vendor's documents that stand beside the recorded answers.
fn documents() -> Vec<Json> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/http/sendgrid/openapi");
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files.map(|file| serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()).collect()
}

/// The operation of a request, with the document that has it and the parameters that its path fills.
fn operation<'a>(documents: &'a [Json], method: &str, path: &str) -> Option<(&'a Json, &'a Json)> {
    let wanted: Vec<&str> = path.split('?').next().unwrap().split('/').collect();
    let fits = |template: &str| {
        let parts: Vec<&str> = template.split('/').collect();
        parts.len() == wanted.len()
            && parts.iter().zip(&wanted).all(|(part, one)| part == one || part.starts_with('{'))
    };
    documents.iter().find_map(|document| {
        let paths = document["paths"].as_object().unwrap();
        // A path that is written out goes before one with a parameter.
        let exact = paths.get(wanted.join("/").as_str());
        let paths =
            exact.into_iter().chain(paths.iter().filter(|(path, _)| fits(path)).map(|(_, item)| item));
        paths.filter_map(|item| item.get(method)).next().map(|operation| (document, operation))
    })
}

/// What is wrong with a request, by the vendor's document.
fn faults(documents: &[Json], request: &Json) -> Vec<String> {
    let (method, path) =
        (request["method"].as_str().unwrap().to_lowercase(), request["path"].as_str().unwrap());
    let Some((document, operation)) = operation(documents, &method, path) else {
        return vec![format!("no operation `{method} {path}`")];
    };
    let body = &operation["requestBody"]["content"]["application/json"]["schema"];
    if body.is_null() {
        return if request["body"].is_null() {
            Vec::new()
        } else {
            vec![format!("`{method} {path}` has no body")]
        };
    }
    let mut schema = body.clone();
    // References are those of the whole document; keys that no schema names are refused.
    schema["components"] = document["components"].clone();
    strict(&mut schema);
    let validator = jsonschema::validator_for(&schema).unwrap();
    validator
        .iter_errors(&request["body"])
        .map(|error| format!("{path}{}: {error}", error.instance_path()))
        .collect()
}

/// Refuses keys that are not named, but for those of `custom_fields`, whose names are the account's.
fn strict(schema: &mut Json) {
    match schema {
        Json::Object(entries) => {
            let is_open = entries.get("properties").is_none_or(|properties| properties.get("w1").is_some());
            if !is_open && entries.get("type") == Some(&json!("object")) {
                entries.insert("additionalProperties".to_owned(), json!(false));
            }
            if entries.get("properties").is_some_and(|properties| properties.get("w1").is_some()) {
                // The document calls every value of a custom field a text; recorded calls send numbers as such.
                entries.remove("properties");
            }
            entries.values_mut().for_each(strict);
        }
        Json::Array(items) => items.iter_mut().for_each(strict),
        _ => {}
    }
}

/// Runs the example with these changes to its mapping, and gives its requests to SendGrid itself.
fn requests(change: impl Fn(String) -> String) -> Vec<Json> {
    let project = quickstart();
    let mapping = project.path().join("mappings/customers_to_sendgrid.yml");
    let text = change(fs::read_to_string(&mapping).unwrap());
    fs::write(&mapping, text).unwrap();
    outflow(project.path(), &["sync", "customers_to_sendgrid", "--record", "kept"]).ends(0);
    let mut files: Vec<_> = fs::read_dir(project.path().join("kept/sendgrid"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    let read = |path: &std::path::PathBuf| -> Json {
        let text = fs::read_to_string(path).unwrap();
        assert!(!text.contains("SG.") && !text.contains("Bearer"), "{text}");
        serde_json::from_str::<Json>(&text).unwrap()["request"].clone()
    };
    // `/v3/user/username` stands in a document that is not carried.
    files.iter().map(read).filter(|request| request["path"] != "/v3/user/username").collect()
}

#[track_caller]
fn assert_allowed(requests: &[Json], wanted: &[&str]) {
    let documents = documents();
    let faults: Vec<String> = requests.iter().flat_map(|request| faults(&documents, request)).collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    let made: Vec<String> = requests
        .iter()
        .map(|r| format!("{} {}", r["method"].as_str().unwrap(), r["path"].as_str().unwrap()))
        .collect();
    for part in wanted {
        assert!(made.iter().any(|made| made.starts_with(part)), "`{part}` is not among {made:#?}");
    }
}

#[test]
fn the_example_sends_what_the_vendors_documents_allow() {
    let requests = requests(|text| text);
    let wanted = [
        "GET /v3/marketing/lists/",
        "GET /v3/marketing/field_definitions",
        "PUT /v3/marketing/contacts",
        "GET /v3/marketing/contacts/imports/",
    ];
    assert_allowed(&requests, &wanted);
    let upsert = requests.iter().find(|request| request["method"] == "PUT").unwrap();
    assert_eq!(upsert["body"]["contacts"].as_array().unwrap().len(), 59);
}

#[test]
fn so_does_an_import_of_it() {
    let requests = requests(|text| text.replace("  object: contacts", "  object: contacts\n  api: import"));
    assert_allowed(&requests, &["PUT /v3/marketing/contacts/imports", "GET /v3/marketing/contacts/imports/"]);
}

#[test]
fn a_request_that_breaks_the_document_is_found() {
    let documents = documents();
    let put = |body: Json| json!({"method": "PUT", "path": "/v3/marketing/contacts", "body": body});
    assert_eq!(faults(&documents, &put(json!({"contacts": [{"email": "a@x.io"}]}))), Vec::<String>::new());
    for broken in [
        put(json!({})),
        put(json!({"contacts": []})),
        put(json!({"contacts": [{"email": 7}]})),
        put(json!({"contacts": [{"email": "a@x.io", "nonsense": "x"}]})),
        put(json!({"contacts": [{"city": "x".repeat(61)}]})),
        json!({"method": "POST", "path": "/v3/marketing/contacts", "body": {}}),
        json!({"method": "PUT", "path": "/v3/marketing/contacts/imports", "body": {"file_type": "xml", "field_mappings": ["a"]}}),
    ] {
        assert!(!faults(&documents, &broken).is_empty(), "{broken}");
    }
}
