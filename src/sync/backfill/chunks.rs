//! A backfill's rows on their way: some thousand at a time, each time under the sync's lease, the progress on disk before
//! it is given free.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use outflow_connectors::contract::RunEnd;
use tokio::task::block_in_place;

use super::pace::{Meter, Onward, first_size, next_size};
use super::record::Underway;
use super::running::{Running, recount};
use crate::error::{Error, Result};
use crate::ledger::{KeyHash, Ledger, Salt, Tags};
use crate::sync::Cancel;
use crate::sync::bookkeeping;
use crate::sync::deliver::{
    Batches, Delivery, Ended, Feed, Gate, Journal, Progress, Queue, Records, Shape, Watch,
};
use crate::sync::diff::{Delta, Sighting};
use crate::sync::event::{Counts, Event, SyncReport};
use crate::sync::finish;
use crate::sync::known::Memory;
use crate::sync::permission::RunPermission;
use crate::sync::plan::{Item, Items, Phase, Plan, object_of, record};
use crate::sync::run::Work;
use crate::sync::spool::{CHUNK, Spill};
use crate::sync::state::OpenRun;

/// What is left of a backfill.
pub struct Sending<'a> {
    pub(super) running: &'a Running<'a>,
    pub(super) work: Work<'a>,
    pub(super) delta: Delta,
    pub(super) plan: Plan,
    /// The ordinary rows by key.
    pub(super) order: Spill<Sighting>,
    /// Position of the first that was not sent.
    pub(super) at: u64,
    pub(super) before: Before,
    pub(super) progress: Underway,
    /// Keys out of the ordinary that a run has dealt with meanwhile.
    pub(super) overtaken: HashSet<KeyHash>,
    /// Changes out of the ordinary that were neither sent nor found to be needless.
    listed: u64,
    /// By this process, repeats included.
    sent: u64,
    /// Rows of the next chunk.
    size: usize,
    pub(super) shape: Shape,
    /// Of all chunks, for they keep one pace.
    gate: Gate,
    /// Hears the answers to all chunks: they are one delivery.
    heard: Watch,
    /// Rows that were passed by without an answer.
    pub(super) unanswered: u64,
    absent: u64,
    pub(super) chunks: u64,
    pub(super) meter: Meter,
}

/// The ledger as it was when the source was read.
pub(super) struct Before {
    pub(super) tags: Tags,
    pub(super) dirty: HashSet<KeyHash>,
    /// Of the lease under which it was last seen.
    pub(super) epoch: u64,
}

/// The right to send for a while.
pub(super) struct Turn {
    open: OpenRun,
    pub(super) ledger: Ledger,
}

/// What a chunk came to.
pub(super) struct ChunkEnd {
    pub(super) counts: Counts,
    pub(super) delivered: HashSet<KeyHash>,
    absent: u64,
    pub(super) ended: Ended,
    took: Duration,
}

impl Turn {
    fn end(self) -> Result<()> {
        block_in_place(|| {
            self.ledger.close()?;
            self.open.lease.release()
        })
    }
}

impl<'a> Sending<'a> {
    pub fn new(
        running: &'a Running<'a>,
        work: Work<'a>,
        (delta, plan, order): (Delta, Plan, Spill<Sighting>),
        (tags, dirty, epoch): (Tags, HashSet<KeyHash>, u64),
        progress: Underway,
    ) -> Self {
        let before = Before { tags, dirty, epoch };
        let listed = plan.phases.iter().filter(|phase| matches!(phase.items, Items::Listed(_)));
        let listed = listed.map(|phase| phase.len).sum();
        let shape = work.shape_of(order.len());
        let (size, gate) = (first_size(&shape), Gate::new(shape.in_flight, shape.rate));
        let meter = Meter::new(work.destination.traffic().writes);
        Sending {
            running,
            work,
            delta,
            plan,
            order,
            at: 0,
            before,
            progress,
            overtaken: HashSet::new(),
            listed,
            sent: 0,
            size,
            shape,
            gate,
            heard: Watch::new(shape.max_rejected),
            unanswered: 0,
            absent: 0,
            chunks: 0,
            meter,
        }
    }

    /// Sends what there is, unless the run is held.
    pub async fn run(&mut self, held: Option<Error>, report: &mut SyncReport) -> Result<()> {
        recount(&mut report.counts, &self.delta);
        let begun = self.begin(held).await;
        let ended = match begun {
            Ok(()) => self.all(report).await,
            Err(error) => Err(error),
        };
        recount(&mut report.counts, &self.delta);
        let left = self.left()?;
        report.counts.pending += left;
        let ended = ended?;
        if matches!(ended, Ended::Done) {
            match left {
                0 => self.complete(report).await?,
                left => report.notes.push(self.rest(left)),
            }
        }
        finish::conclude(report, ended, self.absent, self.plan.waiting)
    }

    /// Puts on disk what is to be sent, before anything is.
    async fn begin(&mut self, held: Option<Error>) -> Result<()> {
        let turn = self.turn().await?;
        block_in_place(|| {
            let run_id = &self.running.run_id;
            bookkeeping::invalid_rows(&turn.ledger, &self.delta, run_id, self.progress.filter.is_some())?;
            if let Some(error) = held {
                return Err(error);
            }
            let (sync, known) = (self.work.context.sync, (&self.work.identity(), &self.work.mappings));
            bookkeeping::before(&turn.ledger, sync, known, &self.running.query)?;
            self.work.state.before_sending(sync)?;
            self.progress.store(&turn.ledger)
        })?;
        let (sync, changes) = (self.work.context.sync.name.clone(), self.left()?.min(self.room()));
        self.work.context.observer.observe(&Event::Planned { sync, changes });
        turn.end()
    }

    async fn all(&mut self, report: &mut SyncReport) -> Result<Ended> {
        match self.listed(report).await? {
            Ended::Done => self.ordinary(report).await,
            ended => Ok(ended),
        }
    }

    /// Changes out of the ordinary go first, in the order of the plan: among them are rows that free a match key for
    /// others.
    async fn listed(&mut self, report: &mut SyncReport) -> Result<Ended> {
        let mut delivered: HashSet<KeyHash> = HashSet::new();
        for phase in self.plan.phases.clone() {
            let Items::Listed(items) = phase.items else { continue };
            for items in items[..phase.len as usize].chunks(self.size) {
                let turn = match self.next_turn().await? {
                    Some(turn) => turn,
                    None => return Ok(Ended::Interrupted),
                };
                let count = items.len() as u64;
                let mut items = items.to_vec();
                items.retain(|item| !self.overtaken.contains(&item.key));
                let needless = count - items.len() as u64;
                items.retain(|item| item.after.iter().all(|key| delivered.contains(key)));
                items.truncate(self.room() as usize);
                items.iter_mut().for_each(|item| item.after.clear());
                let chunk = self.chunk(&items, &turn).await?;
                if matches!(chunk.ended, Ended::Done) {
                    block_in_place(|| self.keep_changed(&items, &chunk, &turn.ledger))?;
                }
                self.listed -= needless + chunk.counts.sent;
                self.count(&chunk, report);
                self.progress.sent += chunk.counts.sent;
                block_in_place(|| self.progress.store(&turn.ledger))?;
                delivered.extend(chunk.delivered);
                turn.end()?;
                match chunk.ended {
                    Ended::Interrupted if !self.is_stopped() => {}
                    Ended::Done => {}
                    ended => return Ok(ended),
                }
            }
        }
        Ok(Ended::Done)
    }

    async fn ordinary(&mut self, report: &mut SyncReport) -> Result<Ended> {
        while self.at < self.order.len() && self.room() > 0 {
            let Some(turn) = self.next_turn().await? else { return Ok(Ended::Interrupted) };
            let sightings = self.order.slice(self.at, self.size.min(self.room() as usize))?;
            let items = block_in_place(|| self.load(&sightings, &turn.ledger))?;
            let chunk = self.chunk(&items, &turn).await?;
            self.count(&chunk, report);
            let reach = block_in_place(|| self.reach((&sightings[..], &items[..]), &chunk, &turn.ledger))?;
            let reached = reach.sent;
            if let Some(key) = reached {
                self.at += sightings.iter().take_while(|sighting| sighting.key <= key).count() as u64;
                self.progress.rows += chunk.counts.delivered;
            }
            self.keep_reach(reach, &chunk);
            let passed = items.iter().take_while(|item| reached.is_some_and(|key| item.key <= key)).count();
            self.progress.sent += passed as u64;
            block_in_place(|| {
                self.keep_changed(&items[..passed], &chunk, &turn.ledger)?;
                self.progress.store(&turn.ledger)?;
                turn.ledger.compact()
            })?;
            turn.end()?;
            match chunk.ended {
                Ended::Interrupted if !self.is_stopped() => {}
                Ended::Done => {}
                ended => return Ok(ended),
            }
        }
        Ok(Ended::Done)
    }

    /// All was sent: what was held is shown, and the next backfill begins anew if all was answered.
    async fn complete(&mut self, report: &mut SyncReport) -> Result<()> {
        let deferred = report.counts.deferred;
        report.notes.extend((deferred > 0).then(|| self.without_answer(deferred)));
        let turn = self.turn().await?;
        block_in_place(|| {
            let memory = Memory::new(Some(&turn.ledger))?;
            let keeping = self.work.keeping(&turn.open);
            let after = bookkeeping::After {
                ledger: &turn.ledger,
                sync: self.work.context.sync,
                delta: &self.delta,
                plan: &self.plan,
                memory: &memory,
                keeping: &keeping,
                records: Records { spool: &self.delta.spool, mapper: &self.delta.mapper, cleared: None },
            };
            after.hold()?;
            if deferred > 0 {
                return Ok(());
            }
            if self.progress.filter.is_none() {
                bookkeeping::loaded(&turn.ledger)?;
            }
            Underway::clear(&turn.ledger)
        })?;
        turn.end()
    }

    fn is_stopped(&self) -> bool {
        self.work.context.cancel.is_stopped()
    }

    /// Changes that are still to be sent.
    fn left(&self) -> Result<u64> {
        let mut left = self.listed;
        for start in (self.at..self.order.len()).step_by(CHUNK) {
            let sightings = self.order.slice(start, CHUNK)?;
            left +=
                sightings.iter().filter(|s| self.delta.candidates.is_bulk(u64::from(s.seq))).count() as u64;
        }
        Ok(left)
    }

    fn count(&mut self, chunk: &ChunkEnd, report: &mut SyncReport) {
        // What is pending is counted at the end, all at once.
        let counts = Counts { pending: 0, ..chunk.counts };
        report.counts.add(&counts);
        self.sent += counts.sent;
        self.absent += chunk.absent;
        self.size = next_size(self.size, (counts.sent, chunk.took), self.shape.batch_rows);
        self.tell_pace();
    }

    async fn next_turn(&mut self) -> Result<Option<Turn>> {
        match self.is_stopped() {
            true => Ok(None),
            false => self.turn().await.map(Some),
        }
    }

    /// The sync's lease and its ledger; where a run came in between, what it did is taken in first.
    async fn turn(&mut self) -> Result<Turn> {
        let asked = Instant::now();
        let open = self.running.turn().await?;
        self.meter.leave_out(asked.elapsed());
        let project = self.work.context.project;
        let path = Ledger::path(&project.state, &self.work.context.sync.name);
        let ledger = block_in_place(|| {
            let ledger = Ledger::open(&path, &open.lease)?;
            ledger.bind_salt(&Salt::open(&project.state)?)?;
            if open.lease.epoch() != self.before.epoch + 1 {
                self.catch_up(&ledger)?;
            }
            Ok::<_, Error>(ledger)
        })?;
        self.before.epoch = open.lease.epoch();
        Ok(Turn { open, ledger })
    }

    /// The changes of these rows, as far as they are still wanted.
    fn load(&self, sightings: &[Sighting], ledger: &Ledger) -> Result<Vec<Item>> {
        let rows = &self.delta.candidates;
        let mut candidates = Vec::with_capacity(sightings.len());
        for sighting in sightings {
            candidates.extend(rows.get(u64::from(sighting.seq))?.filter(|candidate| candidate.bulk));
        }
        let memory = Memory::new(Some(ledger))?;
        let details = memory.details_of(&candidates)?;
        let refusals = memory.refusals(&candidates.iter().map(|c| c.head.key).collect::<Vec<_>>())?;
        let verb = self.work.rules().verb();
        let items = candidates.iter().map(|candidate| {
            let key = &candidate.head.key;
            let refusal = refusals.get(key);
            let detail = object_of(details.get(key), refusal);
            let remote_id = detail.and_then(|detail| detail.remote_id.clone());
            record(candidate, verb, remote_id, (detail, refusal))
        });
        Ok(items.collect())
    }

    /// Sends some changes; ends early when a run waits.
    async fn chunk(&mut self, items: &[Item], turn: &Turn) -> Result<ChunkEnd> {
        self.chunks += 1;
        let began = Instant::now();
        let context = self.work.context;
        let (stop, journal) = (Cancel::new(), Journal::open(&turn.ledger)?);
        let id = format!("{}-{}", self.running.run_id, self.chunks);
        let right = RunPermission::new(&turn.open.lease, &stop, self.work.spacing.as_ref());
        let session = self.work.session_as(&id, right).await?;
        let (shape, keeping) = (self.shape, self.work.keeping(&turn.open));
        let observer = Onward { observer: context.observer, before: self.sent };
        let delivery = Delivery {
            sync: &context.sync.name,
            session: &*session,
            ledger: &turn.ledger,
            journal: &journal,
            lease: &turn.open.lease,
            gate: self.gate.next(shape.in_flight),
            watch: &self.heard,
            keeping: &keeping,
            shape,
            observer: &observer,
            cancel: &stop,
            closes: self.work.closes(),
            deadline: None,
        };
        let records = Records { spool: &self.delta.spool, mapper: &self.delta.mapper, cleared: None };
        let keys: HashSet<KeyHash> = items.iter().map(|item| item.key).collect();
        let (memory, rules) = (Memory::new(None)?, self.work.rules());
        let feed = Feed { delta: &self.delta, farewells: &[], memory: &memory, rules: &rules };
        let phase = Phase { len: items.len() as u64, items: Items::Listed(items.to_vec()) };
        let mut queue = Queue::planned(records, Batches::new(feed.changes(&phase), &shape, |_| false));
        let mut progress = Progress::default();
        tokio::select! {
            () = delivery.send_all(&mut queue, &mut progress, &keys) => {}
            never = self.watch(&stop) => match never {},
        }
        let Progress { counts, delivered, absent, .. } = progress;
        let mut end =
            ChunkEnd { counts, delivered, absent, ended: delivery.watch.ended(), took: began.elapsed() };
        block_in_place(|| drop(journal));
        let is_done = matches!(end.ended, Ended::Done);
        // A chunk is not all that there is to send, and which is the last one only the end of the backfill tells.
        if let Err(error) = session.finish(RunEnd::Stopped).await
            && is_done
        {
            end.ended = Ended::Stopped(Error::destination(&error));
        }
        Ok(end)
    }
}
