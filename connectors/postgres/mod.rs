//! PostgreSQL as a warehouse, and what speaks its protocol: AlloyDB, Aurora, and Redshift.
//!
//! Rows are streamed in the binary format out of one `repeatable read, read only` transaction; the socket holds the server
//! back. Every type has one reading, chosen once for each column; one that has none is refused before anything is read.

mod config;
mod connection;
mod errors;
mod nested;
mod number;
mod passfile;
mod playbook;
mod source;
mod time;
mod tls;
mod value;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::contract::{ConnectorError, Source};
use crate::registry::{Connector, Setting, Settings};
use crate::sql::Dialect;

/// The registry's entry.
pub const CONNECTOR: Connector = Connector {
    name: "postgres",
    title: "PostgreSQL",
    summary: "Rows of a query on PostgreSQL, AlloyDB or Aurora, read in a transaction that cannot write.",
    unconfirmed: "AlloyDB and Aurora; tried on PostgreSQL",
    settings: SETTINGS,
    environment: ENVIRONMENT,
    source: Some(open),
    dialect: Dialect::Postgres,
    errors: playbook::ENTRIES,
    ..Connector::BLANK
};

/// The registry's entry of Redshift, which speaks PostgreSQL's protocol of 8.0.
pub const REDSHIFT: Connector = Connector {
    name: "redshift",
    title: "Amazon Redshift",
    summary: "Rows of a query on Amazon Redshift, by PostgreSQL's protocol.",
    unconfirmed: "all of it; only PostgreSQL was tried",
    settings: SETTINGS,
    environment: ENVIRONMENT,
    source: Some(redshift),
    dialect: Dialect::Postgres,
    errors: playbook::ENTRIES,
    ..Connector::BLANK
};

const ENVIRONMENT: &[&str] = &["PGPASSWORD", "PGPASSFILE", "HOME"];

const SETTINGS: &[Setting] = &[
    setting(
        "url",
        true,
        "`postgresql://USER@HOST:PORT/DATABASE?sslmode=...`, in place of the settings below.",
    ),
    setting("host", false, "The server's name or address, or the folder of its socket."),
    setting("port", false, "5432 unless set; Redshift's is 5439."),
    setting("database", false, "The database; that of the user's name unless set."),
    setting("user", false, "The role to log in as; it needs `select` alone."),
    setting("password", true, "Its password; else `PGPASSWORD`, else the line of `~/.pgpass`."),
    setting(
        "sslmode",
        false,
        "`disable | prefer | require | verify-ca | verify-full`: `prefer` unless set, which checks no certificate.",
    ),
    setting(
        "ca_file",
        false,
        "Certificates of the authorities to trust, as PEM; the system's own unless set.",
    ),
    setting(
        "statement_timeout",
        false,
        "Most time that the query may take, such as `10m`; the server's own unless set.",
    ),
];

const fn setting(name: &'static str, secret: bool, help: &'static str) -> Setting {
    Setting { name, required: false, secret, help }
}

fn open(settings: &Settings) -> Result<Arc<dyn Source>, ConnectorError> {
    Ok(Arc::new(source::PostgresSource::new(config::login(settings, config::POSTGRES)?)))
}

fn redshift(settings: &Settings) -> Result<Arc<dyn Source>, ConnectorError> {
    Ok(Arc::new(source::PostgresSource::new(config::login(settings, config::REDSHIFT)?)))
}
