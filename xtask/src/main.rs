//! What contributors run: `cargo xtask gate`, `cargo xtask quick` and `cargo xtask new-connector`.

// It prints for the person who called it, as no part of the product may.
#![allow(clippy::disallowed_macros)]

mod connector;
mod names;
mod quick;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const USAGE: &str = "usage: cargo xtask COMMAND

  gate                                 everything that a change must pass: `bash .ci/run`
  quick [CONNECTOR...]                 what is likeliest to fail, in under a minute: format, lints of the packages that
                                       changed, the rules of the house, and the tests of these connectors, or of those that
                                       changed
  new-connector NAME --title TITLE     a destination of its own, whole and tested, copied from `connectors/template/`";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let root = root();
    let done = match words.as_slice() {
        ["gate"] => run(&root, &["bash", ".ci/run"]),
        ["quick", connectors @ ..] => quick::run(&root, connectors),
        ["new-connector", name, "--title", title] => new_connector(&root, name, title),
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// The project's folder.
fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_path_buf()
}

fn new_connector(root: &Path, name: &str, title: &str) -> Result<(), String> {
    let left = connector::create(root, name, title)?;
    run(root, &["cargo", "fmt", "--all"])?;
    println!("`connectors/{name}/` is there, and works against its emulator. What remains:\n\n{left}");
    Ok(())
}

/// Runs a command in the project's folder, showing what it prints.
///
/// # Errors
/// Where it cannot be started, or ends with another code than 0.
fn run(root: &Path, command: &[&str]) -> Result<(), String> {
    let line = command.join(" ");
    println!("+ {line}");
    let (program, arguments) = command.split_first().ok_or("there is no command to run")?;
    match Command::new(program).args(arguments).current_dir(root).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{line}` failed: {status}")),
        Err(error) => Err(format!("`{line}` cannot be started: {error}")),
    }
}
