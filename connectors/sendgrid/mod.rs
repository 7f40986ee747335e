//! SendGrid Marketing Contacts: calls that are taken at once and worked through later by a job, whose end and file of errors say
//! what became of each row.
//!
//! Facts from the vendor's own OpenAPI documents (<https://github.com/twilio/sendgrid-oai>, `spec/json/tsg_mc_contacts_v3.json`,
//! `tsg_mc_custom_fields_v3.json`, `tsg_mc_lists_v3.json`, `tsg_user_v3.json`), and from recorded exchanges with the real service.

mod client;
mod config;
mod connector;
mod creation;
mod encode;
mod errors;
mod fields;
mod files;
mod import;
mod jobs;
mod left;
mod lookup;
mod members;
mod options;
mod playbook;
mod reasons;
mod removal;
mod sandbox;
mod session;
mod sheet;
#[cfg(test)]
mod tests;
mod trail;
mod verdict;

use std::sync::Arc;

pub use connector::SendGrid;

use crate::contract::Destination;
use crate::registry::Connector;

/// SendGrid's line in the registry.
pub const CONNECTOR: Connector = Connector {
    name: "sendgrid",
    title: "SendGrid",
    summary: "Marketing contacts by upsert or import, put on lists; members of a list",
    unconfirmed: "never tried on the real service: the columns of a job's file of errors, whether a null clears a number or a \
                  date, how an import reads its first line and times, the status of a job that takes contacts off a list, \
                  whether a job counts contacts that it left as they were, in which order jobs are worked through, and how soon \
                  a new contact is found",
    settings: config::SETTINGS,
    destination: Some(|settings| Ok(Arc::new(SendGrid::new(settings)?) as Arc<dyn Destination>)),
    capabilities: Some(connector::usual),
    objects: &[options::CONTACTS],
    options: &["api", "create_missing_properties", "list", "lists"],
    option_schema: Some(options::schema),
    emulator: Some(sandbox::EMULATOR),
    errors: playbook::ENTRIES,
    ..Connector::BLANK
};
