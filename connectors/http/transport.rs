//! The connections below all layers: TLS, proxies, and what is never done behind the sender's back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use reqwest::redirect;
use tower::util::MapResponseLayer;

use super::BaseUrl;
use crate::contract::{ConnectorError, Kind};

/// The transport to these addresses; `opened` counts its connections, and `timeout` is that of one attempt.
///
/// # Errors
/// [`Kind::Config`] for a machine without certificate authorities.
#[expect(clippy::disallowed_methods, reason = "the one client through which everything is sent")]
pub(super) fn build(
    addresses: &[&BaseUrl],
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
    builder.build().map_err(|e| {
        ConnectorError::new(Kind::Config, "the TLS client could not be set up")
            .hint("install the system's certificate authorities (package `ca-certificates`)")
            .source(e.without_url())
    })
}
