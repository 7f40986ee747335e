//! Settings of a HubSpot connection.

use std::path::PathBuf;

use secrecy::SecretString;
use serde_json::{Map, Value as Json};

use super::version::ApiVersion;
use crate::contract::{ConnectorError, QuotaOwner};
use crate::http::{self, BaseUrl, CA_FILE, ClientAuth, Credentials, Grant, GrantKind};
use crate::registry::{Setting, Settings};
use crate::settings::text;

const API: &str = "https://api.hubapi.com";

/// Where tokens are granted, below the API's own address
/// (<https://developers.hubspot.com/docs/api-reference/auth-oauth-v1/tokens>).
const TOKEN_PATH: &str = "/oauth/v1/token";

/// What a connection takes; exactly one of the first two.
pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "token",
        required: false,
        secret: true,
        help: "access token of a private app, with `crm.objects.<object>.read` and `.write`; this or `auth`",
    },
    Setting {
        name: "auth",
        required: false,
        secret: true,
        help: "an OAuth app: `{method: refresh_token, client_id: .., client_secret: .., refresh_token: ..}`; \
               this or `token`",
    },
    Setting {
        name: "api_version",
        required: false,
        secret: false,
        help: "version of the calls on objects: `v3` (default), `2025-09`, `2026-03` or `2026-09`",
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
    pub(super) version: ApiVersion,
    pub(super) sandbox: bool,
}

impl Config {
    /// # Errors
    /// [`Kind::Config`](crate::contract::Kind::Config) for missing credentials or two of them, an unknown setting or a bad address.
    pub(super) fn read(settings: &Settings) -> Result<Self, ConnectorError> {
        settings.only("hubspot", SETTINGS)?;
        let refuse = |what: &str, hint: &str| settings.refuse("hubspot", what, hint);
        let version = settings.text("api_version").and_then(|named| match named {
            None => Ok(ApiVersion::default()),
            Some(text) => {
                ApiVersion::parse(text).ok_or_else(|| format!("there is no `api_version` `{text}`"))
            }
        });
        let version = version.map_err(|what| refuse(&what, &format!("use {}", ApiVersion::ALL)))?;
        let base_url = BaseUrl::parse(settings.base_url.as_deref().unwrap_or(API), &settings.connection)?;
        let (credentials, app) = match (settings.values.get("token"), settings.values.get("auth")) {
            (Some(_), Some(_)) => {
                let what = "both `token` and `auth` are set";
                return Err(refuse(what, "keep `token` for a private app, or `auth` for an OAuth app"));
            }
            (None, None) => return Err(refuse("`token` is missing", TOKEN_HINT)),
            (Some(token), None) => {
                let token = text("token", Some(token)).map_err(|what| refuse(&what, TOKEN_HINT))?;
                (Credentials::bearer(SecretString::from(token)), token.to_owned())
            }
            (None, Some(auth)) => {
                let grant = grant(auth, &base_url).map_err(|what| refuse(&what, AUTH_HINT))?;
                let app = grant.client_id.clone();
                (Credentials::grant(grant), app)
            }
        };
        // Limits are per app and host: only these are known before the first request. A private app is known by its token.
        let owner = http::owner("hubspot", &base_url, [app.as_str()]);
        let ca_file = http::ca_file(settings)?;
        let sandbox = settings.sandbox;
        Ok(Config { credentials, base_url, owner, ca_file, version, sandbox })
    }
}

/// Reads the block `auth`.
fn grant(auth: &Json, base_url: &BaseUrl) -> Result<Grant, String> {
    const KEYS: [&str; 4] = ["method", "client_id", "client_secret", "refresh_token"];
    let block: &Map<String, Json> = auth.as_object().ok_or("`auth` must be a block of settings")?;
    if let Some(name) = block.keys().find(|name| !KEYS.contains(&name.as_str())) {
        return Err(format!("unknown setting `auth.{name}`"));
    }
    let field = |name: &str| text(&format!("auth.{name}"), block.get(name)).map(str::to_owned);
    match field("method")?.as_str() {
        "refresh_token" => Ok(Grant {
            token_url: BaseUrl::parse(&format!("{base_url}{TOKEN_PATH}"), "auth")
                .map_err(|error| error.message)?,
            kind: GrantKind::RefreshToken(SecretString::from(field("refresh_token")?)),
            client_id: field("client_id")?,
            client_secret: SecretString::from(field("client_secret")?),
            scope: None,
            client_auth: ClientAuth::Form,
            base: None,
            explain: None,
        }),
        other => Err(format!("`auth.method` is `{other}`, but HubSpot knows `refresh_token` only")),
    }
}

const TOKEN_HINT: &str = "set it as `token: \"${HUBSPOT_TOKEN}\"` and give the variable a private app's access token; \
                          an OAuth app takes `auth` instead";

const AUTH_HINT: &str = "write `auth: {method: refresh_token, client_id: \"${HUBSPOT_CLIENT_ID}\", \
                         client_secret: \"${HUBSPOT_CLIENT_SECRET}\", refresh_token: \"${HUBSPOT_REFRESH_TOKEN}\"}`";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::conformance::support::{refuses, written as settings};

    fn auth() -> Json {
        json!({"method": "refresh_token", "client_id": "app-1", "client_secret": "cs-secret",
               "refresh_token": "rt-secret"})
    }

    #[test]
    fn reads_a_token_and_never_shows_it() {
        let config = Config::read(&settings(json!({"token": " pat-secret\n"}))).unwrap();
        assert_eq!(config.base_url.as_str(), API);
        assert!(!format!("{config:?}").contains("pat-secret"));
        assert!(config.owner.0.starts_with("hubspot:") && !config.owner.0.contains("secret"));
        let other = Config::read(&settings(json!({"token": "pat-other"}))).unwrap();
        assert_ne!(other.owner, config.owner);
    }

    #[test]
    fn reads_an_oauth_app_whose_limits_are_its_own_whatever_its_tokens() {
        let config = Config::read(&settings(json!({"auth": auth()}))).unwrap();
        let shown = format!("{config:?}");
        assert!(shown.contains("https://api.hubapi.com/oauth/v1/token"), "{shown}");
        assert!(!shown.contains("cs-secret") && !shown.contains("rt-secret"), "{shown}");
        let with = |key: &str| {
            let mut auth = auth();
            auth[key] = "another".into();
            Config::read(&settings(json!({"auth": auth}))).unwrap().owner
        };
        assert_eq!(with("refresh_token"), config.owner);
        assert_ne!(with("client_id"), config.owner);
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        let without = |key: &str| {
            let mut auth = auth();
            auth.as_object_mut().unwrap().remove(key);
            json!({"auth": auth})
        };
        let refused = [
            (json!({}), "`token` is missing"),
            (json!({"token": " "}), "empty"),
            (json!({"token": 7}), "text"),
            (json!({"token": "x", "auth": auth()}), "both `token` and `auth`"),
            (json!({"auth": "x"}), "block"),
            (json!({"auth": {"method": "password"}}), "`password`"),
            (json!({"auth": {"method": "refresh_token", "secret": "x"}}), "`auth.secret`"),
            (without("method"), "`auth.method` is missing"),
            (without("client_id"), "`auth.client_id` is missing"),
            (without("client_secret"), "`auth.client_secret` is missing"),
            (without("refresh_token"), "`auth.refresh_token` is missing"),
            (json!({"token": "x", "tokn": "y"}), "`tokn`"),
            (json!({"token": "x", "api_version": "v4"}), "no `api_version` `v4`"),
            (json!({"token": "x", "api_version": 3}), "`api_version` must be a text"),
        ];
        refuses("hubspot", Config::read, &refused);
    }
}
