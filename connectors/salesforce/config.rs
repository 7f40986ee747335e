//! Settings of a Salesforce connection.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use secrecy::SecretString;
use serde_json::{Map, Value as Json};

use crate::contract::{ConnectorError, QuotaOwner};
use crate::http::{self, Assertion, BaseUrl, CA_FILE, ClientAuth, Credentials, Grant, GrantKind, json};
use crate::nearest::did_you_mean;
use crate::registry::{Setting, Settings};
use crate::settings::text;

pub(super) const TYPE: &str = "salesforce";

/// Where production orgs grant tokens; `https://test.salesforce.com` is that of sandbox orgs.
const LOGIN: &str = "https://login.salesforce.com";

/// The version that is spoken where the connection names none.
const VERSION: &str = "66.0";

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "auth",
        required: true,
        secret: true,
        help: "as whom: `{method: client_credentials, client_id: .., client_secret: ..}`, or `method: jwt`, `refresh_token`, \
               `access_token`, `password`",
    },
    Setting {
        name: "login_url",
        required: false,
        secret: false,
        help: "where tokens are granted: the org's My Domain, `https://login.salesforce.com` (default) or \
               `https://test.salesforce.com`",
    },
    Setting {
        name: "api_version",
        required: false,
        secret: false,
        help: "version of the API, `66.0` unless set",
    },
    CA_FILE,
];

/// Where and as whom to speak; its `Debug` cannot print a secret.
#[derive(Debug)]
pub(super) struct Config {
    pub(super) credentials: Credentials,
    /// Where requests go until a token's answer names the org's own address (`instance_url`).
    pub(super) base_url: BaseUrl,
    pub(super) owner: QuotaOwner,
    pub(super) ca_file: Option<PathBuf>,
    /// `66.0`
    pub(super) version: String,
}

impl Config {
    /// # Errors
    /// [`Kind::Config`](crate::contract::Kind::Config) for what cannot be meant.
    pub(super) fn read(settings: &Settings) -> Result<Self, ConnectorError> {
        settings.only(TYPE, SETTINGS)?;
        let refuse = |what: &str, hint: &str| settings.refuse(TYPE, what, hint);
        let version = settings.text("api_version").and_then(|named| version(named.unwrap_or(VERSION)));
        let version = version.map_err(|what| refuse(&what, "write it as `66.0`, in quotes"))?;
        let login =
            settings.text("login_url").map_err(|what| refuse(&what, "take it out, or name a host"))?;
        let named = settings.base_url.as_deref();
        let login = BaseUrl::parse(login.or(named).unwrap_or(LOGIN), &settings.connection)?;
        let Some(auth) = settings.values.get("auth") else {
            return Err(refuse("`auth` is missing", AUTH_HINT));
        };
        let auth = Auth {
            login: &login,
            obeys: named.is_none(),
            block: block(auth).map_err(|w| refuse(&w, AUTH_HINT))?,
        };
        let read = auth.read().map_err(|what| refuse(&what, AUTH_HINT))?;
        let base_url = match named.or(read.instance.as_deref()) {
            Some(address) => BaseUrl::parse(address, &settings.connection)?,
            None => login.clone(),
        };
        Ok(Config {
            owner: http::owner(TYPE, &base_url, [read.who.as_str()]),
            credentials: read.credentials,
            base_url,
            ca_file: http::ca_file(settings)?,
            version,
        })
    }
}

/// `66`, `66.0` and `v66.0` are one.
fn version(text: &str) -> Result<String, String> {
    let bare = text.trim_start_matches(['v', 'V']);
    let number = bare.strip_suffix(".0").unwrap_or(bare);
    match number.parse::<u32>() {
        Ok(number) => Ok(format!("{number}.0")),
        Err(_) => Err(format!("there is no `api_version` `{text}`")),
    }
}

fn block(auth: &Json) -> Result<&Map<String, Json>, String> {
    auth.as_object().ok_or_else(|| "`auth` must be a block of settings".to_owned())
}

/// What an `auth` block comes to.
struct Read {
    credentials: Credentials,
    /// Whose limits they are, as far as that is known.
    who: String,
    /// The org's own address, where the block names it.
    instance: Option<String>,
}

/// An `auth` block while it is read.
struct Auth<'a> {
    login: &'a BaseUrl,
    /// The address that a token's answer names is gone to.
    obeys: bool,
    block: &'a Map<String, Json>,
}

/// Keys of each method beside `method`.
const METHODS: [(&str, &[&str]); 5] = [
    ("client_credentials", &["client_id", "client_secret"]),
    ("jwt", &["client_id", "username", "private_key", "private_key_file"]),
    ("refresh_token", &["client_id", "client_secret", "refresh_token"]),
    ("access_token", &["access_token", "instance_url"]),
    ("password", &["username", "password", "security_token", "client_id", "client_secret", "allow_password"]),
];

impl Auth<'_> {
    fn field(&self, name: &str) -> Result<String, String> {
        text(&format!("auth.{name}"), self.block.get(name)).map(str::to_owned)
    }

    fn read(&self) -> Result<Read, String> {
        let method = self.field("method")?;
        let names = METHODS.iter().map(|(name, _)| *name);
        let Some((_, keys)) = METHODS.iter().find(|(name, _)| *name == method) else {
            let near =
                did_you_mean(&method, names.clone()).map(|hint| format!("; {hint}")).unwrap_or_default();
            let all = names.collect::<Vec<_>>().join("`, `");
            return Err(format!("`auth.method` is `{method}`, and Salesforce knows `{all}`{near}"));
        };
        if let Some(name) = self.block.keys().find(|name| *name != "method" && !keys.contains(&name.as_str()))
        {
            let near =
                did_you_mean(name, keys.iter().copied()).map(|hint| format!("; {hint}")).unwrap_or_default();
            return Err(format!("unknown setting `auth.{name}` for `{method}`{near}"));
        }
        let kind = match method.as_str() {
            "access_token" => return self.access_token(),
            "jwt" => GrantKind::Assertion(Arc::new(self.assertion()?)),
            "refresh_token" => GrantKind::RefreshToken(SecretString::from(self.field("refresh_token")?)),
            "password" => self.password()?,
            _ => GrantKind::ClientCredentials,
        };
        let client_secret = match method.as_str() {
            "jwt" => String::new(),
            _ => self.field("client_secret")?,
        };
        let client_id = self.field("client_id")?;
        let token_url = BaseUrl::parse(&format!("{}/services/oauth2/token", self.login), "auth");
        Ok(Read {
            who: client_id.clone(),
            instance: None,
            credentials: Credentials::grant(Grant {
                token_url: token_url.map_err(|error| error.message)?,
                kind,
                client_id,
                client_secret: SecretString::from(client_secret),
                scope: None,
                client_auth: ClientAuth::Form,
                base: self.obeys.then_some(|body: &Json| json::text(body, "instance_url")),
                explain: Some(explain),
            }),
        })
    }

    fn access_token(&self) -> Result<Read, String> {
        let token = self.field("access_token")?;
        let instance = match self.obeys {
            true => Some(self.field("instance_url")?),
            false => None,
        };
        Ok(Read { who: token.clone(), instance, credentials: Credentials::bearer(SecretString::from(token)) })
    }

    fn assertion(&self) -> Result<Assertion, String> {
        let pem = match (self.block.get("private_key"), self.block.get("private_key_file")) {
            (Some(_), Some(_)) => {
                return Err("`auth.private_key` and `auth.private_key_file` are both set".to_owned());
            }
            (None, Some(_)) => {
                let file = self.field("private_key_file")?;
                fs::read_to_string(&file)
                    .map_err(|error| format!("`auth.private_key_file`: `{file}` cannot be read: {error}"))?
            }
            // A variable often holds line breaks as `\n`.
            _ => self.field("private_key")?.replace("\\n", "\n"),
        };
        let (client_id, username) = (self.field("client_id")?, self.field("username")?);
        Assertion::new((&client_id, &username, self.login.as_str()), &SecretString::from(pem))
            .map_err(|what| format!("the private key of `auth` {what}"))
    }

    fn password(&self) -> Result<GrantKind, String> {
        if self.block.get("allow_password") != Some(&Json::Bool(true)) {
            return Err("`auth.method: password` needs `allow_password: true`: it gives the password away with each token, and \
                        new orgs refuse it; `client_credentials` and `jwt` need none"
                .to_owned());
        }
        tracing::warn!(
            "a Salesforce connection uses a user's password; `client_credentials` and `jwt` need none"
        );
        let token = match self.block.get("security_token") {
            None => String::new(),
            Some(_) => self.field("security_token")?,
        };
        let password = self.field("password")? + &token;
        Ok(GrantKind::Password(self.field("username")?, SecretString::from(password)))
    }
}

/// What to do about a refused grant (Salesforce Help, "OAuth 2.0 Error Codes").
pub(super) fn explain(code: &str, said: &str) -> Option<&'static str> {
    let said = said.to_lowercase();
    let has = |words: &str| said.contains(words);
    Some(match code {
        "invalid_client_id" => {
            "check `client_id`: it is the app's consumer key; a new app takes ten minutes to be known"
        }
        "invalid_client" | "invalid_client_credentials" => {
            "check `client_secret`: it is the app's consumer secret, which Salesforce may have rotated"
        }
        "inactive_user" | "inactive_org" => {
            "the user or the org is not active: name another user, or activate it in Setup"
        }
        _ if has("ip restricted") || has("ip address") => {
            "the user may log in from known addresses only: relax the app's IP restrictions in Setup, or add this machine's \
             address to the profile's login ranges"
        }
        _ if has("hasn't approved") || has("not approved") => {
            "let the user use the app in advance: Setup, the app's policies, \"Admin approved users are pre-authorized\", and a \
             permission set with the app"
        }
        _ if has("no client credentials user") || has("request not supported on this domain") => {
            "enable \"Client Credentials Flow\" for the app, choose the user it runs as, and set `login_url` to the org's My Domain"
        }
        _ if has("certificate") || has("invalid assertion") || has("signature") => {
            "the app's certificate is not that of the private key, or has expired: upload the new one in the app's settings"
        }
        _ if has("audience") => {
            "set `login_url` to `https://login.salesforce.com`, or `https://test.salesforce.com` for a sandbox org"
        }
        _ if has("expired access/refresh token")
            || has("expired authorization code")
            || has("token validity expired") =>
        {
            "the refresh token was revoked or has ended: authorise the app anew, and check the app's refresh token policy"
        }
        "unsupported_grant_type" => "enable this flow in the app's settings: Setup, the app, OAuth settings",
        "invalid_grant" => {
            "check the user name and, with `auth: {method: password}`, password and security token; Setup, \"Login \
                            History\" says why the user was refused"
        }
        _ => return None,
    })
}

const AUTH_HINT: &str = "write `auth: {method: client_credentials, client_id: \"${SF_CLIENT_ID}\", client_secret: \
                         \"${SF_CLIENT_SECRET}\"}`; docs/guides/salesforce.md has the other methods";
