//! Log lines on stderr.

use anstream::AutoStream;
use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// `--log-format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

/// How much to tell: `-q` errors, nothing warnings, `-v` what a run does, `-vv` each request.
#[derive(Debug, Clone, Copy, Default)]
pub struct Level {
    pub quiet: bool,
    pub verbose: u8,
}

/// Starts logging for the whole process; later calls have no effect. Other crates' lines stay out below warnings:
/// an HTTP client's debug lines may hold headers.
#[allow(clippy::disallowed_methods)]
pub fn start(level: Level, format: LogFormat) {
    let own = match level {
        Level { quiet: true, .. } => "error",
        Level { verbose: 0, .. } => "warn",
        Level { verbose: 1, .. } => "info",
        Level { verbose: 2, .. } => "debug",
        _ => "trace",
    };
    let others = if level.quiet { "error" } else { "warn" };
    let filter = EnvFilter::new(format!("{others},outflow={own},outflow_connectors={own}"));
    let colour = AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A stderr that cannot be written is no reason to stop a run.
    let lines = lines.log_internal_errors(false);
    let started = match format {
        LogFormat::Json => lines.json().with_ansi(false).try_init(),
        LogFormat::Text => lines.with_ansi(colour).with_target(level.verbose > 1).try_init(),
    };
    drop(started);
}
