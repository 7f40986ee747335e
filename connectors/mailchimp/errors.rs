//! What Mailchimp's answers mean.
//!
//! An error is `application/problem+json`: `{"type", "title", "status", "detail", "instance"}`, with
//! `"errors": [{"field", "message"}]` where fields are at fault; titles and forms as recorded, but for those marked in
//! [`TITLES`]. Which statuses pass is said on <https://mailchimp.com/developer/marketing/docs/fundamentals/>: 429, 5xx,
//! and 403 where its body is no JSON, which is how Mailchimp turns away too many requests before they reach it.

use reqwest::header::HeaderMap;
use serde_json::Value as Json;

use crate::contract::{ConnectorError, Kind, Outcome};
use crate::http::{Answer, Observed, Vendor, json, shortened};

/// What the sender must know of Mailchimp, whose answers have no headers about limits.
pub(super) const VENDOR: Vendor =
    Vendor { title: "Mailchimp", request_id: "x-request-id", judge, observe: no_limits };

/// There is no such list, member or batch.
pub(super) const NOT_FOUND: &str = "RESOURCE_NOT_FOUND";
/// What is asked for cannot be done with this member as it is.
pub(super) const NOT_ALLOWED: &str = "METHOD_NOT_ALLOWED";
/// The member is there, and was not to be changed.
pub(super) const EXISTS: &str = "ERROR_CONTACT_EXISTS";
/// What a call on many members says of a row that it refuses for any other reason.
pub(super) const GENERIC: &str = "ERROR_GENERIC";
/// The member is archived, and shall not be brought back.
pub(super) const ARCHIVED: &str = "MEMBER_ARCHIVED";

/// Titles of refusals, and our codes for them. The last four were not recorded.
const TITLES: [(&str, &str); 8] = [
    ("Invalid Resource", "INVALID_RESOURCE"),
    ("Member Exists", "MEMBER_EXISTS"),
    ("Resource Not Found", NOT_FOUND),
    ("Method Not Allowed", NOT_ALLOWED),
    ("Member In Compliance State", "MEMBER_IN_COMPLIANCE_STATE"),
    ("Forgotten Email Not Subscribed", "FORGOTTEN_EMAIL_NOT_SUBSCRIBED"),
    ("Bad Request", "MAILCHIMP_BAD_REQUEST"),
    ("JSON Parse Error", "JSON_PARSE_ERROR"),
];

fn no_limits(_: &HeaderMap) -> Observed {
    Observed::default()
}

/// Turns an answer into an error, or `None` for a success and for what the HTTP status alone explains.
pub(super) fn judge(answer: &Answer) -> Option<ConnectorError> {
    if answer.is_success() {
        return None;
    }
    let title = answer.text("title").unwrap_or_default();
    let said = said(answer);
    let error =
        |kind, code: &str, what: &str| ConnectorError::new(kind, format!("{what}: {said}")).code(code);
    let is_json = answer.json.as_ref().is_some_and(Json::is_object);
    let refusal = TITLES.iter().find(|(known, _)| known.eq_ignore_ascii_case(title)).map(|(_, code)| *code);
    Some(match (answer.status, refusal) {
        (429, _) => error(Kind::RateLimited, "TOO_MANY_CONNECTIONS", "Mailchimp has too many of our requests at once"),
        (403, _) if !is_json => {
            let message = "Mailchimp turns requests away before it looks at them, as it does when they are too many";
            ConnectorError::new(Kind::RateLimited, message).code("TOO_MANY_CONNECTIONS")
        }
        (401 | 403, _) => error(Kind::Auth, "API_KEY_REFUSED", "Mailchimp refused the key").hint(
            "copy the key again from Mailchimp (\"API keys\"), whole: the end behind its dash names the data centre; and \
             check what its user may do",
        ),
        (426, _) => error(Kind::Config, "UPGRADE_REQUIRED", "Mailchimp wants TLS 1.2")
            .hint("check the connection's `base_url` and the proxy between here and there"),
        (400..=499, Some(code)) => refused(code, &said, answer.json.as_ref()),
        _ => return None,
    })
}

/// What an answer says is wrong: its detail, and the first field at fault.
fn said(answer: &Answer) -> String {
    let detail = answer.text("detail").or_else(|| answer.text("title")).unwrap_or("no reason was given");
    match answer.json.as_ref().and_then(|body| json::list(body, "errors").next()) {
        Some(fault) => {
            let field = json::text(fault, "field").unwrap_or_default();
            let message = json::text(fault, "message").unwrap_or_default();
            shortened(&format!("{detail} {field}: {message}"))
        }
        None => shortened(detail),
    }
}

/// A request refused for its data.
fn refused(code: &str, said: &str, body: Option<&Json>) -> ConnectorError {
    let error = ConnectorError::new(Kind::Rejected, said).code(code);
    let field = body.and_then(|body| json::text(json::list(body, "errors").next()?, "field"));
    match field.filter(|field| !field.is_empty()) {
        Some(field) => error.with("field", field),
        None if said.contains("email address") => error.with("field", super::fields::EMAIL),
        None => error,
    }
}

/// A refusal of a request that held one member, as that member's outcome.
pub(super) fn outcome(error: ConnectorError) -> Outcome {
    let field = error.context.iter().find(|(name, _)| *name == "field").map(|(_, value)| value.clone());
    Outcome::Rejected {
        code: error.code.unwrap_or_else(|| "REFUSED".to_owned()),
        field,
        message: error.message,
    }
}

/// What a call on many members says of one that it refuses: `{email_address, error, error_code, field, field_message}`.
pub(super) fn of_row(error: &Json) -> Outcome {
    let of = |name: &str| json::text(error, name).filter(|text| !text.is_empty());
    let code = match of("error_code") {
        Some(code) if code == EXISTS => EXISTS,
        _ => GENERIC,
    };
    let mut message = of("error").unwrap_or_else(|| "no reason was given".to_owned());
    if let Some(more) = of("field_message").filter(|more| !message.contains(more.as_str())) {
        message = format!("{message}: {more}");
    }
    Outcome::Rejected { code: code.to_owned(), field: of("field"), message: shortened(&message) }
}

/// Whether there is no such member, list or batch, in the vendor's own word; a page that is not there has none.
pub(super) fn is_absent(error: &ConnectorError) -> bool {
    error.code.as_deref() == Some(NOT_FOUND)
}
