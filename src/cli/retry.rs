use clap::Args;
use serde_json::{Map, json};

use super::{Given, help};
use crate::error::Result;
use crate::ledger::{Ledger, State};
use crate::project::Project;
use crate::report::format::plural;
use crate::report::{Answer, Failure};
use crate::sync::{HELD, cursor};

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
        let (released, held) = self.release(&project)?;
        let mut text = match (released, held) {
            (0, 0) => format!("{}: no rejected rows\n", self.sync),
            (0, _) => String::new(),
            (some, _) => format!("{}: the next run tries {} again\n", self.sync, plural(some, "row")),
        };
        if held > 0 {
            let (sync, rows) = (&self.sync, plural(held, "row"));
            text.push_str(&format!("{sync}: {rows} held as before; `outflow errors {sync}` says what for\n"));
        }
        let body = json!([{"sync": self.sync, "released": released, "held": held}]);
        Ok(Answer::new(text, Map::from_iter([("syncs".to_owned(), body)])))
    }

    /// How many were released, and how many stay held. Where nothing was ever run, nothing is made.
    fn release(&self, project: &Project) -> Result<(u64, u64)> {
        let path = Ledger::path(&project.state, &self.sync);
        if Ledger::read(&path)?.is_none() {
            return Ok((0, 0));
        }
        let lease = State::open(&project.state)?.acquire(&self.sync)?;
        let ledger = Ledger::open(&path, &lease)?;
        let (released, held) = ledger.release_refusals(&HELD)?;
        if released > 0 {
            // A row that did not move since is read again.
            cursor::forget(&ledger)?;
        }
        ledger.close()?;
        lease.release()?;
        Ok((released, held))
    }
}
