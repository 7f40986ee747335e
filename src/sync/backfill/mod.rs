//! A backfill: all rows, or those that a condition selects, are sent whatever the ledger says of them, chunk by chunk
//! in the order of their keys' hashes, each under a lease of its own. What was sent stays sent: the next one goes on
//! from there. It finds no removals.

mod between;
mod chunks;
mod pace;
mod record;
mod running;

pub use record::{Backfill, Pace};
pub use running::run;
