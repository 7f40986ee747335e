//! What the ledger and the destination know of the keys in a delta, looked up some thousand rows at a time.

use std::collections::{HashMap, HashSet};

use outflow_connectors::contract::{Destination, Lookup, Target};
use tokio::task::block_in_place;

use super::diff::{Candidate, Class, Delta};
use super::recover::find_moved;
use super::spool::CHUNK;
use crate::error::Result;
use crate::ledger::{Detail, IntentEntry, KeyHash, Ledger, Refusal};

/// The ledger's details and refusals; nothing is asked of a ledger that has none.
pub struct Memory<'a> {
    ledger: Option<&'a Ledger>,
    details: bool,
    refusals: bool,
}

impl<'a> Memory<'a> {
    /// # Errors
    /// When the ledger cannot be read.
    pub fn new(ledger: Option<&'a Ledger>) -> Result<Self> {
        let details = ledger.map(Ledger::has_details).transpose()?.unwrap_or(false);
        let refusals = ledger.map(Ledger::has_refusals).transpose()?.unwrap_or(false);
        Ok(Memory { ledger, details, refusals })
    }

    /// Whether anything is kept of any row beside its hashes.
    pub fn has_details(&self) -> bool {
        self.details
    }

    pub fn details(&self, keys: &[KeyHash]) -> Result<HashMap<KeyHash, Detail>> {
        match self.ledger.filter(|_| self.details && !keys.is_empty()) {
            Some(ledger) => ledger.details(keys),
            None => Ok(HashMap::new()),
        }
    }

    pub fn refusals(&self, keys: &[KeyHash]) -> Result<HashMap<KeyHash, Refusal>> {
        match self.ledger.filter(|_| self.refusals && !keys.is_empty()) {
            Some(ledger) => ledger.refusals_of(keys),
            None => Ok(HashMap::new()),
        }
    }

    /// The rows that hold these destination keys.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn holders(&self, hashes: &[u64]) -> Result<HashMap<u64, KeyHash>> {
        match self.ledger.filter(|_| self.details && !hashes.is_empty()) {
            Some(ledger) => ledger.destination_holders(hashes),
            None => Ok(HashMap::new()),
        }
    }

    /// Details of those candidates that may have one.
    pub fn details_of(&self, candidates: &[Candidate]) -> Result<HashMap<KeyHash, Detail>> {
        let known = candidates.iter().filter(|c| matches!(c.class, Class::Change | Class::Rebase));
        self.details(&known.map(|c| c.head.key).collect::<Vec<_>>())
    }
}

/// What of the delta is out of the ordinary.
#[derive(Default)]
pub struct Known {
    /// Rows whose destination key is another one than the ledger's, or than that of a lost batch where nobody can tell what it
    /// did, with what is known of their objects.
    pub moved: HashMap<KeyHash, Detail>,
    /// Remote ids of objects that a lost answer left under another destination key than the row has now.
    pub found: HashMap<KeyHash, String>,
    /// Creates of which nobody can tell whether they happened.
    pub unclear: HashSet<KeyHash>,
    /// Unsettled keys that were refused later: they are tried again when the refusal says so.
    pub refused_since: HashSet<KeyHash>,
}

/// Whether a destination key of a part of the rows is, or was, one that a row outside of the part may hold: only all rows together
/// tell whose it is.
///
/// # Errors
/// When the ledger, or what was spilled, cannot be read.
pub fn clashes(delta: &Delta, memory: &Memory<'_>) -> Result<bool> {
    if !memory.details {
        // With hashes alone nobody knows who holds what, where that is more than the keys.
        let changes = delta.candidates.count(Class::Add) + delta.candidates.count(Class::Change);
        return Ok(changes > 0 && !delta.mapper.destination_is_key());
    }
    for start in (0..delta.candidates.len()).step_by(CHUNK) {
        let candidates = delta.candidates.slice(start, CHUNK)?;
        let details = memory.details_of(&candidates)?;
        for candidate in candidates.iter().filter(|candidate| candidate.head.destination_hash != 0) {
            let moved = details.get(&candidate.head.key).is_some_and(|detail| is_moved(candidate, detail));
            if moved {
                return Ok(true);
            }
        }
        let new = candidates.iter().filter(|candidate| candidate.class == Class::Add);
        let new: HashMap<u64, KeyHash> = new.map(|c| (c.head.destination_hash, c.head.key)).collect();
        let hashes: Vec<u64> = new.keys().copied().filter(|hash| *hash != 0).collect();
        let holders = memory.holders(&hashes)?;
        if holders.iter().any(|(hash, holder)| new.get(hash) != Some(holder)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Goes through the changed rows once: which have moved, which need no request by the hashes of their fields, which may have
/// left an object elsewhere. Names the invalid rows that the ledger knows.
///
/// # Errors
/// When the ledger or the spool cannot be read, or the destination cannot be asked.
pub async fn gather(
    delta: &mut Delta,
    memory: &Memory<'_>,
    (destination, target): (&dyn Destination, &Target),
    (unclear, by_field): (HashSet<KeyHash>, bool),
) -> Result<Known> {
    let mut known = Known { unclear, ..Known::default() };
    let lost = block_in_place(|| -> Result<Vec<(KeyHash, IntentEntry)>> {
        let named = memory.details(&delta.unnamed())?;
        delta.name(&named);
        let mut lost = Vec::new();
        if !memory.details && delta.dirty.is_empty() {
            return Ok(lost);
        }
        for start in (0..delta.candidates.len()).step_by(CHUNK) {
            let candidates = delta.candidates.slice(start, CHUNK)?;
            let details = memory.details_of(&candidates)?;
            for candidate in &candidates {
                lost.extend(lost_elsewhere(delta, candidate));
                let Some(detail) = details.get(&candidate.head.key) else { continue };
                if is_moved(candidate, detail) {
                    known.moved.insert(candidate.head.key, detail.clone());
                } else if by_field && !candidate.sent && is_covered(delta, candidate, detail)? {
                    delta.candidates.set(candidate.seq, Class::Rebase);
                }
            }
        }
        Ok(lost)
    })?;
    if !lost.is_empty() {
        let answers = find_moved(target, destination, &lost).await?;
        lost.into_iter().zip(answers).for_each(|(lost, answer)| known.lost(delta, lost, answer));
    }
    Ok(known)
}

impl Known {
    /// What a destination says of the object that a lost answer may have left elsewhere. Where it cannot tell, a create waits
    /// for a person, and any other row has moved: what it may have left is dealt with like an object whose id is not known.
    fn lost(&mut self, delta: &Delta, (key, entry): (KeyHash, IntentEntry), answer: Lookup) {
        match answer {
            Lookup::Found { remote_id } => _ = self.found.insert(key, remote_id),
            Lookup::Absent => {}
            Lookup::Unclear if delta.dirty.get(&key).is_some_and(|dirty| dirty.creates) => {
                self.unclear.insert(key);
            }
            Lookup::Unclear => _ = self.moved.insert(key, entry.detail(entry.remote_id.clone())),
        }
    }
}

fn is_moved(candidate: &Candidate, detail: &Detail) -> bool {
    let (old, new) = (detail.destination_hash, candidate.head.destination_hash);
    candidate.class == Class::Change && old != new && old != 0
}

/// An add whose lost batch bore another destination key than the row has now.
fn lost_elsewhere(delta: &Delta, candidate: &Candidate) -> Option<(KeyHash, IntentEntry)> {
    // A removal that was lost as well proves nothing of what came before it.
    let intents = &delta.dirty.get(&candidate.head.key)?.intents;
    let lost = intents.iter().rfind(|lost| !lost.record.is_removed())?;
    let elsewhere = lost.destination_hash != candidate.head.destination_hash;
    (candidate.class == Class::Add && elsewhere).then(|| (candidate.head.key, lost.clone()))
}

/// After a mapping edit, or where only fields that changed are sent, a row whose every field hash still stands needs no request, whatever the old mapping said.
fn is_covered(delta: &Delta, candidate: &Candidate, detail: &Detail) -> Result<bool> {
    let comparable = candidate.class == Class::Change
        && !detail.fields.is_empty()
        && !candidate.owed
        && !delta.dirty.contains_key(&candidate.head.key);
    if !comparable {
        return Ok(false);
    }
    let record = delta.spool.read(candidate.head.place, candidate.head.hashes())?;
    Ok(delta.mapper.field_hashes(&record).iter().all(|hash| detail.fields.contains(hash)))
}
