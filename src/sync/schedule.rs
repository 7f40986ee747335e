//! Several syncs: upstreams first, some at once, each in its own task.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use outflow_connectors::contract::AccountId;

use super::connect::{Access, Connections};
use super::context::Context;
use super::event::{Event, Observer, Status, SyncReport};
use super::missing;
use super::query;
use super::resolve::{resolve, unsupported};
use super::run::run_one;
use super::{Backfill, Cancel, Pace, RunOptions};
use crate::error::{Error, ErrorKind};
use crate::project::{Project, Sync};

/// Runs or previews the selected syncs; one report each, in the project's order.
pub async fn run(
    project: &Project,
    options: &RunOptions,
    observer: Arc<dyn Observer>,
    cancel: Cancel,
) -> Vec<SyncReport> {
    let access = if options.dry_run { Access::ReadOnly } else { Access::Write };
    let connections = match Connections::open(project, access).await {
        Ok(mut connections) => {
            if let Some(Backfill { pace: Pace::Share(share), .. }) = options.backfill {
                connections.share(share);
            }
            Arc::new(connections)
        }
        Err(error) => {
            return options
                .selected
                .iter()
                .map(|i| failed(project, &project.syncs[*i], error.clone()))
                .collect();
        }
    };
    let shared = Shared {
        project: Arc::new(project.clone()),
        options: Arc::new(options.clone()),
        connections: connections.clone(),
        observer,
        cancel,
    };
    let reports = Schedule::new(&shared).run().await;
    drop(shared);
    if let Some(connections) = Arc::into_inner(connections) {
        connections.close().await;
    }
    reports
}

/// What asking both sides found.
#[derive(Debug, Default)]
pub struct Preflight {
    pub errors: Vec<Error>,
    /// What a run would do beside its delivery.
    pub notes: Vec<Error>,
    /// Whose account the destination is, where its name is that of no other.
    pub account: Option<AccountId>,
}

impl From<Vec<Error>> for Preflight {
    fn from(errors: Vec<Error>) -> Self {
        Preflight { errors, ..Preflight::default() }
    }
}

/// Logs in, asks for the query's shape and holds the mapping against the destination's fields; sends nothing.
pub async fn preflight(connections: &Connections, sync: &Sync) -> Preflight {
    let sides = connections.source(&sync.source.connection).and_then(|source| {
        let destination = connections.destination(&sync.destination.connection)?;
        Ok((source, destination))
    });
    match sides {
        Err(error) => vec![error].into(),
        Ok((source, destination)) => {
            let connection = connections.location(&sync.destination.connection);
            match resolve(sync, &source, &destination, connection).await {
                Ok(resolved) => {
                    let missing = resolved.target.missing.iter().map(|p| missing::noted(sync, p));
                    let place = &sync.source.location;
                    match query::cost(&*source, &sync.source.query).await {
                        Err(error) => vec![Error::source(&error).at(place.clone())].into(),
                        Ok(cost) => {
                            let cost = cost.map(|said| {
                                Error::new("OF-SRC-005", ErrorKind::Config, said).at(place.clone())
                            });
                            let account = Some(resolved.connected.account.clone());
                            Preflight {
                                errors: Vec::new(),
                                notes: missing.chain(cost).collect(),
                                account: account.filter(|account| destination.names_one(account)),
                            }
                        }
                    }
                }
                Err(errors) => errors.into(),
            }
        }
    }
}

/// What a mapping asks of its destination and the destination cannot do; needs no connection.
pub fn check_abilities(connections: &Connections, sync: &Sync) -> Vec<Error> {
    let Ok(destination) = connections.destination(&sync.destination.connection) else { return Vec::new() };
    match destination.capabilities(&super::resolve::target(sync)) {
        Ok(capabilities) => unsupported(sync, &capabilities),
        Err(error) => vec![Error::destination(&error).at(sync.destination.place_of(&error).clone())],
    }
}

struct Shared {
    project: Arc<Project>,
    options: Arc<RunOptions>,
    connections: Arc<Connections>,
    observer: Arc<dyn Observer>,
    cancel: Cancel,
}

impl Shared {
    /// One sync in a task of its own, so that two use two cores.
    fn spawn(&self, index: usize) -> BoxFuture<'static, (usize, SyncReport)> {
        let (project, options, connections) =
            (self.project.clone(), self.options.clone(), self.connections.clone());
        let (observer, cancel) = (self.observer.clone(), self.cancel.clone());
        let sync = self.project.syncs[index].clone();
        let task = tokio::spawn({
            let (project, sync) = (project.clone(), sync.clone());
            async move {
                run_one(&Context {
                    project: &project,
                    sync: &sync,
                    connections: &connections,
                    options: &options,
                    observer: &*observer,
                    cancel: &cancel,
                })
                .await
            }
        });
        Box::pin(async move {
            let defect = |_| {
                failed(
                    &project,
                    &sync,
                    Error::new("OF-INT-002", ErrorKind::Internal, "the run ended in a defect of outflow"),
                )
            };
            (index, task.await.unwrap_or_else(defect))
        })
    }
}

struct Schedule<'a> {
    shared: &'a Shared,
    waiting: Vec<usize>,
    /// How syncs ended, by name.
    ended: HashMap<String, Status>,
    reports: Vec<(usize, SyncReport)>,
}

impl<'a> Schedule<'a> {
    fn new(shared: &'a Shared) -> Self {
        Schedule {
            shared,
            waiting: shared.options.selected.clone(),
            ended: HashMap::new(),
            reports: Vec::new(),
        }
    }

    async fn run(mut self) -> Vec<SyncReport> {
        let mut running = FuturesUnordered::new();
        loop {
            while running.len() < self.shared.options.jobs.max(1) {
                let Some(index) = self.next() else { break };
                running.push(self.shared.spawn(index));
            }
            match running.next().await {
                Some((index, report)) => self.end(index, report),
                None => break,
            }
        }
        self.reports.sort_by_key(|(index, _)| *index);
        self.reports.into_iter().map(|(_, report)| report).collect()
    }

    fn end(&mut self, index: usize, report: SyncReport) {
        self.ended.insert(report.sync.clone(), report.status);
        self.reports.push((index, report));
    }

    /// The next sync whose upstreams are through; those with a failed upstream are skipped on the way.
    fn next(&mut self) -> Option<usize> {
        let mut position = 0;
        while position < self.waiting.len() {
            let index = self.waiting[position];
            match self.readiness(index) {
                Ready::Yes => return Some(self.waiting.remove(position)),
                Ready::Wait => position += 1,
                Ready::Never(upstream) => {
                    self.waiting.remove(position);
                    self.skip(index, &upstream);
                    position = 0;
                }
            }
        }
        None
    }

    fn readiness(&self, index: usize) -> Ready {
        if self.shared.cancel.is_stopped() {
            return Ready::Never(None);
        }
        let project = &self.shared.project;
        for upstream in &project.syncs[index].depends_on {
            let selected = |i: &usize| project.syncs[*i].name == *upstream;
            if !self.shared.options.selected.iter().any(selected) {
                continue;
            }
            match self.ended.get(upstream) {
                None => return Ready::Wait,
                // A preview sends nothing, so nothing downstream depends on how it came out.
                Some(_) if self.shared.options.dry_run => {}
                Some(Status::Ok | Status::Partial) => {}
                Some(_) => return Ready::Never(Some(upstream.clone())),
            }
        }
        Ready::Yes
    }

    fn skip(&mut self, index: usize, upstream: &Option<String>) {
        let sync = &self.shared.project.syncs[index];
        let mut report = SyncReport::blank(&self.shared.project, sync);
        match upstream {
            Some(upstream) => {
                report.status = Status::Skipped;
                report.notes.push(format!("skipped: `{upstream}` did not finish"));
            }
            None => {
                report.status = Status::Interrupted;
                report.error = Some(super::cancel::interrupted());
            }
        }
        self.shared.observer.observe(&Event::SyncFinished(Box::new(report.clone())));
        self.end(index, report);
    }
}

enum Ready {
    Yes,
    Wait,
    /// With the upstream that failed, or none after an interrupt.
    Never(Option<String>),
}

fn failed(project: &Project, sync: &Sync, error: Error) -> SyncReport {
    SyncReport { status: Status::Failed, error: Some(error), ..SyncReport::blank(project, sync) }
}
