//! Encoded changes, one after another: any run of them can be sent as it stands.

use std::ops::Range;

use crate::contract::{BatchSource, ChangeRef, ConnectorError, OneVerb, Outcome, Outcomes, Receipt, Verb};
use crate::split::{Limits, cut};

/// Encoded changes with a comma behind each, in one buffer.
///
/// ```
/// use outflow_connectors::http::Items;
///
/// let mut items = Items::default();
/// for name in ["Ann", "Bo", ""] {
///     let _ = items.push(|out| match name {
///         "" => Err("a person needs a name"),
///         name => Ok(out.extend_from_slice(format!("{{\"name\":\"{name}\"}}").as_bytes())),
///     });
/// }
/// assert_eq!(items.len(), 2, "what cannot be encoded leaves nothing");
/// let whole = items.body("{\"people\":[", 0..2, "]}");
/// assert_eq!(whole, b"{\"people\":[{\"name\":\"Ann\"},{\"name\":\"Bo\"}]}");
/// // Runs of at most 100 items and 30 bytes, of which `{"people":[]}` takes 13.
/// assert_eq!(items.cut(100, 30, 13), [0..1, 1..2]);
/// ```
#[derive(Debug, Default)]
pub struct Items {
    bytes: Vec<u8>,
    /// Where each item ends in it, the comma included.
    ends: Vec<usize>,
}

impl Items {
    /// Adds what `write` appends to the buffer as one item; where it fails nothing is left of it.
    ///
    /// # Errors
    /// Those of `write`.
    pub fn push<T, E>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Result<T, E>) -> Result<T, E> {
        let start = self.bytes.len();
        let written = write(&mut self.bytes);
        match written {
            Ok(_) => {
                self.bytes.push(b',');
                self.ends.push(self.bytes.len());
            }
            Err(_) => self.bytes.truncate(start),
        }
        written
    }

    /// Number of items.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The item at this place, without its comma.
    pub fn item(&self, place: usize) -> &[u8] {
        &self.bytes[self.start(place)..self.ends[place] - 1]
    }

    /// `open`, the items at these places with commas between them, `close`: a body, ready to send.
    pub fn body(&self, open: &str, places: impl IntoIterator<Item = usize>, close: &str) -> Vec<u8> {
        let mut body = open.as_bytes().to_vec();
        for (position, place) in places.into_iter().enumerate() {
            if position > 0 {
                body.push(b',');
            }
            body.extend_from_slice(self.item(place));
        }
        body.extend_from_slice(close.as_bytes());
        body
    }

    /// The items in runs that one request each may hold: at most so many of them, and at most so many bytes together with
    /// the `frame` around them. An item that is too long by itself has a run of its own; refuse it before it is sent.
    pub fn cut(&self, most_items: usize, most_bytes: usize, frame: usize) -> Vec<Range<usize>> {
        // The last item's comma is not sent.
        let limits = Limits { rows: most_items as u64, bytes: most_bytes as u64 + 1 };
        let lengths = self.ends.iter().enumerate().map(|(place, end)| end - self.start(place));
        cut(lengths, limits, frame)
    }

    fn start(&self, place: usize) -> usize {
        place.checked_sub(1).map_or(0, |before| self.ends[before])
    }
}

/// A batch's changes as items: what can be sent, and what became of the rest.
#[derive(Debug)]
pub struct Encoded {
    /// The changes that can be sent.
    pub items: Items,
    /// The verb of all of them.
    pub verb: Verb,
    /// Each item's place in the batch.
    places: Vec<usize>,
    outcomes: Outcomes,
}

impl Encoded {
    /// Encodes each change by `encode`, which appends it to the buffer or tells why it cannot be sent.
    ///
    /// # Errors
    /// [`Kind::Internal`](crate::contract::Kind::Internal) where the batch cannot be read, or has changes of two verbs.
    pub fn of(
        batch: &dyn BatchSource,
        mut encode: impl FnMut(ChangeRef<'_>, &mut Vec<u8>) -> Result<(), Outcome>,
    ) -> Result<Self, ConnectorError> {
        let (mut items, mut places, mut place) = (Items::default(), Vec::with_capacity(batch.len()), 0);
        let (mut verb, mut outcomes) = (OneVerb::default(), Outcomes::new(batch.len()));
        batch.each(&mut |change| {
            verb.see(change.verb)?;
            match items.push(|out| encode(change, out)) {
                Ok(()) => places.push(place),
                Err(refusal) => outcomes.set(place, refusal),
            }
            place += 1;
            Ok(())
        })?;
        Ok(Encoded { items, verb: verb.get()?, places, outcomes })
    }

    /// The receipt of the batch, with one outcome for each item, in their order.
    pub fn receipt(mut self, sent: Vec<Outcome>) -> Receipt {
        for (place, outcome) in self.places.into_iter().zip(sent) {
            self.outcomes.set(place, outcome);
        }
        self.outcomes.receipt()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn items(texts: &[&str]) -> Items {
        let mut items = Items::default();
        for text in texts {
            let write = |out: &mut Vec<u8>| {
                out.extend_from_slice(text.as_bytes());
                if text.starts_with('!') { Err(()) } else { Ok(()) }
            };
            assert_eq!(items.push(write).is_err(), text.starts_with('!'));
        }
        items
    }

    #[test]
    fn any_run_can_be_sent_and_what_failed_leaves_nothing() {
        let items = items(&["1", "!half", "22", "333"]);
        assert_eq!(items.len(), 3);
        let body = |places: Range<usize>| String::from_utf8(items.body("[", places, "]")).unwrap();
        assert_eq!((body(0..3), body(1..2), body(0..0)), ("[1,22,333]".into(), "[22]".into(), "[]".into()));
    }

    #[test]
    fn a_run_ends_where_the_next_item_would_be_too_much() {
        let items = items(&["1", "22", "333", "4444444444", "5"]);
        // `[1,22]` has six bytes.
        assert_eq!(items.cut(9, 6, 2), [0..2, 2..3, 3..4, 4..5]);
        assert_eq!(items.cut(9, 5, 2), [0..1, 1..2, 2..3, 3..4, 4..5]);
        assert_eq!(items.cut(2, 1000, 2), [0..2, 2..4, 4..5]);
        assert!(Items::default().cut(1, 1, 1).is_empty());
    }

    proptest! {
        #[test]
        fn every_item_is_in_one_run_and_no_run_is_too_long(
            texts in prop::collection::vec("[a-z]{1,12}", 0..40),
            most_items in 1usize..9,
            most_bytes in 14usize..60,
        ) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let items = items(&texts);
            let runs = items.cut(most_items, most_bytes, 2);
            let all: Vec<usize> = runs.iter().cloned().flatten().collect();
            prop_assert_eq!(all, (0..texts.len()).collect::<Vec<_>>());
            for (at, run) in runs.iter().enumerate() {
                let length = |run: Range<usize>| items.body("[", run, "]").len();
                prop_assert!(run.len() <= most_items && length(run.clone()) <= most_bytes);
                if let Some(next) = runs.get(at + 1) {
                    let longer = run.start..next.start + 1;
                    prop_assert!(longer.len() > most_items || length(longer) > most_bytes, "a run was cut too early");
                }
            }
        }
    }
}
