//! Rows x Ledger -> verdicts: which rows of a batch the ledger has in their place, and the records of the others. Knows
//! nothing of other batches, so that several are compared at once.

use std::collections::HashMap;
use std::ops::Range;

use outflow_connectors::contract::{Prepared, Preparer, Row, RowBatch};

use super::differ::Dirty;
use super::sorter::flag;
use crate::ledger::{KeyHash, RecordHash, Tags};
use crate::sync::map::{Edit, Hashes, Kinds, Mapper, RowFault, Scratch};
use crate::sync::spool::Stored;

/// What rows are held against; stays as it is while they are read.
pub struct Comparer {
    pub tags: Tags,
    /// Keys whose last request may or may not have had an effect.
    pub dirty: HashMap<KeyHash, Dirty>,
    pub mapper: Mapper,
    /// Mappings under which older fingerprints were made, and what was edited since.
    pub previous: Vec<(Mapper, Edit)>,
    /// Every row counts as changed, whatever the ledger says.
    pub forces: bool,
}

/// What the rows of a batch came to.
pub struct Compared {
    /// One for each row, in order.
    pub verdicts: Vec<Verdict>,
    /// Records of the candidates, as [`Stored::write`] writes them.
    pub records: Vec<u8>,
    pub kinds: Kinds,
}

/// What one row came to.
pub enum Verdict {
    /// Its record is the one acknowledged: the entry's position, and the hash of its destination key.
    Known {
        entry: usize,
        key: KeyHash,
        destination: u64,
    },
    Difference(Difference),
    Invalid(Box<RowFault>),
}

/// A row that has a record, and not the one acknowledged.
pub struct Difference {
    pub hashes: Hashes,
    /// Bits of [`flag`].
    pub flags: u32,
    /// Its record among [`Compared::records`].
    pub record: Range<usize>,
}

/// Rows looked up together: enough to wait for their memory together, few enough to stay in the nearest cache.
const BLOCK: usize = 32;

impl Preparer for Comparer {
    fn prepare(&self, batch: &RowBatch) -> Option<Prepared> {
        Some(Box::new(self.compare(batch)))
    }
}

impl Comparer {
    /// Compares all rows of a batch.
    pub fn compare(&self, batch: &RowBatch) -> Compared {
        let mut judge = Judge::new(self, batch.len());
        let (mut ahead, mut rows) = (batch.rows(), batch.rows());
        while judge.hash(ahead.by_ref().take(BLOCK)) {
            judge.judge(&mut rows);
        }
        let Judge { verdicts, records, scratch, .. } = judge;
        Compared { verdicts, records, kinds: scratch.kinds }
    }

    /// The candidate that a row is although the ledger has its record: another row had it before.
    pub fn repeated(&self, row: Row<'_>, records: &mut Vec<u8>) -> Option<Difference> {
        let mut scratch = Scratch::default();
        let hashes = self.mapper.hash(row, &mut scratch).ok()?;
        let fields = scratch.fields(scratch.last());
        Some(Parts::of(&self.mapper).candidate(row, (hashes, flag::MATCHED, fields), records))
    }

    /// Whether the ledger has this row's record under an older mapping, and that record says all the new one does.
    fn is_covered(&self, row: Row<'_>, scratch: &mut Scratch) -> bool {
        self.previous.iter().any(|(previous, edit)| {
            scratch.clear();
            let Ok(old) = previous.hash(row, scratch) else { return false };
            let is_known = self.tags.find(&old.key, &old.fingerprint).is_some();
            is_known && self.mapper.is_covered(row, (previous, edit))
        })
    }
}

/// Compares the rows of one batch, block by block.
struct Judge<'a> {
    comparer: &'a Comparer,
    scratch: Scratch,
    /// For older mappings.
    older: Scratch,
    parts: Parts<'a>,
    /// A block's hashes, and where the fields of each row are, until the ledger has answered.
    hashed: Vec<Result<(Hashes, Range<usize>), Box<RowFault>>>,
    /// Of those that have a record.
    wanted: Vec<(KeyHash, RecordHash)>,
    found: Vec<Option<usize>>,
    verdicts: Vec<Verdict>,
    records: Vec<u8>,
}

impl<'a> Judge<'a> {
    fn new(comparer: &'a Comparer, rows: usize) -> Self {
        Judge {
            comparer,
            scratch: Scratch::default(),
            older: Scratch::default(),
            parts: Parts::of(&comparer.mapper),
            hashed: Vec::with_capacity(BLOCK),
            wanted: Vec::with_capacity(BLOCK),
            found: Vec::with_capacity(BLOCK),
            verdicts: Vec::with_capacity(rows),
            records: Vec::new(),
        }
    }

    /// Hashes the next block, and looks it up; false where no rows are left.
    fn hash<'r>(&mut self, rows: impl Iterator<Item = Row<'r>>) -> bool {
        self.scratch.clear();
        self.wanted.clear();
        for row in rows {
            let hashed = self.comparer.mapper.hash(row, &mut self.scratch).map_err(Box::new);
            if let Ok(hashes) = &hashed {
                self.wanted.push((hashes.key, hashes.fingerprint));
            }
            self.hashed.push(hashed.map(|hashes| (hashes, self.scratch.last())));
        }
        self.found.clear();
        if !self.comparer.forces {
            self.comparer.tags.find_all(&self.wanted, &mut self.found);
        }
        !self.hashed.is_empty()
    }

    /// Says what each row of the block came to.
    fn judge<'r>(&mut self, rows: &mut impl Iterator<Item = Row<'r>>) {
        let (mut hashed, found) = (std::mem::take(&mut self.hashed), std::mem::take(&mut self.found));
        let mut entries = found.iter().copied();
        for (ready, row) in hashed.drain(..).zip(rows) {
            let verdict = match ready {
                Err(fault) => Verdict::Invalid(fault),
                Ok(ready) => self.verdict(row, ready, entries.next().flatten()),
            };
            self.verdicts.push(verdict);
        }
        (self.hashed, self.found) = (hashed, found); // their memory serves the next block
    }

    fn verdict(
        &mut self,
        row: Row<'_>,
        (hashes, fields): (Hashes, Range<usize>),
        entry: Option<usize>,
    ) -> Verdict {
        let Comparer { dirty, forces, .. } = self.comparer;
        let is_dirty = !dirty.is_empty() && dirty.contains_key(&hashes.key);
        let flags = match entry {
            _ if *forces || is_dirty => flag::FORCED,
            Some(entry) => {
                return Verdict::Known { entry, key: hashes.key, destination: hashes.destination };
            }
            None if self.comparer.is_covered(row, &mut self.older) => flag::COVERED,
            None => 0,
        };
        let fields = self.scratch.fields(fields);
        Verdict::Difference(self.parts.candidate(row, (hashes, flags, fields), &mut self.records))
    }
}

/// Makes records, in buffers that every one uses anew.
struct Parts<'a> {
    mapper: &'a Mapper,
    scratch: Scratch,
    key_values: Vec<u8>,
    destination_key: Vec<u8>,
    fields: Vec<u8>,
}

impl<'a> Parts<'a> {
    fn of(mapper: &'a Mapper) -> Self {
        let (scratch, empty) = (Scratch::default(), Vec::new);
        Parts { mapper, scratch, key_values: empty(), destination_key: empty(), fields: empty() }
    }

    /// Appends the record of a row that has no fault; `compared` are its fields, but for those that are not compared.
    fn candidate(
        &mut self,
        row: Row<'_>,
        (hashes, flags, compared): (Hashes, u32, &[u8]),
        records: &mut Vec<u8>,
    ) -> Difference {
        let hashes = self.mapper.complete(row, hashes, &mut self.scratch);
        self.key_values.clear();
        self.mapper.encode_key(row, &mut self.key_values);
        self.destination_key.clear();
        self.mapper.encode_destination(row, &mut self.destination_key);
        let fields = match self.mapper.compares_all() {
            true => compared,
            false => {
                self.fields.clear();
                self.mapper.encode_fields(row, &mut self.fields);
                &self.fields
            }
        };
        let start = records.len();
        let stored = Stored {
            key: hashes.key,
            fingerprint: hashes.fingerprint,
            destination_hash: hashes.destination,
            key_values: &self.key_values,
            destination_key: &self.destination_key,
            fields,
        };
        stored.write(records);
        Difference { hashes, flags, record: start..records.len() }
    }
}
