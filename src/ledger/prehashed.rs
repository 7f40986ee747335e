//! Maps and sets of what is a hash already, and is not hashed again.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use super::entry::KeyHash;

/// Takes the last eight bytes of a salted hash as they are: nobody can choose keys that share them.
#[derive(Debug, Default)]
pub struct Prehashed(u64);

impl Hasher for Prehashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // The key's last bytes; a length, which comes before them, is overwritten.
        if let Some(tail) = bytes.last_chunk() {
            self.0 = u64::from_le_bytes(*tail);
        }
    }
}

pub type HashedMap<K, V> = HashMap<K, V, BuildHasherDefault<Prehashed>>;
pub type KeySet = HashSet<KeyHash, BuildHasherDefault<Prehashed>>;

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher;

    use super::*;

    #[test]
    fn a_hash_is_taken_as_it_is() {
        let hasher = BuildHasherDefault::<Prehashed>::default();
        assert_eq!(hasher.hash_one(7_u64), 7);
        let [first, last] = [0x0102_u64.to_le_bytes(), 0x0304_u64.to_le_bytes()];
        let mut key = [0; 16];
        key[..8].copy_from_slice(&first);
        key[8..].copy_from_slice(&last);
        assert_eq!(hasher.hash_one(KeyHash(key)), 0x0304);
    }
}
