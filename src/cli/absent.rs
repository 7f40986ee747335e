//! Commands of outflow that this version does not have; they stay out of the help.

use std::ffi::OsString;

use clap::Args;

use super::help;
use crate::error::{Error, ErrorKind};

/// Not part of this version: what is typed after the command's name is not looked at
#[derive(Debug, Args)]
#[command(after_help = help::after(&[("outflow help", "the commands that this version has")]))]
pub struct Absent {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    rest: Vec<OsString>,
}

pub fn refusal(command: &str) -> Error {
    Error::new("OF-CLI-002", ErrorKind::Config, format!("`outflow {command}` is not part of this version"))
        .hint("`outflow help` lists the commands there are")
}
