//! outflow: reverse ETL. What changed in the warehouse reaches the tools where people work.

pub mod cli;
pub mod error;
pub mod ledger;
pub mod project;
pub mod report;
pub mod sync;
pub mod transform;
