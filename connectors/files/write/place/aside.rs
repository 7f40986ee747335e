//! Parts of a run on their way to another machine.

use std::io::Write;
use std::path::PathBuf;

use tempfile::{NamedTempFile, TempDir};

use crate::contract::{ConnectorError, Kind, Retry};
use crate::files::errors;

/// A folder of this machine that nobody else may look into, and that is gone with the session.
#[derive(Debug)]
pub(super) struct Aside {
    folder: TempDir,
}

impl Aside {
    /// # Errors
    /// [`Kind::Unavailable`] where it cannot be made.
    pub(super) fn new() -> Result<Self, ConnectorError> {
        let made = tempfile::Builder::new().prefix("outflow-").tempdir();
        let failed = |error: std::io::Error| {
            ConnectorError::new(Kind::Unavailable, format!("no temporary folder can be made: {error}"))
                .code(errors::UNREADABLE)
                .retry(Retry::Never)
                .hint("let `TMPDIR` name a folder with room for parts on their way")
        };
        Ok(Aside { folder: made.map_err(failed)? })
    }

    /// Where a part of this hidden name is.
    pub(super) fn at(&self, staged: &str) -> PathBuf {
        self.folder.path().join(staged)
    }

    /// A small file, gone when it is dropped.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] where it cannot be written.
    pub(super) fn small(&self, content: &[u8]) -> Result<NamedTempFile, ConnectorError> {
        let failed = |error| errors::io("written", self.folder.path(), error);
        let mut file = NamedTempFile::new_in(self.folder.path()).map_err(failed)?;
        file.write_all(content).and_then(|()| file.flush()).map_err(failed)?;
        Ok(file)
    }

    /// Removes what a batch of this name left; what cannot be removed is gone with the folder.
    pub(super) fn discard(&self, batch: &str) {
        let begins = format!("{batch}-");
        let left = std::fs::read_dir(self.folder.path()).into_iter().flatten().flatten();
        for entry in left.filter(|entry| entry.file_name().to_string_lossy().starts_with(&begins)) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
