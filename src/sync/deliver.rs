//! Plan -> receipts: batches in flight up to the permitted number, each made durable before it leaves. The only writer
//! to the outside.

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use governor::{Quota, RateLimiter};
use outflow_connectors::contract::{
    ConnectorError, Handles, Kind, Outcome, RateLimit, Receipt, RemoteHandle, Retry, Session, Submitted, Verb,
};
use tokio::task::block_in_place;

use super::Cancel;
use super::acknowledge::{Keeping, is_absent};
use super::batch::{Batch, Records};
use super::event::{Counts, Event, Observer};
use super::feed::{Batches, Feed};
use super::planned::{Item, Phase, Plan};
use crate::error::{Error, Result};
use crate::ledger::{BatchId, Intent, KeyHash, Lease, Ledger, Settled, Settlement};
use crate::project::{Bound, Mode};

/// What a delivery works with.
pub struct Delivery<'a> {
    pub sync: &'a str,
    pub session: &'a dyn Session,
    pub ledger: &'a Ledger,
    pub lease: &'a Lease,
    pub feed: Feed<'a>,
    pub records: Records<'a>,
    pub keeping: &'a Keeping,
    pub shape: Shape,
    pub observer: &'a dyn Observer,
    pub cancel: &'a Cancel,
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
}

/// Why a delivery ended.
#[derive(Debug)]
pub enum Ended {
    Done,
    Interrupted,
    /// `max_rejected` was passed.
    Broken(Error),
    /// The destination, a quota or the ledger stopped it.
    Stopped(Error),
}

/// What a delivery came to.
pub struct Delivered {
    pub counts: Counts,
    /// Part of `rejected`: `mode: update` found no object, which is nobody's fault.
    pub absent: u64,
    /// Those of the plan's awaited keys that were delivered.
    pub delivered: HashSet<KeyHash>,
    pub ended: Ended,
}

/// Time that batches in flight get to settle after an interrupt.
const SETTLE: Duration = Duration::from_secs(30);

/// How one batch went.
#[derive(Default)]
struct BatchEnd {
    counts: Counts,
    /// First attempts answered, and refused among them.
    firsts: (u64, u64),
    delivered: Vec<KeyHash>,
    /// Refused because `mode: update` found no object.
    absent: u64,
    halt: Halt,
}

/// What a batch says of those after it.
#[derive(Debug, Default)]
enum Halt {
    #[default]
    GoOn,
    /// No answer came, however often it was tried: after some such batches in a row the destination counts as down.
    Unanswered(Error),
    /// No further batch starts.
    Stop(Error),
}

/// Batches without an answer, one after another, that end a run.
const UNANSWERED: u32 = 3;

#[derive(Default)]
struct Progress {
    counts: Counts,
    firsts: (u64, u64),
    /// Those of the awaited keys that were delivered.
    delivered: HashSet<KeyHash>,
    settled: u64,
    absent: u64,
    unanswered: u32,
    ended: Option<Ended>,
}

impl Delivery<'_> {
    /// Sends all phases in order. Counts of what was settled come back whatever happened; what was not sent is pending.
    pub async fn run(&self, plan: &Plan) -> Delivered {
        let mut progress = Progress::default();
        let pace = self.shape.rate.and_then(pace);
        for phase in &plan.phases {
            if progress.ended.is_none() {
                self.phase((plan, phase), &mut progress, pace.as_ref()).await;
            } else {
                progress.counts.pending += phase.len;
            }
        }
        let ended = progress.ended.unwrap_or(Ended::Done);
        let Progress { counts, absent, delivered, .. } = progress;
        Delivered { counts, absent, delivered, ended }
    }

    async fn phase(&self, (plan, phase): (&Plan, &Phase), progress: &mut Progress, pace: Option<&Pace>) {
        // What a change waits for was sent in an earlier phase.
        let before = progress.delivered.clone();
        let is_blocked = |item: &Item| item.after.is_some_and(|key| !before.contains(&key));
        let mut batches = Batches::new(self.feed.changes(phase), &self.shape, is_blocked);
        let mut flying = FuturesUnordered::new();
        let mut in_air = 0;
        loop {
            if self.cancel.is_stopped() && progress.ended.is_none() && batches.left() > 0 {
                progress.ended = Some(Ended::Interrupted);
            }
            let more = progress.ended.is_none() && batches.left() > 0;
            if flying.is_empty() && !more {
                break;
            }
            tokio::select! {
                biased;
                // Those in flight go on while the next one waits for its turn.
                Some(end) = flying.next() => {
                    let end: BatchEnd = end;
                    in_air -= end.counts.sent + end.counts.pending;
                    self.take(plan, end, progress);
                }
                () = turn(pace), if more && flying.len() < self.shape.in_flight => {
                    match block_in_place(|| batches.next()) {
                        Ok(items) => {
                            let items = items.unwrap_or_default();
                            in_air += items.len() as u64;
                            if !items.is_empty() {
                                flying.push(self.batch(phase.verb, items));
                            }
                        }
                        Err(error) => progress.ended = Some(Ended::Stopped(error)),
                    }
                }
                () = self.cancel.stopped(), if progress.ended.is_none() => progress.ended = Some(Ended::Interrupted),
                () = tokio::time::sleep(SETTLE), if self.cancel.is_stopped() => break,
            }
        }
        // What is still in the air is cut off; its keys stay dirty.
        let cut_off = Counts { sent: in_air, deferred: in_air, unknown: in_air, ..Counts::default() };
        add(&mut progress.counts, &cut_off);
        progress.counts.pending += batches.left() + batches.blocked;
    }

    fn take(&self, plan: &Plan, end: BatchEnd, progress: &mut Progress) {
        add(&mut progress.counts, &end.counts);
        progress.firsts = (progress.firsts.0 + end.firsts.0, progress.firsts.1 + end.firsts.1);
        progress.delivered.extend(end.delivered.into_iter().filter(|key| plan.awaited.contains(key)));
        progress.settled += end.counts.sent;
        progress.absent += end.absent;
        self.observer.observe(&Event::Settled { sync: self.sync.to_owned(), changes: progress.settled });
        progress.unanswered =
            if matches!(end.halt, Halt::Unanswered(_)) { progress.unanswered + 1 } else { 0 };
        let ended = match end.halt {
            Halt::Stop(error) => Some(Ended::Stopped(error)),
            Halt::Unanswered(error) if progress.unanswered >= UNANSWERED => Some(Ended::Stopped(error)),
            Halt::Unanswered(_) | Halt::GoOn => self.breaker(progress.firsts).map(Ended::Broken),
        };
        if let Some(ended) = ended {
            progress.ended.get_or_insert(ended);
        }
    }

    /// `max_rejected`, judged over first attempts from 100 answers on.
    fn breaker(&self, (answered, refused): (u64, u64)) -> Option<Error> {
        let bound = self.shape.max_rejected?;
        (answered >= 100 && bound.is_passed(refused, answered)).then(|| {
            let message = format!("{refused} of {answered} rows were refused, but `max_rejected` is {bound}");
            Error::new("OF-RUN-025", crate::error::ErrorKind::Destination, message)
                .hint("look at `outflow errors`; the rows not sent yet go in the next run")
        })
    }

    async fn batch(&self, verb: Verb, items: Vec<Item>) -> BatchEnd {
        let rows = items.len();
        let batch = match block_in_place(|| Batch::load(self.records, items)) {
            Ok(batch) => batch,
            Err(error) => return unsent(rows, error),
        };
        match self.send(verb, &batch).await {
            Ok((answer, halt)) => self.acknowledge(&batch, answer, halt),
            // Nothing was sent: the intent did not become durable, or the lease is gone.
            Err(error) => unsent(rows, error),
        }
    }

    async fn send(&self, verb: Verb, batch: &Batch<'_>) -> Result<((BatchId, Answer), Halt)> {
        let batch_id = block_in_place(|| {
            self.lease.check()?;
            let intent = Intent { run_id: self.keeping.run_id.clone(), verb, entries: batch.intents()? };
            self.ledger.begin(&intent)
        })?;
        let handles = StoredHandles { ledger: self.ledger, batch: batch_id };
        let answer = match self.session.submit(batch, &handles).await {
            Ok(Submitted::Done(receipt)) => Ok(receipt),
            Ok(Submitted::Pending(handle)) => self.session.settle(&handle, batch).await,
            Err(error) => Err(error),
        };
        let (answer, halt) = judge(answer, batch.items.len());
        Ok(((batch_id, answer), halt))
    }

    fn acknowledge(&self, batch: &Batch<'_>, (id, answer): (BatchId, Answer), halt: Halt) -> BatchEnd {
        let rows = batch.items.len();
        match answer {
            Answer::Outcomes(outcomes) => self.record(id, batch, outcomes, halt),
            Answer::NotSent => {
                let untouched = vec![Outcome::Deferred { reason: "not sent".into() }; rows];
                let end = self.record(id, batch, untouched, halt);
                let pending = Counts { pending: rows as u64, ..Counts::default() };
                BatchEnd { counts: pending, ..end }
            }
        }
    }

    fn absent(&self, settled: &[Settled]) -> u64 {
        let absent =
            |s: &&Settled| matches!(&s.result, Settlement::Refused(refusal) if is_absent(&refusal.code));
        if self.keeping.mode == Mode::Update { settled.iter().filter(absent).count() as u64 } else { 0 }
    }

    fn record(&self, id: BatchId, batch: &Batch<'_>, outcomes: Vec<Outcome>, halt: Halt) -> BatchEnd {
        let firsts = first_attempts(&batch.items, &outcomes);
        let delivered = batch
            .items
            .iter()
            .zip(&outcomes)
            .filter(|(_, outcome)| matches!(outcome, Outcome::Applied { .. } | Outcome::Skipped { .. }))
            .map(|(item, _)| item.key)
            .collect();
        let stored = block_in_place(|| {
            let (settled, counts) = self.keeping.settle(batch, outcomes)?;
            self.ledger.settle(id, &settled)?;
            Ok((counts, self.absent(&settled)))
        });
        match stored {
            Ok((counts, absent)) => BatchEnd { counts, firsts, delivered, absent, halt },
            // The answer is known, but not on disk: the keys stay dirty, so they count as unknown.
            Err(error) => {
                let rows = batch.items.len() as u64;
                let counts = Counts { sent: rows, deferred: rows, unknown: rows, ..Counts::default() };
                BatchEnd { counts, halt: Halt::Stop(error), ..BatchEnd::default() }
            }
        }
    }
}

/// What came of a request.
#[derive(Debug)]
enum Answer {
    Outcomes(Vec<Outcome>),
    /// Known to have had no effect, for a reason that concerns no row.
    NotSent,
}

/// What a batch's answer means for its rows and for the run.
fn judge(answer: Result<Receipt, ConnectorError>, changes: usize) -> (Answer, Halt) {
    let error = match answer {
        Ok(receipt) if receipt.outcomes().len() == changes => {
            return (Answer::Outcomes(receipt.into_outcomes()), Halt::GoOn);
        }
        Ok(receipt) => {
            let message =
                format!("{changes} changes were sent, but {} outcomes came", receipt.outcomes().len());
            ConnectorError::new(Kind::Ambiguous, message)
        }
        Err(error) => error,
    };
    let all = |outcome: Outcome| Answer::Outcomes(vec![outcome; changes]);
    let unknown = || all(Outcome::Unknown { reason: error.message.clone() });
    let failure = Error::destination(&error);
    match error.kind {
        Kind::Ambiguous if error.retry == Retry::Exhausted => (unknown(), Halt::Unanswered(failure)),
        Kind::Ambiguous => (unknown(), Halt::GoOn),
        // A defect on this side may have come after the bytes left.
        Kind::Internal => (unknown(), Halt::Stop(failure)),
        Kind::Rejected => {
            let code = error.code.clone().unwrap_or_else(|| "REJECTED".into());
            (all(Outcome::Rejected { code, field: None, message: error.message.clone() }), Halt::GoOn)
        }
        Kind::RateLimited | Kind::Unavailable => {
            (all(Outcome::Deferred { reason: error.message.clone() }), Halt::Stop(failure))
        }
        Kind::Config | Kind::Auth | Kind::Quota => (Answer::NotSent, Halt::Stop(failure)),
    }
}

fn unsent(rows: usize, error: Error) -> BatchEnd {
    let counts = Counts { pending: rows as u64, ..Counts::default() };
    BatchEnd { counts, halt: Halt::Stop(error), ..BatchEnd::default() }
}

fn first_attempts(items: &[Item], outcomes: &[Outcome]) -> (u64, u64) {
    let firsts = items.iter().zip(outcomes).filter(|(item, _)| item.refusal.is_none());
    firsts.fold((0, 0), |(answered, refused), (_, outcome)| match outcome {
        Outcome::Rejected { .. } => (answered + 1, refused + 1),
        Outcome::Applied { .. } | Outcome::Skipped { .. } => (answered + 1, refused),
        Outcome::Deferred { .. } | Outcome::Unknown { .. } => (answered, refused),
    })
}

/// Adds the counts of a batch to those of the run.
pub fn add(total: &mut Counts, part: &Counts) {
    total.sent += part.sent;
    total.delivered += part.delivered;
    total.rejected += part.rejected;
    total.deferred += part.deferred;
    total.unknown += part.unknown;
    total.pending += part.pending;
}

type Pace = governor::DefaultDirectRateLimiter;

/// One request at a time, evenly spaced: a burst would let almost twice the rate through one window.
fn pace(rate: RateLimit) -> Option<Pace> {
    let spacing = rate.per.checked_div(rate.requests)?;
    Some(RateLimiter::direct(Quota::with_period(spacing)?.allow_burst(NonZeroU32::MIN)))
}

/// Ends when the next request may leave.
async fn turn(pace: Option<&Pace>) {
    let Some(pace) = pace else { return };
    while pace.check().is_err() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

struct StoredHandles<'a> {
    ledger: &'a Ledger,
    batch: BatchId,
}

#[async_trait]
impl Handles for StoredHandles<'_> {
    async fn store(&self, handle: &RemoteHandle) -> Result<(), ConnectorError> {
        block_in_place(|| self.ledger.store_handle(self.batch, &handle.0))
            .map_err(|error| ConnectorError::new(Kind::Internal, error.message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_for_fewer_changes_than_were_sent_proves_none() {
        let applied = Outcome::Applied { remote_id: None, created: None };
        let (answer, _) = judge(Ok(Receipt::uniform(1, applied)), 2);
        let Answer::Outcomes(outcomes) = answer else { panic!("{answer:?}") };
        assert!(matches!(outcomes[..], [Outcome::Unknown { .. }, Outcome::Unknown { .. }]), "{outcomes:?}");
    }
}
