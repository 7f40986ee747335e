//! Rows that wait for another row to give up its destination key. Pure.

use std::collections::HashMap;

use crate::ledger::KeyHash;

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
