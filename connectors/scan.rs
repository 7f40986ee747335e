//! Looks for bytes in a text, eight at a time.

const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
const TOPS: u64 = u64::from_ne_bytes([0x80; 8]);

/// Whether a byte of the text is one of these, or less than `floor`, which is 128 at most.
///
/// ```
/// use outflow_connectors::scan::has_any;
///
/// assert!(has_any(b"one, two", 0, [b',', b';']));
/// assert!(has_any(b"one\ttwo", 0x20, [b',', b';']));
/// assert!(!has_any(b"one two", 0x20, [b',', b';']));
/// ```
#[inline]
pub fn has_any<const N: usize>(text: &[u8], floor: u8, bytes: [u8; N]) -> bool {
    let (least, wanted) = (u64::from(floor) * ONES, bytes.map(|byte| u64::from(byte) * ONES));
    // Known as `hasless` and `haszero`: a borrow comes out of such a byte only.
    let is_found = |word: &[u8; 8]| {
        let word = u64::from_ne_bytes(*word);
        let low = word.wrapping_sub(least) & !word;
        let found = wanted.iter().fold(low, |found, byte| {
            let differs = word ^ byte;
            found | (differs.wrapping_sub(ONES) & !differs)
        });
        found & TOPS != 0
    };
    match text.last_chunk::<8>() {
        // The last eight bytes may be looked at twice.
        Some(last) => text.as_chunks::<8>().0.iter().any(is_found) || is_found(last),
        None => text.iter().any(|byte| *byte < floor || bytes.contains(byte)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_byte_is_found_at_each_place() {
        for length in 0..40 {
            for place in 0..length {
                for byte in 0..=255 {
                    let mut text = vec![b'~'; length];
                    text[place] = byte;
                    let is_there = byte < 0x20 || byte == b',' || byte == 0xff;
                    assert_eq!(has_any(&text, 0x20, [b',', 0xff]), is_there, "{byte} at {place} of {length}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn it_finds_what_a_look_at_each_byte_finds(
            text in prop::collection::vec(any::<u8>(), 0..70),
            floor in 0_u8..=128,
            bytes in any::<[u8; 3]>(),
        ) {
            let is_there = text.iter().any(|byte| *byte < floor || bytes.contains(byte));
            prop_assert_eq!(has_any(&text, floor, bytes), is_there);
        }
    }
}
