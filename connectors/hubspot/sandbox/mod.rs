//! HubSpot's CRM API as the sandbox speaks it: batch calls, reads, search and properties, with the answers of the vendor's
//! documentation and recordings.
//!
//! Where both are silent, the choice is ours and strict: a batch that names one object twice is refused, results come in
//! another order than the inputs, unknown keys of an input are refused, and only text is taken as a property's value.
//!
//! Tokens: `invalid` is refused (401), `no-write-scope` may only read and `no-schema-scope` may read no properties (403), one that the token endpoint granted is good
//! until its end, any other is good.

mod account;
mod associations;
mod batch;
mod created;
mod failure;
mod lists;
mod oauth;
mod properties;
mod read;
#[cfg(test)]
mod tests;
mod validate;

use std::time::Duration;

use axum::http::{Method, StatusCode, header};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json, json};

use self::properties::{Catalogue, ObjectType};
use crate::contract::RateLimit;
use crate::sandbox::vendor::{Answer, Content, Emulator, Exhausted, Request, Usage, Vendor};
use crate::sandbox::{Object, State, VendorConfig};

/// The account id of HubSpot's own examples.
const PORTAL: u64 = 62_515;
/// Most inputs of a batch.
const BATCH: usize = 100;

pub(super) const EMULATOR: Emulator =
    Emulator { keys: &["associations", "errors", "lists", "oauth"], make: emulator };

/// The emulator of one portal.
///
/// # Errors
/// For a declaration that contradicts HubSpot's own properties.
fn emulator(config: &VendorConfig) -> Result<Box<dyn Vendor>, String> {
    let catalogue = Catalogue::new(&config.objects)?;
    let labels = associations::labels(config.own.get("associations"), &catalogue)?;
    let lists = lists::declared(config.own.get("lists"), &catalogue)?;
    let token_life = oauth::life(config.own.get("oauth"))?;
    let errors = failure::Errors::declared(config.own.get("errors"))?;
    Ok(Box::new(HubSpot { catalogue, labels, lists, token_life, errors }))
}

struct HubSpot {
    catalogue: Catalogue,
    /// Links with names of the account's own.
    labels: Vec<associations::Label>,
    lists: Vec<lists::Declared>,
    token_life: Duration,
    errors: failure::Errors,
}

/// The path of a call on objects: `/crm/v3/objects/{type}/...`, or `/crm/objects/2026-03/{type}/...`.
struct Route<'a> {
    object: &'a str,
    rest: Vec<&'a str>,
    /// Failed inputs are told with 207; from `2026-09` on, with the ordinary status.
    multi_status: bool,
    errors: failure::Errors,
}

/// Dated versions of the objects API.
const VERSIONS: [&str; 3] = ["2025-09", "2026-03", "2026-09"];

fn segments(path: &str) -> Vec<&str> {
    path.split('/').filter(|segment| !segment.is_empty()).collect()
}

impl<'a> Route<'a> {
    fn parse(segments: &[&'a str]) -> Option<Self> {
        let errors = failure::Errors::default();
        match segments {
            ["crm", "v3", "objects", object, rest @ ..] => {
                Some(Route { object, rest: rest.to_vec(), multi_status: true, errors })
            }
            ["crm", "objects", version, object, rest @ ..] if VERSIONS.contains(version) => {
                Some(Route { object, rest: rest.to_vec(), multi_status: *version != "2026-09", errors })
            }
            _ => None,
        }
    }
}

fn is_search(path: &str) -> bool {
    Route::parse(&segments(path)).is_some_and(|route| route.rest == ["search"])
}

impl Vendor for HubSpot {
    fn name(&self) -> &'static str {
        "hubspot"
    }

    /// Those of a Professional account.
    fn limits(&self) -> (RateLimit, u64) {
        (RateLimit { requests: 190, per: Duration::from_secs(10) }, 625_000)
    }

    fn narrow_window(&self) -> Option<(RateLimit, fn(&str) -> bool)> {
        Some((RateLimit { requests: 5, per: Duration::from_secs(1) }, is_search))
    }

    fn grants(&self, path: &str) -> bool {
        oauth::is_token_path(&segments(path))
    }

    fn writes(&self, method: &Method, path: &str) -> bool {
        let path = segments(path);
        let route = Route::parse(&path);
        let reads_links = matches!(path[..], ["crm", "v4", "associations", _, _, "batch", "read"]);
        method != Method::GET
            && !reads_links
            && !oauth::is_token_path(&path)
            && !route.is_some_and(|route| matches!(route.rest[..], ["search"] | ["batch", "read"]))
    }

    fn answer(&self, request: &Request, usage: &Usage, state: &State<'_>) -> rusqlite::Result<Answer> {
        let path = segments(&request.path);
        if oauth::is_token_path(&path) {
            return Ok(oauth::grant(request, self.token_life));
        }
        if let Some(refusal) = self.authorize(request) {
            return Ok(refusal);
        }
        if let Some(route) = Route::parse(&path) {
            return self.objects(&Route { errors: self.errors, ..route }, request, state);
        }
        match path[..] {
            ["crm", "v4", "associations", from, to, ref call @ ..] => {
                let Some(ends) = self.catalogue.get(from).zip(self.catalogue.get(to)) else {
                    return Ok(unknown_type(if self.catalogue.get(from).is_none() { from } else { to }));
                };
                return associations::answer(&self.labels, ends, call, request, state);
            }
            ["crm", "v3", "properties", object, ref call @ ..] => {
                return created::answer(&self.catalogue, (object, call), request, state);
            }
            ["crm", "v3", "lists", ref call @ ..] => {
                return lists::answer(&self.lists, &self.catalogue, call, request, state);
            }
            _ => {}
        }
        Ok(match (request.method.as_str(), path.as_slice()) {
            ("GET", ["account-info", "v3", "details"]) => account::details(),
            ("GET", ["account-info", "v3", "api-usage", "daily", "private-apps"]) => account::usage(usage),
            _ => self.error(StatusCode::NOT_FOUND, "resource not found"),
        })
    }

    fn exhausted(&self, limit: Exhausted) -> Answer {
        let body = match limit {
            Exhausted::Window => rate_limit("ten_secondly_rolling", "TEN_SECONDLY_ROLLING"),
            Exhausted::Day => rate_limit("daily", "DAILY"),
            Exhausted::NarrowWindow => {
                json!({"status": "error", "message": "You have reached your secondly limit.", "category": "RATE_LIMITS"})
            }
        };
        Answer::new(StatusCode::TOO_MANY_REQUESTS, body)
    }

    fn error(&self, status: StatusCode, message: &str) -> Answer {
        let category = match status.as_u16() {
            400 => "VALIDATION_ERROR",
            401 => "INVALID_AUTHENTICATION",
            403 => "MISSING_SCOPES",
            404 => "OBJECT_NOT_FOUND",
            409 => "CONFLICT",
            423 => "LOCKED",
            _ => "INTERNAL_ERROR",
        };
        error(status, category, message)
    }

    /// Answers of searches carry no rate headers, as recorded.
    fn finish(&self, answer: &mut Answer, usage: &Usage) {
        let id = correlation_id();
        let headers = &mut answer.headers;
        headers.push(("x-hubspot-correlation-id", id.clone()));
        headers.push(("x-hubspot-ratelimit-daily", usage.daily.to_string()));
        headers.push(("x-hubspot-ratelimit-daily-remaining", usage.daily_remaining.to_string()));
        if !usage.narrow {
            let interval = usage.window.per.as_millis();
            let secondly =
                u64::from(usage.window.requests) * 1000 / u64::try_from(interval).unwrap_or(1).max(1);
            headers.push(("x-hubspot-ratelimit-interval-milliseconds", interval.to_string()));
            headers.push(("x-hubspot-ratelimit-max", usage.window.requests.to_string()));
            headers.push(("x-hubspot-ratelimit-remaining", usage.remaining.to_string()));
            headers.push(("x-hubspot-ratelimit-secondly", secondly.to_string()));
            let remaining = secondly.min(u64::from(usage.remaining));
            headers.push(("x-hubspot-ratelimit-secondly-remaining", remaining.to_string()));
        }
        if let Some(Content::Json(Json::Object(body))) = &mut answer.body
            && answer.status.as_u16() >= 400
        {
            body.insert("correlationId".into(), id.into());
        }
    }
}

impl HubSpot {
    fn authorize(&self, request: &Request) -> Option<Answer> {
        let path = segments(&request.path);
        let token = request.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = token.and_then(|value| value.strip_prefix("Bearer ")).map(str::trim).unwrap_or_default();
        let unknown = |message: &str| Some(self.error(StatusCode::UNAUTHORIZED, message));
        match token {
            "" => unknown(
                "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find more \
                 details at https://developers.hubspot.com/docs/methods/auth/oauth-overview",
            ),
            "invalid" => unknown("The access token is invalid or expired."),
            token if oauth::is_over(token) => Some(error(
                StatusCode::UNAUTHORIZED,
                "EXPIRED_AUTHENTICATION",
                "The OAuth token used to make this call expired.",
            )),
            "no-write-scope" if self.writes(&request.method, &request.path) => {
                Some(account::lacks(&match path[..] {
                    ["crm", "v3", "properties", object, ..] => format!("crm.schemas.{object}.write"),
                    _ => {
                        let object = Route::parse(&path).map_or("contacts", |route| route.object);
                        format!("crm.objects.{object}.write")
                    }
                }))
            }
            "no-schema-scope" => match path[..] {
                ["crm", "v3", "properties", object, ..] => {
                    Some(account::lacks(&format!("crm.schemas.{object}.read")))
                }
                _ => None,
            },
            _ => None,
        }
    }

    fn objects(&self, route: &Route<'_>, request: &Request, state: &State<'_>) -> rusqlite::Result<Answer> {
        let Some(kind) = self.catalogue.get(route.object) else { return Ok(unknown_type(route.object)) };
        let kind = &*created::of(kind, state)?;
        if request.method == Method::GET {
            return match route.rest[..] {
                [id] => read::one(kind, id, request, state),
                _ => Ok(self.error(StatusCode::NOT_FOUND, "resource not found")),
            };
        }
        let calls = ["upsert", "create", "update", "read", "archive"];
        let known = match route.rest[..] {
            ["batch", call] => calls.contains(&call),
            ["search"] => true,
            _ => false,
        };
        if !known {
            return Ok(self.error(StatusCode::NOT_FOUND, "resource not found"));
        }
        if request.method != Method::POST {
            return Ok(self.error(StatusCode::METHOD_NOT_ALLOWED, "HTTP 405 Method Not Allowed"));
        }
        let media = request.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if !media.is_some_and(|media| media.starts_with("application/json")) {
            return Ok(self.error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "HTTP 415 Unsupported Media Type"));
        }
        match route.rest[..] {
            ["search"] => read::search(kind, request, state),
            ["batch", "read"] => read::batch(kind, route, request, state),
            ["batch", "archive"] => batch::archive(kind, request, state),
            ["batch", "create"] => batch::create(kind, route, request, state),
            ["batch", "update"] => batch::update(kind, route, request, state),
            _ => batch::upsert(kind, route, request, state),
        }
    }
}

fn error(status: StatusCode, category: &str, message: &str) -> Answer {
    Answer::new(status, json!({"status": "error", "message": message, "category": category}))
}

fn invalid(message: &str) -> Answer {
    error(StatusCode::BAD_REQUEST, "VALIDATION_ERROR", message)
}

fn with(mut answer: Answer, key: &str, value: Json) -> Answer {
    if let Some(Content::Json(Json::Object(body))) = &mut answer.body {
        body.insert(key.into(), value);
    }
    answer
}

fn rate_limit(word: &str, policy: &str) -> Json {
    json!({
        "status": "error",
        "message": format!("You have reached your {word} limit."),
        "errorType": "RATE_LIMIT",
        "policyName": policy,
        "requestId": correlation_id(),
    })
}

fn unknown_type(object: &str) -> Answer {
    invalid(&format!("Unable to infer object type from: {object}"))
}

fn format(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// A random id in the form of a version 4 UUID. Without randomness it is the nil id, which harms nobody.
fn correlation_id() -> String {
    let mut bytes = [0u8; 16];
    let _ = getrandom::fill(&mut bytes);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// Reads a body as the vendor does: whole, or a 400 that says where it went wrong.
fn parse<T: DeserializeOwned>(request: &Request) -> Result<T, Answer> {
    serde_json::from_slice(&request.body).map_err(|error| {
        invalid(&format!("Invalid input JSON on line {}, column {}: {error}", error.line(), error.column()))
    })
}

/// The object as answers show it. `wanted` limits the properties; unset ones among them are null.
fn show(kind: &ObjectType, object: &Object, wanted: Option<&[String]>) -> Json {
    let mut all = object.properties.clone();
    all.insert(kind.created_property.into(), object.created_at.clone().into());
    all.insert(kind.modified_property.into(), object.updated_at.clone().into());
    all.insert("hs_object_id".into(), object.id.clone().into());
    let properties = match wanted {
        None => all,
        Some(names) => {
            let system = [kind.created_property, kind.modified_property, "hs_object_id"];
            let known = names.iter().map(String::as_str).filter(|name| kind.properties.contains_key(*name));
            let names = known.chain(system);
            names
                .map(|name| (name.to_owned(), all.get(name).cloned().unwrap_or(Json::Null)))
                .collect::<Map<_, _>>()
        }
    };
    json!({
        "id": object.id, "properties": properties, "createdAt": object.created_at,
        "updatedAt": object.updated_at, "archived": object.archived,
    })
}

/// `HubSpot` says of an absent object.
fn missing(kind: &ObjectType) -> String {
    format!(
        "Could not get some {} objects, they may be deleted or not exist. Check that ids are valid.",
        kind.label
    )
}

/// The property that `idProperty` names, which must have unique values; `hs_object_id` is no such property.
fn id_property<'a>(kind: &ObjectType, name: &'a str) -> Result<&'a str, Answer> {
    if kind.properties.get(name).is_some_and(|property| property.unique) {
        return Ok(name);
    }
    let (label, portal) = (&kind.label, PORTAL);
    Err(invalid(&format!(
        "Unable to perform update/upsert by non-unique {label} property {name} in portal ID {portal}"
    )))
}

/// A value in the form in which unique values are compared.
fn comparable(kind: &ObjectType, property: &str, value: &str) -> String {
    match kind.properties.get(property) {
        Some(property) if property.kind == properties::Kind::Email => value.trim().to_lowercase(),
        _ => value.to_owned(),
    }
}

/// The object with this record id, or with this value of the unique property; archived ones are not there.
fn find(
    kind: &ObjectType,
    id_property: Option<&str>,
    id: &str,
    state: &State<'_>,
) -> rusqlite::Result<Option<Object>> {
    let id = match id_property {
        None => Some(id.to_owned()),
        Some(property) => state.holder(&kind.name, property, &comparable(kind, property, id))?,
    };
    let found = match id {
        Some(id) => state.get(&kind.name, &id)?,
        None => None,
    };
    Ok(found.filter(|object| !object.archived))
}
