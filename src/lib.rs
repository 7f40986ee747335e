//! outflow: reverse ETL. What changed in the warehouse reaches the tools where people work.

pub mod error;
pub mod ledger;
pub mod project;
pub mod sync;
pub mod transform;
