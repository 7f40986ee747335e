//! The JSON Schemas accept what the loader accepts and refuse what it refuses.

use outflow_connectors::registry::REGISTRY as RELEASED;
use serde_json::{Value as Json, json};

use super::support::REGISTRY;
use crate::project::schema;

fn yaml(text: &str) -> Json {
    serde_saphyr::from_str(text).unwrap()
}

fn accepts(schema: &Json, document: &Json) -> bool {
    jsonschema::validator_for(schema).unwrap().is_valid(document)
}

const PROJECT: &str = r#"
name: acme
state: .outflow
vars: {country: JP}
connections:
  warehouse: {type: sqlite, path: fixtures/chinook.sqlite}
  marketing: {type: hubspot, token: "${HUBSPOT_TOKEN}", limits: {requests: 190/10s}}
targets:
  dev:  {connections: {marketing: {base_url: https://example.com}}}
"#;

const MAPPING: &str = r#"
sync: contacts_to_hubspot
owner: "@growth-data"
tags: [crm, hourly]
source:
  connection: warehouse
  model: customers
  primary_key: customer_id
destination:
  connection: marketing
  object: contacts
  match_on: {email: email}
mode: upsert
on_delete: ignore
fields:
  firstname: first_name
  lifetime_value: {column: ltv, type: number, scale: 2, on_null: clear}
  segment: {template: "{{ plan | upper }}-{{ country }}"}
  source_system: {value: outflow}
  last_seen: {column: last_seen_at, type: datetime, diff: false}
tests:
  - unique: customer_id
  - not_null: [email]
  - freshness: {column: updated_at, max_age: 24h}
guards: {max_change: 50%, max_delete: 5%, min_rows: 1, max_rejected: 10%}
delivery: {batch_rows: 100, batch_bytes: 4MB, concurrency: 4, rate: 15/s}
depends_on: [companies_to_hubspot]
sla: {finish_by: "08:00", timezone: Asia/Tokyo, max_age: 2h}
window: "08:00-21:00 Asia/Tokyo"
deliver_within: 45m
priority: lifetime_value
"#;

#[test]
fn both_are_schemas_and_accept_the_examples() {
    let (project, mapping) = (schema::project(REGISTRY), schema::mapping(REGISTRY));
    for schema in [&project, &mapping] {
        jsonschema::meta::validate(schema).unwrap_or_else(|e| panic!("{e}"));
    }
    assert!(accepts(&project, &yaml(PROJECT)));
    assert!(accepts(&mapping, &yaml(MAPPING)));
}

#[test]
fn the_released_schemas_accept_the_quickstart() {
    let (project, mapping) = (schema::project(RELEASED), schema::mapping(RELEASED));
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = |path: &str| yaml(&std::fs::read_to_string(root.join(path)).unwrap());
    assert!(accepts(&project, &file("outflow.yml")));
    for entry in std::fs::read_dir(root.join("mappings")).unwrap() {
        let name = entry.unwrap().file_name();
        let document = file(&format!("mappings/{}", name.to_str().unwrap()));
        assert!(accepts(&mapping, &document), "{document}");
    }
    // What two connectors mean by one option fits either way.
    let list = file("mappings/contacts_to_hubspot.yml");
    for value in [json!("Newsletter"), json!(7)] {
        assert!(accepts(&mapping, &with(&list, "/destination/list", Some(value))));
    }
    for own in ["segments", "associations", "lists"] {
        let block = with(&file("outflow.yml"), "/connections/lifecycle/sandbox", Some(json!({(own): {}})));
        assert!(accepts(&project, &block), "{own}");
    }
    let http = file("mappings/customers_to_customerio.yml");
    for (pointer, value) in [
        ("/destination/request/method", None),
        ("/destination/request/method", Some(json!("GET"))),
        ("/destination/request/bodi", Some(json!("{}"))),
        ("/destination/success/status", None),
        ("/destination/success/status", Some(json!([2000]))),
        ("/destination/rejected/message", Some(json!("meta"))),
        ("/destination/remote_id", Some(json!(7))),
    ] {
        assert!(!accepts(&mapping, &with(&http, pointer, value)), "{pointer}");
    }
}

/// Replaces the value at a pointer, or takes it out.
fn with(document: &Json, pointer: &str, value: Option<Json>) -> Json {
    let mut document = document.clone();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let object = document.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match value {
        Some(value) => object.insert(key.to_owned(), value),
        None => object.remove(key),
    };
    document
}

#[test]
fn both_refuse_what_is_wrong() {
    let (project, mapping) = (schema::project(REGISTRY), schema::mapping(REGISTRY));
    for (pointer, value) in [
        ("/name", None),
        ("/nmae", Some(json!("x"))),
        ("/connections/warehouse/path", None),
        ("/connections/warehouse/token", Some(json!("x"))),
        ("/connections/warehouse/type", Some(json!("sqllite"))),
        ("/connections/marketing/limits/requests", Some(json!("190 per 10s"))),
        ("/targets/dev/connections/marketing/limits", Some(json!(3))),
        ("/policies", Some(json!([]))),
    ] {
        let document = with(&yaml(PROJECT), pointer, value);
        assert!(!accepts(&project, &document), "{pointer}");
    }
    for (pointer, value) in [
        ("/source", None),
        ("/mode", Some(json!("upsrt"))),
        ("/source/query", Some(json!("select 1"))),
        ("/source/model", None),
        ("/destination/lists", Some(json!([1]))),
        ("/fields/segment/column", Some(json!("a"))),
        ("/fields/firstname", Some(json!(3))),
        ("/guards/max_delete", Some(json!("101%"))),
        ("/delivery/rate", Some(json!("15"))),
        ("/delivery/batch_bytes", Some(json!("4 XB"))),
        ("/sla/finish_by", Some(json!("8 o'clock"))),
        ("/tests", Some(json!([{"unique": "a", "not_null": "b"}]))),
        ("/window", Some(json!("1h"))),
        ("/window", Some(json!("08:00-24:00 Asia/Tokyo"))),
        ("/deliver_within", Some(json!("soon"))),
        ("/priority", Some(json!(["ltv"]))),
        ("/associations", Some(json!([{"to": "companies"}]))),
        ("/associations", Some(json!([{"to": "companies", "id": "a", "match_on": {"b": "c"}}]))),
    ] {
        let document = with(&yaml(MAPPING), pointer, value);
        assert!(!accepts(&mapping, &document), "{pointer}");
    }
}

#[test]
fn names_are_as_the_loader_takes_them() {
    let mapping = schema::mapping(REGISTRY);
    assert!(!mapping.to_string().contains("\\\\p{"), "validators in Python know no `\\p`");
    for (name, fits) in [
        ("contacts_to_hubspot", true),
        ("_A-1.b", true),
        ("Kundenübersicht", true),
        ("顧客", true),
        ("-a", false),
        (".a", false),
        ("a.", false),
        ("a b", false),
        ("a/b", false),
        ("a@b", false),
        ("a[b", false),
        ("", false),
    ] {
        let accepted = accepts(&mapping, &with(&yaml(MAPPING), "/sync", Some(json!(name))));
        assert_eq!(accepted, fits, "{name}");
        assert_eq!(crate::project::check::is_name(name), fits, "{name}");
    }
}

#[test]
fn a_variable_may_stand_for_any_value() {
    let mapping = schema::mapping(REGISTRY);
    for (pointer, value) in
        [("/mode", "${MODE}"), ("/guards/min_rows", "${MIN:-3}"), ("/delivery/rate", "${RATE}/s")]
    {
        assert!(accepts(&mapping, &with(&yaml(MAPPING), pointer, Some(json!(value)))), "{pointer}");
    }
}
