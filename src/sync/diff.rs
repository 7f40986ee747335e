//! Record x Ledger -> Delta: what was added, changed or removed since the destination last acknowledged it.
//!
//! Rows stream by, compared on any thread, see [`compare`](super::compare): one whose hash the ledger has in its place is
//! unchanged and forgotten. Every other goes to the spool, and once the source has ended they are classified key by key,
//! see [`classify`].

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::classify::{Against, classify, judge_destinations};
use super::compare::{Candidate, Compared, Comparer, Verdict};
use super::destinations::Destinations;
use super::heads::{Class, Head, Heads};
use super::map::{DUPLICATE, Kinds, Mapper, RowFault};
use super::sightings::{Sighting, Sorter, flag};
use super::spill::{Space, Spill};
use super::spool::{Place, Spool, SpoolWriter};
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::{Detail, IntentEntry, KeyHash, Ledger, Marks, RecordHash, Tags};
use crate::project::{Mode, OnDuplicateKey};

/// A key of which nobody knows whether its last request had an effect.
#[derive(Debug, Clone, Default)]
pub struct Dirty {
    /// What was sent, oldest first.
    pub intents: Vec<IntentEntry>,
    /// The runs that sent it.
    pub runs: Vec<String>,
}

/// What the diff needs to know of the ledger and the run.
pub struct Baseline {
    pub tags: Tags,
    pub dirty: HashMap<KeyHash, Dirty>,
    pub mode: Mode,
    /// Re-send what is unchanged as well.
    pub full_refresh: bool,
    /// A backfill: every row is sent, and none is missed. Needs no tags.
    pub backfill: bool,
    /// Watch destination keys although they are the primary keys.
    pub tracked: bool,
}

/// Takes in what became of the rows, in their order.
pub struct Differ {
    comparer: Arc<Comparer>,
    seen: Marks,
    mode: Mode,
    backfill: bool,
    spool: SpoolWriter,
    heads: Heads,
    sorter: Sorter,
    /// Destination keys are more than the primary keys.
    tracked: bool,
    kinds: Kinds,
    destinations: Destinations,
    space: Space,
    rows: u64,
    /// Rows that have a record.
    valid: u64,
    unchanged: u64,
    faults: Faults,
}

/// Invalid rows: all counted, the first listed.
#[derive(Default)]
struct Faults {
    count: u64,
    unreadable_keys: u64,
    /// With the position among the heads, where the key can be read.
    listed: Vec<(Option<u64>, RowFault)>,
}

/// Invalid rows kept with key and reason; more are only counted.
pub const FAULTS_LISTED: usize = 10_000;

/// Rows of one extract at most.
const MOST_ROWS: u64 = u32::MAX as u64 - 1;

/// The whole extract against the whole ledger.
pub struct Delta {
    pub mapper: Mapper,
    pub spool: Spool,
    pub heads: Heads,
    pub rows: u64,
    pub duplicates_dropped: u64,
    /// Live entries of the ledger whose key is not in the source, in the order of keys.
    pub vanished: Spill<KeyHash>,
    /// Keys that only an unsettled batch knows and that are not in the source.
    pub vanished_dirty: Vec<KeyHash>,
    pub dirty: HashMap<KeyHash, Dirty>,
    /// Live entries of the ledger before this run.
    pub live: u64,
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
    seen_unchanged: u64,
    faults: Faults,
    policy: OnDuplicateKey,
}

impl Differ {
    pub fn new(baseline: Baseline, mut mapper: Mapper, previous: Vec<Mapper>, space: &Space) -> Result<Self> {
        let tracked = baseline.tracked
            || !mapper.destination_is_key()
            || previous.iter().any(|previous| !previous.destination_is_key());
        if tracked {
            mapper.track_destinations();
        }
        let Baseline { tags, dirty, mode, full_refresh, backfill, .. } = baseline;
        Ok(Differ {
            seen: Marks::none(&tags),
            comparer: Arc::new(Comparer { tags, dirty, mapper, previous, forces: full_refresh || backfill }),
            mode,
            backfill,
            tracked,
            kinds: Kinds::default(),
            spool: SpoolWriter::create(space.clone())?,
            heads: Heads::new(space.clone()),
            sorter: Sorter::new(space.clone()),
            destinations: Destinations::default(),
            space: space.clone(),
            rows: 0,
            valid: 0,
            unchanged: 0,
            faults: Faults::default(),
        })
    }

    /// Compares batches, on any thread.
    pub fn comparer(&self) -> Arc<Comparer> {
        self.comparer.clone()
    }

    /// Takes the next batch, in the order of the extract.
    ///
    /// # Errors
    /// When the spool cannot be written.
    pub fn accept(&mut self, compared: Compared) -> Result<()> {
        let Compared { batch, verdicts, mut records, kinds } = compared;
        if self.rows + batch.len() as u64 > MOST_ROWS {
            let message = format!("the query gives more than {MOST_ROWS} rows");
            return Err(Error::new("OF-RUN-014", ErrorKind::Source, message)
                .hint("split it into several syncs, each with a part of the keys"));
        }
        self.kinds.merge(&kinds);
        for (row, verdict) in batch.rows().zip(verdicts) {
            self.rows += 1;
            match verdict {
                Verdict::Invalid(fault) => self.fault(*fault)?,
                Verdict::Known { entry, destination } => {
                    let number = self.valid(destination);
                    if !self.seen.mark(entry) {
                        self.unchanged += 1;
                    } else if let Some(candidate) = self.comparer.repeated(row, &mut records) {
                        self.candidate(&candidate, number, &records)?;
                    }
                }
                Verdict::Candidate(candidate) => {
                    let number = self.valid(candidate.hashes.destination);
                    self.candidate(&candidate, number, &records)?;
                }
            }
        }
        Ok(())
    }

    /// Rows taken so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Whether the keys turned out to be such that destination keys have to be watched after all: the rows must be read
    /// again, with [`Baseline::tracked`].
    pub fn must_track(&self) -> bool {
        !self.tracked && self.kinds.is_mixed()
    }

    /// Counts a row that has a record; its number among them.
    fn valid(&mut self, destination: u64) -> u32 {
        if self.tracked {
            self.destinations.push(destination);
        }
        self.valid += 1;
        (self.valid - 1) as u32
    }

    fn candidate(&mut self, candidate: &Candidate, row: u32, records: &[u8]) -> Result<()> {
        let Candidate { hashes, flags, record } = candidate;
        let head = Head {
            key: hashes.key,
            fingerprint: hashes.fingerprint,
            destination_hash: hashes.destination,
            place: self.spool.append(&records[record.clone()])?,
            row,
        };
        self.sight(&head, Class::Dropped, *flags).map(|_| ())
    }

    fn fault(&mut self, fault: RowFault) -> Result<()> {
        self.faults.count += 1;
        let seq = match fault.key {
            None => {
                self.faults.unreadable_keys += 1;
                None
            }
            Some(key) => {
                let head = Head {
                    key,
                    fingerprint: RecordHash::REMOVED,
                    destination_hash: 0,
                    place: Place::NONE,
                    row: u32::MAX,
                };
                if let Some(destination) = fault.destination.filter(|_| self.tracked) {
                    self.destinations.hold(destination);
                }
                Some(self.sight(&head, Class::Invalid, flag::INVALID)?)
            }
        };
        if self.faults.listed.len() < FAULTS_LISTED {
            self.faults.listed.push((seq, fault));
        }
        Ok(())
    }

    fn sight(&mut self, head: &Head, class: Class, flags: u32) -> Result<u64> {
        let seq = self.heads.push(head, class)?;
        let marks = self.seen.of(&self.comparer.tags, &head.key);
        self.sorter.push(Sighting { key: head.key, seq: seq as u32, flags, marks })?;
        Ok(seq)
    }

    /// Judges duplicates and finds what vanished. `live` are the ledger's entries as they were when its tags were read.
    ///
    /// # Errors
    /// When the ledger or the spool cannot be read.
    pub fn finish(self, policy: OnDuplicateKey, ledger: Option<&Ledger>) -> Result<Delta> {
        let Some(Comparer { tags, dirty, mapper, .. }) = Arc::into_inner(self.comparer) else {
            let message = "a batch is still compared after the extract; this is a defect of outflow";
            return Err(Error::new("OF-INT-001", ErrorKind::Internal, message));
        };
        let mut delta = Delta {
            mapper,
            spool: self.spool.finish()?,
            heads: self.heads,
            rows: self.rows,
            duplicates_dropped: 0,
            vanished: Spill::new(self.space),
            vanished_dirty: Vec::new(),
            dirty,
            live: tags.len() as u64,
            destinations: self.destinations,
            clashes: 0,
            refused_before: ledger.map(Ledger::refusal_keys).transpose()?.unwrap_or_default(),
            still_refused: HashSet::new(),
            dropped_unchanged: HashSet::new(),
            seen_unchanged: self.unchanged,
            faults: self.faults,
            policy,
        };
        let Differ { mode, backfill, seen, .. } = self;
        let against = Against { tags: &tags, seen: &seen, mode, policy, backfill };
        let live = ledger.map(Ledger::live_entries).transpose()?;
        classify(&mut delta, &against, self.sorter.sorted(), live)?;
        drop(tags);
        judge_destinations(&mut delta, policy, |hash| match ledger {
            Some(ledger) => Ok(ledger.destination_holders(&[hash])?.remove(&hash)),
            None => Ok(None),
        })?;
        Ok(delta)
    }
}

impl Delta {
    /// Rows that are as acknowledged.
    pub fn unchanged(&self) -> u64 {
        self.seen_unchanged + self.heads.count(Class::Unchanged)
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
        if self.heads.class(seq) == Class::Invalid {
            self.faults.count -= 1;
            // Listed are the first ones: most of a million repeats are not worth a search.
            if self.faults.listed.iter().rev().find_map(|(of, _)| *of).is_some_and(|last| seq <= last) {
                self.faults.listed.retain(|(of, _)| *of != Some(seq));
            }
        }
        self.heads.set(seq, Class::Dropped);
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
        if self.heads.class(seq) == Class::Invalid {
            return Ok(());
        }
        self.heads.set(seq, Class::Dropped);
        if self.faults.listed.len() >= FAULTS_LISTED {
            self.faults.count += 1;
            return Ok(());
        }
        let Some(candidate) = self.heads.get(seq)? else { return Ok(()) };
        let record = self.spool.read(candidate.head.place)?;
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
