//! The newest entry that a log has of each key, in the order of keys. The log is read once, in pieces that are sorted
//! in memory; where they are several, all but the last wait in a file without a name, and they are merged as they are
//! read back. So memory is bounded, whatever the log holds: for the log of 32-byte entries 24 MB while a piece is sorted,
//! then 16 MB and 16 kB for each piece of half a million entries.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::vec::IntoIter;

use rusqlite::Connection;

use super::entry::KeyHash;
use super::fault::{Attempt, Fault, damaged, disk};
use super::file;
use super::packed::{self, Entry, WIDTH};

/// Bytes of a piece read back at once.
const WINDOW: u64 = 1 << 14;
/// Bytes written to the file at once.
const BUFFER: usize = 1 << 20;

/// What has a key, and a form in which it waits in the file.
pub(super) trait Keyed: Sized {
    /// Bytes sorted in memory at once.
    const PIECE: usize;

    fn key(&self) -> KeyHash;

    /// Bytes that it takes in memory.
    fn bytes(&self) -> usize;

    fn write(&self, out: &mut Vec<u8>);

    /// Takes the first that was written; nothing where there is no whole one.
    fn read(from: &mut &[u8]) -> Option<Self>;
}

impl Keyed for Entry {
    const PIECE: usize = if cfg!(all(test, debug_assertions)) { 1 << 17 } else { 1 << 24 };

    fn key(&self) -> KeyHash {
        self.key
    }

    fn bytes(&self) -> usize {
        WIDTH
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.key.0);
        out.extend_from_slice(&self.record.0);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let (entry, rest) = from.split_at_checked(WIDTH)?;
        *from = rest;
        packed::unpack(entry).next()
    }
}

/// Takes entries in, oldest first.
pub(super) struct Sorter<E> {
    unsorted: Vec<E>,
    /// That these take.
    bytes: usize,
    pieces: Vec<Piece<E>>,
    spilled: Spilled,
}

impl<E: Keyed> Sorter<E> {
    /// What does not fit into memory goes beside the ledger.
    pub(super) fn beside(conn: &Connection, expected: u64) -> Self {
        let most = E::PIECE / size_of::<E>();
        let unsorted = Vec::with_capacity(usize::try_from(expected).unwrap_or(most).min(most));
        Sorter { unsorted, bytes: 0, pieces: Vec::new(), spilled: Spilled::beside(conn) }
    }

    pub(super) fn push(&mut self, entry: E) -> Attempt<()> {
        if self.bytes >= E::PIECE {
            sort(&mut self.unsorted);
            let rest = self.spilled.append(&self.unsorted)?;
            self.pieces.push(Piece { window: Vec::new().into_iter(), rest });
            self.unsorted.clear();
            self.bytes = 0;
        }
        self.bytes += entry.bytes();
        self.unsorted.push(entry);
        Ok(())
    }

    pub(super) fn sorted(mut self) -> Attempt<Newest<E>> {
        sort(&mut self.unsorted);
        self.pieces.push(Piece { window: self.unsorted.into_iter(), rest: 0..0 });
        let mut newest = Newest { heads: BinaryHeap::new(), pieces: self.pieces, spilled: self.spilled };
        for piece in 0..newest.pieces.len() {
            if let Some(entry) = newest.pieces[piece].next(&newest.spilled)? {
                newest.heads.push(Head { entry, piece });
            }
        }
        Ok(newest)
    }
}

/// An iterator whose every step may fail.
pub(super) struct Newest<E = Entry> {
    /// The next entry of each piece that has one.
    heads: BinaryHeap<Head<E>>,
    pieces: Vec<Piece<E>>,
    spilled: Spilled,
}

impl Newest {
    /// Reads the whole log and checks it.
    pub(super) fn of_log(conn: &Connection) -> Attempt<Newest> {
        let mut sorter = Sorter::beside(conn, packed::log_len(conn)?);
        packed::each_logged(conn, |entry| sorter.push(entry))?;
        sorter.sorted()
    }
}

impl<E: Keyed> Newest<E> {
    pub(super) fn peek(&self) -> Option<&E> {
        self.heads.peek().map(|head| &head.entry)
    }

    pub(super) fn next(&mut self) -> Attempt<Option<E>> {
        let Some(newest) = self.advance()? else { return Ok(None) };
        let key = newest.key();
        while self.peek().is_some_and(|older| older.key() == key) {
            self.advance()?;
        }
        Ok(Some(newest))
    }

    pub(super) fn next_if(&mut self, wanted: impl FnOnce(&E) -> bool) -> Attempt<Option<E>> {
        if self.peek().is_some_and(wanted) { self.next() } else { Ok(None) }
    }

    /// The first entry of all pieces; of equal keys the newest comes first.
    fn advance(&mut self) -> Attempt<Option<E>> {
        let Some(mut head) = self.heads.peek_mut() else { return Ok(None) };
        Ok(Some(match self.pieces[head.piece].next(&self.spilled)? {
            Some(entry) => std::mem::replace(&mut head.entry, entry),
            None => PeekMut::pop(head).entry,
        }))
    }
}

/// Sorts by key and keeps the last of equal keys.
fn sort<E: Keyed>(entries: &mut Vec<E>) {
    // Stable, so that the last stays last.
    entries.sort_by_key(|entry| u128::from_be_bytes(entry.key().0));
    entries.dedup_by(|later, kept| {
        let same = later.key() == kept.key();
        if same {
            std::mem::swap(kept, later);
        }
        same
    });
}

struct Head<E> {
    entry: E,
    /// The later piece has the newer entries.
    piece: usize,
}

impl<E: Keyed> Head<E> {
    fn rank(&self) -> (Reverse<KeyHash>, usize) {
        (Reverse(self.entry.key()), self.piece)
    }
}

impl<E: Keyed> Ord for Head<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl<E: Keyed> PartialOrd for Head<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E: Keyed> PartialEq for Head<E> {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl<E: Keyed> Eq for Head<E> {}

/// Sorted entries: some in memory, those after them in the file.
struct Piece<E> {
    window: IntoIter<E>,
    /// Where in the file.
    rest: Range<u64>,
}

impl<E: Keyed> Piece<E> {
    fn next(&mut self, spilled: &Spilled) -> Attempt<Option<E>> {
        if self.window.len() == 0 && !self.rest.is_empty() {
            self.window = spilled.take(&mut self.rest)?.into_iter();
        }
        Ok(self.window.next())
    }
}

/// The file of the pieces that wait; it is made when the first one comes, and vanishes with the process.
struct Spilled {
    /// `None`: where the system has its temporary files.
    folder: Option<PathBuf>,
    file: Option<File>,
    /// Bytes in it.
    len: u64,
}

impl Spilled {
    fn beside(conn: &Connection) -> Spilled {
        Spilled { folder: conn.path().map(|path| file::parent(Path::new(path))), file: None, len: 0 }
    }

    /// Where they are from now on.
    fn append<E: Keyed>(&mut self, entries: &[E]) -> Attempt<Range<u64>> {
        let (start, mut data) = (self.len, Vec::new());
        for entry in entries {
            entry.write(&mut data);
            if data.len() >= BUFFER {
                self.write(&data)?;
                data.clear();
            }
        }
        self.write(&data)?;
        Ok(start..self.len)
    }

    fn write(&mut self, data: &[u8]) -> Attempt<()> {
        let file = match self.file.take() {
            Some(file) => file,
            None => self.create().map_err(|error| self.failed(&error))?,
        };
        file.write_all_at(data, self.len).map_err(|error| self.failed(&error))?;
        self.file = Some(file);
        self.len += data.len() as u64;
        Ok(())
    }

    /// A folder that can only be read has its ledger read all the same.
    fn create(&self) -> io::Result<File> {
        let beside = self.folder.as_ref().and_then(|folder| tempfile::tempfile_in(folder).ok());
        beside.map_or_else(tempfile::tempfile, Ok)
    }

    /// The next entries of a piece: those of a window, which is as large as one of them needs.
    fn take<E: Keyed>(&self, rest: &mut Range<u64>) -> Attempt<Vec<E>> {
        let (mut entries, mut window) = (Vec::new(), WINDOW);
        while entries.is_empty() {
            let left = rest.end - rest.start;
            let mut data = vec![0; left.min(window) as usize];
            if let Some(file) = &self.file {
                file.read_exact_at(&mut data, rest.start).map_err(|error| self.failed(&error))?;
            }
            let mut unread = &data[..];
            while let Some(entry) = E::read(&mut unread) {
                entries.push(entry);
            }
            rest.start += (data.len() - unread.len()) as u64;
            if entries.is_empty() && window >= left {
                return damaged("what waits in a temporary file is not what was written");
            }
            window *= 2;
        }
        Ok(entries)
    }

    fn failed(&self, error: &io::Error) -> Fault {
        let folder = self.folder.as_deref().unwrap_or(Path::new("."));
        Fault::Other(disk(folder, "used for a temporary file", error))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ledger::RecordHash;

    fn entry(key: u16, record: usize) -> Entry {
        // Some keys share all bits but the last, as hashes hardly do.
        let key = u128::from(key >> 3) << 115 | u128::from(key & 7);
        Entry { key: KeyHash(key.to_be_bytes()), record: RecordHash((record as u128).to_be_bytes()) }
    }

    proptest! {
        #[test]
        fn the_last_of_each_key_stays_in_the_order_of_keys(keys in proptest::collection::vec(any::<u16>(), 0..3000)) {
            let mut entries: Vec<Entry> = keys.iter().enumerate().map(|(at, key)| entry(*key, at)).collect();
            let newest: std::collections::BTreeMap<KeyHash, Entry> =
                entries.iter().map(|entry| (entry.key, *entry)).collect();
            sort(&mut entries);
            prop_assert_eq!(entries, newest.into_values().collect::<Vec<_>>());
        }
    }
}
