//! Settings of a HubSpot connection.

use secrecy::SecretString;
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use crate::contract::{ConnectorError, Kind, QuotaOwner};
use crate::http::BaseUrl;
use crate::registry::{Setting, Settings};

const API: &str = "https://api.hubapi.com";

pub(super) const SETTINGS: &[Setting] = &[Setting {
    name: "token",
    required: true,
    secret: true,
    help: "access token of a private app, with `crm.objects.<object>.read` and `.write`",
}];

/// Where and as whom to speak; its `Debug` cannot print the token.
#[derive(Debug)]
pub(super) struct Config {
    pub(super) connection: String,
    pub(super) token: SecretString,
    pub(super) base_url: BaseUrl,
    pub(super) sandbox: bool,
}

impl Config {
    /// # Errors
    /// [`Kind::Config`] for a missing token, an unknown setting or a bad address.
    pub(super) fn read(settings: &Settings) -> Result<Self, ConnectorError> {
        let connection = &settings.connection;
        let refuse = |what: String| {
            ConnectorError::new(Kind::Config, format!("connection `{connection}` (hubspot): {what}"))
        };
        if let Some(name) = settings.values.keys().find(|n| *n != "token") {
            return Err(match name.as_str() {
                "auth" => refuse("`auth` is not supported yet".to_owned())
                    .hint("create a private app in HubSpot and set its access token as `token`"),
                _ => refuse(format!("unknown setting `{name}`"))
                    .hint("it takes `token`, `base_url` and `limits`"),
            });
        }
        let token = match settings.values.get("token") {
            Some(Json::String(text)) if !text.trim().is_empty() => SecretString::from(text.trim()),
            Some(Json::String(_)) => return Err(refuse("`token` is empty".to_owned()).hint(TOKEN_HINT)),
            Some(_) => return Err(refuse("`token` must be a text".to_owned()).hint(TOKEN_HINT)),
            None => return Err(refuse("`token` is missing".to_owned()).hint(TOKEN_HINT)),
        };
        let base_url = BaseUrl::parse(settings.base_url.as_deref().unwrap_or(API), connection)?;
        Ok(Config { connection: connection.clone(), token, base_url, sandbox: settings.sandbox })
    }

    /// One owner per token and host: only these are known before the first request, and limits are per app.
    pub(super) fn owner(&self) -> QuotaOwner {
        use secrecy::ExposeSecret;
        let mut hash = Sha256::new();
        hash.update(self.base_url.as_str());
        hash.update([0]);
        hash.update(self.token.expose_secret());
        let hex: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        QuotaOwner(format!("hubspot:{hex}"))
    }
}

const TOKEN_HINT: &str =
    "set it as `token: \"${HUBSPOT_TOKEN}\"` and give the variable a private app's access token";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::registry::Limits;

    fn settings(values: Json) -> Settings {
        Settings {
            connection: "marketing".to_owned(),
            values: values.as_object().unwrap().clone(),
            base_url: None,
            sandbox: false,
            limits: Limits::default(),
        }
    }

    #[test]
    fn reads_a_token_and_never_shows_it() {
        let config = Config::read(&settings(json!({"token": " pat-secret\n"}))).unwrap();
        assert_eq!(config.base_url.as_str(), API);
        assert!(!format!("{config:?}").contains("pat-secret"));
        let owner = config.owner().0;
        assert!(owner.starts_with("hubspot:") && !owner.contains("secret"), "{owner}");
        let other = Config::read(&settings(json!({"token": "pat-other"}))).unwrap();
        assert_ne!(other.owner(), config.owner());
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        for (values, word) in [
            (json!({}), "missing"),
            (json!({"token": " "}), "empty"),
            (json!({"token": 7}), "text"),
            (json!({"token": "x", "auth": {}}), "`auth` is not supported"),
            (json!({"token": "x", "tokn": "y"}), "`tokn`"),
        ] {
            let error = Config::read(&settings(values)).unwrap_err();
            assert_eq!(error.kind, Kind::Config);
            assert!(error.message.contains(word) && error.message.contains("`marketing`"), "{error}");
            assert!(error.hint.is_some(), "{error}");
        }
    }
}
