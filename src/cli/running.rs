//! One call of the engine, with its progress and the signals that stop it.

use std::future::Future;
use std::mem::forget;
use std::num::NonZeroUsize;
use std::sync::Arc;

use serde_json::{Map, Value as Json};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Given;
use crate::error::{Error, ErrorKind};
use crate::report::logs::LogFormat;
use crate::report::progress::Progress;
use crate::report::{Failure, Screen};
use crate::sync::event::SyncReport;
use crate::sync::{self, Allow, Backfill, Cancel, RunOptions};

/// The commands that end here.
pub const COMMANDS: [&str; 3] = ["sync", "diff", "backfill"];

/// What `sync` and `diff` ask of the engine.
#[derive(Default)]
pub struct Request<'a> {
    pub syncs: &'a [String],
    pub dry_run: bool,
    pub full_refresh: bool,
    pub cancel_refresh: bool,
    pub limit: Option<u64>,
    pub allow: Allow,
    pub backfill: Option<Backfill>,
}

/// Runs or previews the selected syncs.
pub fn run(given: &mut Given, request: &Request<'_>) -> Result<Vec<SyncReport>, Failure> {
    let started = start(given, request);
    started.map_err(|failure| Failure { json: none(), ..failure })
}

/// The answer of a command that has started no sync.
pub fn none() -> Map<String, Json> {
    Map::from_iter([("syncs".to_owned(), Json::Array(Vec::new()))])
}

fn start(given: &mut Given, request: &Request<'_>) -> Result<Vec<SyncReport>, Failure> {
    let (project, warnings) = given.load()?;
    given.screen.warn(&warnings);
    let options = RunOptions {
        selected: given.selected(&project, request.syncs)?,
        dry_run: request.dry_run,
        full_refresh: request.full_refresh,
        cancel_refresh: request.cancel_refresh,
        limit: request.limit,
        jobs: given.global.jobs.map_or(1, NonZeroUsize::get),
        allow: request.allow,
        backfill: request.backfill.clone(),
    };
    let global = &given.global;
    // Log lines and bars would tear each other apart.
    let bars =
        !global.no_progress && !global.quiet && global.verbose == 0 && global.log_format == LogFormat::Text;
    let progress = Arc::new(Progress::new(bars));
    let cancel = Cancel::new();
    let runtime = given.runtime()?;
    let ended = runtime.block_on(async {
        let signals = twice(&given.screen, cancel.clone())?;
        tokio::select! {
            reports = sync::run(&project, &options, progress, cancel) => Ok(reports),
            () = signals => Err(stopped_at_once()),
        }
    });
    match ended {
        Ok(reports) => {
            runtime.shutdown_background();
            Ok(reports)
        }
        // What a run was left with goes on until the process ends: it must not find its clocks and connections gone.
        Err(error) => {
            forget(runtime);
            Err(error.into())
        }
    }
}

/// Stops the run at the first SIGINT or SIGTERM; ends at the second.
fn twice(screen: &Screen, cancel: Cancel) -> Result<impl Future<Output = ()>, Error> {
    let (mut interrupts, mut terminations) =
        (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    Ok(async move {
        next(&mut interrupts, &mut terminations).await;
        cancel.stop();
        screen.advice("stopping: no new batch is sent, those in flight settle; once more stops at once");
        next(&mut interrupts, &mut terminations).await;
    })
}

/// Returns at the next SIGINT or SIGTERM.
pub async fn interrupted() -> Result<(), Error> {
    let (mut interrupts, mut terminations) =
        (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    next(&mut interrupts, &mut terminations).await;
    Ok(())
}

fn listen(kind: SignalKind) -> Result<Signal, Error> {
    signal(kind).map_err(|cause| {
        Error::new("OF-INT-001", ErrorKind::Internal, "signals cannot be received").because(&cause)
    })
}

async fn next(interrupts: &mut Signal, terminations: &mut Signal) {
    tokio::select! {
        _ = interrupts.recv() => {}
        _ = terminations.recv() => {}
    }
}

fn stopped_at_once() -> Error {
    Error::new("OF-CLI-005", ErrorKind::Interrupted, "stopped at once, with batches in flight")
        .hint("run it again: what was acknowledged is kept, what was in flight is looked at first")
}
