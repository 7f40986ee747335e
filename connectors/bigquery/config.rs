//! Settings of a connection of type `bigquery`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value as Json;

use super::SETTINGS;
use crate::contract::{ConnectorError, Kind};
use crate::google::{KeyFile, Login};
use crate::http::BaseUrl;
use crate::registry::Settings;
use crate::settings::size;

pub(super) const KIND: &str = "bigquery";

/// How results are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reading {
    /// The Storage Read API, at Google's address or at another.
    Storage(Option<String>),
    /// REST pages.
    Pages,
}

/// A connection, checked. It holds a key, so it has no `Debug`.
pub(super) struct Config {
    /// The connection's name, for messages.
    pub connection: String,
    pub project: String,
    pub location: Option<String>,
    pub login: Login,
    pub impersonate: Option<String>,
    pub most_bytes: Option<u64>,
    pub labels: BTreeMap<String, String>,
    pub job_timeout: Option<Duration>,
    pub base_url: Option<String>,
    pub reading: Reading,
}

impl Config {
    /// # Errors
    /// [`Kind::Config`] for the first setting that cannot be meant.
    pub(super) fn from_settings(settings: &Settings) -> Result<Self, ConnectorError> {
        settings.only(KIND, SETTINGS)?;
        let refuse = |what: String| settings.refuse(KIND, &what, hint(&what));
        let url = |name: &str, text: Option<&str>| text.map(|text| address(name, text, settings)).transpose();
        let base_url = url("base_url", settings.base_url.as_deref())?;
        let storage_url = url("storage_read_url", settings.text("storage_read_url").map_err(refuse)?)?;
        let login = login(settings).map_err(refuse)?;
        let impersonate = settings.text("impersonate").map_err(refuse)?.map(str::to_owned);
        if matches!(login, Login::None) && (base_url.is_none() || impersonate.is_some()) {
            return Err(settings.refuse(
                KIND,
                "`credentials: none` logs in to nothing but an emulator",
                "set `base_url` to the emulator's address, or leave `credentials` out",
            ));
        }
        let config = Config {
            connection: settings.connection.clone(),
            project: project(settings).map_err(refuse)?,
            location: location(settings).map_err(refuse)?,
            login,
            impersonate: impersonate.map(account).transpose().map_err(refuse)?,
            most_bytes: most_bytes(settings).map_err(refuse)?,
            labels: labels(settings).map_err(refuse)?,
            job_timeout: job_timeout(settings).map_err(refuse)?,
            reading: reading(settings, base_url.is_some(), storage_url).map_err(refuse)?,
            base_url,
        };
        Ok(config)
    }

    /// An error about this connection.
    pub(super) fn error(&self, kind: Kind, what: &str) -> ConnectorError {
        let message = format!("connection `{}` ({KIND}): {}", self.connection, self.login.redact(what));
        ConnectorError::new(kind, message)
    }
}

/// What to write instead, by the setting that the problem begins with.
fn hint(what: &str) -> &'static str {
    let name = what.split('`').nth(1).unwrap_or_default();
    match name.split('.').next().unwrap_or_default() {
        "project" => "write the project's id, as in `project: acme-analytics`; it is not its name or number",
        "location" => "write a location of BigQuery's, as in `location: EU` or `location: europe-west3`",
        "credentials" => {
            "write `adc`, `none`, or the path of a JSON file that Google made; relative to the project"
        }
        "impersonate" => {
            "write the address of a service account, as in `outflow@acme.iam.gserviceaccount.com`"
        }
        "maximum_bytes_billed" => "write a size, as in `maximum_bytes_billed: 10GB`",
        "labels" => {
            "write `labels: {team: crm}`: small letters, digits, `_` and `-`, at most 63 of them, a letter first in a key"
        }
        "job_timeout" => "write a time, as in `job_timeout: 30m` or `90s`",
        "storage_read" => "write `storage_read: false` for REST pages, or leave it out",
        _ => "see docs/guides/bigquery.md",
    }
}

/// The checks are those of every connector's address.
fn address(name: &str, text: &str, settings: &Settings) -> Result<String, ConnectorError> {
    let url = BaseUrl::parse(text, &settings.connection).map_err(|mut error| {
        error.message = error.message.replacen("`base_url`", &format!("`{name}`"), 1);
        error
    })?;
    Ok(url.as_str().to_owned())
}

fn project(settings: &Settings) -> Result<String, String> {
    let project = settings.required("project")?;
    let is_known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.' | ':');
    match project.chars().all(is_known) {
        true => Ok(project.to_owned()),
        false => Err("`project` has letters that no project's id has".to_owned()),
    }
}

fn location(settings: &Settings) -> Result<Option<String>, String> {
    let location = settings.text("location")?;
    match location.is_none_or(|text| text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')) {
        true => Ok(location.map(str::to_owned)),
        false => Err("`location` is no location".to_owned()),
    }
}

fn account(address: String) -> Result<String, String> {
    match address.split_once('@') {
        Some((name, host)) if !name.is_empty() && host.contains('.') && !address.contains('/') => Ok(address),
        _ => Err("`impersonate` is no address of a service account".to_owned()),
    }
}

fn login(settings: &Settings) -> Result<Login, String> {
    Ok(match settings.text("credentials")? {
        None | Some("adc") => Login::Default,
        Some("none") => Login::None,
        Some(path) => Login::File(KeyFile::read(path)?),
    })
}

fn most_bytes(settings: &Settings) -> Result<Option<u64>, String> {
    let Some(value) = settings.values.get("maximum_bytes_billed") else { return Ok(None) };
    let bytes = size(value).and_then(|bytes| u64::try_from(bytes).ok()).filter(|b| i64::try_from(*b).is_ok());
    bytes.map(Some).ok_or_else(|| "`maximum_bytes_billed` is no size".to_owned())
}

fn labels(settings: &Settings) -> Result<BTreeMap<String, String>, String> {
    let Some(value) = settings.values.get("labels") else { return Ok(BTreeMap::new()) };
    let block = value.as_object().ok_or("`labels` must be a block of names and texts")?;
    let text = |value: &Json| match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(value) => Some(value.to_string()),
        _ => None,
    };
    let read = |(name, value): (&String, &Json)| {
        let value = text(value).filter(|value| fits(value));
        let begins = name.chars().next().is_some_and(char::is_alphabetic);
        match value {
            Some(value) if begins && fits(name) => Ok((name.clone(), value)),
            _ => Err(format!("`labels.{name}` is no label of BigQuery's")),
        }
    };
    block.iter().map(read).collect()
}

/// What a label's key or value may be: <https://cloud.google.com/bigquery/docs/labels-intro#requirements>.
fn fits(text: &str) -> bool {
    let is_known = |c: char| (c.is_alphanumeric() && !c.is_uppercase()) || c == '_' || c == '-';
    text.chars().count() <= 63 && text.chars().all(is_known)
}

fn job_timeout(settings: &Settings) -> Result<Option<Duration>, String> {
    let Some(text) = settings.text("job_timeout")? else { return Ok(None) };
    let wrong = || "`job_timeout` is no time".to_owned();
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let seconds = match text[digits..].trim() {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return Err(wrong()),
    };
    let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
    let whole = number.checked_mul(seconds).filter(|s| (1..=86_400).contains(s)).ok_or_else(wrong)?;
    Ok(Some(Duration::from_secs(whole)))
}

/// An emulator that was named for REST alone would not be asked for its rows, but Google would.
fn reading(settings: &Settings, elsewhere: bool, url: Option<String>) -> Result<Reading, String> {
    let wanted = match settings.values.get("storage_read") {
        None => None,
        Some(Json::Bool(wanted)) => Some(*wanted),
        Some(Json::String(text)) if text == "true" || text == "false" => Some(text == "true"),
        Some(_) => return Err("`storage_read` is neither `true` nor `false`".to_owned()),
    };
    match (wanted, elsewhere, url) {
        (Some(false), ..) | (None, true, None) => Ok(Reading::Pages),
        (Some(true), true, None) => {
            Err("`storage_read` is on, but `storage_read_url` does not say where, beside `base_url`"
                .to_owned())
        }
        (_, _, url) => Ok(Reading::Storage(url)),
    }
}
