//! What a run sends: the plan, phase by phase.

use std::mem::take;
use std::sync::atomic::AtomicBool;

use jiff::Timestamp;
use outflow_connectors::contract::{RunEnd, Session};
use outflow_connectors::rehearsal::point;
use tokio::task::block_in_place;

use super::acknowledge::Keeping;
use super::batch::Records;
use super::delivery::Delivery;
use super::feed::{Batches, Feed};
use super::gate::Gate;
use super::journal::Journal;
use super::progress::{Ended, Progress, Watch};
use super::queue::Queue;
use super::together::Order;
use crate::error::{Error, Result};
use crate::project::{Bound, Mode};
use crate::sync::bookkeeping;
use crate::sync::context::Context;
use crate::sync::diff::Delta;
use crate::sync::event::{Counts, Event, Forecast, SyncReport};
use crate::sync::finish;
use crate::sync::known::Memory;
use crate::sync::plan::{Item, Items, Phase, Plan};
use crate::sync::refresh;
use crate::sync::run::Work;
use crate::sync::state::OpenRun;
use crate::sync::timing::{Closing, Deadline};

/// What a delivery needs beside the work.
pub struct Job<'a> {
    pub delta: &'a Delta,
    pub plan: &'a Plan,
    pub memory: &'a Memory<'a>,
    pub open: &'a OpenRun,
    pub session: &'a dyn Session,
    /// What it takes, where the run is given a time.
    pub forecast: Option<Forecast>,
}

/// What a run has sent so far, while it read the source or after.
pub struct Begun {
    pub progress: Progress,
    pub watch: Watch,
    /// Identity, mapping and query are in the ledger.
    is_announced: bool,
}

impl Begun {
    pub fn new(max_rejected: Option<Bound>) -> Self {
        Begun { progress: Progress::default(), watch: Watch::new(max_rejected), is_announced: false }
    }

    /// Why the rest is held: what left while the source was read is not called unsent.
    pub fn told(&self, error: Error) -> Error {
        match self.progress.counts.sent {
            0 => error,
            _ => {
                Error { message: error.message.replace("nothing was sent", "nothing more was sent"), ..error }
            }
        }
    }
}

impl Work<'_> {
    /// Writes what the ledger and the history must know before anything is sent.
    pub(in crate::sync) fn before(&self, begun: &mut Begun) -> Result<()> {
        if !begun.is_announced {
            let (sync, known) = (self.context.sync, (&self.identity(), &self.mappings));
            bookkeeping::before(self.ledger()?, sync, known, &bookkeeping::query_hash(sync))?;
            self.state.before_sending(sync)?;
            begun.is_announced = true;
        }
        Ok(())
    }

    /// Sends batches as this sync does.
    pub(in crate::sync) fn delivery<'a>(
        &'a self,
        (open, session): (&'a OpenRun, &'a dyn Session),
        journal: &'a Journal,
        (keeping, watch): (&'a Keeping, &'a Watch),
    ) -> Result<Delivery<'a>> {
        let Context { sync, observer, cancel, .. } = *self.context;
        let shape = self.shape();
        Ok(Delivery {
            sync: &sync.name,
            session,
            ledger: self.ledger()?,
            journal,
            lease: &open.lease,
            gate: Gate::new(shape.in_flight, shape.rate),
            watch,
            keeping,
            shape,
            observer,
            cancel,
            closes: self.closes(),
            deadline: None,
        })
    }

    /// When the sync's window closes, unless the run may send at any time.
    pub(in crate::sync) fn closes(&self) -> Option<Closing> {
        let is_bound = !self.context.options.allow.any_time;
        Closing::of(self.context.sync, Timestamp::now()).filter(|_| is_bound)
    }

    fn deadline(&self, forecast: Option<Forecast>, changes: u64) -> Option<Deadline<'_>> {
        let (sync, forecast) = (self.context.sync, forecast?);
        Some(Deadline {
            sync: &sync.name,
            within: sync.deliver_within?,
            begun: self.clock,
            sending: std::time::Instant::now(),
            changes,
            binds: forecast.binds,
            said: AtomicBool::new(false),
        })
    }

    /// The order in which a phase's changes leave, where it is not that of the extract.
    fn order(&self, (delta, keeping): (&Delta, &Keeping), phase: &Phase) -> Result<Option<Order>> {
        let narrow = match phase.items {
            Items::Bulk => false,
            Items::Narrow => true,
            Items::Listed(_) | Items::Removals => return Ok(None),
        };
        let Some(bulk) = self.bulk(phase.len) else { return Ok(None) };
        // What is sent first is not for the sake of the ledger's pages to say.
        let in_rank = self.context.sync.priority.is_some();
        let fields = &delta.mapper.spec.fields;
        let is_together = |name: &str| bulk.together.as_deref() == Some(name);
        match fields.iter().position(|field| is_together(&field.name)) {
            Some(at) => Order::by_field(delta, at, (narrow, phase.len)).map(Some),
            None if in_rank || keeping.keeps_nothing(&delta.mapper) => Ok(None),
            None => Order::by_key(delta, (narrow, phase.len)).map(Some),
        }
    }

    pub(in crate::sync) async fn deliver(
        &self,
        job: Job<'_>,
        begun: &mut Begun,
        report: &mut SyncReport,
    ) -> Result<()> {
        let Job { delta, plan, memory, open, session, forecast } = job;
        let ledger = self.ledger()?;
        let keeping = self.keeping(open);
        let unstable = block_in_place(|| self.unstable((delta, memory), report))?;
        block_in_place(|| {
            self.before(begun)?;
            bookkeeping::restate(ledger, delta, self.restates())?;
            if self.context.sync.mode != Mode::Insert && refresh::is_asked(self.context, Some(ledger))? {
                refresh::mark_stale(ledger, &self.space())?;
            }
            bookkeeping::release(ledger, delta, plan, (memory, &open.run_id))
        })?;
        let records = Records { spool: &delta.spool, mapper: &delta.mapper, cleared: self.cleared() };
        let Context { sync, observer, .. } = *self.context;
        let changes = plan.changes() + begun.progress.settled;
        observer.observe(&Event::Planned { sync: sync.name.clone(), changes });
        let rules = self.rules();
        let journal = Journal::open(ledger)?;
        let mut delivery = self.delivery((open, session), &journal, (&keeping, &begun.watch))?;
        delivery.deadline = self.deadline(forecast, changes);
        let feed = Feed { delta, farewells: &plan.farewells, memory, rules: &rules };
        let progress = &mut begun.progress;
        for phase in &plan.phases {
            if delivery.watch.has_ended() {
                progress.counts.pending += phase.len;
                continue;
            }
            // What a change waits for was sent in an earlier phase.
            let before = progress.delivered.clone();
            let is_blocked = |item: &Item| !item.after.iter().all(|key| before.contains(key));
            delivery.shape_as(self.shape_of(phase.len));
            let order = block_in_place(|| self.order((delta, &keeping), phase))?;
            let changes = feed.changes(phase).in_order(order);
            let mut queue = Queue::planned(records, Batches::new(changes, &delivery.shape, is_blocked));
            delivery.send_side_by_side(&mut queue, progress, &plan.awaited).await;
            progress.counts.pending += queue.left();
        }
        report.counts.add(&take(&mut progress.counts));
        let (ended, absent) = (delivery.watch.ended(), progress.absent);
        let deadline = delivery.deadline.as_ref().filter(|_| matches!(ended, Ended::Done));
        report.notes.extend(deadline.and_then(Deadline::said));
        block_in_place(|| drop(journal));
        point("run.delivered");
        let is_done = matches!(ended, Ended::Done) && report.counts.pending == plan.waiting;
        let ended = match (ended, session.finish(run_end(is_done, &report.counts)).await) {
            (Ended::Done, Err(error)) => Ended::Stopped(Error::destination(&error)),
            (ended, _) => ended,
        };
        let complete = matches!(ended, Ended::Done);
        point("run.session_done");
        let note = block_in_place(|| {
            bookkeeping::invalid_rows(ledger, delta, &open.run_id, false)?;
            point("run.invalid_stored");
            let after = bookkeeping::After { ledger, sync, delta, plan, memory, keeping: &keeping, records };
            after.settle(complete.then_some(&report.counts), &self.mappings, self.context.options)?;
            // Rows that wait for their turn were refused before, and are looked for by themselves.
            let all_answered = complete && report.counts.pending == plan.waiting;
            match delta.track.as_ref().filter(|_| all_answered) {
                Some(track) => track.settle(sync, (self.pass(), &self.stand()), (ledger, delta)),
                None => Ok(None),
            }
        });
        report.notes.extend(note?);
        if let Some(unstable) = unstable {
            block_in_place(|| unstable.keep(ledger, &report.counts))?;
        }
        finish::conclude(report, ended, absent, plan.waiting)
    }
}

/// What a session is told of a delivery that went through its whole queue, or did not. What is pending in one that did waits for
/// its turn.
fn run_end(is_done: bool, counts: &Counts) -> RunEnd {
    if !is_done || counts.deferred > 0 {
        return RunEnd::Stopped;
    }
    match counts.rejected + counts.pending + counts.parked + counts.invalid {
        0 => RunEnd::Complete,
        rows => RunEnd::Without(rows),
    }
}
