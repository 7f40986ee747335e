//! A local folder.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::{Named, Part, Place, Ticket, Upload, beside, folders, foreign, unclear};
use crate::contract::ConnectorError;
use crate::files::errors;
use crate::rehearsal::point;

/// A local folder. What is staged lies in it, under a hidden name, so that publishing it is a rename; also of what is to be in
/// a folder below, for what a crash left is looked for in one place.
#[derive(Debug, Clone)]
pub(in crate::files) struct Folder {
    path: PathBuf,
}

impl Folder {
    pub(in crate::files) fn new(path: PathBuf) -> Self {
        Folder { path }
    }

    /// Where a file of this name is.
    fn at(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn is_there(&self, name: &str) -> bool {
        fs::symlink_metadata(self.at(name)).is_ok()
    }

    fn taken(&self, name: &str) -> ConnectorError {
        errors::exists(self.at(name).display())
    }

    /// Makes the folders that a name is in, durably.
    fn room(&self, name: &str) -> Result<(), ConnectorError> {
        let Some(deepest) = folders(name).last().map(|folder| self.at(folder)) else { return Ok(()) };
        if deepest.is_dir() {
            return Ok(());
        }
        fs::create_dir_all(&deepest).map_err(|error| errors::io("made", &deepest, error))?;
        deepest.ancestors().skip(1).take(folders(name).count()).try_for_each(sync)
    }

    /// Gives a part its name, which is nobody else's; `false` where it has it, or had it: one that is neither staged nor there was
    /// taken away since it was named, if it may have been named before.
    fn name(&self, part: &Part, is_again: bool) -> Result<bool, ConnectorError> {
        if part.staged.hidden().is_empty() {
            return Err(foreign(part));
        }
        let (staged, visible) = (self.at(part.staged.hidden()), self.at(&part.name));
        let linked = match fs::hard_link(&staged, &visible) {
            // Not every file system has links.
            Err(error) if error.kind() != ErrorKind::NotFound && !self.is_there(&part.name) => {
                return fs::rename(&staged, &visible)
                    .map(|()| true)
                    .map_err(|_| errors::io("written", &visible, error));
            }
            linked => linked,
        };
        match linked {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return match self.is_there(&part.name) || is_again {
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
}

impl Place for Folder {
    fn make(&self) -> Result<(), ConnectorError> {
        if self.path.is_dir() {
            return Ok(());
        }
        fs::create_dir_all(&self.path).map_err(|error| errors::io("made", &self.path, error))?;
        self.path.ancestors().skip(1).take(2).try_for_each(sync)
    }

    fn bytes(&self, name: &str) -> Result<Option<u64>, ConnectorError> {
        Ok(fs::symlink_metadata(self.at(name)).ok().map(|found| found.len()))
    }

    /// The parts are written where they are staged.
    fn local(&self, staged: &str) -> PathBuf {
        self.at(staged)
    }

    fn begin(&self, parts: &[Part]) -> Result<Vec<Upload>, ConnectorError> {
        for part in parts {
            if self.is_there(&part.name) {
                return Err(self.taken(&part.name));
            }
            self.room(&part.name)?;
        }
        Ok(Vec::new())
    }

    fn stage(&self, part: &Part, _: Option<&Upload>) -> Result<Ticket, ConnectorError> {
        Ok(Ticket::Done(part.staged.clone()))
    }

    fn settle(&self) -> Result<(), ConnectorError> {
        sync(&self.path)
    }

    fn publish(&self, parts: &[Part], is_again: bool) -> Result<Vec<Named>, ConnectorError> {
        let mut named = Vec::new();
        // Those that a new name is in, and this one, where the hidden names were. Another batch, or a run that was cut off, may
        // have made them and not yet have made them durable.
        let mut changed = BTreeSet::from([self.path.clone()]);
        for part in parts {
            // Folders may have been removed while they were empty.
            if self.is_there(part.staged.hidden()) {
                self.room(&part.name).map_err(unclear)?;
            }
            let is_new = self.name(part, is_again).map_err(unclear)?;
            named.push(if is_new { Named::Now } else { Named::Before });
            let around = folders(&part.name).map(|folder| self.at(folder));
            changed.extend(around.filter(|folder| folder.is_dir()));
            point("part.named");
        }
        changed.iter().try_for_each(|folder| sync(folder)).map_err(unclear)?;
        point("part.durable");
        Ok(named)
    }

    fn discard(&self, batch: &str, _: &[Upload]) -> Result<(), ConnectorError> {
        let begins = format!("{batch}-");
        self.remove(&self.hidden(&begins)?)?;
        point("part.discarded");
        Ok(())
    }

    fn hidden(&self, begins: &str) -> Result<Vec<String>, ConnectorError> {
        let failed = |error| errors::io("listed", &self.path, error);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
            names.extend(name.starts_with(begins).then_some(name));
        }
        names.sort_unstable();
        Ok(names)
    }

    fn put(&self, name: &str, content: &[u8]) -> Result<(), ConnectorError> {
        self.room(name)?;
        let (aside, visible) = (self.at(&beside(name)), self.at(name));
        let failed = |error| errors::io("written", &visible, error);
        let mut file = File::create(&aside).map_err(failed)?;
        file.write_all(content).and_then(|()| file.sync_all()).map_err(failed)?;
        fs::rename(&aside, &visible).map_err(failed)?;
        sync(visible.parent().unwrap_or(&self.path))
    }

    fn get(&self, name: &str) -> Result<Vec<u8>, ConnectorError> {
        let path = self.at(name);
        match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            read => read.map_err(|error| errors::io("read", &path, error)),
        }
    }

    fn remove(&self, names: &[String]) -> Result<(), ConnectorError> {
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
