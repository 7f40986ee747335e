//! Every connector, in one explicit list.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value as Json;

use crate::contract::{Capabilities, ConnectorError, Destination, QuotaOwner, RateLimit, Source};
use crate::http::QuotaBook;
use crate::sandbox::Emulator;
use crate::sql::Dialect;

/// One key of a connection of this type in `outflow.yml`.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// The key itself.
    pub name: &'static str,
    /// A connection without it is refused.
    pub required: bool,
    /// Never printed.
    pub secret: bool,
    /// One line for `outflow connectors NAME`.
    pub help: &'static str,
}

/// What `outflow explain` says of one of the vendor's codes.
#[derive(Debug, Clone, Copy)]
pub struct ErrorEntry {
    /// As it stands in messages and in `outflow errors`.
    pub code: &'static str,
    /// What happened, in one sentence.
    pub meaning: &'static str,
    /// What to do about it.
    pub action: &'static str,
}

/// A line of a playbook: the code, what happened, and what to do about it.
pub const fn entry(code: &'static str, meaning: &'static str, action: &'static str) -> ErrorEntry {
    ErrorEntry { code, meaning, action }
}

/// A connection as the project resolved it: variables filled in, relative paths made absolute.
#[derive(Clone)]
pub struct Settings {
    /// The connection's name in `outflow.yml`.
    pub connection: String,
    /// The connector's own settings, without `type`, `base_url`, `limits` and `sandbox`.
    pub values: serde_json::Map<String, Json>,
    /// Set when the connection names one, or when it runs against the sandbox.
    pub base_url: Option<String>,
    /// It runs against the built-in sandbox of this process.
    pub sandbox: bool,
    /// The connection's `limits` block.
    pub limits: Limits,
    /// Those variables of the environment that [`Connector::environment`] names, where they are set.
    pub environment: BTreeMap<String, String>,
}

/// The connection's `limits` block, and how they are shared.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// `limits.requests`; `None` leaves the vendor's usual rate.
    pub requests: Option<RateLimit>,
    /// `limits.daily_calls`; `None` leaves the day unlimited.
    pub daily_calls: Option<DailyCalls>,
    /// `limits.concurrency`: requests in flight; `None` leaves the connector's usual number.
    pub concurrency: Option<usize>,
    /// The file that several projects share their limits by; else those of one state folder do.
    pub shared: Option<PathBuf>,
    /// Takes at most this part of any window, between 0 and 1, and leaves the rest to others: a backfill beside
    /// scheduled syncs. All that is sent with a share keeps within it together.
    pub share: Option<f64>,
    /// Where all processes write their requests down; without one the limits hold within this process.
    pub book: Option<Arc<dyn QuotaBook>>,
    /// Whose limits they are, where the address does not tell: the built-in sandbox has one account of each vendor, at
    /// another port in each process. Narrower windows, which are the server's own, hold within this process then.
    pub owner: Option<QuotaOwner>,
}

/// Requests a day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum DailyCalls {
    /// So many.
    Number(u64),
    /// Of the limit that the vendor announces.
    Percent(f64),
}

/// A connector: what it is, what it takes, how to make it.
pub struct Connector {
    /// The `type` of a connection.
    pub name: &'static str,
    /// The vendor's own spelling.
    pub title: &'static str,
    /// One line for `outflow connectors`.
    pub summary: &'static str,
    /// What of it was built to documents alone, and never tried on the real thing; empty where that is nothing.
    pub unconfirmed: &'static str,
    /// What a connection of this type takes, beside what all take.
    pub settings: &'static [Setting],
    /// Variables of the environment that the vendor's own tools read, and so does this connector.
    pub environment: &'static [&'static str],
    /// Makes the source of a connection; asks nobody.
    pub source: Option<fn(&Settings) -> Result<Arc<dyn Source>, ConnectorError>>,
    /// Its source takes `file`, and no SQL.
    pub reads_files: bool,
    /// How its source writes names and times in SQL.
    pub dialect: Dialect,
    /// Makes the destination of a connection; asks nobody.
    pub destination: Option<fn(&Settings) -> Result<Arc<dyn Destination>, ConnectorError>>,
    /// Capabilities of the usual object, for the connector table.
    pub capabilities: Option<fn() -> Capabilities>,
    /// Objects a mapping can name, for `outflow connectors` (`"a type id"` may be among them).
    pub objects: &'static [&'static str],
    /// Equal for two names of one object, which a mapping may call by either; asks nobody.
    pub object_name: fn(&str) -> String,
    /// Keys of a mapping's `destination` block that this connector knows beyond the common ones.
    pub options: &'static [&'static str],
    /// JSON Schema of each of them; without it any value fits.
    pub option_schema: Option<fn(&str) -> Json>,
    /// Its emulator in the sandbox, where it has one.
    pub emulator: Option<Emulator>,
    /// What its codes mean; those of the sender are in [`http::CODES`](crate::http::CODES).
    pub errors: &'static [ErrorEntry],
}

impl Connector {
    /// One that can do nothing; a connector says what it has beyond this.
    pub const BLANK: Connector = Connector {
        name: "",
        title: "",
        summary: "",
        unconfirmed: "",
        settings: &[],
        environment: &[],
        source: None,
        reads_files: false,
        dialect: Dialect::Ansi,
        destination: None,
        capabilities: None,
        objects: &[],
        object_name: |object| object.to_owned(),
        options: &[],
        option_schema: None,
        emulator: None,
        errors: &[],
    };

    /// Whether `base_url: sandbox` works.
    pub fn is_sandboxed(&self) -> bool {
        self.emulator.is_some()
    }
}

/// The connectors a process knows; tests add their own.
#[derive(Clone, Copy)]
pub struct Registry(pub &'static [Connector]);

impl Registry {
    /// The connector of this type.
    pub fn get(&self, name: &str) -> Option<&'static Connector> {
        self.0.iter().find(|c| c.name == name)
    }
}

/// Systems that this build leaves out: the `type` of a connection, and the feature of cargo that brings it.
pub const ABSENT: &[(&str, &str)] = &[
    #[cfg(not(feature = "duckdb"))]
    ("duckdb", "duckdb"),
];

/// The connectors of the released binary, and one more for benchmarks.
pub const REGISTRY: Registry = Registry(&[
    crate::bigquery::CONNECTOR,
    crate::braze::CONNECTOR,
    crate::brevo::CONNECTOR,
    crate::files::CONNECTOR,
    #[cfg(feature = "bench")]
    crate::files::DISCARD,
    crate::json_api::CONNECTOR,
    crate::customerio::CONNECTOR,
    #[cfg(feature = "duckdb")]
    crate::duckdb::CONNECTOR,
    crate::hubspot::CONNECTOR,
    crate::klaviyo::CONNECTOR,
    crate::mailchimp::CONNECTOR,
    crate::marketo::CONNECTOR,
    crate::mysql::CONNECTOR,
    crate::postgres::CONNECTOR,
    crate::postgres::REDSHIFT,
    crate::salesforce::CONNECTOR,
    crate::sendgrid::CONNECTOR,
    crate::snowflake::CONNECTOR,
    crate::sqlite::CONNECTOR,
    #[cfg(test)]
    crate::template::CONNECTOR,
]);
