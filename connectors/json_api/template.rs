//! Parts of a request by Jinja templates: strict, bounded, and escaped for the place where they stand.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr, Value as Jinja, ValueKind};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};

use super::value::{digits, is_null, write_json};
use crate::contract::write_text;
use crate::http::escaped;

/// Steps that one text may take; a batch of a thousand rows takes some tens of thousands.
const FUEL: u64 = 10_000_000;

const NAME: &str = "template";

/// Where a text stands, which decides how values are escaped in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Percent-encoded; nothing in it may be empty, or another object would be addressed.
    Path,
    Header,
    /// Inside of JSON's quotes.
    Json,
    /// `application/x-www-form-urlencoded`: percent-encoded.
    Form,
    /// As it is.
    Plain,
}

/// What a template can name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names<'a> {
    /// `rows`, each with the names below; else the names of one row.
    pub(super) batch: bool,
    /// Destination fields; `None` for a removal, which has none.
    pub(super) fields: Option<&'a [String]>,
    /// The fields of `match_on`.
    pub(super) keys: &'a [String],
}

/// A parsed template.
pub(super) struct Template {
    environment: Environment<'static>,
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Template")
    }
}

impl Template {
    /// The text before anything is filled in.
    pub(super) fn source(&self) -> String {
        let template = self.environment.get_template(NAME);
        template.map(|template| template.source().to_owned()).unwrap_or_default()
    }

    /// # Errors
    /// In words, where the text is no template, or names what there is not.
    pub(super) fn parse(source: &str, place: Place, names: Names<'_>) -> Result<Self, String> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        environment.set_formatter(move |out, _, value| print(place, out, value));
        environment.add_test("none", |value: &Jinja| is_null(value));
        environment.add_filter("tojson", to_json);
        environment.add_filter("urlencode", |value: &Jinja| Jinja::from_safe_string(encoded(value)));
        environment.remove_global("debug");
        environment.add_template_owned(NAME, source.to_owned()).map_err(|e| described(&e))?;
        let template = Template { environment };
        template.check(names)?;
        Ok(template)
    }

    fn check(&self, names: Names<'_>) -> Result<(), String> {
        let template = self.environment.get_template(NAME).map_err(|e| described(&e))?;
        let mut used: Vec<String> = template.undeclared_variables(true).into_iter().collect();
        used.sort();
        for name in used {
            let mut parts = name.split('.');
            let (first, second) = (parts.next().unwrap_or_default(), parts.next());
            if self.environment.globals().any(|(global, _)| global == first) {
                continue;
            }
            names.judge(first, second)?;
        }
        match template.render(names.sample()) {
            Err(e) if is_mistake(e.kind()) => Err(described(&e)),
            _ => Ok(()),
        }
    }

    /// # Errors
    /// In words, where the template cannot work with these values.
    pub(super) fn render(&self, context: &Jinja) -> Result<String, String> {
        let template = self.environment.get_template(NAME).map_err(|e| described(&e))?;
        template.render(context).map_err(|e| described(&e))
    }
}

/// What no values can mend.
fn is_mistake(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::UnknownFilter
            | ErrorKind::UnknownTest
            | ErrorKind::UnknownFunction
            | ErrorKind::UndefinedError
            | ErrorKind::MissingArgument
            | ErrorKind::TooManyArguments
    )
}

impl Names<'_> {
    fn judge(&self, first: &str, second: Option<&str>) -> Result<(), String> {
        let known: &[&str] = match (self.batch, self.fields) {
            (true, _) => &["rows", "object"],
            (false, Some(_)) => &["fields", "key", "id", "object"],
            (false, None) => &["key", "id", "object"],
        };
        if !known.contains(&first) {
            let hint = match (first, self.batch) {
                ("fields" | "key" | "id", true) => "; in a batch these belong to each of the `rows`",
                ("rows", false) => "; `rows` needs `batch: {rows: N}`",
                ("fields", false) => "; a removal knows the `key` and the `id` only",
                _ => "",
            };
            return Err(format!("names `{first}`, but there is {}{hint}", super::block::list(known)));
        }
        let inner = match first {
            "fields" => self.fields,
            "key" => Some(self.keys),
            _ => None,
        };
        match (inner, second) {
            (Some(inner), Some(second)) if !inner.iter().any(|name| name == second) => {
                let all: Vec<&str> = inner.iter().map(String::as_str).collect();
                Err(format!("names `{first}.{second}`, but `{first}` has {}", super::block::list(&all)))
            }
            _ => Ok(()),
        }
    }

    /// Something under every name that there is.
    fn sample(&self) -> Jinja {
        let anything = |names: &[String]| {
            Jinja::from_pairs(names.iter().map(|name| (name.clone(), Jinja::from_object(Anything))))
        };
        let mut row = vec![("key", anything(self.keys)), ("id", "1".into()), ("object", "object".into())];
        row.extend(self.fields.map(|fields| ("fields", anything(fields))));
        match self.batch {
            true => Jinja::from_pairs([
                ("rows", Jinja::from(vec![Jinja::from_pairs(row)])),
                ("object", Jinja::from("object")),
            ]),
            false => Jinja::from_pairs(row),
        }
    }
}

/// A value of any shape: it has every item, and prints as a text.
#[derive(Debug)]
struct Anything;

impl Object for Anything {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, _: &Jinja) -> Option<Jinja> {
        Some(Jinja::from_object(Anything))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Empty
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("x")
    }
}

fn described(error: &Error) -> String {
    let line = error.line().filter(|line| *line > 1).map(|n| format!(" in line {n}")).unwrap_or_default();
    match (error.kind(), error.detail()) {
        (ErrorKind::OutOfFuel, _) => format!("took more than {FUEL} steps{line}"),
        (kind, Some(detail)) => format!("failed{line}: {kind}: {detail}"),
        (kind, None) => format!("failed{line}: {kind}"),
    }
}

fn to_json(value: &Jinja) -> Result<Jinja, Error> {
    Ok(Jinja::from_safe_string(json(value)?))
}

fn json(value: &Jinja) -> Result<String, Error> {
    let mut out = Vec::new();
    write_json(value, &mut out)?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// The value's text with all but the unreserved characters of RFC 3986 percent-encoded.
fn encoded(value: &Jinja) -> String {
    if is_null(value) { String::new() } else { escaped(&value.to_string()) }
}

/// Prints null as nothing, numbers in their one form, structures as JSON; then escapes for the place, unless a filter
/// has done so.
fn print(place: Place, out: &mut minijinja::Output<'_>, value: &Jinja) -> Result<(), Error> {
    let text = match value.kind() {
        ValueKind::Undefined => return Err(ErrorKind::UndefinedError.into()),
        _ if is_null(value) => String::new(),
        ValueKind::Bool => if value.is_true() { "true" } else { "false" }.to_owned(),
        ValueKind::Number => digits(value)?,
        ValueKind::Map | ValueKind::Seq | ValueKind::Iterable => {
            let text = json(value)?;
            return match place {
                Place::Json => fmt::Write::write_str(out, &text).map_err(Error::from),
                _ => write(place, out, &Jinja::from(text)),
            };
        }
        _ => return write(place, out, value),
    };
    write(place, out, &Jinja::from(text))
}

fn write(place: Place, out: &mut minijinja::Output<'_>, value: &Jinja) -> Result<(), Error> {
    let text = value.to_string();
    if place == Place::Path && text.is_empty() {
        let message = "a value in the path is empty, so that another object would be addressed";
        return Err(Error::new(ErrorKind::InvalidOperation, message));
    }
    let escaped = match place {
        _ if value.is_safe() => text,
        Place::Path | Place::Form => encoded(value),
        Place::Json => {
            let mut quoted = Vec::new();
            write_text(&text, &mut quoted);
            String::from_utf8_lossy(&quoted[1..quoted.len() - 1]).into_owned()
        }
        Place::Header | Place::Plain => text,
    };
    fmt::Write::write_str(out, &escaped).map_err(Error::from)
}
