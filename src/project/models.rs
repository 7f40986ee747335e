//! Models: SQL files rendered as Jinja templates with the project's variables.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use minijinja::value::{Rest, Value};
use minijinja::{Environment, ErrorKind, UndefinedBehavior};

use outflow_connectors::nearest::did_you_mean;

use super::check::File;
use super::codes;
use super::cte::{self, Part};
use super::diagnostic::{Diagnostic, Problems};
use super::files::{self, SEPARATOR};
use super::yaml::{Node, Pos};
use crate::error::Location;

/// Steps a template may take; a real model takes a few hundred.
const FUEL: u64 = 1_000_000;

/// Folder of the models, below the project's root.
pub(super) const FOLDER: &str = "models";

/// Looks up a variable of the environment, or of `.env`.
pub(super) type Lookup = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Renders the models of one project.
pub(super) struct Models {
    root: PathBuf,
    environment: Environment<'static>,
    /// Names that `ref` was called with since the last rendering began.
    named: Arc<Mutex<Vec<String>>>,
    /// Texts that never appear in a message.
    hidden: Arc<Mutex<Vec<String>>>,
}

impl Models {
    pub fn new(root: &Path, vars: BTreeMap<String, Value>, hidden: Vec<String>, lookup: Lookup) -> Self {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        let folder = root.join(FOLDER);
        environment.set_loader(move |name| load(&folder, name));
        environment.add_global("vars", Value::from_pairs(vars.clone()));
        environment.add_function("var", move |name: &str, default: Rest<Value>| {
            let value = vars.get(name).cloned().or_else(|| default.first().cloned());
            value.ok_or_else(|| {
                undefined(format!(
                    "the variable `{name}` is not set; set it under `vars` or with `--vars {name}=...`"
                ))
            })
        });
        let hidden = Arc::new(Mutex::new(hidden));
        let filled = hidden.clone();
        let lookup = Arc::new(lookup);
        for function in ["env", "env_var"] {
            let (filled, lookup) = (filled.clone(), lookup.clone());
            environment.add_function(function, move |name: &str, default: Rest<Value>| match lookup(name) {
                Some(value) => {
                    locked(&filled).push(value.clone());
                    Ok(Value::from(value))
                }
                None => default.first().cloned().ok_or_else(|| {
                    undefined(format!("`{name}` is set neither in the environment nor in `.env`"))
                }),
            });
        }
        let named = Arc::new(Mutex::new(Vec::new()));
        let (names, folder) = (named.clone(), root.to_owned());
        environment.add_function("ref", move |name: &str| {
            let known = safe(name).is_some_and(|name| folder.join(file_of(name)).is_file());
            match known {
                true => {
                    locked(&names).push(name.to_owned());
                    Ok(cte::name(name))
                }
                false => Err(undefined(format!(
                    "there is no model `{name}` to refer to{}",
                    nearest_model(&folder, name)
                ))),
            }
        });
        Models { root: root.to_owned(), environment, named, hidden }
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
        if !self.has(relative) {
            if model.filled {
                mapping.error(pos, codes::MODEL_MISSING, "there is no such model as the variable names");
            } else {
                self.missing(name, &file_of(relative), mapping, pos);
            }
            return None;
        }
        self.compile(relative, mapping.problems)
    }

    /// Whether there is a model of this name.
    pub fn has(&self, name: &str) -> bool {
        safe(name).is_some_and(|name| self.root.join(file_of(name)).is_file())
    }

    /// The finished SQL of a model that is there, with those that it refers to, and its place.
    pub fn compile(&self, name: &str, problems: &Problems) -> Option<(String, Location)> {
        let mut parts = Vec::new();
        let sql = self.part(name, (&mut parts, &mut Vec::new()), problems)?;
        let path = file_of(name);
        Some((cte::assemble(&parts, &sql), File { path: &path, problems }.location(Pos::START)))
    }

    /// The SQL of one model; those that it refers to come to the parts before it.
    fn part(
        &self,
        name: &str,
        (parts, above): (&mut Vec<Part>, &mut Vec<String>),
        problems: &Problems,
    ) -> Option<String> {
        let path = file_of(name);
        let file = File { path: &path, problems };
        let text = files::read(&self.root, &path, problems)?;
        locked(&self.named).clear();
        let sql = self.evaluate(&text, &format!("{name}.sql"), problems)?;
        let sql = cte::unended(&sql).to_owned();
        if sql.trim().is_empty() {
            file.error(Pos::START, codes::MODEL_TEMPLATE, "this model comes out empty");
            return None;
        }
        let named = std::mem::take(&mut *locked(&self.named));
        above.push(name.to_owned());
        for inner in named {
            if let Some(begin) = above.iter().position(|model| *model == inner) {
                let circle: Vec<&str> = above[begin..].iter().map(String::as_str).chain([&*inner]).collect();
                let message = format!("models refer to each other in a circle: {}", circle.join(" → "));
                file.error(line_of(&text, &inner), codes::MODEL_TEMPLATE, message);
                return None;
            }
            if parts.iter().any(|part| part.model == inner) {
                continue;
            }
            if let Some(other) = parts.iter().find(|part| cte::name(&part.model) == cte::name(&inner)) {
                let message = format!("`{inner}` and `{}` would have one name in SQL", other.model);
                file.error(line_of(&text, &inner), codes::MODEL_TEMPLATE, message);
                return None;
            }
            let sql = self.part(&inner, (&mut *parts, &mut *above), problems)?;
            parts.push(Part { model: inner, sql });
        }
        above.pop();
        Some(sql)
    }

    fn evaluate(&self, text: &str, name: &str, problems: &Problems) -> Option<String> {
        let rendered = self.environment.template_from_named_str(name, text).and_then(|t| t.render(()));
        match rendered {
            Ok(sql) => Some(sql),
            Err(error) => {
                let error = innermost(&error);
                let place = Path::new(FOLDER).join(error.name().unwrap_or(name));
                let file = File { path: &place, problems };
                let pos = Pos { line: error.line().unwrap_or(1).max(1), column: 1 };
                let hide = |text: String, hidden: &String| text.replace(hidden, "•••");
                let hidden = locked(&self.hidden);
                let hidden = hidden.iter().filter(|text| !text.is_empty());
                file.error(pos, codes::MODEL_TEMPLATE, hidden.fold(sentence(error), hide));
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

    /// Names of all models.
    pub fn names(&self) -> Vec<String> {
        let known = files::list(&self.root, FOLDER, &["sql"], &Problems::default());
        known.iter().filter_map(|path| model_name(path)).collect()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn undefined(message: String) -> minijinja::Error {
    minijinja::Error::new(ErrorKind::UndefinedError, message)
}

fn file_of(name: &str) -> PathBuf {
    Path::new(FOLDER).join(format!("{name}.sql"))
}

/// `; did you mean ...?`
fn nearest_model(root: &Path, name: &str) -> String {
    let known = files::list(root, FOLDER, &["sql"], &Problems::default());
    let names: Vec<String> = known.iter().filter_map(|path| model_name(path)).collect();
    did_you_mean(name, names.iter().map(String::as_str)).map_or_else(String::new, |hint| format!("; {hint}"))
}

/// Where a model's text names another one.
fn line_of(text: &str, name: &str) -> Pos {
    let line = text.lines().position(|line| line.contains("ref(") && line.contains(name));
    Pos { line: line.map_or(1, |line| line + 1), column: 1 }
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

/// The mistake itself, where it stands in a part and the template that includes it only passes it on.
fn innermost(error: &minijinja::Error) -> &minijinja::Error {
    let chain = std::iter::successors(Some(error), |error| std::error::Error::source(*error)?.downcast_ref());
    chain.filter(|error| error.name().is_some()).last().unwrap_or(error)
}

/// What the template engine found, in one line.
fn sentence(error: &minijinja::Error) -> String {
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
