//! The file of a part under way: counted and hashed as it is written, durable when it is whole.

use std::fs::File;
use std::io::{self, Write};
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use sha2::{Digest, Sha256};

use crate::contract::{ConnectorError, Kind};
use crate::files::errors;
use crate::rehearsal::point;
use crate::sql::hex;

/// A file that knows what it holds.
pub(super) struct Counted {
    file: File,
    bytes: u64,
    digest: Sha256,
}

/// What was written.
pub(super) struct Written {
    pub rows: u64,
    pub bytes: u64,
    /// In hex.
    pub sha256: String,
}

/// A part that a thread of its own writes. Dropping it waits for the thread, so that nothing of the part comes later.
pub(super) struct Pending(Receiver<Result<Written, ConnectorError>>);

impl Pending {
    /// Has a part written by this work, which is told the path.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] where there can be no other thread.
    pub(super) fn begin(
        path: PathBuf,
        work: impl FnOnce(&Path) -> Result<Written, ConnectorError> + Send + 'static,
    ) -> Result<Self, ConnectorError> {
        let (sender, written) = sync_channel(1);
        let shown = path.clone();
        let task = move || drop(sender.send(work(&path))); // nobody waits for it any more
        let spawned = thread::Builder::new().name("outflow-part".to_owned()).spawn(task);
        spawned.map_err(|error| errors::io("written", &shown, error))?;
        Ok(Pending(written))
    }

    /// A part that is written already.
    pub(super) fn done(written: Written) -> Self {
        let (sender, receiver) = sync_channel(1);
        drop(sender.send(Ok(written))); // there is room for it
        Pending(receiver)
    }

    /// Waits for the part; to be asked once.
    ///
    /// # Errors
    /// Those of the work.
    pub(super) fn wait(&self) -> Result<Written, ConnectorError> {
        let died = |_| Err(ConnectorError::new(Kind::Internal, "the thread that wrote a file ended early"));
        self.0.recv().unwrap_or_else(died)
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        drop(self.0.recv()); // nobody asks what it came to
    }
}

impl Counted {
    /// An empty file.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] where it cannot be written.
    pub(super) fn create(path: &Path) -> Result<Self, ConnectorError> {
        let file = File::create(path).map_err(|error| errors::io("written", path, error))?;
        point("part.begun");
        Ok(Counted { file, bytes: 0, digest: Sha256::new() })
    }

    /// What arrived in the file.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Makes it durable; nothing comes after that.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub(super) fn settle(&mut self, path: &Path, rows: u64) -> Result<Written, ConnectorError> {
        point("part.written");
        self.file.sync_all().map_err(|error| errors::io("written", path, error))?;
        point("part.synced");
        Ok(Written { rows, bytes: self.bytes, sha256: hex(&mem::take(&mut self.digest).finalize()) })
    }
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.bytes += written as u64;
        self.digest.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
