//! The loader over whole projects in temporary folders.

mod files;
mod init;
mod quickstart;
mod schema;
mod select;
mod support;
mod wrong;
mod wrong_mappings;
