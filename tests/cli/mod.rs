//! The command line as its users meet it: the binary, run in folders of its own.

mod bad_input;
mod braze;
mod codes;
mod commands;
mod guides;
mod help;
mod klaviyo;
mod mailers;
mod marketo;
mod mirrors;
mod models;
mod oauth;
mod portable;
mod processes;
mod quickstart;
mod salesforce;
mod sendgrid;
mod status;
mod terminal;
mod tls;
mod trace;
mod usage;
mod world;
mod written;
