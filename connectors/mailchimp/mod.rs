//! Mailchimp: the members of a list (an audience), written together or one by one, or by batches of operations that
//! Mailchimp works through by itself; and tags as audiences.
//!
//! Facts from the vendor's own client (`mailchimp-marketing` 3.0.80, whose calls name paths and parameters), from
//! <https://mailchimp.com/developer/marketing/docs/fundamentals/>, and from what a real account answered
//! (`fixtures/http/mailchimp/recorded.jsonl`).

mod archived;
mod client;
mod config;
mod connector;
mod creation;
mod encode;
mod errors;
mod fields;
mod jobs;
mod options;
mod playbook;
mod removal;
mod results;
mod sandbox;
mod session;
mod tags;
#[cfg(test)]
mod tests;
mod together;
mod upsert;

use std::sync::Arc;

pub use connector::Mailchimp;

use crate::contract::Destination;
use crate::registry::{Connector, Limits};

/// Mailchimp's line in the registry.
pub const CONNECTOR: Connector = Connector {
    name: "mailchimp",
    title: "Mailchimp",
    summary: "Members of a list, together or one by one, with their tags; a tag as an audience",
    unconfirmed: "calls for many members at once, batches of operations and removal for good; single calls are held against \
                  recordings of the real service",
    settings: config::SETTINGS,
    destination: Some(|settings| Ok(Arc::new(Mailchimp::new(settings)?) as Arc<dyn Destination>)),
    capabilities: Some(|| connector::usual(&Limits::default())),
    objects: &[options::MEMBERS],
    options: options::NAMES,
    option_schema: Some(options::schema),
    emulator: Some(sandbox::EMULATOR),
    errors: playbook::ENTRIES,
    ..Connector::BLANK
};
