//! Row -> hashes: what the diff needs of a row that the destination already holds, which is most rows.

use std::ops::Range;

use outflow_connectors::contract::{Cell, Row};

use super::{BoundField, BoundFrom, Mapper, Record, RowFault};
use crate::ledger::{KeyHash, RecordHash};
use crate::project::OnNull;
use crate::transform::Fault;
use crate::transform::canonical::{Encoded, encode_cell, encode_key};
use crate::transform::encode::{Domain, encode_value};

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
    record: Vec<u8>,
    destination: Vec<u8>,
    /// The bytes of the match fields, and where each field has its own: its position in the mapping.
    matched: Vec<u8>,
    matches: Vec<(usize, Range<usize>)>,
    /// Which types each key column has held, where the destination key is the primary key.
    kinds: Vec<u8>,
}

impl Scratch {
    /// Whether some key column held values of several types, or of one that two keys may share a destination key in:
    /// then `1` and `'1'` are two rows and one object, and nobody has watched for that.
    pub fn is_mixed(&self) -> bool {
        self.kinds.iter().any(|kinds| kinds.count_ones() > 1 || kinds & UNSAFE != 0)
    }

    fn watch(&mut self, row: Row<'_>, columns: &[usize]) {
        self.kinds.resize(columns.len(), 0);
        for (kinds, column) in self.kinds.iter_mut().zip(columns) {
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

impl Mapper {
    /// The hashes of the record that [`Self::map`] makes of this row.
    ///
    /// # Errors
    /// As [`Self::map`].
    pub fn hash(&self, row: Row<'_>, scratch: &mut Scratch) -> Result<Hashes, RowFault> {
        if self.key_is_match {
            scratch.watch(row, &self.key_columns);
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

    /// `None` where the row may be invalid.
    pub(super) fn quick(&self, row: Row<'_>, scratch: &mut Scratch) -> Option<Hashes> {
        Domain::Key.begin(&mut scratch.key);
        for &column in &self.key_columns {
            encode_key(row.cell(column), &mut scratch.key).ok()?;
        }
        let key = self.hasher.finish(&mut scratch.key);
        self.quick_record(row, &key, scratch)?;
        Some(Hashes {
            key: KeyHash(key),
            fingerprint: RecordHash(self.hasher.finish(&mut scratch.record)),
            destination: if self.key_is_match { 0 } else { self.quick_destination(scratch) },
        })
    }

    /// Encodes the record, and its match fields once more.
    fn quick_record(&self, row: Row<'_>, key: &[u8; 16], scratch: &mut Scratch) -> Option<()> {
        Domain::Record.begin(&mut scratch.record);
        scratch.record.extend_from_slice(key);
        scratch.matched.clear();
        scratch.matches.clear();
        for (index, (field, spec)) in self.fields.iter().zip(&self.spec.fields).enumerate() {
            let start = scratch.record.len();
            scratch.record.extend_from_slice(&field.name);
            let value = scratch.record.len();
            let encoded = field.encode(row, &mut scratch.record).ok()?;
            if field.is_matched {
                if encoded != Encoded::Other {
                    return None;
                }
                let from = scratch.matched.len();
                scratch.matched.extend_from_slice(&scratch.record[value..]);
                scratch.matches.push((index, from..scratch.matched.len()));
            }
            let is_skipped = encoded == Encoded::Null
                && match spec.on_null {
                    OnNull::Clear => false,
                    OnNull::Skip => true,
                    OnNull::Error => return None,
                };
            if is_skipped || !spec.diff {
                scratch.record.truncate(start);
            }
        }
        Some(())
    }

    fn quick_destination(&self, scratch: &mut Scratch) -> u64 {
        Domain::Destination.begin(&mut scratch.destination);
        for field in &self.match_fields {
            for (_, bytes) in scratch.matches.iter().filter(|(index, _)| index == field) {
                scratch.destination.extend_from_slice(&scratch.matched[bytes.clone()]);
            }
        }
        self.hasher.finish_short(&mut scratch.destination)
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
            (BoundFrom::Column(column), None) => encode_cell(row, *column, &self.conversion, out),
            _ => {
                let value = self.value(row)?;
                encode_value(&value, out);
                Ok(Encoded::of(&value))
            }
        }
    }
}
