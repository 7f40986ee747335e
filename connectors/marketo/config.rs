//! Settings of a Marketo connection.

use std::path::PathBuf;

use secrecy::SecretString;

use crate::contract::{ConnectorError, QuotaOwner};
use crate::http::{self, BaseUrl, CA_FILE, ClientAuth, Credentials, Grant, GrantKind};
use crate::registry::{DailyCalls, Limits, Setting, Settings};

pub(super) const TYPE: &str = "marketo";

/// Calls a day of the usual subscription; Admin, Web Services shows an instance's own number
/// (`marketo-integration-best-practices.md`).
pub(super) const DAILY: u64 = 50_000;

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "client_id",
        required: true,
        secret: false,
        help: "the client id of the custom service (Admin, LaunchPoint, \"View Details\")",
    },
    Setting {
        name: "client_secret",
        required: true,
        secret: true,
        help: "the client secret of the same service",
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
    /// [`Kind::Config`](crate::contract::Kind::Config) for a missing or unknown setting, or a bad address.
    pub(super) fn read(settings: &Settings) -> Result<Self, ConnectorError> {
        settings.only(TYPE, SETTINGS)?;
        let Some(address) = settings.base_url.as_deref() else {
            return Err(settings.refuse(TYPE, "`base_url` is missing", ADDRESS));
        };
        let required = |name| settings.required(name).map_err(|what| settings.refuse(TYPE, &what, SERVICE));
        let (client_id, secret) = (required("client_id")?, required("client_secret")?);
        let base_url = BaseUrl::parse(instance(address), &settings.connection)?;
        let token_url = BaseUrl::parse(&format!("{base_url}/identity/oauth/token"), &settings.connection)?;
        Ok(Config {
            // All services of an instance share its limits.
            owner: http::owner(TYPE, &base_url, None::<&str>),
            credentials: Credentials::grant(Grant {
                token_url,
                kind: GrantKind::ClientCredentials,
                client_id: client_id.to_owned(),
                client_secret: SecretString::from(secret),
                scope: None,
                client_auth: ClientAuth::Query,
                base: None,
                explain: Some(explain),
            }),
            base_url,
            ca_file: http::ca_file(settings)?,
        })
    }
}

/// The instance's address, of which Marketo's pages show parts: `https://123-ABC-456.mktorest.com/rest`.
fn instance(address: &str) -> &str {
    let address = address.trim().trim_end_matches('/');
    ["/rest", "/identity", "/bulk"].iter().find_map(|end| address.strip_suffix(end)).unwrap_or(address)
}

/// The limits of the connection: without a number of its own, the calls a day that the usual subscription has.
pub(super) fn limits(settings: &Settings) -> Limits {
    let daily_calls = match settings.limits.daily_calls {
        None => DailyCalls::Number(DAILY),
        // No answer tells how many an instance has.
        Some(DailyCalls::Percent(percent)) => DailyCalls::Number((DAILY as f64 * percent / 100.0) as u64),
        Some(number) => number,
    };
    Limits { daily_calls: Some(daily_calls), ..settings.limits.clone() }
}

/// What to do about a refused client, by the identity service's codes.
fn explain(code: &str, _said: &str) -> Option<&'static str> {
    matches!(code, "invalid_client" | "unauthorized" | "TOKEN_REFUSED").then_some(SERVICE)
}

const ADDRESS: &str = "set it as `base_url: https://123-ABC-456.mktorest.com`: Marketo shows the address in Admin, Web Services, \
                       \"REST API\"";

const SERVICE: &str = "copy `client_id` and `client_secret` from Marketo: Admin, LaunchPoint, the service's \"View Details\"; and \
                       check that `base_url` is the same instance's";

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::contract::Kind;

    fn settings(values: Json, base_url: Option<&str>) -> Settings {
        Settings {
            connection: "nurture".to_owned(),
            values: values.as_object().unwrap().clone(),
            base_url: base_url.map(str::to_owned),
            sandbox: false,
            limits: Limits::default(),
            environment: Default::default(),
        }
    }

    fn read(values: Json, base_url: Option<&str>) -> Result<Config, ConnectorError> {
        Config::read(&settings(values, base_url))
    }

    #[test]
    fn reads_a_service_and_never_shows_its_secret() {
        let values = || json!({"client_id": "id-1", "client_secret": " s3cr3t\n"});
        for address in ["https://123-abc-456.mktorest.com", "https://123-abc-456.mktorest.com/rest/"] {
            let config = read(values(), Some(address)).unwrap();
            assert_eq!(config.base_url.as_str(), "https://123-abc-456.mktorest.com");
            assert!(!format!("{config:?}").contains("s3cr3t"));
            assert!(config.owner.0.starts_with("marketo:"));
        }
        let owner = |id: &str| {
            let values = json!({"client_id": id, "client_secret": "s"});
            read(values, Some("https://123-abc-456.mktorest.com")).unwrap().owner
        };
        assert_eq!(owner("a"), owner("b"), "the limits are the instance's");
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        let there = Some("https://123-abc-456.mktorest.com");
        for (values, base_url, word) in [
            (json!({"client_id": "a", "client_secret": "b"}), None, "`base_url` is missing"),
            (json!({"client_secret": "b"}), there, "`client_id` is missing"),
            (json!({"client_id": "a"}), there, "`client_secret` is missing"),
            (json!({"client_id": "a", "client_secret": " "}), there, "`client_secret` is empty"),
            (json!({"client_id": 7, "client_secret": "b"}), there, "`client_id` must be a text"),
            (json!({"client_id": "a", "client_secret": "b", "token": "t"}), there, "unknown setting `token`"),
        ] {
            let error = read(values, base_url).unwrap_err();
            assert_eq!(error.kind, Kind::Config);
            assert!(error.message.contains(word) && error.message.contains("`nurture` (marketo)"), "{error}");
            assert!(error.hint.is_some());
        }
        assert!(
            read(json!({"client_id": "a", "client_secret": "b"}), Some("http://x.mktorest.com")).is_err()
        );
    }

    #[test]
    fn the_day_has_a_budget_unless_another_is_set() {
        let of = |daily_calls| {
            let mut settings = settings(json!({}), None);
            settings.limits.daily_calls = daily_calls;
            limits(&settings).daily_calls
        };
        assert_eq!(of(None), Some(DailyCalls::Number(50_000)));
        assert_eq!(of(Some(DailyCalls::Percent(30.0))), Some(DailyCalls::Number(15_000)));
        assert_eq!(of(Some(DailyCalls::Number(200_000))), Some(DailyCalls::Number(200_000)));
    }
}
