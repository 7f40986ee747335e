//! Models: SQL files rendered as Jinja templates with the project's variables.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use minijinja::value::{Rest, Value};
use minijinja::{Environment, ErrorKind, UndefinedBehavior};

use outflow_connectors::nearest::did_you_mean;

use super::check::File;
use super::codes;
use super::diagnostic::{Diagnostic, Problems};
use super::files::{self, SEPARATOR};
use super::yaml::{Node, Pos};
use crate::error::Location;

/// Steps a template may take; a real model takes a few hundred.
const FUEL: u64 = 1_000_000;

/// Folder of the models, below the project's root.
pub(super) const FOLDER: &str = "models";

/// Renders the models of one project.
pub(super) struct Models {
    root: PathBuf,
    environment: Environment<'static>,
    /// Texts that never appear in a message.
    hidden: Vec<String>,
}

impl Models {
    pub fn new(root: &Path, vars: BTreeMap<String, Value>, hidden: Vec<String>) -> Self {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        let folder = root.join(FOLDER);
        environment.set_loader(move |name| load(&folder, name));
        environment.add_global("vars", Value::from_pairs(vars.clone()));
        environment.add_function("var", move |name: &str, default: Rest<Value>| {
            let value = vars.get(name).cloned().or_else(|| default.first().cloned());
            value.ok_or_else(|| {
                let message = format!(
                    "the variable `{name}` is not set; set it under `vars` or with `--vars {name}=...`"
                );
                minijinja::Error::new(ErrorKind::UndefinedError, message)
            })
        });
        Models { root: root.to_owned(), environment, hidden }
    }

    /// The SQL of `models/NAME.sql` and its place; reports at `mapping` when there is no such model.
    pub fn render(&self, model: &Node, mapping: &File<'_>) -> Option<(String, Location)> {
        let (name, pos) = (model.text()?, model.pos);
        let Some(relative) = safe(name) else {
            mapping.error(
                pos,
                codes::WRONG_VALUE,
                "`source.model` must be a name below `models/`, without `..`",
            );
            return None;
        };
        let path = Path::new(FOLDER).join(format!("{relative}.sql"));
        if !self.root.join(&path).is_file() {
            if model.filled {
                mapping.error(pos, codes::MODEL_MISSING, "there is no such model as the variable names");
            } else {
                self.missing(name, &path, mapping, pos);
            }
            return None;
        }
        let text = files::read(&self.root, &path, mapping.problems)?;
        let file = File { path: &path, problems: mapping.problems };
        let sql = self.evaluate(&text, &format!("{relative}.sql"), mapping.problems)?;
        let sql = sql.trim_end().trim_end_matches(';').trim_end();
        if sql.trim().is_empty() {
            file.error(Pos::START, codes::MODEL_TEMPLATE, "this model comes out empty");
            return None;
        }
        Some((sql.to_owned(), file.location(Pos::START)))
    }

    fn evaluate(&self, text: &str, name: &str, problems: &Problems) -> Option<String> {
        let rendered = self.environment.template_from_named_str(name, text).and_then(|t| t.render(()));
        match rendered {
            Ok(sql) => Some(sql),
            Err(error) => {
                let place = Path::new(FOLDER).join(error.name().unwrap_or(name));
                let file = File { path: &place, problems };
                let pos = Pos { line: error.line().unwrap_or(1).max(1), column: 1 };
                let hide = |text: String, hidden: &String| text.replace(hidden, "•••");
                file.error(pos, codes::MODEL_TEMPLATE, self.hidden.iter().fold(sentence(&error), hide));
                None
            }
        }
    }

    fn missing(&self, name: &str, path: &Path, mapping: &File<'_>, pos: Pos) {
        let known = files::list(&self.root, FOLDER, &["sql"], mapping.problems);
        let names: Vec<String> = known.iter().filter_map(|p| model_name(p)).collect();
        let message = format!("there is no `{}`", files::display(path));
        let hint = did_you_mean(name, names.iter().map(String::as_str));
        mapping.report(pos, Diagnostic::error(codes::MODEL_MISSING, message).maybe_hint(hint));
    }
}

/// `models/marts/customers.sql` as a mapping names it: `marts/customers`.
fn model_name(path: &Path) -> Option<String> {
    let inner = path.strip_prefix(FOLDER).ok()?.with_extension("");
    Some(inner.components().map(|c| c.as_os_str().to_string_lossy()).collect::<Vec<_>>().join(SEPARATOR))
}

/// A relative path without `..`, or nothing.
fn safe(name: &str) -> Option<&str> {
    let inside = Path::new(name).components().all(|c| matches!(c, Component::Normal(_)));
    (inside && !name.is_empty() && !name.contains(['\\', '\0'])).then_some(name)
}

fn load(folder: &Path, name: &str) -> Result<Option<String>, minijinja::Error> {
    let Some(name) = safe(name) else { return Ok(None) };
    match std::fs::read_to_string(folder.join(name)) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let message = format!("cannot read `{FOLDER}/{name}`: {error}");
            Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
        }
    }
}

/// What the template engine found, in one line.
pub(super) fn sentence(error: &minijinja::Error) -> String {
    let detail = error.detail().unwrap_or_default();
    match error.kind() {
        ErrorKind::OutOfFuel => "this template takes too many steps; it may loop".to_owned(),
        ErrorKind::UndefinedError if detail.is_empty() => {
            "the template names something that is not defined".to_owned()
        }
        ErrorKind::UndefinedError | ErrorKind::TemplateNotFound if !detail.is_empty() => detail.to_owned(),
        kind if detail.is_empty() => kind.to_string(),
        kind => format!("{kind}: {detail}"),
    }
}

/// `schema.table` as a quoted query.
pub(super) fn table_query(table: &str) -> Option<String> {
    let parts: Vec<&str> = table.split('.').map(str::trim).collect();
    if parts.len() > 3 || parts.iter().any(|p| p.is_empty() || p.contains('\0')) {
        return None;
    }
    let quoted: Vec<String> = parts.iter().map(|p| format!("\"{}\"", p.replace('"', "\"\""))).collect();
    Some(format!("select * from {}", quoted.join(".")))
}

/// A value of `vars` as templates see it.
pub(super) fn value(json: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match json {
        Json::Null => Value::from(()),
        Json::Bool(value) => Value::from(*value),
        Json::Number(number) => match number.as_i64() {
            Some(integer) => Value::from(integer),
            None => Value::from(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => items.iter().map(value).collect::<Vec<_>>().into(),
        Json::Object(entries) => {
            Value::from_pairs(entries.iter().map(|(key, item)| (key.clone(), value(item))))
        }
    }
}
