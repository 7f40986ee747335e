//! What goes into the ledger and comes out of it.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use outflow_connectors::contract::Verb;
use serde::{Deserialize, Serialize};

/// First 128 bits of the salted SHA-256 of a key's canonical encoding.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash(pub [u8; 16]);

/// What tells one record of a key from another, in two halves. The last 64 bits are the *fingerprint*, of the salted SHA-256
/// of key and record. The first 64 are the *source hash*, of the cells that the record was made of: it says without any
/// mapping that a row is the one acknowledged, and never that it is another, so that two of these are equal where their
/// fingerprints are. All zero stands for "removed".
#[derive(Clone, Copy)]
pub struct RecordHash(pub [u8; 16]);

impl KeyHash {
    /// In bytes.
    pub const LENGTH: usize = 16;
}

impl Ord for KeyHash {
    /// In the order of the bytes; as numbers they are compared at once.
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        u128::from_be_bytes(self.0).cmp(&u128::from_be_bytes(other.0))
    }
}

impl PartialOrd for KeyHash {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl RecordHash {
    pub const REMOVED: RecordHash = RecordHash([0; 16]);

    /// Stands for a record that no row has: the row counts as changed until it is acknowledged again.
    pub const STALE: RecordHash = RecordHash([0xff; 16]);

    /// Of a salted hash of key and record, and of the source's cells.
    pub fn new(hash: [u8; 16], source: u64) -> Self {
        let mut both = hash;
        both[..8].copy_from_slice(&source.to_le_bytes());
        RecordHash(both)
    }

    pub fn is_removed(&self) -> bool {
        self.0 == Self::REMOVED.0
    }

    /// As [`Self::STALE`], of a record that was acknowledged: [`Self::acknowledged`] tells which. Its source hash is lost,
    /// which costs the row one more mapping.
    pub fn stale(&self) -> Self {
        RecordHash::new((!u128::from_ne_bytes(self.0)).to_ne_bytes(), u64::MAX)
    }

    pub fn is_stale(&self) -> bool {
        self.source() == u64::MAX
    }

    /// What was acknowledged before it was made stale, where that is known.
    pub fn acknowledged(&self) -> Option<Self> {
        let is_known = self.is_stale() && *self != Self::STALE;
        is_known.then(|| RecordHash::new((!u128::from_ne_bytes(self.0)).to_ne_bytes(), 0))
    }

    pub fn fingerprint(&self) -> u64 {
        let [.., a, b, c, d, e, f, g, h] = self.0;
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }

    pub fn source(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }
}

impl PartialEq for RecordHash {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint() == other.fingerprint()
    }
}

impl Eq for RecordHash {}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Debug for RecordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        KeyHash(self.0).fmt(f)
    }
}

/// Whose acknowledgements a ledger holds; another identity holds the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub sync: String,
    pub target: Option<String>,
    pub account: String,
    pub object: String,
    pub match_on: Vec<String>,
    pub primary_key: Vec<String>,
}

/// A mapping under which some fingerprints of this ledger were made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingVersion {
    /// SHA-256 (hex) of `spec`.
    pub hash: String,
    /// The fields with their resolved types, as JSON; enough to evaluate the mapping again.
    pub spec: String,
}

/// What is kept of one delivered record beside its hashes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Detail {
    /// `{column: value}` of the primary key, as JSON text.
    pub key: Option<String>,
    pub remote_id: Option<String>,
    /// This sync created the object; `None` where the destination didn't tell.
    pub created: Option<bool>,
    /// Salted hash of the destination key; 0 where none is kept.
    pub destination_hash: u64,
    /// The destination key in plain text (JSON list of values), only where removals or a changed match key need it.
    pub destination_key: Option<String>,
    /// 8-byte hash of each diffed field, bound to the key, or [`Detail::LEFT`]; empty at `keep: hashes`.
    pub fields: Vec<(Arc<str>, u64)>,
    /// The last acknowledged record as JSON text, at `keep: values`.
    pub record: Option<String>,
    /// The row vanished from the source under `on_delete: ignore`, or was cleared; it has no log entry any more.
    pub gone: bool,
}

impl Detail {
    /// Stands for the hash of a field that says nothing any more, as the mapping has dropped it, and whose last value the
    /// object has: no value has this hash.
    pub const LEFT: u64 = 0;

    /// What is about the object, without its fields and keys.
    pub fn of_object(&self) -> Self {
        Detail {
            remote_id: self.remote_id.clone(),
            created: self.created,
            destination_hash: self.destination_hash,
            gone: self.gone,
            ..Detail::default()
        }
    }
}

/// One key of an intent; *dirty* until an acknowledgement, or a rejection known to have had no effect, cleans it.
#[derive(Debug, Clone, PartialEq)]
pub struct IntentEntry<T = String> {
    pub key: KeyHash,
    /// What is about to be delivered; [`RecordHash::REMOVED`] for a delete.
    pub record: RecordHash,
    /// `{column: value}` of the primary key, as JSON text.
    pub key_text: T,
    pub destination_hash: u64,
    /// JSON list of the destination key's values.
    pub destination_key: T,
    pub remote_id: Option<T>,
}

impl IntentEntry {
    /// What is known of the object, should the batch have arrived.
    pub fn detail(&self, remote_id: Option<String>) -> Detail {
        Detail {
            key: Some(self.key_text.clone()),
            remote_id,
            destination_hash: self.destination_hash,
            destination_key: Some(self.destination_key.clone()),
            ..Detail::default()
        }
    }
}

/// Number of a batch within its ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchId(pub i64);

/// A batch that was sent, or about to be, when its run ended.
#[derive(Debug, Clone)]
pub struct OpenIntent {
    pub batch: BatchId,
    pub run_id: String,
    pub verb: Verb,
    /// The remote job's id, if there is one and it became durable.
    pub handle: Option<String>,
    /// In the order of the batch; only the entries that are still dirty.
    pub entries: Vec<IntentEntry>,
}

/// What one change of a batch came to, for the ledger.
#[derive(Debug, Clone)]
pub struct Settled {
    pub key: KeyHash,
    pub result: Settlement,
}

#[derive(Debug, Clone)]
pub enum Settlement {
    /// The destination has exactly this record: log it, keep its detail, clean the key (in every open intent), forget its refusal.
    Delivered { record: RecordHash, detail: Option<Box<Detail>> },
    /// The object is gone: log the removal, drop the detail, clean the key, forget its refusal.
    Removed,
    /// The object stays, but this sync no longer answers for it: as `Removed`, with a detail marked gone.
    Gone { detail: Box<Detail> },
    /// Refused without effect: clean the key in this batch, keep the refusal.
    Refused(Box<Refusal>),
    /// Not sent, or known to have had no effect: clean the key in this batch.
    Untouched,
    /// Nobody knows: the key stays dirty.
    Unknown,
}

/// A rejected record, waiting for another try or parked.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    pub key: KeyHash,
    /// `{column: value}` as JSON text.
    pub key_text: String,
    pub verb: Verb,
    /// The record refused; a row with another fingerprint is tried at once.
    pub record: RecordHash,
    /// [`MappingVersion::hash`] at the time, together with the destination's options where there are any.
    pub mapping: String,
    pub code: String,
    pub field: Option<String>,
    pub message: String,
    pub attempts: u32,
    /// Number of the run of the first refusal; tried again in runs 1, 2, 4, 8 ... after it.
    pub first_run: u64,
    /// Earliest run number that tries again.
    pub next_run: u64,
    pub parked: bool,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    pub run_id: String,
}

/// A row of the last run that could not be delivered for a reason outflow found itself.
#[derive(Debug, Clone, PartialEq)]
pub struct InvalidRow {
    /// `{column: value}` as JSON text, as far as it could be read.
    pub key_text: String,
    pub field: Option<String>,
    pub code: String,
    pub message: String,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    pub run_id: String,
}

/// One line of run history.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRecord {
    pub run_id: String,
    pub sync: String,
    /// `sync` or `backfill`.
    pub kind: String,
    /// Counts this sync's runs from 1.
    pub number: u64,
    pub target: Option<String>,
    /// `running` until it has ended; a run that never ended shows as `interrupted` once its lease is gone.
    pub status: String,
    pub started_at: Timestamp,
    pub duration_ms: u64,
    /// [`Counts`](crate::sync::event::Counts) as JSON text.
    pub counts: String,
    /// The error object of the JSON output, as JSON text.
    pub error: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_hash_is_no_rows_and_remembers_what_it_was() {
        let record = RecordHash([7; 16]);
        let stale = record.stale();
        assert!(stale.is_stale() && !record.is_stale() && !RecordHash::REMOVED.is_stale());
        assert!(stale != record && stale != RecordHash::STALE && stale != RecordHash::REMOVED);
        assert_eq!(stale.acknowledged(), Some(record));
        assert_eq!((record.acknowledged(), RecordHash::STALE.acknowledged()), (None, None));
        assert!(RecordHash::STALE.is_stale());
    }
}
