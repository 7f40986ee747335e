//! Record x Ledger -> Delta: what was added, changed or removed since the destination last acknowledged it.

use std::collections::HashMap;

use outflow_connectors::contract::{Row, RowBatch};

use super::duplicates::{Duplicates, Seen, Twin};
use super::map::{DUPLICATE, Mapper, Record, RowFault};
use super::spool::{Place, Spool, SpoolWriter};
use crate::error::Result;
use crate::ledger::{Detail, IntentEntry, KeyHash, RecordHash, Snapshot};
use crate::project::{Mode, OnDuplicateKey};

/// A row whose record the destination does not hold as far as the ledger knows.
#[derive(Debug, Clone, Copy)]
pub struct Candidate {
    pub key: KeyHash,
    pub fingerprint: RecordHash,
    pub destination_hash: u64,
    pub place: Place,
    pub class: Class,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    Add,
    Change,
    /// The destination holds all of it, under an older mapping: the ledger's fingerprint moves, nothing is sent.
    Rebase,
    /// A duplicate that is not sent.
    Dropped,
}

/// A key of which nobody knows whether its last request had an effect.
#[derive(Debug, Clone)]
pub struct Dirty {
    /// What was sent, oldest first.
    pub intents: Vec<IntentEntry>,
}

/// What the diff needs to know of the ledger and the run.
pub struct Baseline {
    pub snapshot: Snapshot,
    pub dirty: HashMap<KeyHash, Dirty>,
    pub mode: Mode,
    /// Re-send what is unchanged as well.
    pub full_refresh: bool,
}

/// Classifies rows as they stream by.
pub struct Differ {
    baseline: Baseline,
    mapper: Mapper,
    /// Mappings under which older fingerprints were made.
    previous: Vec<Mapper>,
    spool: SpoolWriter,
    duplicates: Duplicates,
    delta: Found,
}

#[derive(Default)]
struct Found {
    rows: u64,
    unchanged: u64,
    candidates: Vec<Candidate>,
    faults: Vec<RowFault>,
    /// Faults counted but not kept, to bound memory.
    faults_unlisted: u64,
    unreadable_keys: u64,
}

/// Faults kept with key and reason; more are only counted.
pub const FAULTS_LISTED: usize = 10_000;

/// The whole extract against the whole ledger.
pub struct Delta {
    pub mapper: Mapper,
    pub spool: Spool,
    pub rows: u64,
    pub unchanged: u64,
    pub duplicates_dropped: u64,
    pub candidates: Vec<Candidate>,
    pub faults: Vec<RowFault>,
    pub faults_unlisted: u64,
    /// Rows whose key cannot be read: nobody can say which object they stand for.
    pub unreadable_keys: u64,
    /// Live entries of the ledger whose key is not in the source.
    pub vanished: Vec<KeyHash>,
    /// Keys that only an unsettled batch knows and that are not in the source.
    pub vanished_dirty: Vec<KeyHash>,
    pub dirty: HashMap<KeyHash, Dirty>,
    /// Live entries of the ledger before this run.
    pub live: u64,
    /// Live rows by destination key.
    pub holders: Duplicates,
    /// Rows that share a key or destination key, under `fail`.
    pub clashes: Vec<Twin>,
}

impl Differ {
    pub fn new(baseline: Baseline, mapper: Mapper, previous: Vec<Mapper>, spool: SpoolWriter) -> Self {
        Differ {
            baseline,
            mapper,
            previous,
            spool,
            duplicates: Duplicates::default(),
            delta: Found::default(),
        }
    }

    /// Takes the next rows.
    pub fn accept(&mut self, batch: &RowBatch) -> Result<()> {
        batch.rows().try_for_each(|row| self.row(row))
    }

    /// Rows taken so far.
    pub fn rows(&self) -> u64 {
        self.delta.rows
    }

    fn row(&mut self, row: Row<'_>) -> Result<()> {
        let number = self.delta.rows;
        self.delta.rows += 1;
        match self.mapper.map(row) {
            Err(fault) => {
                self.fault(number, fault);
                Ok(())
            }
            Ok(record) => self.record(number, row, &record),
        }
    }

    fn fault(&mut self, number: u64, fault: RowFault) {
        match fault.key {
            None => self.delta.unreadable_keys += 1,
            Some(key) => {
                if let Some(entry) = self.baseline.snapshot.find(&key) {
                    self.baseline.snapshot.mark(entry);
                }
                let seen = Seen::Invalid(self.delta.faults.len());
                self.duplicates.observe(Twin { row: number, key, seen }, None);
                if let Some(destination) = fault.destination {
                    self.duplicates.hold(destination, key);
                }
            }
        }
        if self.delta.faults.len() < FAULTS_LISTED {
            self.delta.faults.push(fault);
        } else {
            self.delta.faults_unlisted += 1;
        }
    }

    fn record(&mut self, number: u64, row: Row<'_>, record: &Record) -> Result<()> {
        let class = self.classify(row, record);
        let seen = match class {
            None => {
                self.delta.unchanged += 1;
                Seen::Unchanged
            }
            Some(class) => {
                let place = self.spool.append(record)?;
                let Record { key, fingerprint, destination_hash, .. } = *record;
                self.delta.candidates.push(Candidate { key, fingerprint, destination_hash, place, class });
                Seen::Candidate(self.delta.candidates.len() - 1)
            }
        };
        self.duplicates.observe(Twin { row: number, key: record.key, seen }, Some(record.destination_hash));
        Ok(())
    }

    /// `None` is unchanged.
    fn classify(&mut self, row: Row<'_>, record: &Record) -> Option<Class> {
        let snapshot = &mut self.baseline.snapshot;
        let Some(entry) = snapshot.find(&record.key) else { return Some(Class::Add) };
        snapshot.mark(entry);
        let acknowledged = snapshot.record(entry);
        if self.baseline.mode == Mode::Insert {
            return None;
        }
        if self.baseline.full_refresh || self.baseline.dirty.contains_key(&record.key) {
            return Some(Class::Change);
        }
        if acknowledged == record.fingerprint {
            return None;
        }
        let delivered_as = self.previous.iter().find_map(|previous| {
            let old = previous.map(row).ok()?;
            (old.fingerprint == acknowledged).then_some((previous, old))
        });
        Some(match delivered_as {
            Some((previous, old)) if self.mapper.is_covered(record, previous, &old) => Class::Rebase,
            _ => Class::Change,
        })
    }

    /// Judges duplicates and finds what vanished.
    pub fn finish(self, policy: OnDuplicateKey) -> Result<Delta> {
        let live = self.baseline.snapshot.len() as u64;
        let vanished: Vec<KeyHash> = self.baseline.snapshot.unmarked().map(|(key, _)| key).collect();
        let vanished_dirty = self.vanished_dirty();
        let verdict = self.duplicates.judge(policy);
        let mut delta = Delta {
            mapper: self.mapper,
            spool: self.spool.finish()?,
            rows: self.delta.rows,
            unchanged: self.delta.unchanged,
            duplicates_dropped: 0,
            candidates: self.delta.candidates,
            faults: self.delta.faults,
            faults_unlisted: self.delta.faults_unlisted,
            unreadable_keys: self.delta.unreadable_keys,
            vanished,
            vanished_dirty,
            dirty: self.baseline.dirty,
            live,
            holders: self.duplicates,
            clashes: Vec::new(),
        };
        delta.drop_duplicates(&verdict.dropped);
        delta.refuse_duplicates(&verdict.refused)?;
        if policy == OnDuplicateKey::Fail {
            delta.clashes = verdict.refused;
        }
        Ok(delta)
    }

    fn vanished_dirty(&self) -> Vec<KeyHash> {
        let known = |key: &&KeyHash| self.baseline.snapshot.find(key).is_none() && !self.duplicates.has(key);
        let mut keys: Vec<KeyHash> = self.baseline.dirty.keys().filter(known).copied().collect();
        keys.sort();
        keys
    }
}

impl Delta {
    /// Rows that `first` or `last` drop are not counted as read.
    fn drop_duplicates(&mut self, dropped: &[Twin]) {
        self.duplicates_dropped = dropped.len() as u64;
        self.rows -= dropped.len() as u64;
        let mut faults = Vec::new();
        for twin in dropped {
            match twin.seen {
                Seen::Unchanged => self.unchanged -= 1,
                Seen::Candidate(index) => self.candidates[index].class = Class::Dropped,
                Seen::Invalid(index) => faults.push(index),
            }
        }
        faults.sort_unstable();
        for index in faults.into_iter().rev() {
            if index < self.faults.len() {
                self.faults.remove(index);
            } else {
                self.faults_unlisted = self.faults_unlisted.saturating_sub(1);
            }
        }
    }

    /// Rows that `fail` or `reject` refuse are invalid.
    fn refuse_duplicates(&mut self, refused: &[Twin]) -> Result<()> {
        for twin in refused {
            let key_json = match twin.seen {
                Seen::Invalid(_) => continue,
                Seen::Unchanged => {
                    self.unchanged -= 1;
                    unnamed(twin.key)
                }
                Seen::Candidate(index) => {
                    self.candidates[index].class = Class::Dropped;
                    let record = self.spool.read(self.candidates[index].place)?;
                    self.mapper.key_json(&record.key_values)
                }
            };
            if self.faults.len() >= FAULTS_LISTED {
                self.faults_unlisted += 1;
                continue;
            }
            let message = "another row has the same key or the same destination key".to_owned();
            let fault = crate::transform::Fault { code: DUPLICATE, message };
            self.faults.push(RowFault {
                key: Some(twin.key),
                key_json,
                field: None,
                fault,
                destination: None,
            });
        }
        Ok(())
    }

    /// Keys of invalid rows that only the ledger can name.
    pub fn unnamed(&self) -> impl Iterator<Item = KeyHash> + '_ {
        self.faults.iter().filter(|fault| fault.key_json.contains_key("#")).filter_map(|fault| fault.key)
    }

    /// Gives such rows the keys that the ledger has of them.
    pub fn name(&mut self, details: &HashMap<KeyHash, Detail>) {
        for fault in self.faults.iter_mut().filter(|fault| fault.key_json.contains_key("#")) {
            let detail = fault.key.and_then(|key| details.get(&key));
            let known = detail.and_then(|detail| serde_json::from_str(detail.key.as_deref()?).ok());
            fault.key_json = known.unwrap_or_else(|| std::mem::take(&mut fault.key_json));
        }
    }

    /// Rows found invalid, listed or not.
    pub fn invalid(&self) -> u64 {
        self.faults.len() as u64 + self.faults_unlisted
    }
}

/// Stands for a key that is known by its hash alone.
pub fn unnamed(key: KeyHash) -> serde_json::Map<String, serde_json::Value> {
    serde_json::Map::from_iter([("#".to_owned(), key.to_string().into())])
}
