//! The user's files, read and validated: everything the engine needs to know before it touches a system.

mod spec;

pub use spec::*;
