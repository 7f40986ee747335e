//! What an emulator of one vendor is. The registry of connectors lists them.

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode};
use serde_json::{Map, Value as Json};

use super::config::VendorConfig;
use super::state::State;
use crate::contract::RateLimit;
use crate::registry::REGISTRY;

/// One request, below the vendor's prefix.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: Method,
    /// Begins with a slash; still percent-encoded.
    pub path: String,
    pub query: Vec<(String, String)>,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// The body arrived to its end and is not too long; else `body` is empty.
    pub whole: bool,
}

impl Request {
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// One answer. An error status (400 and above) undoes all that the request did.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: Vec<(&'static str, String)>,
    /// Absent for a 204.
    pub body: Option<Content>,
}

/// What an answer says.
#[derive(Debug, Clone)]
pub enum Content {
    Json(Json),
    /// A text of this media type, which is compressed for who takes it so.
    Text(&'static str, Vec<u8>),
}

impl Answer {
    pub fn new(status: StatusCode, body: Json) -> Self {
        Answer { status, headers: Vec::new(), body: Some(Content::Json(body)) }
    }

    pub fn csv(text: Vec<u8>) -> Self {
        let body = Some(Content::Text("text/csv", text));
        Answer { status: StatusCode::OK, headers: Vec::new(), body }
    }

    pub fn empty(status: StatusCode) -> Self {
        Answer { status, headers: Vec::new(), body: None }
    }
}

/// Which limit a request ran into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exhausted {
    /// The rolling window of the account.
    Window,
    /// The narrower window of some paths, [`Vendor::narrow_window`].
    NarrowWindow,
    Day,
}

/// The account's limits after this request, for the vendor's headers.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    pub window: RateLimit,
    pub remaining: u32,
    pub daily: u64,
    pub daily_remaining: u64,
    /// The request fell under [`Vendor::narrow_window`].
    pub narrow: bool,
}

/// An emulator: strict, and written from the vendor's facts, not from our client of it.
pub trait Vendor: Send + Sync {
    fn name(&self) -> &'static str;

    /// The account's limits unless the configuration sets others: the rolling window and the requests of a day.
    fn limits(&self) -> (RateLimit, u64);

    /// A window that only some paths have, in addition.
    fn narrow_window(&self) -> Option<(RateLimit, fn(&str) -> bool)> {
        None
    }

    /// Requests that the account may have under way at once; one more runs into [`Exhausted::Window`].
    fn connections(&self) -> Option<usize> {
        None
    }

    /// Larger bodies are refused, in bytes. Few vendors state a limit for all paths, so this one is the sandbox's own.
    fn longest_body(&self) -> usize {
        16 << 20
    }

    /// Whether access tokens are granted there, and no call of the API is answered.
    fn grants(&self, _path: &str) -> bool {
        false
    }

    /// Whether such a request changes objects.
    fn writes(&self, method: &Method, path: &str) -> bool;

    /// Answers a request.
    ///
    /// # Errors
    /// Only those of the store; the client gets a 500.
    fn answer(&self, request: &Request, usage: &Usage, state: &State<'_>) -> rusqlite::Result<Answer>;

    /// The answer to a request over a limit.
    fn exhausted(&self, limit: Exhausted) -> Answer;

    /// The body of an error that a fault or the server itself causes.
    fn error(&self, status: StatusCode, message: &str) -> Answer;

    /// The headers that every answer carries.
    fn finish(&self, answer: &mut Answer, usage: &Usage);
}

/// How a connector's emulator is made; it stands under `/NAME`, by the connector's name.
#[derive(Clone, Copy)]
pub struct Emulator {
    /// Keys of the `sandbox` block that are this vendor's own.
    pub keys: &'static [&'static str],
    /// Makes it from what the block declares.
    pub make: fn(&VendorConfig) -> Result<Box<dyn Vendor>, String>,
}

fn all() -> impl Iterator<Item = (&'static str, &'static Emulator)> {
    REGISTRY.0.iter().filter_map(|connector| Some((connector.name, connector.emulator.as_ref()?)))
}

pub(super) fn names() -> impl Iterator<Item = &'static str> {
    all().map(|(name, _)| name)
}

pub(super) fn get(name: &str) -> Option<&'static Emulator> {
    all().find(|(known, _)| *known == name).map(|(_, emulator)| emulator)
}

/// What a block for all vendors says to this one: the keys of others are left out.
pub(super) fn part(name: &str, block: &Map<String, Json>) -> Json {
    let own = get(name).map_or(&[][..], |emulator| emulator.keys);
    let foreign = |key: &str| !own.contains(&key) && all().any(|(_, other)| other.keys.contains(&key));
    block.iter().filter(|(key, _)| !foreign(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Whether a block for all vendors has a key that is this vendor's alone.
pub(super) fn is_meant(name: &str, block: &Map<String, Json>) -> bool {
    let has = |emulator: &Emulator, key: &str| emulator.keys.contains(&key);
    let alone = |key: &String| all().all(|(other, emulator)| has(emulator, key) == (other == name));
    block.keys().any(alone)
}

pub(super) fn make(name: &str, config: &VendorConfig) -> Result<Box<dyn Vendor>, String> {
    match get(name) {
        Some(emulator) => (emulator.make)(config),
        None => Err(format!("the sandbox has no `{name}`")),
    }
}
