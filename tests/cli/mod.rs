//! The command line as its users meet it: the binary, run in folders of its own.

mod codes;
mod help;
mod usage;
