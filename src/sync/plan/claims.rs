//! Rows that come to a destination key at which a vanished row's object is. A row that brings its own object along
//! cannot take that one over, so it has to go first; the same holds where nobody knows which key the object bears.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::planned::Rules;
use crate::error::Result;
use crate::ledger::{Detail, KeyHash};
use crate::project::{OnDelete, OnMatchChange};
use crate::sync::diff::{Class, Delta};
use crate::sync::known::{Known, Memory};
use crate::sync::spool::CHUNK;

/// Who claims what.
#[derive(Debug, Default)]
pub struct Claims {
    /// The vanished row whose object has to go before this row comes.
    pub waits_for: HashMap<KeyHash, KeyHash>,
    /// Vanished rows whose objects nobody takes over, although a row comes to their destination key.
    pub contested: HashSet<KeyHash>,
}

/// What the claims are found in.
struct Search<'a> {
    delta: &'a Delta,
    known: &'a Known,
    rules: &'a Rules,
    /// All destination keys that the object of an unsettled row may bear, where they are several.
    unsure: HashMap<KeyHash, BTreeSet<u64>>,
    /// Rows by the destination key they come to, and whether they bring their own object.
    comers: HashMap<u64, (KeyHash, bool)>,
    claims: Claims,
}

/// # Errors
/// When the ledger, or what the delta spilled, cannot be read.
pub fn claims(delta: &Delta, memory: &Memory<'_>, known: &Known, rules: &Rules) -> Result<Claims> {
    let vanished = !delta.vanished.is_empty() || !delta.vanished_dirty.is_empty();
    let moving = !known.moved.is_empty() || !known.found.is_empty() || !delta.dirty.is_empty();
    if !vanished || !moving || rules.on_delete == OnDelete::Ignore {
        return Ok(Claims::default());
    }
    let unsure = unsure(delta, memory)?;
    let mut search =
        Search { delta, known, rules, unsure, comers: HashMap::new(), claims: Claims::default() };
    search.comers()?;
    for chunk in delta.vanished.chunks() {
        for (key, detail) in memory.details(&chunk?.1)? {
            if rules.lets_go_of(&detail) {
                search.vanished(key, detail.destination_hash);
            }
        }
    }
    delta.vanished_dirty.iter().for_each(|key| search.lost(*key));
    Ok(search.claims)
}

fn unsure(delta: &Delta, memory: &Memory<'_>) -> Result<HashMap<KeyHash, BTreeSet<u64>>> {
    let keys: Vec<KeyHash> = delta.dirty.keys().copied().collect();
    let mut unsure = HashMap::new();
    for chunk in keys.chunks(CHUNK) {
        for (key, detail) in memory.details(chunk)? {
            let mut hashes = lost_hashes(delta, key);
            hashes.insert(detail.destination_hash);
            if hashes.len() > 1 {
                unsure.insert(key, hashes);
            }
        }
    }
    Ok(unsure)
}

/// Destination keys of the batches of which nobody knows whether they had an effect.
fn lost_hashes(delta: &Delta, key: KeyHash) -> BTreeSet<u64> {
    let intents = delta.dirty.get(&key).map_or(&[][..], |dirty| &dirty.intents);
    intents.iter().map(|intent| intent.destination_hash).collect()
}

impl Search<'_> {
    fn comers(&mut self) -> Result<()> {
        let may_bear: HashSet<u64> = self.unsure.values().flatten().copied().collect();
        for chunk in self.delta.candidates.chunks() {
            for candidate in chunk?.iter().filter(|c| matches!(c.class, Class::Add | Class::Change)) {
                let (key, hash) = (candidate.head.key, candidate.head.destination_hash);
                let brings = self.brings_its_object(&key);
                if hash != 0 && (brings || may_bear.contains(&hash)) {
                    self.comers.insert(hash, (key, brings));
                }
            }
        }
        Ok(())
    }

    fn brings_its_object(&self, key: &KeyHash) -> bool {
        let moves = self.rules.on_match_change != OnMatchChange::Replace;
        self.known.found.contains_key(key) || (moves && self.known.moved.contains_key(key))
    }

    fn vanished(&mut self, key: KeyHash, hash: u64) {
        match self.unsure.get(&key) {
            Some(hashes) => self.contest(key, &hashes.clone(), true),
            None => self.contest(key, &BTreeSet::from([hash]), false),
        }
    }

    /// A row that only an unsettled batch knows.
    fn lost(&mut self, key: KeyHash) {
        let removes = self.rules.removes() && self.rules.is_in_scope(&Detail::default());
        if removes && !self.known.unclear.contains(&key) {
            self.contest(key, &lost_hashes(self.delta, key), false);
        }
    }

    fn contest(&mut self, key: KeyHash, hashes: &BTreeSet<u64>, unsure: bool) {
        let comers: Vec<(KeyHash, bool)> =
            hashes.iter().filter_map(|hash| self.comers.get(hash)).copied().collect();
        if comers.iter().any(|(_, brings)| unsure || *brings) {
            self.claims.contested.insert(key);
            if self.rules.removes() {
                self.claims.waits_for.extend(comers.into_iter().map(|(comer, _)| (comer, key)));
            }
        }
    }
}
