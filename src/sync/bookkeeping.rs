//! What a run writes into the ledger beside its batches: what goes before the first, and what no request is needed for.

use jiff::Timestamp;
use outflow_connectors::contract::Verb;
use outflow_connectors::rehearsal::point;
use serde_json::Value as Json;

use super::RunOptions;
use super::deliver::{Keeping, Records};
use super::diff::{Candidate, Class, Delta};
use super::event::Counts;
use super::known::Memory;
use super::plan::{Farewell, HeldRow, Plan};
use super::refresh;
use super::spec::digest;
use super::spool::{CHUNK, Stored, destination_text, key_text};
use super::state::Mappings;
use crate::error::Result;
use crate::ledger::{
    Detail, Identity, Intent, IntentEntry, InvalidRow, KeyHash, Ledger, RecordHash, Refusal, Settled,
    Settlement,
};
use crate::project::{OnDelete, Sync};

/// Note of the ledger: hash of the query under which removals were last let through.
pub const QUERY: &str = "query";
/// Note of the ledger: no run has had an answer for all rows yet.
pub const FIRST_LOAD: &str = "first_load";

/// Note of the ledger: under which circumstances the source hashes of its entries were made.
pub const SOURCE_HASHES: &str = "source_hashes";

/// Note of the ledger: whatever is acknowledged has its destination key there, for removals to find its object by.
pub const DESTINATION_KEYS: &str = "destination_keys";

pub fn query_hash(sync: &Sync) -> String {
    digest(&sync.source.query.text())
}

/// Writes identity and mapping, where they are new, and what no longer holds, before anything is sent under them; and the
/// hash of the query, where there is none: what another query no longer gives is not to be removed unasked, however little of
/// this one's was sent.
pub fn before(
    ledger: &Ledger,
    sync: &Sync,
    (identity, mappings): (&Identity, &Mappings),
    query: &str,
) -> Result<()> {
    if sync.on_delete == OnDelete::Ignore && ledger.note(DESTINATION_KEYS)?.is_some() {
        // What is acknowledged from here on leaves none.
        ledger.set_note(DESTINATION_KEYS, None)?;
    }
    if ledger.identity()?.as_ref() != Some(identity) {
        ledger.set_identity(identity)?;
        point("before.identity");
    }
    if mappings.is_new {
        ledger.add_mapping(&mappings.current)?;
        point("before.mapping");
    }
    if ledger.note(QUERY)?.is_none() {
        // First, for without a query a load is never taken to be through.
        ledger.set_note(FIRST_LOAD, Some("1"))?;
        point("before.loading");
        ledger.set_note(QUERY, Some(query))?;
        point("before.query");
    }
    Ok(())
}

/// All rows had an answer once.
///
/// # Errors
/// When the ledger cannot be read or written.
pub fn loaded(ledger: &Ledger) -> Result<()> {
    if ledger.note(FIRST_LOAD)?.is_some() {
        ledger.set_note(FIRST_LOAD, None)?;
        point("after.loaded");
    }
    Ok(())
}

/// Gives the ledger the source hashes of rows that are as acknowledged, before anything is sent: a row that is sent has
/// its own from then on.
///
/// # Errors
/// When the ledger or what was spilled cannot be read or written.
pub fn restate(ledger: &Ledger, delta: &Delta, is_whole: bool) -> Result<()> {
    let mut from = 0;
    while from < delta.restated.len() {
        let rows = delta.restated.slice(from, RESTATED_AT_ONCE)?;
        from += rows.len() as u64;
        let rows: Vec<_> = rows.into_iter().map(|row| (row.key, row.record)).collect();
        ledger.restate(&rows)?;
        point("restate.chunk");
    }
    let circumstances = delta.mapper.circumstances();
    if is_whole && ledger.note(SOURCE_HASHES)?.as_deref() != Some(circumstances) {
        ledger.set_note(SOURCE_HASHES, Some(circumstances))?;
        point("restate.noted");
    }
    Ok(())
}

/// Rows of one transaction.
const RESTATED_AT_ONCE: usize = 1 << 16;

/// Lets go of vanished rows whose object now belongs to another row; nothing is sent. Done before that row is: once it
/// has moved on to another destination key, nothing would tell that the object is its.
pub fn release(ledger: &Ledger, delta: &Delta, plan: &Plan, feed: (&Memory<'_>, &str)) -> Result<()> {
    let (memory, run_id) = feed;
    farewells(delta, plan, Farewell::Released, |keys| {
        let details = memory.details(&keys)?;
        let entries = keys.iter().map(|key| {
            let detail = details.get(key).cloned().unwrap_or_default();
            IntentEntry {
                key: *key,
                record: RecordHash::REMOVED,
                key_text: detail.key.unwrap_or_default(),
                destination_hash: detail.destination_hash,
                destination_key: detail.destination_key.unwrap_or_default(),
                remote_id: detail.remote_id,
            }
        });
        unsent(ledger, (run_id, Verb::Delete), entries.collect(), |_| Settlement::Removed)
    })
}

/// Calls `each` with the vanished rows of one kind, some thousand at a time.
fn farewells(
    delta: &Delta,
    plan: &Plan,
    kind: Farewell,
    mut each: impl FnMut(Vec<KeyHash>) -> Result<()>,
) -> Result<()> {
    if !plan.farewells.contains(&kind) {
        return Ok(());
    }
    for chunk in delta.vanished.chunks() {
        let (start, keys) = chunk?;
        let farewells = plan.farewells.iter().skip(start as usize);
        let keys: Vec<_> =
            keys.into_iter().zip(farewells).filter(|(_, f)| **f == kind).map(|(k, _)| k).collect();
        if !keys.is_empty() {
            each(keys)?;
        }
    }
    Ok(())
}

/// Goes through the journal without a request.
fn unsent(
    ledger: &Ledger,
    (run_id, verb): (&str, Verb),
    entries: Vec<IntentEntry>,
    settlement: impl FnMut(&IntentEntry) -> Settlement,
) -> Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    let mut settlement = settlement;
    let settled: Vec<Settled> =
        entries.iter().map(|entry| Settled { key: entry.key, result: settlement(entry) }).collect();
    let batch = ledger.begin(&Intent::of(run_id, verb, &entries))?;
    point("unsent.begun");
    ledger.settle(batch, &settled)
}

/// Stores the invalid rows of this run, unless they are those already stored; beside the others where it has not read
/// all rows.
pub fn invalid_rows(ledger: &Ledger, delta: &Delta, run_id: &str, part: bool) -> Result<()> {
    let now = Timestamp::now();
    let mut rows: Vec<InvalidRow> = delta
        .faults()
        .map(|fault| InvalidRow {
            key_text: Json::Object(fault.key_json.clone()).to_string(),
            field: fault.field.clone(),
            code: fault.fault.code.to_owned(),
            message: fault.fault.message.clone(),
            first_seen: now,
            last_seen: now,
            run_id: run_id.to_owned(),
        })
        .collect();
    let mut known = ledger.invalid_rows()?;
    if rows.is_empty() && (part || known.is_empty()) {
        return Ok(());
    }
    if part {
        known.retain(|old| !rows.iter().any(|row| row.key_text == old.key_text));
        rows.extend(known);
    }
    ledger.replace_invalid_rows(&rows)
}

/// What is left to write once delivery is over.
pub struct After<'a> {
    pub ledger: &'a Ledger,
    pub sync: &'a Sync,
    pub delta: &'a Delta,
    pub plan: &'a Plan,
    pub memory: &'a Memory<'a>,
    pub keeping: &'a Keeping,
    pub records: Records<'a>,
}

impl After<'_> {
    /// `complete` holds the counts of a run that was not stopped.
    pub fn settle(&self, complete: Option<&Counts>, mappings: &Mappings, options: &RunOptions) -> Result<()> {
        self.rebase()?;
        point("after.rebase");
        if self.delta.rekeyed {
            self.ledger.set_note(DESTINATION_KEYS, Some("1"))?;
        }
        let Some(counts) = complete else { return Ok(()) };
        if self.plan.lets_go {
            farewells(self.delta, self.plan, Farewell::Gone, |keys| self.ledger.mark_gone(&keys))?;
            point("after.gone");
        }
        if !self.plan.forget_dirty.is_empty() {
            self.ledger.drop_dirty(&self.plan.forget_dirty)?;
            point("after.drop_dirty");
        }
        self.hold()?;
        point("after.hold");
        self.forget_refusals()?;
        point("after.refusals");
        let query = query_hash(self.sync);
        if options.limit.is_none() && self.ledger.note(QUERY)?.as_deref() != Some(&query) {
            self.ledger.set_note(QUERY, Some(&query))?;
            point("after.query");
        }
        // Refused rows that wait for their turn had their answer.
        if options.limit.is_none() && counts.pending == self.plan.waiting && counts.deferred == 0 {
            loaded(self.ledger)?;
        }
        // What vanished and cannot be removed is evaluated under no mapping.
        let parked = counts.parked - self.plan.stranded;
        let open = counts.pending + counts.rejected + counts.deferred + parked + counts.invalid;
        if open == 0 && !mappings.previous.is_empty() {
            self.ledger.retire_mappings(&mappings.current.hash)?;
            point("after.retire");
        }
        refresh::end(self.ledger, self.delta)?;
        self.ledger.compact()
    }

    fn rebase(&self) -> Result<()> {
        if self.delta.candidates.count(Class::Rebase) == 0 {
            return Ok(());
        }
        for chunk in self.delta.candidates.chunks() {
            let mut candidates = chunk?;
            candidates.retain(|candidate| candidate.class == Class::Rebase);
            let details = self.memory.details_of(&candidates)?;
            let loaded = self.delta.spool.load(candidates.iter().map(|c| c.head.place))?;
            let mut moved = Vec::with_capacity(candidates.len());
            for (index, Candidate { head, .. }) in candidates.iter().enumerate() {
                let record = loaded.get(index, head.place, head.hashes());
                let record = record.map_err(|error| self.delta.spool.damaged(&error))?;
                let detail = self.kept(&record, details.get(&head.key))?;
                moved.push((head.key, head.fingerprint, detail));
            }
            if !moved.is_empty() {
                self.ledger.rebase(&moved)?;
                point("rebase.chunk");
            }
        }
        Ok(())
    }

    /// What is to be kept of a row that the destination holds, unless that is what was kept before.
    fn kept(&self, record: &Stored<'_>, before: Option<&Detail>) -> Result<Option<Detail>> {
        if before.is_none() && self.keeping.keeps_nothing(self.records.mapper) {
            return Ok(None);
        }
        let detail = match before {
            Some(before) => self.keeping.rebased(&self.records, record, before)?,
            None => self.keeping.detail(&self.records, record)?,
        };
        Ok(Some(detail).filter(|detail| before != Some(detail)))
    }

    /// Rows that must not be sent are kept as parked refusals, so that they are shown.
    pub fn hold(&self) -> Result<()> {
        let new: Vec<&HeldRow> = self.plan.held.iter().filter(|held| !held.shown).collect();
        for chunk in new.chunks(CHUNK) {
            let entries: Vec<_> =
                chunk.iter().map(|held| self.entry(&held.candidate)).collect::<Result<_>>()?;
            let mut held = chunk.iter();
            let run = (&*self.keeping.run_id, Verb::Update);
            unsent(self.ledger, run, entries, |entry| match held.next() {
                Some(held) => Settlement::Refused(Box::new(self.refusal(held, &entry.key_text))),
                None => Settlement::Untouched,
            })?;
        }
        Ok(())
    }

    fn entry(&self, candidate: &Candidate) -> Result<IntentEntry> {
        let head = &candidate.head;
        let spool = self.records.spool;
        let loaded = spool.load([head.place])?;
        let texts = loaded
            .get(0, head.place, head.hashes())
            .and_then(|record| Ok((key_text(self.records.mapper, &record)?, destination_text(&record)?)));
        let (key_text, destination_key) = texts.map_err(|error| spool.damaged(&error))?;
        Ok(IntentEntry {
            key: head.key,
            record: head.fingerprint,
            key_text,
            destination_hash: head.destination_hash,
            destination_key,
            remote_id: None,
        })
    }

    fn refusal(&self, held: &HeldRow, key_text: &str) -> Refusal {
        let now = Timestamp::now();
        let keeping = self.keeping;
        Refusal {
            key: held.candidate.head.key,
            key_text: key_text.to_owned(),
            verb: Verb::Update,
            record: held.candidate.head.fingerprint,
            mapping: keeping.mapping.clone(),
            code: held.code.to_owned(),
            field: self.sync.destination.match_on.first().map(|(field, _)| field.clone()),
            message: held.message.clone(),
            attempts: 0,
            first_run: keeping.run_number,
            next_run: keeping.run_number + 1,
            parked: true,
            first_seen: now,
            last_seen: now,
            run_id: keeping.run_id.clone(),
        }
    }

    /// A refusal is over when its row is as acknowledged again, or gone without ever having been delivered.
    fn forget_refusals(&self) -> Result<()> {
        let still =
            |key: &KeyHash| self.delta.still_refused.contains(key) || self.delta.vanished_dirty.contains(key);
        let mut over = self.ledger.refusal_keys()?;
        // What was refused in this run has a row that was dealt with in this run.
        over.retain(|key| !still(key) && self.delta.refused_before.binary_search(key).is_ok());
        if over.is_empty() { Ok(()) } else { self.ledger.forget_refusals(&over) }
    }
}
