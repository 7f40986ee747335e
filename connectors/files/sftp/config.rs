//! What a connection to an SFTP server says: where it is, who logs in, and whom to believe.

use std::fs;
use std::sync::Arc;

use russh::keys::{self, PrivateKey};
use secrecy::SecretString;

use super::host_key::HostKeys;
use crate::registry::Settings;

const PORT: u16 = 22;

/// A folder of a server, and the user that it is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub user: String,
    /// Without the brackets of an IPv6 address.
    pub host: String,
    pub port: u16,
    /// As the server gets it: `/data`, or `data` and `.` below the user's own folder.
    folder: String,
}

/// What shows who the user is; never printed.
pub(super) struct Login {
    pub key: Option<Arc<PrivateKey>>,
    pub password: Option<SecretString>,
}

impl Target {
    /// Of what comes after `sftp://`.
    ///
    /// # Errors
    /// What is wrong with `url`, without a password that stands in it.
    pub(super) fn parse(rest: &str) -> Result<Self, String> {
        let (authority, folder) = rest.split_once('/').unwrap_or((rest, "~"));
        let Some((user, address)) = authority.rsplit_once('@') else {
            return Err("`url` names no user".to_owned());
        };
        if user.contains(':') {
            return Err("`url` has a password in it".to_owned());
        }
        let (user, folder) = (decoded(user)?, decoded(folder.trim_end_matches('/'))?);
        if user.is_empty() || user.chars().any(char::is_control) {
            return Err("`url` names no user".to_owned());
        }
        let (host, port) = split_port(address)?;
        let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '%');
        if host.is_empty() || !host.chars().all(is_host) {
            return Err(format!("`url` names no host: `{address}`"));
        }
        let (below_home, relative) = match folder.strip_prefix('~') {
            Some("") => (true, ""),
            Some(rest) if rest.starts_with('/') => (true, &rest[1..]),
            _ => (false, folder.as_str()),
        };
        if relative
            .split('/')
            .any(|part| matches!(part, "." | "..") || part.is_empty() && !relative.is_empty())
        {
            return Err("`url` has an empty part, `.` or `..` in its folder".to_owned());
        }
        let folder = match (below_home, relative) {
            (true, "") => ".".to_owned(),
            (true, relative) => relative.to_owned(),
            (false, relative) => format!("/{relative}"),
        };
        Ok(Target { user, host: host.to_ascii_lowercase(), port, folder })
    }

    /// As in messages: `sftp://user@host:22/folder`.
    pub(super) fn account(&self) -> String {
        let Target { user, port, folder, .. } = self;
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match folder.as_str() {
            "." => format!("sftp://{user}@{host}:{port}/~"),
            folder if folder.starts_with('/') => format!("sftp://{user}@{host}:{port}{folder}"),
            folder => format!("sftp://{user}@{host}:{port}/~/{folder}"),
        }
    }

    /// What lies under this name below the folder, as the server gets it.
    pub(super) fn at(&self, name: &str) -> String {
        match self.folder.as_str() {
            _ if name.is_empty() => self.folder.clone(),
            "." => name.to_owned(),
            "/" => format!("/{name}"),
            folder => format!("{folder}/{name}"),
        }
    }
}

/// `%20` and the like, which a link has in it.
fn decoded(text: &str) -> Result<String, String> {
    let wrong =
        || "`url` has a `%` that two hexadecimal digits do not follow; `%25` is the sign itself".to_owned();
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first != b'%' {
            bytes.push(*first);
            rest = after;
            continue;
        }
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok()).ok_or_else(wrong)?;
        let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        bytes.push(u8::from_str_radix(digits, 16).ok().filter(|_| is_hex).ok_or_else(wrong)?);
        rest = &after[2..];
    }
    match String::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => Ok(text),
        _ => Err("`url` is no text once its `%` are resolved".to_owned()),
    }
}

fn split_port(address: &str) -> Result<(&str, u16), String> {
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => rest.split_once(']').ok_or("`url` has a `[` without `]`")?,
        None => address.find(':').map_or((address, ""), |colon| address.split_at(colon)),
    };
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => PORT,
        Some(port) => port
            .parse()
            .ok()
            .filter(|port| *port != 0)
            .ok_or_else(|| format!("`url` has the port `{port}`, which is none"))?,
        None => return Err(format!("`url` names no host: `{address}`")),
    };
    Ok((host, port))
}

impl Login {
    /// # Errors
    /// What is wrong with a setting, without its value.
    pub(super) fn read(settings: &Settings) -> Result<Self, String> {
        let (text, file) = (settings.text("private_key")?, settings.text("private_key_file")?);
        let passphrase = settings.text("passphrase")?;
        let password = settings.text("password")?;
        let pem = match (text, file) {
            (Some(_), Some(_)) => {
                return Err("`private_key` and `private_key_file` are both set; set one".to_owned());
            }
            // A variable often holds line breaks as `\n`.
            (Some(text), None) => Some(("private_key", SecretString::from(text.replace("\\n", "\n")))),
            (None, Some(file)) => {
                let read = fs::read_to_string(file)
                    .map_err(|error| format!("`private_key_file`: `{file}` cannot be read: {error}"))?;
                Some(("private_key_file", SecretString::from(read)))
            }
            (None, None) => None,
        };
        if passphrase.is_some() && pem.is_none() {
            return Err("`passphrase` opens a private key, and none is set".to_owned());
        }
        let key = pem.map(|(name, pem)| open_key(name, &pem, passphrase)).transpose()?;
        if key.is_none() && password.is_none() {
            return Err("`private_key_file` is missing, and so are `private_key` and `password`".to_owned());
        }
        Ok(Login { key: key.map(Arc::new), password: password.map(SecretString::from) })
    }
}

fn open_key(name: &str, pem: &SecretString, passphrase: Option<&str>) -> Result<PrivateKey, String> {
    use secrecy::ExposeSecret;
    let pem = pem.expose_secret();
    if pem.trim_start().starts_with("ssh-") || pem.trim_start().starts_with("ecdsa-") {
        return Err(format!(
            "`{name}` is a public key; set the private one, whose file has no `.pub` at its end"
        ));
    }
    keys::decode_secret_key(pem, passphrase).map_err(|error| match (error, passphrase) {
        (keys::Error::KeyIsEncrypted, None) => format!("`{name}` is encrypted, and `passphrase` is missing"),
        (_, Some(_)) => format!("`{name}` cannot be opened with this `passphrase`"),
        (error, None) => format!("`{name}` is no private key that is understood: {error}"),
    })
}

/// Whom to believe.
///
/// # Errors
/// What is wrong with a setting.
pub(super) fn host_keys(settings: &Settings, target: &Target) -> Result<HostKeys, String> {
    let mut keys = HostKeys::new(&target.host, target.port);
    if let Some(pinned) = settings.text("host_key")? {
        keys.pin(pinned)?;
    }
    let home = settings.environment.get("HOME").filter(|home| !home.is_empty());
    let (file, is_named) = match (settings.text("known_hosts")?, home) {
        (Some(file), Some(home)) if file.starts_with("~/") => (format!("{home}{}", &file[1..]), true),
        (Some(file), _) => (file.to_owned(), true),
        (None, Some(home)) => (format!("{home}/.ssh/known_hosts"), false),
        (None, None) => return Ok(keys),
    };
    match fs::read(&file) {
        Ok(text) => keys.learn(&file, &String::from_utf8_lossy(&text)),
        Err(error) if is_named => return Err(format!("`known_hosts`: `{file}` cannot be read: {error}")),
        // Nobody has to have one: a host that it would name is an unknown one.
        Err(_) => {}
    }
    Ok(keys)
}

/// What to write instead, by the setting that the problem begins with.
pub(super) fn hint(what: &str) -> &'static str {
    match what.split('`').nth(1).unwrap_or_default() {
        "url" if what.contains("password") => "write it as `password: ${SFTP_PASSWORD}`, outside of `url`",
        "url" => "write `sftp://USER@HOST/FOLDER`, with `:PORT` after the host where it is not 22",
        "host_key" => "write a line of the server's, `ssh-ed25519 AAAA...`, or a fingerprint, `SHA256:...`",
        "private_key_file" | "private_key" | "passphrase" => {
            "name the file of a private key, as in `private_key_file: secrets/sftp`, and its `passphrase` if it has one"
        }
        _ => "see docs/guides/files.md",
    }
}
