//! Salesforce: any object, standard or custom, by collections of records.
//!
//! Facts from the REST API Developer Guide (<https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta>) and recorded
//! answers in `fixtures/http/salesforce`.

mod answers;
mod client;
mod columns;
mod config;
mod connector;
mod describe;
mod encode;
mod errors;
mod lookup;
mod options;
mod playbook;
mod sandbox;
mod session;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use connector::Salesforce;

use crate::contract::Destination;
use crate::registry::Connector;

/// Salesforce's line in the registry.
pub const CONNECTOR: Connector = Connector {
    name: config::TYPE,
    title: errors::VENDOR.title,
    summary: "any standard or custom object, by external id, with parents by theirs",
    settings: config::SETTINGS,
    destination: Some(|settings| Ok(Arc::new(Salesforce::new(settings)?) as Arc<dyn Destination>)),
    capabilities: Some(connector::usual),
    objects: &["Account", "Contact", "Lead", "any other sObject"],
    options: options::NAMES,
    option_schema: Some(options::schema),
    emulator: Some(sandbox::EMULATOR),
    errors: playbook::ENTRIES,
    ..Connector::BLANK
};
