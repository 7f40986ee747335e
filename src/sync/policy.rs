//! What the mapping and the command line ask of one run, in the terms of the stages that obey it.

use std::collections::BTreeMap;

use outflow_connectors::contract::{Bulk, RateLimit, Verb};

use super::backfill::Pace;
use super::bookkeeping;
use super::context::Context;
use super::deliver::{Cleared, Keeping, Shape};
use super::diff::Delta;
use super::known::Memory;
use super::plan::{Plan, Rules, Volume, judge, with_examples};
use super::run::Work;
use super::spec::digest;
use super::state::OpenRun;
use crate::error::{Error, Result};
use crate::project::{Extent, Guards, OnDelete};

/// The rate of the run's own requests: the lower of the mapping's and a backfill's.
pub(super) fn rate(context: &Context<'_>) -> Option<RateLimit> {
    let own = context.sync.delivery.rate;
    let Some(Pace::Rate(asked)) = context.options.backfill.as_ref().map(|asked| asked.pace) else {
        return own;
    };
    let per_second = |rate: &RateLimit| f64::from(rate.requests) / rate.per.as_secs_f64();
    Some(own.filter(|own| per_second(own) < per_second(&asked)).unwrap_or(asked))
}

impl Work<'_> {
    pub(super) fn rules(&self) -> Rules {
        let sync = self.context.sync;
        Rules {
            mode: sync.mode,
            on_delete: sync.on_delete,
            delete_scope: sync.delete_scope,
            on_match_change: sync.on_match_change,
            // A backfill has no removals at all; how much it sends it counts itself.
            limit: self.context.options.backfill.as_ref().map(|_| u64::MAX).or(self.context.options.limit),
            run_number: self.state.run_number,
            mapping: self.making(),
            narrows: self.narrows(),
            by_key: self.resolved.capabilities.changed_fields,
        }
    }

    /// Changes send only the fields that changed, unless something casts doubt on what the destination holds.
    pub(super) fn narrows(&self) -> bool {
        let all = self.full_refresh || self.context.options.backfill.is_some();
        self.extent() == Extent::Changed && !all && !self.is_retyped()
    }

    /// What of a change is sent, where nothing casts doubt on what the destination holds.
    fn extent(&self) -> Extent {
        let capabilities = &self.resolved.capabilities;
        self.context.sync.extent(capabilities.changed_fields && capabilities.supports(Verb::Update))
    }

    fn is_retyped(&self) -> bool {
        self.mappings.previous.iter().any(|older| self.resolved.spec.retypes(older))
    }

    /// What is to be said where an edit of the mapping has whole records sent: one row that is never acknowledged keeps it so.
    pub(super) fn widened(&self) -> Option<String> {
        let is_widened = self.extent() == Extent::Changed && self.is_retyped();
        is_widened.then(|| {
            "whole records are sent, although only what changed would be: a field has another type than before, and not \
             all rows were acknowledged since"
                .to_owned()
        })
    }

    /// How changes are cut where nobody knows how many there are.
    pub(super) fn shape(&self) -> Shape {
        self.shape_of(0)
    }

    /// Whether so many changes go by the destination's way for large deliveries.
    pub(super) fn bulk(&self, changes: u64) -> Option<&Bulk> {
        self.resolved.capabilities.bulk.as_ref().filter(|bulk| changes >= bulk.from)
    }

    /// How so many changes are cut.
    pub(super) fn shape_of(&self, changes: u64) -> Shape {
        let (capabilities, delivery) = (&self.resolved.capabilities, &self.context.sync.delivery);
        let (rows, bytes, in_flight) = match self.bulk(changes) {
            Some(bulk) => (bulk.batch_rows, Some(bulk.batch_bytes), bulk.in_flight),
            None => (capabilities.batch_rows, capabilities.batch_bytes, capabilities.in_flight),
        };
        let most = |limit: usize, asked: Option<usize>| asked.map_or(limit, |asked| asked.min(limit)).max(1);
        Shape {
            batch_rows: most(rows, delivery.batch_rows),
            batch_bytes: most(bytes.unwrap_or(8 << 20), delivery.batch_bytes),
            in_flight: most(in_flight, delivery.concurrency),
            rate: rate(self.context),
            max_rejected: self.context.sync.guards.max_rejected,
            links: self.resolved.target.associations.len(),
        }
    }

    pub(super) fn keeping(&self, open: &OpenRun) -> Keeping {
        let sync = self.context.sync;
        Keeping {
            keep: sync.keep,
            mode: sync.mode,
            removes: sync.on_delete != OnDelete::Ignore,
            max_attempts: sync.max_attempts,
            run_id: open.run_id.clone(),
            run_number: open.number,
            mapping: self.making(),
        }
    }

    /// Hash of all that the mapping says of how a row is made and sent: after an edit of it, a row that was refused may be
    /// taken. The destination's options are no part of fingerprints: after an edit of them, what was delivered stays so.
    pub(super) fn making(&self) -> String {
        let (mapping, options) = (&self.mappings.current.hash, &self.context.sync.destination.options);
        if options.is_empty() {
            return mapping.clone();
        }
        // In whatever order they stand.
        let options: BTreeMap<&str, String> =
            options.iter().map(|(name, value)| (name.as_str(), value.to_string())).collect();
        digest(&format!("{mapping} {options:?}"))
    }

    /// The guard that holds the run, if one does.
    ///
    /// # Errors
    /// When the ledger, or what the delta spilled, cannot be read.
    pub(super) fn guard(&self, delta: &Delta, plan: &Plan, memory: &Memory<'_>) -> Result<Option<Error>> {
        let ledger = self.state.ledger.as_ref();
        let note = |name| ledger.map(|ledger| ledger.note(name)).transpose().map(Option::flatten);
        let let_through = note(bookkeeping::QUERY)?;
        let volume = Volume {
            rows: delta.rows,
            added: plan.counts.added,
            changes: delta.candidates.changes(),
            vanished: delta.vanished.len(),
            deletes: if self.rules().limit.is_some() { 0 } else { plan.deletes },
            known: delta.live + delta.under_way,
            first_load: let_through.is_none() || note(bookkeeping::FIRST_LOAD)?.is_some(),
            query_edited: let_through.is_some_and(|hash| hash != bookkeeping::query_hash(self.context.sync)),
            full_refresh: self.full_refresh || self.context.options.backfill.is_some(),
        };
        judge(&self.guards(), &volume, &self.context.options.allow)
            .map(|held| with_examples(held, delta, memory))
            .transpose()
    }

    /// The sync's guards; where only the rows that moved are read, there need be none.
    pub(super) fn guards(&self) -> Guards {
        let guards = self.context.sync.guards;
        Guards { min_rows: if self.pass().is_part() { 0 } else { guards.min_rows }, ..guards }
    }

    /// What `on_delete: clear` empties, where that is asked for.
    pub(super) fn cleared(&self) -> Option<Cleared<'_>> {
        let current = &self.resolved.spec;
        (self.context.sync.on_delete == OnDelete::Clear).then(|| Cleared {
            acknowledged: self.mappings.acknowledged(current),
            current,
            catalog: &self.resolved.connected.catalog,
        })
    }
}
