//! Text from a row by a Jinja template: strict, bounded, and the same for the same row always.

use std::fmt;

use minijinja::value::{Value as Jinja, ValueKind};
use minijinja::{Environment, ErrorKind, UndefinedBehavior, escape_formatter};
use outflow_connectors::contract::{Cell, FieldType, Number, Row};
use serde_json::Value as Json;

use super::convert::{Conversion, convert};
use super::fault::{self, Fault};
use super::json;

/// Steps a template may take for one row; an ordinary one takes some dozens.
const FUEL: u64 = 100_000;

const NAME: &str = "template";

/// A parsed template over a row's columns.
pub struct Template {
    environment: Environment<'static>,
    columns: Vec<String>,
}

/// Why a template does not parse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateError {
    pub message: String,
    /// Line in the template, from 1.
    pub line: usize,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (line {} of the template)", self.message, self.line)
    }
}

impl std::error::Error for TemplateError {}

impl Template {
    /// # Errors
    /// Where the text is not a template, or uses a filter or test that doesn't exist.
    pub fn parse(source: &str) -> Result<Template, TemplateError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        environment.set_formatter(print);
        environment.remove_global("debug");
        environment
            .add_template_owned(NAME, source.to_owned())
            .map_err(|e| TemplateError { message: described(&e), line: e.line().unwrap_or(1) })?;
        let columns = columns(&environment);
        Ok(Template { environment, columns })
    }

    /// The names it takes from the row, sorted; each must be a column.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The text for one row. A null column prints as nothing, a number in its canonical form, JSON as JSON.
    ///
    /// # Errors
    /// A fault where a column is missing or unreadable, or where the template cannot work with its value.
    pub fn render(&self, row: Row<'_>) -> Result<String, Fault> {
        let mut values = Vec::with_capacity(self.columns.len());
        for name in &self.columns {
            if let Some(position) = row.schema().position(name) {
                let value = value(row.cell(position))
                    .map_err(|f| Fault::new(f.code, format!("column `{name}`: {}", f.message)))?;
                values.push((name.as_str(), value));
            }
        }
        let template = self.environment.get_template(NAME).map_err(|e| failed(&e))?;
        template.render(Jinja::from_pairs(values)).map_err(|e| failed(&e))
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Template").field("columns", &self.columns).finish_non_exhaustive()
    }
}

fn columns(environment: &Environment<'_>) -> Vec<String> {
    let Ok(template) = environment.get_template(NAME) else { return Vec::new() };
    let is_function = |name: &String| environment.globals().any(|(global, _)| global == name);
    let mut names: Vec<String> =
        template.undeclared_variables(false).into_iter().filter(|name| !is_function(name)).collect();
    names.sort();
    names
}

fn failed(error: &minijinja::Error) -> Fault {
    let line = error.line().map(|n| format!(" in line {n}")).unwrap_or_default();
    if error.kind() == ErrorKind::OutOfFuel {
        return Fault::new(fault::TEMPLATE_FUEL, format!("the template took more than {FUEL} steps{line}"));
    }
    Fault::new(fault::TEMPLATE, format!("the template failed{line}: {}", described(error)))
}

fn described(error: &minijinja::Error) -> String {
    match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    }
}

/// Prints null as nothing, and the floats that a template computed as any other number.
fn print(
    out: &mut minijinja::Output<'_>,
    state: &mut minijinja::State<'_, '_>,
    value: &Jinja,
) -> Result<(), minijinja::Error> {
    if value.is_none() {
        return Ok(());
    }
    if value.kind() == ValueKind::Number && !value.is_integer() {
        let float = f64::try_from(value.clone())?;
        let number = json::float(float)
            .map_err(|e| minijinja::Error::new(ErrorKind::InvalidOperation, format!("the result is {e}")))?;
        return fmt::Write::write_str(out, number.as_str()).map_err(minijinja::Error::from);
    }
    escape_formatter(out, state, value)
}

/// A cell for a template: numbers to calculate with where they are exact, else their text; times as text.
fn value(cell: Cell<'_>) -> Result<Jinja, Fault> {
    Ok(match cell {
        Cell::Null => Jinja::from(()),
        Cell::Bool(b) => b.into(),
        Cell::Integer(i) => i.into(),
        Cell::Text(s) => s.into(),
        Cell::DateTime(wall) => wall.to_string().into(),
        Cell::Float(f) => json::float(f).map_or_else(|e| Err(nonfinite(cell, e)), |n| Ok(number(&n)))?,
        Cell::Decimal { digits, scale } => number(&Number::from_decimal(digits, scale)),
        Cell::Json(_) | Cell::List(_) => match convert(cell, &Conversion::new(FieldType::Json))? {
            outflow_connectors::contract::Value::Json(json) => structure(&json),
            other => other.to_string().into(),
        },
        _ => convert(cell, &Conversion::new(FieldType::String))?.to_string().into(),
    })
}

fn nonfinite(cell: Cell<'_>, problem: impl fmt::Display) -> Fault {
    Fault::value(fault::NOT_FINITE, cell, format_args!("is {problem}").to_string())
}

fn number(number: &Number) -> Jinja {
    match json::exact(number) {
        Some(json) => structure(&json),
        None => number.as_str().into(),
    }
}

fn structure(json: &Json) -> Jinja {
    match json {
        Json::Null => Jinja::from(()),
        Json::Bool(b) => (*b).into(),
        Json::String(s) => s.as_str().into(),
        Json::Number(n) => match (n.as_i64(), n.as_u64()) {
            (Some(i), _) => i.into(),
            (None, Some(u)) => u.into(),
            (None, None) => n.as_f64().unwrap_or(f64::NAN).into(),
        },
        Json::Array(items) => items.iter().map(structure).collect::<Vec<_>>().into(),
        Json::Object(fields) => {
            Jinja::from_pairs(fields.iter().map(|(name, v)| (name.clone(), structure(v))))
        }
    }
}
