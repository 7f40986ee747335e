//! The server behind `outflow sandbox` and `base_url: sandbox`: emulators of the SaaS destinations, spoken to over real
//! HTTP on loopback, with exact limits, durable objects and faults on request.
//!
//! Each emulator is written from the vendor's facts and refuses what the vendor refuses; where the facts are silent it
//! takes the stricter reading, and says so. The frame here is the same for all: state, limits, faults, counters.

mod account;
mod config;
mod connection;
mod decode;
mod faults;
mod keys;
mod limits;
mod server;
mod show;
mod state;
mod stats;
mod store;
pub(crate) mod vendor;

#[cfg(test)]
pub(crate) mod tests;

pub use config::{LimitsSpec, Objects, PropertySpec, PropertyType, SandboxConfig, VendorConfig};
pub(crate) use decode::{basic_credentials, form_fields, unescaped};
pub use faults::{FaultKind, FaultSpec};
pub(crate) use keys::{known_keys, object};
pub use server::Sandbox;
pub use show::{reset, show};
pub(crate) use state::{Object, State};
pub use store::Storage;
pub use vendor::Emulator;
