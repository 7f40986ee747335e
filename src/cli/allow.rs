use clap::Args;

use crate::sync::Allow;

/// What this one run may do although a guard would hold it.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "For this run only")]
pub struct AllowArgs {
    /// Let more rows change than `max_change` allows
    #[arg(long)]
    allow_changes: bool,
    /// Let more objects be removed than `max_delete` allows, or after the query was edited
    #[arg(long)]
    allow_deletes: bool,
    /// Let the query give fewer rows than `min_rows`
    #[arg(long)]
    allow_empty: bool,
    /// Let most keys change at once
    #[arg(long)]
    allow_key_change: bool,
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

impl From<AllowArgs> for Allow {
    fn from(args: AllowArgs) -> Self {
        Allow {
            changes: args.allow_changes,
            deletes: args.allow_deletes,
            empty: args.allow_empty,
            key_change: args.allow_key_change,
            any_time: args.allow_any_time,
            new_destination: args.accept_new_destination,
            first_run: args.first_run,
        }
    }
}
