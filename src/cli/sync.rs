use clap::Args;

use super::allow::AllowArgs;
use super::running::{self, Request};
use super::{Given, diff, help};
use crate::report::{Answer, Exit, Failure, json, text};

/// Sends what changed since the destination last acknowledged each row
///
/// Without names, all syncs of the project run, upstreams first.
#[derive(Debug, Args)]
#[command(after_help = help::after(&[
    ("outflow sync", "all syncs"),
    ("outflow sync contacts_to_hubspot --limit 10", "send ten changes of one sync"),
    ("outflow sync --select tag:hourly --jobs 4", "those with a tag, four at a time"),
    ("outflow sync contacts_to_hubspot --full-refresh", "send every row again"),
]))]
pub struct Sync {
    /// Names of syncs
    #[arg(value_name = "SYNC")]
    syncs: Vec<String>,
    /// Only show what would be sent, as `outflow diff`
    #[arg(long)]
    dry_run: bool,
    /// Send every row again, over as many runs as that takes; removals are still found
    #[arg(long)]
    full_refresh: bool,
    /// End a `--full-refresh` that is not through; the rest stays as acknowledged before
    #[arg(long, conflicts_with_all = ["full_refresh", "dry_run"])]
    cancel_refresh: bool,
    /// Send at most N changes, and remove nothing
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    #[command(flatten)]
    allow: AllowArgs,
}

impl Sync {
    pub fn run(&self, given: &mut Given) -> Result<Answer, Failure> {
        let request = Request {
            syncs: &self.syncs,
            dry_run: self.dry_run,
            full_refresh: self.full_refresh,
            cancel_refresh: self.cancel_refresh,
            limit: self.limit,
            allow: self.allow.into(),
            backfill: None,
        };
        let reports = running::run(given, &request)?;
        if self.dry_run {
            return Ok(diff::answer(&reports, false));
        }
        let answer = Answer::new(text::syncs(&reports), json::syncs(&reports, false));
        Ok(answer.exit(Exit::of_runs(&reports)).findings(text::errors(&reports)))
    }

    /// `--dry-run` is `diff`.
    pub fn name(&self) -> &'static str {
        if self.dry_run { "diff" } else { "sync" }
    }
}
