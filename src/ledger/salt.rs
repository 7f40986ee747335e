//! The secret that every hash is salted with. It lies beside the ledgers, not in them: a ledger alone tells nobody
//! whose e-mail addresses it holds.

use std::fmt;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::codes;
use super::fault;
use super::file;
use crate::error::{Error, ErrorKind, Result};

const FILE: &str = "salt";

/// 32 random bytes, kept in `salt` of the state folder as 64 hexadecimal digits (0600).
#[derive(Clone, PartialEq, Eq)]
pub struct Salt([u8; 32]);

impl Salt {
    /// The salt of a state folder; makes folder and salt where there are none.
    ///
    /// # Errors
    /// `State` if it cannot be read or made, or isn't a salt.
    pub fn open(dir: &Path) -> Result<Salt> {
        if let Some(salt) = Self::read(dir)? {
            return Ok(salt);
        }
        file::create_folder(dir)?;
        let fresh = random().map_err(|error| {
            Error::new(
                codes::SALT,
                ErrorKind::State,
                format!("the operating system gives no random numbers: {error}"),
            )
        })?;
        file::create_with(&dir.join(FILE), format!("{}\n", hex(&fresh.0)).as_bytes())?;
        // Another process may have been faster; its salt counts.
        Ok(Self::read(dir)?.unwrap_or(fresh))
    }

    /// The salt of a state folder; `None` where there is none. Creates nothing.
    pub fn read(dir: &Path) -> Result<Option<Salt>> {
        let path = dir.join(FILE);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(fault::disk(&path, "read", &error)),
        };
        match parse(&text) {
            Some(bytes) => Ok(Some(Salt(bytes))),
            None => Err(Error::new(
                codes::SALT,
                ErrorKind::State,
                format!("`{}` is damaged: a salt is 64 hexadecimal digits", path.display()),
            )
            .hint("put it back from a backup: without it no row can be compared with the ledgers of this folder")),
        }
    }

    /// A salt for a preview where there is no state folder; kept nowhere.
    pub fn throwaway() -> Salt {
        // It protects nothing that outlives the process, so where there is no randomness any salt will do.
        random().unwrap_or(Salt([0x5a; 32]))
    }

    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Tells salts apart without telling them.
    pub(super) fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(b"outflow salt fingerprint\0");
        hash.update(self.0);
        hex(&hash.finalize()[..8])
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(..)")
    }
}

fn random() -> Result<Salt, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(Salt(bytes))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn parse(text: &[u8]) -> Option<[u8; 32]> {
    let digits = text.strip_suffix(b"\n").unwrap_or(text);
    let (pairs, rest) = digits.as_chunks::<2>();
    if pairs.len() != 32 || !rest.is_empty() {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        let digit = |c: u8| (c as char).to_digit(16);
        *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
    }
    Some(bytes)
}
