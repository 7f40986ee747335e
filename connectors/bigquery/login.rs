//! Logging in to BigQuery, as oneself or as another account.

use google_cloud_auth::credentials::{Credentials, impersonated};

use super::config::Config;
use crate::contract::{ConnectorError, Kind};

/// Both APIs take it; a narrower one does not let jobs be made.
const SCOPE: &str = "https://www.googleapis.com/auth/bigquery";
/// What a service account is impersonated with.
const PLATFORM: &str = "https://www.googleapis.com/auth/cloud-platform";

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
        let (what, hint) = config.login.failed(&error);
        config.error(Kind::Auth, &what).code("credentials").hint(hint)
    })
}
