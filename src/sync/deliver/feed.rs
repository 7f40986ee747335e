//! The changes of a plan, batch after batch: read from the delta when their turn comes, so that a run of any size has
//! only some thousand of them in memory.

use std::collections::VecDeque;

use outflow_connectors::contract::Verb;

use super::delivery::Shape;
use crate::error::Result;
use crate::sync::diff::Delta;
use crate::sync::known::Memory;
use crate::sync::plan::{Farewell, Item, Items, Phase, Rules, object_of, record, removal};
use crate::sync::spool::CHUNK;

/// What the changes of a plan are read from.
#[derive(Clone, Copy)]
pub struct Feed<'a> {
    pub delta: &'a Delta,
    pub farewells: &'a [Farewell],
    pub memory: &'a Memory<'a>,
    pub rules: &'a Rules,
}

/// The changes of one phase, in order.
pub struct Changes<'a> {
    feed: Feed<'a>,
    phase: &'a Phase,
    /// Position in the list, among the candidates or among the vanished.
    next: u64,
    left: u64,
    ready: VecDeque<Item>,
}

impl<'a> Feed<'a> {
    pub fn changes(self, phase: &'a Phase) -> Changes<'a> {
        Changes { feed: self, phase, next: 0, left: phase.len, ready: VecDeque::new() }
    }

    fn bulk(&self, from: u64, narrow: bool) -> Result<(u64, Vec<Item>)> {
        let mut candidates = self.delta.candidates.slice(from, CHUNK)?;
        let read = candidates.len() as u64;
        candidates.retain(|candidate| candidate.bulk && candidate.narrow == narrow);
        let verb = if narrow { Verb::Update } else { self.rules.verb() };
        let details = self.memory.details_of(&candidates)?;
        let keys: Vec<_> = candidates.iter().map(|c| c.head.key).collect();
        let refusals = self.memory.refusals(&keys)?;
        let items = candidates.iter().map(|candidate| {
            let key = &candidate.head.key;
            let refusal = refusals.get(key);
            let detail = object_of(details.get(key), refusal);
            let remote_id = detail.and_then(|detail| detail.remote_id.clone());
            Item { narrow, ..record(candidate, verb, remote_id, (detail, refusal)) }
        });
        Ok((read, items.collect()))
    }

    fn removals(&self, from: u64) -> Result<(u64, Vec<Item>)> {
        let keys = self.delta.vanished.slice(from, CHUNK)?;
        let farewells = self.farewells.iter().skip(from as usize);
        let wanted: Vec<_> = keys
            .iter()
            .zip(farewells)
            .filter(|(_, f)| **f == Farewell::Remove)
            .map(|(key, _)| *key)
            .collect();
        let (details, refusals) = (self.memory.details(&wanted)?, self.memory.refusals(&wanted)?);
        let items = wanted.iter().filter_map(|key| {
            let item = removal(*key, details.get(key)?, self.rules.farewell());
            Some(Item { refusal: refusals.get(key).cloned().map(Box::new), ..item })
        });
        Ok((keys.len() as u64, items.collect()))
    }
}

impl Changes<'_> {
    /// Changes that were not given out yet.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// # Errors
    /// When the ledger, or what the delta spilled, cannot be read.
    pub fn next(&mut self) -> Result<Option<Item>> {
        while self.ready.is_empty() && self.left > 0 {
            let (read, items) = match &self.phase.items {
                Items::Listed(items) => {
                    let rest = items.iter().skip(self.next as usize);
                    let items: Vec<Item> = rest.take(CHUNK).cloned().collect();
                    (items.len() as u64, items)
                }
                Items::Bulk => self.feed.bulk(self.next, false)?,
                Items::Narrow => self.feed.bulk(self.next, true)?,
                Items::Removals => self.feed.removals(self.next)?,
            };
            if read == 0 {
                self.left = 0;
            }
            self.next += read;
            self.ready = items.into();
        }
        match self.left {
            0 => Ok(None),
            _ => {
                self.left -= 1;
                Ok(self.ready.pop_front())
            }
        }
    }
}

/// Cuts changes into batches of at most so many rows and, estimated by the spool, bytes; a single larger record goes
/// alone.
pub struct Cutter {
    batch_rows: usize,
    batch_bytes: usize,
    rows: usize,
    bytes: usize,
}

impl Cutter {
    pub fn new(shape: &Shape) -> Self {
        Cutter { batch_rows: shape.batch_rows, batch_bytes: shape.batch_bytes, rows: 0, bytes: 0 }
    }

    /// Whether a change of this size begins another batch.
    pub fn cuts(&mut self, bytes: usize) -> bool {
        let fits = self.rows > 0 && self.rows < self.batch_rows && self.bytes + bytes <= self.batch_bytes;
        match fits {
            true => (self.rows, self.bytes) = (self.rows + 1, self.bytes + bytes),
            false => (self.rows, self.bytes) = (1, bytes),
        }
        !fits
    }
}

/// Bytes that a change takes in a request, as far as that is known.
pub fn size(item: &Item) -> usize {
    item.place.map_or(64, |place| place.bytes() as usize)
}

/// The batches of one phase.
pub struct Batches<'a> {
    changes: Changes<'a>,
    cutter: Cutter,
    /// Begins the next batch.
    first: Option<Item>,
    /// Waits for a change that was not delivered.
    is_blocked: Box<dyn Fn(&Item) -> bool + Send + 'a>,
    /// Changes left out because what they wait for was not delivered.
    pub blocked: u64,
}

impl<'a> Batches<'a> {
    pub fn new(changes: Changes<'a>, shape: &Shape, is_blocked: impl Fn(&Item) -> bool + Send + 'a) -> Self {
        let cutter = Cutter::new(shape);
        Batches { changes, cutter, first: None, is_blocked: Box::new(is_blocked), blocked: 0 }
    }

    /// Changes that were not given out yet.
    pub fn left(&self) -> u64 {
        self.changes.left() + u64::from(self.first.is_some())
    }

    /// # Errors
    /// As [`Changes::next`].
    pub fn next(&mut self) -> Result<Option<Vec<Item>>> {
        let mut batch: Vec<Item> = self.first.take().into_iter().collect();
        while let Some(item) = self.changes.next()? {
            if (self.is_blocked)(&item) {
                self.blocked += 1;
                continue;
            }
            if self.cutter.cuts(size(&item)) && !batch.is_empty() {
                self.first = Some(item);
                break;
            }
            batch.push(item);
        }
        Ok((!batch.is_empty()).then_some(batch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_cut_by_rows_and_bytes() {
        let shape = |batch_rows, batch_bytes| Shape {
            batch_rows,
            batch_bytes,
            in_flight: 1,
            rate: None,
            max_rejected: None,
            links: 0,
        };
        let cut = |sizes: &[usize], shape: Shape| {
            let mut cutter = Cutter::new(&shape);
            sizes.iter().map(|size| cutter.cuts(*size)).collect::<Vec<_>>()
        };
        assert_eq!(cut(&[1, 1, 1, 1, 1], shape(2, 100)), [true, false, true, false, true]);
        assert_eq!(cut(&[60, 40, 1, 500, 1], shape(9, 100)), [true, false, true, true, true]);
    }
}
