//! Logging in: what the machine is logged in as, or a file that Google made.

use std::fs;

use google_cloud_auth::build_errors::Error as BuildError;
use google_cloud_auth::credentials::{
    Builder, Credentials, anonymous, external_account, impersonated, service_account, user_account,
};
use serde_json::Value as Json;

use super::config::Config;
use crate::contract::{ConnectorError, Kind};

/// Both APIs take it; a narrower one does not let jobs be made.
const SCOPE: &str = "https://www.googleapis.com/auth/bigquery";
/// What a service account is impersonated with.
const PLATFORM: &str = "https://www.googleapis.com/auth/cloud-platform";

/// Keys of such files whose values are never printed.
const SECRETS: [&str; 6] =
    ["private_key", "private_key_id", "client_secret", "refresh_token", "token", "password"];

pub(super) enum Login {
    /// Application default credentials.
    Default,
    /// Nobody asks: an emulator.
    None,
    File(KeyFile),
}

impl Login {
    /// What tells it from others, without a secret.
    pub(super) fn name(&self) -> &str {
        match self {
            Login::Default => "adc",
            Login::None => "none",
            Login::File(file) => &file.path,
        }
    }
}

/// A file of credentials; it has no `Debug`, for it is a secret.
pub(super) struct KeyFile {
    path: String,
    json: Json,
}

impl KeyFile {
    /// # Errors
    /// What is wrong with the file, in words that begin with the setting.
    pub(super) fn read(path: &str) -> Result<Self, String> {
        let text = fs::read_to_string(path)
            .map_err(|error| format!("`credentials`: `{path}` cannot be read: {error}"))?;
        // Its own words could quote the file.
        let json: Json =
            serde_json::from_str(&text).map_err(|_| format!("`credentials`: `{path}` is no JSON"))?;
        let kind = json.get("type").and_then(Json::as_str).unwrap_or_default();
        match kind {
            "service_account" | "authorized_user" | "external_account" | "impersonated_service_account" => {
                Ok(KeyFile { path: path.to_owned(), json })
            }
            "" => Err(format!("`credentials`: `{path}` has no `type`, so it is no file of credentials")),
            _ => Err(format!("`credentials`: `{path}` is of a `type` that is not known here")),
        }
    }

    fn build(&self, scope: &str) -> Result<Credentials, BuildError> {
        let json = self.json.clone();
        match json.get("type").and_then(Json::as_str) {
            Some("authorized_user") => user_account::Builder::new(json).with_scopes([scope]).build(),
            Some("external_account") => external_account::Builder::new(json).with_scopes([scope]).build(),
            Some("impersonated_service_account") => {
                impersonated::Builder::new(json).with_scopes([scope]).build()
            }
            _ => service_account::Builder::new(json)
                .with_access_specifier(service_account::AccessSpecifier::from_scopes([scope]))
                .build(),
        }
    }
}

impl Login {
    /// The words without any secret of the file.
    pub(super) fn redact(&self, words: &str) -> String {
        let mut clean = words.to_owned();
        if let Login::File(KeyFile { json, .. }) = self {
            for secret in SECRETS.iter().filter_map(|name| json.get(name)).filter_map(Json::as_str) {
                if !secret.trim().is_empty() {
                    clean = clean.replace(secret.trim(), "[hidden]");
                }
            }
        }
        clean
    }

    fn build(&self, scope: &str) -> Result<Credentials, BuildError> {
        match self {
            Login::Default => Builder::default().with_scopes([scope]).build(),
            Login::None => Ok(anonymous::Builder::new().build()),
            Login::File(file) => file.build(scope),
        }
    }
}

/// The credentials of a connection; asks nobody yet.
///
/// # Errors
/// [`Kind::Auth`] where the machine is not logged in, or the file has not what its `type` needs.
pub(super) fn credentials(config: &Config) -> Result<Credentials, ConnectorError> {
    let built = match &config.impersonate {
        None => config.login.build(SCOPE),
        Some(account) => config.login.build(PLATFORM).and_then(|source| {
            impersonated::Builder::from_source_credentials(source)
                .with_target_principal(account.as_str())
                .with_scopes([SCOPE])
                .build()
        }),
    };
    built.map_err(|error| {
        let (what, hint) = match &config.login {
            Login::File(file) => (
                format!("the credentials in `{}` cannot be used: {error}", file.path),
                "fetch the file anew from Google; it must be whole, as it was made",
            ),
            _ => (
                format!("nobody is logged in on this machine: {error}"),
                "run `gcloud auth application-default login`, or set `credentials` to a file",
            ),
        };
        config.error(Kind::Auth, &what).code("credentials").hint(hint)
    })
}
