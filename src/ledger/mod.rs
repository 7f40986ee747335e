//! What one destination has acknowledged, per sync; runs, leases and quotas beside it.

mod entry;

pub use entry::*;
