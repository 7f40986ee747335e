use std::collections::HashSet;

use clap::Args;
use jiff::Timestamp;

use super::history::{counts, ledger, run_line};
use super::{Given, help, sla};
use crate::error::Result;
use crate::ledger::{KeyHash, RunRecord, State};
use crate::project::{Project, Sync};
use crate::report::history::StatusLine;
use crate::report::{Answer, Failure, history};

/// Shows how each sync stands: last run, last success, whether it is late, rows that wait or were refused
#[derive(Debug, Args)]
#[command(after_help = help::after(&[
    ("outflow status", "all syncs"),
    ("outflow status --check-sla", "for a monitor: ends with 3 when a sync is late"),
]))]
pub struct Status {
    /// Names of syncs
    #[arg(value_name = "SYNC")]
    syncs: Vec<String>,
    /// End with 3 when a sync is late against its `sla`
    #[arg(long)]
    check_sla: bool,
}

impl Status {
    pub fn run(&self, given: &mut Given) -> Result<Answer, Failure> {
        let project = given.project_offline()?;
        let selected = given.selected(&project, &self.syncs)?;
        let state = State::read(&project.state)?;
        let lines = selected.into_iter().map(|index| line(&project, state.as_ref(), &project.syncs[index]));
        Ok(history::status(&lines.collect::<Result<Vec<_>>>()?, self.check_sla))
    }
}

fn line(project: &Project, state: Option<&State>, sync: &Sync) -> Result<StatusLine> {
    let (last_run, last_success_at, left) = match state {
        Some(state) => (
            state.runs(Some(&sync.name), 1)?.pop().map(run_line),
            state.last_success(&sync.name)?,
            left(state, &sync.name)?,
        ),
        None => (None, None, 0),
    };
    // What one ledger has does not hide the other syncs.
    let (rows, error) = match Rows::of(project, &sync.name) {
        Ok(rows) => (rows, None),
        Err(error) => (Rows::default(), Some(error)),
    };
    Ok(StatusLine {
        sync: sync.name.clone(),
        late: sync.sla.as_ref().is_some_and(|sla| sla::is_late(sla, last_success_at, Timestamp::now())),
        // Most of the unsettled rows are among those that the run left: a row is rather missed than counted twice.
        pending: left.max(rows.unsettled),
        rejected: rows.rejected,
        parked: rows.parked,
        last_run,
        last_success_at,
        error,
    })
}

/// Rows that were left by the last run that knew what there was to send. After a backfill, which may be of other rows than
/// the run before it left, or of the same, the larger number of both.
fn left(state: &State, sync: &str) -> Result<u64> {
    let Some(last) = state.newest_run(sync, has_compared)? else { return Ok(0) };
    let before = match last.kind.as_str() {
        "backfill" => state.newest_run(sync, |run| run.kind != "backfill" && has_compared(run))?,
        _ => None,
    };
    let left = |run: &RunRecord| {
        let counts = counts(run);
        counts.pending + counts.deferred
    };
    Ok(left(&last).max(before.as_ref().map_or(0, left)))
}

/// A run that ended before its extract did has nothing to say of the rows.
fn has_compared(run: &RunRecord) -> bool {
    let counts = counts(run);
    matches!(run.status.as_str(), "ok" | "partial") || counts.rows_read + counts.removed > 0
}

/// What the ledger has of rows that did not arrive, each in one of these.
#[derive(Default)]
struct Rows {
    unsettled: u64,
    rejected: u64,
    parked: u64,
}

impl Rows {
    fn of(project: &Project, sync: &str) -> Result<Self> {
        let Some(ledger) = ledger(project, sync)? else { return Ok(Rows::default()) };
        let refusals = ledger.refusals()?;
        let refused: HashSet<KeyHash> = refusals.iter().map(|refusal| refusal.key).collect();
        let unsettled = ledger.unsettled_keys()?.iter().filter(|key| !refused.contains(key)).count() as u64;
        let parked = refusals.iter().filter(|refusal| refusal.parked).count() as u64;
        Ok(Rows { unsettled, rejected: refusals.len() as u64 - parked, parked })
    }
}
