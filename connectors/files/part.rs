//! One batch as one file that is there whole or not at all.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::{encode, errors};
use crate::contract::{BatchSource, ConnectorError, Kind};
use crate::rehearsal::point;

/// A file of a folder, first under a hidden name.
#[derive(Debug)]
pub(super) struct Part {
    folder: PathBuf,
    name: String,
}

impl Part {
    pub(super) fn new(folder: &Path, name: &str) -> Self {
        Part { folder: folder.to_owned(), name: name.to_owned() }
    }

    fn visible(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    fn hidden(&self) -> PathBuf {
        self.folder.join(format!(".{}.part", self.name))
    }

    /// Writes the lines, makes them durable, and only then gives the file its name. The number of bytes.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] where nothing can be seen of it; [`Kind::Ambiguous`] where it can, but may not outlive a
    /// loss of power.
    pub(super) fn write(&self, batch: &dyn BatchSource) -> Result<u64, ConnectorError> {
        let (hidden, visible) = (self.hidden(), self.visible());
        if visible.exists() {
            let message = format!("`{}` is already there; another run has its name", visible.display());
            return Err(ConnectorError::new(Kind::Internal, message));
        }
        let written = self.fill(&hidden, batch).and_then(|bytes| {
            fs::rename(&hidden, &visible).map_err(|error| errors::io("written", &visible, error))?;
            point("part.named");
            Ok(bytes)
        });
        if written.is_err() {
            let _ = fs::remove_file(&hidden); // it may not even be there
        }
        let bytes = written?;
        sync_folder(&self.folder).map_err(|mut error| {
            error.kind = Kind::Ambiguous;
            error
        })?;
        point("part.durable");
        Ok(bytes)
    }

    fn fill(&self, hidden: &Path, batch: &dyn BatchSource) -> Result<u64, ConnectorError> {
        let failed = |error| errors::io("written", hidden, error);
        let mut file = BufWriter::with_capacity(1 << 16, File::create(hidden).map_err(failed)?);
        point("part.begun");
        let (mut line, mut bytes) = (Vec::new(), 0);
        batch.each(&mut |change| {
            line.clear();
            encode::line(change, &mut line);
            file.write_all(&line).map_err(failed)?;
            bytes += line.len() as u64;
            Ok(())
        })?;
        let file = file.into_inner().map_err(|error| failed(error.into_error()))?;
        point("part.written");
        file.sync_all().map_err(failed)?;
        point("part.synced");
        Ok(bytes)
    }

    /// Whether the file is there, for good; what is left of one that never got its name is removed.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] where the folder cannot tell.
    pub(super) fn is_there(&self) -> Result<bool, ConnectorError> {
        let visible = self.visible();
        match fs::symlink_metadata(&visible) {
            // A crash may have come between the rename and its becoming durable.
            Ok(_) => sync_folder(&self.folder).map(|()| true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                match fs::remove_file(self.hidden()) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        Err(errors::io("removed", &self.hidden(), error))
                    }
                    _ => {
                        point("part.discarded");
                        Ok(false)
                    }
                }
            }
            Err(error) => Err(errors::io("read", &visible, error)),
        }
    }
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> Result<(), ConnectorError> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| errors::io("written", folder, error))
}
