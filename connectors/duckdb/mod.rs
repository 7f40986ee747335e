//! DuckDB as a warehouse: a file opened read-only, or `:memory:` for queries on local files.
//!
//! DuckDB's own parser says whether a text is one `select` before anything of it is prepared: preparing a text of several
//! statements would run all but the last. Nothing is downloaded, and no extension loads but from a folder that the
//! connection names.

mod config;
mod connection;
mod errors;
mod nested;
mod query;
mod source;
mod value;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::contract::{ConnectorError, Source};
use crate::registry::{Connector, Setting, Settings};
use crate::sql::Dialect;

/// The registry's entry.
pub const CONNECTOR: Connector = Connector {
    name: "duckdb",
    title: "DuckDB",
    summary: "Rows of a query on a DuckDB file, which is opened read-only, or on local files.",
    settings: &[
        Setting {
            name: "path",
            required: true,
            secret: false,
            help: "The database file, relative to the project; `:memory:` for queries on local files alone; `md:NAME` for a database \
                   of MotherDuck.",
        },
        Setting {
            name: "token",
            required: false,
            secret: true,
            help: "MotherDuck's access token; `motherduck_token` of the environment unless set.",
        },
        Setting {
            name: "attach",
            required: false,
            secret: false,
            help: "More database files as `NAME: PATH`, read-only; `NAME.TABLE` in the query.",
        },
        Setting {
            name: "extensions",
            required: false,
            secret: false,
            help: "A folder of installed extensions, the only ones that load; none do unless set.",
        },
    ],
    source: Some(open),
    dialect: Dialect::Postgres,
    environment: config::TOKEN,
    unconfirmed: "MotherDuck (`path: md:NAME`), which is built to its documentation: no test reaches its extension or its service",
    ..Connector::BLANK
};

fn open(settings: &Settings) -> Result<Arc<dyn Source>, ConnectorError> {
    Ok(Arc::new(source::DuckdbSource::new(config::Config::from_settings(settings)?)))
}
