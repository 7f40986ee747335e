//! Settings of a connection of type `snowflake`.

use std::time::Duration;

use base64::Engine as _;
use secrecy::SecretString;

use super::{NAME, SETTINGS};
use crate::contract::ConnectorError;
use crate::http::BaseUrl;
use crate::registry::Settings;

/// Snowflake's own limit for `STATEMENT_TIMEOUT_IN_SECONDS`: seven days.
const LONGEST: u64 = 604_800;

const ONE_CREDENTIAL: &str = "set exactly one of `private_key_file`, `private_key`, `token` and `password`; a key pair is the usual one for programs";

/// How the user proves who it is.
#[derive(Debug, Clone)]
pub(super) enum Login {
    /// PEM, PKCS#8, and what opens it where it is encrypted.
    Key { pem: SecretString, passphrase: Option<SecretString> },
    /// An access token of OAuth.
    OAuth(SecretString),
    /// A password, or a programmatic access token, which stands in its place.
    Password(SecretString),
}

/// Where to log in, as whom, and what the session is.
#[derive(Debug, Clone)]
pub(super) struct Config {
    pub account: String,
    pub user: String,
    pub login: Login,
    pub address: BaseUrl,
    pub warehouse: Option<String>,
    pub role: Option<String>,
    pub database: Option<String>,
    pub schema: Option<String>,
    pub query_tag: Option<String>,
    pub statement_timeout: Option<Duration>,
}

impl Config {
    /// # Errors
    /// [`Kind::Config`](crate::contract::Kind::Config) for what is missing, unknown or contradictory; the fix is named.
    pub(super) fn from_settings(settings: &Settings) -> Result<Self, ConnectorError> {
        settings.only(NAME, SETTINGS)?;
        let refuse = |what: String| settings.refuse(NAME, &what, "see docs/guides/snowflake.md");
        let text = |name: &str| settings.text(name).map(|text| text.map(str::to_owned)).map_err(refuse);
        let account = account(settings)?;
        let address = address(settings, &account)?;
        Ok(Config {
            user: settings.required("user").map_err(refuse)?.to_owned(),
            login: login(settings)?,
            address,
            account,
            warehouse: text("warehouse")?,
            role: text("role")?,
            database: text("database")?,
            schema: text("schema")?,
            query_tag: text("query_tag")?,
            statement_timeout: statement_timeout(settings)?,
        })
    }
}

fn account(settings: &Settings) -> Result<String, ConnectorError> {
    let example = "write it as `myorg-myaccount`; in Snowsight it stands under Account, View account details";
    let account = settings.required("account").map_err(|what| settings.refuse(NAME, &what, example))?;
    let is_identifier = account.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if !is_identifier || account.to_ascii_lowercase().contains("snowflakecomputing") {
        return Err(settings.refuse(NAME, "`account` is not an account identifier", example));
    }
    Ok(account.to_owned())
}

/// The account's own host, unless `base_url` names another. Underscores are no part of host names; Snowflake answers
/// to hyphens in their place.
fn address(settings: &Settings, account: &str) -> Result<BaseUrl, ConnectorError> {
    let host = account.to_ascii_lowercase().replace('_', "-");
    let own = format!("https://{host}.snowflakecomputing.com");
    let address = BaseUrl::parse(settings.base_url.as_deref().unwrap_or(&own), &settings.connection)?;
    if address.as_str().matches('/').count() > 2 {
        return Err(settings.refuse(NAME, "`base_url` has a path", "write it as `https://host`"));
    }
    Ok(address)
}

fn login(settings: &Settings) -> Result<Login, ConnectorError> {
    let refuse = |what: &str, hint: &str| settings.refuse(NAME, what, hint);
    let given = |name: &str| settings.text(name).map_err(|what| refuse(&what, ONE_CREDENTIAL));
    let ways = ["private_key", "private_key_file", "token", "password"];
    let set: Vec<&str> = ways.into_iter().filter(|name| settings.values.contains_key(*name)).collect();
    let [way] = set[..] else {
        let what = match set.len() {
            0 => "it has no credential".to_owned(),
            _ => format!(
                "{} are set",
                set.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ")
            ),
        };
        return Err(refuse(&what, ONE_CREDENTIAL));
    };
    for (name, owners) in [("passphrase", &ways[..2]), ("token_type", &ways[2..3])] {
        if settings.values.contains_key(name) && !owners.contains(&way) {
            return Err(refuse(&format!("`{name}` does not go with `{way}`"), "take it out"));
        }
    }
    let value = given(way)?.unwrap_or_default();
    let passphrase = given("passphrase")?.map(SecretString::from);
    match way {
        "private_key" => key(settings, value, passphrase),
        "private_key_file" => {
            let pem = std::fs::read_to_string(value).map_err(|error| {
                refuse(
                    &format!("`private_key_file`: `{value}` cannot be read: {error}"),
                    "a relative path is relative to the project; the file holds a PEM text",
                )
            })?;
            key(settings, &pem, passphrase)
        }
        "token" => match given("token_type")? {
            None | Some("oauth") => Ok(Login::OAuth(value.into())),
            Some("programmatic") => Ok(Login::Password(value.into())),
            Some(other) => {
                Err(refuse(&format!("`token_type: {other}` is not known"), "write `oauth` or `programmatic`"))
            }
        },
        _ => Ok(Login::Password(value.into())),
    }
}

/// Looks at the first line alone; whether the key fits shows at the login.
fn key(settings: &Settings, pem: &str, passphrase: Option<SecretString>) -> Result<Login, ConnectorError> {
    let refuse = |what: &str, hint: &str| Err(settings.refuse(NAME, what, hint));
    // One line of an environment file holds the whole key with its line breaks written as `\n`.
    let pem = pem.trim().replace("\\n", "\n");
    let (plain, encrypted) = ("-----BEGIN PRIVATE KEY-----", "-----BEGIN ENCRYPTED PRIVATE KEY-----");
    match (pem.lines().next().unwrap_or_default().trim(), &passphrase) {
        (first, None) if first == plain => {}
        (first, Some(_)) if first == encrypted => {}
        (first, Some(_)) if first == plain => {
            return refuse(
                "the private key is not encrypted, but `passphrase` is set",
                "take `passphrase` out",
            );
        }
        (first, None) if first == encrypted => {
            return refuse("the private key is encrypted", "set `passphrase`");
        }
        _ => {
            return refuse(
                "the private key is not PEM of the form PKCS#8",
                "it begins with `-----BEGIN PRIVATE KEY-----`; `openssl pkcs8 -topk8` makes it of other forms",
            );
        }
    }
    if passphrase.is_some() && is_triple_des(&pem) {
        return refuse(
            "the private key is encrypted with triple DES, which is not supported",
            "encrypt it with AES: `openssl pkcs8 -topk8 -v2 aes-256-cbc -in OLD.p8 -out NEW.p8`; the public key stays",
        );
    }
    Ok(Login::Key { pem: pem.into(), passphrase })
}

/// Whether the key names des-EDE3-CBC (1.2.840.113549.3.7), by which older recipes encrypt keys.
fn is_triple_des(pem: &str) -> bool {
    const CIPHER: [u8; 8] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x03, 0x07];
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect();
    let der = base64::engine::general_purpose::STANDARD.decode(body).unwrap_or_default();
    der.windows(CIPHER.len()).any(|window| window == CIPHER)
}

fn statement_timeout(settings: &Settings) -> Result<Option<Duration>, ConnectorError> {
    let Some(value) = settings.values.get("statement_timeout") else { return Ok(None) };
    match crate::settings::duration(value) {
        Some(length) if (1..=LONGEST).contains(&length.as_secs()) => Ok(Some(length)),
        _ => Err(settings.refuse(
            NAME,
            "`statement_timeout` is not a time from a second to seven days",
            "write `10m`, `90s`, `2h` or a number of seconds",
        )),
    }
}
