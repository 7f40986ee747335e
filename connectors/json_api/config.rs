//! Settings of a connection to a JSON API.

use reqwest::header::{HeaderMap, HeaderValue};
use secrecy::SecretString;
use serde_json::Value as Json;

use super::block::{Block, list, wrong};
use super::requests::header;
use super::rules::Pointer;
use crate::contract::{ConnectorError, QuotaOwner};
use crate::http::{self, BaseUrl, CA_FILE, ClientAuth, Credentials, Grant, GrantKind};
use crate::registry::{Setting, Settings};

type Result<T> = std::result::Result<T, ConnectorError>;

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "auth",
        required: false,
        secret: true,
        help: "`{method: bearer, token}`, `{method: basic, username, password}`, `{method: header, name, value}`, \
               `{method: client_credentials, token_url, client_id, client_secret, scope, client_auth: form | basic}`, \
               `{method: refresh_token, ..., refresh_token}`, or `{method: none}`",
    },
    Setting {
        name: "headers",
        required: false,
        secret: true,
        help: "sent with every request, by name; a name with `key`, `token`, `secret`, `password` or `auth` holds a secret",
    },
    Setting {
        name: "account",
        required: false,
        secret: false,
        help: "`{path: /me, id: /id}`: a request that only reads, and where its answer names the account; checks the \
               credentials before anything is sent",
    },
    CA_FILE,
];

/// Names of headers with one of these parts hold secrets.
const SECRET_WORDS: [&str; 5] = ["key", "token", "secret", "password", "auth"];

/// Where and as whom to speak; its `Debug` cannot print a secret.
#[derive(Debug)]
pub(super) struct Config {
    pub(super) base_url: BaseUrl,
    pub(super) credentials: Credentials,
    /// Sent with every request; none of them is a secret.
    pub(super) headers: HeaderMap,
    pub(super) account: Option<Account>,
    pub(super) owner: QuotaOwner,
    pub(super) sandbox: bool,
}

/// Where the API says whose account this is.
#[derive(Debug, Clone)]
pub(super) struct Account {
    pub(super) path: String,
    pub(super) id: Pointer,
}

impl Config {
    /// # Errors
    /// [`Kind::Config`](crate::contract::Kind::Config) for a missing or unknown setting and a bad address.
    pub(super) fn read(settings: &Settings) -> Result<Self> {
        let connection = &settings.connection;
        let place = format!("connections.{connection}");
        let block = Block::of(&settings.values, &place, &["auth", "headers", "account", CA_FILE.name])?;
        let Some(base_url) = settings.base_url.as_deref() else {
            return Err(wrong(&block.place("base_url"), "is missing: the address of the API")
                .hint("as in `base_url: https://api.example.com`"));
        };
        let base_url = BaseUrl::parse(base_url, connection)?;
        let mut credentials = auth(&block, &base_url, connection)?;
        let mut headers = HeaderMap::new();
        for (name, value) in block.texts("headers")? {
            let path = format!("{}.{name}", block.place("headers"));
            let parsed = header(name, &path)?;
            let lower = name.to_ascii_lowercase();
            if SECRET_WORDS.iter().any(|word| lower.contains(word)) {
                credentials = credentials.with_header(name, SecretString::from(value));
                continue;
            }
            let value = HeaderValue::from_str(value)
                .map_err(|_| wrong(&path, "holds characters that cannot be sent in a header"))?;
            headers.insert(parsed, value);
        }
        // Only the address and the credentials are known of a limit's owner.
        let text = |name| settings.values.get(name).map(Json::to_string).unwrap_or_default();
        let owner = http::owner("http", &base_url, [text("auth"), text("headers")]);
        let account = account(&block)?;
        Ok(Config { base_url, credentials, headers, account, owner, sandbox: settings.sandbox })
    }
}

fn account(block: &Block<'_>) -> Result<Option<Account>> {
    let Some(value) = block.get("account") else { return Ok(None) };
    let block = Block::read(value, block.place("account"), &["path", "id"])?;
    let path = block.needed("path")?.to_owned();
    if !path.starts_with('/') || path.contains(char::is_whitespace) {
        return Err(wrong(&block.place("path"), "must begin with `/`, and have no spaces"));
    }
    let id = Pointer::of(&block, "id")?.ok_or_else(|| {
        wrong(&block.place("id"), "is missing: where the answer names the account, as in `/id`")
    })?;
    Ok(Some(Account { path, id }))
}

const GRANT: [&str; 6] = ["method", "token_url", "client_id", "client_secret", "scope", "client_auth"];

fn auth(block: &Block<'_>, base_url: &BaseUrl, connection: &str) -> Result<Credentials> {
    let Some(value) = block.get("auth") else { return Ok(Credentials::none()) };
    let place = block.place("auth");
    let method = value.get("method").and_then(Json::as_str).unwrap_or_default();
    let keys: &[&str] = match method {
        "none" => &["method"],
        "bearer" => &["method", "token"],
        "basic" => &["method", "username", "password"],
        "header" => &["method", "name", "value"],
        "client_credentials" => &GRANT,
        "refresh_token" => &[&GRANT[..], &["refresh_token"]].concat(),
        _ => {
            let known = ["none", "bearer", "basic", "header", "client_credentials", "refresh_token"];
            return Err(wrong(&format!("{place}.method"), format!("must be one of {}", list(&known))));
        }
    };
    let block = Block::read(value, place, keys)?;
    let secret = |key: &str| block.needed(key).map(|text| SecretString::from(text.trim()));
    let at = |url: &str| match url.starts_with('/') {
        true => BaseUrl::parse(&format!("{base_url}{url}"), connection),
        false => BaseUrl::parse(url, connection),
    };
    Ok(match method {
        "bearer" => Credentials::bearer(secret("token")?),
        "basic" => {
            // Some APIs take a key as user name, and no password.
            let password = block.get("password").and_then(Json::as_str).unwrap_or_default();
            Credentials::basic(block.needed("username")?.trim(), SecretString::from(password))
        }
        "header" => {
            let name = block.needed("name")?;
            Credentials::none().with_header(name, secret("value")?)
        }
        "client_credentials" => Credentials::grant(grant(&block, GrantKind::ClientCredentials, &at)?),
        "refresh_token" => {
            let kind = GrantKind::RefreshToken(secret("refresh_token")?);
            Credentials::grant(grant(&block, kind, &at)?)
        }
        _ => Credentials::none(),
    })
}

/// `at` reads the address of the token endpoint; a path is below `base_url`.
fn grant(block: &Block<'_>, kind: GrantKind, at: &dyn Fn(&str) -> Result<BaseUrl>) -> Result<Grant> {
    let client_auth = match block.text("client_auth")? {
        None | Some("form") => ClientAuth::Form,
        Some("basic") => ClientAuth::Basic,
        Some(_) => return Err(wrong(&block.place("client_auth"), "must be `form` or `basic`")),
    };
    let token_url = at(block.needed("token_url")?.trim()).map_err(|error| ConnectorError {
        message: error.message.replace("base_url", "auth.token_url"),
        ..error
    })?;
    Ok(Grant {
        token_url,
        kind,
        client_id: block.needed("client_id")?.trim().to_owned(),
        client_secret: SecretString::from(block.needed("client_secret")?.trim()),
        scope: block.text("scope")?.map(str::to_owned),
        client_auth,
        base: None,
        explain: None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::contract::Kind;
    use crate::registry::Limits;

    fn read(values: Json) -> Result<Config> {
        Config::read(&Settings {
            connection: "crm".to_owned(),
            values: values.as_object().unwrap().clone(),
            base_url: Some("https://api.example.com".to_owned()),
            sandbox: false,
            limits: Limits::default(),
            environment: Default::default(),
        })
    }

    #[test]
    fn every_kind_of_credentials_is_read_and_none_is_shown() {
        let app = json!({"token_url": "https://id.example/token", "client_id": "app", "client_secret": "hush-hush"});
        let with = |method: &str, more: Json| {
            let mut auth = app.clone();
            auth["method"] = method.into();
            auth.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            json!({"auth": auth})
        };
        let mut owners = std::collections::BTreeSet::new();
        for values in [
            json!({}),
            json!({"auth": {"method": "none"}}),
            json!({"auth": {"method": "bearer", "token": "hush-hush"}}),
            json!({"auth": {"method": "basic", "username": "u", "password": "hush-hush"}}),
            json!({"auth": {"method": "basic", "username": "hush"}}),
            with("client_credentials", json!({"token_url": "/oauth/token"})),
            json!({"auth": {"method": "header", "name": "X-Api-Key", "value": "hush-hush"}}),
            json!({"headers": {"X-Api-Key": "hush-hush", "X-Team": "data"}}),
            with("client_credentials", json!({"client_auth": "basic", "scope": "a b"})),
            with("refresh_token", json!({"refresh_token": "hush-hush-too"})),
        ] {
            let config = read(values.clone()).unwrap_or_else(|e| panic!("{values}: {e}"));
            assert!(!format!("{config:?}").contains("hush-hush"), "{config:?}");
            owners.insert(config.owner.0);
        }
        assert_eq!(owners.len(), 10, "each has limits of its own: {owners:?}");
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        for (values, place) in [
            (json!({"auth": "x"}), "auth.method"),
            (json!({"auth": {"method": "digest"}}), "auth.method"),
            (json!({"auth": {"method": "bearer"}}), "auth.token"),
            (json!({"auth": {"method": "bearer", "tokn": "x"}}), "auth.tokn"),
            (json!({"auth": {"method": "basic"}}), "auth.username"),
            (json!({"auth": {"method": "client_credentials"}}), "auth.token_url"),
            (json!({"headers": {"Host": "x"}}), "headers.Host"),
            (json!({"headers": {"X Y": "x"}}), "headers.X Y"),
            (json!({"headers": {"X-Team": "a\nb"}}), "headers.X-Team"),
            (json!({"headers": ["x"]}), "headers"),
            (json!({"account": {"path": "/me"}}), "account.id"),
            (json!({"account": {"path": "me", "id": "/id"}}), "account.path"),
            (json!({"account": {"path": "/me", "id": "id"}}), "account.id"),
        ] {
            let error = read(values.clone()).unwrap_err();
            assert_eq!(error.kind, Kind::Config);
            let place = format!("`connections.crm.{place}`");
            assert!(error.message.starts_with(&place), "{values}: {error}");
        }
        let plain = json!({"auth": {"method": "client_credentials", "client_id": "a", "client_secret": "b",
            "token_url": "http://id.example/token"}});
        let error = read(plain).unwrap_err();
        assert!(
            error.message.contains("`auth.token_url`") && error.message.contains("in the clear"),
            "{error}"
        );
    }
}
