//! Settings of a Klaviyo connection.

use std::path::PathBuf;

use reqwest::header::HeaderValue;
use secrecy::SecretString;

use crate::contract::{ConnectorError, QuotaOwner};
use crate::http::{self, BaseUrl, CA_FILE, Credentials};
use crate::registry::{Setting, Settings};

const API: &str = "https://a.klaviyo.com";

/// The revision that the requests were written for.
const REVISION: &str = "2026-07-15";

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "api_key",
        required: true,
        secret: true,
        help: "a private key of the account (`pk_...`)",
    },
    Setting {
        name: "revision",
        required: false,
        secret: false,
        help: "revision of the API that each request names (default `2026-07-15`)",
    },
    CA_FILE,
];

/// Where and as whom to speak; its `Debug` cannot print a secret.
#[derive(Debug)]
pub(super) struct Config {
    pub(super) credentials: Credentials,
    /// Of every request.
    pub(super) revision: HeaderValue,
    pub(super) base_url: BaseUrl,
    pub(super) owner: QuotaOwner,
    pub(super) ca_file: Option<PathBuf>,
}

impl Config {
    /// # Errors
    /// [`Kind::Config`](crate::contract::Kind::Config) for a missing key, an unknown setting, a revision that is none or a
    /// bad address.
    pub(super) fn read(settings: &Settings) -> Result<Self, ConnectorError> {
        settings.only("klaviyo", SETTINGS)?;
        let refuse = |hint: &'static str| move |what: String| settings.refuse("klaviyo", &what, hint);
        let key = settings.required("api_key").map_err(refuse(KEY_HINT))?;
        let revision = settings.text("revision").and_then(|text| revision(text.unwrap_or(REVISION)));
        let base_url = BaseUrl::parse(settings.base_url.as_deref().unwrap_or(API), &settings.connection)?;
        let shown = SecretString::from(format!("Klaviyo-API-Key {key}"));
        Ok(Config {
            owner: http::owner("klaviyo", &base_url, [key]),
            credentials: Credentials::none().with_header("authorization", shown),
            revision: revision.map_err(refuse(REVISION_HINT))?,
            base_url,
            ca_file: http::ca_file(settings)?,
        })
    }
}

/// `YYYY-MM-DD`, with `.suffix` behind it or not.
fn revision(text: &str) -> Result<HeaderValue, String> {
    let (day, suffix) = text.split_once('.').map_or((text, None), |(day, suffix)| (day, Some(suffix)));
    let is_day = day.len() == 10 && day.parse::<jiff::civil::Date>().is_ok();
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let value = HeaderValue::from_str(text).ok().filter(|_| is_day && suffix.is_none_or(is_word));
    value.ok_or_else(|| format!("`revision` is `{text}`, which is none"))
}

const KEY_HINT: &str = "set it as `api_key: \"${KLAVIYO_API_KEY}\"` and give the variable a private key of Klaviyo's page \
                        \"API keys\"";

const REVISION_HINT: &str =
    "write a revision of Klaviyo's API, as in `revision: 2026-07-15`, or leave it out";

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
        let config = read(json!({"api_key": " pk_secret\n"})).unwrap();
        assert_eq!((config.base_url.as_str(), config.revision.to_str().unwrap()), (API, REVISION));
        assert!(!format!("{config:?}").contains("secret"));
        assert!(config.owner.0.starts_with("klaviyo:") && !config.owner.0.contains("secret"));
        let beta = read(json!({"api_key": "k", "revision": "2026-10-15.pre"})).unwrap();
        assert_eq!(beta.revision, "2026-10-15.pre");
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        for (values, word) in [
            (json!({}), "`api_key` is missing"),
            (json!({"api_key": " "}), "`api_key` is empty"),
            (json!({"api_key": "k", "token": "t"}), "unknown setting `token`"),
            (json!({"api_key": "k", "revision": "v3"}), "`revision` is `v3`"),
            (json!({"api_key": "k", "revision": "2026-07-15."}), "which is none"),
            (json!({"api_key": "k", "revision": "2026-13-15"}), "which is none"),
        ] {
            let error = read(values).unwrap_err();
            assert_eq!(error.kind, Kind::Config);
            assert!(error.message.contains(word) && error.message.contains("`mail` (klaviyo)"), "{error}");
        }
    }
}
