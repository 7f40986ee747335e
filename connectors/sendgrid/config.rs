//! Settings of a SendGrid connection.

use std::path::PathBuf;

use secrecy::SecretString;

use crate::contract::{ConnectorError, QuotaOwner};
use crate::http::{self, BaseUrl, CA_FILE, Credentials};
use crate::registry::{Setting, Settings};

/// For accounts of the region Global; those of the EU have `https://api.eu.sendgrid.com` (`tsg_user_v3.json`, `servers`).
const API: &str = "https://api.sendgrid.com";

pub(super) const SETTINGS: &[Setting] = &[
    Setting { name: "api_key", required: true, secret: true, help: "an API key of the account (`SG....`)" },
    CA_FILE,
];

/// Where and as whom to speak; its `Debug` cannot print a secret.
#[derive(Debug)]
pub(super) struct Config {
    pub(super) credentials: Credentials,
    pub(super) base_url: BaseUrl,
    pub(super) owner: QuotaOwner,
    pub(super) ca_file: Option<PathBuf>,
}

impl Config {
    /// # Errors
    /// [`Kind::Config`](crate::contract::Kind::Config) for a missing key, an unknown setting or a bad address.
    pub(super) fn read(settings: &Settings) -> Result<Self, ConnectorError> {
        settings.only("sendgrid", SETTINGS)?;
        let key = settings.required("api_key").map_err(|what| settings.refuse("sendgrid", &what, HINT))?;
        let base_url = BaseUrl::parse(settings.base_url.as_deref().unwrap_or(API), &settings.connection)?;
        Ok(Config {
            owner: http::owner("sendgrid", &base_url, [key]),
            credentials: Credentials::bearer(SecretString::from(key)),
            base_url,
            ca_file: http::ca_file(settings)?,
        })
    }
}

const HINT: &str = "set it as `api_key: \"${SENDGRID_API_KEY}\"` and give the variable a key of SendGrid's page \"API Keys\"";

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::contract::Kind;
    use crate::registry::Limits;

    fn read(values: Json) -> Result<Config, ConnectorError> {
        Config::read(&Settings {
            connection: "mail".to_owned(),
            values: values.as_object().unwrap().clone(),
            base_url: None,
            sandbox: false,
            limits: Limits::default(),
            environment: Default::default(),
        })
    }

    #[test]
    fn reads_a_key_and_never_shows_it() {
        let config = read(json!({"api_key": " SG.secret\n"})).unwrap();
        assert_eq!(config.base_url.as_str(), API);
        assert!(!format!("{config:?}").contains("secret"));
        assert!(config.owner.0.starts_with("sendgrid:") && !config.owner.0.contains("secret"));
        assert_ne!(read(json!({"api_key": "SG.other"})).unwrap().owner, config.owner);
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        for (values, word) in [
            (json!({}), "`api_key` is missing"),
            (json!({"api_key": " "}), "`api_key` is empty"),
            (json!({"api_key": 7}), "`api_key` must be a text"),
            (json!({"api_key": "k", "token": "t"}), "unknown setting `token`"),
        ] {
            let error = read(values).unwrap_err();
            assert_eq!(error.kind, Kind::Config);
            assert!(error.message.contains(word) && error.message.contains("`mail` (sendgrid)"), "{error}");
        }
    }
}
