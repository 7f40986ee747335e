//! Template: people by batches of operations, each answered by itself.
//!
//! Facts from <https://template.example/docs> and the answers in `fixtures/http/template`.

mod answers;
mod client;
mod config;
mod connector;
mod encode;
mod errors;
mod playbook;
mod sandbox;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use connector::TemplateDestination;

use crate::contract::Destination;
use crate::registry::{Connector, Limits};

/// Template's line in the registry.
pub const CONNECTOR: Connector = Connector {
    name: "template",
    title: "Template",
    summary: "People by batch upsert and delete",
    settings: config::SETTINGS,
    destination: Some(|settings| Ok(Arc::new(TemplateDestination::new(settings)?) as Arc<dyn Destination>)),
    capabilities: Some(|| connector::capabilities(&Limits::default())),
    objects: &["people"],
    emulator: Some(sandbox::EMULATOR),
    errors: playbook::ENTRIES,
    ..Connector::BLANK
};
