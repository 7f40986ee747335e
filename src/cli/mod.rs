//! The command line: one thin file per command.

mod allow;
mod backfill;
mod check;
mod codes;
mod compile;
mod completions;
mod connectors;
mod dbt;
mod diff;
mod errors;
mod explain;
mod fields;
#[cfg(feature = "bench")]
mod floor;
mod given;
mod global;
mod help;
mod history;
mod init;
mod ledger;
mod man;
mod query;
mod resolve;
mod retry;
mod running;
mod runs;
mod sandbox;
mod schema;
mod show;
mod sla;
mod status;
mod sync;

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::error::ErrorKind as Usage;
use clap::{CommandFactory, Parser, Subcommand};

pub use self::given::Given;
use self::global::Global;
use crate::error::{Error, ErrorKind};
use crate::report::{self, Answer, Exit, Failure, Format, Screen, logs};

/// Reverse ETL: what changed in the warehouse reaches the tools where people work
///
/// outflow reads a query, compares each row with what the destination last acknowledged, and delivers only what
/// changed.
#[derive(Debug, Parser)]
#[command(name = "outflow", version, max_term_width = 110, after_help = help::after(&[
    ("outflow init acme && cd acme", "a project that runs at once"),
    ("outflow diff", "what would be sent"),
    ("outflow sync", "send it"),
]))]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Init),
    Check(check::Check),
    Diff(diff::Diff),
    Sync(sync::Sync),
    Backfill(backfill::Backfill),
    Status(status::Status),
    Runs(runs::Runs),
    Show(show::Show),
    Errors(errors::Errors),
    Retry(retry::Retry),
    Resolve(resolve::Resolve),
    Explain(explain::Explain),
    Sandbox(sandbox::Sandbox),
    Ledger(ledger::Ledger),
    Compile(compile::Compile),
    Query(query::Query),
    Dbt(dbt::Dbt),
    Connectors(connectors::Connectors),
    Fields(fields::Fields),
    Schema(schema::Schema),
    Completions(completions::Completions),
    Man(man::Man),
    #[cfg(feature = "bench")]
    #[command(hide = true, name = "bench-floor")]
    Floor(floor::Floor),
}

/// The whole program: arguments in, exit code out.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    report::panic::install();
    #[cfg(debug_assertions)]
    rehearse();
    outflow_connectors::http::install_crypto();
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let json = wants_json(&arguments);
    // Before they are parsed: what is wrong with them is also said without colours.
    if arguments.iter().any(|word| word == "--no-color") {
        report::no_color();
    }
    let exit = catch_unwind(AssertUnwindSafe(|| parse_and_run(&arguments))).unwrap_or_else(|_| {
        // The hook has told people already.
        if json {
            let screen = Screen { format: Format::Json, ..Screen::default() };
            screen.failure("outflow", &report::panic::error().into());
        }
        Exit::Failed
    });
    exit.into()
}

/// Tests have accidents happen; see [`outflow_connectors::rehearsal`].
#[cfg(debug_assertions)]
fn rehearse() {
    let environment = crate::project::process_environment();
    if let Some(plan) = environment("OUTFLOW_REHEARSE") {
        outflow_connectors::rehearsal::arm(&plan);
    }
}

fn parse_and_run(arguments: &[OsString]) -> Exit {
    match Cli::try_parse_from(arguments) {
        Ok(cli) => run(cli, arguments),
        Err(error) => unparsed(&error, arguments),
    }
}

fn run(cli: Cli, arguments: &[OsString]) -> Exit {
    let Cli { global, command } = cli;
    logs::start(logs::Level { quiet: global.quiet, verbose: global.verbose }, global.log_format);
    // Arguments of a command that isn't there are not parsed.
    let format = if wants_json(arguments) { Format::Json } else { global.format };
    let screen = Screen { format, quiet: global.quiet, root: None };
    let mut given = Given { global, screen };
    let name = command.name();
    let result = given.record().and_then(|()| command.run(&mut given));
    match result {
        Ok(answer) => given.screen.answer(name, &answer),
        Err(failure) => given.screen.failure(name, &failure),
    }
}

impl Given {
    fn record(&self) -> Result<(), Failure> {
        let Some(folder) = &self.global.record else { return Ok(()) };
        outflow_connectors::http::record_into(folder).map_err(|error| {
            let refusal = Error::new("OF-CLI-004", ErrorKind::State, error.message);
            refusal.hint(error.hint.unwrap_or_default()).into()
        })
    }
}

impl Command {
    fn name(&self) -> &'static str {
        match self {
            Command::Init(_) => "init",
            Command::Check(_) => "check",
            Command::Diff(_) => "diff",
            Command::Sync(command) => command.name(),
            Command::Status(_) => "status",
            Command::Runs(_) => "runs",
            Command::Show(_) => "show",
            Command::Errors(_) => "errors",
            Command::Retry(_) => "retry",
            Command::Explain(_) => "explain",
            Command::Sandbox(_) => "sandbox",
            Command::Connectors(_) => "connectors",
            Command::Fields(_) => "fields",
            Command::Schema(_) => "schema",
            Command::Completions(_) => "completions",
            Command::Man(_) => "man",
            #[cfg(feature = "bench")]
            Command::Floor(_) => "bench-floor",
            Command::Backfill(_) => "backfill",
            Command::Ledger(_) => "ledger",
            Command::Resolve(_) => "resolve",
            Command::Compile(_) => "compile",
            Command::Query(_) => "query",
            Command::Dbt(_) => "dbt",
        }
    }

    fn run(&self, given: &mut Given) -> Result<Answer, Failure> {
        match self {
            Command::Init(command) => command.run(given),
            Command::Check(command) => command.run(given),
            Command::Diff(command) => command.run(given),
            Command::Sync(command) => command.run(given),
            Command::Backfill(command) => command.run(given),
            Command::Status(command) => command.run(given),
            Command::Runs(command) => command.run(given),
            Command::Show(command) => command.run(given),
            Command::Errors(command) => command.run(given),
            Command::Retry(command) => command.run(given),
            Command::Resolve(command) => command.run(given),
            Command::Explain(command) => command.run(given),
            Command::Sandbox(command) => command.run(given),
            Command::Ledger(command) => command.run(given),
            Command::Compile(command) => command.run(given),
            Command::Query(command) => command.run(given),
            Command::Connectors(command) => command.run(given),
            Command::Fields(command) => command.run(given),
            Command::Schema(command) => command.run(given),
            Command::Completions(command) => command.run(given),
            Command::Man(command) => command.run(given),
            #[cfg(feature = "bench")]
            Command::Floor(command) => command.run(given),
            Command::Dbt(command) => command.run(given),
        }
    }
}

const BAD_USAGE: &str = "OF-CLI-001";

/// Help and version are results; everything else is a usage error.
fn unparsed(error: &clap::Error, arguments: &[OsString]) -> Exit {
    let text = error.render().ansi().to_string();
    match error.kind() {
        Usage::DisplayHelp | Usage::DisplayVersion => match report::out(&text) {
            Ok(()) => Exit::Done,
            Err(_) => Exit::Failed,
        },
        _ if wants_json(arguments) => {
            let plain = error.render().to_string();
            let message = plain.lines().next().unwrap_or_default().trim_start_matches("error: ");
            let error = Error::new(BAD_USAGE, ErrorKind::Usage, message)
                .hint("`outflow help` lists the commands, `outflow COMMAND --help` its options");
            let (name, mut failure) = (named(arguments), Failure::from(error));
            if running::COMMANDS.contains(&name.as_str()) {
                failure.json = running::none();
            }
            Screen { format: Format::Json, ..Screen::default() }.failure(&name, &failure)
        }
        _ => {
            report::message(&text.replacen("error:", &format!("error[{BAD_USAGE}]:"), 1));
            Exit::Usage
        }
    }
}

/// The command, told from the raw arguments as [`wants_json`] is; `outflow` where they name none.
fn named(arguments: &[OsString]) -> String {
    let cli = Cli::command();
    let has_value = |word: &str| {
        let name = word.strip_prefix("--");
        name.is_some() && cli.get_arguments().any(|a| a.get_long() == name && a.get_action().takes_values())
    };
    let mut words = arguments.iter().skip(1).map(|word| word.to_string_lossy());
    while let Some(word) = words.next() {
        if has_value(&word) {
            words.next();
        } else if !word.starts_with('-') {
            return cli.find_subcommand(&*word).map_or("outflow", |command| command.get_name()).to_owned();
        }
    }
    "outflow".to_owned()
}

/// Whether JSON was asked for, told from the raw arguments: for command lines that could not be parsed.
fn wants_json(arguments: &[OsString]) -> bool {
    let mut words = arguments.iter().map(|word| word.to_string_lossy());
    let mut json = false;
    while let Some(word) = words.next() {
        match &*word {
            "--format" => json = words.next().is_some_and(|form| form == "json"),
            "--format=json" => json = true,
            _ => {}
        }
    }
    json
}
