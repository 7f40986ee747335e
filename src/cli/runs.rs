use std::cmp::Reverse;

use clap::Args;

use super::given::unknown_sync;
use super::history::run_line;
use super::{Given, help};
use crate::error::Error;
use crate::ledger::{RunRecord, State};
use crate::project::Project;
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
        let named = self.named(given, &project)?;
        let records = match State::read(&project.state)? {
            Some(state) => self.records(&state, named.as_deref())?,
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

    /// The syncs that are asked for; `None` stands for all there have ever been.
    fn named(&self, given: &Given, project: &Project) -> Result<Option<Vec<String>>, Failure> {
        if !given.selects() {
            return Ok(self.sync.clone().map(|name| vec![name]));
        }
        let selected = given.selected(project, self.sync.as_slice())?;
        Ok(Some(selected.into_iter().map(|index| project.syncs[index].name.clone()).collect()))
    }

    fn records(&self, state: &State, named: Option<&[String]>) -> Result<Vec<RunRecord>, Error> {
        let Some(named) = named else { return state.runs(None, self.last) };
        let mut records = Vec::new();
        for name in named {
            records.extend(state.runs(Some(name), self.last)?);
        }
        if named.len() > 1 {
            records.sort_by_key(|run| Reverse(run.started_at));
            records.truncate(self.last);
        }
        Ok(records)
    }
}
