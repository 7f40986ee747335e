//! What the rows of a whole extract came to against the whole ledger.

use std::collections::{HashMap, HashSet};

use super::candidates::{Candidates, Class};
use super::destinations::Destinations;
use super::differ::Dirty;
use crate::error::Result;
use crate::ledger::{Detail, KeyHash, RecordHash};
use crate::project::OnDuplicateKey;
use crate::sync::cursor::Track;
use crate::sync::map::{DUPLICATE, Mapper, RowFault};
use crate::sync::spool::{Fixed, Spill, Spool, array};

/// The whole extract against the whole ledger.
pub struct Delta {
    pub mapper: Mapper,
    pub spool: Spool,
    pub candidates: Candidates,
    pub rows: u64,
    pub duplicates_dropped: u64,
    /// Live entries of the ledger whose key is not in the source, in the order of keys.
    pub vanished: Spill<KeyHash>,
    /// Keys that only an unsettled batch knows and that are not in the source.
    pub vanished_dirty: Vec<KeyHash>,
    pub dirty: HashMap<KeyHash, Dirty>,
    /// Live entries of the ledger before this run.
    pub live: u64,
    /// Keys beside those that only unsettled batches know: their objects may be there.
    pub under_way: u64,
    pub destinations: Destinations,
    /// Rows that share a key or destination key, under `fail`.
    pub clashes: u64,
    /// Keys refused before this run, sorted.
    pub refused_before: Vec<KeyHash>,
    /// Those of them whose rows are still to be dealt with.
    pub still_refused: HashSet<KeyHash>,
    /// Keys whose unchanged row gave way to another one.
    pub dropped_unchanged: HashSet<KeyHash>,
    /// Rows that the stream found unchanged, less those dropped or refused since.
    pub(super) seen_unchanged: u64,
    /// The values of the cursor column, where there is one.
    pub track: Option<Track>,
    /// Rows whose record is the one acknowledged, while the ledger has another source hash of them.
    pub restated: Spill<Restated>,
    /// Every row that is as acknowledged is a candidate, for the ledger to have its destination key.
    pub rekeyed: bool,
    pub(super) faults: Faults,
    pub(super) policy: OnDuplicateKey,
}

/// What the ledger is to have of a row in place of the same fingerprint with another source hash.
#[derive(Debug, Clone, Copy)]
pub struct Restated {
    pub key: KeyHash,
    pub record: RecordHash,
}

impl Fixed for Restated {
    const WIDTH: usize = 32;

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.key.0);
        out.extend_from_slice(&self.record.0);
    }

    fn read(bytes: &[u8]) -> Self {
        Restated { key: KeyHash(array(bytes, 0)), record: RecordHash(array(bytes, 16)) }
    }
}

/// Invalid rows: all counted, the first listed.
#[derive(Default)]
pub(super) struct Faults {
    pub(super) count: u64,
    pub(super) unreadable_keys: u64,
    /// With the position among the candidates, where the key can be read.
    pub(super) listed: Vec<(Option<u64>, RowFault)>,
}

/// Invalid rows kept with key and reason; more are only counted.
pub const FAULTS_LISTED: usize = 10_000;

impl Delta {
    /// Rows that are as acknowledged.
    pub fn unchanged(&self) -> u64 {
        self.seen_unchanged + self.candidates.count(Class::Unchanged)
    }

    /// Rows found invalid, listed or not.
    pub fn invalid(&self) -> u64 {
        self.faults.count
    }

    /// Rows whose key cannot be read: nobody can say which object they stand for.
    pub fn unreadable_keys(&self) -> u64 {
        self.faults.unreadable_keys
    }

    /// The first invalid rows.
    pub fn faults(&self) -> impl Iterator<Item = &RowFault> {
        self.faults.listed.iter().map(|(_, fault)| fault)
    }

    /// A row that `first` or `last` drops; it is not counted as read.
    pub(super) fn drop_row(&mut self, seq: u64) {
        self.duplicates_dropped += 1;
        self.rows -= 1;
        if self.candidates.class(seq) == Class::Invalid {
            self.faults.count -= 1;
            // Listed are the first ones: most of a million repeats are not worth a search.
            if self.faults.listed.iter().rev().find_map(|(of, _)| *of).is_some_and(|last| seq <= last) {
                self.faults.listed.retain(|(of, _)| *of != Some(seq));
            }
        }
        self.candidates.set(seq, Class::Dropped);
    }

    /// An unchanged row that gives way to another of its key.
    pub(super) fn drop_unchanged(&mut self, key: KeyHash) {
        self.dropped_unchanged.insert(key);
        self.drop_unchanged_unnamed();
    }

    pub(super) fn drop_unchanged_unnamed(&mut self) {
        self.duplicates_dropped += 1;
        self.rows -= 1;
        self.seen_unchanged -= 1;
    }

    /// A row that `fail` or `reject` refuses; it is invalid.
    pub(super) fn refuse_row(&mut self, seq: u64) -> Result<()> {
        self.clash();
        if self.candidates.class(seq) == Class::Invalid {
            return Ok(());
        }
        self.candidates.set(seq, Class::Dropped);
        if self.faults.listed.len() >= FAULTS_LISTED {
            self.faults.count += 1;
            return Ok(());
        }
        let Some(candidate) = self.candidates.get(seq)? else { return Ok(()) };
        let record = self.spool.read(candidate.head.place, candidate.head.hashes())?;
        let key_json = self.mapper.key_json(&record.key_values);
        self.duplicate(Some(record.key), key_json);
        Ok(())
    }

    /// As [`Self::refuse_row`], for one that the stream found unchanged.
    pub(super) fn refuse_unchanged(&mut self, key: Option<KeyHash>) {
        self.clash();
        self.seen_unchanged -= 1;
        if let Some(key) = key {
            self.dropped_unchanged.insert(key);
        }
        self.duplicate(key, key.map(unnamed).unwrap_or_default());
    }

    fn clash(&mut self) {
        self.clashes += u64::from(self.policy == OnDuplicateKey::Fail);
    }

    fn duplicate(&mut self, key: Option<KeyHash>, key_json: serde_json::Map<String, serde_json::Value>) {
        self.faults.count += 1;
        if self.faults.listed.len() >= FAULTS_LISTED {
            return;
        }
        let message = "another row has the same key or the same destination key".to_owned();
        let fault = crate::transform::Fault { code: DUPLICATE, message };
        self.faults.listed.push((None, RowFault { key, key_json, field: None, fault, destination: None }));
    }

    /// Keys of invalid rows that only the ledger can name.
    pub fn unnamed(&self) -> Vec<KeyHash> {
        self.faults().filter(|fault| fault.key_json.contains_key("#")).filter_map(|fault| fault.key).collect()
    }

    /// Gives such rows the keys that the ledger has of them.
    pub fn name(&mut self, details: &HashMap<KeyHash, Detail>) {
        let faults = self.faults.listed.iter_mut().map(|(_, fault)| fault);
        for fault in faults.filter(|fault| fault.key_json.contains_key("#")) {
            let detail = fault.key.and_then(|key| details.get(&key));
            let known = detail.and_then(|detail| serde_json::from_str(detail.key.as_deref()?).ok());
            fault.key_json = known.unwrap_or_else(|| std::mem::take(&mut fault.key_json));
        }
    }
}

/// Stands for a key that is known by its hash alone.
pub fn unnamed(key: KeyHash) -> serde_json::Map<String, serde_json::Value> {
    serde_json::Map::from_iter([("#".to_owned(), key.to_string().into())])
}
