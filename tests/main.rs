//! One test binary: linking is what costs, so every area is a module of it.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, clippy::unwrap_used, clippy::panic)]

mod cli;
mod engine;
mod house;
mod support;
