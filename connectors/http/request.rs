//! One request, one answer, and what a vendor's module tells the sender about them.

use std::time::Duration;

use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::Value as Json;

use crate::contract::{ConnectorError, Kind, Narrow, Retry};

/// Whether a request changes anything on the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It changes nothing, so a lost answer leaves no doubt.
    Read,
    /// It may change something.
    Write,
}

/// One request; its path is put behind the client's base URL.
#[derive(Debug, Clone)]
pub struct Request {
    /// The HTTP method.
    pub method: Method,
    /// Begins with `/`; already escaped.
    pub path: String,
    /// What logs say in place of a path that holds a row's values.
    pub label: Option<String>,
    /// Beside the credentials; a body without a `Content-Type` is JSON, unless the address is signed: that gets no other headers.
    pub headers: HeaderMap,
    /// The body as it is sent; `None` sends none.
    pub body: Option<Vec<u8>>,
    /// Whether it changes anything.
    pub access: Access,
    /// A window of its own that it keeps to as well.
    pub narrow: Option<Narrow>,
    /// Doing it twice ends as doing it once, so it may be sent again when its answer was lost.
    pub repeatable: bool,
    /// Its path is a credential by itself, as a signed address is: no record keeps what stands in it.
    pub signed: bool,
}

impl Request {
    /// A `GET` without a body; it may be repeated.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path, None, Access::Read)
    }

    /// A `POST` of JSON that only reads.
    pub fn query(path: impl Into<String>, body: Vec<u8>) -> Self {
        Self::new(Method::POST, path, Some(body), Access::Read)
    }

    /// A `POST` of JSON that writes; `repeatable` as in [`Request::repeatable`].
    pub fn write(path: impl Into<String>, body: Vec<u8>, repeatable: bool) -> Self {
        Request { repeatable, ..Self::new(Method::POST, path, Some(body), Access::Write) }
    }

    fn new(method: Method, path: impl Into<String>, body: Option<Vec<u8>>, access: Access) -> Self {
        Request {
            method,
            path: path.into(),
            label: None,
            headers: HeaderMap::new(),
            body,
            access,
            narrow: None,
            repeatable: true,
            signed: false,
        }
    }

    /// To an address that is signed.
    #[must_use]
    pub fn signed(self) -> Self {
        Request { signed: true, ..self }
    }

    /// By another method than `POST`.
    #[must_use]
    pub fn by(self, method: Method) -> Self {
        Request { method, ..self }
    }

    /// Within a narrower window, too.
    #[must_use]
    pub fn within(self, narrow: Narrow) -> Self {
        Request { narrow: Some(narrow), ..self }
    }

    /// With a body of another type than JSON.
    #[must_use]
    pub fn content_type(mut self, value: HeaderValue) -> Self {
        self.headers.insert(CONTENT_TYPE, value);
        self
    }

    /// The path as it may be logged.
    pub(super) fn shown(&self) -> &str {
        self.label.as_deref().unwrap_or(&self.path)
    }

    /// The path as a record keeps it.
    pub(super) fn recorded(&self) -> &str {
        match self.signed {
            true => self.path.split('?').next().unwrap_or_default(),
            false => &self.path,
        }
    }

    pub(super) fn is_write(&self) -> bool {
        self.access == Access::Write
    }
}

/// A complete answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Secrets in their values are cut out.
    pub headers: HeaderMap,
    /// The body, where it is JSON.
    pub json: Option<Json>,
    /// The beginning of the body where it is not, at most [`Answer::PLAIN`] bytes of it.
    pub plain: Option<String>,
    /// There was no body at all.
    pub body_is_empty: bool,
}

impl Answer {
    /// So much is kept of a body that is not JSON, in bytes.
    pub const PLAIN: usize = 64 * 1024;

    /// An answer as it is read: `body` without secrets.
    pub(super) fn read(status: u16, headers: HeaderMap, body: &[u8]) -> Self {
        let json = serde_json::from_slice(body).ok();
        let start = &body[..body.len().min(Self::PLAIN)];
        let plain = (json.is_none() && !body.is_empty()).then(|| String::from_utf8_lossy(start).into_owned());
        Answer { status, headers, json, plain, body_is_empty: body.is_empty() }
    }

    /// A status from 200 to 299.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// A header's text, if it is there and readable.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A text at the top level of the JSON body.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.json.as_ref()?.get(field)?.as_str()
    }

    /// How long `Retry-After` says to wait, from now: seconds, or an HTTP date by the clock of whoever sent it.
    pub fn retry_after(&self) -> Option<Duration> {
        moment(&self.headers, "retry-after")
    }
}

/// How long it is until the moment that a header names, by the clock of whoever sent it: seconds from now, an HTTP date,
/// or the seconds (or milliseconds) since 1970 where the number is too large to be meant from now. `None` where it is
/// absent or names no moment.
pub fn moment(headers: &HeaderMap, name: &str) -> Option<Duration> {
    let text = headers.get(name)?.to_str().ok()?.trim();
    let date = |text: &str| Some(jiff::fmt::rfc2822::parse(text).ok()?.timestamp());
    let sent = headers.get("date").and_then(|date| date.to_str().ok()).and_then(date);
    let now = sent.unwrap_or_else(jiff::Timestamp::now);
    let since_1970 = match text.parse::<f64>() {
        Ok(seconds) if seconds < SINCE_1970 => return Duration::try_from_secs_f64(seconds).ok(),
        Ok(seconds) if seconds < SINCE_1970 * 1000.0 => Duration::try_from_secs_f64(seconds).ok()?,
        Ok(millis) => Duration::try_from_secs_f64(millis / 1000.0).ok()?,
        Err(_) => return Some(Duration::try_from(date(text)?.duration_since(now)).unwrap_or_default()),
    };
    let now = Duration::from_millis(u64::try_from(now.as_millisecond()).ok()?);
    Some(since_1970.saturating_sub(now))
}

/// Thirty years in seconds: no wait is so long, and no clock so far behind.
const SINCE_1970: f64 = 1e9;

/// What an answer's headers say about the limits of its owner.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Observed {
    /// Requests allowed per window.
    pub max: Option<u32>,
    /// Requests left in the present window.
    pub remaining: Option<u32>,
    /// The window's length.
    pub interval: Option<Duration>,
    /// How long it is until the present window has room again; see [`moment`].
    pub reset: Option<Duration>,
    /// Requests allowed a day.
    pub daily_limit: Option<u64>,
    /// Requests left today.
    pub daily_remaining: Option<u64>,
}

impl Observed {
    /// What the headers without a vendor's name say: `RateLimit-Remaining` and `RateLimit-Reset`, or the same with `X-`
    /// before them.
    pub fn usual(headers: &HeaderMap) -> Self {
        let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse().ok();
        let reset = |name: &str| moment(headers, name);
        Observed {
            remaining: number("ratelimit-remaining").or_else(|| number("x-ratelimit-remaining")),
            reset: reset("ratelimit-reset").or_else(|| reset("x-ratelimit-reset")),
            ..Observed::default()
        }
    }
}

/// What an answer means.
#[derive(Debug)]
pub enum Verdict {
    /// It did what was asked.
    Success,
    /// It did not, for this reason.
    Failure(ConnectorError),
    /// As its HTTP status says.
    ByStatus,
}

/// What a vendor's module knows about answers. Its functions are pure.
#[derive(Debug, Clone, Copy)]
pub struct Vendor {
    /// The vendor's own spelling, for messages.
    pub title: &'static str,
    /// The header that names a request in the vendor's own log.
    pub request_id: &'static str,
    /// What an answer means, before its HTTP status does; `None` leaves it to the status.
    pub judge: fn(&Answer) -> Option<ConnectorError>,
    /// What its headers say about limits.
    pub observe: fn(&HeaderMap) -> Observed,
}

impl Vendor {
    /// A read whose answer makes no sense: it is not asked again.
    pub fn not_understood(&self, what: &str) -> ConnectorError {
        ConnectorError::new(Kind::Unavailable, format!("{}'s answer was not understood: {what}", self.title))
            .hint("check the connection's `base_url`")
            .retry(Retry::Never)
    }
}
