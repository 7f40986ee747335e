//! Where a connection speaks, and as whom.

use std::path::PathBuf;

use secrecy::SecretString;

use super::{BaseUrl, Credentials, HttpClient, Policy, Setup, Vendor, ca_file, owner};
use crate::contract::{ConnectorError, QuotaOwner, RateLimit};
use crate::registry::{Setting, Settings};

/// Where and as whom to speak; its `Debug` cannot print a secret.
#[derive(Debug)]
pub struct Login {
    /// The `type` of the connection.
    pub kind: &'static str,
    /// What each request shows.
    pub credentials: Credentials,
    /// The API's address.
    pub base_url: BaseUrl,
    /// Whose limits the requests count against.
    pub owner: QuotaOwner,
    /// Certificate authorities to trust beside the system's.
    pub ca_file: Option<PathBuf>,
}

/// What is known of a vendor before it has answered.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// How its answers are read.
    pub vendor: Vendor,
    /// Its limit until its headers name another; `None` for one that has none.
    pub start_rate: Option<RateLimit>,
    /// Requests in flight where the user set nothing.
    pub in_flight: usize,
}

impl Login {
    /// Of a connection to the API at `api`, unless its `base_url` names another address. `account` is what is known of the
    /// account before the first request: limits are those of it at that address.
    ///
    /// # Errors
    /// [`Kind::Config`](crate::contract::Kind::Config) for an address or a `ca_file` that is none.
    pub fn new(
        settings: &Settings,
        kind: &'static str,
        api: &str,
        account: &str,
        credentials: Credentials,
    ) -> Result<Self, ConnectorError> {
        let base_url = BaseUrl::parse(settings.base_url.as_deref().unwrap_or(api), &settings.connection)?;
        let owner = owner(kind, &base_url, [account]);
        Ok(Login { kind, credentials, base_url, owner, ca_file: ca_file(settings)? })
    }

    /// The sender of the connection, under its own limits.
    ///
    /// # Errors
    /// Those of [`HttpClient::new`], with the connection's name.
    pub fn sender(
        self,
        settings: &Settings,
        terms: Terms,
        policy: Policy,
    ) -> Result<HttpClient, ConnectorError> {
        let setup = Setup {
            vendor: terms.vendor,
            owner: self.owner,
            limits: settings.limits.clone(),
            start_rate: terms.start_rate,
            in_flight: terms.in_flight,
            base_url: self.base_url,
            credentials: self.credentials,
            ca_file: self.ca_file,
            policy,
        };
        settings.client(self.kind, setup)
    }
}

/// How a connection logs in that has one key of an account, its setting `api_key`.
#[derive(Debug)]
pub struct KeyLogin {
    /// The `type` of the connection.
    pub kind: &'static str,
    /// All that the connection takes.
    pub settings: &'static [Setting],
    /// The API's address.
    pub api: &'static str,
    /// What to do about a key that is none.
    pub hint: &'static str,
    /// How a request shows the key.
    pub credentials: fn(SecretString) -> Credentials,
}

impl KeyLogin {
    /// The key, where the connection has no other settings than those that there are.
    ///
    /// # Errors
    /// [`Kind::Config`](crate::contract::Kind::Config) for an unknown setting, and for a key that is missing, empty or no text.
    pub fn key<'a>(&self, settings: &'a Settings) -> Result<&'a str, ConnectorError> {
        settings.only(self.kind, self.settings)?;
        settings.required("api_key").map_err(|what| settings.refuse(self.kind, &what, self.hint))
    }

    /// The login by that key.
    ///
    /// # Errors
    /// Those of [`Self::key`] and [`Login::new`].
    pub fn read(&self, settings: &Settings) -> Result<Login, ConnectorError> {
        self.at(self.api, settings)
    }

    /// As [`Self::read`], of an account whose API is at another address.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn at(&self, api: &str, settings: &Settings) -> Result<Login, ConnectorError> {
        let key = self.key(settings)?;
        let credentials = (self.credentials)(SecretString::from(key));
        Login::new(settings, self.kind, api, key, credentials)
    }
}
