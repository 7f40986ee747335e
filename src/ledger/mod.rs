//! What one destination has acknowledged, per sync; runs, leases and quotas beside it.
//!
//! [`State`] is `state.db` of the state folder, [`Ledger`] one `ledger/<sync>.db`, [`Salt`] the secret of all hashes.
//! Each SQLite file has one owning thread; every call blocks until that thread is done with it.

mod care;
mod codec;
pub mod codes;
mod compact;
mod detail;
mod detail_log;
mod detail_row;
mod detail_view;
mod dirty;
mod entry;
mod fault;
mod file;
mod intent;
mod journal;
mod lease;
mod lease_row;
mod live;
mod meta;
mod newest;
mod owner;
mod packed;
mod portable;
mod prehashed;
mod quota;
mod quota_page;
mod refusals;
mod runs;
mod salt;
mod schema;
mod state;
mod store;
mod sum;
mod tags;
mod turns;
mod world;

pub use care::Holdings;
pub use entry::*;
pub use file::create_folder;
pub use intent::Intent;
pub use lease::{Lease, Tenure};
pub use live::LiveEntries;
pub use portable::Header;
pub use prehashed::HashedMap;
pub use quota::Quotas;
pub use salt::Salt;
pub use state::State;
pub use store::Ledger;
pub use tags::{By, Marks, Tags};

#[cfg(test)]
mod tests;
