//! Settings of a Klaviyo connection.

use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use crate::contract::ConnectorError;
use crate::http::{CA_FILE, Credentials, KeyLogin, Login};
use crate::registry::{Setting, Settings};

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

const LOGIN: KeyLogin = KeyLogin {
    kind: "klaviyo",
    settings: SETTINGS,
    api: "https://a.klaviyo.com",
    hint: "set it as `api_key: \"${KLAVIYO_API_KEY}\"` and give the variable a private key of Klaviyo's page \"API keys\"",
    credentials: |key| {
        let shown = SecretString::from(format!("Klaviyo-API-Key {}", key.expose_secret()));
        Credentials::none().with_header("authorization", shown)
    },
};

/// Where and as whom to speak; its `Debug` cannot print a secret.
#[derive(Debug)]
pub(super) struct Config {
    pub(super) login: Login,
    /// Of every request.
    pub(super) revision: HeaderValue,
}

impl Config {
    /// # Errors
    /// [`Kind::Config`](crate::contract::Kind::Config) for a missing key, an unknown setting, a revision that is none or a
    /// bad address.
    pub(super) fn read(settings: &Settings) -> Result<Self, ConnectorError> {
        let login = LOGIN.read(settings)?;
        let revision = settings.text("revision").and_then(|text| revision(text.unwrap_or(REVISION)));
        let revision = revision.map_err(|what| settings.refuse(LOGIN.kind, &what, REVISION_HINT))?;
        Ok(Config { login, revision })
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

const REVISION_HINT: &str =
    "write a revision of Klaviyo's API, as in `revision: 2026-07-15`, or leave it out";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::conformance::support;

    #[test]
    fn a_key_is_read_and_never_shown() {
        support::logs_in_by_key(&LOGIN);
    }

    #[test]
    fn a_revision_is_read_or_refused() {
        let read = |values| Config::read(&support::written(values));
        assert_eq!(read(json!({"api_key": "k"})).unwrap().revision, REVISION);
        let beta = read(json!({"api_key": "k", "revision": "2026-10-15.pre"})).unwrap();
        assert_eq!(beta.revision, "2026-10-15.pre");
        let refused = [
            (json!({"api_key": "k", "revision": "v3"}), "`revision` is `v3`"),
            (json!({"api_key": "k", "revision": "2026-07-15."}), "which is none"),
            (json!({"api_key": "k", "revision": "2026-13-15"}), "which is none"),
        ];
        support::refuses(LOGIN.kind, Config::read, &refused);
    }
}
