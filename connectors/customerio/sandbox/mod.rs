//! The Track API as the sandbox speaks it: `POST /api/v2/batch` and `/api/v2/entity`, people and events of `/api/v1`, members
//! of manual segments, suppressed people, and the account's region.
//!
//! Written from the OpenAPI description of the Track API (<https://docs.customer.io/api/track/>), its tables of limits, and
//! <https://docs.customer.io/journeys/invalid-api-requests>. Where these are silent it takes the stricter reading: unknown
//! keys are refused, and so are devices, objects, deliveries, relationships and merges, which it does not keep.
//!
//! The account is in the region that the block says (`region: eu`; `us` unless set); segments are declared by their id
//! (`segments: {7: Newsletter, 8: {name: Buyers, data_driven: true}}`), and a rule of the account that refuses values as
//! for every vendor (`objects: {people: {plan: {type: string, refuse: blocked}}}`). The site id or key `invalid` is refused.

mod batch;
mod people;
mod segments;
#[cfg(test)]
mod tests;
mod v1;

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::{Method, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};

use self::people::{People, Wrong};
use crate::contract::RateLimit;
use crate::sandbox::vendor::{Answer, Emulator, Exhausted, Request, Usage, Vendor};
use crate::sandbox::{PropertySpec, State, VendorConfig, basic_credentials, unescaped};

/// The emulator's line in the sandbox's list.
pub(crate) const EMULATOR: Emulator = Emulator { keys: &["segments", "region"], make: emulator };

/// The workspace that all credentials are for.
const WORKSPACE: i64 = 100_001;

struct CustomerIo {
    /// Rules for attributes and event data, by name.
    rules: BTreeMap<String, PropertySpec>,
    segments: Vec<segments::Declared>,
    region: &'static str,
}

fn emulator(config: &VendorConfig) -> Result<Box<dyn Vendor>, String> {
    let mut rules = BTreeMap::new();
    for (object, properties) in &config.objects {
        if !matches!(object.as_str(), "people" | "events") {
            return Err(format!("`objects.{object}`: Customer.io's sandbox has `people` and `events`"));
        }
        rules.extend(properties.clone());
    }
    let region = match config.own.get("region").map(Json::as_str) {
        None | Some(Some("us")) => "us",
        Some(Some("eu")) => "eu",
        Some(_) => return Err("`region` must be `us` or `eu`".to_owned()),
    };
    let segments = segments::declared(config.own.get("segments"))?;
    Ok(Box::new(CustomerIo { rules, segments, region }))
}

impl Vendor for CustomerIo {
    fn name(&self) -> &'static str {
        "customerio"
    }

    /// The narrower of the two rates that the documents have had; a day has no limit of its own.
    fn limits(&self) -> (RateLimit, u64) {
        (RateLimit { requests: 100, per: Duration::from_secs(1) }, 1_000_000_000)
    }

    fn writes(&self, method: &Method, _path: &str) -> bool {
        method != Method::GET
    }

    fn answer(&self, request: &Request, _usage: &Usage, state: &State<'_>) -> rusqlite::Result<Answer> {
        let known = basic_credentials(&request.headers).is_some_and(|(site, key)| {
            [site, key].iter().all(|word| !matches!(word.as_str(), "" | "invalid"))
        });
        if !known {
            return Ok(self.error(StatusCode::UNAUTHORIZED, "Unauthorized request"));
        }
        let path: Vec<String> = request.path.split('/').skip(1).map(unescaped).collect();
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        if request.method == Method::POST && !is_json(request) {
            return Ok(self.error(StatusCode::BAD_REQUEST, "the body must be application/json"));
        }
        let people = People { rules: &self.rules, state };
        match (request.method.as_str(), path.as_slice()) {
            ("GET", ["api", "v1", "accounts", "region"]) => Ok(self.account()),
            ("POST", ["api", "v2", "batch"]) => batch::many(&people, &request.body),
            ("POST", ["api", "v2", "entity"]) => batch::one(&people, &request.body),
            ("POST", ["api", "v1", "segments", id, call @ ("add_customers" | "remove_customers")]) => {
                segments::change(&self.segments, (id, *call == "add_customers"), request, &people)
            }
            (method, ["api", "v1", call @ ..]) => v1::answer(&people, method, call, request),
            _ => Ok(not_found()),
        }
    }

    fn exhausted(&self, _limit: Exhausted) -> Answer {
        self.error(StatusCode::TOO_MANY_REQUESTS, "too many requests")
    }

    fn error(&self, status: StatusCode, message: &str) -> Answer {
        Answer::new(status, json!({"meta": {"error": message}}))
    }

    fn finish(&self, _answer: &mut Answer, _usage: &Usage) {}
}

impl CustomerIo {
    fn account(&self) -> Answer {
        let url = match self.region {
            "eu" => "https://track-eu.customer.io",
            _ => "https://track.customer.io",
        };
        accepted(json!({"url": url, "region": self.region, "environment_id": WORKSPACE}))
    }
}

fn is_json(request: &Request) -> bool {
    let media = request.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    media.is_some_and(|media| media.starts_with("application/json"))
}

fn accepted(body: Json) -> Answer {
    Answer::new(StatusCode::OK, body)
}

/// A refusal of `/api/v1`.
fn refused(message: &str) -> Answer {
    Answer::new(StatusCode::BAD_REQUEST, json!({"meta": {"error": message}}))
}

fn not_found() -> Answer {
    Answer::new(StatusCode::NOT_FOUND, json!({"meta": {"error": "not found"}}))
}

/// A body, or the refusal of one that has another shape.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Answer> {
    serde_json::from_slice(body).map_err(|error| refused(&format!("invalid JSON: {error}")))
}

/// What a request did, or why not, as `/api/v1` tells it.
fn told(done: Result<(), Wrong>) -> Answer {
    match done {
        Ok(()) => accepted(json!({})),
        Err(wrong) => refused(&wrong.message),
    }
}
