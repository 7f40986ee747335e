//! Settings of a connection to Template.

use std::path::PathBuf;

use secrecy::SecretString;

use crate::contract::{ConnectorError, QuotaOwner};
use crate::http::{self, BaseUrl, CA_FILE, Credentials};
use crate::registry::{Setting, Settings};

const API: &str = "https://api.template.example";

/// What a connection takes.
pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "api_key",
        required: true,
        secret: true,
        help: "a key that may read the account and write people",
    },
    CA_FILE,
];

const KEY_HINT: &str =
    "set it as `api_key: \"${TEMPLATE_API_KEY}\"` and give the variable a key of the account";

/// Where and as whom to speak; its `Debug` cannot print a secret.
#[derive(Debug)]
pub(super) struct Config {
    pub(super) base_url: BaseUrl,
    pub(super) credentials: Credentials,
    pub(super) owner: QuotaOwner,
    pub(super) ca_file: Option<PathBuf>,
}

impl Config {
    /// # Errors
    /// [`Kind::Config`](crate::contract::Kind::Config) for a missing key, an unknown setting or a bad address.
    pub(super) fn read(settings: &Settings) -> Result<Self, ConnectorError> {
        settings.only("template", SETTINGS)?;
        let key = settings.required("api_key");
        let key = key.map_err(|what| settings.refuse("template", &what, KEY_HINT))?;
        let base_url = BaseUrl::parse(settings.base_url.as_deref().unwrap_or(API), &settings.connection)?;
        Ok(Config {
            owner: http::owner("template", &base_url, [key]),
            credentials: Credentials::bearer(SecretString::from(key)),
            base_url,
            ca_file: http::ca_file(settings)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::contract::Kind;
    use crate::registry::Limits;

    fn read(values: Json) -> Result<Config, ConnectorError> {
        Config::read(&Settings {
            connection: "crm".to_owned(),
            values: values.as_object().unwrap().clone(),
            base_url: None,
            sandbox: false,
            limits: Limits::default(),
            environment: Default::default(),
        })
    }

    #[test]
    fn a_key_is_read_and_never_shown() {
        let config = read(json!({"api_key": " key-secret\n"})).unwrap();
        assert_eq!(config.base_url.as_str(), API);
        assert!(!format!("{config:?}").contains("secret"));
        assert_ne!(config.owner, read(json!({"api_key": "another"})).unwrap().owner);
    }

    #[test]
    fn what_is_wrong_is_said_with_the_connection() {
        for (values, word) in [
            (json!({}), "`api_key` is missing"),
            (json!({"api_key": " "}), "`api_key` is empty"),
            (json!({"api_key": "x", "apikey": "y"}), "unknown setting `apikey`"),
        ] {
            let error = read(values).unwrap_err();
            assert!(error.message.contains(word) && error.message.contains("`crm`"), "{error}");
            assert!(error.kind == Kind::Config && error.hint.is_some(), "{error:?}");
        }
    }
}
