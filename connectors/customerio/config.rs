//! Settings of a Customer.io connection.

use secrecy::SecretString;

use crate::contract::ConnectorError;
use crate::http::{CA_FILE, Credentials, Login};
use crate::registry::{Setting, Settings};

/// The `type` of a connection.
pub(super) const TYPE: &str = "customerio";

/// What a connection takes.
pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "site_id",
        required: true,
        secret: false,
        help: "site id of the workspace's Track API credentials (Settings, API credentials)",
    },
    Setting { name: "api_key", required: true, secret: true, help: "API key that belongs to `site_id`" },
    Setting {
        name: "region",
        required: false,
        secret: false,
        help: "where the account's data is kept: `us` (default) or `eu`",
    },
    CA_FILE,
];

/// Where an account's data is kept (<https://docs.customer.io/api/track/>, "Server addresses").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Region {
    Us,
    Eu,
}

impl Region {
    /// The word that settings and answers use.
    pub(super) fn word(self) -> &'static str {
        match self {
            Region::Us => "us",
            Region::Eu => "eu",
        }
    }

    fn parse(word: &str) -> Result<Self, String> {
        match word {
            "us" => Ok(Region::Us),
            "eu" => Ok(Region::Eu),
            other => Err(format!("there is no `region` `{other}`")),
        }
    }

    fn address(self) -> &'static str {
        match self {
            Region::Us => "https://track.customer.io",
            Region::Eu => "https://track-eu.customer.io",
        }
    }
}

/// Where and as whom to speak; its `Debug` cannot print the key.
#[derive(Debug)]
pub(super) struct Config {
    pub(super) login: Login,
    pub(super) region: Region,
}

impl Config {
    /// # Errors
    /// [`Kind::Config`](crate::contract::Kind::Config) for missing credentials, an unknown setting or region, or a bad
    /// address.
    pub(super) fn read(settings: &Settings) -> Result<Self, ConnectorError> {
        settings.only(TYPE, SETTINGS)?;
        let refuse = |hint: &'static str| move |what: String| settings.refuse(TYPE, &what, hint);
        let site_id = settings.required("site_id").map_err(refuse(CREDENTIALS_HINT))?;
        let api_key = settings.required("api_key").map_err(refuse(CREDENTIALS_HINT))?;
        let region = settings.text("region").and_then(|word| Region::parse(word.unwrap_or("us")));
        let region = region.map_err(refuse("use `region: us` or `region: eu`"))?;
        let credentials = Credentials::basic(site_id, SecretString::from(api_key));
        // Limits are those of a workspace, which the site id names.
        let login = Login::new(settings, TYPE, region.address(), site_id, credentials)?;
        Ok(Config { login, region })
    }
}

const CREDENTIALS_HINT: &str = "write `site_id: \"${CUSTOMERIO_SITE_ID}\"` and `api_key: \"${CUSTOMERIO_API_KEY}\"`, and \
                                give the variables the Track API credentials of the workspace";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::conformance::support::{refuses, written};

    #[test]
    fn reads_credentials_and_never_shows_the_key() {
        let read =
            |site: &str, key: &str| Config::read(&written(json!({"site_id": site, "api_key": key}))).unwrap();
        let config = read("site", " key-secret\n");
        assert_eq!(
            (config.login.base_url.as_str(), config.region),
            ("https://track.customer.io", Region::Us)
        );
        assert!(!format!("{config:?}").contains("key-secret"));
        assert_ne!(read("other", "key-secret").login.owner, config.login.owner);
    }

    #[test]
    fn a_region_has_its_address_and_another_address_wins() {
        let mut settings = written(json!({"site_id": "site", "api_key": "key", "region": "eu"}));
        let read = |settings: &Settings| {
            let config = Config::read(settings).unwrap();
            (config.login.base_url.as_str().to_owned(), config.region)
        };
        assert_eq!(read(&settings), ("https://track-eu.customer.io".to_owned(), Region::Eu));
        settings.base_url = Some("https://proxy.example.com/cio".to_owned());
        assert_eq!(read(&settings), ("https://proxy.example.com/cio".to_owned(), Region::Eu));
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        let refused = [
            (json!({}), "`site_id` is missing"),
            (json!({"site_id": "site"}), "`api_key` is missing"),
            (json!({"site_id": " ", "api_key": "key"}), "`site_id` is empty"),
            (json!({"site_id": "site", "api_key": 7}), "`api_key` must be a text"),
            (json!({"site_id": "site", "api_key": "key", "region": "mars"}), "no `region` `mars`"),
            (json!({"site_id": "site", "api_key": "key", "token": "x"}), "`token`"),
        ];
        refuses(TYPE, Config::read, &refused);
    }
}
