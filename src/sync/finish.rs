//! Before the first request and after the last: what the ledger is told, and what the run came to.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;
use outflow_connectors::contract::Verb;
use serde_json::Value as Json;

use super::RunOptions;
use super::acknowledge::Keeping;
use super::batch::{Records, destination_text, key_text};
use super::context::Context;
use super::deliver::Ended;
use super::diff::{Candidate, Delta};
use super::event::{Counts, FaultSample, Status, SyncReport};
use super::extract::interrupted;
use super::map::DUPLICATE;
use super::planned::{HeldRow, Plan};
use super::resolve::Resolved;
use super::spec::digest;
use super::state::{Mappings, OpenRun};
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::{
    Identity, Intent, IntentEntry, InvalidRow, KeyHash, Ledger, RecordHash, Refusal, RunRecord, Settled,
    Settlement,
};
use crate::project::{OnDelete, Sync};

/// Note of the ledger: a full refresh that is not through yet.
pub const FULL_REFRESH: &str = "full_refresh";
/// Note of the ledger: hash of the query under which removals were last let through.
pub const QUERY: &str = "query";

/// Stands for a fingerprint that no record has: the row counts as changed until it is acknowledged again.
const STALE: RecordHash = RecordHash([0xff; 16]);

pub fn query_hash(sync: &Sync) -> String {
    digest(&sync.source.sql)
}

/// Writes identity and mapping, where they are new, before anything is sent under them.
pub fn before(ledger: &Ledger, identity: &Identity, mappings: &Mappings) -> Result<()> {
    if ledger.identity()?.as_ref() != Some(identity) {
        ledger.set_identity(identity)?;
    }
    if mappings.is_new {
        ledger.add_mapping(&mappings.current)?;
    }
    Ok(())
}

/// Makes a full refresh outlive this run.
pub fn mark_stale(ledger: &Ledger) -> Result<()> {
    let stale: Vec<_> = ledger.snapshot()?.unmarked().map(|(key, _)| (key, STALE, None)).collect();
    ledger.rebase(&stale)?;
    ledger.set_note(FULL_REFRESH, Some("1"))
}

/// Lets go of vanished rows whose object now belongs to another row; nothing is sent. Done before that row is: once it
/// has moved on to another destination key, nothing would tell that the object is its.
pub fn release(ledger: &Ledger, released: &[KeyHash], keeping: &Keeping) -> Result<()> {
    let entries = released.iter().map(|key| {
        let detail = keeping.details.get(key).cloned().unwrap_or_default();
        IntentEntry {
            key: *key,
            record: RecordHash::REMOVED,
            key_text: detail.key.unwrap_or_default(),
            destination_hash: detail.destination_hash,
            destination_key: detail.destination_key.unwrap_or_default(),
            remote_id: detail.remote_id,
        }
    });
    unsent(ledger, (&keeping.run_id, Verb::Delete), entries.collect(), |_| Settlement::Removed)
}

/// Goes through the journal without a request.
fn unsent(
    ledger: &Ledger,
    (run_id, verb): (&str, Verb),
    entries: Vec<IntentEntry>,
    settlement: impl Fn(&IntentEntry) -> Settlement,
) -> Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    let settled: Vec<Settled> =
        entries.iter().map(|entry| Settled { key: entry.key, result: settlement(entry) }).collect();
    let batch = ledger.begin(&Intent { run_id: run_id.to_owned(), verb, entries })?;
    ledger.settle(batch, &settled)
}

/// Fields that `on_delete: clear` empties: those sent, without the match key and required ones.
pub fn cleared_fields(sync: &Sync, resolved: &Resolved) -> Vec<Arc<str>> {
    if sync.on_delete != OnDelete::Clear {
        return Vec::new();
    }
    let catalog = &resolved.connected.catalog;
    let fields = resolved.spec.fields.iter().map(|field| &field.name);
    fields
        .filter(|name| !resolved.spec.match_on.iter().any(|key| **key == ***name))
        .filter(|name| !catalog.get(name).is_some_and(|property| property.required))
        .cloned()
        .collect()
}

/// Stores the invalid rows of this run, unless they are those already stored.
pub fn invalid_rows(ledger: &Ledger, delta: &Delta, run_id: &str) -> Result<()> {
    let now = Timestamp::now();
    let rows: Vec<InvalidRow> = delta
        .faults
        .iter()
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
    if rows.is_empty() && ledger.invalid_rows()?.is_empty() {
        return Ok(());
    }
    ledger.replace_invalid_rows(&rows)
}

/// The first invalid rows, for people.
pub fn fault_samples(delta: &Delta) -> Vec<FaultSample> {
    let sample = delta.faults.iter().take(20).map(|fault| FaultSample {
        key: fault.key_json.clone(),
        field: fault.field.clone(),
        message: fault.fault.message.clone(),
    });
    sample.collect()
}

/// The error of `on_duplicate_key: fail`, with examples.
pub fn clash(delta: &Delta) -> Option<Error> {
    if delta.clashes.is_empty() {
        return None;
    }
    let mut examples: Vec<String> = Vec::new();
    for fault in delta.faults.iter().filter(|fault| fault.fault.code == DUPLICATE) {
        let text = Json::Object(fault.key_json.clone()).to_string();
        if !examples.contains(&text) && examples.len() < 3 {
            examples.push(text);
        }
    }
    let rows = delta.clashes.len();
    let message =
        format!("{rows} rows share a key or a destination key: {}; nothing was sent", examples.join(", "));
    let hint = "make the key unique in the query, or set `on_duplicate_key: first | last | reject`";
    Some(Error::new("OF-RUN-013", ErrorKind::Source, message).hint(hint))
}

/// What is left to write once delivery is over.
pub struct After<'a> {
    pub ledger: &'a Ledger,
    pub sync: &'a Sync,
    pub delta: &'a Delta,
    pub plan: &'a Plan,
    pub keeping: &'a Keeping,
    pub records: Records<'a>,
}

impl After<'_> {
    /// `complete` holds the counts of a run that was not stopped.
    pub fn settle(&self, complete: Option<&Counts>, mappings: &Mappings, options: &RunOptions) -> Result<()> {
        self.rebase()?;
        let Some(counts) = complete else { return Ok(()) };
        if !self.plan.gone.is_empty() {
            self.ledger.mark_gone(&self.plan.gone)?;
        }
        if !self.plan.forget_dirty.is_empty() {
            self.ledger.drop_dirty(&self.plan.forget_dirty)?;
        }
        self.hold()?;
        self.forget_refusals()?;
        let query = query_hash(self.sync);
        if options.limit.is_none() && self.ledger.note(QUERY)?.as_deref() != Some(&query) {
            self.ledger.set_note(QUERY, Some(&query))?;
        }
        let open = counts.pending + counts.rejected + counts.deferred + counts.parked + counts.invalid;
        if open == 0 && !mappings.previous.is_empty() {
            self.ledger.retire_mappings(&mappings.current.hash)?;
        }
        if self.ledger.note(FULL_REFRESH)?.is_some()
            && !self.ledger.snapshot()?.unmarked().any(|(_, record)| record == STALE)
        {
            self.ledger.set_note(FULL_REFRESH, None)?;
        }
        self.ledger.compact()
    }

    fn rebase(&self) -> Result<()> {
        let mut moved = Vec::with_capacity(self.plan.rebase.len());
        for candidate in &self.plan.rebase {
            let record = self.delta.spool.read(candidate.place)?;
            let before = self.keeping.details.get(&candidate.key);
            let detail = before.map(|before| {
                let fresh = self.keeping.detail(self.records.mapper, &record);
                crate::ledger::Detail {
                    remote_id: before.remote_id.clone(),
                    created: before.created,
                    ..fresh
                }
            });
            moved.push((candidate.key, candidate.fingerprint, detail));
        }
        if moved.is_empty() { Ok(()) } else { self.ledger.rebase(&moved) }
    }

    /// Rows that must not be sent are kept as parked refusals, so that they are shown.
    fn hold(&self) -> Result<()> {
        let new = self.plan.held.iter().filter(|held| {
            let known = self.keeping.refusals.get(&held.candidate.key);
            !known.is_some_and(|r| r.record == held.candidate.fingerprint && r.code == held.code)
        });
        for held in new {
            let entry = self.entry(&held.candidate)?;
            let refusal = self.refusal(held, &entry.key_text);
            let run = (&*self.keeping.run_id, Verb::Update);
            unsent(self.ledger, run, vec![entry], |_| Settlement::Refused(Box::new(refusal.clone())))?;
        }
        Ok(())
    }

    fn entry(&self, candidate: &Candidate) -> Result<IntentEntry> {
        let record = self.delta.spool.read(candidate.place)?;
        Ok(IntentEntry {
            key: candidate.key,
            record: candidate.fingerprint,
            key_text: key_text(self.records.mapper, &record),
            destination_hash: candidate.destination_hash,
            destination_key: destination_text(&record),
            remote_id: None,
        })
    }

    fn refusal(&self, held: &HeldRow, key_text: &str) -> Refusal {
        let now = Timestamp::now();
        let keeping = self.keeping;
        Refusal {
            key: held.candidate.key,
            key_text: key_text.to_owned(),
            verb: Verb::Update,
            record: held.candidate.fingerprint,
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
        let open: HashSet<KeyHash> = self.delta.candidates.iter().map(|c| c.key).collect();
        let vanished: HashSet<KeyHash> =
            self.delta.vanished.iter().chain(&self.delta.vanished_dirty).copied().collect();
        let over = self.keeping.refusals.keys().filter(|key| !open.contains(key) && !vanished.contains(key));
        let invalid: HashSet<KeyHash> = self.delta.faults.iter().filter_map(|fault| fault.key).collect();
        let over: Vec<KeyHash> = over.filter(|key| !invalid.contains(key)).copied().collect();
        if over.is_empty() { Ok(()) } else { self.ledger.forget_refusals(&over) }
    }
}

/// The run's status once delivery is over.
pub fn conclude(report: &mut SyncReport, ended: Ended, absent: u64, waiting: u64) -> Result<()> {
    match ended {
        Ended::Stopped(error) => return Err(error),
        Ended::Interrupted => return Err(interrupted()),
        Ended::Broken(error) => {
            report.status = Status::Partial;
            report.error = Some(error);
            return Ok(());
        }
        Ended::Done => {}
    }
    let counts = &report.counts;
    let open = counts.invalid + counts.deferred + (counts.rejected - absent) + waiting;
    report.status = if open > 0 { Status::Partial } else { Status::Ok };
    Ok(())
}

/// The run's line of history.
pub fn record(context: &Context<'_>, report: &SyncReport, open: &OpenRun) -> RunRecord {
    let error = report.error.as_ref().map(|error| error.to_json().to_string());
    RunRecord {
        run_id: open.run_id.clone(),
        sync: report.sync.clone(),
        number: open.number,
        target: context.project.target.clone(),
        status: serde_json::to_value(report.status)
            .ok()
            .and_then(|s| Some(s.as_str()?.to_owned()))
            .unwrap_or_default(),
        started_at: report.started_at,
        duration_ms: report.duration_ms,
        counts: serde_json::to_string(&report.counts).unwrap_or_default(),
        error,
    }
}
