//! The one error renderer: what failed, the line of the file, causes, hint, code.

use std::ops::Range;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::format::clean_lines;
use super::mask;
use crate::error::{Error, Location};

/// Something to tell the user besides the result.
#[derive(Debug, Clone)]
pub struct Finding {
    pub error: Error,
    /// It doesn't stop anything.
    pub warning: bool,
}

impl From<Error> for Finding {
    fn from(error: Error) -> Self {
        Finding { error, warning: false }
    }
}

/// A finding as text for stderr; `root` is where relative files of locations are found.
pub fn render(finding: &Finding, root: Option<&Path>) -> String {
    let error = &finding.error;
    let level = if finding.warning { Level::WARNING } else { Level::ERROR };
    let message = clean_lines(&error.message);
    let title = level.primary_title(message).id(error.code);
    let mut group = Group::with_title(title);
    group = match &error.location {
        Some(location) => place(group, location, root),
        None => group,
    };
    for cause in &error.causes {
        group = group.element(Level::NOTE.with_name(Some("because")).message(clean_lines(cause)));
    }
    let hint =
        error.hint.clone().unwrap_or_else(|| format!("`outflow explain {}` tells what to do", error.code));
    group = group.element(Level::HELP.with_name(Some("hint")).message(clean_lines(&hint)));
    let mut text = Renderer::styled().render(&[group]);
    text.push('\n');
    text
}

/// Adds the line of the file, or at least the place where it stands.
fn place<'a>(group: Group<'a>, location: &Location, root: Option<&Path>) -> Group<'a> {
    let path = location.file.display().to_string();
    match line_of(location, root) {
        Some((line, span)) => {
            let mark = AnnotationKind::Primary.span(span);
            group.element(Snippet::source(line).line_start(location.line).path(path).annotation(mark))
        }
        None => group.element(Origin::path(path).line(location.line).char_column(location.column)),
    }
}

/// The line without its secrets, and the bytes of it that are at fault.
fn line_of(location: &Location, root: Option<&Path>) -> Option<(String, Range<usize>)> {
    let path = match root {
        Some(root) => root.join(&location.file),
        None => PathBuf::from(&location.file),
    };
    let secret = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".env"));
    let text = if secret { None } else { std::fs::read_to_string(path).ok() }?;
    let line = text.lines().nth(location.line.checked_sub(1)?)?.replace('\t', " ");
    // A line of data is no help, and a terminal chokes on it.
    (line.len() <= 400).then(|| masked(&line, location.column))
}

fn masked(line: &str, column: usize) -> (String, Range<usize>) {
    let start = line.char_indices().nth(column.saturating_sub(1)).map_or(line.len(), |(at, _)| at);
    let (before, shown) = (mask::secrets(&line[..start]), mask::secrets(line));
    let start = if shown.starts_with(&before) { before.len() } else { shown.len() };
    let rest = &shown[start..];
    let word =
        rest.find(|c: char| c.is_whitespace() || matches!(c, ',' | ':' | '}' | ']')).unwrap_or(rest.len());
    let first = rest.chars().next().map_or(0, char::len_utf8);
    (shown, start..start + word.max(first))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn plain(finding: &Finding, root: Option<&Path>) -> String {
        anstream::adapter::strip_str(&render(finding, root)).to_string()
    }

    fn failed(line: usize, column: usize) -> Error {
        let location = Location { file: "outflow.yml".into(), line, column };
        Error::new("OF-CFG-004", ErrorKind::Config, "unknown key `tokn` in connection `marketing`")
            .at(location)
            .hint("did you mean `token`?")
    }

    #[test]
    fn shows_the_line_without_its_secrets() {
        let folder = tempfile::tempdir().unwrap();
        let text = "name: acme\n  marketing: {tokn: x, token: pat-na1-1234}\n";
        std::fs::write(folder.path().join("outflow.yml"), text).unwrap();
        insta::assert_snapshot!(plain(&failed(2, 15).into(), Some(folder.path())), @r"
        error[OF-CFG-004]: unknown key `tokn` in connection `marketing`
         --> outflow.yml:2:15
          |
        2 |   marketing: {tokn: x, token: •••}
          |               ^^^^
          |
          = hint: did you mean `token`?
        ");
    }

    #[test]
    fn a_place_that_cannot_be_shown_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let warning = Finding { error: failed(7, 3), warning: true };
        insta::assert_snapshot!(plain(&warning, Some(folder.path())), @r"
        warning[OF-CFG-004]: unknown key `tokn` in connection `marketing`
        --> outflow.yml:7:3
         = hint: did you mean `token`?
        ");
    }

    #[test]
    fn causes_come_before_the_hint() {
        let error = Error::new("OF-DST-005", ErrorKind::Destination, "HubSpot cannot be reached\u{1b}[31m")
            .because(&std::io::Error::other("connection refused"))
            .hint("check the network");
        insta::assert_snapshot!(plain(&error.into(), None), @r"
        error[OF-DST-005]: HubSpot cannot be reached\u{1b}[31m
         |
         = because: connection refused
         = hint: check the network
        ");
    }

    #[test]
    fn a_column_may_lie_beyond_the_line() {
        assert_eq!(masked("ab", 9).1, 2..2);
        assert_eq!(masked("é: x", 1).1, 0..2);
        assert_eq!(masked("", 1).1, 0..0);
    }

    #[test]
    fn the_mark_stands_right_beside_a_hidden_value() {
        let (line, span) = masked("x: {token: a-long-secret, tokn: y}", 27);
        assert_eq!((line.as_str(), &line[span]), ("x: {token: •••, tokn: y}", "tokn"));
        let (line, span) = masked("token: secret", 8);
        assert_eq!((line.as_str(), &line[span]), ("token: •••", "•••"));
    }
}
