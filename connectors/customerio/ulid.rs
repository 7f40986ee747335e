//! The id by which Customer.io knows a repeated event.

use sha2::{Digest, Sha256};

/// Crockford's base 32.
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A ULID (<https://github.com/ulid/spec>) that depends on these texts alone, so that an event that is sent twice has one id.
/// Its first 48 bits, which name a time elsewhere, are part of the hash.
pub(super) fn of(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let bits = hash.finalize().iter().take(16).fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte));
    (0..26).rev().map(|place| char::from(DIGITS[(bits >> (5 * place) & 31) as usize])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_have_one_id_and_others_another() {
        let id = of(&["purchase", "42"]);
        assert_eq!(id, of(&["purchase", "42"]));
        assert_eq!(id.len(), 26);
        assert!(id.bytes().all(|digit| DIGITS.contains(&digit)) && id.as_bytes()[0] <= b'7', "{id}");
        for other in [["purchase", "43"], ["purchase4", "2"], ["refund", "42"], ["", "purchase42"]] {
            assert_ne!(of(&other), id, "{other:?}");
        }
    }

    /// Another value would send every event that is repeated a second time.
    #[test]
    fn the_id_never_changes() {
        assert_eq!(of(&["purchase", "42"]), "21Y2WC1QY6WN2S38HQ3R1DNFCV");
    }
}
