//! The folder that files are written to.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::parts::Part;
use crate::contract::{ConnectorError, Kind};
use crate::files::errors;
use crate::rehearsal::point;

/// A local folder. What is staged in it has a hidden name, so that publishing it is a rename.
#[derive(Debug, Clone)]
pub(in crate::files) struct Folder {
    path: PathBuf,
}

impl Folder {
    pub(in crate::files) fn new(path: PathBuf) -> Self {
        Folder { path }
    }

    /// Where a file of this name is.
    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Makes the folder where it is missing, durably.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] where it cannot be made.
    pub(in crate::files) fn make(&self) -> Result<(), ConnectorError> {
        if self.path.is_dir() {
            return Ok(());
        }
        fs::create_dir_all(&self.path).map_err(|error| errors::io("made", &self.path, error))?;
        self.path.ancestors().skip(1).take(2).try_for_each(sync)
    }

    /// Whether a file of this name is there.
    pub(super) fn has(&self, name: &str) -> bool {
        fs::symlink_metadata(self.at(name)).is_ok()
    }

    /// # Errors
    /// [`Kind::Config`] where a file of this name is there: what was delivered is never written over.
    pub(super) fn must_lack(&self, name: &str) -> Result<(), ConnectorError> {
        if self.has(name) { Err(self.taken(name)) } else { Ok(()) }
    }

    fn taken(&self, name: &str) -> ConnectorError {
        let message = format!("`{}` is already there", self.at(name).display());
        ConnectorError::new(Kind::Config, message).code(errors::EXISTS).hint(
            "move it away, or let `name` in `destination` tell runs apart, with `{{ run }}` or `{{ time }}`",
        )
    }

    /// Makes what is staged durable under its hidden names.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] where it cannot be.
    pub(in crate::files) fn settle(&self) -> Result<(), ConnectorError> {
        sync(&self.path)
    }

    /// Gives staged parts their names, for good, and says which got them. Those that have them already stay as they are. One that is
    /// neither staged nor there was taken away since it was named, if it may have been named before.
    ///
    /// # Errors
    /// [`Kind::Ambiguous`] where some may have theirs and others not.
    pub(in crate::files) fn publish<'a>(
        &self,
        parts: &'a [Part],
        is_again: bool,
    ) -> Result<Vec<&'a Part>, ConnectorError> {
        let unclear = |mut error: ConnectorError| {
            error.kind = Kind::Ambiguous;
            error
        };
        let mut named = Vec::new();
        for part in parts {
            if self.name(part, is_again).map_err(unclear)? {
                named.push(part);
            }
            point("part.named");
        }
        sync(&self.path).map_err(unclear)?;
        point("part.durable");
        Ok(named)
    }

    /// Gives a part its name, which is nobody else's; `false` where it has it, or had it.
    fn name(&self, part: &Part, is_again: bool) -> Result<bool, ConnectorError> {
        let (staged, visible) = (self.at(&part.staged), self.at(&part.name));
        let linked = match fs::hard_link(&staged, &visible) {
            // Not every file system has links.
            Err(error) if error.kind() != ErrorKind::NotFound && !self.has(&part.name) => {
                return fs::rename(&staged, &visible)
                    .map(|()| true)
                    .map_err(|_| errors::io("written", &visible, error));
            }
            linked => linked,
        };
        match linked {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return match self.has(&part.name) || is_again {
                    true => Ok(false),
                    false => Err(errors::io("written", &staged, error)),
                };
            }
            // A run ended between the link and the removal of the hidden name.
            Err(_) if is_same(&staged, &visible) => {}
            Err(_) => return Err(self.taken(&part.name)),
        }
        fs::remove_file(&staged).map_err(|error| errors::io("removed", &staged, error))?;
        Ok(true)
    }

    /// Removes what is staged under names that begin so.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] where the folder cannot tell, or a file cannot be removed.
    pub(in crate::files) fn discard(&self, name: &str) -> Result<(), ConnectorError> {
        let begins = format!("{name}-");
        self.remove(&self.hidden(&begins)?)?;
        point("part.discarded");
        Ok(())
    }

    /// Names that begin so, sorted.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] where the folder cannot be listed.
    pub(super) fn hidden(&self, begins: &str) -> Result<Vec<String>, ConnectorError> {
        let failed = |error| errors::io("listed", &self.path, error);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
            names.extend(name.starts_with(begins).then_some(name));
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Writes a small file, whole or not at all, in the place of one of its name.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] where it cannot be written.
    pub(super) fn put(&self, name: &str, content: &[u8]) -> Result<(), ConnectorError> {
        let hidden = if name.starts_with('.') { format!("{name}.part") } else { format!(".{name}.part") };
        let (aside, visible) = (self.at(&hidden), self.at(name));
        let failed = |error| errors::io("written", &visible, error);
        let mut file = File::create(&aside).map_err(failed)?;
        file.write_all(content).and_then(|()| file.sync_all()).map_err(failed)?;
        fs::rename(&aside, &visible).map_err(failed)?;
        sync(&self.path)
    }

    /// The content of a small file; empty where there is none.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] where it cannot be read.
    pub(super) fn get(&self, name: &str) -> Result<Vec<u8>, ConnectorError> {
        let path = self.at(name);
        match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            read => read.map_err(|error| errors::io("read", &path, error)),
        }
    }

    /// Removes files, where they are there.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] where one cannot be removed.
    pub(super) fn remove(&self, names: &[String]) -> Result<(), ConnectorError> {
        for name in names {
            let path = self.at(name);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(errors::io("removed", &path, error));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Whether both names are of one file.
#[cfg(unix)]
fn is_same(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let node = |path: &Path| fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()));
    matches!((node(one), node(other)), (Ok(one), Ok(other)) if one == other)
}

#[cfg(not(unix))]
fn is_same(_: &Path, _: &Path) -> bool {
    false
}

/// Makes the names in a folder durable.
fn sync(folder: &Path) -> Result<(), ConnectorError> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| errors::io("written", folder, error))
}
