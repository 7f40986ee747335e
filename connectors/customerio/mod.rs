//! Customer.io: people, their events, manual segments and suppressed people, by its Track API.
//!
//! The Track API only takes: an answer says what was accepted, and nothing can be read back. What Customer.io accepts and
//! then cannot apply stands in the workspace's activity log alone.
//!
//! Facts from <https://docs.customer.io/api/track/>, its OpenAPI description, and recorded answers in
//! `fixtures/http/customerio`.

mod answers;
mod client;
mod config;
mod connector;
mod encode;
mod errors;
mod fields;
mod playbook;
mod sandbox;
mod session;
mod target;
#[cfg(test)]
mod tests;
mod ulid;

use std::sync::Arc;

pub use connector::CustomerIo;

use crate::contract::Destination;
use crate::registry::Connector;

/// Customer.io's line in the registry.
pub const CONNECTOR: Connector = Connector {
    name: config::TYPE,
    title: errors::VENDOR.title,
    summary: "people and events in batches, members of manual segments, suppressed people",
    settings: config::SETTINGS,
    destination: Some(|settings| Ok(Arc::new(CustomerIo::new(settings)?) as Arc<dyn Destination>)),
    capabilities: Some(connector::usual),
    objects: &["people", "events"],
    options: &["list", "timestamps", "unseen_updates"],
    option_schema: Some(target::option_schema),
    emulator: Some(sandbox::EMULATOR),
    errors: playbook::ENTRIES,
    ..Connector::BLANK
};
