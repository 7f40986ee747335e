//! From a delta to what is done with each of its rows, in phases that follow one another.

use std::collections::{BTreeMap, HashSet};

use outflow_connectors::contract::Verb;

use super::claims::claims;
use super::narrow;
use super::planned::{
    Farewell, HeldRow, Item, Items, Phase, Plan, Purpose, Rules, is_absent, record, removal,
};
use super::rank::{Rank, rank, rank_of};
use super::waits::{Order, Waits};
use crate::error::Result;
use crate::ledger::{Detail, KeyHash, RecordHash, Refusal};
use crate::project::{Mode, OnMatchChange};
use crate::sync::diff::{Candidate, Class, Delta, Dirty, Head};
use crate::sync::known::{Known, Memory};
use crate::sync::spool::CHUNK;

/// Plans the whole delta; marks in it which candidates go with the others of their kind.
///
/// # Errors
/// When the ledger, or what the delta spilled, cannot be read.
pub fn plan(delta: &mut Delta, memory: &Memory<'_>, known: &Known, rules: &Rules) -> Result<Plan> {
    let moved = !known.moved.is_empty() || !known.found.is_empty();
    if moved || !delta.vanished.is_empty() || !delta.vanished_dirty.is_empty() {
        delta.destinations.seal();
    }
    narrow::mark(delta, memory, rules)?;
    let claims = claims(delta, memory, known, rules)?;
    let waits = Waits::planned(delta, known, &claims)?;
    let mut planner = Planner {
        delta,
        known,
        rules,
        contested: claims.contested,
        reserved: HashSet::new(),
        plan: Plan::default(),
        waits,
        stages: BTreeMap::new(),
        bulk: 0,
        narrow: 0,
        removals: 0,
    };
    planner.candidates(memory)?;
    planner.count();
    planner.removals(memory)?;
    planner.limit();
    Ok(planner.assemble())
}

struct Planner<'a> {
    delta: &'a mut Delta,
    known: &'a Known,
    rules: &'a Rules,
    /// Vanished rows whose objects are not taken over by the row that comes to their destination key.
    contested: HashSet<KeyHash>,
    /// Rows whose destination key a held row comes to.
    reserved: HashSet<KeyHash>,
    plan: Plan,
    waits: Waits,
    stages: BTreeMap<Rank, Vec<Item>>,
    /// Candidates marked as bulk.
    bulk: u64,
    /// Those of which only the fields that changed are sent.
    narrow: u64,
    /// Vanished rows to be removed.
    removals: u64,
}

impl Planner<'_> {
    fn count(&mut self) {
        let counts = &mut self.plan.counts;
        counts.rows_read = self.delta.rows;
        counts.invalid = self.delta.invalid();
        counts.duplicates = self.delta.duplicates_dropped;
        counts.unchanged = self.delta.unchanged() + self.delta.candidates.count(Class::Rebase);
        counts.added = self.delta.candidates.count(Class::Add);
        counts.changed = self.delta.candidates.count(Class::Change);
        counts.removed += self.delta.vanished.len();
    }

    fn candidates(&mut self, memory: &Memory<'_>) -> Result<()> {
        for start in (0..self.delta.candidates.len()).step_by(CHUNK) {
            let candidates = self.delta.candidates.slice(start, CHUNK)?;
            let keys: Vec<KeyHash> = candidates.iter().map(|c| c.head.key).collect();
            let refusals = memory.refusals(&keys)?;
            let open = |c: &&Candidate| !c.sent && matches!(c.class, Class::Add | Class::Change);
            for candidate in candidates.iter().filter(open) {
                let refusal = refusals.get(&candidate.head.key);
                if self.is_owed(candidate, refusal) {
                    self.delta.candidates.set_owed(candidate.seq);
                }
                self.candidate(candidate, refusal);
            }
        }
        Ok(())
    }

    fn candidate(&mut self, candidate: &Candidate, refusal: Option<&Refusal>) {
        let key = candidate.head.key;
        if self.known.unclear.contains(&key) {
            let message = "nobody can tell whether its create happened".to_owned();
            return self.hold(candidate, refusal, (UNCLEAR, message));
        }
        if !self.is_due(key, candidate.head.fingerprint, refusal) {
            return;
        }
        let after = match self.waits.of(&key) {
            Order::Free => None,
            Order::After(holder) => Some(holder),
            Order::Cycle => {
                let message =
                    "its new match key belongs to a row that wants another row's key in turn".to_owned();
                return self.hold(candidate, refusal, ("OF-RUN-032", message));
            }
        };
        if let Some(detail) = self.known.moved.get(&key) {
            return self.moved(candidate, (detail, refusal), after);
        }
        match (self.known.found.get(&key), after) {
            (None, None) => {
                self.delta.candidates.set_bulk(candidate.seq, true);
                *if candidate.narrow { &mut self.narrow } else { &mut self.bulk } += 1;
            }
            (found, after) => {
                let verb = match (self.rules.verb(), found) {
                    (Verb::Upsert, Some(_)) => Verb::Update,
                    (verb, _) => verb,
                };
                let after = Vec::from_iter(after);
                let mut item = Item { after, ..record(candidate, verb, found.cloned(), (None, refusal)) };
                if let Some(old) = found.and_then(|id| self.stale_member(key, id)) {
                    item.after.push(key);
                    if !self.goes_first(old, refusal) {
                        return;
                    }
                }
                self.push(item);
            }
        }
    }

    /// The member that a lost answer may have put on the list under the row's former match key.
    fn stale_member(&self, key: KeyHash, id: &str) -> Option<Item> {
        let lost = self.delta.dirty.get(&key)?.intents.last()?;
        let is_live = self.delta.destinations.contains(lost.destination_hash);
        let detail = lost.detail(Some(id.to_owned()));
        let is_stale = self.rules.mode == Mode::Audience && !is_live;
        is_stale.then(|| removal(key, &detail, (Purpose::Replace, self.rules.removing())))
    }

    /// The row's match key is another one than the destination knows it by.
    fn moved(
        &mut self,
        candidate: &Candidate,
        (detail, refusal): (&Detail, Option<&Refusal>),
        after: Option<KeyHash>,
    ) {
        let (known, after) = ((Some(detail), refusal), Vec::from_iter(after));
        match (self.rules.on_match_change, &detail.remote_id) {
            (OnMatchChange::Update, Some(id)) => {
                // The object is not there any more: it is made again.
                let is_gone = refusal.is_some_and(|refusal| is_absent(&refusal.code));
                let item = match self.rules.verb() {
                    Verb::Upsert if is_gone => record(candidate, Verb::Upsert, None, known),
                    _ => record(candidate, Verb::Update, Some(id.clone()), known),
                };
                self.push(Item { after, narrow: candidate.narrow, ..item });
            }
            (OnMatchChange::Replace, _) => {
                let verb = self.rules.replacing();
                let taken = self.delta.destinations.contains(detail.destination_hash);
                let mut item = Item { after, ..record(candidate, verb, None, known) };
                if self.rules.lets_go_of(detail) && !taken {
                    let (_, verb) = self.rules.farewell();
                    let old = removal(candidate.head.key, detail, (Purpose::Replace, verb));
                    self.plan.deletes += 1;
                    // Acknowledging the record closes the key: the old object must be known to be gone by then.
                    item.after.push(candidate.head.key);
                    if !self.goes_first(old, refusal) {
                        return;
                    }
                }
                self.push(item);
            }
            (OnMatchChange::Update, None) => {
                let message = "its match key changed, and the object's id is not known".to_owned();
                self.hold(candidate, refusal, ("OF-RUN-031", message));
            }
            (OnMatchChange::Hold, _) => {
                let message = "its match key changed (`on_match_change: hold`)".to_owned();
                self.hold(candidate, refusal, ("OF-RUN-030", message));
            }
        }
    }

    /// Has an old object let go of before the row's record is sent. Where that was refused and its turn has not come, the
    /// record waits with it.
    fn goes_first(&mut self, old: Item, refusal: Option<&Refusal>) -> bool {
        let refusal = refusal.filter(|refusal| refusal.record == old.record);
        let is_due = self.is_due(old.key, old.record, refusal);
        if is_due {
            self.push(Item { refusal: refusal.cloned().map(Box::new), ..old });
        }
        is_due
    }

    fn hold(
        &mut self,
        candidate: &Candidate,
        refusal: Option<&Refusal>,
        (code, message): (&'static str, String),
    ) {
        if let Order::After(holder) = self.waits.of(&candidate.head.key) {
            self.reserved.insert(holder);
        }
        let is_same = |r: &Refusal| r.parked && r.record == candidate.head.fingerprint && r.code == code;
        let shown = refusal.is_some_and(is_same);
        self.plan.counts.parked += 1;
        self.plan.held.push(HeldRow { candidate: *candidate, code, message, shown });
    }

    /// A refused record waits for its turn, and a parked one for an edit; an unsettled key is sent in any case.
    fn is_due(&mut self, key: KeyHash, record: RecordHash, refusal: Option<&Refusal>) -> bool {
        let Some(refusal) = refusal else { return true };
        // What was held here, and not refused there, is judged anew in every run.
        if HELD.contains(&refusal.code.as_str()) {
            return true;
        }
        let same = self.is_same(record, refusal);
        let unsettled = self.delta.dirty.contains_key(&key) && !self.known.refused_since.contains(&key);
        if !same || unsettled {
            return true;
        }
        if refusal.parked {
            self.plan.counts.parked += 1;
            return false;
        }
        if refusal.next_run > self.rules.run_number {
            self.plan.counts.pending += 1;
            self.plan.waiting += 1;
            return false;
        }
        true
    }

    /// An earlier run has sent this very record, or found that it must not.
    fn is_owed(&self, candidate: &Candidate, refusal: Option<&Refusal>) -> bool {
        let Head { key, fingerprint, .. } = candidate.head;
        let is_lost = |dirty: &Dirty| dirty.intents.iter().any(|intent| intent.record == fingerprint);
        self.delta.dirty.get(&key).is_some_and(is_lost)
            || refusal.is_some_and(|refusal| self.is_same(fingerprint, refusal))
    }

    fn is_same(&self, record: RecordHash, refusal: &Refusal) -> bool {
        refusal.record == record && refusal.mapping == self.rules.mapping
    }

    fn removals(&mut self, memory: &Memory<'_>) -> Result<()> {
        for start in (0..self.delta.vanished.len()).step_by(CHUNK) {
            let keys = self.delta.vanished.slice(start, CHUNK)?;
            let (details, refusals) = (memory.details(&keys)?, memory.refusals(&keys)?);
            for key in keys {
                let farewell = self.vanished(key, details.get(&key), refusals.get(&key));
                self.removals += u64::from(farewell == Farewell::Remove);
                self.plan.farewells.push(farewell);
            }
        }
        self.plan.tell_stranded();
        self.plan.lets_go = true;
        for key in self.delta.vanished_dirty.clone() {
            self.vanished_dirty(key);
        }
        Ok(())
    }

    fn vanished(&mut self, key: KeyHash, detail: Option<&Detail>, refusal: Option<&Refusal>) -> Farewell {
        let Some(detail) = detail.filter(|detail| self.rules.lets_go_of(detail)) else {
            return self.plan.left(self.rules.strands(detail, self.delta));
        };
        let contested = self.contested.contains(&key);
        let taken = detail.destination_hash != 0 && self.delta.destinations.contains(detail.destination_hash);
        if taken && !contested {
            return Farewell::Released;
        }
        self.plan.deletes += 1;
        if self.reserved.contains(&key) || !self.is_due(key, RecordHash::REMOVED, refusal) {
            return Farewell::Wait;
        }
        if !contested || !self.rules.removes() {
            return Farewell::Remove;
        }
        let item = removal(key, detail, (Purpose::Replace, self.rules.removing()));
        self.push(Item { refusal: refusal.cloned().map(Box::new), ..item });
        Farewell::RemoveFirst
    }

    /// An add whose answer was lost and whose row is gone: whatever it left is removed.
    fn vanished_dirty(&mut self, key: KeyHash) {
        if self.known.unclear.contains(&key) {
            return;
        }
        // Nobody knows whether the lost request created the object.
        let removes = self.rules.removes() && self.rules.is_in_scope(&Detail::default());
        let contested = self.contested.contains(&key);
        let purpose = if contested { Purpose::Replace } else { Purpose::Remove };
        let Some(dirty) = self.delta.dirty.get(&key).filter(|_| removes) else {
            return self.plan.forget_dirty.push(key);
        };
        let mut sent = HashSet::new();
        let mut items = Vec::new();
        for intent in &dirty.intents {
            let hash = intent.destination_hash;
            let taken = hash != 0 && !contested && self.delta.destinations.contains(hash);
            if taken || !sent.insert(hash) {
                continue;
            }
            let detail = intent.detail(intent.remote_id.clone());
            items.push(removal(key, &detail, (purpose, self.rules.removing())));
        }
        if items.is_empty() {
            return self.plan.forget_dirty.push(key);
        }
        items.into_iter().for_each(|item| self.push(item));
        self.plan.counts.removed += 1;
        self.plan.deletes += 1;
    }

    /// A limited run or an unreadable key leaves every removal for another run.
    fn limit(&mut self) {
        if self.rules.limit.is_some() || self.delta.unreadable_keys() > 0 {
            let all = || self.stages.values().flatten();
            let replaced: HashSet<KeyHash> =
                all().filter(|item| item.purpose == Purpose::Replace).map(|item| item.key).collect();
            let removals = self.drain(|item| item.purpose != Purpose::Deliver) + self.removals;
            let follows = |item: &Item| item.after.iter().any(|key| replaced.contains(key));
            let records = self.drain(|item| replaced.contains(&item.key) || follows(item));
            self.removals = 0;
            self.plan.counts.pending += removals + records;
            self.plan.lets_go = false;
            if removals > 0 && self.delta.unreadable_keys() > 0 {
                let rows = self.delta.unreadable_keys();
                self.plan
                    .notes
                    .push(format!("{removals} removals wait: the key of {rows} rows cannot be read"));
            }
        }
    }

    fn drain(&mut self, out: impl Fn(&Item) -> bool) -> u64 {
        let mut drained = 0;
        for items in self.stages.values_mut() {
            let before = items.len();
            items.retain(|item| !out(item));
            drained += (before - items.len()) as u64;
        }
        drained
    }

    fn push(&mut self, item: Item) {
        self.plan.awaited.extend(&item.after);
        self.stages.entry(rank(&self.waits, &item)).or_default().push(item);
    }

    fn assemble(mut self) -> Plan {
        let mut phases: Vec<(Rank, Phase)> = Vec::new();
        for (rank, items) in self.stages {
            if !items.is_empty() {
                phases.push((rank, Phase { len: items.len() as u64, items: Items::Listed(items) }));
            }
        }
        let verb = self.rules.verb();
        let updates = rank_of(Purpose::Deliver, Verb::Update);
        phases.push((updates, Phase { len: self.narrow, items: Items::Narrow }));
        phases.push((rank_of(Purpose::Deliver, verb), Phase { len: self.bulk, items: Items::Bulk }));
        let (purpose, verb) = self.rules.farewell();
        phases.push((rank_of(purpose, verb), Phase { len: self.removals, items: Items::Removals }));
        phases.sort_by_key(|(rank, _)| *rank);
        let mut left = self.rules.limit.unwrap_or(u64::MAX);
        for (_, phase) in &mut phases {
            let kept = phase.len.min(left);
            self.plan.counts.pending += phase.len - kept;
            left -= kept;
            phase.len = kept;
        }
        self.plan.phases = phases.into_iter().map(|(_, phase)| phase).filter(|phase| phase.len > 0).collect();
        self.plan
    }
}

/// Of creates whose outcome only a person can tell.
pub const UNCLEAR: &str = "OF-RUN-033";

/// Codes of rows that were not sent because of what this plan found.
pub const HELD: [&str; 4] = ["OF-RUN-030", "OF-RUN-031", "OF-RUN-032", UNCLEAR];
