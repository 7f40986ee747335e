use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};
use serde_json::Map;

use super::{Cli, Given, help};
use crate::report::{Answer, Failure};

/// Prints the completion script of a shell
///
/// The script is the same for every project; write it where your shell looks for completions.
#[derive(Debug, Args)]
#[command(after_help = help::after(&[
    ("outflow completions bash > ~/.local/share/bash-completion/completions/outflow", "for bash"),
    ("outflow completions fish > ~/.config/fish/completions/outflow.fish", "for fish"),
]))]
pub struct Completions {
    shell: Shell,
}

impl Completions {
    pub fn run(&self, _given: &Given) -> Result<Answer, Failure> {
        let mut script = Vec::new();
        generate(self.shell, &mut Cli::command(), "outflow", &mut script);
        let text = String::from_utf8_lossy(&script).into_owned();
        let json = Map::from_iter([("script".to_owned(), text.clone().into())]);
        Ok(Answer::new(text, json))
    }
}
