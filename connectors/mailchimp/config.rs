//! Settings of a Mailchimp connection.

use crate::contract::ConnectorError;
use crate::http::{CA_FILE, Credentials, KeyLogin, Login};
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

const LOGIN: KeyLogin = KeyLogin {
    kind: "mailchimp",
    settings: SETTINGS,
    // Of the first data centre; [`login`] takes that of the key.
    api: "https://us1.api.mailchimp.com/3.0",
    hint: "set it as `api_key: \"${MAILCHIMP_API_KEY}\"` and give the variable a whole key of Mailchimp's page \"API keys\", \
           its end behind the dash included",
    credentials: |key| Credentials::basic(USER, key),
};

/// # Errors
/// [`Kind::Config`](crate::contract::Kind::Config) for a missing key, one without a data centre, more connections than
/// Mailchimp takes, an unknown setting or a bad address.
pub(super) fn login(settings: &Settings) -> Result<Login, ConnectorError> {
    let refuse = |what: &str, hint: &str| settings.refuse(LOGIN.kind, what, hint);
    let centre = data_centre(LOGIN.key(settings)?);
    if centre.is_none() && settings.base_url.is_none() {
        return Err(refuse("`api_key` does not end with a data centre, as in `...-us3`", LOGIN.hint));
    }
    if settings.limits.concurrency.is_some_and(|most| most > MOST_CONNECTIONS) {
        let what = "`limits.concurrency` is more than 10, and Mailchimp refuses a user's eleventh connection";
        return Err(refuse(what, "set it to 10 or less, or leave it out for 8"));
    }
    LOGIN.at(&format!("https://{}.api.mailchimp.com/3.0", centre.unwrap_or_default()), settings)
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

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::conformance::support;
    use crate::registry::Limits;

    fn read(
        values: Json,
        base_url: Option<&str>,
        concurrency: Option<usize>,
    ) -> Result<Login, ConnectorError> {
        login(&Settings {
            base_url: base_url.map(str::to_owned),
            limits: Limits { concurrency, ..Limits::default() },
            ..support::written(values)
        })
    }

    #[test]
    fn the_data_centre_is_the_end_of_the_key() {
        support::logs_in_by_key(&LOGIN);
        let login = read(json!({"api_key": " 0a1b2c-us3\n"}), None, Some(10)).unwrap();
        assert_eq!(login.base_url.as_str(), "https://us3.api.mailchimp.com/3.0");
        let elsewhere = read(json!({"api_key": "key"}), Some("http://127.0.0.1:1/mailchimp"), None).unwrap();
        assert_eq!(elsewhere.base_url.as_str(), "http://127.0.0.1:1/mailchimp");
        assert_ne!(elsewhere.owner, login.owner);
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        let refused = [
            (json!({"api_key": "k-us1", "server": "us1"}), "unknown setting `server`"),
            (json!({"api_key": "0a1b2c"}), "data centre"),
            (json!({"api_key": "0a1b2c-"}), "data centre"),
            (json!({"api_key": "-us3"}), "data centre"),
            (json!({"api_key": "k-us3.evil.example/"}), "data centre"),
            (json!({"api_key": "k-0a1b2c"}), "data centre"),
        ];
        support::refuses(LOGIN.kind, login, &refused);
        let whole = read(json!({"api_key": "0a1b2c"}), None, None).unwrap_err();
        assert!(!format!("{whole:?}").contains("0a1b2c"), "the key is not repeated: {whole:?}");
        let error = read(json!({"api_key": "k-us3"}), None, Some(11)).unwrap_err();
        assert!(error.message.contains("`limits.concurrency`") && error.hint.is_some(), "{error}");
    }
}
