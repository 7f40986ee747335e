//! Row -> hashes: what the diff needs of a row that the destination already holds, which is most rows.

use std::hash::Hasher;
use std::ops::Range;

use ahash::AHasher;
use outflow_connectors::contract::{Cell, Row, RowBatch};

use super::{BoundField, BoundFrom, Mapper, Record, RowFault};
use crate::ledger::{KeyHash, RecordHash};
use crate::project::OnNull;
use crate::transform::Fault;
use crate::transform::canonical::{Encoded, encode_key};
use crate::transform::encode::{ABSENT, Domain, encode_value};

/// The hashes of one row's record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hashes {
    pub key: KeyHash,
    pub fingerprint: RecordHash,
    /// Of the destination key; 0 where that is the primary key.
    pub destination: u64,
}

/// Buffers that every row uses anew.
#[derive(Debug, Default)]
pub struct Scratch {
    key: Vec<u8>,
    /// The messages of the rows that were hashed together, each padded by the hasher.
    records: Vec<u8>,
    /// The fields of the last of them.
    last: Range<usize>,
    destination: Vec<u8>,
    sources: Vec<AHasher>,
    /// Filled where the destination key is the primary key.
    pub kinds: Kinds,
}

/// Which types each key column has held.
#[derive(Debug, Default)]
pub struct Kinds(Vec<u8>);

impl Kinds {
    /// Whether some key column held values of several types, or of one that two keys may share a destination key in:
    /// then `1` and `'1'` are two rows and one object, and nobody has watched for that.
    pub fn is_mixed(&self) -> bool {
        self.0.iter().any(|kinds| kinds.count_ones() > 1 || kinds & UNSAFE != 0)
    }

    /// Takes in what other rows have held.
    pub fn merge(&mut self, others: &Kinds) {
        self.0.resize(self.0.len().max(others.0.len()), 0);
        self.0.iter_mut().zip(&others.0).for_each(|(kinds, other)| *kinds |= other);
    }

    fn watch(&mut self, row: Row<'_>, columns: &[usize]) {
        self.0.resize(columns.len(), 0);
        for (kinds, column) in self.0.iter_mut().zip(columns) {
            *kinds |= match row.cell(*column) {
                Cell::Null => 0,
                Cell::Integer(_) => 1,
                Cell::Text(_) => 2,
                Cell::Bool(_) => 4,
                Cell::Decimal { .. } => 8,
                _ => UNSAFE,
            };
        }
    }
}

/// Types whose keys keep more than the destination is sent.
const UNSAFE: u8 = 16;

impl Scratch {
    /// Forgets the rows that were hashed together.
    pub fn clear(&mut self) {
        self.records.clear();
    }

    /// The n-th of [`Mapper::sources`].
    pub fn source(&self, n: usize) -> Option<u64> {
        self.sources.get(n).map(AHasher::finish)
    }

    /// Where the fields of the row that was hashed last are, for [`Self::fields`], until the next [`Self::clear`]: as
    /// [`Mapper::encode_fields`] gives them, without those that are not compared.
    pub fn last(&self) -> Range<usize> {
        self.last.clone()
    }

    /// The fields of a row, see [`Self::last`].
    pub fn fields(&self, of: Range<usize>) -> &[u8] {
        &self.records[of]
    }
}

impl Mapper {
    /// The hashes of the record that [`Self::map`] makes of this row.
    ///
    /// # Errors
    /// As [`Self::map`].
    pub fn hash(&self, row: Row<'_>, scratch: &mut Scratch) -> Result<Hashes, RowFault> {
        if self.key_is_match {
            scratch.kinds.watch(row, &self.key_columns);
        }
        match self.quick(row, scratch) {
            Some(hashes) => Ok(hashes),
            // What is wrong with a row is said in one place only.
            None => self.map(row).map(|record| Hashes {
                destination: if self.key_is_match { 0 } else { record.destination_hash },
                ..Hashes::of(&record)
            }),
        }
    }

    /// The source hashes of rows that come one after another, for [`Scratch::source`]: a fraction of what [`Self::hash`]
    /// takes.
    pub fn sources(&self, batch: &RowBatch, rows: Range<usize>, scratch: &mut Scratch) {
        self.source.of_block(batch, rows, &mut scratch.sources);
    }

    /// The key of a row; `None` where it cannot be read.
    pub fn known_key(&self, row: Row<'_>, scratch: &mut Scratch) -> Option<KeyHash> {
        if self.key_is_match {
            scratch.kinds.watch(row, &self.key_columns);
        }
        self.quick_key(row, scratch).map(KeyHash)
    }

    /// Hash of the destination key of a row whose source hash is known, as [`Self::hash`] gives it; `None` where the row
    /// may be invalid all the same, for a field that is not compared.
    pub fn known_destination(&self, row: Row<'_>, scratch: &mut Scratch) -> Option<u64> {
        for &at in &self.beside {
            scratch.destination.clear();
            let encoded = self.fields[at].encode(row, &mut scratch.destination).ok()?;
            if encoded == Encoded::Null && self.spec.fields[at].on_null == OnNull::Error {
                return None;
            }
        }
        Some(if self.key_is_match { 0 } else { self.quick_destination(row, scratch) })
    }

    fn quick_key(&self, row: Row<'_>, scratch: &mut Scratch) -> Option<[u8; 16]> {
        Domain::Key.begin(&mut scratch.key);
        for &column in &self.key_columns {
            encode_key(row.cell(column), &mut scratch.key).ok()?;
        }
        Some(self.hasher.finish(&mut scratch.key))
    }

    /// `None` where the row may be invalid.
    pub(super) fn quick(&self, row: Row<'_>, scratch: &mut Scratch) -> Option<Hashes> {
        scratch.last = 0..0;
        let key = self.quick_key(row, scratch)?;
        let start = scratch.records.len();
        if self.quick_record(row, &key, &mut scratch.records).is_none() {
            scratch.records.truncate(start);
            return None;
        }
        scratch.last = start + KeyHash::LENGTH..scratch.records.len();
        Some(Hashes {
            key: KeyHash(key),
            fingerprint: RecordHash::new(
                self.records.finish_from(&mut scratch.records, start),
                self.source.of(row),
            ),
            destination: if self.key_is_match { 0 } else { self.quick_destination(row, scratch) },
        })
    }

    /// Encodes the record.
    fn quick_record(&self, row: Row<'_>, key: &[u8; 16], record: &mut Vec<u8>) -> Option<()> {
        record.extend_from_slice(key);
        for (field, spec) in self.fields.iter().zip(&self.spec.fields) {
            let start = record.len();
            let encoded = field.encode(row, record).ok()?;
            if field.is_matched && encoded != Encoded::Other {
                return None;
            }
            if encoded == Encoded::Null {
                match spec.on_null {
                    OnNull::Clear => {}
                    OnNull::Skip => record[start] = ABSENT,
                    OnNull::Error => return None,
                }
            }
            if !spec.diff {
                record.truncate(start);
            }
        }
        Some(())
    }

    fn quick_destination(&self, row: Row<'_>, scratch: &mut Scratch) -> u64 {
        Domain::Destination.begin(&mut scratch.destination);
        self.encode_destination(row, &mut scratch.destination);
        self.hasher.finish_short(&mut scratch.destination)
    }

    /// A row's hashes with that of its destination key in any case; the row has no fault.
    pub fn complete(&self, row: Row<'_>, hashes: Hashes, scratch: &mut Scratch) -> Hashes {
        match self.key_is_match {
            true => Hashes { destination: self.quick_destination(row, scratch), ..hashes },
            false => hashes,
        }
    }

    /// Appends the parts of the key of a row that has no fault.
    pub fn encode_key(&self, row: Row<'_>, out: &mut Vec<u8>) {
        for &column in &self.key_columns {
            let encoded = encode_key(row.cell(column), out);
            debug_assert!(encoded.is_ok(), "the row has no fault");
        }
    }

    /// Appends the match fields of a row that has no fault.
    pub fn encode_destination(&self, row: Row<'_>, out: &mut Vec<u8>) {
        for &field in &self.match_fields {
            let encoded = self.fields[field].encode(row, out);
            debug_assert!(encoded.is_ok(), "the row has no fault");
        }
    }

    /// Appends all fields of a row that has no fault, in the mapping's order: the value, or [`ABSENT`].
    pub fn encode_fields(&self, row: Row<'_>, out: &mut Vec<u8>) {
        for (field, spec) in self.fields.iter().zip(&self.spec.fields) {
            let start = out.len();
            let encoded = field.encode(row, out);
            debug_assert!(encoded.is_ok(), "the row has no fault");
            if encoded == Ok(Encoded::Null) && spec.on_null == OnNull::Skip {
                out[start] = ABSENT;
            }
        }
    }

    /// Whether every field is compared.
    pub fn compares_all(&self) -> bool {
        self.spec.fields.iter().all(|field| field.diff)
    }
}

impl Hashes {
    pub(super) fn of(record: &Record) -> Self {
        Hashes { key: record.key, fingerprint: record.fingerprint, destination: record.destination_hash }
    }
}

impl BoundField {
    /// Appends the canonical bytes of [`Self::value`].
    fn encode(&self, row: Row<'_>, out: &mut Vec<u8>) -> Result<Encoded, Fault> {
        match (&self.from, self.normaliser) {
            (BoundFrom::Column(column), None) => self.encoder.encode(row, *column, &self.conversion, out),
            _ => {
                let value = self.value(row)?;
                encode_value(&value, out);
                Ok(Encoded::of(&value))
            }
        }
    }
}
