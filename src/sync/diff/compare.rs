//! Rows x Ledger -> verdicts: which rows of a batch the ledger has in their place, and the records of the others. Knows
//! nothing of other batches, so that several are compared at once.

use std::collections::HashMap;
use std::ops::Range;

use outflow_connectors::contract::{Prepared, Preparer, Row, RowBatch};

use super::differ::Dirty;
use super::sorter::flag;
use crate::ledger::{KeyHash, RecordHash, Tags};
use crate::sync::map::{Hashes, Kinds, Mapper, RowFault, Scratch};
use crate::sync::spool::Stored;

/// What rows are held against; stays as it is while they are read.
pub struct Comparer {
    pub tags: Tags,
    /// Keys whose last request may or may not have had an effect.
    pub dirty: HashMap<KeyHash, Dirty>,
    pub mapper: Mapper,
    /// Mappings under which older fingerprints were made.
    pub previous: Vec<Mapper>,
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

/// Rows looked up together: their hashes and where their fields are, until the ledger has answered.
#[derive(Default)]
struct Block {
    rows: Vec<Result<(Hashes, Range<usize>), Box<RowFault>>>,
    /// Of the rows that have a record.
    wanted: Vec<(KeyHash, RecordHash)>,
    found: Vec<Option<usize>>,
}

/// Rows of a [`Block`]: enough to wait for their memory together, few enough to stay in the nearest cache.
const BLOCK: usize = 32;

impl Preparer for Comparer {
    fn prepare(&self, batch: &RowBatch) -> Option<Prepared> {
        Some(Box::new(self.compare(batch)))
    }
}

impl Comparer {
    /// Compares all rows of a batch.
    pub fn compare(&self, batch: &RowBatch) -> Compared {
        let mut block = Block::default();
        let (mut verdicts, mut records) = (Vec::with_capacity(batch.len()), Vec::new());
        let (mut scratch, mut parts) = (Scratch::default(), Parts::of(&self.mapper));
        {
            let (mut ahead, mut rows) = (batch.rows(), batch.rows());
            loop {
                ahead.by_ref().take(BLOCK).for_each(|row| self.hash(row, &mut scratch, &mut block));
                if block.rows.is_empty() {
                    break;
                }
                if !self.forces {
                    self.tags.find_all(&block.wanted, &mut block.found);
                }
                block.wanted.clear();
                let mut found = block.found.drain(..);
                for (ready, row) in block.rows.drain(..).zip(&mut rows) {
                    verdicts.push(match ready {
                        Err(fault) => Verdict::Invalid(fault),
                        Ok((hashes, fields)) => match self.flags(row, &hashes, found.next().flatten()) {
                            Ok(entry) => {
                                Verdict::Known { entry, key: hashes.key, destination: hashes.destination }
                            }
                            Err(flags) => {
                                let fields = scratch.fields(fields);
                                Verdict::Difference(parts.candidate(
                                    row,
                                    (hashes, flags, fields),
                                    &mut records,
                                ))
                            }
                        },
                    });
                }
                drop(found);
                scratch.clear();
            }
        }
        Compared { verdicts, records, kinds: scratch.kinds }
    }

    /// The candidate that a row is although the ledger has its record: another row had it before.
    pub fn repeated(&self, row: Row<'_>, records: &mut Vec<u8>) -> Option<Difference> {
        let mut scratch = Scratch::default();
        let hashes = self.mapper.hash(row, &mut scratch).ok()?;
        let fields = scratch.fields(scratch.last());
        Some(Parts::of(&self.mapper).candidate(row, (hashes, flag::MATCHED, fields), records))
    }

    fn hash(&self, row: Row<'_>, scratch: &mut Scratch, block: &mut Block) {
        let hashed = self.mapper.hash(row, scratch).map_err(Box::new).map(|hashes| {
            block.wanted.push((hashes.key, hashes.fingerprint));
            (hashes, scratch.last())
        });
        block.rows.push(hashed);
    }

    /// The entry of a row that is as acknowledged, or the flags of a candidate.
    fn flags(&self, row: Row<'_>, hashes: &Hashes, entry: Option<usize>) -> Result<usize, u32> {
        let is_dirty = !self.dirty.is_empty() && self.dirty.contains_key(&hashes.key);
        match entry {
            _ if self.forces || is_dirty => Err(flag::FORCED),
            Some(entry) => Ok(entry),
            None if self.is_covered(row) => Err(flag::COVERED),
            None => Err(0),
        }
    }

    /// Whether the ledger has this row's record under an older mapping, and that record says all the new one does.
    fn is_covered(&self, row: Row<'_>) -> bool {
        self.previous.iter().any(|previous| {
            let (Ok(old), Ok(new)) = (previous.map(row), self.mapper.map(row)) else { return false };
            let known = self.tags.find(&old.key, &old.fingerprint).is_some();
            known && self.mapper.is_covered(&new, previous, &old)
        })
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
