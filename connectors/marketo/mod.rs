//! Marketo Engage leads: calls of up to 300, each answered row by row, and imports whose files of failures and warnings are taken
//! row by row; static lists.
//!
//! Facts from the vendor's guide (<https://github.com/AdobeDocs/marketo-developer.en>, `help/rest-api/`), from its own description
//! of the API (<https://github.com/AdobeDocs/marketo-apis>, `static/swagger-mapi.json`, `static/swagger-identity.json`), and from
//! recorded exchanges with the real service.

mod answers;
mod client;
mod config;
mod connector;
mod encode;
mod errors;
mod failures;
mod fields;
mod held;
mod import;
mod jobs;
mod lookup;
mod members;
mod options;
mod playbook;
mod removal;
mod sandbox;
mod session;
mod sheet;
#[cfg(test)]
mod tests;
mod trail;

use std::sync::Arc;

pub use connector::Marketo;

use crate::contract::Destination;
use crate::registry::{Connector, Limits};

/// Marketo's line in the registry.
pub const CONNECTOR: Connector = Connector {
    name: "marketo",
    title: "Marketo",
    summary: "Leads by calls or by bulk import, put on static lists; members of a list; unsubscribing",
    unconfirmed: "never tried on the real service: what an empty cell and a line break mean to an import, the columns of its files of \
                  failures and warnings, whether its count of leads contains those that failed, what a failed import has done, \
                  how long a call whose answer was lost goes on, and whether each lead field of a string type can be looked up",
    settings: config::SETTINGS,
    destination: Some(|settings| Ok(Arc::new(Marketo::new(settings)?) as Arc<dyn Destination>)),
    capabilities: Some(|| connector::all_of(&Limits::default())),
    objects: &[options::LEADS],
    options: &["api", "deletion", "list", "lost_import_wait", "partition"],
    option_schema: Some(options::schema),
    emulator: Some(sandbox::EMULATOR),
    errors: playbook::ENTRIES,
    ..Connector::BLANK
};
