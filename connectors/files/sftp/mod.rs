//! A folder of an SFTP server, as a place that files are written to.
//!
//! The server's key is checked before anything else is said: a server that is not known, or not the one it was, gets
//! nothing. A broken connection is made again; what was under way then goes on, or is looked up where its answer was
//! lost.

mod config;
mod errors;
mod host_key;
mod login;
mod names;
mod session;
mod transfer;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use self::config::{Login, Target};
use self::errors::Failure;
use self::session::Session;
use super::store::{KIND, wait};
use crate::contract::{ConnectorError, Kind};
use crate::registry::Settings;

/// After the first broken connection.
const PAUSE: Duration = Duration::from_millis(500);

/// A folder of a server. Its methods block, and are called from threads that may, of a runtime that goes on meanwhile. A `name` is
/// relative to the folder, and may have folders in it: `2024/customers.csv`.
pub(super) struct Remote {
    session: Arc<Session>,
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Remote").field(&self.account()).finish()
    }
}

impl Remote {
    /// The server of a connection, by what comes after `sftp://` in its `url`; asks nobody.
    ///
    /// # Errors
    /// [`Kind::Config`] for the first setting that cannot be meant.
    pub(super) fn open(settings: &Settings, rest: &str) -> Result<Self, ConnectorError> {
        Self::patient(settings, rest, PAUSE)
    }

    /// As [`Self::open`], with another pause after a broken connection.
    fn patient(settings: &Settings, rest: &str, pause: Duration) -> Result<Self, ConnectorError> {
        let refuse = |what: String| settings.refuse(KIND, &what, config::hint(&what));
        let target = Target::parse(rest).map_err(refuse)?;
        if settings.base_url.is_some() {
            return Err(refuse(
                "`base_url` is of stores that speak HTTP; `url` has the address of this one".to_owned(),
            ));
        }
        let login = Login::read(settings).map_err(refuse)?;
        let keys = config::host_keys(settings, &target).map_err(refuse)?;
        Ok(Remote { session: Arc::new(Session::new(target, login, keys, pause)) })
    }

    /// Whose folder it is, as in messages: `sftp://user@host:22/folder`.
    pub(super) fn account(&self) -> String {
        self.session.target.account()
    }

    /// Makes the folder, and those above it, where they are missing.
    ///
    /// # Errors
    /// Those of every method: [`Kind::Auth`] where the server refuses the user, shows another key than is known, or forbids it;
    /// [`Kind::Config`] where its key is not known, or a folder is missing; [`Kind::Unavailable`] where it cannot be reached
    /// after several tries, or fails.
    pub(super) fn make(&self) -> Result<(), ConnectorError> {
        self.mkdir("")
    }

    /// Makes a folder below the folder, and those above it, where they are missing.
    ///
    /// # Errors
    /// As [`Self::make`].
    pub(super) fn mkdir(&self, relative: &str) -> Result<(), ConnectorError> {
        let (session, path) = self.at(relative);
        self.run("made", relative, async move {
            let path = &path;
            session.repeat(|live| async move { names::make_folder(&live, path).await }).await
        })
    }

    /// A file's length in bytes; `None` where there is none of this name.
    ///
    /// # Errors
    /// As [`Self::make`].
    pub(super) fn len(&self, name: &str) -> Result<Option<u64>, ConnectorError> {
        let (session, path) = self.at(name);
        self.run("looked up", name, async move {
            let path = &path;
            session.repeat(|live| async move { names::len(&live, path).await }).await
        })
    }

    /// Sends a local file whole, over whatever has its name; on the server's disk, where the server can promise that, once this
    /// returns. Its folder must be there. A file that is there after an error may be cut off.
    ///
    /// # Errors
    /// As [`Self::make`]; [`Kind::Unavailable`], too, where the server has another length than was sent, and [`Kind::Internal`]
    /// where the local file changes meanwhile.
    pub(super) fn upload(&self, local: &Path, name: &str) -> Result<(), ConnectorError> {
        let (session, path) = self.at(name);
        let local = local.to_owned();
        self.run("written", name, async move { transfer::upload(&session, &local, &path).await })
    }

    /// Gives a file a name that nobody has; `false` where somebody has it, or the file is not there.
    ///
    /// # Errors
    /// As [`Self::make`]. Whether it was done is not known after [`Kind::Unavailable`].
    pub(super) fn rename(&self, from: &str, to: &str) -> Result<bool, ConnectorError> {
        let (session, old) = self.at(from);
        let new = session.target.at(to);
        self.run("renamed", from, async move { names::rename(&session, &old, &new).await })
    }

    /// Gives a file a name, in the place of whatever has it.
    ///
    /// # Errors
    /// As [`Self::make`]; [`Kind::Config`], too, where the file is not there.
    pub(super) fn replace(&self, from: &str, to: &str) -> Result<(), ConnectorError> {
        let (session, old) = self.at(from);
        let new = session.target.at(to);
        self.run("renamed", from, async move { names::replace(&session, &old, &new).await })
    }

    /// Names of files that begin so, sorted; `2024/cus` looks into the folder `2024`.
    ///
    /// # Errors
    /// As [`Self::make`].
    pub(super) fn list(&self, begins: &str) -> Result<Vec<String>, ConnectorError> {
        let (folder, begins) = begins.rsplit_once('/').unwrap_or(("", begins));
        let (session, path) = self.at(folder);
        let begins = begins.to_owned();
        let mut names = self.run("listed", folder, async move {
            let (path, begins) = (&path, &begins);
            session.repeat(|live| async move { names::list(&live, path, begins).await }).await
        })?;
        if !folder.is_empty() {
            names.iter_mut().for_each(|name| *name = format!("{folder}/{name}"));
        }
        names.sort_unstable();
        Ok(names)
    }

    /// The content of a small file, 64 MiB at most; empty where there is none.
    ///
    /// # Errors
    /// As [`Self::make`]; [`Kind::Config`], too, where it is larger.
    pub(super) fn get(&self, name: &str) -> Result<Vec<u8>, ConnectorError> {
        let (session, path) = self.at(name);
        self.run("read", name, async move {
            let path = &path;
            session.repeat(|live| async move { transfer::get(&live, path).await }).await
        })
    }

    /// Removes a file, where it is there.
    ///
    /// # Errors
    /// As [`Self::make`].
    pub(super) fn remove(&self, name: &str) -> Result<(), ConnectorError> {
        let (session, path) = self.at(name);
        self.run("removed", name, async move {
            let path = &path;
            session.repeat(|live| async move { names::remove(&live, path).await }).await
        })
    }

    fn at(&self, name: &str) -> (Arc<Session>, String) {
        (self.session.clone(), self.session.target.at(name))
    }

    /// Has the runtime do something, and waits for it.
    fn run<T: Send + 'static>(
        &self,
        what: &str,
        name: &str,
        work: impl Future<Output = Result<T, Failure>> + Send + 'static,
    ) -> Result<T, ConnectorError> {
        let ended =
            || ConnectorError::new(Kind::Revoked, format!("the run ended before a file could be {what}"));
        let runtime = Handle::try_current().map_err(|_| ended())?;
        let done = wait(&runtime, work).ok_or_else(ended)?;
        done.map_err(|failure| failure.about(&self.account(), what, &self.session.target.at(name)))
    }
}
