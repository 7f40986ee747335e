use clap::Args;

use super::running::{self, Request};
use super::{Given, diff, help};
use crate::project::units;
use crate::report::{Answer, Exit, Failure, json, text};
use crate::sync::{self, Allow, Pace};

/// Sends all rows of one sync, or those you choose, whatever was sent before
///
/// The rows go in chunks, and each chunk that was acknowledged stays done: after Ctrl-C, a closed lid, a crash or a
/// used-up quota the same command goes on where it was. Nothing is ever removed, and a row that `mode: insert` has
/// created is not sent again.
///
/// Scheduled runs of the sync go first: between two chunks the backfill gives way to a run that waits, and of the
/// destination's limits it takes the share that `--rate` says.
#[derive(Debug, Args)]
#[command(after_help = help::after(&[
    ("outflow backfill contacts_to_hubspot --dry-run", "what it would take, and how far it is"),
    ("outflow backfill contacts_to_hubspot", "send every row; once more to go on after a stop"),
    ("outflow backfill contacts_to_hubspot --where \"country = 'JP'\"", "only these rows"),
    ("outflow backfill contacts_to_hubspot --rate 30%", "leave 70 % of the rate to the schedule"),
    ("outflow backfill contacts_to_hubspot --rate 2/s --limit 1000", "a thousand rows, two requests a second"),
]))]
pub struct Backfill {
    /// Name of the sync
    #[arg(value_name = "SYNC")]
    sync: String,
    /// Only rows of the query for which this SQL condition holds
    #[arg(long = "where", value_name = "SQL")]
    filter: Option<String>,
    /// Requests it may send: a share of the permitted rate, or a rate such as 15/s
    #[arg(long, value_name = "RATE", default_value = "50%", value_parser = pace)]
    rate: Pace,
    /// Send at most N rows, counted from its beginning however often it is stopped
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Begin anew, whatever an earlier backfill has done
    #[arg(long)]
    restart: bool,
    /// Only show what would be sent and what that takes
    #[arg(long)]
    dry_run: bool,
    /// Let the query give fewer rows than `min_rows`
    #[arg(long)]
    allow_empty: bool,
    /// Send although the mapping's `window` is closed
    #[arg(long)]
    allow_any_time: bool,
    /// Go on with a ledger of another account, object, match key or target
    #[arg(long)]
    accept_new_destination: bool,
    /// Start without the ledger of earlier runs
    #[arg(long)]
    first_run: bool,
}

fn pace(text: &str) -> Result<Pace, String> {
    if let Some(percent) = units::percent(text).filter(|percent| *percent > 0.0) {
        return Ok(Pace::Share(percent / 100.0));
    }
    units::rate(text).map(Pace::Rate).ok_or_else(|| "write it as 30% or as 15/s".to_owned())
}

impl Backfill {
    pub fn run(&self, given: &mut Given) -> Result<Answer, Failure> {
        let asked = sync::Backfill { filter: self.filter.clone(), pace: self.rate, restart: self.restart };
        let request = Request {
            syncs: std::slice::from_ref(&self.sync),
            dry_run: self.dry_run,
            limit: self.limit,
            allow: Allow {
                empty: self.allow_empty,
                any_time: self.allow_any_time,
                new_destination: self.accept_new_destination,
                first_run: self.first_run,
                ..Allow::default()
            },
            backfill: Some(asked),
            ..Request::default()
        };
        let reports = running::run(given, &request)?;
        if self.dry_run {
            return Ok(diff::answer(&reports, false));
        }
        let answer = Answer::new(text::syncs(&reports), json::syncs(&reports, false));
        Ok(answer.exit(Exit::of_runs(&reports)).findings(text::errors(&reports)))
    }
}
