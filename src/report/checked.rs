//! What `outflow check` found.

use serde_json::{Map, Value as Json, json};

use super::error::Finding;
use super::format::plural;
use super::json;
use super::{Answer, Exit};

/// What was looked at.
#[derive(Debug, Clone, Copy)]
pub struct Checked {
    pub syncs: usize,
    pub connections: usize,
    /// Logged in and compared with the destinations' fields, too.
    pub connected: bool,
}

/// All findings; the exit code is 1 where one is an error. Of files that are wrong no more is known than that.
pub fn check(checked: Option<Checked>, findings: Vec<Finding>) -> Answer {
    let errors = findings.iter().filter(|finding| !finding.warning).count();
    let warnings = findings.len() - errors;
    let mut text = checked.map(looked_at).unwrap_or_default();
    match (errors, warnings) {
        (0, 0) => text.push_str("no problems\n"),
        (errors, 0) => text.push_str(&format!("{}\n", plural(errors as u64, "error"))),
        (0, warnings) => text.push_str(&format!("{}\n", plural(warnings as u64, "warning"))),
        (errors, warnings) => text.push_str(&format!(
            "{}, {}\n",
            plural(errors as u64, "error"),
            plural(warnings as u64, "warning")
        )),
    }
    let body = Map::from_iter([("diagnostics".to_owned(), findings.iter().map(diagnostic).collect())]);
    let exit = if errors > 0 { Exit::Failed } else { Exit::Done };
    Answer::new(text, body).exit(exit).findings(findings)
}

fn looked_at(checked: Checked) -> String {
    let Checked { syncs, connections, connected } = checked;
    let connected = if connected { ", connected" } else { "" };
    let syncs = plural(syncs as u64, "sync");
    format!("checked {syncs}, {}{connected}: ", plural(connections as u64, "connection"))
}

/// `{severity, code, message, file, line, column, hint}`.
fn diagnostic(finding: &Finding) -> Json {
    let mut error = json::error(&finding.error);
    json!({
        "severity": if finding.warning { "warning" } else { "error" },
        "code": error["code"].take(),
        "message": error["message"].take(),
        "file": error["file"].take(),
        "line": error["line"].take(),
        "column": error["column"].take(),
        "hint": error["hint"].take(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, ErrorKind, Location};

    #[test]
    fn warnings_do_not_fail_a_check() {
        let location = Location { file: "outflow.yml".into(), line: 2, column: 3 };
        let error = Error::new("OF-CFG-004", ErrorKind::Config, "unknown key").at(location).hint("remove it");
        let warning = Finding { error: error.clone(), warning: true };
        let checked = Checked { syncs: 1, connections: 2, connected: false };
        let answer = check(Some(checked), vec![warning.clone()]);
        assert_eq!(
            (answer.exit, answer.text.as_str()),
            (Exit::Done, "checked 1 sync, 2 connections: 1 warning\n")
        );
        let answer = check(Some(Checked { connected: true, ..checked }), vec![warning, error.into()]);
        assert_eq!(answer.exit, Exit::Failed);
        assert_eq!(answer.text, "checked 1 sync, 2 connections, connected: 1 error, 1 warning\n");
        assert_eq!(check(None, answer.findings.clone()).text, "1 error, 1 warning\n");
        let expected = json!([
            {"severity": "warning", "code": "OF-CFG-004", "message": "unknown key", "file": "outflow.yml", "line": 2,
             "column": 3, "hint": "remove it"},
            {"severity": "error", "code": "OF-CFG-004", "message": "unknown key", "file": "outflow.yml", "line": 2,
             "column": 3, "hint": "remove it"},
        ]);
        assert_eq!(answer.json["diagnostics"], expected);
    }
}
