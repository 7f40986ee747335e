//! The connections below all layers: TLS, proxies, and what is never done behind the sender's back.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use reqwest::{Certificate, redirect};
use serde_json::Value as Json;
use tower::util::MapResponseLayer;

use super::BaseUrl;
use crate::contract::{ConnectorError, Kind};
use crate::registry::{Setting, Settings};

/// The setting for private certificate authorities, which every connector that sends through here takes.
pub const CA_FILE: Setting = Setting {
    name: "ca_file",
    required: false,
    secret: false,
    help: "PEM file of certificate authorities to trust beside the system's, such as a proxy's",
};

/// The file that [`CA_FILE`] names.
///
/// # Errors
/// [`Kind::Config`] for what is no path.
pub fn ca_file(settings: &Settings) -> Result<Option<PathBuf>, ConnectorError> {
    match settings.values.get(CA_FILE.name) {
        None => Ok(None),
        Some(Json::String(path)) if !path.trim().is_empty() => Ok(Some(PathBuf::from(path))),
        Some(_) => {
            let message =
                format!("`ca_file` of connection `{}` must be the path of a file", settings.connection);
            Err(ConnectorError::new(Kind::Config, message).hint(CA_HINT))
        }
    }
}

const CA_HINT: &str = "name a file of certificates in PEM form, each from `-----BEGIN CERTIFICATE-----` on";

/// The transport to these addresses; `opened` counts its connections, and `timeout` is that of one attempt.
///
/// # Errors
/// [`Kind::Config`] for a machine without certificate authorities, and for a `ca_file` without certificates.
#[expect(clippy::disallowed_methods, reason = "the one client through which everything is sent")]
pub(super) fn build(
    addresses: &[&BaseUrl],
    ca_file: Option<&Path>,
    timeout: Duration,
    opened: Arc<AtomicU64>,
) -> Result<reqwest::Client, ConnectorError> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("outflow/", env!("CARGO_PKG_VERSION")))
        // Both would send requests that the layers above neither count nor limit.
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connector_layer(MapResponseLayer::new(move |connection| {
            opened.fetch_add(1, Relaxed);
            connection
        }))
        .connect_timeout(timeout.min(Duration::from_secs(10)));
    if addresses.iter().all(|address| address.is_loopback()) {
        builder = builder.no_proxy();
    }
    if !addresses.iter().any(|address| address.is_encrypted()) {
        // A machine without certificate authorities can still talk to itself.
        builder = builder.tls_certs_only([]);
    }
    if let Some(path) = ca_file {
        builder = builder.tls_certs_merge(certificates(path)?);
    }
    builder.build().map_err(|error| {
        let refusal = match ca_file {
            Some(path) => refuse(path, "holds a certificate that cannot be read"),
            None => ConnectorError::new(Kind::Config, "the TLS client could not be set up")
                .hint("install the system's certificate authorities (package `ca-certificates`)"),
        };
        refusal.source(error.without_url())
    })
}

fn refuse(path: &Path, what: &str) -> ConnectorError {
    ConnectorError::new(Kind::Config, format!("`ca_file` {} {what}", path.display())).hint(CA_HINT)
}

fn certificates(path: &Path) -> Result<Vec<Certificate>, ConnectorError> {
    let text = std::fs::read(path).map_err(|error| refuse(path, &format!("cannot be read: {error}")))?;
    match Certificate::from_pem_bundle(&text) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(refuse(path, "holds no certificate")),
        Err(error) => {
            Err(refuse(path, "holds a certificate that cannot be read").source(error.without_url()))
        }
    }
}
