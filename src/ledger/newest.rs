//! The newest entry that the log has of each key, in the order of keys. The log is read once, in pieces that are sorted
//! in memory; where they are several, all but the last wait in a file without a name, and they are merged as they are
//! read back. So memory is bounded, whatever the log holds: 24 MB while a piece is sorted, then 16 MB and 16 kB for each
//! piece of half a million entries.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::vec::IntoIter;

use rusqlite::Connection;

use super::entry::KeyHash;
use super::fault::{Attempt, Fault, disk};
use super::file;
use super::packed::{self, Entry, WIDTH};

/// Entries sorted in memory at once.
const PIECE: usize = if cfg!(all(test, debug_assertions)) { 1 << 12 } else { 1 << 19 };
/// Entries of a piece read back at once.
const WINDOW: u64 = 512;

/// An iterator whose every step may fail.
pub(super) struct Newest {
    /// The next entry of each piece that has one.
    heads: BinaryHeap<Head>,
    pieces: Vec<Piece>,
    spilled: Spilled,
}

impl Newest {
    /// Reads the whole log and checks it.
    pub(super) fn of_log(conn: &Connection) -> Attempt<Newest> {
        let all = usize::try_from(packed::log_len(conn)?).unwrap_or(PIECE);
        let mut newest =
            Newest { heads: BinaryHeap::new(), pieces: Vec::new(), spilled: Spilled::beside(conn) };
        let mut unsorted = Vec::with_capacity(all.min(PIECE));
        packed::each_logged(conn, |entry| {
            if unsorted.len() == PIECE {
                newest.spill(&mut unsorted)?;
            }
            unsorted.push(entry);
            Ok(())
        })?;
        sort(&mut unsorted);
        newest.pieces.push(Piece { window: unsorted.into_iter(), rest: 0..0 });
        for piece in 0..newest.pieces.len() {
            if let Some(entry) = newest.pieces[piece].next(&newest.spilled)? {
                newest.heads.push(Head { entry, piece });
            }
        }
        Ok(newest)
    }

    fn spill(&mut self, unsorted: &mut Vec<Entry>) -> Attempt<()> {
        sort(unsorted);
        let rest = self.spilled.append(unsorted)?;
        self.pieces.push(Piece { window: Vec::new().into_iter(), rest });
        unsorted.clear();
        Ok(())
    }

    pub(super) fn peek(&self) -> Option<&Entry> {
        self.heads.peek().map(|head| &head.entry)
    }

    pub(super) fn next(&mut self) -> Attempt<Option<Entry>> {
        let newest = self.advance()?;
        while newest.is_some_and(|newest| self.peek().is_some_and(|older| older.key == newest.key)) {
            self.advance()?;
        }
        Ok(newest)
    }

    pub(super) fn next_if(&mut self, wanted: impl FnOnce(&Entry) -> bool) -> Attempt<Option<Entry>> {
        if self.peek().is_some_and(wanted) { self.next() } else { Ok(None) }
    }

    /// The first entry of all pieces; of equal keys the newest comes first.
    fn advance(&mut self) -> Attempt<Option<Entry>> {
        let Some(mut head) = self.heads.peek_mut() else { return Ok(None) };
        let first = head.entry;
        match self.pieces[head.piece].next(&self.spilled)? {
            Some(entry) => head.entry = entry,
            None => drop(PeekMut::pop(head)),
        }
        Ok(Some(first))
    }
}

/// Sorts by key and keeps the last of equal keys.
fn sort(entries: &mut Vec<Entry>) {
    // Stable, so that the last stays last.
    entries.sort_by_key(|entry| u128::from_be_bytes(entry.key.0));
    entries.dedup_by(|later, kept| {
        let same = later.key == kept.key;
        if same {
            *kept = *later;
        }
        same
    });
}

struct Head {
    entry: Entry,
    /// The later piece has the newer entries.
    piece: usize,
}

impl Head {
    fn rank(&self) -> (Reverse<KeyHash>, usize) {
        (Reverse(self.entry.key), self.piece)
    }
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl Eq for Head {}

/// Sorted entries: some in memory, those after them in the file.
struct Piece {
    window: IntoIter<Entry>,
    /// Positions among the entries of the file.
    rest: std::ops::Range<u64>,
}

impl Piece {
    fn next(&mut self, spilled: &Spilled) -> Attempt<Option<Entry>> {
        if self.window.len() == 0 && !self.rest.is_empty() {
            let end = self.rest.end.min(self.rest.start + WINDOW);
            self.window = spilled.read(self.rest.start..end)?.into_iter();
            self.rest.start = end;
        }
        Ok(self.window.next())
    }
}

/// The file of the pieces that wait; it is made when the first one comes, and vanishes with the process.
struct Spilled {
    /// `None`: where the system has its temporary files.
    folder: Option<PathBuf>,
    file: Option<File>,
    /// Entries in it.
    len: u64,
}

impl Spilled {
    fn beside(conn: &Connection) -> Spilled {
        Spilled { folder: conn.path().map(|path| file::parent(Path::new(path))), file: None, len: 0 }
    }

    fn append(&mut self, entries: &[Entry]) -> Attempt<std::ops::Range<u64>> {
        let file = match self.file.take() {
            Some(file) => file,
            None => self.create().map_err(|error| self.failed(&error))?,
        };
        let written = file.write_all_at(&packed::pack(entries), self.len * WIDTH as u64);
        written.map_err(|error| self.failed(&error))?;
        self.file = Some(file);
        let start = self.len;
        self.len += entries.len() as u64;
        Ok(start..self.len)
    }

    /// A folder that can only be read has its ledger read all the same.
    fn create(&self) -> io::Result<File> {
        let beside = self.folder.as_ref().and_then(|folder| tempfile::tempfile_in(folder).ok());
        beside.map_or_else(tempfile::tempfile, Ok)
    }

    fn read(&self, range: std::ops::Range<u64>) -> Attempt<Vec<Entry>> {
        let mut data = vec![0; (range.end - range.start) as usize * WIDTH];
        if let Some(file) = &self.file {
            file.read_exact_at(&mut data, range.start * WIDTH as u64).map_err(|error| self.failed(&error))?;
        }
        Ok(packed::unpack(&data).collect())
    }

    fn failed(&self, error: &io::Error) -> Fault {
        let folder = self.folder.as_deref().unwrap_or(Path::new("."));
        Fault::Other(disk(folder, "used for a temporary file", error))
    }
}
