//! The options that every command takes.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{ArgAction, Args};

use crate::report::Format;
use crate::report::logs::LogFormat;

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// The project's folder [default: the nearest parent with an outflow.yml]
    #[arg(long, global = true, value_name = "DIR")]
    pub project_dir: Option<PathBuf>,
    /// Overlay of outflow.yml to use, one of its `targets`
    #[arg(long, global = true, value_name = "NAME")]
    pub target: Option<String>,
    /// Sets a variable of the models; can be given several times
    #[arg(long, global = true, value_name = "NAME=VALUE", value_parser = variable)]
    pub vars: Vec<(String, String)>,
    /// Only these syncs: NAME, tag:X, owner:X, connection:X, path:GLOB; +NAME with those it depends on
    #[arg(long, global = true, value_name = "EXPR")]
    pub select: Vec<String>,
    /// Not these syncs; the same expressions
    #[arg(long, global = true, value_name = "EXPR")]
    pub exclude: Vec<String>,
    /// Syncs that run at the same time
    #[arg(long, global = true, value_name = "N", default_value = "1")]
    pub jobs: Option<NonZeroUsize>,
    /// Form of the result on stdout
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORM")]
    pub format: Format,
    /// Form of the log lines on stderr
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORM")]
    pub log_format: LogFormat,
    /// Only results and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Log what a run does; -vv each request too
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// No colours, as with NO_COLOR in the environment
    #[arg(long, global = true)]
    pub no_color: bool,
    /// No progress bars
    #[arg(long, global = true)]
    pub no_progress: bool,
    /// Keep each request and answer as a file in DIR: with the rows they hold, without credentials
    #[arg(long, global = true, value_name = "DIR")]
    pub record: Option<PathBuf>,
    /// Answer yes to what a command asks before it throws something away
    #[arg(long, global = true)]
    pub yes: bool,
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as NAME=VALUE".to_owned()),
    }
}
