//! Any JSON API, declared in the mapping: requests by templates, answers by rules. What no rule calls a success is none.
//!
//! Its name in a project is `http`; `connectors/http/` is the sender that all connectors share.

mod block;
mod config;
mod connector;
mod encode;
mod playbook;
mod requests;
mod rows;
mod rules;
mod sandbox;
mod schema;
mod session;
mod template;
#[cfg(test)]
mod tests;
mod value;

use std::sync::Arc;

pub use connector::JsonApi;

use crate::contract::Destination;
use crate::registry::Connector;

/// The line of any JSON API in the registry.
pub const CONNECTOR: Connector = Connector {
    name: "http",
    title: "HTTP",
    summary: "Any JSON API, by requests and rules that the mapping declares",
    settings: config::SETTINGS,
    destination: Some(|settings| Ok(Arc::new(JsonApi::new(settings)?) as Arc<dyn Destination>)),
    capabilities: Some(connector::usual),
    objects: &["a name of yours"],
    options: requests::OPTIONS,
    option_schema: Some(schema::of_option),
    emulator: Some(sandbox::EMULATOR),
    errors: playbook::ENTRIES,
    ..Connector::BLANK
};
