use clap::Args;

use super::allow::AllowArgs;
use super::running::{self, Request};
use super::{Given, help};
use crate::report::{Answer, Exit, Failure, json, text};
use crate::sync::event::SyncReport;

/// Shows what `outflow sync` would send, and changes nothing anywhere
///
/// Reads the source, the ledger and the destination's fields; sends no write.
#[derive(Debug, Args)]
#[command(after_help = help::after(&[
    ("outflow diff", "all syncs"),
    ("outflow diff contacts_to_hubspot --format json", "with samples, for a script"),
    ("outflow diff --exit-code", "2 if there are changes, 4 if a guard would hold them"),
]))]
pub struct Diff {
    /// Names of syncs
    #[arg(value_name = "SYNC")]
    syncs: Vec<String>,
    /// End with 2 if there are changes, with 4 if a guard, a test or a policy would hold them, with 1 if the run would fail
    #[arg(long)]
    exit_code: bool,
    /// As if every row were sent again
    #[arg(long)]
    full_refresh: bool,
    /// As if at most N changes were sent
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    #[command(flatten)]
    allow: AllowArgs,
}

impl Diff {
    pub fn run(&self, given: &mut Given) -> Result<Answer, Failure> {
        let request = Request {
            syncs: &self.syncs,
            dry_run: true,
            full_refresh: self.full_refresh,
            limit: self.limit,
            allow: self.allow.into(),
            ..Request::default()
        };
        Ok(answer(&running::run(given, &request)?, self.exit_code))
    }
}

pub fn answer(reports: &[SyncReport], exit_code: bool) -> Answer {
    let answer = Answer::new(text::syncs(reports), json::syncs(reports, true));
    answer.exit(Exit::of_previews(reports, exit_code)).findings(text::errors(reports))
}
