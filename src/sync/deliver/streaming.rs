//! `delivery: {start: streaming}`: rows that are plainly changes leave while the source is still read.
//!
//! Such a row goes early where nothing that comes after it can make it another's: it is the first of its key and its
//! destination key, was never refused, is not unsettled, and has not moved. All else waits for the end of the extract, and
//! so does what the destination cannot take in time: reading never waits for sending.

use std::mem::take;

use outflow_connectors::contract::{Session, Verb};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::block_in_place;

use super::batch::{Batch, KEPT, Records};
use super::journal::Journal;
use super::queue::Queue;
use super::sending::Begun;
use crate::error::{Error, Result};
use crate::ledger::{KeyHash, Ledger};
use crate::project::{Mode, Start};
use crate::sync::diff::{Baseline, Delta, Head};
use crate::sync::known::Memory;
use crate::sync::plan::{is_known, of_head};
use crate::sync::recover::Recovered;
use crate::sync::run::Work;
use crate::sync::spool::{Loaded, Space, SpoolWriter};
use crate::sync::state::OpenRun;

/// Some early rows, on their way to a batch.
#[derive(Default)]
pub struct Lot {
    /// Each with its position among the candidates.
    heads: Vec<(u64, Head)>,
    /// Their records, one after another.
    records: Vec<u8>,
    /// Bytes that a request needs for them, about.
    bytes: u64,
}

/// Chooses among the rows as they stream by.
pub struct Chooser {
    keys: Filter,
    /// Only where destination keys are more than the primary keys.
    destinations: Option<Filter>,
    /// Rows that must have come before any is sent.
    min_rows: u64,
    rows: u64,
    batch_rows: usize,
    batch_bytes: u64,
    lot: Lot,
    lots: Sender<Lot>,
}

impl Chooser {
    /// Takes note of a row that does not go early.
    pub fn pass(&mut self, key: &KeyHash, destination: Option<u64>) {
        self.rows += 1;
        self.is_first(key, destination);
    }

    /// A row that is a change as far as the ledger's hashes tell; it goes early if nothing speaks against it.
    pub fn offer(&mut self, seq: u64, head: &Head, record: &[u8]) {
        self.rows += 1;
        if !self.is_first(&head.key, Some(head.destination_hash)) || self.rows < self.min_rows {
            return;
        }
        let bytes = head.place.size();
        let is_full = self.lot.heads.len() >= self.batch_rows || self.lot.bytes + bytes > self.batch_bytes;
        if is_full
            && !self.lot.heads.is_empty()
            && let Err(kept) = self.lots.try_send(take(&mut self.lot))
        {
            // It waits for its turn, and this row for the end of the extract.
            self.lot = kept.into_inner();
            return;
        }
        self.lot.heads.push((seq, *head));
        self.lot.records.extend_from_slice(record);
        self.lot.bytes += bytes;
    }

    fn is_first(&mut self, key: &KeyHash, destination: Option<u64>) -> bool {
        let is_first = self.keys.insert(u128::from_be_bytes(key.0) as u64);
        match (&mut self.destinations, destination) {
            (Some(destinations), Some(destination)) => destinations.insert(destination) && is_first,
            _ => is_first,
        }
    }
}

/// Hashes seen before, and some that only seem to: one in thirty after ten million.
struct Filter(Vec<u64>);

/// 32 MiB.
const FILTER_BITS: u64 = 1 << 28;

impl Filter {
    fn new() -> Self {
        Filter(vec![0; (FILTER_BITS / 64) as usize])
    }

    /// Whether it was surely not there before.
    fn insert(&mut self, hash: u64) -> bool {
        let place = hash % FILTER_BITS;
        let (word, bit) = (&mut self.0[(place / 64) as usize], 1 << (place % 64));
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }
}

/// Early rows on their way out: what the ledger has of them decides at last.
pub struct Streamed<'a> {
    records: Records<'a>,
    lots: Receiver<Lot>,
    memory: &'a Memory<'a>,
    verb: Verb,
    /// Of changes to known objects only some fields are sent: they wait for the end.
    narrows: bool,
    /// Such objects are found by their keys.
    by_key: bool,
    /// Destination keys are more than the primary keys.
    tracked: bool,
    /// Positions among the candidates of the rows of the batch that is ready, and of those that were given out.
    ready: Vec<u64>,
    sent: Vec<u64>,
}

impl<'a> Streamed<'a> {
    /// The next batch; `None` once the source was read. May be dropped and called again.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn next(&mut self) -> Result<Option<Batch<'a>>> {
        while let Some(lot) = self.lots.recv().await {
            let batch = block_in_place(|| self.plain(lot))?;
            if !batch.items.is_empty() {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }

    /// The batch was given out.
    pub fn given(&mut self) {
        self.sent.append(&mut self.ready);
    }

    /// Positions among the candidates of what was given out.
    pub fn sent(self) -> Vec<u64> {
        self.sent
    }

    /// The rows of a lot that are what they seem to be.
    fn plain(&mut self, lot: Lot) -> Result<Batch<'a>> {
        let keys: Vec<KeyHash> = lot.heads.iter().map(|(_, head)| head.key).collect();
        let hashes: Vec<u64> = lot.heads.iter().map(|(_, head)| head.destination_hash).collect();
        let (details, refusals) = (self.memory.details(&keys)?, self.memory.refusals(&keys)?);
        let holders = if self.tracked { self.memory.holders(&hashes)? } else { Default::default() };
        let (mut items, mut starts, mut start) = (Vec::new(), Vec::new(), 0);
        self.ready.clear();
        for (seq, head) in lot.heads {
            let detail = details.get(&head.key);
            let has_moved = detail.is_some_and(|detail| {
                detail.gone || ![0, head.destination_hash].contains(&detail.destination_hash)
            });
            let is_taken = holders.get(&head.destination_hash).is_some_and(|holder| *holder != head.key);
            let is_narrow = self.narrows && detail.is_some_and(|detail| is_known(detail, &head, self.by_key));
            if !has_moved && !is_taken && !is_narrow && !refusals.contains_key(&head.key) {
                let remote_id = detail.and_then(|detail| detail.remote_id.clone());
                items.push(of_head(&head, self.verb, remote_id, (detail, None)));
                starts.push(start);
                self.ready.push(seq);
            }
            start += head.place.bytes() as usize;
        }
        Ok(Batch::loaded(self.records, items, Loaded::new(lot.records, starts)))
    }
}

impl Work<'_> {
    /// Whether rows are sent while the source is read.
    pub(in crate::sync) fn streams(&self) -> bool {
        let (sync, options) = (self.context.sync, self.context.options);
        let is_plain = !self.full_refresh && options.limit.is_none() && self.mappings.previous.is_empty();
        sync.delivery.start == Start::Streaming && is_plain
    }

    /// As [`Self::extract`], while what can be sent early is.
    pub(in crate::sync) async fn stream(
        &self,
        (open, session): (&OpenRun, &dyn Session),
        (recovered, space): (&Recovered, &Space),
        begun: &mut Begun,
    ) -> Result<(Delta, Option<Error>)> {
        // As the ledger was before anything of this run is acknowledged: positions must stay what they are.
        let before = block_in_place(|| {
            Ledger::read(&Ledger::path(&self.context.project.state, &self.context.sync.name))
        })?;
        let baseline = Baseline { tracked: true, ..self.baseline_of(before.as_ref(), recovered)? };
        // In `mode: insert` only an empty ledger tells that a row is new; where every row is sent there are no tags.
        let is_empty = baseline.tags.is_empty() && !baseline.full_refresh;
        let is_open = self.context.sync.mode != Mode::Insert || is_empty;
        let mut intake = self.intake(baseline, space)?;
        block_in_place(|| self.before(begun))?;
        let (ledger, keeping, journal) = (self.ledger()?, self.keeping(open), Journal::open(self.ledger()?)?);
        let memory = block_in_place(|| Memory::new(Some(ledger)))?;
        let delivery = self.delivery((open, session), &journal, (&keeping, &begun.watch))?;
        let (lots, received) = channel(delivery.shape.in_flight);
        let tracked = intake.differ.tracks_destinations();
        if is_open {
            intake.differ.send_early(Chooser {
                keys: Filter::new(),
                destinations: tracked.then(Filter::new),
                min_rows: self.guards().min_rows,
                rows: 0,
                batch_rows: delivery.shape.batch_rows,
                // Lots stay in memory until they are sent.
                batch_bytes: delivery.shape.batch_bytes.min(KEPT) as u64,
                lot: Lot::default(),
                lots,
            });
        }
        let comparer = intake.differ.comparer();
        let spool = SpoolWriter::create(space.clone())?.finish()?;
        let mut queue = Queue::streamed(Streamed {
            records: Records { spool: &spool, mapper: &comparer.mapper, cleared: None },
            lots: received,
            memory: &memory,
            verb: self.rules().verb(),
            narrows: self.narrows(),
            by_key: self.resolved.capabilities.changed_fields,
            tracked,
            ready: Vec::new(),
            sent: Vec::new(),
        });
        let reading = async {
            let read = self.read(&mut intake).await;
            intake.differ.end_early();
            read
        };
        let none = Default::default();
        let sending = delivery.send_all(&mut queue, &mut begun.progress, &none);
        let (read, ()) = tokio::join!(reading, sending);
        let sent = queue.sent();
        drop((delivery, comparer));
        block_in_place(|| drop(journal));
        read?;
        sent.into_iter().for_each(|seq| intake.differ.mark_sent(seq));
        intake.finish(before.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::RecordHash;
    use crate::sync::spool::Place;

    fn head(key: u8, destination_hash: u64) -> Head {
        let place = Place { offset: 0, len: 1 };
        Head { key: KeyHash([key; 16]), fingerprint: RecordHash([1; 16]), destination_hash, place, row: 0 }
    }

    fn chooser(min_rows: u64) -> (Chooser, Receiver<Lot>) {
        let (lots, received) = channel(1);
        let keys = Filter::new();
        let destinations = Some(Filter::new());
        let lot = Lot::default();
        (
            Chooser { keys, destinations, min_rows, rows: 0, batch_rows: 1, batch_bytes: 9, lot, lots },
            received,
        )
    }

    fn given(received: &mut Receiver<Lot>) -> Option<Vec<u64>> {
        Some(received.try_recv().ok()?.heads.into_iter().map(|(seq, _)| seq).collect())
    }

    #[test]
    fn only_the_first_of_a_key_and_of_a_destination_key_goes_early() {
        let (mut chooser, mut received) = chooser(0);
        chooser.pass(&KeyHash([1; 16]), Some(11));
        for (seq, (key, destination)) in
            [(1, 12), (2, 11), (3, 13), (3, 14), (4, 13), (5, 15)].into_iter().enumerate()
        {
            chooser.offer(seq as u64, &head(key, destination), b"r");
        }
        assert_eq!(given(&mut received), Some(vec![2]), "the last row is still being gathered");
        assert_eq!(chooser.lot.heads.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [5]);
    }

    #[test]
    fn what_the_destination_cannot_take_waits_for_the_end() {
        let (mut chooser, mut received) = chooser(0);
        (0..5_u8).for_each(|n| chooser.offer(n.into(), &head(n, n.into()), b"r"));
        assert_eq!(given(&mut received), Some(vec![0]));
        assert_eq!(given(&mut received), None);
        assert_eq!(chooser.lot.heads.len(), 1, "and no more of it is in memory than before");
    }

    #[test]
    fn a_batch_is_cut_by_what_a_request_needs() {
        let (mut chooser, mut received) = chooser(0);
        chooser.batch_rows = 10;
        chooser.batch_bytes = 2 * head(0, 0).place.size();
        (0..4_u8).for_each(|n| chooser.offer(n.into(), &head(n, n.into()), b"r"));
        assert_eq!(given(&mut received), Some(vec![0, 1]), "not by their records alone");
        assert_eq!(chooser.lot.heads.len(), 2);
    }

    #[test]
    fn nothing_goes_before_the_least_rows_have_come() {
        let (mut chooser, mut received) = chooser(4);
        (0..6_u8).for_each(|n| chooser.offer(n.into(), &head(n, n.into()), b"r"));
        assert_eq!(given(&mut received), Some(vec![3]));
    }
}
