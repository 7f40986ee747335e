//! Whose turn it is: a sync waits a while for a backfill to give way; a backfill waits for whoever goes first.

use std::time::{Duration, Instant};

use tokio::task::block_in_place;

use super::cancel::interrupted;
use super::context::Context;
use super::event::Event;
use crate::error::{ErrorKind, Result};
use crate::ledger::{Lease, State, codes};

/// How long a sync waits for a backfill; its batches in flight get half of it to settle.
const PATIENCE: Duration = Duration::from_secs(60);
/// Time between two looks.
const LOOK: Duration = Duration::from_millis(100);
/// A mark is renewed this often.
const RENEW: Duration = Duration::from_secs(1);

/// Takes the lease of the sync for a run. Where a backfill holds it, that is asked to give way.
///
/// # Errors
/// `Locked` when another run holds it, or the backfill did not give way.
pub async fn for_run(context: &Context<'_>, state: &State) -> Result<Lease> {
    let name = &context.sync.name;
    let began = Instant::now();
    let mut asked: Option<Instant> = None;
    let result = loop {
        let refused = match block_in_place(|| state.acquire(name)) {
            Err(error) if error.kind == ErrorKind::Locked => error,
            result => break result,
        };
        if began.elapsed() >= PATIENCE || !block_in_place(|| state.gives_way(name))? {
            break Err(refused);
        }
        if asked.is_none() {
            wait_for(context, "a backfill to give way");
        }
        if asked.is_none_or(|at| at.elapsed() >= RENEW) {
            match block_in_place(|| state.ask_turn(name)) {
                // Whoever keeps the state locked does not give way.
                Err(error) if error.code == codes::BUSY => break Err(refused),
                result => result?,
            }
            asked = Some(Instant::now());
        }
        if let Err(error) = pause(context, LOOK).await {
            break Err(error);
        }
    };
    if asked.is_some() {
        block_in_place(|| state.end_turn(name))?;
    }
    result
}

/// Takes the lease of the sync for some rows of a backfill: after every run that goes on or waits.
///
/// # Errors
/// Only when asked to stop, or when the state folder cannot be used.
pub async fn for_backfill(context: &Context<'_>, state: &State) -> Result<Lease> {
    let name = &context.sync.name;
    let mut told = false;
    loop {
        if !block_in_place(|| state.is_wanted(name))? {
            match block_in_place(|| state.acquire(name)) {
                Err(error) if error.kind == ErrorKind::Locked => {}
                result => return result,
            }
        }
        if !told {
            wait_for(context, "a run of the sync to end");
            told = true;
        }
        pause(context, 3 * LOOK).await?;
    }
}

fn wait_for(context: &Context<'_>, what: &'static str) {
    context.observer.observe(&Event::Waiting { sync: context.sync.name.clone(), what });
}

async fn pause(context: &Context<'_>, time: Duration) -> Result<()> {
    tokio::select! {
        () = tokio::time::sleep(time) => Ok(()),
        () = context.cancel.stopped() => Err(interrupted()),
    }
}
