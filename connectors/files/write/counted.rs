//! The file of a part under way: counted and hashed as it is written, durable when it is whole.

use std::fs::File;
use std::io::{self, Write};
use std::mem;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::contract::ConnectorError;
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

impl Counted {
    /// An empty file.
    ///
    /// # Errors
    /// [`Kind::Unavailable`](crate::contract::Kind::Unavailable) where it cannot be written.
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
