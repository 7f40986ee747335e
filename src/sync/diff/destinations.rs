//! Destination keys of a whole extract: which rows share one, and whether a live row has a given one.
//!
//! 8 bytes a row, and nothing where the destination key is the primary key: then it tells no more than the key does.

use crate::ledger::HashedMap;

/// Hashes of destination keys, by row.
#[derive(Default)]
pub struct Destinations {
    /// Of the valid rows, in the order they came; sorted once [`Self::seal`] was called.
    hashes: Vec<u64>,
    /// Of invalid rows: no duplicates, but not free either.
    held: Vec<u64>,
    sealed: bool,
}

/// Bits of the filter for each row: one row in sixteen passes it by chance.
const BITS_A_ROW: usize = 16;

impl Destinations {
    pub fn push(&mut self, hash: u64) {
        self.hashes.push(hash);
    }

    /// Takes note of the destination key that an invalid row has.
    pub fn hold(&mut self, hash: u64) {
        self.held.push(hash);
    }

    /// Rows (counted from 0) that share a destination key, group by group, each in the order of its rows.
    pub fn shared(&self) -> Vec<(u64, Vec<u32>)> {
        let suspects = self.suspects();
        if suspects.is_empty() {
            return Vec::new();
        }
        let mut groups: HashedMap<u64, Vec<u32>> = suspects.iter().map(|hash| (*hash, Vec::new())).collect();
        for (row, hash) in self.hashes.iter().enumerate() {
            if let Some(group) = groups.get_mut(hash) {
                group.push(row as u32);
            }
        }
        let mut groups: Vec<_> = groups.into_iter().filter(|(_, rows)| rows.len() > 1).collect();
        groups.sort_by_key(|(_, rows)| rows[0]);
        groups
    }

    /// Hashes of which there may be more than one, sorted, once each.
    fn suspects(&self) -> Vec<u64> {
        let words = (self.hashes.len() * BITS_A_ROW / 64).next_power_of_two();
        let mut filter = vec![0_u64; words];
        let mut suspects = Vec::new();
        for &hash in &self.hashes {
            let (word, bit) = ((hash >> 6) as usize & (words - 1), 1_u64 << (hash & 63));
            if filter[word] & bit != 0 {
                suspects.push(hash);
            }
            filter[word] |= bit;
        }
        drop(filter);
        suspects.sort_unstable();
        suspects.dedup();
        suspects
    }

    /// Makes ready for [`Self::contains`]; rows are no longer told apart afterwards.
    pub fn seal(&mut self) {
        self.hashes.append(&mut self.held);
        self.hashes.sort_unstable();
        self.sealed = true;
    }

    /// Whether a live row, an invalid one included, has this destination key.
    pub fn contains(&self, hash: u64) -> bool {
        debug_assert!(self.sealed, "destination keys are asked for before they were sealed");
        self.hashes.binary_search(&hash).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rows_that_share_a_key_are_found(hashes in proptest::collection::vec(0_u64..40, 0..60), spread in 1_u64..u64::MAX) {
            let mut destinations = Destinations::default();
            let mut expected: HashMap<u64, Vec<u32>> = HashMap::new();
            for (row, hash) in hashes.iter().enumerate() {
                let hash = hash.wrapping_mul(spread | 1);
                destinations.push(hash);
                expected.entry(hash).or_default().push(row as u32);
            }
            let mut expected: Vec<_> = expected.into_iter().filter(|(_, rows)| rows.len() > 1).collect();
            expected.sort_by_key(|(_, rows)| rows[0]);
            prop_assert_eq!(destinations.shared(), expected);
            destinations.hold(41_u64.wrapping_mul(spread | 1));
            destinations.seal();
            for hash in 0..42_u64 {
                let live = hash == 41 || hashes.contains(&hash);
                prop_assert_eq!(destinations.contains(hash.wrapping_mul(spread | 1)), live);
            }
        }
    }
}
