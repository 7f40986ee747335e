//! Text from a row by a Jinja template: strict, bounded, and the same for the same row always.

use std::fmt;
use std::sync::Arc;

use minijinja::machinery::{Instruction, get_compiled_template};
use minijinja::value::{Object, ObjectRepr, Value as Jinja, ValueKind};
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
        environment.add_test("none", |value: &Jinja| is_null(value));
        environment.remove_global("debug");
        let wrong =
            |e: minijinja::Error| TemplateError { message: described(&e), line: e.line().unwrap_or(1) };
        environment.add_template_owned(NAME, source.to_owned()).map_err(wrong)?;
        compares_with_none(source)?;
        unknown(&environment).map_or(Ok(()), Err)?;
        let template = Template { columns: columns(&environment), environment };
        match template.probe() {
            Err(e) if matches!(e.kind(), ErrorKind::UnknownFilter | ErrorKind::UnknownTest) => Err(wrong(e)),
            _ => Ok(template),
        }
    }

    /// Renders over empty texts: of filters and tests that are named by texts, as in `map('upper')`, those that don't exist show
    /// only when they are reached.
    fn probe(&self) -> Result<String, minijinja::Error> {
        let empty = self.columns.iter().map(|name| (name.as_str(), Jinja::from("")));
        self.environment.get_template(NAME)?.render(Jinja::from_pairs(empty))
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

/// A null column. It prints as nothing also where a filter or `~` takes it as text, as Jinja's own `none` does not.
#[derive(Debug)]
struct Null;

impl Object for Null {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn is_true(self: &Arc<Self>) -> bool {
        false
    }

    fn render(self: &Arc<Self>, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

fn is_null(value: &Jinja) -> bool {
    value.is_none() || value.downcast_object_ref::<Null>().is_some()
}

/// `x == none` would never hold for a null column; `x is none` does.
fn compares_with_none(source: &str) -> Result<(), TemplateError> {
    for (index, line) in source.lines().enumerate() {
        let joined: String = line.to_lowercase().split_whitespace().collect();
        if ["==none", "!=none", "none==", "none!="].iter().any(|comparison| joined.contains(comparison)) {
            let message =
                "a null column is not compared by `==`; write `is none` or `is not none`".to_owned();
            return Err(TemplateError { message, line: index + 1 });
        }
    }
    Ok(())
}

/// A filter or test that doesn't exist, wherever it stands: rendering meets only those on its way.
fn unknown(environment: &Environment<'_>) -> Option<TemplateError> {
    let template = environment.get_template(NAME).ok()?;
    let compiled = get_compiled_template(&template);
    let mut state = environment.empty_state();
    let mut missing = |instruction: &Instruction<'_>| {
        let (what, name) = match instruction {
            Instruction::ApplyFilter(name, ..) => ("filter", *name),
            Instruction::PerformTest(name, ..) => ("test", *name),
            _ => return None,
        };
        // As `{{ name is filter }}` and `{{ name is test }}` in a template.
        let is_known = state.perform_test(what, &[Jinja::from(name)]).unwrap_or(true);
        (!is_known).then(|| format!("there is no {what} `{name}`"))
    };
    for instructions in std::iter::once(&compiled.instructions).chain(compiled.blocks.values()) {
        for (place, instruction) in (0..).map_while(|place| Some((place, instructions.get(place)?))) {
            if let Some(message) = missing(instruction) {
                return Some(TemplateError { message, line: instructions.get_line(place).unwrap_or(1) });
            }
        }
    }
    None
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

/// Prints null as nothing, booleans as `true` and `false`, floats that the template computed as any other number,
/// structures as JSON.
fn print(
    out: &mut minijinja::Output<'_>,
    state: &mut minijinja::State<'_, '_>,
    value: &Jinja,
) -> Result<(), minijinja::Error> {
    if is_null(value) {
        return Ok(());
    }
    if value.kind() == ValueKind::Bool {
        let word = if value.is_true() { "true" } else { "false" };
        return fmt::Write::write_str(out, word).map_err(minijinja::Error::from);
    }
    if value.kind() == ValueKind::Number && !value.is_integer() {
        let float = f64::try_from(value.clone())?;
        let number = json::float(float)
            .map_err(|e| minijinja::Error::new(ErrorKind::InvalidOperation, format!("the result is {e}")))?;
        return fmt::Write::write_str(out, number.as_str()).map_err(minijinja::Error::from);
    }
    if matches!(value.kind(), ValueKind::Map | ValueKind::Seq) {
        let mut text = String::new();
        json::write(&to_json(value), &mut text);
        return fmt::Write::write_str(out, &text).map_err(minijinja::Error::from);
    }
    escape_formatter(out, state, value)
}

fn to_json(value: &Jinja) -> Json {
    let items = || value.try_iter().into_iter().flatten();
    match value.kind() {
        _ if is_null(value) => Json::Null,
        ValueKind::Bool => value.is_true().into(),
        ValueKind::Number => match i64::try_from(value.clone()) {
            Ok(whole) if value.is_integer() => whole.into(),
            _ => f64::try_from(value.clone()).map_or(Json::Null, Json::from),
        },
        ValueKind::Seq => items().map(|item| to_json(&item)).collect(),
        ValueKind::Map => {
            let field =
                |name: Jinja| (name.to_string(), value.get_item(&name).map_or(Json::Null, |v| to_json(&v)));
            Json::Object(items().map(field).collect())
        }
        _ => value.to_string().into(),
    }
}

/// A cell for a template: numbers to calculate with where they are exact, else their text; times as text.
fn value(cell: Cell<'_>) -> Result<Jinja, Fault> {
    Ok(match cell {
        Cell::Null => Jinja::from_object(Null),
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
        Json::Null => Jinja::from_object(Null),
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

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use outflow_connectors::contract::{Column, RowBatch, RowBatchBuilder, Schema};

    use super::*;

    /// A batch of one row.
    pub(in crate::transform) fn row(cells: &[(&str, Cell<'_>)]) -> RowBatch {
        let column = |(name, _): &(&str, _)| Column { name: (*name).to_owned(), declared: String::new() };
        let mut builder =
            RowBatchBuilder::new(Arc::new(Schema { columns: cells.iter().map(column).collect() }));
        cells.iter().for_each(|(_, cell)| builder.push(*cell));
        builder.take()
    }

    fn rendered(source: &str, cells: &[(&str, Cell<'_>)]) -> Result<String, Fault> {
        Template::parse(source).unwrap().render(row(cells).rows().next().unwrap())
    }

    #[test]
    fn prints_each_cell_in_its_one_form() {
        for (cell, text) in [
            (Cell::Null, ""),
            (Cell::Bool(true), "true"),
            (Cell::Float(1.0), "1"),
            (Cell::Float(-0.0), "0"),
            (Cell::Float(0.1 + 0.2), "0.3"),
            (Cell::Decimal { digits: 1250, scale: 2 }, "12.5"),
            (Cell::Decimal { digits: 12_345_678_901_234_567_890, scale: 2 }, "123456789012345678.9"),
            (Cell::Text("<é>"), "<é>"),
            (Cell::Date(jiff::civil::date(2009, 1, 1)), "2009-01-01"),
            (Cell::Timestamp("2009-01-01T09:00:00+09".parse().unwrap()), "2009-01-01T00:00:00Z"),
            (Cell::Json(r#"{"a":{"b":2.0}}"#), r#"{"a":{"b":2}}"#),
            (Cell::List(r#"["x", null, 1.5]"#), r#"["x",null,1.5]"#),
        ] {
            assert_eq!(rendered("{{ c }}", &[("c", cell)]).as_deref(), Ok(text), "{cell:?}");
        }
    }

    #[test]
    fn calculates_and_composes() {
        let cells = [
            ("plan", Cell::Text("pro")),
            ("country", Cell::Text("JP")),
            ("ltv", Cell::Float(39.6)),
            ("company", Cell::Null),
            ("tags", Cell::List(r#"["x","y"]"#)),
        ];
        for (source, text) in [
            ("{{ plan | upper }}-{{ country }}", "PRO-JP"),
            ("{{ ltv * 3 }}", "118.8"),
            ("{{ 'ltv ' ~ ltv }}", "ltv 39.6"),
            ("{{ company or 'private' }}", "private"),
            ("{% if company is none %}-{% else %}+{% endif %}", "-"),
            ("{% if company %}+{% else %}-{% endif %}", "-"),
            ("{% if plan is not none %}{{ plan is none }}{% endif %}", "false"),
            ("{{ tags | join(';') }} {{ tags[1] }}", "x;y y"),
            ("{{ PLAN }}", "pro"),
        ] {
            assert_eq!(rendered(source, &cells).as_deref(), Ok(text), "{source}");
        }
    }

    #[test]
    fn null_is_never_the_word_none() {
        for source in
            ["{{ c | upper }}", "{{ c | trim }}", "{{ c ~ '' }}", "{{ c | string }}", "{{ [c] | join('-') }}"]
        {
            let text = rendered(source, &[("c", Cell::Null)]);
            assert!(!text.clone().unwrap_or_default().to_lowercase().contains("none"), "{source}: {text:?}");
        }
    }

    #[test]
    fn names_its_columns() {
        let template =
            Template::parse("{% set x = a %}{% for i in range(3) %}{{ i }}{{ b.c }}{% endfor %}{{ x }}")
                .unwrap();
        assert_eq!(template.columns(), ["a", "b"]);
    }

    #[test]
    fn faults_name_the_line_and_the_reason() {
        for (source, cell, part) in [
            ("a\n{{ missing }}", Cell::Null, "in line 2: undefined value"),
            ("{{ c }}", Cell::Bytes(b"x"), "column `c`: a value of 1 bytes"),
            ("{{ c }}", Cell::Malformed("invalid UTF-8 at byte 0"), "invalid UTF-8 at byte 0"),
            ("{{ c }}", Cell::Float(f64::NAN), "`NaN` is not a finite number"),
            ("{{ c + 1 }}", Cell::Text("x"), "the template failed in line 1"),
            ("{{ debug() }}", Cell::Null, "the template failed in line 1"),
            (
                "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
                Cell::Null,
                "steps",
            ),
        ] {
            let fault = rendered(source, &[("c", cell)]).unwrap_err();
            assert!(fault.message.contains(part), "{source}: {fault}");
        }
    }

    #[test]
    fn what_is_no_template_says_where() {
        for (source, line, part) in [
            ("a\n{{ b", 2, "syntax error"),
            ("{{ b | uper }}", 1, "there is no filter `uper`"),
            ("{{ b | map('uper') }}", 1, "unknown filter"),
            ("{% if b == '?' %}\n{{ b | lower | uper }}{% endif %}", 2, "there is no filter `uper`"),
            ("{{ 1 if b == '?' and b is not odious else 2 }}", 1, "there is no test `odious`"),
            ("{% macro m(x) %}{{ x | uper }}{% endmacro %}{{ b }}", 1, "there is no filter `uper`"),
            ("{% now %}", 1, "now"),
            ("\n{{ b  !=  None }}", 2, "is none"),
        ] {
            let error = Template::parse(source).unwrap_err();
            assert_eq!(error.line, line, "{error}");
            assert!(error.message.contains(part), "{error}");
        }
    }
}
