//! What the tests share: a connection to the emulator or to a server of the test's own, and queries on it.

mod config;
mod decisions;
mod denied;
mod emulator;
mod fake;
mod jobs;
mod stream;
mod values;

use serde_json::{Value as Json, json};

use super::config::Config;
use super::source::BigQuerySource;
use crate::contract::{ConnectorError, Query};
use crate::registry::{Limits, Settings};

pub(super) fn settings(base_url: Option<&str>, values: Json) -> Settings {
    let mut all = json!({"project": "p1"});
    for (name, value) in values.as_object().unwrap() {
        all[name] = value.clone();
    }
    Settings {
        connection: "wh".to_owned(),
        values: all.as_object().unwrap().clone(),
        base_url: base_url.map(str::to_owned),
        sandbox: false,
        limits: Limits::default(),
        environment: Default::default(),
    }
}

pub(super) fn config(base_url: Option<&str>, values: Json) -> Result<Config, ConnectorError> {
    Config::from_settings(&settings(base_url, values))
}

/// A source that needs no login.
pub(super) fn source(base_url: &str, mut values: Json) -> BigQuerySource {
    values["credentials"] = json!("none");
    BigQuerySource::new(config(Some(base_url), values).unwrap())
}

pub(super) fn sql(text: &str) -> Query {
    Query::Sql(text.to_owned())
}
