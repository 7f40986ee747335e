//! HubSpot CRM objects: batch upsert, create, update and archive, each input with its own trace id, so that one bad
//! record is refused alone.
//!
//! Facts from <https://developers.hubspot.com/docs/api-reference/error-handling>,
//! <https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines> and recorded answers in
//! `fixtures/http/hubspot`.

mod answers;
mod associations;
mod client;
mod config;
mod connector;
mod creation;
mod encode;
mod errors;
mod existing;
mod links;
mod lists;
mod named;
mod playbook;
mod properties;
mod sandbox;
#[cfg(test)]
mod tests;
mod version;

use std::sync::Arc;

pub use connector::HubSpot;

use crate::contract::Destination;
use crate::registry::{Connector, Limits};

fn option_schema(option: &str) -> serde_json::Value {
    match option {
        "create_missing_properties" => serde_json::json!({"type": "boolean"}),
        "on_conflict" => serde_json::json!({"enum": ["refuse", "update"]}),
        _ => serde_json::json!({}),
    }
}

/// HubSpot's line in the registry.
pub const CONNECTOR: Connector = Connector {
    name: "hubspot",
    title: "HubSpot",
    summary: "CRM objects by batch upsert, archive for removals",
    settings: config::SETTINGS,
    destination: Some(|settings| Ok(Arc::new(HubSpot::new(settings)?) as Arc<dyn Destination>)),
    capabilities: Some(|| connector::capabilities_of(&Limits::default())),
    objects: &["contacts", "companies", "deals", "tickets", "products", "a type id (`2-1234567`)"],
    object_name: client::object_name,
    options: &["create_missing_properties", "list", "on_conflict"],
    option_schema: Some(option_schema),
    emulator: Some(sandbox::EMULATOR),
    errors: playbook::ENTRIES,
    ..Connector::BLANK
};
