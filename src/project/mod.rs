//! The user's files, read and validated: everything the engine needs to know before it touches a system.

mod associations;
mod check;
pub mod codes;
mod compile;
mod connections;
mod cte;
mod dbt;
mod delivery;
mod diagnostic;
mod fields;
mod files;
pub mod init;
mod load;
mod mapping;
mod models;
mod order;
mod overlay;
mod queries;
mod sandbox;
pub mod schema;
mod secrets;
mod select;
mod shape;
mod source;
mod spec;
#[cfg(test)]
mod tests;
pub mod units;
mod window;
mod yaml;

pub use compile::Compiled;
pub use dbt::exposures;
pub use diagnostic::{Diagnostic, Diagnostics, Severity};
pub use files::{PROJECT_FILE, find_root};
pub use load::{LoadOptions, Loaded};
pub use order::both_mirror;
pub use sandbox::sandbox_file;
pub use secrets::{Environment, process_environment};
pub use select::select;
pub use spec::*;
pub use window::{Opening, SendWindow};
