//! Where files are published: a folder, an object store, or a folder of another machine.
//!
//! A part is staged: whole and durable, and not there yet for anybody else. Once the ledger has the record of a batch, its
//! parts get their names. How a part waits is the place's business; what it waits under is its [`Token`].

mod aside;
mod bucket;
mod folder;
mod sftp;

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

pub(in crate::files) use self::bucket::Bucket;
pub(in crate::files) use self::folder::Folder;
pub(in crate::files) use self::sftp::Sftp;
use super::parts::Part;
use crate::contract::{ConnectorError, Kind};

/// What a part waits under for its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(in crate::files) enum Token {
    /// A file of this hidden name.
    Hidden(String),
    /// An upload that is not completed.
    Upload {
        /// The store's own id of it.
        id: String,
        /// The ids of its pieces, in their order.
        pieces: Vec<String>,
    },
}

impl Default for Token {
    fn default() -> Self {
        Token::Hidden(String::new())
    }
}

impl Token {
    /// The hidden name; none of an upload.
    pub(super) fn hidden(&self) -> &str {
        match self {
            Token::Hidden(name) => name,
            Token::Upload { .. } => "",
        }
    }
}

/// An upload that a store was asked for, and that nothing else would ever end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::files) struct Upload {
    /// The name that its object will have.
    pub name: String,
    /// The store's own id of it.
    pub id: String,
}

impl Upload {
    /// Those that these parts wait under.
    pub(in crate::files) fn of(parts: &[Part]) -> Vec<Upload> {
        let upload = |part: &Part| match &part.staged {
            Token::Hidden(_) => None,
            Token::Upload { id, .. } => Some(Upload { name: part.name.clone(), id: id.clone() }),
        };
        parts.iter().filter_map(upload).collect()
    }
}

/// A part that is being staged.
#[derive(Debug)]
pub(in crate::files) enum Ticket {
    Done(Token),
    /// By a task, which stops when nobody waits for it any more.
    Task(oneshot::Receiver<Result<Token, ConnectorError>>),
    /// By a thread, which goes on to its end.
    Thread(oneshot::Receiver<Result<Token, ConnectorError>>),
}

impl Ticket {
    /// Waits until the part is staged. The thread must be one that may block.
    ///
    /// # Errors
    /// Why it is not.
    pub(super) fn end(self) -> Result<Token, ConnectorError> {
        match self {
            Ticket::Done(token) => Ok(token),
            Ticket::Task(staged) | Ticket::Thread(staged) => {
                staged.blocking_recv().unwrap_or_else(|_| Err(ended()))
            }
        }
    }

    /// Stops it, or waits for what cannot be stopped: nothing of it comes later.
    pub(super) fn give_up(self) {
        if let Ticket::Thread(staged) = self {
            drop(staged.blocking_recv());
        }
    }
}

/// The runtime ends while something is written.
pub(in crate::files) fn ended() -> ConnectorError {
    ConnectorError::new(Kind::Revoked, "the run ended while a file was written")
}

/// What became of a staged part that was to get its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::files) enum Named {
    /// It has got it.
    Now,
    /// It had it before; it may have been taken away since.
    Before,
    /// Neither the part nor what it waited under is there, and nothing tells which of them was taken away.
    Gone,
}

/// A place that files are published in. Names are relative to it, and may have folders; calls block the thread, which must be
/// one that may.
pub(in crate::files) trait Place: fmt::Debug + Send + Sync {
    /// Makes it where it is missing, durably.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] where it cannot be made.
    fn make(&self) -> Result<(), ConnectorError>;

    /// The bytes of the file of this name, where one is there.
    ///
    /// # Errors
    /// Where the place cannot tell.
    fn bytes(&self, name: &str) -> Result<Option<u64>, ConnectorError>;

    /// Where, on this machine, a part of this hidden name is written to.
    fn local(&self, staged: &str) -> PathBuf;

    /// Looks that no file has the names of these written parts, and makes room for them: for each the upload that it will come
    /// by, or for none, where parts come otherwise. Nothing may be staged before their ids are stored.
    ///
    /// # Errors
    /// [`Kind::Config`] where a name is taken: what was delivered is never written over.
    fn begin(&self, parts: &[Part]) -> Result<Vec<Upload>, ConnectorError>;

    /// Begins to stage a written part.
    ///
    /// # Errors
    /// Where it cannot be staged.
    fn stage(&self, part: &Part, upload: Option<&Upload>) -> Result<Ticket, ConnectorError>;

    /// Makes all that is staged durable.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] where it cannot be.
    fn settle(&self) -> Result<(), ConnectorError>;

    /// Gives staged parts their names, for good, and says of each what became of it. Those that have them already stay as they
    /// are.
    ///
    /// # Errors
    /// [`Kind::Ambiguous`] where some may have theirs and others not.
    fn publish(&self, parts: &[Part], is_again: bool) -> Result<Vec<Named>, ConnectorError>;

    /// Removes what is staged of a batch of this name, and ends its uploads.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] where something cannot be removed.
    fn discard(&self, batch: &str, uploads: &[Upload]) -> Result<(), ConnectorError>;

    /// Hidden names of one sync that begin so, sorted.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] where they cannot be listed.
    fn hidden(&self, begins: &str) -> Result<Vec<String>, ConnectorError>;

    /// Writes a small file, whole or not at all, in the place of one of its name.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] where it cannot be written.
    fn put(&self, name: &str, content: &[u8]) -> Result<(), ConnectorError>;

    /// The content of a small file; empty where there is none.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] where it cannot be read.
    fn get(&self, name: &str) -> Result<Vec<u8>, ConnectorError>;

    /// Removes files, where they are there.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] where one cannot be removed.
    fn remove(&self, names: &[String]) -> Result<(), ConnectorError>;
}

/// Part of it may have been done.
fn unclear(mut error: ConnectorError) -> ConnectorError {
    error.kind = Kind::Ambiguous;
    error
}

/// A part that waits under what this place does not know.
fn foreign(part: &Part) -> ConnectorError {
    ConnectorError::new(Kind::Internal, format!("`{}` was staged in a place of another kind", part.name))
}

/// The folders that a name is in, each with those above it, the highest first.
fn folders(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('/').map(move |(at, _)| &name[..at])
}

/// The hidden name, in the same folder, under which a small file is written before it gets its own.
fn beside(name: &str) -> String {
    let file = name.rsplit_once('/').map_or(name, |(_, file)| file);
    let folder = &name[..name.len() - file.len()];
    let dot = if file.starts_with('.') { "" } else { "." };
    format!("{folder}{dot}{file}.part")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_folders_and_a_hidden_one_beside_it() {
        assert_eq!(folders("a/b/c.csv").collect::<Vec<_>>(), ["a", "a/b"]);
        assert_eq!(folders("c.csv").count(), 0);
        assert_eq!(beside("a/b/c.csv"), "a/b/.c.csv.part");
        assert_eq!((beside("c.csv"), beside(".c")), (".c.csv.part".to_owned(), ".c.part".to_owned()));
    }

    #[test]
    fn the_ledger_tells_a_hidden_name_from_an_upload() {
        let upload = Token::Upload { id: "u1".to_owned(), pieces: vec!["\"e1\"".to_owned()] };
        for (token, text) in [
            (Token::Hidden(".a-1.part".to_owned()), r#"".a-1.part""#),
            (upload, r#"{"id":"u1","pieces":["\"e1\""]}"#),
        ] {
            assert_eq!(serde_json::to_string(&token).unwrap(), text);
            assert_eq!(serde_json::from_str::<Token>(text).unwrap(), token);
        }
    }
}
