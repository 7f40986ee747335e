//! Braze: users' attributes, their events, members of subscription groups, by its REST API.
//!
//! `POST /users/track` queues what it takes: an answer says what was accepted, not what was applied, and nothing in it says
//! whether a user was there. Facts from <https://www.braze.com/docs/api/endpoints/user_data/post_user_track/>, its pages on
//! limits and errors, and recorded answers in `fixtures/http/braze`.

mod answers;
mod client;
mod config;
mod connector;
mod encode;
mod errors;
mod fields;
mod options;
mod playbook;
mod sandbox;
mod session;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use connector::Braze;

use crate::contract::Destination;
use crate::registry::Connector;

/// Braze's line in the registry.
pub const CONNECTOR: Connector = Connector {
    name: config::TYPE,
    title: errors::VENDOR.title,
    summary: "attributes of users, of which only what changed is sent; events; members of subscription groups",
    unconfirmed: "never tried on a real workspace; the errors of `/users/track`, its bulk endpoint, subscription groups and the \
                  export of custom attributes are built to documents and to other senders' tests alone",
    settings: config::SETTINGS,
    destination: Some(|settings| Ok(Arc::new(Braze::new(settings)?) as Arc<dyn Destination>)),
    capabilities: Some(connector::usual),
    objects: &[options::ATTRIBUTES, options::EVENTS],
    options: &["list", "list_attribute", "alias_label", "api", "deletion"],
    option_schema: Some(options::option_schema),
    emulator: Some(sandbox::EMULATOR),
    errors: playbook::ENTRIES,
    ..Connector::BLANK
};
