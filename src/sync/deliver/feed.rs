//! The changes of a plan, batch after batch: read from the delta when their turn comes, so that a run of any size has
//! only some thousand of them in memory.

use std::collections::VecDeque;

use outflow_connectors::contract::Verb;

use super::delivery::Shape;
use super::together::Order;
use crate::error::Result;
use crate::ledger::Detail;
use crate::sync::diff::{Candidate, Delta};
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
    /// The order in which the candidates leave, where it is not that of the extract.
    order: Option<Order>,
    /// Position in the list, in the order, among the candidates or among the vanished.
    next: u64,
    left: u64,
    ready: VecDeque<Item>,
}

impl<'a> Feed<'a> {
    pub fn changes(self, phase: &'a Phase) -> Changes<'a> {
        Changes { feed: self, phase, order: None, next: 0, left: phase.len, ready: VecDeque::new() }
    }

    fn ordered(&self, (order, from): (&Order, u64), narrow: bool) -> Result<(u64, Vec<Item>)> {
        let (candidates, groups) = order.candidates(self.delta, from, CHUNK)?;
        let mut items = self.items(&candidates, narrow)?;
        items.iter_mut().zip(groups).for_each(|(item, group)| item.group = group);
        Ok((candidates.len() as u64, items))
    }

    fn bulk(&self, from: u64, narrow: bool) -> Result<(u64, Vec<Item>)> {
        let mut candidates = self.delta.candidates.slice(from, CHUNK)?;
        let read = candidates.len() as u64;
        candidates.retain(|candidate| candidate.bulk && candidate.narrow == narrow);
        Ok((read, self.items(&candidates, narrow)?))
    }

    fn items(&self, candidates: &[Candidate], narrow: bool) -> Result<Vec<Item>> {
        let verb = if narrow { Verb::Update } else { self.rules.verb() };
        let details = self.memory.details_of(candidates)?;
        let keys: Vec<_> = candidates.iter().map(|c| c.head.key).collect();
        let refusals = self.memory.refusals(&keys)?;
        let items = candidates.iter().map(|candidate| {
            let key = &candidate.head.key;
            let refusal = refusals.get(key);
            let detail = object_of(details.get(key), refusal);
            let remote_id = detail.and_then(|detail| detail.remote_id.clone());
            // The hashes of its fields say what a narrow change leaves out; all else comes with the record.
            let known = match narrow {
                true => detail.cloned(),
                false => detail.map(Detail::of_object),
            };
            Item { narrow, ..record(candidate, verb, remote_id, (known.as_ref(), refusal)) }
        });
        Ok(items.collect())
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
    /// The same changes in another order.
    pub fn in_order(self, order: Option<Order>) -> Self {
        Changes { order, ..self }
    }

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
                Items::Bulk | Items::Narrow => {
                    let narrow = matches!(self.phase.items, Items::Narrow);
                    match &self.order {
                        Some(order) => self.feed.ordered((order, self.next), narrow)?,
                        None => self.feed.bulk(self.next, narrow)?,
                    }
                }
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

    /// A change of this size comes into the batch in any case.
    fn add(&mut self, bytes: usize) {
        (self.rows, self.bytes) = (self.rows + 1, self.bytes + bytes);
    }
}

/// Bytes that a change takes in a request, as far as that is known.
pub fn size(item: &Item) -> usize {
    item.place.map_or(64, |place| place.size() as usize)
}

/// The batches of one phase.
pub struct Batches<'a> {
    changes: Changes<'a>,
    cutter: Cutter,
    /// Begin the next batch.
    first: Vec<Item>,
    /// Changes of the batch before, about as many as the next one has.
    usual: usize,
    /// Waits for a change that was not delivered.
    is_blocked: Box<dyn Fn(&Item) -> bool + Send + 'a>,
    /// Changes left out because what they wait for was not delivered.
    pub blocked: u64,
}

impl<'a> Batches<'a> {
    pub fn new(changes: Changes<'a>, shape: &Shape, is_blocked: impl Fn(&Item) -> bool + Send + 'a) -> Self {
        let cutter = Cutter::new(shape);
        let (first, is_blocked) = (Vec::new(), Box::new(is_blocked));
        Batches { changes, cutter, first, usual: 0, is_blocked, blocked: 0 }
    }

    /// Changes that were not given out yet.
    pub fn left(&self) -> u64 {
        self.changes.left() + self.first.len() as u64
    }

    /// # Errors
    /// As [`Changes::next`].
    pub fn next(&mut self) -> Result<Option<Vec<Item>>> {
        let mut batch = std::mem::take(&mut self.first);
        batch.reserve(self.usual.min(self.changes.left() as usize));
        while let Some(item) = self.changes.next()? {
            if (self.is_blocked)(&item) {
                self.blocked += 1;
                continue;
            }
            if self.cutter.cuts(size(&item)) && !batch.is_empty() {
                self.first = batch.split_off(whole_groups(&batch, item.group));
                self.first.iter().for_each(|item| self.cutter.add(size(item)));
                self.first.push(item);
                break;
            }
            batch.push(item);
        }
        self.usual = batch.len();
        Ok((!batch.is_empty()).then_some(batch))
    }
}

/// Where a batch ends before a change of this group, so that the group is not torn apart; a group that is most of the batch is.
fn whole_groups(batch: &[Item], group: u32) -> usize {
    let others = batch.iter().rposition(|item| item.group != group).map_or(0, |at| at + 1);
    if group == 0 || others == 0 || others < batch.len() / 2 { batch.len() } else { others }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{KeyHash, RecordHash};
    use crate::sync::diff::Head;
    use crate::sync::plan::of_head;
    use crate::sync::spool::Place;

    fn item(group: u32) -> Item {
        let (key, place) = (KeyHash([1; 16]), Place { offset: 0, len: 10 });
        let head = Head { key, fingerprint: RecordHash([2; 16]), destination_hash: 3, place, row: 0 };
        Item { group, ..of_head(&head, Verb::Upsert, None, (None, None)) }
    }

    #[test]
    fn a_group_stays_whole_unless_it_is_most_of_a_batch() {
        let kept = |groups: &[u32], next: u32| {
            let batch: Vec<Item> = groups.iter().map(|group| item(*group)).collect();
            whole_groups(&batch, next)
        };
        assert_eq!(kept(&[0, 0, 0], 0), 3, "what is in no group is cut anywhere");
        assert_eq!(kept(&[1, 1, 1], 2), 3, "the next group begins the next batch");
        assert_eq!(kept(&[1, 1, 1, 2, 2], 2), 3, "and takes those of it along that came before");
        assert_eq!(kept(&[1, 2, 2, 2, 2], 2), 5, "but a group that is most of the batch is torn");
        assert_eq!(kept(&[2, 2, 2, 2], 2), 4);
        assert_eq!(kept(&[2], 2), 1, "no batch is empty");
    }

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
