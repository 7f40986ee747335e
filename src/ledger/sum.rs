//! Checksum of one row, so that a bent disk block is an error and never an answer.

/// CRC-32 over typed, length-prefixed values.
pub(super) struct Sum(crc32fast::Hasher);

impl Sum {
    pub(super) fn new() -> Self {
        Sum(crc32fast::Hasher::new())
    }

    pub(super) fn int(mut self, value: i64) -> Self {
        self.0.update(&value.to_le_bytes());
        self
    }

    pub(super) fn bytes(mut self, value: &[u8]) -> Self {
        self.0.update(&(value.len() as u64).to_le_bytes());
        self.0.update(value);
        self
    }

    pub(super) fn text(self, value: &str) -> Self {
        self.bytes(value.as_bytes())
    }

    pub(super) fn maybe(self, value: Option<&[u8]>) -> Self {
        match value {
            Some(value) => self.int(1).bytes(value),
            None => self.int(0),
        }
    }

    pub(super) fn maybe_text(self, value: Option<&str>) -> Self {
        self.maybe(value.map(str::as_bytes))
    }

    pub(super) fn finish(self) -> i64 {
        i64::from(self.0.finalize())
    }
}
