//! The example of Marketo, held against the vendor's own description of its API.

use std::fs;
use std::path::Path;

use outflow_connectors::conformance::openapi::Description;
use serde_json::Value as Json;

use crate::support::{outflow, quickstart};

fn read(path: &Path) -> Json {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[track_caller]
fn hold(schema: Option<Json>, instance: &Json, what: &str) {
    let Some(schema) = schema else { return };
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let faults: Vec<String> =
        validator.iter_errors(instance).map(|e| format!("{e} at {}", e.instance_path())).collect();
    assert!(faults.is_empty(), "{what}: {faults:#?}");
}

/// Runs the example with this change to its mapping; the operations that it used, each held against the description.
fn operations(change: impl Fn(String) -> String) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let described = Description::new(read(&root.join("connectors/marketo/tests/openapi.json")));
    let project = quickstart();
    let mapping = project.path().join("mappings/customers_to_marketo.yml");
    fs::write(&mapping, change(fs::read_to_string(&mapping).unwrap())).unwrap();
    outflow(project.path(), &["sync", "customers_to_marketo", "--record", "kept"]).ends(0);
    let mut seen = Vec::new();
    for file in fs::read_dir(project.path().join("kept/marketo")).unwrap() {
        let path = file.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains("Bearer") && !text.contains("client_secret"), "{}: {text}", path.display());
        let exchange = read(&path);
        let (request, response) = (&exchange["request"], &exchange["response"]);
        let (method, path) = (request["method"].as_str().unwrap(), request["path"].as_str().unwrap());
        if path.starts_with("/identity/") || path.contains("/marketo/identity/") {
            continue;
        }
        let what = format!("{method} {path}");
        let operation = described.operation(method, path.split('?').next().unwrap());
        let operation = operation.unwrap_or_else(|| panic!("{what} is not described"));
        hold(described.request(operation), &request["body"], &what);
        assert_eq!(response["status"], 200, "{what}: {response:#}");
        hold(described.answer(operation, 200), &response["body"], &what);
        seen.push(operation["operationId"].as_str().unwrap().to_owned());
    }
    seen
}

#[track_caller]
fn assert_used(seen: &[String], wanted: &[&str]) {
    for id in wanted {
        assert!(seen.iter().any(|used| used == id), "{id} is not among {seen:?}");
    }
}

#[test]
fn every_call_of_the_example_is_as_the_vendor_describes_it() {
    let seen = operations(|text| text);
    let wanted = [
        "getDailyUsageUsingGET",
        "describeUsingGET_6",
        "getListByIdUsingGET",
        "syncLeadUsingPOST",
        "addLeadsToListUsingPOST",
    ];
    assert_used(&seen, &wanted);
}

#[test]
fn so_is_an_import_of_it() {
    let seen = operations(|text| text.replace("  object: leads", "  object: leads\n  api: import"));
    assert_used(&seen, &["importLeadUsingPOST", "getImportLeadStatusUsingGET"]);
}
