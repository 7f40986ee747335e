//! One sync, from the query to the acknowledgement.

pub mod event;
