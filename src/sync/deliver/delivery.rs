//! Sends batches: as many at once as are permitted, each made durable before it leaves and settled by its answer.

use std::collections::HashSet;
use std::panic::resume_unwind;
use std::pin::pin;
use std::thread::{self, Builder, Scope};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use outflow_connectors::contract::{
    ConnectorError, Handles, Kind, Outcome, RateLimit, RemoteHandle, Session, Submitted,
};
use outflow_connectors::rehearsal::point;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::block_in_place;
use tokio::time::Instant;

use super::acknowledge::Keeping;
use super::answer::{Answer, Halt, first_attempts, halts, judge};
use super::batch::Batch;
use super::gate::Gate;
use super::journal::{Journal, no_thread};
use super::progress::{BatchEnd, Ended, Progress, Watch};
use super::queue::Queue;
use crate::error::Result;
use crate::ledger::{BatchId, KeyHash, Lease, Ledger, Settled, Settlement};
use crate::project::Bound;
use crate::sync::Cancel;
use crate::sync::event::{Counts, Event, Observer};
use crate::sync::plan::is_absent;
use crate::sync::timing::{Closing, Deadline};

/// What a delivery works with.
pub struct Delivery<'a> {
    pub sync: &'a str,
    pub session: &'a dyn Session,
    pub ledger: &'a Ledger,
    pub journal: &'a Journal,
    pub lease: &'a Lease,
    pub gate: Gate,
    pub watch: &'a Watch,
    pub keeping: &'a Keeping,
    pub shape: Shape,
    pub observer: &'a dyn Observer,
    pub cancel: &'a Cancel,
    /// When the sync's window closes: no further batch starts then.
    pub closes: Option<Closing>,
    /// What the run is given a time for.
    pub deadline: Option<Deadline<'a>>,
}

/// How changes are cut into batches and how fast they leave.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub batch_rows: usize,
    pub batch_bytes: usize,
    pub in_flight: usize,
    /// The mapping's own `delivery.rate`.
    pub rate: Option<RateLimit>,
    pub max_rejected: Option<Bound>,
    /// Links of each record to others: a batch of records takes so many requests more.
    pub links: usize,
}

impl Shape {
    /// Batches under way at once: some wait for the disk before and after they are in flight, so that a free place never
    /// does; of large ones, one.
    fn ready(&self) -> usize {
        self.in_flight + self.in_flight.min(AHEAD / self.batch_rows.max(1)).max(1)
    }
}

/// Rows that are made ready ahead of their place, about.
const AHEAD: usize = 10_000;

const NEVER: Duration = Duration::from_secs(86_400 * 365);

/// Time that all batches in flight get to settle after an interrupt.
const SETTLE: Duration = Duration::from_secs(30);

impl Delivery<'_> {
    /// What follows is cut this way, at the same pace.
    pub fn shape_as(&mut self, shape: Shape) {
        (self.gate, self.shape) = (self.gate.resized(shape.in_flight), shape);
    }

    /// Sends all batches of the queue. Counts of what was settled come back whatever happened; what the queue still has
    /// afterwards was not sent. `awaited` are the keys that a later change waits for.
    pub async fn send_all(&self, queue: &mut Queue<'_>, progress: &mut Progress, awaited: &HashSet<KeyHash>) {
        self.send_by(queue, (progress, awaited), |batch| self.batch(batch)).await;
    }

    /// As [`Self::send_all`], with a thread for each batch where batches are large: what they are made into takes as many
    /// cores as there are places then. Nothing else may wait in this task, which stands still meanwhile.
    pub async fn send_side_by_side(
        &self,
        queue: &mut Queue<'_>,
        progress: &mut Progress,
        awaited: &HashSet<KeyHash>,
    ) {
        if self.shape.batch_rows < AHEAD {
            return self.send_all(queue, progress, awaited).await;
        }
        let runtime = Handle::current();
        block_in_place(|| {
            thread::scope(|scope| {
                let begin = |batch| self.on_thread(scope, batch);
                runtime.block_on(self.send_by(queue, (progress, awaited), begin));
            });
        });
    }

    async fn send_by<'q, F: Future<Output = BatchEnd>>(
        &self,
        queue: &mut Queue<'q>,
        (progress, awaited): (&mut Progress, &HashSet<KeyHash>),
        begin: impl Fn(Batch<'q>) -> F,
    ) {
        let mut flying = FuturesUnordered::new();
        let mut in_air = 0;
        let (mut open, mut stopping) = (true, false);
        let before = progress.counts;
        let mut settled_by = pin!(tokio::time::sleep(SETTLE));
        let closes = self.closes.as_ref().map_or_else(|| Instant::now() + NEVER, |closing| closing.at);
        let (mut closing, mut is_closed) = (pin!(tokio::time::sleep_until(closes)), closes <= Instant::now());
        loop {
            let more = open && !stopping && !is_closed && !self.watch.has_ended();
            if flying.is_empty() && !more {
                break;
            }
            tokio::select! {
                biased;
                // Those in flight go on while the next one is made ready.
                Some(end) = flying.next() => {
                    let end: BatchEnd = end;
                    in_air -= end.counts.sent + end.counts.pending;
                    progress.take(end, awaited);
                    if let Some(deadline) = &self.deadline {
                        deadline.hear(progress.settled, self.observer);
                    }
                    let event = Event::Settled { sync: self.sync.to_owned(), changes: progress.settled };
                    self.observer.observe(&event);
                }
                () = closing.as_mut(), if !is_closed => {
                    is_closed = true;
                    self.gate.close();
                }
                filled = queue.fill(), if more && flying.len() < self.shape.ready() => match filled {
                    Ok(()) => match queue.take() {
                        Some(batch) => {
                            in_air += batch.items.len() as u64;
                            flying.push(begin(batch));
                        }
                        None => open = false,
                    },
                    Err(error) => self.watch.end(Ended::Stopped(error)),
                },
                () = self.cancel.stopped(), if !stopping => {
                    stopping = true;
                    self.gate.close();
                    settled_by.as_mut().reset(Instant::now() + SETTLE);
                }
                () = settled_by.as_mut(), if stopping => break,
            }
        }
        // A stop that came when all had left already, and was answered, has interrupted nothing.
        let has_lost = progress.counts.pending > before.pending || progress.counts.unknown > before.unknown;
        if stopping && (queue.has_more() || has_lost || in_air > 0) {
            self.watch.end(Ended::Interrupted);
        }
        let is_left = queue.has_more() || progress.counts.pending > before.pending;
        if let Some(closing) = self.closes.as_ref().filter(|_| is_closed && is_left) {
            let error = closing.error.clone();
            // What left before is not held.
            let has_sent = progress.counts.sent > 0;
            self.watch.end(if has_sent { Ended::Broken(error) } else { Ended::Stopped(error) });
        }
        // What is still in the air is cut off; its keys stay dirty.
        progress.counts.add(&unknown(in_air));
    }

    /// [`Self::batch`] on a thread of its own, which cuts the batch off once nobody waits for it any more.
    fn on_thread<'scope, 'q: 'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        batch: Batch<'q>,
    ) -> impl Future<Output = BatchEnd> {
        let (rows, runtime) = (batch.items.len(), Handle::current());
        let (mut done, end) = oneshot::channel();
        let work = move || {
            runtime.block_on(async move {
                tokio::select! {
                    biased;
                    end = self.batch(batch) => drop(done.send(end)),
                    () = done.closed() => {}
                }
            });
        };
        let begun = Builder::new().name("outflow-batch".into()).spawn_scoped(scope, work);
        async move {
            let thread = match begun {
                Ok(thread) => thread,
                Err(error) => {
                    self.watch.hear(Halt::Stop(no_thread(&error)), (0, 0));
                    return BatchEnd { counts: pending(rows), ..BatchEnd::default() };
                }
            };
            match end.await {
                Ok(end) => end,
                // A thread that ends without a word has a defect. It ends this run: nothing is sent after it.
                Err(_) => {
                    if let Err(defect) = thread.join() {
                        resume_unwind(defect);
                    }
                    BatchEnd { counts: unknown(rows as u64), ..BatchEnd::default() }
                }
            }
        }
    }

    async fn batch(&self, batch: Batch<'_>) -> BatchEnd {
        match self.send(&batch).await {
            Ok((id, answer)) => self.acknowledge(id, &batch, answer).await,
            // Nothing was sent: the intent did not become durable, or the lease is gone.
            Err(error) => {
                self.watch.hear(Halt::Stop(error), (0, 0));
                BatchEnd { counts: pending(batch.items.len()), ..BatchEnd::default() }
            }
        }
    }

    async fn send(&self, batch: &Batch<'_>) -> Result<(BatchId, Answer)> {
        let intent = batch.intent(&self.keeping.run_id)?;
        point("deliver.intent");
        let id = self.journal.begin(intent).await?;
        point("deliver.wait");
        let place = self.gate.enter().await;
        // A batch may have waited for its place until the window closed, without anybody looking at a clock.
        let is_closed = self.closes.as_ref().is_some_and(|closing| closing.at <= Instant::now());
        if place.is_none() || is_closed || self.watch.has_ended() {
            return Ok((id, Answer::NotSent));
        }
        block_in_place(|| self.lease.check())?;
        point("deliver.send");
        let handles = StoredHandles { ledger: self.ledger, batch: id };
        let (answer, stopped) = match self.session.submit(batch, &handles).await {
            Ok(Submitted::Done(receipt)) => (Ok(receipt), None),
            Ok(Submitted::Stopped(receipt, error)) => (Ok(receipt), Some(error)),
            Ok(Submitted::Pending(handle)) => (self.session.settle(&handle, batch).await, None),
            Err(error) => (Err(error), None),
        };
        point("deliver.answered");
        let (answer, halt) = judge(answer, batch.items.len());
        let answer = answer.without_absent(&batch.items);
        let halt = stopped.map_or(halt, |error| halts(&error));
        // A lease that was lost meanwhile ends the run, whatever came of this batch.
        let halt = block_in_place(|| self.lease.check()).map_or_else(Halt::Stop, |()| halt);
        // Before the next batch takes the place.
        let firsts = first_attempts(&batch.items, &answer, self.keeping.waits_for_objects());
        self.watch.hear(halt, firsts);
        Ok((id, answer))
    }

    async fn acknowledge(&self, id: BatchId, batch: &Batch<'_>, answer: Answer) -> BatchEnd {
        let rows = batch.items.len();
        match answer {
            Answer::Outcomes(outcomes) => self.record(id, batch, outcomes).await,
            Answer::NotSent => {
                let untouched = vec![Outcome::Deferred { reason: "not sent".into() }; rows];
                BatchEnd { counts: pending(rows), ..self.record(id, batch, untouched).await }
            }
        }
    }

    fn absent(&self, settled: &[Settled]) -> u64 {
        let absent =
            |s: &&Settled| matches!(&s.result, Settlement::Refused(refusal) if is_absent(&refusal.code));
        if self.keeping.waits_for_objects() { settled.iter().filter(absent).count() as u64 } else { 0 }
    }

    async fn record(&self, id: BatchId, batch: &Batch<'_>, outcomes: Vec<Outcome>) -> BatchEnd {
        let delivered = batch
            .items
            .iter()
            .zip(&outcomes)
            .filter(|(_, outcome)| matches!(outcome, Outcome::Applied { .. } | Outcome::Skipped { .. }))
            .map(|(item, _)| item.key)
            .collect();
        let stored = match self.keeping.settle(batch, outcomes) {
            Ok((settled, counts)) => {
                let absent = self.absent(&settled);
                point("deliver.settle");
                let stored = self.journal.settle(id, settled).await;
                point("deliver.settled");
                stored.map(|()| (counts, absent))
            }
            Err(error) => Err(error),
        };
        match stored {
            Ok((counts, absent)) => BatchEnd { counts, delivered, absent },
            // The answer is known, but not on disk: the keys stay dirty, so they count as unknown.
            Err(error) => {
                self.watch.hear(Halt::Stop(error), (0, 0));
                BatchEnd { counts: unknown(batch.items.len() as u64), ..BatchEnd::default() }
            }
        }
    }
}

fn pending(rows: usize) -> Counts {
    Counts { pending: rows as u64, ..Counts::default() }
}

/// Of rows that were sent, and nobody knows what became of them.
fn unknown(rows: u64) -> Counts {
    Counts { sent: rows, deferred: rows, unknown: rows, ..Counts::default() }
}

struct StoredHandles<'a> {
    ledger: &'a Ledger,
    batch: BatchId,
}

#[async_trait]
impl Handles for StoredHandles<'_> {
    async fn store(&self, handle: &RemoteHandle) -> Result<(), ConnectorError> {
        point("handle.store");
        let stored = block_in_place(|| self.ledger.store_handle(self.batch, &handle.0));
        point("handle.stored");
        stored.map_err(|error| ConnectorError::new(Kind::Internal, error.message.clone()).source(error))
    }
}
