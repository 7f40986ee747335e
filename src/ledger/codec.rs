//! Values in a row's blob: little-endian numbers, texts with their length before them.

use super::fault::{Attempt, damaged};

#[derive(Debug, Clone, Default)]
pub(super) struct Encoder(pub(super) Vec<u8>);

impl Encoder {
    pub(super) fn int(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn raw(&mut self, value: &[u8]) {
        self.0.extend_from_slice(value);
    }

    /// A text's bytes.
    pub(super) fn text(&mut self, value: &[u8]) {
        self.int(value.len() as u64);
        self.raw(value);
    }

    pub(super) fn maybe_text(&mut self, value: Option<&[u8]>) {
        self.0.push(u8::from(value.is_some()));
        if let Some(value) = value {
            self.text(value);
        }
    }
}

pub(super) struct Decoder<'a>(pub(super) &'a [u8]);

impl<'a> Decoder<'a> {
    fn take(&mut self, len: usize) -> Attempt<&'a [u8]> {
        match self.0.split_at_checked(len) {
            Some((head, rest)) => {
                self.0 = rest;
                Ok(head)
            }
            None => damaged("a stored batch ends too early"),
        }
    }

    pub(super) fn array<const N: usize>(&mut self) -> Attempt<[u8; N]> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    pub(super) fn int(&mut self) -> Attempt<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(super) fn text(&mut self) -> Attempt<String> {
        let len = self.int()?;
        let bytes = self.take(usize::try_from(len).unwrap_or(usize::MAX))?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => damaged("a stored batch holds a text that is none"),
        }
    }

    pub(super) fn maybe_text(&mut self) -> Attempt<Option<String>> {
        match self.array()? {
            [0] => Ok(None),
            [_] => self.text().map(Some),
        }
    }
}
