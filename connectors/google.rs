//! Logging in to Google: what the machine is logged in as, or a file that Google made.

use std::fs;

use google_cloud_auth::build_errors::Error as BuildError;
use google_cloud_auth::credentials::{
    AccessTokenCredentials, Builder, Credentials, anonymous, external_account, impersonated, service_account,
    user_account,
};
use serde_json::Value as Json;

/// Keys of such files whose values are never printed.
const SECRETS: [&str; 6] =
    ["private_key", "private_key_id", "client_secret", "refresh_token", "token", "password"];

/// How a connection logs in. It may hold a key, so it has no `Debug`.
pub enum Login {
    /// Application default credentials.
    Default,
    /// Nobody asks: an emulator, or what is public.
    None,
    /// A file of credentials.
    File(KeyFile),
}

/// A file of credentials; it has no `Debug`, for it is a secret.
pub struct KeyFile {
    path: String,
    json: Json,
}

impl KeyFile {
    /// The file at this path.
    ///
    /// # Errors
    /// What is wrong with the file, in words that begin with the setting `credentials`.
    pub fn read(path: &str) -> Result<Self, String> {
        let text = fs::read_to_string(path)
            .map_err(|error| format!("`credentials`: `{path}` cannot be read: {error}"))?;
        Self::parse(&text, path).map_err(|problem| format!("`credentials`: `{path}` {problem}"))
    }

    /// The content of such a file, under a name for messages.
    ///
    /// # Errors
    /// What is wrong with it, in words that follow its name.
    pub fn parse(text: &str, name: &str) -> Result<Self, &'static str> {
        // The parser's own words could quote the file.
        let json: Json = serde_json::from_str(text).map_err(|_| "is no JSON")?;
        let kind = json.get("type").and_then(Json::as_str).unwrap_or_default();
        match kind {
            "service_account" | "authorized_user" | "external_account" | "impersonated_service_account" => {
                Ok(KeyFile { path: name.to_owned(), json })
            }
            "" => Err("has no `type`, so it is no file of credentials"),
            _ => Err("is of a `type` that is not known here"),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &str {
        &self.path
    }

    fn build(&self, scope: &str) -> Result<Credentials, BuildError> {
        let json = self.json.clone();
        match self.kind() {
            "authorized_user" => user_account::Builder::new(json).with_scopes([scope]).build(),
            "external_account" => external_account::Builder::new(json).with_scopes([scope]).build(),
            "impersonated_service_account" => impersonated::Builder::new(json).with_scopes([scope]).build(),
            _ => service_account::Builder::new(json).with_access_specifier(only(scope)).build(),
        }
    }

    fn tokens(&self, scope: &str) -> Result<AccessTokenCredentials, BuildError> {
        let json = self.json.clone();
        match self.kind() {
            "authorized_user" => {
                user_account::Builder::new(json).with_scopes([scope]).build_access_token_credentials()
            }
            "external_account" => {
                external_account::Builder::new(json).with_scopes([scope]).build_access_token_credentials()
            }
            "impersonated_service_account" => {
                impersonated::Builder::new(json).with_scopes([scope]).build_access_token_credentials()
            }
            _ => service_account::Builder::new(json)
                .with_access_specifier(only(scope))
                .build_access_token_credentials(),
        }
    }

    fn kind(&self) -> &str {
        self.json.get("type").and_then(Json::as_str).unwrap_or_default()
    }
}

fn only(scope: &str) -> service_account::AccessSpecifier {
    service_account::AccessSpecifier::from_scopes([scope])
}

impl Login {
    /// What tells it from others, without a secret.
    pub fn name(&self) -> &str {
        match self {
            Login::Default => "adc",
            Login::None => "none",
            Login::File(file) => file.path(),
        }
    }

    /// The words without any secret of the file.
    pub fn redact(&self, words: &str) -> String {
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

    /// Credentials for Google's own clients; asks nobody yet.
    ///
    /// # Errors
    /// The machine is not logged in, or the file has not what its `type` needs.
    pub fn build(&self, scope: &str) -> Result<Credentials, BuildError> {
        match self {
            Login::Default => Builder::default().with_scopes([scope]).build(),
            Login::None => Ok(anonymous::Builder::new().build()),
            Login::File(file) => file.build(scope),
        }
    }

    /// What gives tokens to other clients; `None` where nobody asks for any. Asks nobody yet.
    ///
    /// # Errors
    /// As [`Self::build`].
    pub fn tokens(&self, scope: &str) -> Result<Option<AccessTokenCredentials>, BuildError> {
        Ok(match self {
            Login::Default => Some(Builder::default().with_scopes([scope]).build_access_token_credentials()?),
            Login::None => None,
            Login::File(file) => Some(file.tokens(scope)?),
        })
    }

    /// What to say where credentials cannot be made: the problem, and what to do.
    pub fn failed(&self, error: &BuildError) -> (String, &'static str) {
        match self {
            Login::File(file) => (
                format!("the credentials in `{}` cannot be used: {error}", file.path),
                "fetch the file anew from Google; it must be whole, as it was made",
            ),
            _ => (
                format!("nobody is logged in on this machine: {error}"),
                "run `gcloud auth application-default login`, or set `credentials` to a file",
            ),
        }
    }
}
