//! Properties that sessions create, some at once.

use serde_json::json;

use super::emulator::{PATIENCE, Rig};
use super::{change, field, is_applied, target};
use crate::conformance::support;
use crate::contract::{Change, ConnectorError, FieldType, Kind, Outcome, Property, Target, Verb};
use crate::hubspot::HubSpot;

async fn deliver(hubspot: &HubSpot, kind: FieldType, change: Change) -> Result<Vec<Outcome>, ConnectorError> {
    let target = Target { missing: vec![Property::new("visits", kind)], ..target() };
    support::submit(hubspot, &target, vec![change]).await
}

fn visitor(n: usize) -> Change {
    let mut change = change(Verb::Upsert, &format!("p{n}@example.com"), None);
    change.fields.push(field("visits", "7"));
    change
}

#[tokio::test]
async fn several_runs_may_create_the_same_property_and_another_type_is_told() {
    let rig = Rig::with(json!({}), PATIENCE).await;
    let runs = (0..4).map(|n| deliver(&rig.hubspot, FieldType::Number, visitor(n)));
    for outcomes in futures_util::future::join_all(runs).await {
        assert!(is_applied(&outcomes.unwrap()[0]));
    }
    assert_eq!(rig.shown()["objects"]["hubspot"]["properties/contacts"].as_array().unwrap().len(), 1);
    let error = deliver(&rig.hubspot, FieldType::Date, visitor(9)).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (Kind::Config, Some("PROPERTY_TYPE_MISMATCH")));
    assert!(error.message.contains("`visits`") && error.message.contains("number"), "{error}");
    rig.sandbox.stop().await;
}
