//! `${...}` in the project's files: the only place that reads the environment.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::check::File;
use super::codes;
use super::diagnostic::{Diagnostic, Problems};
use super::yaml::{Data, Node, Pos};

/// Where variables are looked up.
pub type Environment = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// The process's own environment; a value that is not UTF-8 counts as not set.
pub fn process_environment() -> Environment {
    #[expect(clippy::disallowed_methods, reason = "the one reader of the environment")]
    Arc::new(|name| std::env::var(name).ok())
}

/// Fills in `${NAME}`, `${NAME:-default}` and `${file:PATH}`.
pub(super) struct Variables<'a> {
    pub environment: &'a Environment,
    /// What `.env` says; the environment goes before it.
    pub dotenv: BTreeMap<String, String>,
    pub root: &'a Path,
}

/// Largest file that `${file:...}` reads.
const MAX_SECRET_BYTES: u64 = 1 << 20;

impl Variables<'_> {
    /// Fills in every text below `node`.
    pub fn fill(&self, node: &mut Node, file: &File<'_>) {
        match &mut node.data {
            Data::List(items) => items.iter_mut().for_each(|item| self.fill(item, file)),
            Data::Map(entries) => entries.iter_mut().for_each(|(_, value)| self.fill(value, file)),
            Data::Text(text) if text.contains("${") => {
                let expanded = self.expand(text, node.pos, file);
                node.filled |= expanded.as_ref().is_none_or(|(_, from_variable)| *from_variable);
                node.data = expanded.map_or(Data::Broken, |(text, _)| Data::Text(text));
            }
            _ => {}
        }
    }

    /// The text with its variables filled in, and whether there were any; nothing if one could not be.
    fn expand(&self, text: &str, pos: Pos, file: &File<'_>) -> Option<(String, bool)> {
        let mut out = String::with_capacity(text.len());
        let (mut rest, mut filled, mut broken) = (text, false, false);
        while let Some(start) = rest.find("${") {
            if rest[..start].ends_with('$') {
                out.push_str(&rest[..start - 1]);
                out.push_str("${");
                rest = &rest[start + 2..];
                continue;
            }
            out.push_str(&rest[..start]);
            let Some(length) = rest[start + 2..].find('}') else {
                let problem = Diagnostic::error(codes::BAD_VARIABLE, "a `${` has no closing `}`");
                file.report(pos, problem.hint("write `$${` for a literal `${`"));
                return None;
            };
            match self.value(&rest[start + 2..start + 2 + length], pos, file) {
                Some(value) => out.push_str(&value),
                None => broken = true,
            }
            filled = true;
            rest = &rest[start + 2 + length + 1..];
        }
        out.push_str(rest);
        (!broken).then_some((out, filled))
    }

    fn value(&self, expression: &str, pos: Pos, file: &File<'_>) -> Option<String> {
        if let Some(path) = expression.strip_prefix("file:") {
            return self.read(path, pos, file);
        }
        let (name, default) = match expression.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (expression, None),
        };
        if !is_variable(name) {
            let problem =
                Diagnostic::error(codes::BAD_VARIABLE, "`${...}` does not hold the name of a variable");
            file.report(
                pos,
                problem
                    .hint("write `${NAME}`, `${NAME:-default}` or `${file:/path}`; `$${` is a literal `${`"),
            );
            return None;
        }
        let value = (self.environment)(name).or_else(|| self.dotenv.get(name).cloned());
        match (value, default) {
            (Some(value), None) => Some(value),
            (Some(value), Some(_)) if !value.is_empty() => Some(value),
            (_, Some(default)) => Some(default.to_owned()),
            (None, None) => {
                let problem =
                    Diagnostic::error(codes::UNSET_VARIABLE, format!("the variable `{name}` is not set"));
                file.report(
                    pos,
                    problem.hint(format!("set it in the environment, or write `{name}=...` in `.env`")),
                );
                None
            }
        }
    }

    fn read(&self, path: &str, pos: Pos, file: &File<'_>) -> Option<String> {
        let full = self.root.join(path);
        let problem = match std::fs::metadata(&full) {
            Err(error) => error.to_string(),
            Ok(metadata) if !metadata.is_file() => "it is not a file".to_owned(),
            Ok(metadata) if metadata.len() > MAX_SECRET_BYTES => "it is larger than 1 MB".to_owned(),
            Ok(_) => match std::fs::read_to_string(&full) {
                Ok(text) => return Some(text.trim_end_matches(['\n', '\r']).to_owned()),
                Err(error) => error.to_string(),
            },
        };
        file.error(pos, codes::BAD_VARIABLE, format!("cannot read `{path}`: {problem}"));
        None
    }
}

fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Reads `.env`: `NAME=value` or `export NAME=value` a line, values bare, in `'...'`, or in `"..."` with `\n`, `\"` and `\\`.
pub(super) fn dotenv(text: &str, problems: &Problems) -> BTreeMap<String, String> {
    let file = File { path: Path::new(".env"), problems };
    let mut values = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let entry = line.strip_prefix("export ").unwrap_or(line).split_once('=');
        let parsed = entry.and_then(|(name, value)| Some((name.trim(), unquote(value.trim())?)));
        match parsed {
            Some((name, value)) if is_variable(name) => {
                values.insert(name.to_owned(), value);
            }
            _ => file.error(
                Pos { line: index + 1, column: 1 },
                codes::DOTENV,
                "this line is not of the form `NAME=value`",
            ),
        }
    }
    values
}

fn unquote(value: &str) -> Option<String> {
    let Some(quote) = value.chars().next().filter(|c| matches!(c, '\'' | '"')) else {
        let end = value.find(" #").unwrap_or(value.len());
        return Some(value[..end].trim_end().to_owned());
    };
    let mut out = String::new();
    let mut chars = value[1..].chars();
    loop {
        match chars.next()? {
            c if c == quote => break,
            '\\' if quote == '"' => match chars.next()? {
                'n' => out.push('\n'),
                other => out.push(other),
            },
            c => out.push(c),
        }
    }
    let rest = chars.as_str().trim();
    (rest.is_empty() || rest.starts_with('#')).then_some(out)
}
