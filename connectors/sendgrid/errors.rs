//! What SendGrid's answers mean. It has no codes: an error is `{"errors": [{"field", "message", "error_id"}]}`, whose `field`
//! names the row in a call of many (`contacts[0].email`, recorded); the rest is told by the HTTP status.

use reqwest::header::HeaderMap;
use serde_json::Value as Json;

use crate::contract::{ConnectorError, Kind, Outcome};
use crate::http::json::{list, text};
use crate::http::{Answer, Observed, Vendor, moment, shortened};

/// What the sender must know of SendGrid. No header is documented that names a request.
pub(super) const VENDOR: Vendor = Vendor { title: "SendGrid", request_id: "x-request-id", judge, observe };

/// The code of what is not there, in SendGrid's own form; a page that is not there has another.
const ABSENT: &str = "RESOURCE_NOT_FOUND";

/// The code of a call that was refused for its data.
pub(super) const INVALID: &str = "INVALID_REQUEST";

/// The code of a contact that was refused when its call was looked at.
const INVALID_CONTACT: &str = "INVALID_CONTACT";

/// Turns an answer into an error, or `None` for a success and for what the HTTP status alone explains.
pub(super) fn judge(answer: &Answer) -> Option<ConnectorError> {
    if answer.is_success() {
        return None;
    }
    let own = answer.json.as_ref().filter(|body| body.get("errors").is_some());
    let said = own.and_then(said).unwrap_or_else(|| "no reason was given".to_owned());
    let error =
        |kind, code: &str, what: &str| ConnectorError::new(kind, format!("{what}: {said}")).code(code);
    Some(match (answer.status, own) {
        (401, _) => error(Kind::Auth, "UNAUTHORIZED", "SendGrid refused the key").hint(
            "copy the key again from SendGrid (Settings, API Keys); an account of the EU needs \
             `base_url: https://api.eu.sendgrid.com`",
        ),
        (403, _) => error(Kind::Auth, "FORBIDDEN", "SendGrid does not allow this to the key").hint(
            "give the key full access to Marketing and read access to the user's name (`user.username.read`)",
        ),
        (404, Some(_)) => error(Kind::Config, ABSENT, "SendGrid has nothing there")
            .hint("check the ids of lists in the mapping"),
        (413, _) => ConnectorError::new(Kind::Rejected, "SendGrid takes no body of this length")
            .code("BODY_TOO_LONG")
            .hint("set `delivery: {batch_bytes: ..}` to less, and look for a proxy with a limit of its own"),
        (400 | 422, Some(body)) => match list(body, "errors").find_map(|error| text(error, "field")) {
            Some(field) if field.starts_with("list_ids") => {
                error(Kind::Config, INVALID, "SendGrid refused a list")
                    .hint("check the ids of lists in the mapping")
            }
            Some(field) => ConnectorError::new(Kind::Rejected, said).code(INVALID).with("field", field),
            None => ConnectorError::new(Kind::Rejected, said).code(INVALID),
        },
        _ => return None,
    })
}

/// What `errors` says: a list, or of a job a single one.
fn said(body: &Json) -> Option<String> {
    let one = body.get("errors").filter(|errors| errors.is_object());
    let all = list(body, "errors").chain(one);
    let all: Vec<String> = all.filter_map(|error| text(error, "message")).take(3).collect();
    (!all.is_empty()).then(|| shortened(&all.join("; ")))
}

/// Whether SendGrid itself says that something is not there.
pub(super) fn is_absent(error: &ConnectorError) -> bool {
    error.code.as_deref() == Some(ABSENT)
}

/// The contacts of a call that a refusal names, by their place in it, each with its first reason.
pub(super) fn named(body: &Json) -> Vec<(usize, Outcome)> {
    let mut named: Vec<(usize, Outcome)> = Vec::new();
    for error in list(body, "errors") {
        let field = text(error, "field").unwrap_or_default();
        let Some((place, field)) = place(&field) else { continue };
        if named.iter().all(|(known, _)| *known != place) {
            let message =
                shortened(&text(error, "message").unwrap_or_else(|| "no reason was given".to_owned()));
            let field = (!field.is_empty()).then(|| field.to_owned());
            named.push((place, Outcome::Rejected { code: INVALID_CONTACT.to_owned(), field, message }));
        }
    }
    named
}

/// `contacts[3].email` as 3 and `email`.
pub(super) fn place(field: &str) -> Option<(usize, &str)> {
    let (place, rest) = field.strip_prefix("contacts[")?.split_once(']')?;
    Some((place.parse().ok()?, rest.trim_start_matches('.')))
}

/// `x-ratelimit-*`, on every answer (recorded): what is left, and the seconds until the window begins anew, of the endpoint that
/// was asked. How long a window is no header says, so the limit itself is not taken from them.
pub(super) fn observe(headers: &HeaderMap) -> Observed {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse().ok();
    Observed {
        remaining: number("x-ratelimit-remaining"),
        reset: moment(headers, "x-ratelimit-reset"),
        ..Observed::default()
    }
}
