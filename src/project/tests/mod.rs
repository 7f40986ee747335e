//! The loader over whole projects in temporary folders.

mod quickstart;
mod schema;
mod select;
mod support;
