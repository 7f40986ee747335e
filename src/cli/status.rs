use clap::Args;
use jiff::Timestamp;

use super::history::{ledger, run_line};
use super::{Given, help, sla};
use crate::error::Result;
use crate::ledger::State;
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
    let (last_run, last_success_at) = match state {
        Some(state) => {
            (state.runs(Some(&sync.name), 1)?.pop().map(run_line), state.last_success(&sync.name)?)
        }
        None => (None, None),
    };
    let refusals = match ledger(project, &sync.name)? {
        Some(ledger) => ledger.refusals()?,
        None => Vec::new(),
    };
    let parked = refusals.iter().filter(|refusal| refusal.parked).count() as u64;
    Ok(StatusLine {
        sync: sync.name.clone(),
        late: sync.sla.as_ref().is_some_and(|sla| sla::is_late(sla, last_success_at, Timestamp::now())),
        pending: last_run.as_ref().map_or(0, |run| run.counts.pending),
        rejected: refusals.len() as u64 - parked,
        parked,
        last_run,
        last_success_at,
    })
}
