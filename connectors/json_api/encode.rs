//! Rows as templates see them, and the requests they become. Pure.

use minijinja::value::Value as Jinja;
use reqwest::header::{HeaderMap, HeaderValue};
use serde::de::IgnoredAny;

use super::requests::Call;
use super::rows::Key;
use super::value::{jinja, null};
use crate::contract::{ChangeRef, FieldRef, Outcome, ValueRef, Verb};
use crate::http::Request;

/// One change, ready for templates.
#[derive(Debug, Clone)]
pub(super) struct Row {
    context: Jinja,
    pub(super) key: Key,
}

/// A row, or some rows together, that cannot be said as a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) code: &'static str,
    pub(super) message: String,
}

pub(super) const TEMPLATE: &str = "HTTP_TEMPLATE";
pub(super) const BODY: &str = "HTTP_BODY";
pub(super) const TOO_LARGE: &str = "HTTP_TOO_LARGE";
pub(super) const KEY_EMPTY: &str = "HTTP_KEY_EMPTY";

impl Fault {
    pub(super) fn outcome(self) -> Outcome {
        Outcome::Rejected { code: self.code.to_owned(), field: None, message: self.message }
    }
}

impl Row {
    /// # Errors
    /// For an empty key, which could address another object, or all of them.
    pub(super) fn new(change: ChangeRef<'_>, object: &str) -> Result<Row, Fault> {
        let key: Key = change.destination_key.iter().map(named).collect();
        if change.verb != Verb::Create
            && let Some((name, _)) = key.iter().find(|(_, text)| text.is_empty())
        {
            let message = format!("`{name}` is empty, but it is the key by which the object is found");
            return Err(Fault { code: KEY_EMPTY, message });
        }
        let all = |fields: &[FieldRef<'_>]| {
            Jinja::from_pairs(fields.iter().map(|field| (field.name.to_owned(), jinja(&field.value))))
        };
        let context = Jinja::from_pairs([
            ("fields", all(change.fields)),
            ("key", all(change.destination_key)),
            ("id", change.remote_id.map_or_else(null, Jinja::from)),
            ("object", object.into()),
        ]);
        Ok(Row { context, key })
    }
}

fn named(field: &FieldRef<'_>) -> (String, String) {
    let text = match &field.value {
        ValueRef::Null => String::new(),
        value => value.to_string(),
    };
    (field.name.to_owned(), text)
}

/// The request for these rows; `headers` are the connection's.
///
/// # Errors
/// Where a template fails on them, or makes what cannot be sent.
pub(super) fn request(call: &Call, rows: &[&Row], headers: &HeaderMap) -> Result<Request, Fault> {
    let context = match (&call.batch, rows) {
        (None, [row]) => row.context.clone(),
        _ => Jinja::from_pairs([
            ("rows", rows.iter().map(|row| row.context.clone()).collect::<Vec<_>>().into()),
            ("object", rows.first().and_then(|r| r.context.get_attr("object").ok()).unwrap_or_default()),
        ]),
    };
    let render = |place: &str, template: &super::template::Template| {
        let told = |why| Fault { code: TEMPLATE, message: format!("the template of the {place} {why}") };
        template.render(&context).map_err(told)
    };
    let path = render("path", &call.path)?;
    if let Some(why) = unsafe_path(&path) {
        return Err(Fault { code: TEMPLATE, message: format!("the path {why}") });
    }
    let mut all = headers.clone();
    for (name, template) in &call.headers {
        let text = render(&format!("header `{name}`"), template)?;
        let value = HeaderValue::from_str(&text).map_err(|_| Fault {
            code: TEMPLATE,
            message: format!("the header `{name}` holds characters that cannot be sent"),
        })?;
        all.insert(name.clone(), value);
    }
    let body = call.body.as_ref().map(|body| render("body", body)).transpose()?;
    if let Some(body) = &body {
        check(call, body)?;
    }
    Ok(Request {
        method: call.method.clone(),
        label: Some(call.path.source()),
        headers: all,
        body: body.map(String::into_bytes),
        ..Request::write(path, Vec::new(), call.repeatable)
    })
}

/// A template's mistake is found here, and not by the API.
fn check(call: &Call, body: &str) -> Result<(), Fault> {
    if call.json
        && let Err(error) = serde_json::from_str::<IgnoredAny>(body)
    {
        let message = format!("the body is not JSON: {error}; print values with `| tojson`");
        return Err(Fault { code: BODY, message });
    }
    match call.batch.and_then(|batch| batch.bytes) {
        Some(most) if body.len() > most => {
            let message = format!("the body has {} bytes, and `batch.bytes` allows {most}", body.len());
            Err(Fault { code: TOO_LARGE, message })
        }
        _ => Ok(()),
    }
}

/// What would address something else than the template says.
fn unsafe_path(path: &str) -> Option<&'static str> {
    if !path.starts_with('/') {
        return Some("does not begin with `/`");
    }
    if path.contains(|c: char| c.is_whitespace() || c.is_control() || c == '#' || c == '\\') {
        return Some("holds a space or another character that stands in no path");
    }
    let bare = path.split('?').next().unwrap_or_default().to_ascii_lowercase().replace("%2e", ".");
    bare.split('/').any(|part| part == "." || part == "..").then_some("leads elsewhere, by `.` or `..`")
}
