//! Where a database server is and who logs in: a URL, or the settings `host`, `port`, `database`, `user`, `password`, `sslmode`,
//! `ca_file`.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;
use secrecy::SecretString;
use serde_json::Value as Json;

use crate::contract::ConnectorError;
use crate::registry::Settings;
use crate::settings;

/// What a system calls itself in settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Server {
    /// The connection's `type`.
    pub name: &'static str,
    /// Schemes of its URLs.
    pub schemes: &'static [&'static str],
    /// The usual port.
    pub port: u16,
}

/// How much of the server's identity is checked, in libpq's words
/// (<https://www.postgresql.org/docs/current/libpq-ssl.html>).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SslMode {
    /// No TLS.
    Disable,
    /// TLS where the server has it, unchecked.
    Prefer,
    /// TLS, unchecked.
    Require,
    /// TLS with a certificate of a trusted authority.
    VerifyCa,
    /// The same, issued for this host.
    VerifyFull,
}

const SSL_MODES: [(&str, SslMode); 5] = [
    ("disable", SslMode::Disable),
    ("prefer", SslMode::Prefer),
    ("require", SslMode::Require),
    ("verify-ca", SslMode::VerifyCa),
    ("verify-full", SslMode::VerifyFull),
];

/// Where the server is and who logs in.
#[derive(Debug, Clone)]
pub struct Login {
    /// Whose words the settings are in.
    pub server: Server,
    /// The connection's name in `outflow.yml`.
    pub connection: String,
    /// A name, an address, or the folder of a socket.
    pub host: String,
    /// The port of TCP.
    pub port: u16,
    /// The database, where one is named.
    pub database: Option<String>,
    /// The user.
    pub user: String,
    /// As the settings give it.
    pub password: Option<SecretString>,
    /// How much of the server's identity is checked.
    pub sslmode: SslMode,
    /// The login must be bound to the TLS session: `channel_binding=require` of a URL.
    pub binds: bool,
    /// Authorities to trust, as PEM.
    pub ca_file: Option<PathBuf>,
    /// Most time that a query may take.
    pub statement_timeout: Option<Duration>,
}

/// What is wrong, and what to do about it.
type Refusal = (String, String);

/// What a URL or the settings say.
#[derive(Default)]
struct Given {
    host: Option<String>,
    port: Option<u16>,
    database: Option<String>,
    user: Option<String>,
    password: Option<String>,
    sslmode: Option<String>,
    ca_file: Option<String>,
    binds: bool,
}

impl Server {
    fn example(&self) -> String {
        format!("{}://USER@HOST:{}/DATABASE", self.schemes[0], self.port)
    }
}

impl Login {
    /// # Errors
    /// Of [`crate::contract::Kind::Config`]: what is missing or does not fit, and what to write.
    pub fn from_settings(settings: &Settings, server: Server) -> Result<Self, ConnectorError> {
        Self::read(settings, server).map_err(|(what, hint)| settings.refuse(server.name, &what, &hint))
    }

    fn read(settings: &Settings, server: Server) -> Result<Self, Refusal> {
        let hinted = |what: String| {
            (what, format!("write `url: {}`, or `host`, `database` and `user`", server.example()))
        };
        if settings.base_url.is_some() {
            return Err(hinted("`base_url` has no meaning here".to_owned()));
        }
        let given = match settings.text("url").map_err(hinted)? {
            Some(url) => beside_no_url(settings).and_then(|()| from_url(url, server))?,
            None => from_parts(settings).map_err(hinted)?,
        };
        let host = given.host.ok_or_else(|| hinted("`host` is missing".to_owned()))?;
        let user = given.user.ok_or_else(|| hinted("`user` is missing".to_owned()))?;
        let ca_file = given.ca_file.map(PathBuf::from);
        let sslmode = sslmode(given.sslmode.as_deref(), ca_file.is_some())?;
        if sslmode < SslMode::VerifyCa && ca_file.is_some() {
            let what = "`ca_file` has no effect without `sslmode: verify-ca` or `verify-full`".to_owned();
            return Err((what, "set `sslmode: verify-full`, or take `ca_file` out".to_owned()));
        }
        let statement_timeout = match settings.values.get("statement_timeout") {
            None => None,
            Some(value) => Some(settings::duration(value).ok_or_else(|| {
                let what = "`statement_timeout` is not a length of time".to_owned();
                (what, "write `10m`, `90s` or `2h`".to_owned())
            })?),
        };
        Ok(Login {
            server,
            connection: settings.connection.clone(),
            host,
            port: given.port.unwrap_or(server.port),
            database: given.database,
            user,
            password: given.password.map(SecretString::from),
            sslmode,
            binds: given.binds,
            ca_file,
            statement_timeout,
        })
    }

    /// `HOST:PORT`, for messages.
    pub fn place(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// A sentence about this connection.
    pub fn about(&self, what: &str) -> String {
        format!("connection `{}` ({}): {what}", self.connection, self.server.name)
    }
}

fn sslmode(given: Option<&str>, has_ca: bool) -> Result<SslMode, Refusal> {
    const HINT: &str = "it is one of `disable`, `prefer`, `require`, `verify-ca`, `verify-full`";
    let Some(name) = given else {
        return Ok(if has_ca { SslMode::VerifyFull } else { SslMode::Prefer });
    };
    let found = SSL_MODES.iter().find(|(known, _)| *known == name).map(|(_, mode)| *mode);
    found.ok_or_else(|| (format!("there is no `sslmode` `{name}`"), HINT.to_owned()))
}

fn beside_no_url(settings: &Settings) -> Result<(), Refusal> {
    const PARTS: [&str; 5] = ["host", "port", "database", "user", "sslmode"];
    match PARTS.iter().find(|part| settings.values.contains_key(**part)) {
        Some(part) => {
            let hint = "the URL has its place for it; keep one of the two".to_owned();
            Err((format!("`url` and `{part}` are both set"), hint))
        }
        None => Ok(()),
    }
}

fn from_parts(settings: &Settings) -> Result<Given, String> {
    let text = |name: &str| settings.text(name).map(|text| text.map(str::to_owned));
    let port = match settings.values.get("port") {
        None => None,
        Some(Json::Number(number)) => number.as_u64().and_then(|port| u16::try_from(port).ok()),
        Some(Json::String(text)) => text.parse().ok(),
        Some(_) => None,
    };
    if port.is_none() && settings.values.contains_key("port") {
        return Err("`port` must be a number between 1 and 65535".to_owned());
    }
    Ok(Given {
        host: text("host")?,
        port,
        database: text("database")?,
        user: text("user")?,
        password: text("password")?,
        sslmode: text("sslmode")?,
        ca_file: text("ca_file")?,
        binds: false,
    })
}

/// Reads `postgresql://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=MODE&sslrootcert=FILE`; errors never repeat it.
fn from_url(url: &str, server: Server) -> Result<Given, Refusal> {
    let wrong =
        |what: &str| (format!("`url` {what}"), format!("write `{}?sslmode=verify-full`", server.example()));
    let url = Url::parse(url).map_err(|error| wrong(&format!("is no URL: {error}")))?;
    if !server.schemes.contains(&url.scheme()) {
        return Err(wrong(&format!("must begin with `{}://`", server.schemes[0])));
    }
    let decoded = |text: &str| percent_decoded(text).ok_or_else(|| wrong("has a `%` that encodes no text"));
    let mut given = Given {
        host: url.host_str().map(|host| host.trim_matches(['[', ']']).to_owned()).filter(|h| !h.is_empty()),
        port: url.port(),
        ..Given::default()
    };
    let database = decoded(url.path().trim_start_matches('/'))?;
    given.database = Some(database).filter(|name| !name.is_empty());
    given.user = Some(decoded(url.username())?).filter(|name| !name.is_empty());
    given.password = url.password().map(decoded).transpose()?;
    for (name, value) in url.query_pairs() {
        let value = value.into_owned();
        match &*name {
            "sslmode" => given.sslmode = Some(value),
            "sslrootcert" => given.ca_file = Some(value),
            "user" => given.user = Some(value),
            "password" => given.password = Some(value),
            "host" => given.host = Some(value),
            "channel_binding" if value == "require" => given.binds = true,
            "application_name" | "connect_timeout" | "channel_binding" => {}
            other => return Err(wrong(&format!("has the parameter `{other}`, which is not known"))),
        }
    }
    Ok(given)
}

/// `%2F` and the like, as UTF-8.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let code = std::str::from_utf8(rest.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(code, 16).ok()?);
        rest = &rest[2..];
    }
    String::from_utf8(bytes).ok()
}
