//! An open file, local or of a store, held to what it was when it was opened.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use super::errors;
use super::locate::Input;
use super::store::{Object, Parts};
use crate::contract::{ConnectorError, Kind};

/// What tells whether a file is still the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp {
    bytes: u64,
    modified: Option<SystemTime>,
    #[cfg(unix)]
    node: (u64, u64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        use std::os::unix::fs::MetadataExt;
        Stamp {
            bytes: metadata.len(),
            modified: metadata.modified().ok(),
            #[cfg(unix)]
            node: (metadata.dev(), metadata.ino()),
        }
    }
}

/// An open file, with what it was when it was opened.
#[derive(Debug)]
pub(super) enum Opened {
    Local(Local),
    Remote(Arc<Object>),
}

/// A file of this machine.
#[derive(Debug)]
pub(super) struct Local {
    pub file: Arc<File>,
    bytes: u64,
    stamp: Stamp,
}

impl Opened {
    /// # Errors
    /// [`Kind::Config`] for a missing file and for anything but a file; [`Kind::Unavailable`] for one that cannot be read;
    /// what a store says.
    pub(super) fn open(input: &Input) -> Result<Self, ConnectorError> {
        let path = input.path.as_path();
        match &input.object {
            None => Local::open(path).map(Opened::Local),
            Some((store, key)) => Ok(Opened::Remote(Arc::new(Object::open(store, key, path)?))),
        }
    }

    /// Its length.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Opened::Local(local) => local.bytes,
            Opened::Remote(object) => object.bytes(),
        }
    }

    /// Its content from the beginning.
    pub(super) fn reader(&self) -> Box<dyn Read> {
        match self {
            Opened::Local(local) => Box::new(Tail::new(&local.file, 0)),
            Opened::Remote(object) => Box::new(Parts::all(object)),
        }
    }

    /// What was read of it, with the reason where a store ended the reading.
    ///
    /// # Errors
    /// The store's, or the result's own.
    pub(super) fn known<T>(&self, read: Result<T, ConnectorError>) -> Result<T, ConnectorError> {
        match self {
            Opened::Remote(object) => object.failure().map_or(read, Err),
            Opened::Local(_) => read,
        }
    }

    /// What was read of it, unless it was written to or replaced meanwhile, or a store broke off.
    ///
    /// # Errors
    /// As [`Self::known`]; [`Kind::Unavailable`] where it is another file now.
    pub(super) fn whole<T>(&self, path: &Path, read: Result<T, ConnectorError>) -> Result<T, ConnectorError> {
        let value = self.known(read)?;
        match self {
            Opened::Local(local) => local.held_still(path)?,
            Opened::Remote(object) => object.held_still()?,
        }
        Ok(value)
    }
}

impl Local {
    fn open(path: &Path) -> Result<Self, ConnectorError> {
        let failed = |error| errors::io("read", path, error);
        // A pipe would block the opening for ever.
        if !fs::metadata(path).map_err(failed)?.is_file() {
            let message = format!("`{}` is not a file", path.display());
            return Err(ConnectorError::new(Kind::Config, message)
                .code(errors::MISSING)
                .hint("name a file, or the files of a folder with a glob like `FOLDER/*.parquet`"));
        }
        let file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        Ok(Local { file: Arc::new(file), bytes: metadata.len(), stamp: Stamp::of(&metadata) })
    }

    fn held_still(&self, path: &Path) -> Result<(), ConnectorError> {
        match fs::metadata(path).is_ok_and(|metadata| Stamp::of(&metadata) == self.stamp) {
            true => Ok(()),
            false => Err(errors::changed(path)),
        }
    }
}

/// A local file from a place on. Several can be read at once, none moves the place of another.
pub(super) struct Tail {
    file: Arc<File>,
    at: u64,
}

impl Tail {
    pub(super) fn new(file: &Arc<File>, at: u64) -> Self {
        Tail { file: file.clone(), at }
    }
}

impl Read for Tail {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}
