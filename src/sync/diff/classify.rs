//! The rows that the stream did not find unchanged, key by key against the ledger: what was added, changed or came
//! twice, and which entries no row has.

use std::collections::BTreeSet;

use super::candidates::{Candidate, Class};
use super::delta::{Delta, Restated};
use super::sorter::{Sighting, Sorted, flag};
use crate::error::Result;
use crate::ledger::{By, KeyHash, LiveEntries, Marks, RecordHash, Tags};
use crate::project::{Mode, OnDuplicateKey};

/// What the rows are held against.
pub struct Against<'a> {
    /// Empty where every row counts as changed.
    pub tags: &'a Tags,
    /// The entries that a row has, as far as the stream found it unchanged.
    pub seen: &'a Marks,
    pub mode: Mode,
    pub policy: OnDuplicateKey,
    /// What is not among the rows is not looked for.
    pub backfill: bool,
    /// Not all rows were read: one that is not among them did not vanish.
    pub part: bool,
}

/// Classifies all candidates of the delta.
///
/// # Errors
/// When the ledger or what was spilled cannot be read.
pub fn classify(
    delta: &mut Delta,
    against: &Against<'_>,
    mut sorted: Sorted,
    live: Option<LiveEntries>,
) -> Result<()> {
    if against.part {
        delta.still_refused = delta.refused_before.iter().copied().collect();
    }
    let mut unsettled: BTreeSet<KeyHash> = delta.dirty.keys().copied().collect();
    let mut live_too = 0; // of them
    let mut ledger = Entries { live, read: 0, next: None };
    ledger.advance()?;
    let mut next = sorted.pop()?;
    while let Some(first) = next {
        while let Some(Entry { key, position, .. }) = ledger.next.filter(|entry| entry.key < first.key) {
            live_too += u64::from(unsettled.remove(&key));
            delta.missing(against, key, position)?;
            ledger.advance()?;
        }
        let entry = ledger.next.filter(|entry| entry.key == first.key);
        if entry.is_some() {
            ledger.advance()?;
        }
        live_too += u64::from(unsettled.remove(&first.key) && entry.is_some());
        delta.still_refused(first.key);
        let mut group = Group::new(against, entry, &first);
        let mut member = Some(first);
        while let Some(current) = member {
            group.take(current, delta)?;
            next = sorted.pop()?;
            member = next.filter(|next| next.key == first.key);
        }
        group.close(delta)?;
    }
    while let Some(Entry { key, position, .. }) = ledger.next {
        live_too += u64::from(unsettled.remove(&key));
        delta.missing(against, key, position)?;
        ledger.advance()?;
    }
    if !against.backfill && !against.part {
        delta.vanished_dirty = unsettled.into_iter().collect();
    }
    debug_assert!(against.tags.is_empty() || ledger.read == against.tags.len(), "the ledger grew meanwhile");
    if !against.backfill {
        delta.live = ledger.read as u64;
        delta.under_way = delta.dirty.len() as u64 - live_too;
    }
    Ok(())
}

/// The ledger's live entries, each with the position that it has in the tags, where there are any.
struct Entries {
    live: Option<LiveEntries>,
    read: usize,
    next: Option<Entry>,
}

#[derive(Clone, Copy)]
struct Entry {
    key: KeyHash,
    position: usize,
    record: RecordHash,
}

impl Entries {
    fn advance(&mut self) -> Result<()> {
        let next = self.live.as_mut().and_then(Iterator::next).transpose()?;
        self.next = next.map(|(key, record)| Entry { key, position: self.read, record });
        self.read += usize::from(self.next.is_some());
        Ok(())
    }
}

/// The rows of one key.
struct Group<'a> {
    against: &'a Against<'a>,
    /// The record that the ledger has of the key.
    known: Option<RecordHash>,
    /// The stream found one row of it unchanged: that row's bit among the marks.
    unchanged: Option<u64>,
    /// The row that stands for the key so far.
    kept: Option<Sighting>,
    /// The unchanged row stands for the key: the others came later.
    unchanged_wins: bool,
    refusing: bool,
    key: KeyHash,
}

impl<'a> Group<'a> {
    fn new(against: &'a Against<'a>, entry: Option<Entry>, first: &Sighting) -> Self {
        let position = entry.map(|entry| entry.position);
        let unchanged = position.filter(|position| !against.backfill && against.seen.is_marked(*position));
        Group {
            against,
            known: entry.map(|entry| entry.record),
            unchanged: unchanged.map(|position| against.tags.bit(&first.key, position)),
            kept: None,
            unchanged_wins: false,
            refusing: false,
            key: first.key,
        }
    }

    /// Takes the next row; rows come in the order of the extract.
    fn take(&mut self, row: Sighting, delta: &mut Delta) -> Result<()> {
        match self.against.policy {
            OnDuplicateKey::First => {
                let after_unchanged = self.unchanged.is_some_and(|bit| row.marks & bit != 0);
                if self.kept.is_none() && !self.unchanged_wins && after_unchanged {
                    self.unchanged_wins = true;
                }
                match self.kept.is_some() || self.unchanged_wins {
                    true => delta.drop_row(u64::from(row.seq)),
                    false => self.kept = Some(row),
                }
            }
            OnDuplicateKey::Last => {
                if let Some(before) = self.kept.replace(row) {
                    delta.drop_row(u64::from(before.seq));
                }
            }
            OnDuplicateKey::Fail | OnDuplicateKey::Reject => {
                if self.refusing || self.unchanged.is_some() || self.kept.is_some() {
                    if let Some(before) = self.kept.take() {
                        delta.refuse_row(u64::from(before.seq))?;
                    }
                    self.refusing = true;
                    delta.refuse_row(u64::from(row.seq))?;
                } else {
                    self.kept = Some(row);
                }
            }
        }
        Ok(())
    }

    fn close(mut self, delta: &mut Delta) -> Result<()> {
        if let (OnDuplicateKey::Last, Some(bit), Some(kept)) =
            (self.against.policy, self.unchanged, self.kept)
            && kept.marks & bit == 0
        {
            self.unchanged_wins = true;
            self.kept = None;
            delta.drop_row(u64::from(kept.seq));
        }
        if self.refusing && self.unchanged.is_some() {
            delta.refuse_unchanged(Some(self.key));
        }
        let Some(kept) = self.kept else { return Ok(()) };
        if self.unchanged.is_some() {
            delta.drop_unchanged(self.key);
        }
        if self.is_restated(&kept) {
            delta.restate(u64::from(kept.seq))?;
        }
        delta.candidates.set(u64::from(kept.seq), self.class(&kept));
        if self.known.is_some_and(|record| record.is_stale()) {
            delta.candidates.set_owed(u64::from(kept.seq));
        }
        Ok(())
    }

    fn class(&self, row: &Sighting) -> Class {
        let has = |flag| row.flags & flag != 0;
        let is_same = has(flag::MATCHED) || self.is_restated(row);
        match self.known {
            _ if has(flag::INVALID) => Class::Invalid,
            None => Class::Add,
            Some(_) if is_same => Class::Unchanged,
            Some(_) if has(flag::COVERED) => Class::Rebase,
            Some(_) if self.against.mode == Mode::Insert => Class::Unchanged,
            Some(_) => Class::Change,
        }
    }

    /// The source says in other words what was acknowledged.
    fn is_restated(&self, row: &Sighting) -> bool {
        let is_looked_up = self.against.tags.by() == By::Source && row.flags == 0;
        is_looked_up && self.known.is_some_and(|record| record.fingerprint() == row.fingerprint)
    }
}

impl Delta {
    /// A row that is as acknowledged: whatever was refused of it is over.
    fn restate(&mut self, seq: u64) -> Result<()> {
        let Some(Candidate { head, .. }) = self.candidates.get(seq)? else { return Ok(()) };
        self.still_refused.remove(&head.key);
        self.restated.push(&Restated { key: head.key, record: head.fingerprint })
    }

    /// An entry that no spooled row has: vanished, unless the stream saw it unchanged.
    fn missing(&mut self, against: &Against<'_>, key: KeyHash, position: usize) -> Result<()> {
        if against.backfill {
            return Ok(());
        }
        if against.seen.is_marked(position) {
            // It was read, and is as acknowledged: whatever was refused of it is over.
            if !self.still_refused.is_empty() {
                self.still_refused.remove(&key);
            }
            return Ok(());
        }
        self.still_refused(key);
        if against.part { Ok(()) } else { self.vanished.push(&key) }
    }

    /// Refusals of rows that are still to be dealt with are kept.
    fn still_refused(&mut self, key: KeyHash) {
        if !self.refused_before.is_empty() && self.refused_before.binary_search(&key).is_ok() {
            self.still_refused.insert(key);
        }
    }
}

/// Judges rows that share a destination key, each group in the order of its rows. A row that `first` or `last` dropped
/// for its key no longer counts; one that was refused for it still does, and is not refused twice.
///
/// # Errors
/// When what was spilled cannot be read.
pub fn judge_destinations(
    delta: &mut Delta,
    policy: OnDuplicateKey,
    holder: impl Fn(u64) -> Result<Option<KeyHash>>,
) -> Result<()> {
    let groups = delta.destinations.shared();
    if groups.is_empty() {
        return Ok(());
    }
    let seqs = delta.seqs(groups.iter().flat_map(|(_, rows)| rows.iter().copied()).collect())?;
    for (hash, rows) in groups {
        debug_assert!(rows.len() > 1, "a group of one shares nothing");
        // The ledger's row of this destination key, and whether it gave way before: known once one of the rows asks.
        let mut unchanged: Option<(Option<KeyHash>, bool)> = None;
        let mut kept: Option<Member> = None;
        for row in rows {
            let member = match seqs.binary_search_by_key(&row, |(row, _)| *row) {
                Ok(at) => Member::Head(u64::from(seqs[at].1)),
                Err(_) => {
                    let (key, gone) = match unchanged {
                        Some(known) => known,
                        None => {
                            let key = holder(hash)?;
                            (key, key.is_some_and(|key| delta.dropped_unchanged.contains(&key)))
                        }
                    };
                    unchanged = Some((key, gone));
                    if gone {
                        continue;
                    }
                    Member::Unchanged(key)
                }
            };
            if matches!(member, Member::Head(seq) if delta.candidates.class(seq) == Class::Dropped) {
                continue;
            }
            match policy {
                OnDuplicateKey::First if kept.is_none() => kept = Some(member),
                OnDuplicateKey::First => delta.drop_member(member),
                OnDuplicateKey::Last => {
                    if let Some(before) = kept.replace(member) {
                        delta.drop_member(before);
                    }
                }
                OnDuplicateKey::Fail | OnDuplicateKey::Reject => delta.refuse_member(member)?,
            }
        }
    }
    Ok(())
}

/// A row among those that share a destination key.
enum Member {
    Head(u64),
    /// The stream found it unchanged; its key, where the ledger can tell.
    Unchanged(Option<KeyHash>),
}

impl Delta {
    fn drop_member(&mut self, member: Member) {
        match member {
            Member::Head(seq) => self.drop_row(seq),
            Member::Unchanged(Some(key)) => self.drop_unchanged(key),
            Member::Unchanged(None) => self.drop_unchanged_unnamed(),
        }
    }

    fn refuse_member(&mut self, member: Member) -> Result<()> {
        match member {
            Member::Head(seq) => self.refuse_row(seq),
            Member::Unchanged(key) => {
                self.refuse_unchanged(key);
                Ok(())
            }
        }
    }

    /// Those of `rows` that have a head, sorted, each with its position among the candidates.
    fn seqs(&self, mut rows: Vec<u32>) -> Result<Vec<(u32, u32)>> {
        rows.sort_unstable();
        let mut found = Vec::new();
        for chunk in self.candidates.chunks() {
            let candidates = chunk?;
            let wanted = candidates.iter().filter(|c| rows.binary_search(&c.head.row).is_ok());
            found.extend(wanted.map(|c| (c.head.row, c.seq as u32)));
        }
        debug_assert!(found.is_sorted(), "candidates come in the order of their rows");
        Ok(found)
    }
}
