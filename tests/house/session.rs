//! The recorded session of the README: its commands are run again in a copy of the project.

use std::fmt::Write;
use std::path::Path;

use crate::support;

/// Runs the commands of a recorded session in a copy of the project, and records what they print.
pub fn recorded(before: &str) -> String {
    let project = support::quickstart();
    let mut session = "```console\n".to_owned();
    for line in before.lines().filter(|line| line.starts_with("$ ")) {
        let separator = if session.ends_with("console\n") { "" } else { "\n" };
        let _ = writeln!(session, "{separator}{line}");
        session.push_str(&run(project.path(), &words(&line[2..])));
    }
    session + "```\n"
}

fn run(project: &Path, command: &[String]) -> String {
    let arguments: Vec<&str> = command.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["outflow", arguments @ ..] => {
            let run = support::outflow(project, arguments).ends(0);
            run.stdout + &run.stderr
        }
        ["sqlite3", file, sql] => {
            rusqlite::Connection::open(project.join(file)).unwrap().execute_batch(sql).unwrap();
            String::new()
        }
        _ => panic!("a session holds `outflow` and `sqlite3 FILE SQL` only, not {command:?}"),
    }
}

/// A command line's words; double quotes hold one together.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (position, part) in line.split('"').enumerate() {
        match position % 2 {
            1 => words.push(part.to_owned()),
            _ => words.extend(part.split_whitespace().map(str::to_owned)),
        }
    }
    words
}

/// What differs from run to run, made the same: run ids, and times.
pub fn settled(text: &str) -> String {
    let mut settled = String::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        for (position, word) in words.iter().enumerate() {
            let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
            let unit = words.get(position + 1).map_or("", |next| next.trim_end_matches([',', '.', ')']));
            let time = ["ms", "s", "min"].contains(&unit) && bare.parse::<f64>().is_ok();
            let run_id = bare.len() >= 12
                && bare.chars().all(|c| c.is_ascii_hexdigit() || c == '-' || c == 'T' || c == 'Z');
            let shown = match () {
                () if time => "TIME",
                () if run_id => "RUN",
                () => word,
            };
            settled.push_str(shown);
            settled.push(' ');
        }
        settled.push('\n');
    }
    settled
}

#[test]
fn only_times_and_run_ids_may_differ() {
    let recorded = "  + 2 add, took 12 ms (run 0192af34c0de)\n";
    assert_eq!(settled(recorded), settled("  + 2 add, took 3 ms (run 0192ffffffff)\n"));
    assert_ne!(settled(recorded), settled("  + 3 add, took 12 ms (run 0192af34c0de)\n"));
}
