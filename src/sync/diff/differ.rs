//! Takes compared batches in the order of the extract: which entries of the ledger were seen, and what goes to the spool.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use outflow_connectors::contract::RowBatch;

use super::candidates::{Candidates, Class, Head};
use super::classify::{Against, classify, judge_destinations};
use super::compare::{Compared, Comparer, Difference, Verdict};
use super::delta::{Delta, FAULTS_LISTED, Faults, Restated};
use super::destinations::Destinations;
use super::sorter::{Sighting, Sorter, flag};
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::{IntentEntry, KeyHash, Ledger, Marks, RecordHash, Tags};
use crate::project::{Mode, OnDuplicateKey};
use crate::sync::deliver::Chooser;
use crate::sync::map::{Kinds, Mapper, RowFault};
use crate::sync::spool::{Place, Space, Spill, SpoolWriter};

/// A key of which nobody knows whether its last request had an effect.
#[derive(Debug, Clone, Default)]
pub struct Dirty {
    /// What was sent, oldest first.
    pub intents: Vec<IntentEntry>,
    /// The runs that sent it.
    pub runs: Vec<String>,
    /// Some of it was to make an object, and must not be repeated under another key.
    pub creates: bool,
}

/// What the diff needs to know of the ledger and the run.
pub struct Baseline {
    pub tags: Tags,
    pub dirty: HashMap<KeyHash, Dirty>,
    pub mode: Mode,
    /// Re-send what is unchanged as well. Needs no tags.
    pub full_refresh: bool,
    /// A backfill: every row is sent, and none is missed. Needs no tags.
    pub backfill: bool,
    /// Only some of the rows are read: those that are not among them are no different.
    pub part: bool,
    /// Watch destination keys although they are the primary keys.
    pub tracked: bool,
    /// The ledger is to have the source hashes of the rows that are found unchanged.
    pub restates: bool,
    /// The ledger is to have the destination keys of the rows that are found unchanged; needs fingerprints to find them by.
    pub rekeys: bool,
}

/// Takes in what became of the rows, in their order.
pub struct Differ {
    comparer: Arc<Comparer>,
    seen: Marks,
    mode: Mode,
    backfill: bool,
    part: bool,
    spool: SpoolWriter,
    candidates: Candidates,
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
    restated: Spill<Restated>,
    /// Rows leave while the source is read.
    early: Option<Chooser>,
}

/// Bytes: such rows are few, or all there are.
const RESTATED_IN_MEMORY: usize = 1 << 20;

/// Rows of one extract at most.
const MOST_ROWS: u64 = u32::MAX as u64 - 1;

impl Differ {
    pub fn new(baseline: Baseline, mut mapper: Mapper, previous: Vec<Mapper>, space: &Space) -> Result<Self> {
        let tracked = baseline.tracked
            || !mapper.destination_is_key()
            || previous.iter().any(|previous| !previous.destination_is_key());
        if tracked {
            mapper.track_destinations();
        }
        let with_edit = |previous: Mapper| {
            let edit = mapper.edit_of(&previous);
            (previous, edit)
        };
        let previous = previous.into_iter().map(with_edit).collect();
        let Baseline { tags, dirty, mode, full_refresh, backfill, part, restates, rekeys, .. } = baseline;
        let forces = full_refresh || backfill;
        Ok(Differ {
            seen: Marks::none(&tags),
            comparer: Arc::new(Comparer { tags, dirty, mapper, previous, forces, restates, rekeys }),
            mode,
            backfill,
            part,
            tracked,
            kinds: Kinds::default(),
            spool: SpoolWriter::create(space.clone())?,
            candidates: Candidates::new(space.clone()),
            sorter: Sorter::new(space.clone()),
            destinations: Destinations::default(),
            space: space.clone(),
            rows: 0,
            valid: 0,
            unchanged: 0,
            faults: Faults::default(),
            restated: Spill::new(space.with_memory(RESTATED_IN_MEMORY)),
            early: None,
        })
    }

    /// Has rows leave while the source is read.
    pub fn send_early(&mut self, chooser: Chooser) {
        self.early = Some(chooser);
    }

    /// The source was read: no more rows leave early.
    pub fn end_early(&mut self) {
        self.early = None;
    }

    /// The row at this position among the candidates has left.
    pub fn mark_sent(&mut self, seq: u64) {
        self.candidates.set_sent(seq);
    }

    /// Whether destination keys are more than the primary keys.
    pub fn tracks_destinations(&self) -> bool {
        self.tracked
    }

    /// Compares batches, on any thread.
    pub fn comparer(&self) -> Arc<Comparer> {
        self.comparer.clone()
    }

    /// Takes the next batch, in the order of the extract.
    ///
    /// # Errors
    /// When the spool cannot be written.
    pub fn accept(&mut self, batch: &RowBatch, compared: Compared) -> Result<()> {
        let Compared { verdicts, mut records, kinds } = compared;
        if self.rows + batch.len() as u64 > MOST_ROWS {
            let message = format!("the query gives more than {MOST_ROWS} rows");
            return Err(Error::new("OF-RUN-014", ErrorKind::Source, message)
                .hint("split it into several syncs, each with a part of the keys"));
        }
        self.kinds.merge(&kinds);
        let at = self.spool.end();
        for (row, verdict) in batch.rows().zip(verdicts) {
            self.rows += 1;
            match verdict {
                Verdict::Invalid(fault) => self.fault(*fault)?,
                Verdict::Known { entry, key, destination, record } => {
                    let number = self.valid(destination);
                    if !self.seen.mark(entry) {
                        self.unchanged += 1;
                        if let Some(record) = record {
                            self.restated.push(&Restated { key, record })?;
                        }
                        if let Some(early) = &mut self.early {
                            early.pass(&key, Some(destination));
                        }
                    } else if let Some(candidate) = self.comparer.repeated(row, &mut records) {
                        self.candidate(&candidate, number, (at, &records))?;
                    }
                }
                Verdict::Difference(candidate) => {
                    let number = self.valid(candidate.hashes.destination);
                    self.candidate(&candidate, number, (at, &records))?;
                }
            }
        }
        self.spool.append(&records)
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

    /// Takes a row whose record is one of `records`, which go to the spool together, from `at` on.
    fn candidate(&mut self, candidate: &Difference, row: u32, (at, records): (u64, &[u8])) -> Result<()> {
        let Difference { hashes, flags, record } = candidate;
        let head = Head {
            key: hashes.key,
            fingerprint: hashes.fingerprint,
            destination_hash: hashes.destination,
            place: Place { offset: at + record.start as u64, len: record.len() as u32 },
            row,
        };
        let seq = self.sight(&head, Class::Dropped, *flags)?;
        match &mut self.early {
            Some(early) if *flags == 0 => early.offer(seq, &head, &records[record.clone()]),
            Some(early) => early.pass(&head.key, Some(head.destination_hash)),
            None => {}
        }
        Ok(())
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
                if let Some(early) = &mut self.early {
                    early.pass(&key, fault.destination);
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
        let seq = self.candidates.push(head, class)?;
        let marks = self.seen.of(&self.comparer.tags, &head.key);
        let fingerprint = head.fingerprint.fingerprint();
        self.sorter.push(Sighting { key: head.key, seq: seq as u32, flags, marks, fingerprint })?;
        Ok(seq)
    }

    /// Judges duplicates and finds what vanished. `live` are the ledger's entries as they were when its tags were read.
    ///
    /// # Errors
    /// When the ledger or the spool cannot be read.
    pub fn finish(self, policy: OnDuplicateKey, ledger: Option<&Ledger>) -> Result<Delta> {
        let Some(Comparer { tags, dirty, mapper, rekeys, .. }) = Arc::into_inner(self.comparer) else {
            let message = "a batch is still compared after the extract; this is a defect of outflow";
            return Err(Error::new("OF-INT-001", ErrorKind::Internal, message));
        };
        let mut delta = Delta {
            mapper,
            spool: self.spool.finish()?,
            candidates: self.candidates,
            rows: self.rows,
            duplicates_dropped: 0,
            vanished: Spill::new(self.space),
            vanished_dirty: Vec::new(),
            dirty,
            live: 0, // until they are classified
            under_way: 0,
            destinations: self.destinations,
            clashes: 0,
            refused_before: ledger.map(Ledger::refusal_keys).transpose()?.unwrap_or_default(),
            still_refused: HashSet::new(),
            track: None,
            dropped_unchanged: HashSet::new(),
            seen_unchanged: self.unchanged,
            restated: self.restated,
            rekeyed: rekeys,
            faults: self.faults,
            policy,
        };
        let Differ { mode, backfill, part, seen, .. } = self;
        let against = Against { tags: &tags, seen: &seen, mode, policy, backfill, part };
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
