//! Fields that change in nearly every row of every run, as what a query makes anew each time: seldom meant, and dear.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;

use super::diff::{Class, Delta};
use super::event::{Counts, SyncReport};
use super::known::Memory;
use super::run::Work;
use crate::error::Result;
use crate::ledger::Ledger;

/// A run of fewer rows tells nothing.
const FEWEST: u64 = 10;

/// Changed rows that are looked at; where there are more, these stand for all.
const LOOKED_AT: u64 = 2_000;

/// Note of the ledger: the fields that changed in nearly every row of a run.
const NOTE: &str = "unstable";

/// What the note says.
#[derive(Debug, Deserialize)]
struct Kept {
    /// Number of the run.
    run: u64,
    fields: Vec<String>,
}

/// The fields that changed in nearly every row of this run.
pub struct Unstable {
    run: u64,
    fields: Vec<Arc<str>>,
}

impl Work<'_> {
    /// Says which fields change in nearly every row, in this run and in the one before. A run that reads only what moved, or
    /// that sends what does not differ, tells nothing.
    ///
    /// # Errors
    /// When the ledger, or what the delta spilled, cannot be read.
    pub(super) fn unstable(
        &self,
        (delta, memory): (&Delta, &Memory<'_>),
        report: &mut SyncReport,
    ) -> Result<Option<Unstable>> {
        if self.full_refresh || self.pass().is_part() || self.streams() {
            return Ok(None);
        }
        let found = often_changed(delta, memory)?;
        if found.is_empty() {
            return Ok(None);
        }
        let run = self.state.run_number;
        let kept = self.ledger()?.note(NOTE)?.and_then(|text| serde_json::from_str::<Kept>(&text).ok());
        let before = kept.filter(|kept| kept.run + 1 == run).map(|kept| kept.fields).unwrap_or_default();
        let again = found.iter().filter(|(name, _)| before.iter().any(|before| **before == ***name));
        report.notes.extend(again.map(|(name, rows)| {
            format!(
                "`{name}` changed in {rows} of {} rows, two runs running; if the query makes it anew each time, \
                 `diff: false` sends it along without its being a change",
                delta.rows
            )
        }));
        Ok(Some(Unstable { run, fields: found.into_keys().collect() }))
    }
}

impl Unstable {
    /// Keeps them for the next run, where this one is through: what was not acknowledged will differ once more.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn keep(&self, ledger: &Ledger, counts: &Counts) -> Result<()> {
        if counts.pending + counts.deferred + counts.rejected > 0 {
            return Ok(());
        }
        let fields: Vec<&str> = self.fields.iter().map(|name| &**name).collect();
        ledger.set_note(NOTE, Some(&json!({"run": self.run, "fields": fields}).to_string()))
    }
}

/// In how many rows each field differs from what was acknowledged, for those with which it is so in over 90 % of all.
fn often_changed(delta: &Delta, memory: &Memory<'_>) -> Result<BTreeMap<Arc<str>, u64>> {
    let mut found: BTreeMap<Arc<str>, u64> = BTreeMap::new();
    let changed = delta.candidates.count(Class::Change);
    let is_most = |rows: u64| rows * 10 > delta.rows * 9;
    if delta.rows < FEWEST || !memory.has_details() || !is_most(changed) {
        return Ok(found);
    }
    let mut seen = 0;
    for chunk in delta.candidates.chunks() {
        let mut candidates = chunk?;
        candidates.retain(|candidate| candidate.class == Class::Change);
        candidates.truncate((LOOKED_AT - seen) as usize);
        seen += candidates.len() as u64;
        let details = memory.details_of(&candidates)?;
        for candidate in &candidates {
            let Some(detail) = details.get(&candidate.head.key) else { continue };
            let record = delta.spool.read(candidate.head.place, candidate.head.hashes())?;
            for (name, hash) in delta.mapper.field_hashes(&record) {
                // A field that is new in the mapping has not changed.
                if detail.fields.iter().any(|(known, before)| *known == name && *before != hash) {
                    *found.entry(name).or_default() += 1;
                }
            }
        }
        if seen >= LOOKED_AT {
            break;
        }
    }
    found.values_mut().for_each(|rows| *rows = *rows * changed / seen.max(1));
    found.retain(|_, rows| is_most(*rows));
    Ok(found)
}
