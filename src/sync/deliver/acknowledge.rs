//! Receipt -> ledger: what each outcome means for the snapshot, the dirty marks and the refusals.

use std::io;

use jiff::Timestamp;
use outflow_connectors::contract::Outcome;

use super::batch::{Batch, Records};
use crate::error::Result;
use crate::ledger::{Detail, Refusal, Settled, Settlement};
use crate::project::{Keep, Mode};
use crate::sync::event::Counts;
use crate::sync::map::Mapper;
use crate::sync::plan::{Item, Purpose, is_absent};
use crate::sync::spool::{Stored, destination_text, field_hashes, key_text, record_text};

/// What the ledger keeps and how refusals are scheduled.
pub struct Keeping {
    pub keep: Keep,
    pub mode: Mode,
    /// Vanished rows are deleted, archived or cleared: keys must stay readable.
    pub removes: bool,
    pub max_attempts: u32,
    pub run_id: String,
    pub run_number: u64,
    /// Hash of how rows are made and sent, see [`Refusal::mapping`].
    pub mapping: String,
}

impl Keeping {
    /// One settlement per item, and the counts they come to.
    ///
    /// # Errors
    /// When the spool cannot be read.
    pub fn settle(&self, batch: &Batch<'_>, outcomes: Vec<Outcome>) -> Result<(Vec<Settled>, Counts)> {
        let mut counts = Counts::default();
        if let Some(settled) = self.settle_unread(batch, &outcomes) {
            outcomes.iter().for_each(|outcome| self.count(outcome, &mut counts));
            return Ok((settled, counts));
        }
        let mut outcomes = outcomes.into_iter();
        let mut settled = Vec::with_capacity(batch.items.len());
        let mut windows = batch.windows();
        while let Some(window) = windows.next()? {
            for (item, record) in window.iter() {
                let unknown = || Outcome::Unknown { reason: "no outcome came".into() };
                let outcome = outcomes.next().unwrap_or_else(unknown);
                self.count(&outcome, &mut counts);
                let result = self.settlement(&batch.records, (item, record?.as_ref()), outcome)?;
                settled.push(Settled { key: item.key, result });
            }
        }
        Ok((settled, counts))
    }

    /// The settlements of a batch of which no record needs to be read.
    fn settle_unread(&self, batch: &Batch<'_>, outcomes: &[Outcome]) -> Option<Vec<Settled>> {
        if outcomes.len() != batch.items.len() {
            return None;
        }
        let keeps_nothing = self.keeps_nothing(batch.records.mapper);
        let settled = batch.items.iter().zip(outcomes).map(|(item, outcome)| {
            let result = match outcome {
                Outcome::Deferred { .. } => Settlement::Untouched,
                Outcome::Unknown { .. } => Settlement::Unknown,
                Outcome::Applied { .. } | Outcome::Skipped { .. }
                    if keeps_nothing && item.place.is_some() =>
                {
                    Settlement::Delivered { record: item.record, detail: None }
                }
                _ => return None,
            };
            Some(Settled { key: item.key, result })
        });
        settled.collect()
    }

    fn count(&self, outcome: &Outcome, counts: &mut Counts) {
        counts.sent += 1;
        match outcome {
            Outcome::Applied { .. } | Outcome::Skipped { .. } => counts.delivered += 1,
            Outcome::Rejected { .. } => counts.rejected += 1,
            Outcome::Deferred { .. } => counts.deferred += 1,
            Outcome::Unknown { .. } => {
                counts.deferred += 1;
                counts.unknown += 1;
            }
        }
    }

    fn settlement(
        &self,
        records: &Records<'_>,
        change: (&Item, Option<&Stored<'_>>),
        outcome: Outcome,
    ) -> Result<Settlement> {
        Ok(match outcome {
            Outcome::Deferred { .. } => Settlement::Untouched,
            Outcome::Unknown { .. } => Settlement::Unknown,
            Outcome::Rejected { code, field, message } => {
                Settlement::Refused(Box::new(self.refusal(records, change, (code, field, message))?))
            }
            Outcome::Skipped { .. } => self.delivered(records, change, None, None)?,
            Outcome::Applied { remote_id, created } => self.delivered(records, change, remote_id, created)?,
        })
    }

    fn delivered(
        &self,
        records: &Records<'_>,
        (item, record): (&Item, Option<&Stored<'_>>),
        remote_id: Option<String>,
        created: Option<bool>,
    ) -> Result<Settlement> {
        let before = item.detail.as_deref();
        let Some(record) = record else {
            return Ok(match item.purpose {
                Purpose::Clear => Settlement::Gone { detail: item.detail.clone().unwrap_or_default() },
                _ => Settlement::Removed,
            });
        };
        if self.keeps_nothing(records.mapper) {
            return Ok(Settlement::Delivered { record: item.record, detail: None });
        }
        let known =
            before.filter(|detail| !detail.gone && detail.destination_hash == record.destination_hash);
        let remote_id =
            remote_id.or_else(|| item.remote_id.clone()).or_else(|| known.and_then(|d| d.remote_id.clone()));
        let created = match before.filter(|detail| !detail.gone && detail.remote_id == remote_id) {
            Some(before) => before.created.or(created),
            None => created,
        };
        let detail = Detail { remote_id, created, ..self.detail(records, record)? };
        Ok(Settlement::Delivered { record: item.record, detail: Some(Box::new(detail)) })
    }

    /// Whether a row's hashes are all that is kept of it: nothing is ever removed, and the match key cannot change.
    pub fn keeps_nothing(&self, mapper: &Mapper) -> bool {
        self.keep == Keep::Hashes && !self.removes && mapper.destination_is_key()
    }

    /// What is kept of a record at this mapping's `ledger: {keep: ...}`.
    ///
    /// # Errors
    /// When the record is damaged.
    pub fn detail(&self, records: &Records<'_>, record: &Stored<'_>) -> Result<Detail> {
        self.kept(records.mapper, record).map_err(|error| records.spool.damaged(&error))
    }

    /// As [`Self::detail`], where nothing was sent of the record: what else was acknowledged, the object still has.
    ///
    /// # Errors
    /// When the record is damaged.
    pub fn rebased(&self, records: &Records<'_>, record: &Stored<'_>, before: &Detail) -> Result<Detail> {
        let (remote_id, created) = (before.remote_id.clone(), before.created);
        let mut detail = Detail { remote_id, created, ..self.detail(records, record)? };
        if self.keep >= Keep::Fields {
            let said = &detail.fields;
            let left = before.fields.iter().filter(|(name, _)| said.iter().all(|(known, _)| known != name));
            let left: Vec<_> = left.map(|(name, _)| (name.clone(), Detail::LEFT)).collect();
            detail.fields.extend(left);
        }
        Ok(detail)
    }

    fn kept(&self, mapper: &Mapper, record: &Stored<'_>) -> io::Result<Detail> {
        if self.keeps_nothing(mapper) {
            return Ok(Detail::default());
        }
        // Without it, a changed match key would make a second object unseen.
        let mut detail = Detail { destination_hash: record.destination_hash, ..Detail::default() };
        if self.keep == Keep::Hashes && !self.removes {
            return Ok(detail);
        }
        detail.key = Some(key_text(mapper, record)?);
        if self.removes {
            detail.destination_key = Some(destination_text(record)?);
        }
        if self.keep >= Keep::Fields {
            detail.fields = field_hashes(mapper, record)?;
        }
        if self.keep == Keep::Values {
            detail.record = Some(record_text(mapper, &record.to_record()?));
        }
        Ok(detail)
    }

    /// Rows are for objects that exist, and make none.
    pub fn waits_for_objects(&self) -> bool {
        matches!(self.mode, Mode::Update | Mode::Audience)
    }

    fn refusal(
        &self,
        records: &Records<'_>,
        (item, record): (&Item, Option<&Stored<'_>>),
        (code, field, message): (String, Option<String>, String),
    ) -> Result<Refusal> {
        let now = Timestamp::now();
        let key_text = match record {
            Some(record) => {
                key_text(records.mapper, record).map_err(|error| records.spool.damaged(&error))?
            }
            None => item.detail.as_deref().and_then(|detail| detail.key.clone()).unwrap_or_default(),
        };
        let before = item.refusal.as_deref();
        let same = before.filter(|r| r.record == item.record && r.mapping == self.mapping && !r.parked);
        let attempts = same.map_or(0, |r| r.attempts) + 1;
        let first_run = same.map_or(self.run_number, |r| r.first_run);
        // Where none is to be made, the row waits for an object to appear and is nobody's fault; where an id led to none,
        // the next run sends the whole record by its match key.
        let absent = is_absent(&code) && (self.waits_for_objects() || item.is_update_by_id());
        Ok(Refusal {
            key: item.key,
            key_text,
            verb: item.verb,
            record: item.record,
            mapping: self.mapping.clone(),
            field,
            message,
            attempts,
            first_run,
            next_run: if absent {
                self.run_number + 1
            } else {
                next_run(first_run, attempts, self.run_number)
            },
            parked: !absent && attempts >= self.max_attempts,
            first_seen: before.map_or(now, |r| r.first_seen),
            last_seen: now,
            run_id: self.run_id.clone(),
            code,
        })
    }
}

/// Tried again in runs 1, 2, 4, 8 ... after the first refusal, never in the same run.
pub fn next_run(first_run: u64, attempts: u32, run_number: u64) -> u64 {
    let wait = 1_u64.checked_shl(attempts.saturating_sub(1)).unwrap_or(u64::MAX);
    first_run.saturating_add(wait).max(run_number + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_rows_come_back_in_runs_1_2_4_8_after_the_refusal() {
        let mut due = Vec::new();
        let (first, mut run) = (7, 7);
        for attempts in 1..=5 {
            run = next_run(first, attempts, run);
            due.push(run - first);
        }
        assert_eq!(due, [1, 2, 4, 8, 16]);
        assert_eq!(next_run(1, 70, 9), u64::MAX);
        assert_eq!(next_run(1, 2, 30), 31, "a late attempt is not repeated in its own run");
    }
}
