//! Keys in the order of their hashes, however many: sorted in memory, then in runs on disk that are merged.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use crate::error::Result;
use crate::ledger::KeyHash;
use crate::sync::spool::{CHUNK, Fixed, Space, Spill, array};

/// That a row with this key came by, and what was known of it then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sighting {
    pub key: KeyHash,
    /// Position among the candidates.
    pub seq: u32,
    /// Bits of [`flag`].
    pub flags: u32,
    /// Which entries of the key's bucket in the ledger had been seen before.
    pub marks: u64,
    /// Of its record; 0 where it has none.
    pub fingerprint: u64,
}

impl Sighting {
    /// Of which only the key matters.
    pub fn of_key(key: KeyHash, seq: u64) -> Self {
        Sighting { key, seq: seq as u32, flags: 0, marks: 0, fingerprint: 0 }
    }
}

/// What the stream knew of a row.
pub mod flag {
    /// Its record is the one acknowledged; an earlier row had the same.
    pub const MATCHED: u32 = 1;
    /// The destination holds all of it, under an older mapping or without its key in the ledger.
    pub const COVERED: u32 = 2;
    /// Sent whatever the ledger says: unsettled, or a full refresh.
    pub const FORCED: u32 = 4;
    /// It has a key and no record.
    pub const INVALID: u32 = 8;
}

impl Fixed for Sighting {
    const WIDTH: usize = 40;

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.key.0);
        out.extend_from_slice(&self.seq.to_le_bytes());
        out.extend_from_slice(&self.flags.to_le_bytes());
        out.extend_from_slice(&self.marks.to_le_bytes());
        out.extend_from_slice(&self.fingerprint.to_le_bytes());
    }

    fn read(bytes: &[u8]) -> Self {
        Sighting {
            key: KeyHash(array(bytes, 0)),
            seq: u32::from_le_bytes(array(bytes, 16)),
            flags: u32::from_le_bytes(array(bytes, 20)),
            marks: u64::from_le_bytes(array(bytes, 24)),
            fingerprint: u64::from_le_bytes(array(bytes, 32)),
        }
    }
}

/// Takes sightings in any order.
pub struct Sorter {
    space: Space,
    most: usize,
    buffer: Vec<Sighting>,
    runs: Vec<Spill<Sighting>>,
}

impl Sorter {
    pub fn new(space: Space) -> Self {
        let most = (space.memory / Sighting::WIDTH).max(1);
        Sorter { space, most, buffer: Vec::new(), runs: Vec::new() }
    }

    /// # Errors
    /// When the disk is full.
    pub fn push(&mut self, sighting: Sighting) -> Result<()> {
        self.buffer.push(sighting);
        if self.buffer.len() >= self.most { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        self.buffer.sort_unstable();
        // A run is written out at once: it would not be one if it stayed in memory.
        let mut run = Spill::new(self.space.with_memory(1 << 16));
        self.buffer.drain(..).try_for_each(|sighting| run.push(&sighting))?;
        self.runs.push(run);
        Ok(())
    }

    /// All of them by key, then in the order they came.
    pub fn sorted(mut self) -> Sorted {
        self.buffer.sort_unstable();
        let mut inputs: Vec<Input> = self
            .runs
            .into_iter()
            .map(|run| Input { run: Some(run), next: 0, ready: VecDeque::new() })
            .collect();
        inputs.push(Input { run: None, next: 0, ready: self.buffer.into() });
        Sorted { inputs, heap: None }
    }
}

/// One sorted run, read chunk by chunk.
struct Input {
    run: Option<Spill<Sighting>>,
    next: u64,
    ready: VecDeque<Sighting>,
}

impl Input {
    fn pop(&mut self) -> Result<Option<Sighting>> {
        if let (true, Some(run)) = (self.ready.is_empty(), &self.run) {
            self.ready = run.slice(self.next, CHUNK)?.into();
            self.next += self.ready.len() as u64;
        }
        Ok(self.ready.pop_front())
    }
}

/// Merges the runs.
pub struct Sorted {
    inputs: Vec<Input>,
    heap: Option<BinaryHeap<Reverse<(Sighting, usize)>>>,
}

impl Sorted {
    /// # Errors
    /// When a run cannot be read.
    pub fn pop(&mut self) -> Result<Option<Sighting>> {
        if let [only] = &mut self.inputs[..] {
            return only.pop();
        }
        let mut heap = match self.heap.take() {
            Some(heap) => heap,
            None => self.firsts()?,
        };
        let least = heap.pop();
        if let Some(Reverse((_, from))) = least
            && let Some(following) = self.inputs[from].pop()?
        {
            heap.push(Reverse((following, from)));
        }
        self.heap = Some(heap);
        Ok(least.map(|Reverse((sighting, _))| sighting))
    }

    fn firsts(&mut self) -> Result<BinaryHeap<Reverse<(Sighting, usize)>>> {
        let mut heap = BinaryHeap::new();
        for (from, input) in self.inputs.iter_mut().enumerate() {
            if let Some(first) = input.pop()? {
                heap.push(Reverse((first, from)));
            }
        }
        Ok(heap)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sorted_whatever_fits_in_memory(keys in proptest::collection::vec(0_u8..20, 0..60), memory in 1_usize..4000) {
            let folder = tempfile::tempdir().unwrap();
            let mut sorter = Sorter::new(Space::new(folder.path(), u64::MAX, memory));
            let mut expected = Vec::new();
            for (seq, key) in keys.iter().enumerate() {
                let sighting = Sighting { key: KeyHash([*key; 16]), seq: seq as u32, flags: 1, marks: 7, fingerprint: 9 };
                sorter.push(sighting).unwrap();
                expected.push(sighting);
            }
            expected.sort();
            let mut sorted = sorter.sorted();
            let mut found = Vec::new();
            while let Some(sighting) = sorted.pop().unwrap() {
                found.push(sighting);
            }
            prop_assert_eq!(found, expected);
        }
    }
}
