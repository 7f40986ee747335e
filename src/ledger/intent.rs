//! A batch about to be sent, in the bytes in which it is stored.

use outflow_connectors::contract::Verb;

use super::codec::{Decoder, Encoder};
use super::entry::{IntentEntry, KeyHash, RecordHash};
use super::fault::Attempt;

/// Bytes of an entry whose keys are short, beside its hash.
const USUAL: usize = 72;

/// A batch about to be sent.
#[derive(Debug, Clone)]
pub struct Intent {
    pub(super) run_id: String,
    pub(super) verb: Verb,
    /// 16 bytes for each entry.
    pub(super) keys: Vec<u8>,
    /// The rest of each entry.
    pub(super) data: Encoder,
}

impl Intent {
    /// One without entries.
    pub fn new(run_id: &str, verb: Verb) -> Self {
        Intent { run_id: run_id.to_owned(), verb, keys: Vec::new(), data: Encoder::default() }
    }

    /// Makes room for so many entries.
    pub fn reserve(&mut self, entries: usize) {
        self.keys.reserve(entries * KeyHash::LENGTH);
        self.data.0.reserve(entries * USUAL);
    }

    pub fn of(run_id: &str, verb: Verb, entries: &[IntentEntry]) -> Self {
        let mut intent = Intent::new(run_id, verb);
        entries.iter().for_each(|entry| intent.push(entry));
        intent
    }

    /// Adds the next entry; its texts are UTF-8.
    pub fn push<T: AsRef<[u8]>>(&mut self, entry: &IntentEntry<T>) {
        self.keys.extend_from_slice(&entry.key.0);
        self.data.raw(&entry.record.0);
        self.data.text(entry.key_text.as_ref());
        self.data.int(entry.destination_hash);
        self.data.text(entry.destination_key.as_ref());
        self.data.maybe_text(entry.remote_id.as_ref().map(AsRef::as_ref));
    }
}

/// The next entry of an intent's data.
pub(super) fn read_entry(key: [u8; 16], from: &mut Decoder<'_>) -> Attempt<IntentEntry> {
    Ok(IntentEntry {
        key: KeyHash(key),
        record: RecordHash(from.array()?),
        key_text: from.text()?,
        destination_hash: from.int()?,
        destination_key: from.text()?,
        remote_id: from.maybe_text()?,
    })
}
