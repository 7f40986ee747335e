use clap::Args;

use super::history::run_line;
use super::{Given, help};
use crate::error::{Error, ErrorKind};
use crate::ledger::State;
use crate::report::{Answer, Failure, history};

/// Shows one run in detail: all counts, and its error
#[derive(Debug, Args)]
#[command(after_help = help::after(&[
    ("outflow show 20261120T080500Z-4f2a9c", "a run by its id"),
    ("outflow show 20261120T0805", "the beginning is enough where it fits one run only"),
]))]
pub struct Show {
    /// Id of a run, or its beginning; `outflow runs` lists them
    run: String,
}

impl Show {
    pub fn run(&self, given: &mut Given) -> Result<Answer, Failure> {
        let project = given.project_offline()?;
        let found = match State::read(&project.state)? {
            Some(state) => state.run(&self.run)?,
            None => None,
        };
        match found {
            Some(record) => Ok(history::run(&run_line(record))),
            None => {
                let message = format!("there is no run `{}`", self.run);
                let error = Error::new("OF-CLI-007", ErrorKind::Config, message);
                Err(error.hint("`outflow runs` lists the runs of this project").into())
            }
        }
    }
}
