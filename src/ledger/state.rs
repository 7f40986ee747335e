//! `state.db`: what all syncs of one state folder share.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use outflow_connectors::rehearsal::point;
use rusqlite::{Transaction, TransactionBehavior};

use super::fault::Attempt;
use super::file;
use super::owner::Owner;
use super::schema::{self, STATE};
use super::world::{Machine, World};
use crate::error::{Error, ErrorKind, Result};

const FILE: &str = "state.db";

/// Runs and leases; [`Quotas`](super::Quotas) are in the same file. A handle: clones share one file and one thread; calls block.
#[derive(Clone)]
pub struct State {
    pub(super) dir: PathBuf,
    pub(super) owner: Owner,
    pub(super) world: Arc<dyn World>,
    writable: bool,
}

impl State {
    /// Opens the state folder; makes it (0700) and its file (0600) where there are none, migrates an older file.
    ///
    /// # Errors
    /// `State`: the folder cannot be made or written; the file is damaged, newer, not ours or held locked.
    pub fn open(dir: &Path) -> Result<State> {
        Self::open_in(dir, Arc::new(Machine))
    }

    pub(super) fn file(dir: &Path) -> PathBuf {
        dir.join(FILE)
    }

    pub(super) fn open_in(dir: &Path, world: Arc<dyn World>) -> Result<State> {
        file::create_folder(dir)?;
        let path = Self::file(dir);
        let owner = Owner::open(&path, STATE)?;
        owner.look(move |conn| schema::check_small(conn, &path))?;
        Ok(State { dir: dir.to_path_buf(), owner, world, writable: true })
    }

    /// Opens for reading only; `None` where there is no state. Creates and changes nothing; every call that writes
    /// fails.
    pub fn read(dir: &Path) -> Result<Option<State>> {
        Self::read_in(dir, Arc::new(Machine))
    }

    pub(super) fn read_in(dir: &Path, world: Arc<dyn World>) -> Result<Option<State>> {
        let owner = Owner::read(&Self::file(dir), STATE)?;
        Ok(owner.map(|owner| State { dir: dir.to_path_buf(), owner, world, writable: false }))
    }

    pub(super) fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Attempt<T> + Send + 'static,
    ) -> Result<T> {
        if !self.writable {
            let message = format!("`{}` was opened for reading only", self.owner.path().display());
            return Err(Error::new("OF-INT-001", ErrorKind::Internal, message));
        }
        self.owner.call(move |conn| {
            let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&tx)?;
            point("state.commit");
            tx.commit()?;
            point("state.committed");
            Ok(done)
        })
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("path", &self.owner.path()).finish_non_exhaustive()
    }
}
