//! Brevo contacts: one request a contact, whose own answer is its outcome, or an import of many whose outcomes are read back.
//!
//! Facts from <https://developers.brevo.com/reference>, and from the vendor's own clients, `brevo-python` 1.2 and
//! `@getbrevo/brevo`, whose pages name the same calls.

mod attributes;
mod batch;
mod client;
mod config;
mod connector;
mod creation;
mod encode;
mod errors;
mod import;
mod members;
mod options;
mod playbook;
mod readback;
mod sandbox;
mod session;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use connector::Brevo;

use crate::contract::Destination;
use crate::registry::{Connector, Limits};

/// Brevo's line in the registry.
pub const CONNECTOR: Connector = Connector {
    name: "brevo",
    title: "Brevo",
    summary: "Contacts one by one or by import, put on lists; members of a list",
    settings: config::SETTINGS,
    destination: Some(|settings| Ok(Arc::new(Brevo::new(settings)?) as Arc<dyn Destination>)),
    capabilities: Some(|| connector::capabilities_of(&Limits::default())),
    objects: &[options::CONTACTS],
    options: &["api", "create_missing_properties", "list", "lists", "max_bytes"],
    option_schema: Some(options::schema),
    emulator: Some(sandbox::EMULATOR),
    errors: playbook::ENTRIES,
    ..Connector::BLANK
};
