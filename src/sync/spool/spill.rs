//! Lists of fixed-width items that stay in memory while they are short and go on in a file when they are not.

use std::fs::File;
use std::marker::PhantomData;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use outflow_connectors::rehearsal::point;

use crate::error::{Error, ErrorKind, Result};
use crate::ledger::KeyHash;

/// Where a run may put what does not fit in memory, and how much of it.
#[derive(Clone)]
pub struct Space {
    folder: PathBuf,
    /// Bytes that all files of this run may hold together.
    most: u64,
    used: Arc<AtomicU64>,
    /// Bytes of one list that stay in memory.
    pub memory: usize,
}

impl Space {
    pub fn new(folder: &Path, most: u64, memory: usize) -> Self {
        Space { folder: folder.to_owned(), most, used: Arc::default(), memory }
    }

    /// The same space for lists that keep less in memory.
    pub fn with_memory(&self, memory: usize) -> Self {
        Space { memory, ..self.clone() }
    }

    /// An anonymous file.
    ///
    /// # Errors
    /// When the folder cannot take one.
    pub fn file(&self) -> Result<File> {
        tempfile::tempfile_in(&self.folder).map_err(|error| self.failed("create", &error))
    }

    /// Counts bytes about to be written.
    ///
    /// # Errors
    /// When `spool_max` would be passed.
    pub fn take(&self, bytes: usize) -> Result<()> {
        let used = self.used.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64;
        if used <= self.most {
            return Ok(());
        }
        let message =
            format!("the changes of this run need more than `spool_max` ({} bytes) on disk", self.most);
        Err(Error::new("OF-STA-021", ErrorKind::State, message)
            .hint("raise `spool_max` in outflow.yml, or send the rows in parts with a narrower query; nothing was sent"))
    }

    pub fn failed(&self, doing: &str, error: &std::io::Error) -> Error {
        let message = format!("cannot {doing} the spool file of this run in `{}`", self.folder.display());
        Error::new("OF-STA-020", ErrorKind::State, message)
            .because(error)
            .hint("free some disk space there; nothing was lost, run it again")
    }
}

/// Something that is always as many bytes.
pub trait Fixed: Copy {
    const WIDTH: usize;

    fn write(&self, out: &mut Vec<u8>);

    /// From exactly [`Self::WIDTH`] bytes.
    fn read(bytes: &[u8]) -> Self;
}

impl Fixed for KeyHash {
    const WIDTH: usize = 16;

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn read(bytes: &[u8]) -> Self {
        KeyHash(array(bytes, 0))
    }
}

/// `N` bytes from `at` on.
pub fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

/// A list that is written once, from front to back.
pub struct Spill<T> {
    space: Space,
    /// The first items; `None` while all fit in memory.
    file: Option<File>,
    /// Bytes in the file.
    written: u64,
    /// The items after those.
    tail: Vec<u8>,
    items: PhantomData<T>,
}

impl<T: Fixed> Spill<T> {
    pub fn new(space: Space) -> Self {
        Spill { space, file: None, written: 0, tail: Vec::new(), items: PhantomData }
    }

    /// # Errors
    /// When the disk is full.
    pub fn push(&mut self, item: &T) -> Result<()> {
        item.write(&mut self.tail);
        if self.tail.len() >= self.space.memory { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        if self.file.is_none() {
            self.file = Some(self.space.file()?);
        }
        let Some(file) = &self.file else { return Ok(()) };
        self.space.take(self.tail.len())?;
        file.write_all_at(&self.tail, self.written).map_err(|error| self.space.failed("write", &error))?;
        point("spill.flushed");
        self.written += self.tail.len() as u64;
        self.tail.clear();
        Ok(())
    }

    pub fn len(&self) -> u64 {
        (self.written + self.tail.len() as u64) / T::WIDTH as u64
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Up to `most` items from position `from` on.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn slice(&self, from: u64, most: usize) -> Result<Vec<T>> {
        let count = self.len().saturating_sub(from).min(most as u64) as usize;
        let (start, len) = (from * T::WIDTH as u64, count * T::WIDTH);
        let on_disk = self.written.saturating_sub(start).min(len as u64) as usize;
        let mut items = Vec::with_capacity(count);
        let mut take = |bytes: &[u8]| items.extend(bytes.chunks_exact(T::WIDTH).map(T::read));
        if let Some(file) = self.file.as_ref().filter(|_| on_disk > 0) {
            let mut bytes = vec![0; on_disk];
            file.read_exact_at(&mut bytes, start).map_err(|error| self.space.failed("read", &error))?;
            take(&bytes);
        }
        if on_disk < len {
            let at = (start + on_disk as u64 - self.written) as usize;
            take(&self.tail[at..at + len - on_disk]);
        }
        Ok(items)
    }

    /// All items in chunks, each with the position of its first.
    pub fn chunks(&self) -> impl Iterator<Item = Result<(u64, Vec<T>)>> + '_ {
        let starts = (0..self.len()).step_by(CHUNK);
        starts.map(move |start| Ok((start, self.slice(start, CHUNK)?)))
    }
}

/// Items that are looked at together.
pub const CHUNK: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    impl Fixed for u32 {
        const WIDTH: usize = 4;

        fn write(&self, out: &mut Vec<u8>) {
            out.extend_from_slice(&self.to_le_bytes());
        }

        fn read(bytes: &[u8]) -> Self {
            bytes.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte))
        }
    }

    #[test]
    fn a_list_reads_the_same_wherever_it_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        for memory in [4, 12, 40, 1 << 20] {
            let mut list = Spill::new(Space::new(folder.path(), u64::MAX, memory));
            (0..10_u32).for_each(|n| list.push(&n).unwrap());
            assert_eq!(list.len(), 10);
            for from in 0..12 {
                for most in 0..12 {
                    let expected: Vec<u32> = (from as u32..10).take(most).collect();
                    assert_eq!(list.slice(from, most).unwrap(), expected, "{memory} {from} {most}");
                }
            }
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the files have no name");
    }

    #[test]
    fn the_space_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let mut list = Spill::new(Space::new(folder.path(), 40, 8));
        let failed = (0..100_u32).find_map(|n| list.push(&n).err()).unwrap();
        assert_eq!(failed.code, "OF-STA-021");
    }
}
