//! Settings of a Mailchimp connection.

use std::path::PathBuf;

use secrecy::SecretString;

use crate::contract::{ConnectorError, QuotaOwner};
use crate::http::{self, BaseUrl, CA_FILE, Credentials};
use crate::registry::{Setting, Settings};

/// Mailchimp takes any name of a user beside the key.
const USER: &str = "outflow";

/// Connections that one user may have at once
/// (<https://mailchimp.com/developer/marketing/docs/fundamentals/#api-limits>).
pub(super) const MOST_CONNECTIONS: usize = 10;

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "api_key",
        required: true,
        secret: true,
        help: "an API key of the account; the data centre is what stands behind its dash (`...-us3`)",
    },
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
    /// [`Kind::Config`](crate::contract::Kind::Config) for a missing key, one without a data centre, more connections
    /// than Mailchimp takes, an unknown setting or a bad address.
    pub(super) fn read(settings: &Settings) -> Result<Self, ConnectorError> {
        settings.only("mailchimp", SETTINGS)?;
        let refuse = |what: &str, hint: &str| settings.refuse("mailchimp", what, hint);
        let key = settings.required("api_key").map_err(|what| refuse(&what, HINT))?;
        let base_url = match &settings.base_url {
            Some(url) => BaseUrl::parse(url, &settings.connection)?,
            None => {
                let centre = data_centre(key).ok_or_else(|| {
                    refuse("`api_key` does not end with a data centre, as in `...-us3`", HINT)
                })?;
                BaseUrl::parse(&format!("https://{centre}.api.mailchimp.com/3.0"), &settings.connection)?
            }
        };
        if settings.limits.concurrency.is_some_and(|most| most > MOST_CONNECTIONS) {
            let what =
                "`limits.concurrency` is more than 10, and Mailchimp refuses a user's eleventh connection";
            return Err(refuse(what, "set it to 10 or less, or leave it out for 8"));
        }
        Ok(Config {
            owner: http::owner("mailchimp", &base_url, [key]),
            credentials: Credentials::basic(USER, SecretString::from(key)),
            base_url,
            ca_file: http::ca_file(settings)?,
        })
    }
}

/// The part of a key behind its last dash, where that can be the name of a host: `us3`.
fn data_centre(key: &str) -> Option<&str> {
    let (secret, centre) = key.rsplit_once('-')?;
    let letters = centre.trim_end_matches(|c: char| c.is_ascii_digit());
    let is_centre = !letters.is_empty()
        && letters.len() < centre.len()
        && letters.chars().all(|c| c.is_ascii_lowercase())
        && centre.len() <= 8;
    (is_centre && !secret.is_empty()).then_some(centre)
}

const HINT: &str = "set it as `api_key: \"${MAILCHIMP_API_KEY}\"` and give the variable a whole key of Mailchimp's page \
                    \"API keys\", its end behind the dash included";

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::contract::Kind;
    use crate::registry::Limits;

    fn read(
        values: Json,
        base_url: Option<&str>,
        concurrency: Option<usize>,
    ) -> Result<Config, ConnectorError> {
        Config::read(&Settings {
            connection: "mail".to_owned(),
            values: values.as_object().unwrap().clone(),
            base_url: base_url.map(str::to_owned),
            sandbox: false,
            limits: Limits { concurrency, ..Limits::default() },
            environment: Default::default(),
        })
    }

    #[test]
    fn the_data_centre_is_the_end_of_the_key() {
        let config = read(json!({"api_key": " 0a1b2c-us3\n"}), None, Some(10)).unwrap();
        assert_eq!(config.base_url.as_str(), "https://us3.api.mailchimp.com/3.0");
        assert!(!format!("{config:?}").contains("0a1b2c"));
        assert!(config.owner.0.starts_with("mailchimp:") && !config.owner.0.contains("0a1b2c"));
        let elsewhere = read(json!({"api_key": "key"}), Some("http://127.0.0.1:1/mailchimp"), None).unwrap();
        assert_eq!(elsewhere.base_url.as_str(), "http://127.0.0.1:1/mailchimp");
        assert_ne!(elsewhere.owner, config.owner);
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        for (values, concurrency, word) in [
            (json!({}), None, "`api_key` is missing"),
            (json!({"api_key": " "}), None, "`api_key` is empty"),
            (json!({"api_key": "k-us1", "server": "us1"}), None, "unknown setting `server`"),
            (json!({"api_key": "0a1b2c"}), None, "data centre"),
            (json!({"api_key": "0a1b2c-"}), None, "data centre"),
            (json!({"api_key": "-us3"}), None, "data centre"),
            (json!({"api_key": "k-us3.evil.example/"}), None, "data centre"),
            (json!({"api_key": "k-0a1b2c"}), None, "data centre"),
            (json!({"api_key": "k-us3"}), Some(11), "`limits.concurrency`"),
        ] {
            let error = read(values.clone(), None, concurrency).unwrap_err();
            assert_eq!(error.kind, Kind::Config, "{values}");
            assert!(error.message.contains(word) && error.message.contains("`mail` (mailchimp)"), "{error}");
            assert!(error.hint.is_some() && !error.message.contains("0a1b2c"), "{error}");
        }
    }
}
