//! Properties that sessions create, some at once.

use serde_json::json;

use super::emulator::{PATIENCE, Rig};
use super::{NoHandles, change, field, is_applied, target};
use crate::contract::{
    Change, ConnectorError, Destination, FieldType, Kind, Outcome, Property, RunContext, Submitted, Target,
    Verb,
};
use crate::hubspot::HubSpot;

async fn deliver(hubspot: &HubSpot, kind: FieldType, change: Change) -> Result<Vec<Outcome>, ConnectorError> {
    let target = Target { missing: vec![Property::new("visits", kind)], ..target() };
    let session = hubspot.open(&target, RunContext::alone("run", "contacts")).await?;
    let Submitted::Done(receipt) = session.submit(&vec![change], &NoHandles).await? else { panic!("no job") };
    Ok(receipt.into_outcomes())
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
