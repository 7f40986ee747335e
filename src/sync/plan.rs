//! Delta x Rules -> Plan: what will be sent, in which order, and what is left alone and why. Pure; a preview stops here.

use std::collections::{BTreeMap, HashSet};

use outflow_connectors::contract::Verb;

use super::diff::{Candidate, Class, Delta};
use super::planned::{HeldRow, Item, Known, Phase, Plan, Purpose, Rules};
use super::waves::{Order, Waves};
use crate::ledger::{Detail, KeyHash, RecordHash};
use crate::project::{DeleteScope, Mode, OnDelete, OnMatchChange};

/// Plans the whole delta.
pub fn plan(delta: &Delta, known: &Known, rules: &Rules) -> Plan {
    let mut planner = Planner {
        delta,
        known,
        rules,
        plan: Plan::default(),
        waves: Waves::default(),
        stages: BTreeMap::new(),
    };
    planner.count();
    planner.order();
    for candidate in &delta.candidates {
        planner.candidate(candidate);
    }
    planner.removals();
    planner.limit();
    planner.assemble()
}

struct Planner<'a> {
    delta: &'a Delta,
    known: &'a Known,
    rules: &'a Rules,
    plan: Plan,
    waves: Waves,
    stages: BTreeMap<Rank, Vec<Item>>,
}

impl Planner<'_> {
    fn count(&mut self) {
        let counts = &mut self.plan.counts;
        counts.rows_read = self.delta.rows;
        counts.invalid = self.delta.invalid();
        counts.duplicates = self.delta.duplicates_dropped;
        counts.unchanged = self.delta.unchanged;
        for candidate in &self.delta.candidates {
            match candidate.class {
                Class::Add => counts.added += 1,
                Class::Change => counts.changed += 1,
                Class::Rebase => counts.unchanged += 1,
                Class::Dropped => {}
            }
        }
    }

    /// Rows whose match key changed are ordered so that a key is free before another row takes it.
    fn order(&mut self) {
        let live = |c: &&Candidate| matches!(c.class, Class::Add | Class::Change);
        let moved: HashSet<KeyHash> =
            self.delta.candidates.iter().filter(live).filter(|c| self.is_moved(c)).map(|c| c.key).collect();
        if moved.is_empty() {
            return;
        }
        let waits_for = self.delta.candidates.iter().filter(live).filter_map(|candidate| {
            let holder = *self.known.holders.get(&candidate.destination_hash)?;
            (holder != candidate.key && moved.contains(&holder)).then_some((candidate.key, holder))
        });
        self.waves = Waves::new(waits_for.collect());
    }

    fn is_moved(&self, candidate: &Candidate) -> bool {
        candidate.class == Class::Change
            && self
                .known
                .details
                .get(&candidate.key)
                .is_some_and(|d| d.destination_hash != 0 && d.destination_hash != candidate.destination_hash)
    }

    fn candidate(&mut self, candidate: &Candidate) {
        match candidate.class {
            Class::Dropped => return,
            Class::Rebase => return self.plan.rebase.push(*candidate),
            Class::Add | Class::Change => {}
        }
        if self.known.unclear.contains(&candidate.key) {
            let message = "nobody can tell whether its create happened".to_owned();
            return self.hold(candidate, "OF-RUN-033", message);
        }
        if !self.is_due(candidate.key, candidate.fingerprint) {
            return;
        }
        let after = match self.waves.of(&candidate.key) {
            Order::Free => None,
            Order::After(holder) => Some(holder),
            Order::Cycle => {
                let message =
                    "its new match key belongs to a row that wants another row's key in turn".to_owned();
                return self.hold(candidate, "OF-RUN-032", message);
            }
        };
        match self.is_moved(candidate) {
            true => self.moved(candidate, after),
            false => self.deliver(candidate, after),
        }
    }

    fn deliver(&mut self, candidate: &Candidate, after: Option<KeyHash>) {
        let found = self.known.found.get(&candidate.key);
        let verb = match self.rules.mode {
            Mode::Insert => Verb::Create,
            Mode::Update => Verb::Update,
            _ if found.is_some() => Verb::Update,
            Mode::Upsert | Mode::Mirror | Mode::Audience => Verb::Upsert,
        };
        let known = self.known.details.get(&candidate.key).and_then(|d| d.remote_id.clone());
        let item = self.item(candidate, verb, found.cloned().or(known), after);
        self.push(item);
    }

    /// The row's match key is another one than the destination knows it by.
    fn moved(&mut self, candidate: &Candidate, after: Option<KeyHash>) {
        let Some(detail) = self.known.details.get(&candidate.key) else { return };
        match (self.rules.on_match_change, &detail.remote_id) {
            (OnMatchChange::Update, Some(id)) => {
                let item = self.item(candidate, Verb::Update, Some(id.clone()), after);
                self.push(item);
            }
            (OnMatchChange::Replace, _) => {
                let verb = if self.rules.mode == Mode::Update { Verb::Update } else { Verb::Upsert };
                let removes = matches!(self.rules.on_delete, OnDelete::Delete | OnDelete::Archive);
                let taken = self.delta.holders.holder(detail.destination_hash).is_some();
                let mut item = self.item(candidate, verb, None, after);
                if removes && !taken && has_address(detail) && !self.is_out_of_scope(Some(detail)) {
                    let old = removal(candidate.key, detail, Purpose::Replace, Verb::Delete);
                    self.plan.deletes += 1;
                    self.push(old);
                    // Acknowledging the record closes the key: the old object must be known to be gone by then.
                    item.after = after.or(Some(candidate.key));
                }
                self.push(item);
            }
            (OnMatchChange::Update, None) => {
                let message = "its match key changed, and the object's id is not known".to_owned();
                self.hold(candidate, "OF-RUN-031", message);
            }
            (OnMatchChange::Hold, _) => {
                self.hold(
                    candidate,
                    "OF-RUN-030",
                    "its match key changed (`on_match_change: hold`)".to_owned(),
                );
            }
        }
    }

    fn item(
        &self,
        candidate: &Candidate,
        verb: Verb,
        remote_id: Option<String>,
        after: Option<KeyHash>,
    ) -> Item {
        Item {
            key: candidate.key,
            verb,
            purpose: Purpose::Deliver,
            record: candidate.fingerprint,
            place: Some(candidate.place),
            remote_id,
            destination_hash: candidate.destination_hash,
            destination_key: None,
            key_text: None,
            after,
            first_attempt: !self.known.refusals.contains_key(&candidate.key),
        }
    }

    fn hold(&mut self, candidate: &Candidate, code: &'static str, message: String) {
        self.plan.counts.parked += 1;
        self.plan.held.push(HeldRow { candidate: *candidate, code, message });
    }

    /// A refused record waits for its turn, and a parked one for an edit; an unsettled key is sent in any case.
    fn is_due(&mut self, key: KeyHash, record: RecordHash) -> bool {
        let Some(refusal) = self.known.refusals.get(&key) else { return true };
        // What was held here, and not refused there, is judged anew in every run.
        if HELD.contains(&refusal.code.as_str()) {
            return true;
        }
        let same = refusal.record == record && refusal.mapping == self.rules.mapping;
        if !same || self.delta.dirty.contains_key(&key) {
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

    fn removals(&mut self) {
        for &key in &self.delta.vanished {
            self.plan.counts.removed += 1;
            self.plan.removed.push(key);
            self.vanished(key);
        }
        for key in self.delta.vanished_dirty.clone() {
            self.vanished_dirty(key);
        }
    }

    fn vanished(&mut self, key: KeyHash) {
        let detail = self.known.details.get(&key);
        let Some(detail) = detail.filter(|d| has_address(d)) else {
            return self.plan.gone.push(key);
        };
        if self.rules.on_delete == OnDelete::Ignore || self.is_out_of_scope(Some(detail)) {
            return self.plan.gone.push(key);
        }
        if detail.destination_hash != 0 && self.delta.holders.holder(detail.destination_hash).is_some() {
            return self.plan.released.push(key);
        }
        self.plan.deletes += 1;
        if self.is_due(key, RecordHash::REMOVED) {
            let item = match self.rules.on_delete {
                OnDelete::Clear => removal(key, detail, Purpose::Clear, Verb::Update),
                _ => removal(key, detail, Purpose::Remove, Verb::Delete),
            };
            self.push(item);
        }
    }

    /// Whether `delete_scope: created` spares the object.
    fn is_out_of_scope(&self, detail: Option<&Detail>) -> bool {
        let created = detail.and_then(|detail| detail.created);
        self.rules.delete_scope == DeleteScope::Created && created != Some(true)
    }

    /// An add whose answer was lost and whose row is gone: whatever it left is removed.
    fn vanished_dirty(&mut self, key: KeyHash) {
        if self.known.unclear.contains(&key) {
            return;
        }
        // Nobody knows whether the lost request created the object.
        let removes = matches!(self.rules.on_delete, OnDelete::Delete | OnDelete::Archive)
            && !self.is_out_of_scope(None);
        let Some(dirty) = self.delta.dirty.get(&key).filter(|_| removes) else {
            return self.plan.forget_dirty.push(key);
        };
        let mut sent = HashSet::new();
        for intent in &dirty.intents {
            let taken = self.delta.holders.holder(intent.destination_hash).is_some();
            if taken || !sent.insert(intent.destination_hash) {
                continue;
            }
            let detail = Detail {
                key: Some(intent.key_text.clone()),
                remote_id: intent.remote_id.clone(),
                destination_hash: intent.destination_hash,
                destination_key: Some(intent.destination_key.clone()),
                ..Detail::default()
            };
            self.push(removal(key, &detail, Purpose::Remove, Verb::Delete));
        }
        if sent.is_empty() {
            self.plan.forget_dirty.push(key);
        } else {
            self.plan.counts.removed += 1;
            self.plan.deletes += 1;
        }
    }

    /// A limited run or an unreadable key leaves every removal for another run.
    fn limit(&mut self) {
        if self.rules.limit.is_some() || self.delta.unreadable_keys > 0 {
            let all = || self.stages.values().flatten();
            let replaced: HashSet<KeyHash> =
                all().filter(|item| item.purpose == Purpose::Replace).map(|item| item.key).collect();
            let removals = self.drain(|item| item.purpose != Purpose::Deliver);
            let records = self.drain(|item| replaced.contains(&item.key));
            self.plan.counts.pending += removals + records;
            self.plan.gone.clear();
            if removals > 0 && self.delta.unreadable_keys > 0 {
                let rows = self.delta.unreadable_keys;
                self.plan
                    .notes
                    .push(format!("{removals} removals wait: the key of {rows} rows cannot be read"));
            }
        }
        if let Some(limit) = self.rules.limit {
            let mut left = limit as usize;
            for items in self.stages.values_mut() {
                let kept = items.len().min(left);
                self.plan.counts.pending += (items.len() - kept) as u64;
                items.truncate(kept);
                left -= kept;
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
        self.stages.entry(rank(&self.waves, &item)).or_default().push(item);
    }

    fn assemble(mut self) -> Plan {
        let filled = self.stages.into_values().filter(|items| !items.is_empty());
        self.plan.phases = filled.map(|items| Phase { verb: items[0].verb, items }).collect();
        self.plan
    }
}

/// Stage, wave, verb: phases follow one another in this order.
type Rank = (u8, usize, u8);

/// Replaced objects go first, then records wave by wave, removals last.
fn rank(waves: &Waves, item: &Item) -> Rank {
    let stage = match item.purpose {
        Purpose::Replace => 0,
        Purpose::Deliver => 1,
        Purpose::Clear => 2,
        Purpose::Remove => 3,
    };
    let verb = match item.verb {
        Verb::Update => 0,
        Verb::Upsert => 1,
        Verb::Create => 2,
        Verb::Delete => 3,
    };
    (stage, waves.depth(&item.key), verb)
}

/// Codes of rows that were not sent because of what this plan found.
const HELD: [&str; 4] = ["OF-RUN-030", "OF-RUN-031", "OF-RUN-032", "OF-RUN-033"];

/// Whether the destination can be told which object is meant.
fn has_address(detail: &Detail) -> bool {
    detail.remote_id.is_some() || detail.destination_key.is_some()
}

fn removal(key: KeyHash, detail: &Detail, purpose: Purpose, verb: Verb) -> Item {
    Item {
        key,
        verb,
        purpose,
        record: RecordHash::REMOVED,
        place: None,
        remote_id: detail.remote_id.clone(),
        destination_hash: detail.destination_hash,
        destination_key: detail.destination_key.clone(),
        key_text: detail.key.clone(),
        after: None,
        first_attempt: true,
    }
}
