//! What Marketo's errors mean (`error-codes.md`). But for 401, 413 and 414 they come with HTTP 200, as
//! `{"requestId", "success": false, "errors": [{"code", "message"}]}`, so the body decides before the status does.

use std::time::Duration;

use reqwest::header::HeaderMap;
use serde_json::Value as Json;

use crate::contract::{ConnectorError, Kind, Outcome, Retry};
use crate::http::{Answer, Observed, Vendor, json, shortened};

/// What the sender must know of Marketo, whose answers have no headers about limits, and name a request in their body.
pub(super) const VENDOR: Vendor =
    Vendor { title: "Marketo", request_id: "x-request-id", judge, observe: no_limits };

/// The token has ended, or is not known any more; the sender asks for another one.
const EXPIRED: &str = "EXPIRED_TOKEN";

/// A success that does not say so.
const UNCONFIRMED: &str = "NOT_CONFIRMED";

/// There are ten imports in the queue already, or one into the same list; nothing came of this one.
pub(super) const QUEUE_FULL: [&str; 2] = ["1016", "1019"];
/// There is no such lead.
pub(super) const NO_LEAD: &str = "1004";
/// There is no such list or import.
const NO_OBJECT: &str = "1013";
/// The lead is not on the list.
pub(super) const NOT_ON_LIST: &str = "1015";

/// A refusal for too many requests at once is over as soon as one of them is.
const SOON: Duration = Duration::from_secs(1);

fn no_limits(_: &HeaderMap) -> Observed {
    Observed::default()
}

/// Turns an answer into an error, or `None` for a success and for what the HTTP status alone explains.
pub(super) fn judge(answer: &Answer) -> Option<ConnectorError> {
    if answer.status == 413 {
        return Some(too_long());
    }
    let body = answer.json.as_ref()?;
    if answer.is_success() && body.get("success") == Some(&Json::Bool(true)) {
        return None;
    }
    match refusal(body) {
        Some((code, said)) => Some(of_code(&code, &said, answer.retry_after())),
        None if answer.is_success() => {
            let message = "Marketo's answer does not say that the call succeeded";
            Some(ConnectorError::new(Kind::Ambiguous, message).code(UNCONFIRMED).retry(Retry::Backoff))
        }
        None => None,
    }
}

/// The first of an answer's errors: its code and its words.
pub(super) fn refusal(body: &Json) -> Option<(String, String)> {
    let first = json::list(body, "errors").next()?;
    let code = json::text(first, "code").filter(|code| !code.is_empty())?;
    let said = json::text(first, "message").unwrap_or_else(|| "no reason was given".to_owned());
    Some((code, shortened(&said)))
}

fn too_long() -> ConnectorError {
    ConnectorError::new(Kind::Rejected, "Marketo takes no body of this length")
        .code("BODY_TOO_LONG")
        .hint("set `delivery: {batch_bytes: ..}` to less, and look for a proxy with a limit of its own")
}

/// What a code means for the call that it refuses.
///
/// Those of 600 to 699 say that nothing was done, by the vendor's page; of a timeout and of what it could not handle, outflow
/// does not take its word for it.
pub(super) fn of_code(code: &str, said: &str, wait: Option<Duration>) -> ConnectorError {
    let error = |kind, what: &str| ConnectorError::new(kind, format!("{what}: {code}: {said}")).code(code);
    match code {
        "600" | "601" | "602" => error(Kind::Auth, "Marketo does not accept the access token (any more)")
            .code(EXPIRED)
            .hint("if it stays, copy `client_id` and `client_secret` again from the service in Marketo"),
        "603" => error(Kind::Auth, "Marketo does not allow this to the service's user").hint(
            "give the role of the API user read and write access to leads, and check the list of addresses that may use \
             the API",
        ),
        "606" => {
            let error = error(Kind::RateLimited, "too many calls within Marketo's window");
            wait.into_iter().fold(error, |error, wait| error.retry(Retry::After(wait)))
        }
        "615" => {
            error(Kind::RateLimited, "too many calls of the instance at once").retry(Retry::After(wait.unwrap_or(SOON)))
        }
        "607" => error(Kind::Quota, "the instance has used up its calls of the day")
            .hint("run again after midnight US Central time; `limits.daily_calls` keeps some for others"),
        "500" | "502" | "604" | "611" => {
            error(Kind::Ambiguous, "Marketo failed to handle the call").retry(Retry::Backoff)
        }
        "608" | "614" | "713" | "719" => error(Kind::Unavailable, "Marketo cannot be used for the moment"),
        "605" | "610" => error(Kind::Config, "there is nothing at this address of Marketo")
            .hint("check the connection's `base_url`: `https://123-ABC-456.mktorest.com`"),
        "609" | "612" | "613" => error(Kind::Internal, "Marketo could not read a request of outflow"),
        "616" | "703" => error(Kind::Config, "the Marketo subscription does not have this"),
        // No effect, and the queue's own matter: an import waits for its place by itself.
        "1016" | "1019" => {
            error(Kind::Unavailable, "Marketo takes no further import for the moment").retry(Retry::Never)
        }
        "1006" | "1011" => error(Kind::Config, "Marketo does not have the field, or cannot find leads by it")
            .hint("`outflow fields` lists the instance's fields; match on one of those that are unique there"),
        "1008" | "1009" | "1010" => error(Kind::Config, "Marketo refused the lead partition")
            .hint("check `destination.partition`, and which workspaces the API user may write to"),
        NO_OBJECT => error(Kind::Config, "Marketo has no such list or import")
            .hint("check `destination.list`: the number behind `ST` in the address of the list's page"),
        _ => error(Kind::Rejected, "Marketo refused a call"),
    }
}

/// Whether Marketo itself says that something is not there; a page that is not there has another code.
pub(super) fn is_absent(error: &ConnectorError) -> bool {
    matches!(error.code.as_deref(), Some("702" | NO_LEAD | NO_OBJECT))
}

/// The refusal of one lead: the first of its `reasons`.
pub(super) fn of_lead(result: &Json) -> Outcome {
    let none = Json::Null;
    let reason = json::list(result, "reasons").next().unwrap_or(&none);
    let said = json::text(reason, "message").unwrap_or_else(|| "no reason was given".to_owned());
    let code = json::text(reason, "code").filter(|code| !code.is_empty());
    Outcome::Rejected {
        code: code.unwrap_or_else(|| "LEAD_SKIPPED".to_owned()),
        field: field(&said),
        message: shortened(&said),
    }
}

/// The field in `Invalid value for field 'percent_field' and value '100%'` (recorded), and in `Field 'x' not found`.
pub(super) fn field(said: &str) -> Option<String> {
    let (_, rest) = said.split_once("ield '")?;
    let (name, _) = rest.split_once('\'')?;
    (!name.is_empty()).then(|| name.to_owned())
}

/// An answer of a file that is none: it is JSON, an error that came with HTTP 200. No verdict is spoken over what is taken
/// while it comes, so a wait for the rate is a pause of this request alone.
pub(super) fn of_file(body: &[u8]) -> ConnectorError {
    let refused = serde_json::from_slice::<Json>(body).ok().and_then(|body| refusal(&body));
    let Some((code, said)) = refused else {
        let message = "Marketo answered with JSON where a file was asked for";
        return ConnectorError::new(Kind::Unavailable, message).code(UNCONFIRMED).retry(Retry::Backoff);
    };
    let error = of_code(&code, &said, None);
    match error.kind {
        Kind::RateLimited => {
            let pause = Duration::from_secs(if code == "606" { 20 } else { 2 });
            ConnectorError { kind: Kind::Unavailable, ..error }.retry(Retry::After(pause))
        }
        Kind::Ambiguous => ConnectorError { kind: Kind::Unavailable, ..error },
        _ => error,
    }
}
