//! Whether a server is the one that is meant: its key against `host_key` and `known_hosts`.
//!
//! The form of `known_hosts`: <https://man.openbsd.org/sshd.8#SSH_KNOWN_HOSTS_FILE_FORMAT>. russh reads such files too, but
//! neither `@revoked` lines nor wildcards, and takes a file that cannot be read for an empty one.

use std::cmp::Reverse;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use russh::Preferred;
use russh::keys::{Algorithm, HashAlg, PublicKey};

use super::errors::Refusal;
use crate::contract::Kind;
use crate::files::errors;

/// What is known of one host's keys.
#[derive(Debug)]
pub(super) struct HostKeys {
    host: String,
    port: u16,
    pinned: Option<Pin>,
    file: Option<String>,
    known: Vec<Known>,
}

#[derive(Debug)]
enum Pin {
    Key(Box<PublicKey>),
    /// `SHA256:...`
    Fingerprint(String),
}

/// A line of the file that is about this host.
#[derive(Debug)]
struct Known {
    /// From 1 on.
    line: usize,
    mark: Mark,
    key: PublicKey,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Plain,
    Revoked,
    Authority,
}

impl HostKeys {
    pub(super) fn new(host: &str, port: u16) -> Self {
        HostKeys { host: host.to_ascii_lowercase(), port, pinned: None, file: None, known: Vec::new() }
    }

    /// Believes this key and no other.
    ///
    /// # Errors
    /// Where it is neither a key nor a fingerprint.
    pub(super) fn pin(&mut self, text: &str) -> Result<(), String> {
        if let Some(digest) = text.strip_prefix("SHA256:") {
            let digest = digest.trim_end_matches('=');
            let bytes =
                STANDARD.decode(format!("{digest}=")).map_err(|_| ()).and_then(|bytes| match bytes.len() {
                    32 => Ok(()),
                    _ => Err(()),
                });
            bytes.map_err(|()| {
                "`host_key` is cut off: a fingerprint has 43 letters after `SHA256:`".to_owned()
            })?;
            self.pinned = Some(Pin::Fingerprint(format!("SHA256:{digest}")));
            return Ok(());
        }
        // A line of `known_hosts` or of `ssh-keyscan` has the host before the key.
        let words: Vec<&str> = text.split_whitespace().collect();
        let key = (0..words.len().min(2)).find_map(|at| public_key(words.get(at)?, words.get(at + 1)?));
        let key = key.ok_or("`host_key` is neither a public key nor a SHA256 fingerprint")?;
        self.pinned = Some(Pin::Key(Box::new(key)));
        Ok(())
    }

    /// Takes in the lines of a file that are about this host. A line that is not understood is about nobody.
    pub(super) fn learn(&mut self, file: &str, text: &str) {
        let name = self.name();
        // What OpenSSH writes for the usual port, and what it also understands.
        let bracketed = format!("[{}]:{}", self.host, self.port);
        let lines = text.lines().enumerate().filter_map(|(index, line)| {
            let mut words = line.split_whitespace().peekable();
            let mark = match words.peek()? {
                word if word.starts_with('#') => return None,
                &"@revoked" => Mark::Revoked,
                &"@cert-authority" => Mark::Authority,
                word if word.starts_with('@') => return None,
                _ => Mark::Plain,
            };
            if mark != Mark::Plain {
                words.next();
            }
            let (hosts, kind, key) = (words.next()?, words.next()?, words.next()?);
            let is_meant = matches(hosts, &name) || matches(hosts, &bracketed);
            is_meant.then(|| public_key(kind, key)).flatten().map(|key| Known { line: index + 1, mark, key })
        });
        self.known.extend(lines);
        self.file = Some(file.to_owned());
    }

    /// As `known_hosts` has it.
    fn name(&self) -> String {
        if self.port == 22 { self.host.clone() } else { format!("[{}]:{}", self.host, self.port) }
    }

    fn marked(&self, mark: Mark) -> impl Iterator<Item = &Known> {
        self.known.iter().filter(move |known| known.mark == mark)
    }

    /// Kinds of keys to ask the server for, the known ones first: it shows one only. None that signs with SHA-1.
    pub(super) fn kinds(&self) -> Vec<Algorithm> {
        let known: Vec<Algorithm> = match &self.pinned {
            Some(Pin::Key(key)) => vec![key.algorithm()],
            Some(Pin::Fingerprint(_)) => Vec::new(),
            None => self.marked(Mark::Plain).map(|known| known.key.algorithm()).collect(),
        };
        let is_known = |kind: &Algorithm| known.iter().any(|known| is_same_kind(known, kind));
        let mut kinds = Preferred::DEFAULT.key.to_vec();
        kinds.retain(|kind| *kind != Algorithm::Rsa { hash: None });
        kinds.sort_by_key(|kind| Reverse(is_known(kind)));
        kinds
    }

    /// Whether the server that shows this key is believed.
    ///
    /// # Errors
    /// [`Kind::Auth`] where it is another one than is known, and [`Kind::Config`] where none is known.
    pub(super) fn check(&self, shown: &PublicKey) -> Result<(), Refusal> {
        let is_shown = |known: &&Known| known.key.key_data() == shown.key_data();
        if let Some(known) = self.marked(Mark::Revoked).find(is_shown) {
            return Err(self.changed(format!(
                "the server `{}` shows the key {}, which {} revokes",
                self.name(),
                told(shown),
                self.place(known)
            )));
        }
        let expected = match &self.pinned {
            Some(Pin::Key(key)) if key.key_data() == shown.key_data() => return Ok(()),
            Some(Pin::Fingerprint(print)) if *print == fingerprint(shown) => return Ok(()),
            Some(Pin::Key(key)) => format!("{} (`host_key`)", told(key)),
            Some(Pin::Fingerprint(print)) => format!("`{print}` (`host_key`)"),
            None if self.marked(Mark::Plain).any(|known| is_shown(&known)) => return Ok(()),
            None => {
                let known = self
                    .marked(Mark::Plain)
                    .map(|known| format!("{} ({})", told(&known.key), self.place(known)));
                let known: Vec<String> = known.take(4).collect();
                if known.is_empty() {
                    return Err(self.unknown(shown));
                }
                known.join(", ")
            }
        };
        Err(self.changed(format!(
            "the server `{}` shows the key {}, and {expected} was expected: another machine answers, or the key was changed",
            self.name(),
            told(shown)
        )))
    }

    fn place(&self, known: &Known) -> String {
        format!("`{}`, line {}", self.file.as_deref().unwrap_or("known_hosts"), known.line)
    }

    fn changed(&self, message: String) -> Refusal {
        Refusal {
            kind: Kind::Auth,
            code: errors::SFTP_HOST_CHANGED,
            message,
            hint: "ask the server's owner whether the key was changed, and only then replace the old one; nothing was sent"
                .to_owned(),
        }
    }

    fn unknown(&self, shown: &PublicKey) -> Refusal {
        let authority = match self.marked(Mark::Authority).next() {
            Some(known) => {
                format!("; {} is of a certificate authority, which is not supported", self.place(known))
            }
            None => String::new(),
        };
        let line = shown.to_openssh().unwrap_or_default();
        let line = line.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
        Refusal {
            kind: Kind::Config,
            code: errors::SFTP_HOST_UNKNOWN,
            message: format!(
                "the server `{}` is not known: it shows the key {}, and neither `host_key` nor {} has one{authority}",
                self.name(),
                told(shown),
                self.file.as_ref().map_or("`known_hosts`".to_owned(), |file| format!("`{file}`")),
            ),
            hint: format!(
                "compare the fingerprint with what the server's owner says, and add `host_key: {line}` to the connection, or the line `{} \
                 {line}` to `known_hosts`; nothing was sent",
                self.name()
            ),
        }
    }
}

fn public_key(kind: &str, key: &str) -> Option<PublicKey> {
    PublicKey::from_openssh(&format!("{kind} {key}")).ok()
}

/// RSA keys sign in several ways.
fn is_same_kind(one: &Algorithm, other: &Algorithm) -> bool {
    one == other || matches!((one, other), (Algorithm::Rsa { .. }, Algorithm::Rsa { .. }))
}

fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// As in messages.
fn told(key: &PublicKey) -> String {
    format!("`{} {}`", key.algorithm().as_str(), fingerprint(key))
}

/// Whether a list of patterns is about a host. One that begins with `!` rules it out whatever the others say.
fn matches(patterns: &str, name: &str) -> bool {
    let mut is_matched = false;
    for pattern in patterns.split(',') {
        match pattern.strip_prefix('!') {
            Some(pattern) if is_like(&pattern.to_ascii_lowercase(), name) => return false,
            Some(_) => {}
            None if pattern.starts_with("|1|") => is_matched |= is_hash(pattern, name),
            None => is_matched |= is_like(&pattern.to_ascii_lowercase(), name),
        }
    }
    is_matched
}

/// `|1|SALT|HMAC-SHA1`, both in base64.
fn is_hash(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('|').skip(2).map(|part| STANDARD.decode(part).ok());
    let (Some(Some(salt)), Some(Some(digest)), None) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &salt);
    hmac::verify(&key, name.as_bytes(), &digest).is_ok()
}

/// `*` is any number of letters, `?` is one.
fn is_like(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(letter) if *letter == b'?' || *letter == name[n] => (p, n) = (p + 1, n + 1),
            _ => {
                let Some((at, from)) = star else { return false };
                star = Some((at, from + 1));
                (p, n) = (at + 1, from + 1);
            }
        }
    }
    pattern[p..].iter().all(|letter| *letter == b'*')
}
