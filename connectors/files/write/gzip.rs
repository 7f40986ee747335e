//! One member of gzip. A flush leaves nothing in the compressor, so that what was written is what counts.
//!
//! The format: <https://www.rfc-editor.org/rfc/rfc1952>.

use std::io::{self, Write};

use flate2::{Compress, Compression, FlushCompress};

/// Compressed bytes that are written at once.
const ROOM: usize = 1 << 16;

/// The largest that there is, of 32 kB.
const WINDOW_BITS: u8 = 15;

/// Compresses what is written to it.
pub(super) struct Gzip<W> {
    compress: Compress,
    packed: Vec<u8>,
    to: W,
}

impl<W: Write> Gzip<W> {
    pub(super) fn new(to: W) -> Self {
        let compress = Compress::new_gzip(Compression::default(), WINDOW_BITS);
        Gzip { compress, packed: Vec::with_capacity(ROOM), to }
    }

    pub(super) fn get_ref(&self) -> &W {
        &self.to
    }

    /// # Errors
    /// Where it cannot be written.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.run(bytes, FlushCompress::None)
    }

    /// Writes all that is held back.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.run(&[], FlushCompress::Sync)
    }

    /// Ends the member.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.run(&[], FlushCompress::Finish)?;
        Ok(self.to)
    }

    fn run(&mut self, mut bytes: &[u8], flush: FlushCompress) -> io::Result<()> {
        loop {
            let before = self.compress.total_in();
            self.compress.compress_vec(bytes, &mut self.packed, flush)?;
            bytes = &bytes[(self.compress.total_in() - before) as usize..];
            // Only a compressor that leaves room has no more to say.
            let is_full = self.packed.len() == self.packed.capacity();
            self.to.write_all(&self.packed)?;
            self.packed.clear();
            if bytes.is_empty() && !is_full {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;
    use proptest::prelude::*;

    use super::*;

    /// Bytes that look like chance, and so do not shrink; or words, which do.
    fn content(seed: u64, length: usize, is_random: bool) -> Vec<u8> {
        let mut state = seed | 1;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        (0..length).map(|_| if is_random { next() } else { b"abcdefgh"[usize::from(next() % 8)] }).collect()
    }

    #[test]
    fn nothing_makes_a_member_too() {
        let packed = Gzip::new(Vec::new()).finish().unwrap();
        let mut found = Vec::new();
        GzDecoder::new(&packed[..]).read_to_end(&mut found).unwrap();
        assert_eq!(found, b"");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn all_is_there_after_a_flush_and_at_the_end(
            pieces in prop::collection::vec((0_usize..200_000, any::<bool>(), any::<bool>()), 1..5),
            seed in any::<u64>(),
        ) {
            let (mut packed, mut all) = (Gzip::new(Vec::new()), Vec::new());
            let frame = 64 + 10 * pieces.len();
            for (number, (length, is_random, is_flushed)) in pieces.into_iter().enumerate() {
                let piece = content(seed.wrapping_add(number as u64), length, is_random);
                packed.write(&piece).unwrap();
                all.extend_from_slice(&piece);
                if is_flushed {
                    packed.flush().unwrap();
                    let mut found = vec![0; all.len()];
                    GzDecoder::new(&packed.get_ref()[..]).read_exact(&mut found).unwrap();
                    prop_assert!(found == all, "something was held back");
                }
            }
            let before = packed.get_ref().len();
            let whole = packed.finish().unwrap();
            let mut found = Vec::new();
            GzDecoder::new(&whole[..]).read_to_end(&mut found).unwrap();
            prop_assert!(found == all);
            // As `bound` and `FRAME` of a part have it, for each flush.
            let most = all.len() + all.len() / 500 + frame;
            prop_assert!(whole.len() <= most, "{} of {}", whole.len(), all.len());
            prop_assert!(before <= whole.len());
        }
    }
}
