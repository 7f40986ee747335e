//! The requests that a mapping's `destination` block declares.

use std::sync::Arc;

use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderName};
use serde_json::Value as Json;

use super::block::{Block, list, wrong};
use super::rules::{self, Rules};
use super::template::{Names, Place, Template};
use crate::contract::{ConnectorError, Target, Verb};
use crate::settings::size;

type Result<T> = std::result::Result<T, ConnectorError>;

/// Most rows of one request.
pub(super) const MOST_ROWS: usize = 10_000;

/// Keys of one request, beside its rules.
const KEYS: [&str; 6] = ["method", "path", "headers", "body", "batch", "repeatable"];

pub(super) const METHODS: [&str; 4] = ["POST", "PUT", "PATCH", "DELETE"];

/// The keys of a `destination` block that are this connector's.
pub(super) const OPTIONS: &[&str] = &[
    "request",
    "create",
    "update",
    "delete",
    "join",
    "leave",
    "unauthorized",
    "retry",
    "rejected",
    "absent",
    "success",
    "row_errors",
    "row_results",
    "remote_id",
];

/// What is sent for each kind of change; `None` where the mapping has no request for it.
#[derive(Debug, Clone)]
pub(super) struct Requests {
    upsert: Option<Arc<Call>>,
    create: Option<Arc<Call>>,
    update: Option<Arc<Call>>,
    delete: Option<Arc<Call>>,
    join: Option<Arc<Call>>,
    leave: Option<Arc<Call>>,
}

/// One request of the mapping.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) path: Template,
    pub(super) headers: Vec<(HeaderName, Template)>,
    pub(super) body: Option<Template>,
    /// The body must be JSON.
    pub(super) json: bool,
    pub(super) batch: Option<Batch>,
    pub(super) repeatable: bool,
    pub(super) rules: Rules,
}

/// How much goes into one request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Batch {
    pub(super) rows: usize,
    /// Of the body.
    pub(super) bytes: Option<usize>,
}

impl Call {
    /// Most rows of one request.
    pub(super) fn rows(&self) -> usize {
        self.batch.map_or(1, |batch| batch.rows)
    }
}

impl Requests {
    /// # Errors
    /// [`Kind::Config`](crate::contract::Kind::Config) for the first mistake, with its place.
    pub(super) fn read(target: &Target) -> Result<Self> {
        let block = Block::of(&target.options, "destination", OPTIONS)?;
        if !["request", "create", "update", "join"].iter().any(|key| block.has(key)) {
            return Err(wrong("destination.request", "is missing: what is sent for each row")
                .hint("as in `request: {method: PUT, path: \"/people/{{ key.id }}\", body: \"{{ fields | tojson }}\"}`"));
        }
        let common = Rules::read(&block, &Rules::default())?;
        let call = |key: &str| match block.get(key) {
            Some(value) => {
                Reader { target, key, common: &common }.call(value).map(|call| Some(Arc::new(call)))
            }
            None => Ok(None),
        };
        let requests = Requests {
            upsert: call("request")?,
            create: call("create")?,
            update: call("update")?,
            delete: call("delete")?,
            join: call("join")?,
            leave: call("leave")?,
        };
        match &requests.upsert {
            Some(upsert) if !upsert.repeatable => Err(not_repeatable()),
            _ => Ok(requests),
        }
    }

    pub(super) fn get(&self, verb: Verb) -> Option<&Arc<Call>> {
        match verb {
            Verb::Create => self.create.as_ref(),
            Verb::Upsert => self.upsert.as_ref(),
            Verb::Update => self.update.as_ref(),
            Verb::Delete => self.delete.as_ref(),
            Verb::Join => self.join.as_ref(),
            Verb::Leave => self.leave.as_ref(),
        }
    }

    /// The kinds of changes that there is a request for, and that request.
    pub(super) fn all(&self) -> impl Iterator<Item = (Verb, &Arc<Call>)> {
        Verb::ALL.into_iter().filter_map(|verb| Some((verb, self.get(verb)?)))
    }
}

/// A run that was stopped sends again what it does not know to have arrived.
fn not_repeatable() -> ConnectorError {
    wrong("destination.request", "may be sent more than once for a row, which its `method` does not promise to be safe").hint(
        "set `repeatable: true` if the API updates what has the same key; if it creates one more each time, name the request `create`, with `mode: insert`",
    )
}

/// Reads the request under one key.
struct Reader<'a> {
    target: &'a Target,
    key: &'a str,
    common: &'a Rules,
}

impl Reader<'_> {
    fn call(&self, value: &Json) -> Result<Call> {
        let keys = [&KEYS[..], &rules::KEYS[..]].concat();
        let block = Block::read(value, format!("destination.{}", self.key), &keys)?;
        let method = method(&block)?;
        let batch = batch(&block)?;
        let names = Names {
            batch: batch.is_some(),
            fields: (!matches!(self.key, "delete" | "leave")).then_some(&self.target.fields),
            keys: &self.target.match_on,
        };
        let template = |text: &str, place: Place, path: &str| {
            Template::parse(text, place, names).map_err(|message| wrong(path, message))
        };
        let written = block.texts("headers")?;
        let media = written.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        let place = place(media.map(|(_, text)| *text), &block)?;
        let body = block.text("body")?.map(|text| template(text, place, &block.place("body"))).transpose()?;
        let mut headers = Vec::new();
        for (name, text) in written {
            let path = format!("{}.{name}", block.place("headers"));
            headers.push((header(name, &path)?, template(text, Place::Header, &path)?));
        }
        let rules = Rules::read(&block, self.common)?;
        rules.check(block.path(), batch.is_some(), &self.target.match_on)?;
        let path = block.needed("path")?;
        if !path.starts_with('/') {
            return Err(wrong(&block.place("path"), "must begin with `/`")
                .hint("it is put behind the connection's `base_url`"));
        }
        Ok(Call {
            repeatable: block
                .flag("repeatable")?
                .unwrap_or_else(|| self.key != "create" && matches!(method, Method::PUT | Method::DELETE)),
            path: template(path, Place::Path, &block.place("path"))?,
            json: place == Place::Json,
            method,
            headers,
            body,
            batch,
            rules,
        })
    }
}

fn method(block: &Block<'_>) -> Result<Method> {
    let word = block.needed("method")?;
    match Method::from_bytes(word.as_bytes()) {
        Ok(method) if METHODS.contains(&word) => Ok(method),
        _ => Err(wrong(&block.place("method"), format!("must be one of {}", list(&METHODS)))),
    }
}

/// A header of a request; what the client sets itself cannot be set.
pub(super) fn header(name: &str, path: &str) -> Result<HeaderName> {
    const OURS: [&str; 5] = ["authorization", "content-length", "host", "transfer-encoding", "connection"];
    match HeaderName::from_bytes(name.as_bytes()) {
        Ok(name) if OURS.contains(&name.as_str()) => {
            Err(wrong(path, "is set by outflow itself").hint("credentials stand in the connection's `auth`"))
        }
        Ok(name) => Ok(name),
        Err(_) => Err(wrong(path, "is not the name of a header")),
    }
}

/// How values are escaped in the body.
fn place(media: Option<&str>, block: &Block<'_>) -> Result<Place> {
    let Some(media) = media else { return Ok(Place::Json) };
    let kind = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if kind.contains("{{") {
        let path = format!("{}.{CONTENT_TYPE}", block.place("headers"));
        return Err(wrong(&path, "cannot be a template: it decides how values are escaped in the body"));
    }
    Ok(match kind.as_str() {
        "application/x-www-form-urlencoded" => Place::Form,
        json if json == "application/json" || json.ends_with("+json") => Place::Json,
        _ => Place::Plain,
    })
}

fn batch(block: &Block<'_>) -> Result<Option<Batch>> {
    let Some(value) = block.get("batch") else { return Ok(None) };
    let batch = Block::read(value, block.place("batch"), &["rows", "bytes"])?;
    let rows = batch.get("rows").and_then(Json::as_u64).and_then(|rows| usize::try_from(rows).ok());
    let rows = rows.filter(|rows| (1..=MOST_ROWS).contains(rows)).ok_or_else(|| {
        wrong(
            &batch.place("rows"),
            format!("must be a whole number from 1 to {MOST_ROWS}: most rows of one request"),
        )
    })?;
    let bytes = match batch.get("bytes") {
        None => None,
        Some(value) => Some(size(value).ok_or_else(|| {
            wrong(&batch.place("bytes"), "must be a size like `512kB` or `1MB`: most bytes of one body")
        })?),
    };
    Ok(Some(Batch { rows, bytes }))
}
