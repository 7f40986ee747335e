//! Salesforce: any object, standard or custom, by collections of records or by jobs of the Bulk API 2.0.
//!
//! Facts from the REST API Developer Guide (<https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta>), the Bulk API 2.0
//! and Bulk API Developer Guide (<https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta>) and recorded answers in `fixtures/http/salesforce`.

mod answers;
mod bulk;
mod client;
mod columns;
mod config;
mod connector;
mod course;
mod describe;
mod encode;
mod errors;
mod jobs;
mod lookup;
mod options;
mod orphans;
mod part;
mod playbook;
mod results;
mod resume;
mod rows;
mod sandbox;
mod session;
mod sheet;
#[cfg(test)]
mod tests;
mod trail;

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
    object_name: |object| object.to_ascii_lowercase(),
    options: options::NAMES,
    option_schema: Some(options::schema),
    emulator: Some(sandbox::EMULATOR),
    errors: playbook::ENTRIES,
    ..Connector::BLANK
};
