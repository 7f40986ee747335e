//! The end of every `--help`: examples, then the exit codes.

use crate::report::exit;

/// Examples, one command line each with what it does.
pub fn after(examples: &[(&str, &str)]) -> String {
    let width = examples.iter().map(|(line, _)| line.chars().count()).max().unwrap_or(0);
    let lines = examples.iter().map(|(line, what)| format!("  {line:width$}   {what}\n"));
    format!("Examples:\n{}\n{}", lines.collect::<String>(), exit::help())
}
