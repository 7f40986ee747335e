//! SHA-256 of many short messages that begin with the same block.

use sha2::block_api::compress256;

/// The state that SHA-256 starts from (FIPS 180-4, 5.3.3).
const START: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

const BLOCK: usize = 64;

/// SHA-256 after its first blocks.
#[derive(Clone)]
pub(super) struct Midstate {
    state: [u32; 8],
    /// Bytes absorbed.
    absorbed: u64,
}

impl Midstate {
    pub(super) fn after(block: [u8; BLOCK]) -> Self {
        Midstate { state: START, absorbed: 0 }.then(block)
    }

    /// After one more block.
    pub(super) fn then(&self, block: [u8; BLOCK]) -> Self {
        let mut state = self.state;
        compress256(&mut state, &[block]);
        Midstate { state, absorbed: self.absorbed + BLOCK as u64 }
    }

    /// The first half of the digest of the blocks and `rest`, which is padded in place: a digest costs no copy and no
    /// allocation.
    pub(super) fn finish(&self, rest: &mut Vec<u8>) -> [u8; 16] {
        self.finish_from(rest, 0)
    }

    /// As [`Self::finish`], of what stands from `start` on.
    pub(super) fn finish_from(&self, rest: &mut Vec<u8>, start: usize) -> [u8; 16] {
        let length = rest.len() - start;
        let bits = (self.absorbed + length as u64) * 8;
        // A one, and zeros up to the length at the end of a block.
        let mut padding = [0; BLOCK];
        padding[0] = 0x80;
        let zeros = (length + 9).next_multiple_of(BLOCK) - length - 8;
        rest.extend_from_slice(&padding[..zeros]);
        rest.extend_from_slice(&bits.to_be_bytes());
        let mut state = self.state;
        compress256(&mut state, rest[start..].as_chunks().0);
        let mut half = [0; 16];
        for (bytes, word) in half.as_chunks_mut().0.iter_mut().zip(state) {
            *bytes = word.to_be_bytes();
        }
        half
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn it_is_sha_256_at_every_length() {
        let block = [7; BLOCK];
        for length in 0..300_usize {
            let mut rest: Vec<u8> = (0..length).map(|i| i as u8).collect();
            let expected = Sha256::new_with_prefix(block).chain_update(&rest).finalize();
            assert_eq!(Midstate::after(block).finish(&mut rest.clone()), expected[..16], "{length}");
            let expected =
                Sha256::new_with_prefix(block).chain_update([8; BLOCK]).chain_update(&rest).finalize();
            assert_eq!(Midstate::after(block).then([8; BLOCK]).finish(&mut rest), expected[..16], "{length}");
        }
    }
}
