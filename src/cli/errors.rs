use std::path::PathBuf;

use clap::Args;

use super::{Given, help, history};
use crate::error::{Error, ErrorKind};
use crate::report::format::plural;
use crate::report::{Answer, Failure, refused};

/// Lists the rows of a sync that did not arrive, by error code, with the reason for each
///
/// Rejected rows were refused by the destination and are tried again in later runs; parked ones wait for `outflow retry`
/// or a change. Invalid rows were never sent.
#[derive(Debug, Args)]
#[command(after_help = help::after(&[
    ("outflow errors contacts_to_hubspot", "what was refused and why"),
    ("outflow errors contacts_to_hubspot --export refused.csv", "all rows, for a spreadsheet"),
]))]
pub struct Errors {
    /// Name of a sync
    sync: String,
    /// Also write all rows to FILE, replacing it
    #[arg(long, value_name = "FILE.csv")]
    export: Option<PathBuf>,
}

impl Errors {
    pub fn run(&self, given: &mut Given) -> Result<Answer, Failure> {
        let project = given.project_offline()?;
        given.sync(&project, &self.sync)?;
        let rows = match history::ledger(&project, &self.sync)? {
            Some(ledger) => history::refused(&ledger, &self.sync)?,
            None => Vec::new(),
        };
        if let Some(path) = &self.export {
            refused::export(path, &rows).map_err(|cause| {
                let message = format!("`{}` cannot be written", path.display());
                Error::new("OF-CLI-004", ErrorKind::State, message).because(&cause)
            })?;
            let written = plural(rows.len() as u64, "row");
            given.screen.advice(&format!("wrote {written} to {}", path.display()));
        }
        Ok(refused::errors(&self.sync, &rows))
    }
}
