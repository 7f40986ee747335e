//! Rows x Ledger -> verdicts: which rows of a batch the ledger has in their place, and the records of the others. Knows
//! nothing of other batches, so that several are compared at once.

use std::collections::HashMap;
use std::ops::Range;

use outflow_connectors::contract::{Prepared, Preparer, Row, RowBatch};

use super::differ::Dirty;
use super::sorter::flag;
use crate::ledger::{By, KeyHash, RecordHash, Tags};
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
    /// Rows found unchanged tell their record hash: the ledger has the source hash of none.
    pub restates: bool,
    /// Rows found unchanged become candidates all the same: the ledger is to have their destination keys.
    pub rekeys: bool,
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
        /// See [`Comparer::restates`].
        record: Option<RecordHash>,
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
        for start in (0..batch.len()).step_by(BLOCK) {
            if judge.glances {
                let block = start..batch.len().min(start + BLOCK);
                self.mapper.sources(batch, block, &mut judge.scratch);
            }
            judge.hash(ahead.by_ref().take(BLOCK));
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

/// What was made of a row before the ledger was asked.
enum Ready {
    /// Its key: no more is needed of a row whose source hash the ledger has.
    Glanced(KeyHash),
    Hashed(Hashed),
}

/// A row's hashes, and where its fields are in the scratch, or what is wrong with it.
type Hashed = Result<(Hashes, Range<usize>), Box<RowFault>>;

/// Compares the rows of one batch, block by block.
struct Judge<'a> {
    comparer: &'a Comparer,
    /// Rows are held against the ledger by their source hashes.
    glances: bool,
    scratch: Scratch,
    /// For older mappings.
    older: Scratch,
    parts: Parts<'a>,
    /// A block's rows, until the ledger has answered.
    ready: Vec<Ready>,
    /// Keys of those that are asked for, each with half of its record hash.
    wanted: Vec<(KeyHash, u64)>,
    found: Vec<Option<usize>>,
    verdicts: Vec<Verdict>,
    records: Vec<u8>,
}

impl<'a> Judge<'a> {
    fn new(comparer: &'a Comparer, rows: usize) -> Self {
        Judge {
            comparer,
            glances: comparer.tags.by() == By::Source && !comparer.forces,
            scratch: Scratch::default(),
            older: Scratch::default(),
            parts: Parts::of(&comparer.mapper),
            ready: Vec::with_capacity(BLOCK),
            wanted: Vec::with_capacity(BLOCK),
            found: Vec::with_capacity(BLOCK),
            verdicts: Vec::with_capacity(rows),
            records: Vec::new(),
        }
    }

    /// Hashes the next block, and looks it up.
    fn hash<'r>(&mut self, rows: impl Iterator<Item = Row<'r>>) {
        self.scratch.clear();
        self.wanted.clear();
        for (n, row) in rows.enumerate() {
            let ready = self.ready(row, n);
            self.ready.push(ready);
        }
        self.found.clear();
        if !self.comparer.forces {
            self.comparer.tags.find_all(&self.wanted, &mut self.found);
        }
    }

    /// The n-th row of the block.
    fn ready(&mut self, row: Row<'_>, n: usize) -> Ready {
        let Comparer { mapper, tags, .. } = self.comparer;
        if self.glances
            && let Some(key) = mapper.known_key(row, &mut self.scratch)
            && let Some(source) = self.scratch.source(n)
        {
            self.wanted.push((key, source));
            return Ready::Glanced(key);
        }
        let hashed = self.whole(row);
        if let Ok((hashes, _)) = &hashed {
            self.wanted.push((hashes.key, tags.by().half(&hashes.fingerprint)));
        }
        Ready::Hashed(hashed)
    }

    fn whole(&mut self, row: Row<'_>) -> Hashed {
        let hashes = self.comparer.mapper.hash(row, &mut self.scratch).map_err(Box::new)?;
        Ok((hashes, self.scratch.last()))
    }

    /// Says what each row of the block came to.
    fn judge<'r>(&mut self, rows: &mut impl Iterator<Item = Row<'r>>) {
        let (mut ready, found) = (std::mem::take(&mut self.ready), std::mem::take(&mut self.found));
        let mut entries = found.iter().copied();
        for (ready, row) in ready.drain(..).zip(rows) {
            let verdict = match ready {
                Ready::Glanced(key) => self.glanced(row, key, entries.next().flatten()),
                Ready::Hashed(Err(fault)) => Verdict::Invalid(fault),
                Ready::Hashed(Ok(hashed)) => self.verdict(row, hashed, entries.next().flatten()),
            };
            self.verdicts.push(verdict);
        }
        (self.ready, self.found) = (ready, found); // their memory serves the next block
    }

    /// A row that is not the one acknowledged by its source hash is mapped; whether its record is, the ledger is asked
    /// once all rows are read.
    fn glanced(&mut self, row: Row<'_>, key: KeyHash, entry: Option<usize>) -> Verdict {
        let mapper = &self.comparer.mapper;
        if let Some(entry) = entry.filter(|_| !self.is_dirty(&key))
            && let Some(destination) = mapper.known_destination(row, &mut self.scratch)
        {
            return Verdict::Known { entry, key, destination, record: None };
        }
        match self.whole(row) {
            Ok(hashed) => self.verdict(row, hashed, None),
            Err(fault) => Verdict::Invalid(fault),
        }
    }

    fn is_dirty(&self, key: &KeyHash) -> bool {
        let dirty = &self.comparer.dirty;
        !dirty.is_empty() && dirty.contains_key(key)
    }

    fn verdict(
        &mut self,
        row: Row<'_>,
        (hashes, fields): (Hashes, Range<usize>),
        entry: Option<usize>,
    ) -> Verdict {
        let flags = match entry {
            _ if self.comparer.forces || self.is_dirty(&hashes.key) => flag::FORCED,
            Some(_) if self.comparer.rekeys => flag::COVERED,
            Some(entry) => {
                let record = self.comparer.restates.then_some(hashes.fingerprint);
                return Verdict::Known { entry, key: hashes.key, destination: hashes.destination, record };
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
