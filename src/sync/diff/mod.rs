//! Record x Ledger -> Delta: what was added, changed or removed since the destination last acknowledged it.
//!
//! Rows stream by, compared on any thread ([`compare`]): one whose hash the ledger has in its place is unchanged and
//! forgotten. Every other goes to the spool, and once the source has ended they are classified key by key ([`classify`]).

mod candidates;
mod classify;
mod compare;
mod delta;
mod destinations;
mod differ;
mod sorter;

pub use candidates::{Candidate, Class, Head};
pub use compare::{Compared, Verdict};
pub use delta::{Delta, Restated, unnamed};
pub use differ::{Baseline, Differ, Dirty};
pub use sorter::{Sighting, Sorter};

#[cfg(test)]
mod tests;
