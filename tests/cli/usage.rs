//! Command lines that are wrong.

use crate::support::{Run, outflow};

fn run(arguments: &[&str]) -> Run {
    outflow(tempfile::tempdir().unwrap().path(), arguments)
}

#[test]
fn a_wrong_command_line_is_a_usage_error() {
    for arguments in [&["snyc"][..], &["explain", "--formt", "json"], &["--jobs", "0", "explain"], &[]] {
        let run = run(arguments).ends(2);
        assert!(
            run.stdout.is_empty() && run.stderr.contains("Usage:") || run.stderr.contains("--help"),
            "{run:#?}"
        );
    }
    let coded = run(&["explain", "--nope"]).ends(2);
    assert!(coded.stderr.starts_with("error[OF-CLI-001]: unexpected argument '--nope'"), "{coded:#?}");
    let suggestion = run(&["exlpain"]).ends(2);
    assert!(suggestion.stderr.contains("'explain'"), "{suggestion:#?}");
}

#[test]
fn a_wrong_command_line_is_json_when_json_was_asked_for() {
    let run = run(&["explain", "--nope", "--format", "json"]).ends(2);
    let json = run.json();
    assert_eq!((&json["exit_code"], &json["error"]["kind"]), (&2.into(), &"usage".into()));
    assert!(json["error"]["message"].as_str().unwrap().contains("--nope"), "{json}");
    assert_eq!(run.stderr, "");
}

#[test]
fn a_wrong_command_line_in_json_says_which_command_it_was() {
    for (arguments, command, has_syncs) in [
        (&["sync", "--format=json", "--bogus"][..], "sync", true),
        (&["--target", "sync", "-v", "ledger", "verify", "--bogus", "--format", "json"][..], "ledger", false),
        (&["--bogus", "--format", "json", "status"][..], "status", false),
        (&["snyc", "--format", "json"][..], "outflow", false),
    ] {
        let json = run(arguments).ends(2).json();
        assert_eq!((&json["command"], json.get("syncs").is_some()), (&command.into(), has_syncs), "{json:#}");
    }
}

#[test]
fn results_are_plain_without_a_terminal() {
    for arguments in [&["--help"][..], &["explain", "OF-CLI-001"], &["connectors"], &["--version"]] {
        let run = run(arguments).ends(0);
        assert!(!run.stdout.contains('\u{1b}') && !run.stdout.is_empty(), "{run:#?}");
    }
}

#[test]
fn a_wrong_account_file_is_told_in_one_line_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bad.yml"), "limits: [\n").unwrap();
    let run = outflow(folder.path(), &["sandbox", "serve", "--config", "bad.yml"]).ends(1);
    let first = run.stderr.lines().next().unwrap_or_default();
    assert_eq!(
        first, "error[OF-CFG-090]: `bad.yml`: this is not valid YAML: unclosed bracket '['",
        "{run:#?}"
    );
    assert!(run.stderr.contains("bad.yml:1:9"), "{run:#?}");
    assert!(!run.stderr.contains("<input>"), "{run:#?}");
    assert!(!folder.path().join(".outflow").exists());
}

#[test]
fn completions_and_man_pages() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(&["completions", shell]).ends(0).stdout;
        assert!(script.contains("explain") && script.contains("project-dir"), "{shell}");
    }
    let folder = tempfile::tempdir().unwrap();
    let page = outflow(folder.path(), &["man"]).ends(0).stdout;
    assert!(page.starts_with(".ie") && page.contains(".SH NAME"), "{page}");
    outflow(folder.path(), &["man", "--out", "pages"]).ends(0);
    let written = std::fs::read_dir(folder.path().join("pages")).unwrap().count();
    assert!(written > 3, "{written}");
    assert!(folder.path().join("pages/outflow-explain.1").exists());
}
