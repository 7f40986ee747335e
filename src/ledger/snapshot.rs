//! The live entries in memory: sorted, 32 bytes a row, found by the key hash's first bits.

use std::ops::ControlFlow;

use rusqlite::Connection;

use super::entry::{KeyHash, RecordHash};
use super::fault::Attempt;
use super::packed;

/// Rows of a bucket on average; small enough that the search stays within two or three cache lines.
const BUCKET: usize = 16;

/// What the destination holds, as far as the ledger knows; marks say which keys a run has seen.
pub struct Snapshot {
    keys: Vec<KeyHash>,
    records: Vec<RecordHash>,
    seen: Vec<u64>,
    /// `starts[b]..starts[b + 1]` are the rows whose key begins with the bits `b`.
    starts: Vec<usize>,
    bits: u32,
}

impl Snapshot {
    /// Of a sync that has never run.
    pub fn empty() -> Snapshot {
        Self::build(Vec::new(), Vec::new())
    }

    pub(super) fn load(conn: &Connection, rows: usize) -> Attempt<Snapshot> {
        let (mut keys, mut records) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
        packed::each_live(conn, |entry| {
            keys.push(entry.key);
            records.push(entry.record);
            ControlFlow::Continue(())
        })?;
        Ok(Self::build(keys, records))
    }

    /// `keys` sorted, without repeats.
    fn build(keys: Vec<KeyHash>, records: Vec<RecordHash>) -> Snapshot {
        let bits = (keys.len() / BUCKET).next_power_of_two().ilog2().min(32);
        let mut starts = vec![0; (1 << bits) + 1];
        for key in &keys {
            starts[bucket(key, bits) + 1] += 1;
        }
        for b in 1..starts.len() {
            starts[b] += starts[b - 1];
        }
        Snapshot { seen: vec![0; keys.len().div_ceil(64)], keys, records, starts, bits }
    }

    pub fn len(&self) -> usize {
        self.keys.len()
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Position of a key, if it is live.
    pub fn find(&self, key: &KeyHash) -> Option<usize> {
        let b = bucket(key, self.bits);
        let (low, high) = (self.starts[b], self.starts[b + 1]);
        self.keys[low..high].binary_search(key).ok().map(|i| low + i)
    }

    pub fn key(&self, i: usize) -> KeyHash {
        self.keys[i]
    }

    pub fn record(&self, i: usize) -> RecordHash {
        self.records[i]
    }

    /// Marks a row as seen; true if it was already.
    pub fn mark(&mut self, i: usize) -> bool {
        let (word, bit) = (&mut self.seen[i / 64], 1 << (i % 64));
        let before = *word & bit != 0;
        *word |= bit;
        before
    }

    /// What was never marked, in the order of keys.
    pub fn unmarked(&self) -> impl Iterator<Item = (KeyHash, RecordHash)> + '_ {
        (0..self.len())
            .filter(|i| self.seen[i / 64] & (1 << (i % 64)) == 0)
            .map(|i| (self.keys[i], self.records[i]))
    }
}

fn bucket(key: &KeyHash, bits: u32) -> usize {
    let mut head = [0; 8];
    head.copy_from_slice(&key.0[..8]);
    // A shift by 64 would overflow, hence the two steps.
    (u64::from_be_bytes(head) >> 1 >> (63 - bits)) as usize
}
