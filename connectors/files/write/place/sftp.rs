//! A folder of another machine, by SFTP. A part waits there under a hidden name, and publishing it is a rename.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::aside::Aside;
use super::{Named, Part, Place, Ticket, Token, Upload, beside, folders, foreign, unclear};
use crate::contract::{ConnectorError, Kind, Retry};
use crate::files::errors;
use crate::files::sftp::Remote;
use crate::rehearsal::point;

/// A folder of another machine.
#[derive(Debug)]
pub(in crate::files) struct Sftp {
    remote: Arc<Remote>,
    aside: Aside,
    handle: Handle,
    /// Folders below it that are there.
    made: Mutex<BTreeSet<String>>,
}

impl Sftp {
    /// One for a session; within a runtime. Asks nobody.
    ///
    /// # Errors
    /// Where there is no room on this machine for parts on their way.
    pub(in crate::files) fn new(remote: &Arc<Remote>) -> Result<Self, ConnectorError> {
        let (remote, handle) = (remote.clone(), Handle::current());
        Ok(Sftp { remote, aside: Aside::new()?, handle, made: Mutex::default() })
    }

    fn shown(&self, name: &str) -> String {
        format!("{}/{name}", self.remote.account().trim_end_matches('/'))
    }

    /// Makes the folders that a name is in.
    fn room(&self, name: &str) -> Result<(), ConnectorError> {
        for folder in folders(name) {
            let is_made = self.made.lock().unwrap_or_else(PoisonError::into_inner).contains(folder);
            if !is_made {
                self.remote.mkdir(folder)?;
                self.made.lock().unwrap_or_else(PoisonError::into_inner).insert(folder.to_owned());
            }
        }
        Ok(())
    }

    /// Gives a part its name, which is nobody else's.
    fn name(&self, part: &Part, is_again: bool) -> Result<Named, ConnectorError> {
        let staged = part.staged.hidden();
        if staged.is_empty() {
            return Err(foreign(part));
        }
        if self.remote.rename(staged, &part.name)? {
            return Ok(Named::Now);
        }
        let found = (self.remote.len(staged)?, self.remote.len(&part.name)?);
        match Found::of(found, part.bytes, is_again) {
            Found::Named(named) => Ok(named),
            Found::Twice => self.remote.remove(staged).map(|()| Named::Before),
            Found::Taken => Err(errors::exists(self.shown(&part.name))),
            Found::Refused => {
                let why =
                    if found.0.is_some() { "the server refuses it" } else { "it is not there any more" };
                let message = format!("`{}` cannot be renamed: {why}", self.shown(staged));
                Err(ConnectorError::new(Kind::Unavailable, message)
                    .code(errors::UNREADABLE)
                    .retry(Retry::Never)
                    .hint("check the permissions of the folder there, and run again"))
            }
        }
    }
}

/// What it means that a part was not renamed.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Named(Named),
    /// It has both names: a server may rename by a second one, and have ended before the first was removed.
    Twice,
    /// Somebody else has its name.
    Taken,
    /// Nobody has, and it did not get it.
    Refused,
}

impl Found {
    /// By the lengths under its hidden name and under its own, of a part of so many bytes.
    fn of((staged, visible): (Option<u64>, Option<u64>), own: u64, is_again: bool) -> Self {
        match (staged, visible) {
            // The answer to a rename was lost, or it was done by an earlier run.
            (None, Some(bytes)) if bytes == own => Found::Named(Named::Before),
            // Its reader may have taken it; or the server lost what it had, or took away a hidden file that is old.
            (None, _) if is_again => Found::Named(Named::Gone),
            (Some(_), Some(bytes)) if is_again && bytes == own => Found::Twice,
            (_, Some(_)) => Found::Taken,
            (_, None) => Found::Refused,
        }
    }
}

impl Place for Sftp {
    fn make(&self) -> Result<(), ConnectorError> {
        self.remote.make()
    }

    fn bytes(&self, name: &str) -> Result<Option<u64>, ConnectorError> {
        self.remote.len(name)
    }

    fn local(&self, staged: &str) -> PathBuf {
        self.aside.at(staged)
    }

    fn begin(&self, parts: &[Part]) -> Result<Vec<Upload>, ConnectorError> {
        for part in parts {
            if self.bytes(&part.name)?.is_some() {
                return Err(errors::exists(self.shown(&part.name)));
            }
            self.room(&part.name)?;
        }
        Ok(Vec::new())
    }

    fn stage(&self, part: &Part, _: Option<&Upload>) -> Result<Ticket, ConnectorError> {
        let (remote, staged) = (self.remote.clone(), part.staged.hidden().to_owned());
        let local = self.aside.at(&staged);
        let (sender, receiver) = oneshot::channel();
        self.handle.spawn_blocking(move || {
            let sent = send(&remote, &local, &staged);
            drop(sender.send(sent)); // nobody waits for it any more
        });
        Ok(Ticket::Thread(receiver))
    }

    /// What is uploaded is durable.
    fn settle(&self) -> Result<(), ConnectorError> {
        Ok(())
    }

    fn publish(&self, parts: &[Part], is_again: bool) -> Result<Vec<Named>, ConnectorError> {
        let mut named = Vec::new();
        // Folders may have been removed while they were empty.
        self.made.lock().unwrap_or_else(PoisonError::into_inner).clear();
        for part in parts {
            self.room(&part.name).map_err(unclear)?;
            named.push(self.name(part, is_again).map_err(unclear)?);
            point("sftp.named");
        }
        Ok(named)
    }

    fn discard(&self, batch: &str, _: &[Upload]) -> Result<(), ConnectorError> {
        self.aside.discard(batch);
        self.remove(&self.remote.list(&format!("{batch}-"))?)?;
        point("sftp.discarded");
        Ok(())
    }

    fn hidden(&self, begins: &str) -> Result<Vec<String>, ConnectorError> {
        let mut names = self.remote.list(begins)?;
        names.sort_unstable();
        Ok(names)
    }

    fn put(&self, name: &str, content: &[u8]) -> Result<(), ConnectorError> {
        self.room(name)?;
        let (local, aside) = (self.aside.small(content)?, beside(name));
        if let Err(error) = self.remote.upload(local.path(), &aside) {
            // Nobody else looks for it, and where the disk is full it takes up room.
            let _ = self.remote.remove(&aside);
            return Err(error);
        }
        point("sftp.kept");
        self.remote.replace(&aside, name)
    }

    fn get(&self, name: &str) -> Result<Vec<u8>, ConnectorError> {
        self.remote.get(name)
    }

    fn remove(&self, names: &[String]) -> Result<(), ConnectorError> {
        names.iter().try_for_each(|name| self.remote.remove(name))
    }
}

/// Sends a part whole; its copy here is not needed any more then.
fn send(remote: &Remote, local: &Path, staged: &str) -> Result<Token, ConnectorError> {
    remote.upload(local, staged)?;
    let _ = std::fs::remove_file(local); // it is gone with its folder at the latest
    point("sftp.staged");
    Ok(Token::Hidden(staged.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_is_not_renamed_is_looked_for() {
        let (own, other) = (Some(7), Some(8));
        for (staged, visible, first, again) in [
            (None, own, Found::Named(Named::Before), Found::Named(Named::Before)),
            (None, None, Found::Refused, Found::Named(Named::Gone)),
            (None, other, Found::Taken, Found::Named(Named::Gone)),
            (own, own, Found::Taken, Found::Twice),
            (own, other, Found::Taken, Found::Taken),
            (own, None, Found::Refused, Found::Refused),
        ] {
            let found = |is_again| Found::of((staged, visible), 7, is_again);
            assert_eq!((found(false), found(true)), (first, again), "{staged:?} {visible:?}");
        }
    }
}
