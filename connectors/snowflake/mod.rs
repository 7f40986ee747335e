//! Snowflake as a warehouse: one query, run to its end at the service, then read partition by partition.
//!
//! The service is asked for results as JSON texts. A session lives for about an hour and is never renewed: each extract logs
//! in anew, runs its query, and downloads what came out of it, for which no session is needed.

mod config;
mod connection;
mod errors;
mod playbook;
mod rows;
mod source;
mod value;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::contract::{ConnectorError, Source};
use crate::registry::{Connector, Setting, Settings};
use crate::sql::Dialect;

/// The type of a connection, in the registry and in messages.
const NAME: &str = "snowflake";

const fn setting(name: &'static str, required: bool, help: &'static str) -> Setting {
    Setting { name, required, secret: false, help }
}

const fn secret(name: &'static str, help: &'static str) -> Setting {
    Setting { name, required: false, secret: true, help }
}

const SETTINGS: &[Setting] = &[
    setting(
        "account",
        true,
        "The account's identifier, such as `myorg-myaccount`, without `.snowflakecomputing.com`.",
    ),
    setting("user", true, "The user's login name."),
    setting("warehouse", false, "Runs the queries; without one the user's default warehouse does."),
    setting("role", false, "The role of the session; without one the user's default role."),
    setting("database", false, "Where names without a database are looked up."),
    setting("schema", false, "Where names without a schema are looked up."),
    secret(
        "private_key",
        "The private key of the user's key pair: PEM, PKCS#8. One of the four ways to log in.",
    ),
    setting("private_key_file", false, "A file with that key; a relative path is relative to the project."),
    secret("passphrase", "Opens the private key, where it is encrypted."),
    secret("token", "An access token: of OAuth, or, with `token_type: programmatic`, one made for programs."),
    setting("token_type", false, "What `token` is: `oauth` (the default) or `programmatic`."),
    secret("password", "The user's password, where the account still lets programs log in by one."),
    setting(
        "query_tag",
        false,
        "The tag of all queries; without one it names outflow, the sync and the run.",
    ),
    setting(
        "statement_timeout",
        false,
        "The longest that a query may run, such as `10m`; without one the account decides.",
    ),
];

/// The registry's entry.
pub const CONNECTOR: Connector = Connector {
    name: NAME,
    title: "Snowflake",
    summary: "Rows of a query on Snowflake, which is only read.",
    unconfirmed: "the real service; tried on an emulator",
    settings: SETTINGS,
    source: Some(open),
    dialect: Dialect::Snowflake,
    errors: playbook::ENTRIES,
    ..Connector::BLANK
};

fn open(settings: &Settings) -> Result<Arc<dyn Source>, ConnectorError> {
    Ok(Arc::new(source::SnowflakeSource::new(config::Config::from_settings(settings)?)))
}
