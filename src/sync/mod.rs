//! One sync, from the query to the acknowledgement: extract, check, map, diff, plan, deliver, acknowledge, report.

pub mod codes;
pub mod connect;
pub mod event;
#[cfg(feature = "bench")]
pub mod floor;

mod backfill;
mod blank;
mod bookkeeping;
mod cancel;
mod check;
mod context;
pub mod cursor;
mod deliver;
mod diff;
mod extract;
mod finish;
mod forecast;
mod known;
mod map;
mod mirrors;
mod missing;
mod permission;
mod plan;
mod policy;
mod preview;
mod query;
mod reading;
mod recover;
mod refresh;
mod resolve;
mod run;
pub mod sample;
mod schedule;
mod spec;
mod spool;
mod state;
pub mod timing;
mod turns;
mod unstable;

pub use backfill::{Backfill, Pace};
pub use cancel::Cancel;
pub use mirrors::two_mirrors;
pub use plan::{HELD, UNCLEAR};
pub use recover::resolve_creates;
pub use schedule::{Preflight, check_abilities, preflight, run};

/// What the command line asks of a run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RunOptions {
    /// Indices into the project's syncs, in their order.
    pub selected: Vec<usize>,
    /// Stop after the plan.
    pub dry_run: bool,
    /// Re-send every row; later runs go on until all were acknowledged again.
    pub full_refresh: bool,
    /// End the full refresh that goes on, if one does.
    pub cancel_refresh: bool,
    /// Send at most this many changes, and remove nothing.
    pub limit: Option<u64>,
    /// Syncs at once.
    pub jobs: usize,
    /// A backfill of the one sync that is selected, instead of its run.
    pub backfill: Option<Backfill>,
    pub allow: Allow,
}

/// What one run may do although a guard would hold it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Allow {
    pub changes: bool,
    pub deletes: bool,
    pub empty: bool,
    pub key_change: bool,
    pub any_time: bool,
    pub new_destination: bool,
    pub first_run: bool,
}
