use clap::Args;
use serde_json::{Map, json};

use super::{Given, help};
use crate::error::Result;
use crate::ledger::{Ledger, State};
use crate::project::Project;
use crate::report::format::plural;
use crate::report::{Answer, Failure};
use crate::sync::cursor;

/// Has the next run try all rejected rows of a sync again, parked ones too
#[derive(Debug, Args)]
#[command(after_help = help::after(&[
    ("outflow errors contacts_to_hubspot", "what was refused and why"),
    ("outflow retry contacts_to_hubspot && outflow sync contacts_to_hubspot", "try it again now"),
]))]
pub struct Retry {
    /// Name of a sync
    sync: String,
}

impl Retry {
    pub fn run(&self, given: &mut Given) -> Result<Answer, Failure> {
        let project = given.project_offline()?;
        given.sync(&project, &self.sync)?;
        let released = self.release(&project)?;
        let text = match released {
            0 => format!("{}: no rejected rows\n", self.sync),
            some => format!("{}: the next run tries {} again\n", self.sync, plural(some, "row")),
        };
        let body = json!([{"sync": self.sync, "released": released}]);
        Ok(Answer::new(text, Map::from_iter([("syncs".to_owned(), body)])))
    }

    /// Where nothing was ever run, nothing is made.
    fn release(&self, project: &Project) -> Result<u64> {
        let path = Ledger::path(&project.state, &self.sync);
        if Ledger::read(&path)?.is_none() {
            return Ok(0);
        }
        let lease = State::open(&project.state)?.acquire(&self.sync)?;
        let ledger = Ledger::open(&path, &lease)?;
        let released = ledger.release_refusals()?;
        if released > 0 {
            // A row that did not move since is read again.
            cursor::forget(&ledger)?;
        }
        ledger.close()?;
        lease.release()?;
        Ok(released)
    }
}
