//! Rows that share a key or a destination key, judged over the whole extract. Pure.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use crate::ledger::KeyHash;
use crate::project::OnDuplicateKey;

/// What the diff made of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    Unchanged,
    /// Index among the candidates.
    Candidate(usize),
    /// Index among the invalid rows.
    Invalid(usize),
}

/// One row of a group of duplicates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Twin {
    /// Counts the rows of the extract from 0.
    pub row: u64,
    pub key: KeyHash,
    pub seen: Seen,
}

/// Collects rows as they stream by.
#[derive(Default)]
pub struct Duplicates {
    keys: HashMap<KeyHash, Twin>,
    destinations: HashMap<u64, Twin>,
    /// Destination keys of invalid rows: no duplicates, but not free either.
    held: HashMap<u64, KeyHash>,
    key_groups: HashMap<KeyHash, Vec<Twin>>,
    destination_groups: HashMap<u64, Vec<Twin>>,
}

/// Which rows of the groups are not to be sent, each once.
#[derive(Debug, Default, PartialEq)]
pub struct Verdict {
    /// Dropped by `first` or `last`.
    pub dropped: Vec<Twin>,
    /// All rows of all groups, for `fail` and `reject`.
    pub refused: Vec<Twin>,
}

impl Duplicates {
    /// Takes the next row; `destination` is `None` for an invalid one.
    pub fn observe(&mut self, twin: Twin, destination: Option<u64>) {
        note(&mut self.keys, &mut self.key_groups, twin.key, twin);
        if let Some(hash) = destination {
            note(&mut self.destinations, &mut self.destination_groups, hash, twin);
        }
    }

    /// Whether a row of the source has this key.
    pub fn has(&self, key: &KeyHash) -> bool {
        self.keys.contains_key(key)
    }

    /// Takes note of the destination key that an invalid row has.
    pub fn hold(&mut self, destination: u64, key: KeyHash) {
        self.held.entry(destination).or_insert(key);
    }

    /// The live row that holds this destination key, an invalid one included.
    pub fn holder(&self, destination: u64) -> Option<KeyHash> {
        let valid = self.destinations.get(&destination).map(|twin| twin.key);
        valid.or_else(|| self.held.get(&destination).copied())
    }

    /// Judges all groups; the order of the result is that of the rows' keys, so that two runs say the same.
    pub fn judge(&self, policy: OnDuplicateKey) -> Verdict {
        let mut verdict = Verdict::default();
        let mut groups: Vec<&[Twin]> = self.key_groups.values().map(Vec::as_slice).collect();
        groups.extend(self.destination_groups.values().map(Vec::as_slice));
        groups.sort_by_key(|group| group[0].key);
        let mut judged = Vec::new();
        for group in groups {
            match policy {
                OnDuplicateKey::First => verdict.dropped.extend(&group[1..]),
                OnDuplicateKey::Last => verdict.dropped.extend(&group[..group.len() - 1]),
                OnDuplicateKey::Fail | OnDuplicateKey::Reject => judged.extend(group),
            }
        }
        verdict.refused = judged;
        for list in [&mut verdict.dropped, &mut verdict.refused] {
            let mut once = HashSet::new();
            list.retain(|twin| once.insert(twin.row));
        }
        verdict
    }
}

fn note<K: std::hash::Hash + Eq + Copy>(
    firsts: &mut HashMap<K, Twin>,
    groups: &mut HashMap<K, Vec<Twin>>,
    name: K,
    twin: Twin,
) {
    match firsts.entry(name) {
        Entry::Vacant(entry) => {
            entry.insert(twin);
        }
        Entry::Occupied(entry) => {
            groups.entry(name).or_insert_with(|| vec![*entry.get()]).push(twin);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn twin(row: u64, key: u8) -> Twin {
        Twin { row, key: KeyHash([key; 16]), seen: Seen::Candidate(row as usize) }
    }

    fn rows(list: &[Twin]) -> Vec<u64> {
        list.iter().map(|t| t.row).collect()
    }

    #[test]
    fn the_policy_decides_who_stays() {
        let mut duplicates = Duplicates::default();
        for (row, key, destination) in
            [(0, 1, 10), (1, 2, 20), (2, 1, 10), (3, 3, 20), (4, 1, 30), (5, 4, 40)]
        {
            duplicates.observe(twin(row, key), Some(destination));
        }
        assert_eq!(rows(&duplicates.judge(OnDuplicateKey::First).dropped), [2, 4, 3]);
        assert_eq!(rows(&duplicates.judge(OnDuplicateKey::Last).dropped), [0, 2, 1]);
        for policy in [OnDuplicateKey::Fail, OnDuplicateKey::Reject] {
            let verdict = duplicates.judge(policy);
            assert_eq!(rows(&verdict.refused), [0, 2, 4, 1, 3]);
            assert!(verdict.dropped.is_empty());
        }
        assert_eq!(duplicates.holder(40), Some(KeyHash([4; 16])));
        assert_eq!(duplicates.holder(41), None);
    }

    #[test]
    fn an_invalid_row_is_a_duplicate_by_its_key_alone() {
        let mut duplicates = Duplicates::default();
        duplicates.observe(twin(0, 1), Some(10));
        duplicates.observe(Twin { seen: Seen::Invalid(0), ..twin(1, 1) }, None);
        assert_eq!(rows(&duplicates.judge(OnDuplicateKey::Last).dropped), [0]);
    }
}
