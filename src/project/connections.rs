//! The `connections` of `outflow.yml`, resolved against the connectors this build has.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use outflow_connectors::nearest::did_you_mean;
use outflow_connectors::registry::{ABSENT, Connector, DailyCalls, Limits, Registry, Settings};
use outflow_connectors::sandbox::SandboxConfig;
use serde_json::Value as Json;

use super::check::{File, join};
use super::diagnostic::Diagnostic;
use super::sandbox::place;
use super::secrets::Environment;
use super::shape::CONNECTION_KEYS;
use super::spec::Connection;
use super::yaml::{Data, Key, Node};
use super::{codes, units};

/// Connections by name; `None` for one that is wrong, so that a mapping that names it is not blamed as well.
pub(super) type Connections = BTreeMap<String, Option<Connection>>;

/// Resolves every entry of the `connections` block.
pub(super) fn read(
    block: &Node,
    (registry, environment): (Registry, &Environment),
    root: &Path,
    file: &File<'_>,
) -> Connections {
    let reader = Reader { registry, root, environment, file };
    let mut accounts = SandboxConfig::default();
    let mut connections = Connections::new();
    for (key, node) in block.entries() {
        let connection = reader.connection(key, node, &mut accounts);
        connections.insert(key.name.clone(), connection);
    }
    connections
}

/// A key whose name ends so holds the path of a file.
const FILE: &str = "_file";

/// A key whose name has one of these parts holds a secret.
const SECRET_WORDS: [&str; 6] = ["token", "secret", "password", "passphrase", "private_key", "api_key"];

struct Reader<'a> {
    registry: Registry,
    root: &'a Path,
    environment: &'a Environment,
    file: &'a File<'a>,
}

impl Reader<'_> {
    fn connection(&self, key: &Key, node: &Node, accounts: &mut SandboxConfig) -> Option<Connection> {
        let path = format!("connections.{}", key.name);
        let kind = node.get("type")?;
        let connector = self.connector(kind)?;
        let before = self.file.problems.errors();
        self.known_settings(connector, node, &path);
        self.required_settings(connector, node, &path);
        let (base_url, sandbox) = self.base_url(connector, node, &path);
        if let Some(block) = node.get("sandbox") {
            self.sandbox(connector, block, accounts, &path);
        }
        let connection = Connection {
            connector,
            settings: Settings {
                connection: key.name.clone(),
                values: self.values(connector, node, &path),
                base_url,
                sandbox,
                limits: self.limits(node.get("limits")),
                environment: self.variables(connector),
            },
            sandbox: node.get("sandbox").map(Node::json),
            location: self.file.location(key.pos),
        };
        (self.file.problems.errors() == before).then_some(connection)
    }

    /// Connections of one system share its emulated account, so that their blocks must not contradict each other.
    fn sandbox(&self, connector: &Connector, block: &Node, accounts: &mut SandboxConfig, path: &str) {
        if !connector.is_sandboxed() {
            let message =
                format!("`{path}.sandbox` has no effect: the sandbox does not emulate {}", connector.title);
            return self.file.error(block.pos, codes::NO_SANDBOX, message);
        }
        if let Err(message) = accounts.add(connector.name, &block.json()) {
            let pos = place(block, &message);
            let message = match block.has_filled() {
                true => format!("`{path}.sandbox` is not valid with what its variables hold"),
                false => format!("in `{path}.sandbox`: {message}"),
            };
            self.file.error(pos, codes::WRONG_VALUE, message);
        }
    }

    /// What the environment says of what the connector asks it for.
    fn variables(&self, connector: &Connector) -> BTreeMap<String, String> {
        let set = |name: &&str| (self.environment)(name).map(|value| ((*name).to_owned(), value));
        connector.environment.iter().filter_map(set).collect()
    }

    fn connector(&self, kind: &Node) -> Option<&'static Connector> {
        let name = kind.text()?;
        let found = self.registry.get(name);
        let absent = ABSENT.iter().find(|(known, _)| *known == name);
        if let (None, Some((_, feature))) = (found, absent) {
            let message = format!("`{name}` is not part of this build of outflow");
            let hint = format!("build it with `--features {feature}`");
            self.file.report(kind.pos, Diagnostic::error(codes::UNKNOWN_TYPE, message).hint(hint));
        } else if found.is_none() {
            let known = || self.registry.0.iter().map(|c| c.name);
            let message = format!("this version of outflow knows no system {}", kind.describe());
            let hint = did_you_mean(name, known())
                .unwrap_or_else(|| format!("it knows: {}", known().collect::<Vec<_>>().join(", ")));
            self.file.report(kind.pos, Diagnostic::error(codes::UNKNOWN_TYPE, message).hint(hint));
        }
        found
    }

    fn known_settings(&self, connector: &Connector, node: &Node, path: &str) {
        let known: Vec<&str> = connector.settings.iter().map(|s| s.name).collect();
        for (key, _) in node.entries() {
            let common = CONNECTION_KEYS.iter().any(|k| k.name == key.name);
            if common || known.contains(&key.name.as_str()) {
                continue;
            }
            let all: Vec<&str> =
                known.iter().copied().chain(CONNECTION_KEYS.iter().map(|k| k.name)).collect();
            self.file.unknown_key(key.pos, &key.name, path, &all);
        }
    }

    fn required_settings(&self, connector: &Connector, node: &Node, path: &str) {
        for setting in connector.settings.iter().filter(|s| s.required || s.secret) {
            match node.get(setting.name) {
                None if setting.required => self.file.missing(node.pos, setting.name, path),
                Some(value) if value.text().is_some_and(|t| t.trim().is_empty()) => {
                    let message = format!("`{}` is empty", join(path, setting.name));
                    self.file.error(value.pos, codes::MISSING_KEY, message);
                }
                _ => {}
            }
        }
    }

    /// The connector's own settings as JSON, paths made absolute.
    fn values(&self, connector: &Connector, node: &Node, path: &str) -> serde_json::Map<String, Json> {
        let mut values = serde_json::Map::new();
        let sandboxed = node.get("base_url").and_then(Node::text) == Some("sandbox");
        for setting in connector.settings {
            let Some(value) = node.get(setting.name) else { continue };
            let path = join(path, setting.name);
            if matches!(value.data, Data::Null) {
                self.file.error(value.pos, codes::WRONG_VALUE, format!("`{path}` has no value"));
                continue;
            }
            if setting.secret && !sandboxed {
                self.no_plain_secret(value, &path);
            }
            self.no_plain_http(value, &path);
            values.insert(setting.name.to_owned(), self.json(setting.name, value));
        }
        values
    }

    /// A secret setting may be a block, as `auth` is, of which some keys are secret.
    fn no_plain_secret(&self, value: &Node, path: &str) {
        for (key, inner) in value.entries() {
            let name = key.name.to_lowercase();
            let holds = SECRET_WORDS.iter().any(|word| name.contains(word)) && !name.ends_with(FILE);
            if holds {
                self.no_plain_secret(inner, &join(path, &key.name));
            }
        }
        if is_plain(value) {
            let message = format!("`{path}` stands in this file in plain text");
            let problem = Diagnostic::warning(codes::PLAIN_SECRET, message);
            self.file.report(
                value.pos,
                problem.hint("write `${NAME}` and set NAME in the environment or in `.env`"),
            );
        }
    }

    /// A path may be nested, as in `auth.private_key_file`.
    fn json(&self, name: &str, value: &Node) -> Json {
        match (&value.data, value.text()) {
            (Data::Map(entries), _) => {
                let inside = |(key, inner): &(Key, Node)| {
                    // Names that the user gives to files.
                    let kind = if name == "attach" { "path" } else { &key.name };
                    (key.name.clone(), self.json(kind, inner))
                };
                Json::Object(entries.iter().map(inside).collect())
            }
            (_, Some(text)) if is_path(name, text) => {
                self.root.join(text).to_string_lossy().into_owned().into()
            }
            _ => value.json(),
        }
    }

    /// A host setting may be nested, as in `auth.instance_url`.
    fn no_plain_http(&self, value: &Node, path: &str) {
        match &value.data {
            Data::Map(entries) => {
                entries.iter().for_each(|(k, v)| self.no_plain_http(v, &join(path, &k.name)))
            }
            Data::Text(text) if text.to_ascii_lowercase().starts_with("http:") => self.url(value, text, path),
            _ => {}
        }
    }

    fn limits(&self, block: Option<&Node>) -> Limits {
        let get = |name| block.and_then(|b| b.get(name));
        Limits {
            requests: get("requests").and_then(Node::text).and_then(units::rate),
            daily_calls: get("daily_calls").and_then(daily_calls),
            concurrency: get("concurrency").and_then(Node::integer).and_then(|n| n.try_into().ok()),
            shared: get("shared").and_then(Node::text).map(|file| self.root.join(file)),
            ..Limits::default()
        }
    }

    fn base_url(&self, connector: &Connector, node: &Node, path: &str) -> (Option<String>, bool) {
        let Some(value) = node.get("base_url") else { return (None, false) };
        match value.text() {
            Some("sandbox") if connector.is_sandboxed() => (None, true),
            Some("sandbox") => {
                let message = format!("the sandbox does not emulate {}", connector.title);
                self.file.error(value.pos, codes::NO_SANDBOX, message);
                (None, false)
            }
            Some(url) => {
                self.url(value, url, &join(path, "base_url"));
                (Some(url.trim_end_matches('/').to_owned()), false)
            }
            None => (None, false),
        }
    }

    fn url(&self, value: &Node, url: &str, path: &str) {
        if let Err(reason) = judge_url(url) {
            let message = format!("`{path}` {reason}");
            self.file.error(value.pos, codes::BAD_URL, message);
        }
    }
}

/// A setting that names a file or folder of this machine; `url` does so where it has no scheme, `credentials` where it is
/// no word of its own.
fn is_path(name: &str, text: &str) -> bool {
    match name {
        "path" => text != ":memory:" && !text.starts_with("md:"),
        "extensions" => true,
        "url" => !text.contains("://"),
        "credentials" => !matches!(text, "adc" | "none"),
        "known_hosts" => !text.starts_with("~/"),
        name => name.ends_with(FILE),
    }
}

/// A secret written out.
fn is_plain(value: &Node) -> bool {
    value.text().is_some_and(|t| !t.is_empty() && !is_harmless_url(t)) && !value.filled
}

/// `postgresql://ann@db/wh`: an address in which no password stands.
fn is_harmless_url(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else { return false };
    let authority = rest.split('/').next().unwrap_or_default();
    let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
    !user.contains(':') && !rest.contains("password=")
}

/// Whether a URL may be used: `https`, or `http` to this machine.
fn judge_url(url: &str) -> Result<(), &'static str> {
    if url.chars().any(|c| c.is_whitespace() || c.is_control() || c == '\\') {
        return Err("is not a URL");
    }
    let Some((scheme, rest)) = url.split_once("://") else {
        return Err("must be a URL like `https://api.example.com`, or `sandbox`");
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err("must not hold a user or password");
    }
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    let loopback =
        host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    match scheme.to_ascii_lowercase().as_str() {
        _ if host.is_empty() => Err("names no host"),
        "https" => Ok(()),
        "http" if loopback => Ok(()),
        "http" => Err("is plain `http://` to another machine; use `https://`"),
        _ => Err("must begin with `https://`"),
    }
}

/// `50000`, or `30%` of what the vendor announces.
fn daily_calls(node: &Node) -> Option<DailyCalls> {
    match node.integer() {
        Some(calls) => calls.try_into().ok().map(DailyCalls::Number),
        None => node.text().and_then(units::percent).map(DailyCalls::Percent),
    }
}

#[cfg(test)]
mod tests {
    use super::{is_harmless_url, is_path, judge_url};

    #[test]
    fn plain_http_only_to_this_machine() {
        for url in [
            "https://api.hubapi.com",
            "http://localhost:8080/x",
            "http://127.0.0.1",
            "http://[::1]:9/",
            "HTTP://LOCALHOST",
        ] {
            assert_eq!(judge_url(url), Ok(()), "{url}");
        }
        for url in [
            "http://example.com",
            "http://127.0.0.1.example.com",
            "http://localhost.example.com",
            "http://localhost@example.com",
            "http://example.com#@localhost",
            "http://example.com\\@localhost",
            "http://localhost\n.example.com",
            "http://[::2]/",
            "ftp://localhost",
            "https://",
            "localhost:8080",
            "",
        ] {
            assert!(judge_url(url).is_err(), "{url}");
        }
    }

    #[test]
    fn an_address_is_a_secret_where_a_password_stands_in_it() {
        assert!(is_harmless_url("postgresql://ann@db:5432/wh?sslmode=require"));
        for url in ["postgresql://ann:x@db/wh", "postgresql://db/wh?password=x", "secret"] {
            assert!(!is_harmless_url(url), "{url}");
        }
    }

    #[test]
    fn what_names_a_file_is_relative_to_the_project() {
        for (name, text) in [
            ("path", "a.db"),
            ("ca_file", "ca.pem"),
            ("url", "data"),
            ("credentials", "key.json"),
            ("known_hosts", "hosts"),
        ] {
            assert!(is_path(name, text), "{name}: {text}");
        }
        for (name, text) in [
            ("credentials", "adc"),
            ("credentials", "none"),
            ("url", "s3://a"),
            ("known_hosts", "~/.ssh/known_hosts"),
            ("path", ":memory:"),
            ("token", "x"),
        ] {
            assert!(!is_path(name, text), "{name}: {text}");
        }
    }
}
