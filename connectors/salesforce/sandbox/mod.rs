//! Salesforce's REST API as the sandbox speaks it, by the vendor's guide and recorded answers.
//!
//! Where both are silent, the choice is ours and strict: a key that two records of one request share is refused for the second,
//! and a value of another type refuses its record. `allOrNone: true` is not taken. A secret, a token or a password that is `invalid` is refused; every other
//! is accepted.
//!
//! The `sandbox` block declares fields as `objects: {Contact: {Score__c: number}}`; a `unique` one is an external id. With
//! `references: {Invoice__c: {Account__c: Account}}` it declares fields that name a parent, with `session_calls` how many calls a
//! session lasts, and with `locks` how many records meet a lock once, or with `locks: 5%` which share of them does each time. Of
//! jobs, `failing_jobs` says how many end as failed after half of their rows, and `bulk_batches` how many batches a day has.

mod collections;
mod jobs;
mod locks;
mod query;
mod records;
mod schema;
mod table;
#[cfg(test)]
mod tests;
mod token;

use std::sync::Mutex;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use serde_json::{Value as Json, json};

use self::jobs::Jobs;
use self::locks::Locks;
use self::records::Refused;
use self::schema::Schema;
use self::token::Sessions;
use crate::contract::RateLimit;
use crate::sandbox::vendor::{Answer, Emulator, Exhausted, Request, Usage, Vendor};
use crate::sandbox::{State, VendorConfig, unescaped};

pub(crate) const EMULATOR: Emulator = Emulator {
    keys: &["bulk_batches", "failing_jobs", "locks", "references", "session_calls"],
    make: emulator,
};

/// The versions that the org speaks.
const VERSIONS: std::ops::RangeInclusive<u32> = 58..=67;

fn emulator(config: &VendorConfig) -> Result<Box<dyn Vendor>, String> {
    Ok(Box::new(Org {
        schema: Schema::declared(&config.objects, config.own.get("references"))?,
        sessions: Sessions::new(config.number("session_calls")?),
        queries: Mutex::default(),
        locks: Locks::read(config.own.get("locks"))?,
        jobs: Jobs::new(config.number("bulk_batches")?, config.number("failing_jobs")?.unwrap_or(0)),
    }))
}

struct Org {
    schema: Schema,
    sessions: Sessions,
    /// Queries whose rows were more than a page.
    queries: Mutex<Vec<String>>,
    locks: Locks,
    jobs: Jobs,
}

impl Org {
    /// `GET /limits`
    fn limits_told(&self, usage: &Usage) -> Json {
        let (most, left) = self.jobs.batches();
        json!({
            "DailyApiRequests": {"Max": usage.daily, "Remaining": usage.daily_remaining},
            "DailyBulkApiBatches": {"Max": most, "Remaining": left},
        })
    }

    /// Whether the next record meets a lock.
    fn is_locked(&self) -> bool {
        self.locks.next()
    }
}

/// The segments of a path, decoded.
fn segments(path: &str) -> Vec<String> {
    path.split('/').filter(|part| !part.is_empty()).map(unescaped).collect()
}

impl Vendor for Org {
    fn name(&self) -> &'static str {
        "salesforce"
    }

    /// Salesforce has no window; the calls are those of an Enterprise Edition without licences.
    fn limits(&self) -> (RateLimit, u64) {
        (RateLimit { requests: 1_000_000, per: Duration::from_secs(1) }, 100_000)
    }

    /// Those of an upload are the longest: 150 MB once they are in base64, which the guide advises to reckon as 100 MB.
    fn longest_body(&self) -> usize {
        100_000_000
    }

    fn grants(&self, path: &str) -> bool {
        path.contains("/oauth2/")
    }

    fn writes(&self, method: &Method, path: &str) -> bool {
        method != Method::GET && !self.grants(path)
    }

    fn answer(&self, request: &Request, usage: &Usage, state: &State<'_>) -> rusqlite::Result<Answer> {
        let path = segments(&request.path);
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let (version, call) = match path.as_slice() {
            ["services", "oauth2", "token"] => return Ok(self.sessions.grant(request)),
            ["services", "data"] => return Ok(Answer::new(StatusCode::OK, versions())),
            ["services", "data", version, call @ ..] => (*version, call),
            _ => return Ok(not_found()),
        };
        if !self.sessions.accept(request) {
            return Ok(self.error(StatusCode::UNAUTHORIZED, "Session expired or invalid"));
        }
        if !VERSIONS.into_iter().any(|known| version == format!("v{known}.0")) {
            return Ok(not_found());
        }
        let media = request.headers.get("content-type").and_then(|value| value.to_str().ok());
        let wanted = if request.method == Method::PUT { "text/csv" } else { "application/json" };
        if !request.body.is_empty() && !media.is_some_and(|media| media.starts_with(wanted)) {
            let message = format!("Content-Type must be {wanted}");
            return Ok(self.error(StatusCode::UNSUPPORTED_MEDIA_TYPE, &message));
        }
        match (request.method.as_str(), call) {
            ("GET", ["limits"]) => Ok(Answer::new(StatusCode::OK, self.limits_told(usage))),
            (_, ["jobs", "ingest", rest @ ..]) => jobs::answer(self, (version, rest), request, state),
            ("GET", ["sobjects"]) => Ok(Answer::new(StatusCode::OK, self.schema.list())),
            ("GET", ["sobjects", object, "describe"]) => Ok(self
                .schema
                .describe(object)
                .map_or_else(not_found, |body| Answer::new(StatusCode::OK, body))),
            ("GET", ["query"]) => query::answer(self, request, state),
            ("GET", ["query", locator]) => query::further(self, locator, request, state),
            (_, ["composite", "sobjects", rest @ ..]) => collections::answer(self, rest, request, state),
            (_, ["sobjects", object, rest @ ..]) => collections::single(self, (object, rest), request, state),
            _ => Ok(not_found()),
        }
    }

    fn exhausted(&self, limit: Exhausted) -> Answer {
        let which = if limit == Exhausted::Day { "TotalRequests" } else { "ConcurrentPerOrgLongTxn" };
        failure(StatusCode::FORBIDDEN, "REQUEST_LIMIT_EXCEEDED", &format!("{which} Limit exceeded."))
    }

    fn error(&self, status: StatusCode, message: &str) -> Answer {
        let code = match status.as_u16() {
            401 => "INVALID_SESSION_ID",
            403 => "INSUFFICIENT_ACCESS",
            404 => "NOT_FOUND",
            405 => "METHOD_NOT_ALLOWED",
            415 => "UNSUPPORTED_MEDIA_TYPE",
            429 => "REQUEST_LIMIT_EXCEEDED",
            503 => "SERVER_UNAVAILABLE",
            400..=499 => "INVALID_OPERATION",
            _ => "UNKNOWN_EXCEPTION",
        };
        failure(status, code, message)
    }

    fn finish(&self, answer: &mut Answer, usage: &Usage) {
        // What is refused for the calls under way says nothing of those of the day here.
        if answer.status == StatusCode::FORBIDDEN {
            return;
        }
        let used = usage.daily.saturating_sub(usage.daily_remaining);
        answer.headers.push(("sforce-limit-info", format!("api-usage={used}/{}", usage.daily)));
    }
}

/// `GET /services/data/`, which needs no session.
fn versions() -> Json {
    let one = |number| {
        json!({"label": format!("Release {number}"), "url": format!("/services/data/v{number}.0"),
               "version": format!("{number}.0")})
    };
    VERSIONS.map(one).collect()
}

fn failure(status: StatusCode, code: &str, message: &str) -> Answer {
    Answer::new(status, json!([{"message": message, "errorCode": code}]))
}

fn not_found() -> Answer {
    failure(StatusCode::NOT_FOUND, "NOT_FOUND", "The requested resource does not exist")
}

/// A record's refusal as the answer to a request that has it alone.
fn alone(refused: &Refused) -> Answer {
    let body = json!([{"message": refused.message, "errorCode": refused.code, "fields": refused.fields}]);
    Answer::new(StatusCode::BAD_REQUEST, body)
}
