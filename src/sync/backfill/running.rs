//! A backfill from its beginning to its end: reading all rows, then sending them turn by turn.

use std::collections::HashSet;
use std::time::Instant;

use tokio::task::block_in_place;

use super::chunks::Sending;
use super::record::{Backfill, Pace, Underway};
use crate::error::{Error, Result};
use crate::ledger::{By, KeyHash, Lease, Ledger, State, Tags};
use crate::project::Mode;
use crate::sync::bookkeeping;
use crate::sync::context::Context;
use crate::sync::diff::{Baseline, Class, Delta, Sighting, Sorter};
use crate::sync::event::{Counts, Preview, SyncReport};
use crate::sync::finish;
use crate::sync::known::{Memory, gather};
use crate::sync::permission::RunPermission;
use crate::sync::plan::{Items, Plan, plan};
use crate::sync::recover::Recovered;
use crate::sync::run::{Work, defect, fail};
use crate::sync::spool::{CHUNK, Space, Spill};
use crate::sync::state::{OpenRun, RunState};
use crate::sync::turns;

/// Backfills the sync, or previews that; the report says how it went on.
///
/// # Errors
/// Where it did not come to have a run on record.
pub async fn run(
    context: &Context<'_>,
    asked: &Backfill,
    (report, clock): (&mut SyncReport, Instant),
) -> Result<()> {
    let query = bookkeeping::query_hash(context.sync);
    let sync = asked.narrow(context.sync)?;
    let context = &Context { sync: &sync, ..*context };
    if context.options.dry_run {
        return dry_run(context, (asked, query), report).await;
    }
    let state = block_in_place(|| State::open(&context.project.state))?;
    let own = block_in_place(|| state.acquire_backfill(&sync.name))?;
    let target = context.project.target.as_deref();
    let (run_id, number) = block_in_place(|| state.begin_backfill(&sync.name, target, report.started_at))?;
    report.run_id = Some(run_id.clone());
    let running = Running { context, asked, query, state: &state, own: &own, run_id, number };
    if let Err(error) = running.send(report).await {
        fail(report, error);
    }
    report.duration_ms = clock.elapsed().as_millis() as u64;
    block_in_place(|| {
        state.finish_run(&finish::record(context, report, (&running.run_id, number)))?;
        own.release()
    })
}

/// A backfill on record.
pub struct Running<'a> {
    pub context: &'a Context<'a>,
    pub asked: &'a Backfill,
    /// Hash of the sync's own query.
    pub query: String,
    pub state: &'a State,
    /// Of the backfill, from start to end.
    pub own: &'a Lease,
    pub run_id: String,
    pub number: u64,
}

/// Both sides asked, the ledger as it was then.
struct Prepared<'a> {
    work: Work<'a>,
    recovered: Recovered,
    tags: Tags,
    progress: Underway,
    epoch: u64,
}

impl Running<'_> {
    /// Waits for the sync's lease.
    pub async fn turn(&self) -> Result<OpenRun> {
        self.own.check()?;
        let lease = turns::for_backfill(self.context, self.state).await?;
        Ok(OpenRun { state: self.state.clone(), lease, run_id: self.run_id.clone(), number: self.number })
    }

    async fn send(&self, report: &mut SyncReport) -> Result<()> {
        let Prepared { mut work, recovered, tags, progress, epoch } = self.prepare().await?;
        let project = self.context.project;
        let space = Space::new(&project.state, project.spool_max, project.spool_memory);
        let (delta, plan, held) = read(&work, &recovered, (report, &space)).await?;
        let known: HashSet<KeyHash> = recovered.dirty.keys().copied().collect();
        let mut delta = delta;
        let order = block_in_place(|| order(&mut delta, &progress, &space))?;
        // Runs between the chunks are not to be kept from tidying up the ledger.
        work.state.ledger = None;
        let destination = work.destination.clone();
        let mut sending = Sending::new(self, work, (delta, plan, order), (tags, known, epoch), progress);
        let result = sending.run(held, report).await;
        let traffic = destination.traffic();
        report.counts.requests = traffic.writes;
        report.counts.reads = traffic.reads;
        report.counts.bytes_sent = traffic.bytes;
        report.counts.retries = traffic.retries;
        result
    }

    /// Asks both sides and settles what an earlier run left, under the sync's lease.
    async fn prepare(&self) -> Result<Prepared<'_>> {
        let context = self.context;
        let open = self.turn().await?;
        let state = block_in_place(|| RunState::write(context, &open))?;
        let mut work = context.unless_stopped(Work::connect(context, state, None)).await?;
        work.state.check_identity(&work.identity(), context.sync, &context.options.allow)?;
        work.slow_down(self.asked.pace);
        let right = RunPermission::new(&open.lease, context.cancel, work.spacing.as_ref());
        let session = work.session_as(&self.run_id, right).await?;
        let recovered = context.unless_stopped(work.recover(Some(&*session))).await?;
        let progress = block_in_place(|| {
            let wanted = work.wanted(self.asked, &self.query, &self.run_id);
            wanted.claim(work.state.ledger.as_ref(), self.asked.restart)
        })?;
        let epoch = open.lease.epoch();
        let path = Ledger::path(&context.project.state, &context.sync.name);
        let tags = block_in_place(|| {
            if let Some(ledger) = work.state.ledger.take() {
                // Whoever only reads makes a table of the details that wait in their log.
                ledger.compact()?;
                ledger.close()?;
            }
            work.state.ledger = Ledger::read(&path)?;
            let tags = work
                .state
                .ledger
                .as_ref()
                .map(|ledger| ledger.tags(By::Fingerprint))
                .transpose()?
                .unwrap_or_else(Tags::empty);
            open.lease.release()?;
            Ok::<_, Error>(tags)
        })?;
        Ok(Prepared { work, recovered, tags, progress, epoch })
    }
}

impl Work<'_> {
    /// The progress of a backfill that begins.
    fn wanted(&self, asked: &Backfill, query: &str, run_id: &str) -> Underway {
        Underway {
            id: run_id.to_owned(),
            started_at: jiff::Timestamp::now(),
            mapping: self.mappings.current.hash.clone(),
            query: query.to_owned(),
            filter: asked.filter.clone(),
            done: None,
            rows: 0,
            sent: 0,
        }
    }

    /// The rate that a backfill may use; forecasts know of it. The requests themselves are held back where they leave.
    fn slow_down(&mut self, pace: Pace) {
        let capabilities = &mut self.resolved.capabilities;
        if let (Pace::Share(share), Some(rate)) = (pace, capabilities.rate) {
            capabilities.rate = Some(rate.share(share));
        }
    }
}

/// Reads the source to its end and plans what to send; the third part is why nothing may be.
async fn read(
    work: &Work<'_>,
    recovered: &Recovered,
    (report, space): (&mut SyncReport, &Space),
) -> Result<(Delta, Plan, Option<Error>)> {
    let baseline = Baseline {
        tags: Tags::empty(),
        dirty: recovered.dirty.clone(),
        mode: work.context.sync.mode,
        full_refresh: false,
        backfill: true,
        part: false,
        tracked: true,
        restates: false,
        rekeys: false,
    };
    let (mut delta, failed_tests) = work.extract(baseline, space).await?.ok_or_else(defect)?;
    let memory = block_in_place(|| Memory::new(work.state.ledger.as_ref()))?;
    let asked = (&*work.destination, &work.resolved.target);
    let known = gather(&mut delta, &memory, asked, (recovered.unclear.clone(), false)).await?;
    report.faults = finish::fault_samples(&delta);
    let plan = block_in_place(|| plan(&mut delta, &memory, &known, &work.rules()))?;
    report.counts = plan.counts;
    report.notes.extend(plan.notes.iter().cloned());
    let created = delta.candidates.count(Class::Unchanged);
    if work.context.sync.mode == Mode::Insert && created > 0 {
        let rows = if created == 1 { "1 row was".to_owned() } else { format!("{created} rows were") };
        report.notes.push(format!("{rows} created before; `mode: insert` sends none twice"));
    }
    let guard = block_in_place(|| work.guard(&delta, &plan, &memory))?;
    let held = finish::clash(&delta).or(failed_tests).or(guard);
    Ok((delta, plan, held))
}

/// The ordinary rows that are still to be sent, by key; those that were sent count as unchanged from now on.
fn order(delta: &mut Delta, progress: &Underway, space: &Space) -> Result<Spill<Sighting>> {
    let mut sorter = Sorter::new(space.clone());
    for start in (0..delta.candidates.len()).step_by(CHUNK) {
        for candidate in delta.candidates.slice(start, CHUNK)?.iter().filter(|candidate| candidate.bulk) {
            let key = candidate.head.key;
            match progress.is_done(&key) {
                true => delta.candidates.set(candidate.seq, Class::Unchanged),
                false => sorter.push(Sighting::of_key(key, candidate.seq))?,
            }
        }
    }
    let mut order = Spill::new(space.clone());
    let mut sorted = sorter.sorted();
    while let Some(sighting) = sorted.pop()? {
        order.push(&sighting)?;
    }
    Ok(order)
}

/// Counts of the rows as they stand now.
pub fn recount(counts: &mut Counts, delta: &Delta) {
    counts.added = delta.candidates.count(Class::Add);
    counts.changed = delta.candidates.count(Class::Change);
    counts.unchanged = delta.unchanged() + delta.candidates.count(Class::Rebase);
}

async fn dry_run(
    context: &Context<'_>,
    (asked, query): (&Backfill, String),
    report: &mut SyncReport,
) -> Result<()> {
    let state = block_in_place(|| RunState::read(context))?;
    let mut work = context.unless_stopped(Work::connect(context, state, None)).await?;
    let result = previewed(&mut work, (asked, query), report).await;
    report.counts.reads = work.destination.traffic().reads;
    result
}

async fn previewed(
    work: &mut Work<'_>,
    (asked, query): (&Backfill, String),
    report: &mut SyncReport,
) -> Result<()> {
    let context = work.context;
    work.state.check_identity(&work.identity(), context.sync, &context.options.allow)?;
    work.slow_down(asked.pace);
    let wanted = work.wanted(asked, &query, "");
    let progress = block_in_place(|| wanted.claim(work.state.ledger.as_ref(), asked.restart))?;
    let recovered = work.recover(None).await?;
    let space = Space::new(&std::env::temp_dir(), context.project.spool_max, context.project.spool_memory);
    let (mut delta, mut plan, held) = read(work, &recovered, (report, &space)).await?;
    let left = block_in_place(|| order(&mut delta, &progress, &space))?.len();
    recount(&mut report.counts, &delta);
    for phase in &mut plan.phases {
        if let Items::Bulk = phase.items {
            phase.len = left.min(progress.room(context.options.limit));
        }
    }
    if progress.done.is_some() {
        report.notes.push(format!(
            "under way since {:.0}: {} rows are done, {left} are left",
            progress.started_at, progress.rows
        ));
    }
    let memory = block_in_place(|| Memory::new(work.state.ledger.as_ref()))?;
    let preview = block_in_place(|| work.preview(&delta, &plan, &memory))?;
    report.preview = Some(Preview { would_hold: held, ..preview });
    Ok(())
}
