//! The live entries in memory at about 8.8 bytes a row: one half of each record hash, found by the key hash's first bits.

use std::ops::ControlFlow;

use rusqlite::Connection;

use super::codes;
use super::entry::{KeyHash, RecordHash};
use super::fault::{Attempt, Fault, damaged};
use super::packed;
use crate::error::{Error, ErrorKind};

/// A bucket's marks fit one word.
const LARGEST: usize = 64;
/// More first bits than this, and six more than hashes need, mean that the keys are no hashes.
const MOST_BITS: u32 = 20;
/// Keys looked up together, so that the memory they need arrives together.
const BATCH: usize = 32;

/// By which half of their record hashes entries are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// What was acknowledged.
    Fingerprint,
    /// What that was made of.
    Source,
}

impl By {
    /// That half.
    #[inline]
    pub fn half(self, record: &RecordHash) -> u64 {
        match self {
            By::Fingerprint => record.fingerprint(),
            By::Source => record.source(),
        }
    }
}

/// What the destination holds, as far as the ledger knows.
///
/// Either half of a record hash binds its key, so among the few entries whose key begins alike, equal 64 bits mean the
/// same key with the same record. Positions count the live entries in the order of keys, as
/// [`Ledger::live_entries`](super::Ledger::live_entries) gives them.
pub struct Tags {
    tags: Vec<u64>,
    /// `starts[b]..starts[b + 1]` are the entries whose key begins with the bits `b`; 4 to 8 on average.
    starts: Vec<u32>,
    bits: u32,
    by: By,
}

impl Tags {
    /// Of a sync that has never run.
    pub fn empty() -> Tags {
        Tags { tags: Vec::new(), starts: vec![0; 2], bits: 0, by: By::Fingerprint }
    }

    /// What [`Self::find`] finds entries by.
    pub fn by(&self) -> By {
        self.by
    }

    /// `rows`: at least as many as there are.
    pub(super) fn load(conn: &Connection, rows: u64, by: By) -> Attempt<Tags> {
        let bits = (rows / 4).max(1).ilog2();
        for bits in bits..=(bits + 6).max(MOST_BITS) {
            let mut build = Builder::new(rows, bits)?;
            packed::each_live(conn, |entry| build.add(&entry.key, by.half(&entry.record)))?;
            match build.finish(by)? {
                Some(tags) => return Ok(tags),
                None => continue,
            }
        }
        damaged(format!("more than {LARGEST} keys begin with the same bits, so they are no hashes"))
    }

    pub fn len(&self) -> usize {
        self.tags.len()
    }

    pub fn is_empty(&self) -> bool {
        self.tags.is_empty()
    }

    fn bucket(&self, key: &KeyHash) -> (usize, usize) {
        let b = head(key, self.bits);
        (self.starts[b] as usize, self.starts[b + 1] as usize)
    }

    fn search(&self, (low, high): (usize, usize), wanted: u64) -> Option<usize> {
        self.tags[low..high].iter().position(|tag| *tag == wanted).map(|i| low + i)
    }

    /// Position of the entry, if the key is live with exactly this record.
    pub fn find(&self, key: &KeyHash, record: &RecordHash) -> Option<usize> {
        self.search(self.bucket(key), self.by.half(record))
    }

    /// As [`find`](Self::find) for each key and half of a record hash, in order, into `found`, whose content goes; faster where the entries
    /// exceed the processor's caches, because the memory of several pairs is awaited at once.
    pub fn find_all(&self, wanted: &[(KeyHash, u64)], found: &mut Vec<Option<usize>>) {
        found.clear();
        for batch in wanted.chunks(BATCH) {
            let mut buckets = [(0, 0); BATCH];
            for (bucket, (key, _)) in buckets.iter_mut().zip(batch) {
                *bucket = self.bucket(key);
            }
            let touched = buckets.iter().filter_map(|&(low, _)| self.tags.get(low)).fold(0, |a, tag| a ^ tag);
            std::hint::black_box(touched);
            found.extend(batch.iter().zip(buckets).map(|((_, half), bucket)| self.search(bucket, *half)));
        }
    }

    /// The bit of position `i` among the [`Marks::of`] its bucket; 0 if it is in another than `key` is.
    pub fn bit(&self, key: &KeyHash, i: usize) -> u64 {
        let (low, high) = self.bucket(key);
        if (low..high).contains(&i) { 1 << (i - low) } else { 0 }
    }
}

/// Which entries of some [`Tags`] a run has seen: one bit each.
pub struct Marks {
    words: Vec<u64>,
}

impl Marks {
    /// None of these.
    pub fn none(tags: &Tags) -> Self {
        Marks { words: vec![0; tags.len().div_ceil(64)] }
    }

    /// Marks an entry as seen; true if it was already.
    pub fn mark(&mut self, i: usize) -> bool {
        let (word, bit) = (&mut self.words[i / 64], 1 << (i % 64));
        let before = *word & bit != 0;
        *word |= bit;
        before
    }

    /// Whether an entry was; none was that the tags do not have.
    pub fn is_marked(&self, i: usize) -> bool {
        self.words.get(i / 64).is_some_and(|word| word & (1 << (i % 64)) != 0)
    }

    /// Which entries of the key's bucket are marked now: bit j stands for its j-th.
    pub fn of(&self, tags: &Tags, key: &KeyHash) -> u64 {
        let (low, high) = tags.bucket(key);
        if low == high {
            return 0;
        }
        let (word, shift) = (low / 64, low % 64);
        let mut marks = self.words[word] >> shift;
        if shift > 0 && (high - 1) / 64 > word {
            marks |= self.words[word + 1] << (64 - shift);
        }
        marks & (u64::MAX >> (64 - (high - low)))
    }
}

impl std::fmt::Debug for Tags {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tags").field("len", &self.len()).field("bits", &self.bits).finish()
    }
}

struct Builder {
    tags: Vec<u64>,
    starts: Vec<u32>,
    bits: u32,
    overfull: bool,
}

impl Builder {
    fn new(rows: u64, bits: u32) -> Attempt<Builder> {
        let (mut tags, mut starts) = (Vec::new(), Vec::new());
        tags.try_reserve_exact(usize::try_from(rows).unwrap_or(usize::MAX)).map_err(|_| too_many(rows))?;
        starts.try_reserve_exact((1 << bits) + 1).map_err(|_| too_many(rows))?;
        starts.push(0);
        Ok(Builder { tags, starts, bits, overfull: false })
    }

    /// Keys come in order.
    fn add(&mut self, key: &KeyHash, tag: u64) -> ControlFlow<()> {
        let b = head(key, self.bits);
        self.begin(b);
        self.tags.push(tag);
        self.overfull |= self.tags.len() - self.starts[b] as usize > LARGEST;
        if self.overfull { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Ends the buckets before `b`.
    fn begin(&mut self, b: usize) {
        while self.starts.len() <= b {
            self.starts.push(self.tags.len() as u32);
        }
    }

    /// `None` where a bucket is larger than can be.
    fn finish(mut self, by: By) -> Attempt<Option<Tags>> {
        if u32::try_from(self.tags.len()).is_err() {
            return Err(too_many(self.tags.len() as u64));
        }
        if self.overfull {
            return Ok(None);
        }
        self.begin(1 << self.bits);
        self.shrink();
        Ok(Some(Tags { tags: self.tags, starts: self.starts, bits: self.bits, by }))
    }

    /// There were fewer entries than expected: joins neighbours while the buckets stay small.
    fn shrink(&mut self) {
        while self.bits > 0
            && self.tags.len() >> self.bits < 4
            && self.starts.iter().step_by(2).is_sorted_by(|low, high| (**high - **low) as usize <= LARGEST)
        {
            self.starts = self.starts.iter().copied().step_by(2).collect();
            self.bits -= 1;
        }
    }
}

fn too_many(rows: u64) -> Fault {
    let message = format!("{rows} entries of the ledger do not fit into memory");
    Fault::Other(Error::new(codes::FAILED, ErrorKind::State, message))
}

/// The first bits of a key, 63 at most.
fn head(key: &KeyHash, bits: u32) -> usize {
    // A shift by 64 would overflow, hence the two steps.
    (u64::from_be_bytes(first(&key.0)) >> 1 >> (63 - bits)) as usize
}

fn first(bytes: &[u8; 16]) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = *bytes;
    [a, b, c, d, e, f, g, h]
}
