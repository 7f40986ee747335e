//! Files of the state folder: made at once or not at all, readable by their owner only.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use outflow_connectors::rehearsal::point;
use tempfile::NamedTempFile;

use super::fault;
use crate::error::Result;

/// Creates `dir` and what lies above it, for its owner only (0700); a folder that exists keeps its rights.
pub fn create_folder(dir: &Path) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|error| fault::disk(dir, "created", &error))?;
    match dir.is_dir() {
        true => Ok(()),
        false => Err(fault::disk(dir, "used as a folder", &std::io::ErrorKind::NotADirectory.into())),
    }
}

/// Makes `path` with what `fill` writes, unless it exists by then; afterwards it exists whole and durable.
///
/// The file is filled under another name, so that a crash never leaves half of it, and put in place without
/// replacing what another process has put there meanwhile.
pub(super) fn create_whole(path: &Path, fill: impl FnOnce(&Path, &mut fs::File) -> Result<()>) -> Result<()> {
    let dir = parent(path);
    let failed = |error: &std::io::Error| fault::disk(path, "created", error);
    // A temporary file of this crate has mode 0600.
    let mut draft = NamedTempFile::with_prefix_in(".new-", &dir).map_err(|error| failed(&error))?;
    let draft_path = draft.path().to_path_buf();
    fill(&draft_path, draft.as_file_mut())?;
    draft.as_file().sync_all().map_err(|error| failed(&error))?;
    point("file.drafted");
    match draft.persist_noclobber(path) {
        Ok(_) => {}
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed(&error.error)),
    }
    point("file.placed");
    sync_folder(path)
}

/// Makes durable which files there are in the folder of `path`.
pub(super) fn sync_folder(path: &Path) -> Result<()> {
    let dir = parent(path);
    fs::File::open(&dir)
        .and_then(|open| open.sync_all())
        .map_err(|error| fault::disk(&dir, "written", &error))
}

/// As [`create_whole`], from bytes at hand.
pub(super) fn create_with(path: &Path, content: &[u8]) -> Result<()> {
    create_whole(path, |_, file| {
        file.write_all(content).map_err(|error| fault::disk(path, "written", &error))
    })
}

pub(super) fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

/// Whether there is such a file; an error where that cannot be told.
pub(super) fn exists(path: &Path) -> Result<bool> {
    path.try_exists().map_err(|error| fault::disk(path, "looked at", &error))
}

/// What of a database file changes whenever somebody writes to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: u64,
    len: u64,
    modified: (i64, i64),
}

impl Stamp {
    /// `None` while there is a write-ahead log with content, or nothing at all.
    pub(super) fn of(path: &Path) -> Option<Stamp> {
        if fs::metadata(log(path)).is_ok_and(|wal| wal.len() > 0) {
            return None;
        }
        let file = fs::metadata(path).ok()?;
        Some(Stamp { inode: file.ino(), len: file.len(), modified: (file.mtime(), file.mtime_nsec()) })
    }
}

/// SQLite's write-ahead log of a file.
pub(super) fn log(path: &Path) -> PathBuf {
    beside(path, "-wal")
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

/// Removes a file if there is one.
pub(super) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(fault::disk(path, "removed", &error))
        }
        _ => Ok(()),
    }
}

/// Removes what SQLite keeps beside a file, so that another one of its name has nothing to do with it.
pub(super) fn remove_log(path: &Path) -> Result<()> {
    remove(&log(path))?;
    remove(&beside(path, "-shm"))?;
    sync_folder(path)
}
