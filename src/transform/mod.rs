//! Pure functions from cells to values, and from values to bytes: no I/O, no clock, no randomness.
//!
//! [`convert()`] gives a cell the type of its field, or a [`Fault`] if something would be lost; [`Template`] makes text
//! from a row; [`encode`] turns values into the bytes that keys and fingerprints are hashed over, [`canonical`] does both at once,
//! [`decode`] reads them back; [`display`] shows values.

pub mod canonical;
pub mod convert;
pub mod decode;
pub mod display;
pub mod encode;
pub mod fault;
mod json;
mod list;
mod plain;
mod sha;
pub mod template;
mod time;

#[cfg(test)]
mod faults;
#[cfg(test)]
mod properties;

pub use convert::{Conversion, constant, convert};
pub use fault::Fault;
pub use template::{Template, TemplateError};
