//! Rows that wait for another row to give up its destination key.

use std::collections::HashMap;

use super::claims::Claims;
use crate::error::Result;
use crate::ledger::KeyHash;
use crate::sync::diff::{Candidate, Class, Delta};
use crate::sync::known::Known;

/// Who waits for whom.
#[derive(Debug, Default)]
pub struct Waits {
    waits_for: HashMap<KeyHash, KeyHash>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Free,
    /// Only once this key was delivered.
    After(KeyHash),
    /// It waits, in the end, for itself, or for rows that do.
    Cycle,
}

impl Waits {
    pub fn new(waits_for: HashMap<KeyHash, KeyHash>) -> Self {
        Waits { waits_for }
    }

    /// Rows whose match key changed are ordered so that a key is free before another row takes it.
    pub fn planned(delta: &Delta, known: &Known, claims: &Claims) -> Result<Self> {
        let mut waits_for = claims.waits_for.clone();
        if !known.moved.is_empty() {
            let old: HashMap<u64, KeyHash> =
                known.moved.iter().map(|(key, detail)| (detail.destination_hash, *key)).collect();
            for chunk in delta.candidates.chunks() {
                let open = |c: &&Candidate| !c.sent && matches!(c.class, Class::Add | Class::Change);
                for candidate in chunk?.iter().filter(open) {
                    match old.get(&candidate.head.destination_hash) {
                        Some(holder) if *holder != candidate.head.key => {
                            waits_for.insert(candidate.head.key, *holder);
                        }
                        _ => {}
                    }
                }
            }
        }
        Ok(Waits::new(waits_for))
    }

    pub fn of(&self, key: &KeyHash) -> Order {
        match (self.waits_for.get(key), self.steps(key)) {
            (None, _) => Order::Free,
            (Some(holder), Some(_)) => Order::After(*holder),
            (Some(_), None) => Order::Cycle,
        }
    }

    /// How many rows must go before; 0 for those in a cycle, which are not sent.
    pub fn depth(&self, key: &KeyHash) -> usize {
        self.steps(key).unwrap_or(0)
    }

    fn steps(&self, key: &KeyHash) -> Option<usize> {
        let mut steps = 0;
        let mut next = key;
        while let Some(holder) = self.waits_for.get(next) {
            steps += 1;
            next = holder;
            if steps > self.waits_for.len() {
                return None;
            }
        }
        Some(steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_are_ordered_and_cycles_found() {
        let key = |n: u8| KeyHash([n; 16]);
        let waits = Waits::new(HashMap::from([
            (key(1), key(2)),
            (key(2), key(3)),
            (key(5), key(6)),
            (key(6), key(5)),
            (key(7), key(5)),
        ]));
        assert_eq!(waits.of(&key(3)), Order::Free);
        assert_eq!(waits.of(&key(1)), Order::After(key(2)));
        assert_eq!((waits.depth(&key(1)), waits.depth(&key(2)), waits.depth(&key(3))), (2, 1, 0));
        for n in [5, 6, 7] {
            assert_eq!(waits.of(&key(n)), Order::Cycle);
        }
    }
}
