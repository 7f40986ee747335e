//! Klaviyo profiles: import jobs for many, one request each for few; members of a list, subscriptions, removals.
//!
//! Facts from the vendor's own OpenAPI description (`klaviyo/openapi`, revision 2026-07-15) and its guides below
//! <https://developers.klaviyo.com/en/docs>.

mod answers;
mod calls;
mod client;
mod config;
mod connector;
mod consent;
mod encode;
mod errors;
mod import;
mod left;
mod lookup;
mod members;
mod options;
mod playbook;
mod removal;
mod sandbox;
mod session;
mod single;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use connector::Klaviyo;

use crate::contract::Destination;
use crate::registry::{Connector, Limits};

/// Klaviyo's line in the registry.
pub const CONNECTOR: Connector = Connector {
    name: "klaviyo",
    title: "Klaviyo",
    summary: "Profiles one by one or by import job; members of a list, subscribed where asked for",
    unconfirmed: "the whole connector, on a real account: it was built to the vendor's OpenAPI description; its guide \
                  lists what that leaves open",
    settings: config::SETTINGS,
    destination: Some(|settings| Ok(Arc::new(Klaviyo::new(settings)?) as Arc<dyn Destination>)),
    capabilities: Some(|| connector::all_of(&Limits::default())),
    objects: &[options::PROFILES],
    options: &["api", "deletion", "list", "subscribe", "unset_by_import"],
    option_schema: Some(options::schema),
    emulator: Some(sandbox::EMULATOR),
    errors: playbook::ENTRIES,
    ..Connector::BLANK
};
