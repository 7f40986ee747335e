//! What an earlier run left unsettled: jobs are looked up, creates are looked for, the rest stays dirty and is sent
//! again with its current record.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use outflow_connectors::contract::{
    BatchSource, Change, ConnectorError, Destination, Look, Lookup, Outcome, RemoteHandle, Session, Target,
    Verb, beyond,
};
use outflow_connectors::rehearsal::point;

use super::diff::Dirty;
use super::known::Memory;
use super::spool::{CHUNK, destination_key};
use crate::error::{Error, Result};
use crate::ledger::{Detail, IntentEntry, KeyHash, Ledger, OpenIntent, Settled, Settlement, State};

/// Keys most destinations take in one look-up.
const LOOK_UP: usize = 100;

/// What is known of the unsettled keys once jobs and creates were looked up.
#[derive(Default)]
pub struct Recovered {
    pub dirty: HashMap<KeyHash, Dirty>,
    /// Creates that the destination cannot tell about.
    pub unclear: HashSet<KeyHash>,
}

/// Reads the unsettled keys and does nothing about them: for a preview.
pub fn dirty(ledger: &Ledger) -> Result<HashMap<KeyHash, Dirty>> {
    let mut dirty: HashMap<KeyHash, Dirty> = HashMap::new();
    for intent in ledger.open_intents()? {
        for entry in intent.entries {
            let unsettled = dirty.entry(entry.key).or_default();
            unsettled.intents.push(entry);
            unsettled.runs.push(intent.run_id.clone());
            unsettled.creates |= !intent.verb.is_repeatable();
        }
    }
    Ok(dirty)
}

/// Unsettled keys that were refused in a later run than any that left them so: the row waits for its turn like every
/// refused one, although it never counts as unchanged until it is acknowledged.
///
/// # Errors
/// When the ledger or the history cannot be read.
pub fn refused_since(
    dirty: &HashMap<KeyHash, Dirty>,
    memory: &Memory<'_>,
    history: Option<&State>,
) -> Result<HashSet<KeyHash>> {
    let mut since = HashSet::new();
    let Some(history) = history else { return Ok(since) };
    let number = |run: &str| Ok(history.run(run)?.map(|record| record.number));
    let keys: Vec<KeyHash> = dirty.keys().copied().collect();
    for chunk in keys.chunks(CHUNK) {
        for (key, refusal) in memory.refusals(chunk)? {
            let (Some(refused), Some(unsettled)) = (number(&refusal.run_id)?, dirty.get(&key)) else {
                continue;
            };
            let sent: Vec<Option<u64>> =
                unsettled.runs.iter().map(|run| number(run)).collect::<Result<_>>()?;
            if sent.iter().all(|sent| sent.is_some_and(|sent| sent < refused)) {
                since.insert(key);
            }
        }
    }
    Ok(since)
}

/// Settles what can be settled without the source.
pub async fn recover(
    ledger: &Ledger,
    target: &Target,
    destination: &dyn Destination,
    session: &dyn Session,
) -> Result<Recovered> {
    let mut recovered = Recovered::default();
    let capabilities = destination.capabilities(target).map_err(|error| Error::destination(&error))?;
    let intents = ledger.open_intents()?;
    for (index, intent) in intents.iter().enumerate() {
        if let Some(handle) = &intent.handle {
            // A later batch may have overwritten what this job did: such keys stay dirty there.
            let later = intents[index + 1..].iter().flat_map(|i| i.entries.iter().map(|e| e.key)).collect();
            let unknown = settle_job(ledger, (target, session), (intent, handle), &later).await?;
            if !intent.verb.is_repeatable() && !capabilities.repeatable_creates {
                recovered.unclear.extend(unknown);
            }
        } else if !intent.verb.is_repeatable() && !capabilities.repeatable_creates {
            let unclear = look_for(ledger, target, destination, intent).await?;
            recovered.unclear.extend(unclear);
        }
    }
    point("recover.done");
    recovered.dirty = dirty(ledger)?;
    Ok(recovered)
}

/// Takes the results of a job that outlived its run; the keys of which they say nothing.
async fn settle_job(
    ledger: &Ledger,
    (target, session): (&Target, &dyn Session),
    (intent, handle): (&OpenIntent, &str),
    later: &HashSet<KeyHash>,
) -> Result<Vec<KeyHash>> {
    // A handle may name rows by their places in the batch as it was sent, of which some are settled by now.
    let whole = ledger.batch_entries(intent.batch)?;
    let batch = LostBatch { verb: intent.verb, entries: &whole, target };
    let receipt = session.settle(&RemoteHandle(handle.to_owned()), &batch).await;
    let receipt = receipt.map_err(|error| Error::destination(&error))?;
    let dirty: HashSet<KeyHash> = intent.entries.iter().map(|entry| entry.key).collect();
    let settled = whole.iter().zip(receipt.into_outcomes());
    let settled = settled.filter(|(entry, _)| dirty.contains(&entry.key));
    let settled = settled.map(|(entry, outcome)| {
        let result = settlement(entry, outcome);
        let overtaken = later.contains(&entry.key) && !matches!(result, Settlement::Unknown);
        Settled { key: entry.key, result: if overtaken { Settlement::Untouched } else { result } }
    });
    let settled: Vec<Settled> = settled.collect();
    point("recover.job");
    ledger.settle(intent.batch, &settled)?;
    let unknown = settled.iter().filter(|settled| matches!(settled.result, Settlement::Unknown));
    Ok(unknown.map(|settled| settled.key).collect())
}

fn settlement(entry: &IntentEntry, outcome: Outcome) -> Settlement {
    match outcome {
        Outcome::Applied { .. } | Outcome::Skipped { .. } if entry.record.is_removed() => Settlement::Removed,
        Outcome::Applied { remote_id, created } => delivered(entry, remote_id, created),
        Outcome::Skipped { .. } => delivered(entry, None, None),
        // The row is tried again with its current record, and refused again if it must be.
        Outcome::Rejected { .. } | Outcome::Deferred { .. } => Settlement::Untouched,
        Outcome::Unknown { .. } => Settlement::Unknown,
    }
}

fn delivered(entry: &IntentEntry, remote_id: Option<String>, created: Option<bool>) -> Settlement {
    let remote_id = remote_id.or_else(|| entry.remote_id.clone());
    let detail = Detail { created, ..entry.detail(remote_id) };
    Settlement::Delivered { record: entry.record, detail: Some(Box::new(detail)) }
}

/// Creates whose answer was lost: found ones are done, absent ones were not, the rest is held.
async fn look_for(
    ledger: &Ledger,
    target: &Target,
    destination: &dyn Destination,
    intent: &OpenIntent,
) -> Result<Vec<KeyHash>> {
    let mut unclear = Vec::new();
    for entries in intent.entries.chunks(LOOK_UP) {
        let answers = look_up(destination, target, entries).await?;
        let mut settled = Vec::new();
        for (entry, answer) in entries.iter().zip(answers) {
            let result = match answer {
                // The object is there, but its links may not be: it is sent once more, and meets itself.
                Lookup::Found { .. } if !target.associations.is_empty() => Settlement::Unknown,
                Lookup::Found { remote_id } => delivered(entry, Some(remote_id), None),
                Lookup::Absent => Settlement::Untouched,
                Lookup::Unclear => {
                    unclear.push(entry.key);
                    Settlement::Unknown
                }
            };
            settled.push(Settled { key: entry.key, result });
        }
        point("recover.looked");
        ledger.settle(intent.batch, &settled)?;
    }
    Ok(unclear)
}

async fn look_up(
    destination: &dyn Destination,
    target: &Target,
    entries: &[IntentEntry],
) -> Result<Vec<Lookup>> {
    let keys: Vec<_> =
        entries.iter().map(|entry| destination_key(&target.match_on, Some(&entry.destination_key))).collect();
    destination.look_up(target, &keys).await.map_err(|error| Error::destination(&error))
}

/// A person's word on creates that no destination can tell about: those of the rows whose key is meant were `applied`, or
/// were not. Returns their keys; those of the others come second. Both as JSON texts.
///
/// # Errors
/// When the ledger cannot be read or written.
pub fn resolve_creates(
    ledger: &Ledger,
    is_meant: impl Fn(&str) -> bool,
    applied: bool,
) -> Result<(Vec<String>, Vec<String>)> {
    let (mut resolved, mut others) = (Vec::new(), Vec::new());
    let open = ledger.open_intents()?.into_iter();
    for intent in open.filter(|intent| !intent.verb.is_repeatable()) {
        let mut settled = Vec::new();
        for entry in &intent.entries {
            if !is_meant(&entry.key_text) {
                others.push(entry.key_text.clone());
                continue;
            }
            let result = if applied { delivered(entry, None, None) } else { Settlement::Untouched };
            settled.push(Settled { key: entry.key, result });
            resolved.push(entry.key_text.clone());
        }
        if !settled.is_empty() {
            ledger.settle(intent.batch, &settled)?;
        }
    }
    Ok((resolved, others))
}

/// What is there of the objects that a lost answer may have left under a destination key that the row no longer has.
pub async fn find_moved(
    target: &Target,
    destination: &dyn Destination,
    lost: &[(KeyHash, IntentEntry)],
) -> Result<Vec<Lookup>> {
    let mut found = Vec::with_capacity(lost.len());
    for chunk in lost.chunks(LOOK_UP) {
        let entries: Vec<IntentEntry> = chunk.iter().map(|(_, entry)| entry.clone()).collect();
        found.extend(look_up(destination, target, &entries).await?);
    }
    Ok(found)
}

/// A batch of an earlier run: verbs, keys and ids, but no fields.
struct LostBatch<'a> {
    verb: Verb,
    entries: &'a [IntentEntry],
    target: &'a Target,
}

impl BatchSource for LostBatch<'_> {
    fn len(&self) -> usize {
        self.entries.len()
    }

    fn each_in(&self, places: Range<usize>, look: Look<'_>) -> Result<(), ConnectorError> {
        for entry in self.entries.get(places).ok_or_else(beyond)? {
            let change = Change {
                verb: self.verb,
                destination_key: destination_key(&self.target.match_on, Some(&entry.destination_key)),
                remote_id: entry.remote_id.clone(),
                fields: Vec::new(),
            };
            change.borrowed(&mut *look)?;
        }
        Ok(())
    }
}
