//! BigQuery as a warehouse: a query job under a name of our own, its result read by the Storage Read API, or by REST
//! pages where that one is denied.
//!
//! What a read is believed by: the job's own status without an error in it, a statement that only selects, and as many
//! rows as the service announced. docs/decisions/0003-google-cloud-bigquery.md says why.

mod arrow;
mod client;
mod config;
mod errors;
mod handle;
mod login;
mod playbook;
mod rest;
mod source;
mod storage;
mod value;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::contract::{ConnectorError, Source};
use crate::registry::{Connector, Setting, Settings};
use crate::sql::Dialect;

const fn setting(name: &'static str, required: bool, help: &'static str) -> Setting {
    Setting { name, required, secret: false, help }
}

const SETTINGS: &[Setting] = &[
    setting("project", true, "The project that runs the queries, and pays for them."),
    setting(
        "location",
        false,
        "Where the data is, such as `EU`; unless set, BigQuery finds it by the tables of the query.",
    ),
    setting(
        "credentials",
        false,
        "`adc` (default: what the machine is logged in as), `none` (emulators), or a file of Google's: a service account's key, a \
         federation, a user's login.",
    ),
    setting("impersonate", false, "The service account to act as, by its address."),
    setting(
        "maximum_bytes_billed",
        false,
        "The most that one query may bill, such as `10GB`; a larger one is not run.",
    ),
    setting("labels", false, "Labels of every job, beside those of the sync and the run."),
    setting("job_timeout", false, "How long a query may run, such as `30m`; BigQuery ends it then."),
    setting("storage_read", false, "`false` reads by REST pages, which is slower and takes one role less."),
    setting("storage_read_url", false, "The address of the Storage Read API, for emulators."),
];

/// The registry's entry.
pub const CONNECTOR: Connector = Connector {
    name: "bigquery",
    title: "BigQuery",
    summary: "Rows of a query on BigQuery, under a cap on its cost.",
    unconfirmed: "the real service and its ways of logging in, workload identity federation among them; tried on an emulator",
    settings: SETTINGS,
    source: Some(open),
    dialect: Dialect::BigQuery,
    errors: playbook::ENTRIES,
    ..Connector::BLANK
};

fn open(settings: &Settings) -> Result<Arc<dyn Source>, ConnectorError> {
    Ok(Arc::new(source::BigQuerySource::new(config::Config::from_settings(settings)?)))
}
