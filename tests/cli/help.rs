//! `--help` of every command, word for word.

use clap::{Command, CommandFactory};
use outflow::cli::Cli;

use crate::support::outflow;

fn commands() -> Vec<String> {
    let command = Cli::command();
    command.get_subcommands().filter(|c| !c.is_hide_set()).map(|c| c.get_name().to_owned()).collect()
}

fn help(arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    outflow(folder.path(), arguments).ends(0).stdout
}

fn settings() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../fixtures/cli/help");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings
}

#[test]
fn every_help_page_is_as_recorded() {
    settings().bind(|| {
        insta::assert_snapshot!("outflow", help(&["--help"]));
        for command in commands() {
            insta::assert_snapshot!(command.clone(), help(&[&command, "--help"]));
        }
    });
}

/// Every command and those below it, each by its words.
fn all(command: &Command, words: &[&str], found: &mut Vec<String>) {
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        let words = [words, &[below.get_name()]].concat();
        found.push(words.join(" "));
        all(below, &words, found);
    }
}

#[test]
fn every_help_page_begins_with_the_purpose_and_ends_with_examples_and_exit_codes() {
    let mut commands = Vec::new();
    all(&Cli::command(), &[], &mut commands);
    assert!(commands.iter().any(|command| command == "ledger verify"), "{commands:?}");
    for command in commands {
        let words: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let page = help(&words);
        let first = page.lines().next().unwrap_or_default();
        assert!(first.len() > 20 && !first.starts_with("Usage"), "{command}: {first}");
        let examples = page.find("\nExamples:\n").unwrap_or_else(|| panic!("{command} has no examples"));
        let exits = page.find("\nExit codes:\n").unwrap_or_else(|| panic!("{command} has no exit codes"));
        assert!(examples < exits, "{command}");
        assert!(page.trim_end().ends_with("130  interrupted; what was acknowledged is kept"), "{command}");
        for code in ["0", "1", "2", "3", "4", "5", "6"] {
            assert!(page[exits..].contains(&format!("\n  {code}    ")), "{command}: {code}");
        }
    }
}
