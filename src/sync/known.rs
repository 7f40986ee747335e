//! What the ledger and the destination know of the keys in a delta, gathered before the plan.

use std::collections::HashSet;

use outflow_connectors::contract::{Destination, Target};
use tokio::task::block_in_place;

use super::diff::{Candidate, Class, Delta};
use super::planned::Known;
use super::recover::find_moved;
use crate::error::Result;
use crate::ledger::{IntentEntry, KeyHash, Ledger, RecordHash};

/// Reads details and refusals, and looks for objects that a lost answer left elsewhere.
pub async fn gather(
    ledger: Option<&Ledger>,
    delta: &Delta,
    destination: &dyn Destination,
    target: &Target,
    unclear: HashSet<KeyHash>,
) -> Result<Known> {
    let mut known = Known { unclear, ..Known::default() };
    let Some(ledger) = ledger else { return Ok(known) };
    block_in_place(|| -> Result<()> {
        known.details = ledger.details(&interesting(delta))?;
        known.refusals = ledger.refusals()?.into_iter().map(|refusal| (refusal.key, refusal)).collect();
        if delta.candidates.iter().any(|candidate| is_moved(candidate, &known)) {
            let hashes: Vec<u64> = delta.candidates.iter().map(|c| c.destination_hash).collect();
            known.holders = ledger.destination_holders(&hashes)?;
        }
        Ok(())
    })?;
    let lost = lost_elsewhere(delta);
    if !lost.is_empty() {
        known.found = find_moved(target, destination, &lost).await?;
    }
    Ok(known)
}

fn interesting(delta: &Delta) -> Vec<KeyHash> {
    let candidates = delta.candidates.iter().filter(|c| matches!(c.class, Class::Change | Class::Rebase));
    candidates.map(|c| c.key).chain(delta.vanished.iter().copied()).chain(delta.unnamed()).collect()
}

fn is_moved(candidate: &Candidate, known: &Known) -> bool {
    known
        .details
        .get(&candidate.key)
        .is_some_and(|detail| detail.destination_hash != candidate.destination_hash)
}

/// Adds whose lost batch bore another destination key than the row has now.
fn lost_elsewhere(delta: &Delta) -> Vec<(KeyHash, IntentEntry)> {
    let adds = delta.candidates.iter().filter(|c| c.class == Class::Add);
    adds.filter_map(|candidate| {
        let lost = delta.dirty.get(&candidate.key)?.intents.last()?;
        let elsewhere =
            lost.destination_hash != candidate.destination_hash && lost.record != RecordHash::REMOVED;
        elsewhere.then(|| (candidate.key, lost.clone()))
    })
    .collect()
}

/// After a mapping edit, rows whose every field hash still stands need no request, whatever the old mapping said.
///
/// # Errors
/// When the spool cannot be read.
pub fn rebase_covered(delta: &mut Delta, known: &Known) -> Result<()> {
    for index in 0..delta.candidates.len() {
        let candidate = delta.candidates[index];
        let Some(detail) = known.details.get(&candidate.key) else { continue };
        let comparable = candidate.class == Class::Change
            && !detail.fields.is_empty()
            && detail.destination_hash == candidate.destination_hash
            && !delta.dirty.contains_key(&candidate.key);
        if comparable {
            let record = delta.spool.read(candidate.place)?;
            let covered = delta.mapper.field_hashes(&record).iter().all(|hash| detail.fields.contains(hash));
            if covered {
                delta.candidates[index].class = Class::Rebase;
            }
        }
    }
    Ok(())
}
