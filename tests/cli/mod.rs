//! The command line as its users meet it: the binary, run in folders of its own.

mod bad_input;
mod codes;
mod commands;
mod guides;
mod help;
mod models;
mod oauth;
mod portable;
mod processes;
mod quickstart;
mod salesforce;
mod terminal;
mod tls;
mod trace;
mod usage;
mod world;
