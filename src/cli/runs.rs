use clap::Args;

use super::given::unknown_sync;
use super::history::run_line;
use super::{Given, help};
use crate::ledger::State;
use crate::report::{Answer, Failure, history};

/// Lists the runs there have been, the newest first
#[derive(Debug, Args)]
#[command(after_help = help::after(&[
    ("outflow runs", "the last 20 of all syncs"),
    ("outflow runs contacts_to_hubspot --last 100", "more, of one sync"),
]))]
pub struct Runs {
    /// Name of a sync
    sync: Option<String>,
    /// Show at most N runs
    #[arg(long, value_name = "N", default_value_t = 20)]
    last: usize,
}

impl Runs {
    pub fn run(&self, given: &mut Given) -> Result<Answer, Failure> {
        let project = given.project_offline()?;
        let records = match State::read(&project.state)? {
            Some(state) => state.runs(self.sync.as_deref(), self.last)?,
            None => Vec::new(),
        };
        // The history outlives the mapping, so only a name without both is unknown.
        if let (Some(name), true) = (&self.sync, records.is_empty())
            && !project.syncs.iter().any(|sync| sync.name == *name)
        {
            return Err(unknown_sync(&project, name).into());
        }
        Ok(history::runs(&records.into_iter().map(run_line).collect::<Vec<_>>()))
    }
}
