//! One sync, once: the stages in order, each end on record.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use jiff::Timestamp;
use outflow_connectors::contract::{Destination, RunContext, Session, Source, Spacing, Window};
use outflow_connectors::rehearsal::point;
use tokio::task::block_in_place;

use super::backfill;
use super::bookkeeping;
use super::context::Context;
use super::cursor::Pass;
use super::deliver::{Begun, Job};
use super::diff::Baseline;
use super::event::{Event, InBulk, Preview, Status, SyncReport};
use super::finish;
use super::known::{Memory, clashes, gather};
use super::mirrors;
use super::missing;
use super::permission::RunPermission;
use super::plan::plan;
use super::policy::rate;
use super::recover::{self, Recovered};
use super::refresh;
use super::resolve::{Resolved, resolve};
use super::spool::Space;
use super::state::{Mappings, OpenRun, RunState, mappings};
use super::timing;
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::{Identity, Ledger};
use crate::transform::encode::Hasher;

/// Runs the sync, or previews it; every end is a report.
pub async fn run_one(context: &Context<'_>) -> SyncReport {
    let clock = Instant::now();
    let closed = timing::closed(context.sync, Timestamp::now()).filter(|_| !context.options.allow.any_time);
    let sandbox = context.connections.is_sandbox(&context.sync.destination.connection);
    let mut report = SyncReport { sandbox, ..SyncReport::blank(context.project, context.sync) };
    context.observer.observe(&Event::SyncStarted { sync: report.sync.clone() });
    let result = match (&context.options.backfill, context.options.dry_run, closed) {
        (Some(_), false, Some(closed)) => Err(closed),
        (Some(asked), ..) => backfill::run(context, asked, (&mut report, clock)).await,
        (None, true, closed) => dry_run(context, &mut report, closed).await,
        (None, false, closed) => recorded(context, &mut report, (clock, closed)).await,
    };
    if let Err(error) = result {
        fail(&mut report, error);
    }
    report.duration_ms = clock.elapsed().as_millis() as u64;
    context.observer.observe(&Event::SyncFinished(Box::new(report.clone())));
    report
}

pub(super) fn fail(report: &mut SyncReport, error: Error) {
    report.status = match error.kind {
        ErrorKind::Held => Status::Held,
        ErrorKind::Locked => Status::Locked,
        ErrorKind::Quota => Status::Quota,
        ErrorKind::Interrupted => Status::Interrupted,
        _ => Status::Failed,
    };
    report.error = Some(error);
}

async fn dry_run(context: &Context<'_>, report: &mut SyncReport, closed: Option<Error>) -> Result<()> {
    let state = block_in_place(|| RunState::read(context))?;
    let mut work = context.unless_stopped(Work::connect(context, state, None)).await?;
    let result = work.all(report).await;
    report.counts.reads = work.destination.traffic().reads;
    if let Some(preview) = &mut report.preview {
        preview.would_hold = preview.would_hold.take().or(closed);
    }
    result
}

async fn recorded(
    context: &Context<'_>,
    report: &mut SyncReport,
    (clock, closed): (Instant, Option<Error>),
) -> Result<()> {
    let open = OpenRun::begin(context, report.started_at).await?;
    report.run_id = Some(open.run_id.clone());
    let result = match closed {
        Some(closed) => Err(closed),
        None => real_run(context, report, &open).await,
    };
    if let Err(error) = result {
        fail(report, error);
    }
    report.duration_ms = clock.elapsed().as_millis() as u64;
    block_in_place(|| {
        point("run.finish");
        open.state.finish_run(&finish::record(context, report, (&open.run_id, open.number)))?;
        point("run.finished");
        open.lease.release()
    })
}

async fn real_run(context: &Context<'_>, report: &mut SyncReport, open: &OpenRun) -> Result<()> {
    let state = block_in_place(|| RunState::write(context, open))?;
    let ledger = state.ledger.clone();
    let result = match context.unless_stopped(Work::connect(context, state, Some(open))).await {
        Ok(mut work) => {
            let result = work.all(report).await;
            let traffic = work.destination.traffic();
            report.counts.requests = traffic.writes;
            report.counts.reads = traffic.reads;
            report.counts.bytes_sent = traffic.bytes;
            report.counts.retries = traffic.retries;
            result
        }
        Err(error) => Err(error),
    };
    let closed = block_in_place(|| ledger.map(Ledger::close).transpose());
    result.and(closed.map(|_| ()))
}

/// A sync with both sides asked and its state open.
pub(super) struct Work<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) state: RunState,
    pub(super) open: Option<&'a OpenRun>,
    pub(super) source: Arc<dyn Source>,
    pub(super) destination: Arc<dyn Destination>,
    pub(super) resolved: Resolved,
    pub(super) mappings: Mappings,
    pub(super) hasher: Arc<Hasher>,
    /// Every row is sent, as `--full-refresh` asks for in its own run, and some destinations in all.
    pub(super) full_refresh: bool,
    /// How far apart its requests leave, where the mapping or a backfill sets a rate.
    pub(super) spacing: Option<Arc<Spacing>>,
    /// Which rows are to be read, unless it turned out that all are.
    pub(super) pass: Pass,
    pub(super) whole: AtomicBool,
    pub(super) begun: Timestamp,
    pub(super) clock: Instant,
}

impl<'a> Work<'a> {
    pub(super) async fn connect(
        context: &'a Context<'a>,
        state: RunState,
        open: Option<&'a OpenRun>,
    ) -> Result<Self> {
        let (sync, project) = (context.sync, context.project);
        if let Some(ledger) = state.ledger.as_ref().filter(|_| context.options.cancel_refresh) {
            let space = Space::new(&project.state, project.spool_max, project.spool_memory);
            block_in_place(|| refresh::cancel(ledger, &space))?;
        }
        let source = context.connections.source(&sync.source.connection)?;
        let destination = context.connections.destination(&sync.destination.connection)?;
        let resolved =
            resolve(sync, &source, &destination, context.connections.location(&sync.destination.connection))
                .await
                .map_err(Error::all)?;
        let ledger = state.ledger.as_ref();
        let mappings = block_in_place(|| mappings(ledger, &resolved.spec))?;
        let hasher = Arc::new(Hasher::new(state.salt.bytes()));
        let is_asked = block_in_place(|| refresh::is_asked(context, ledger))?;
        let full_refresh = is_asked || resolved.capabilities.all_rows;
        let spacing = rate(context).and_then(Spacing::new).map(Arc::new);
        Ok(Work {
            context,
            state,
            open,
            source,
            destination,
            resolved,
            mappings,
            hasher,
            full_refresh,
            spacing,
            pass: Pass::Full,
            whole: AtomicBool::new(false),
            begun: Timestamp::now(),
            clock: Instant::now(),
        })
    }

    pub(super) fn identity(&self) -> Identity {
        let sync = self.context.sync;
        Identity {
            sync: sync.name.clone(),
            target: self.context.project.target.clone(),
            account: self.resolved.connected.account.to_string(),
            object: sync.destination.of_what(),
            match_on: self.resolved.target.match_on.clone(),
            primary_key: self.resolved.spec.key.clone(),
        }
    }

    async fn all(&mut self, report: &mut SyncReport) -> Result<()> {
        block_in_place(|| mirrors::alone(self))?;
        self.state.check_identity(&self.identity(), self.context.sync, &self.context.options.allow)?;
        let session = self.context.unless_stopped(self.session()).await?;
        let recovered = self.context.unless_stopped(self.recover(session.as_deref())).await?;
        self.pass = self.choose(&recovered)?;
        report.notes.extend(self.same_columns().await?);
        let mut begun = Begun::new(self.shape().max_rejected);
        let result = self.every_stage((session, recovered), &mut begun, report).await;
        // What was sent is counted, whatever came after it.
        report.counts.add(&begun.progress.counts);
        result
    }

    async fn every_stage(
        &self,
        (session, recovered): (Option<Box<dyn Session>>, Recovered),
        begun: &mut Begun,
        report: &mut SyncReport,
    ) -> Result<()> {
        let space = self.space();
        let sending = self.open.zip(session.as_deref()).filter(|_| self.streams());
        let extracted = match sending {
            Some(sending) => self.stream(sending, (&recovered, &space), begun).await.map(Some),
            None => self.extract(self.baseline(&recovered)?, &space).await,
        };
        let (mut delta, mut failed_tests) = match extracted? {
            Some(read) => read,
            None => {
                let tracked = Baseline { tracked: true, ..self.baseline(&recovered)? };
                self.extract(tracked, &space).await?.ok_or_else(defect)?
            }
        };
        let ledger = self.state.ledger.as_ref();
        if self.pass().is_part() && block_in_place(|| clashes(&delta, &Memory::new(ledger)?))? {
            // Rows behind the mark have a say in it.
            self.read_whole();
            let whole = Baseline { tracked: true, ..self.baseline(&recovered)? };
            (delta, failed_tests) = self.extract(whole, &space).await?.ok_or_else(defect)?;
        }
        point("run.extracted");
        let memory = block_in_place(|| Memory::new(ledger))?;
        self.mappings.check_match_key(&self.resolved.spec, &delta, &memory, &self.context.options.allow)?;
        let asked = (&*self.destination, &self.resolved.target);
        let edited = !self.mappings.previous.is_empty() && !self.full_refresh;
        let by_field = edited || self.narrows();
        let mut known = gather(&mut delta, &memory, asked, (recovered.unclear, by_field)).await?;
        let history = self.state.history.as_ref();
        known.refused_since = block_in_place(|| recover::refused_since(&delta.dirty, &memory, history))?;
        report.faults = finish::fault_samples(&delta);
        let plan = block_in_place(|| plan(&mut delta, &memory, &known, &self.rules()))?;
        drop(known);
        report.counts = plan.counts;
        report.notes.extend(plan.notes.iter().cloned());
        report.notes.extend(self.mappings.retyped(&self.resolved.spec));
        report.notes.extend(self.widened());
        report.notes.extend(self.pass().said(self.context.sync));
        let guard = block_in_place(|| self.guard(&delta, &plan, &memory))?;
        let held = finish::clash(&delta).or(failed_tests).or(guard);
        match (self.open, session) {
            (Some(open), Some(session)) => {
                if let Some(error) = held {
                    block_in_place(|| {
                        bookkeeping::invalid_rows(self.ledger()?, &delta, &open.run_id, false)
                    })?;
                    report.counts.pending += plan.changes();
                    return Err(begun.told(error));
                }
                let job = Job {
                    delta: &delta,
                    plan: &plan,
                    memory: &memory,
                    open,
                    session: &*session,
                    forecast: self.timed(&delta, &plan)?,
                };
                let verdict = job.forecast.as_ref().and_then(|forecast| self.verdict(forecast));
                report.notes.extend(verdict.filter(|(verdict, _)| !verdict.possible).map(|(_, said)| said));
                self.deliver(job, begun, report).await
            }
            _ => {
                let preview = block_in_place(|| self.preview(&delta, &plan, &memory))?;
                report.notes.extend(preview.creates.iter().map(missing::said));
                report.notes.extend(self.allowance(preview.in_bulk).await?);
                report.notes.extend(self.cost().await?);
                let (verdict, said) = self.verdict(&preview.forecast).unzip();
                report.notes.extend(said);
                report.preview = Some(Preview { would_hold: held, verdict, ..preview });
                Ok(())
            }
        }
    }

    async fn session(&self) -> Result<Option<Box<dyn Session>>> {
        let Some(open) = self.open else { return Ok(None) };
        let right = RunPermission::new(&open.lease, self.context.cancel, self.spacing.as_ref());
        self.session_as(&open.run_id, right).await.map(Some)
    }

    /// A session of the run, or of the part of it, that has this id.
    pub(super) async fn session_as(&self, run_id: &str, right: RunPermission) -> Result<Box<dyn Session>> {
        let (run_id, sync) = (run_id.to_owned(), self.context.sync.name.clone());
        let unsettled = block_in_place(|| self.unsettled())?;
        let context = RunContext { run_id, sync, unsettled, permission: Arc::new(right) };
        let session = self.destination.open(&self.resolved.target, context).await;
        session.map_err(|error| Error::destination(&error))
    }

    /// When runs wrote that left batches of which neither an answer nor a handle is known.
    fn unsettled(&self) -> Result<Option<Window>> {
        let Some(ledger) = &self.state.ledger else { return Ok(None) };
        let from = ledger.lost_runs()?.iter().filter_map(|run| begun_at(run)).min();
        Ok(from.map(|from| Window { from, to: Timestamp::now() }))
    }

    pub(super) async fn recover(&self, session: Option<&dyn Session>) -> Result<Recovered> {
        match (&self.state.ledger, session) {
            (None, _) => Ok(Recovered::default()),
            (Some(ledger), None) => Ok(Recovered { dirty: recover::dirty(ledger)?, unclear: HashSet::new() }),
            (Some(ledger), Some(session)) => {
                recover::recover(ledger, &self.resolved.target, &*self.destination, session).await
            }
        }
    }

    pub(super) fn ledger(&self) -> Result<&Ledger> {
        self.state.ledger.as_ref().ok_or_else(|| {
            Error::new(
                "OF-INT-001",
                ErrorKind::Internal,
                "a run without a ledger; this is a defect of outflow",
            )
        })
    }

    /// Where changes wait between the extract and the delivery; a preview leaves the state folder alone.
    pub(super) fn space(&self) -> Space {
        let project = self.context.project;
        let folder = match self.open {
            Some(_) => project.state.clone(),
            None => std::env::temp_dir(),
        };
        Space::new(&folder, project.spool_max, project.spool_memory)
    }

    /// What sending so much in bulk takes of what the destination allows for that.
    async fn allowance(&self, InBulk { batches, changes }: InBulk) -> Result<Option<String>> {
        if batches == 0 {
            return Ok(None);
        }
        self.destination.allowance(batches, changes).await.map_err(|error| Error::destination(&error))
    }
}

/// When a run began, by its name: `20260727T064501Z-1a2b3c`.
fn begun_at(run: &str) -> Option<Timestamp> {
    run.split('-').next()?.parse().ok()
}

pub(super) fn defect() -> Error {
    Error::new(
        "OF-INT-001",
        ErrorKind::Internal,
        "the mapping does not bind twice; this is a defect of outflow",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runs_name_says_when_it_began() {
        let began = Some("2026-07-27T06:45:01Z".parse().unwrap());
        assert_eq!(begun_at("20260727T064501Z-1a2b3c"), began);
        assert_eq!(begun_at("20260727T064501Z-1a2b3c-7"), began, "a part of a backfill");
        assert_eq!(begun_at("odd"), None);
    }
}
