//! The example of Klaviyo, held against the vendor's own description of its API.

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
    let Some(schema) = schema else {
        return assert!(instance.is_null() || instance == "", "{what} has a body: {instance}");
    };
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let faults: Vec<String> =
        validator.iter_errors(instance).map(|e| format!("{e} at {}", e.instance_path())).collect();
    assert!(faults.is_empty(), "{what}: {faults:#?}");
}

#[test]
fn every_request_of_the_example_is_as_the_vendor_describes_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let described = Description::new(read(&root.join("connectors/klaviyo/tests/openapi.json")));
    let project = quickstart();
    let sync = ["sync", "customers_to_klaviyo", "--record", "kept"];
    outflow(project.path(), &sync).ends(0);
    let mut seen = Vec::new();
    for file in fs::read_dir(project.path().join("kept/klaviyo")).unwrap() {
        let exchange = read(&file.unwrap().path());
        let (request, response) = (&exchange["request"], &exchange["response"]);
        let (method, path) = (request["method"].as_str().unwrap(), request["path"].as_str().unwrap());
        let what = format!("{method} {path}");
        let operation = described.operation(method, path.split('?').next().unwrap());
        let operation = operation.unwrap_or_else(|| panic!("{what} is not described"));
        hold(described.request(operation), &request["body"], &what);
        let status = response["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap();
        assert!((200..300).contains(&status), "{what}: {response:#}");
        hold(described.answer(operation, status), &response["body"], &what);
        seen.push(operation["operationId"].as_str().unwrap().to_owned());
    }
    for needed in [
        "get_accounts",
        "get_list",
        "bulk_import_profiles",
        "get_bulk_import_profiles_job",
        "get_errors_for_bulk_import_profiles_job",
    ] {
        assert!(seen.iter().any(|id| id == needed), "{needed} is not among {seen:?}");
    }
}
