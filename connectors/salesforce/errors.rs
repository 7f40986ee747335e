//! What Salesforce's answers mean: its own codes first, the HTTP status only where there is none.
//!
//! An error is a list of `{"errorCode", "message", "fields"}` (REST API Developer Guide, "Status Codes and Error
//! Responses"); a record's own is `{"statusCode", "message", "fields"}`. Guides spell some codes as `InvalidSessionId`, bodies
//! as `INVALID_SESSION_ID`: both are understood.

use reqwest::header::HeaderMap;
use serde_json::Value as Json;

use crate::contract::{ConnectorError, Kind, Outcome, Retry};
use crate::http::{Answer, Observed, Vendor, json, shortened};

/// What the sender must know of Salesforce. Its answers name no request.
pub(super) const VENDOR: Vendor =
    Vendor { title: "Salesforce", request_id: "x-sfdc-request-id", judge, observe };

/// How many calls of a day are used, on every answer but that of `/services/data/`.
const USAGE: &str = "sforce-limit-info";

/// A code without regard to how it is spelled.
fn plain(code: &str) -> String {
    code.chars().filter(|c| *c != '_').map(|c| c.to_ascii_uppercase()).collect()
}

/// The first error of an answer's body: code, message, fields.
fn first(answer: &Answer) -> Option<(String, String, Vec<String>)> {
    let body = answer.json.as_ref()?;
    let error = body.as_array().map_or(Some(body), |errors| errors.first())?;
    let code = json::text(error, "errorCode")?;
    let message = json::text(error, "message").unwrap_or_else(|| "no reason was given".to_owned());
    Some((code, shortened(&message), json::strings(error, "fields").map(str::to_owned).collect()))
}

/// Turns an answer into an error, or `None` for a success and for what the HTTP status alone explains.
pub(super) fn judge(answer: &Answer) -> Option<ConnectorError> {
    if answer.is_success() {
        return None;
    }
    let (code, said, fields) = first(answer)?;
    let error = |kind, what: &str| ConnectorError::new(kind, format!("{what}: {said}")).code(code.clone());
    Some(match plain(&code).as_str() {
        "INVALIDSESSIONID" => error(Kind::Auth, "Salesforce does not accept the session").hint(
            "check that the app and its user may use the API, and with `auth: {method: access_token}` take a new token",
        ),
        "INVALIDAUTHHEADER" => error(Kind::Auth, "Salesforce does not understand the token")
            .hint("check the connection's `auth`: the token has characters that no token has"),
        "REQUESTLIMITEXCEEDED" if is_daily(answer, &said) => {
            error(Kind::Quota, "the org has used up its calls of the day")
                .hint("run again when calls of the rolling day are free; `limits: {daily_calls: 30%}` leaves some to others")
        }
        "REQUESTLIMITEXCEEDED" => error(Kind::RateLimited, "the org has too many long calls under way"),
        "EXCEEDEDQUOTA" => error(Kind::Quota, "the org's quota is used up")
            .hint("run again when some of the rolling day is free; `api: collections` needs no batches"),
        "FEATURENOTENABLED" | "INVALIDUSER" => error(Kind::Auth, "the user may not use the Bulk API for this")
            .hint("give the user \"API Enabled\"; a hard delete needs \"Bulk API Hard Delete\""),
        "SERVERUNAVAILABLE" => error(Kind::Unavailable, "Salesforce is not available"),
        "APICURRENTLYDISABLED" | "APIDISABLEDFORORG" => {
            error(Kind::Auth, "the API is not available to this user")
                .hint("give the user the permission \"API Enabled\"; the edition must have the API as well")
        }
        "INSUFFICIENTACCESS" | "INSUFFICIENTACCESSORREADONLY" | "FUNCTIONALITYNOTENABLED" => {
            error(Kind::Auth, "the user may not do this")
                .hint("give the user create and edit on the object, by a permission set")
        }
        "INVALIDTYPE" => error(Kind::Config, "Salesforce has no such object, or the user may not see it"),
        "NOTFOUND" => error(Kind::Config, "Salesforce has nothing there")
            .hint("check the object and `match_on` in the mapping, and the connection's `api_version`"),
        "INVALIDFIELD" | "MALFORMEDQUERY" => error(Kind::Config, "Salesforce does not know a field")
            .hint("`outflow fields` lists the fields that the connection's user can see"),
        "EXCEEDEDIDLIMIT" => error(Kind::Internal, "the request had too many records"),
        "UNABLETOLOCKROW" | "QUERYTIMEOUT" => error(Kind::Unavailable, "records are locked, or the org is slow"),
        "REQUESTRUNNINGTOOLONG" => error(Kind::Ambiguous, "Salesforce gave up a long call").retry(Retry::Backoff),
        _ => match answer.status {
            400 | 404 | 409 | 413 | 415 => refused(&code, &said, &fields),
            401 => error(Kind::Auth, "Salesforce refused the credentials"),
            403 => error(Kind::Auth, "Salesforce does not allow this"),
            420 => error(Kind::Unavailable, "Salesforce asks to come again later"),
            _ => return None,
        },
    })
}

fn refused(code: &str, said: &str, fields: &[String]) -> ConnectorError {
    let error = ConnectorError::new(Kind::Rejected, said).code(code);
    match fields.first() {
        Some(field) => error.with("field", field),
        None => error,
    }
}

/// Whether a refusal is for the calls of the day, and not for those under way at once: one code means both. The message says
/// which, else the header does.
fn is_daily(answer: &Answer, said: &str) -> bool {
    let left = observe(&answer.headers).daily_remaining;
    said.contains("TotalRequests") || (left == Some(0) && !said.contains("Concurrent"))
}

/// `Sforce-Limit-Info: api-usage=10018/100000` (REST API Developer Guide, "Limit Info Header"), of the rolling day.
pub(super) fn observe(headers: &HeaderMap) -> Observed {
    let text = headers.get(USAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let usage = text.split([';', ',']).find_map(|part| part.trim().strip_prefix("api-usage="));
    let numbers = usage.and_then(|usage| usage.split_once('/'));
    let read = |text: &str| text.trim().parse::<u64>().ok();
    match numbers.and_then(|(used, most)| Some((read(used)?, read(most)?))) {
        Some((used, most)) => Observed {
            daily_limit: Some(most),
            daily_remaining: Some(most.saturating_sub(used)),
            ..Observed::default()
        },
        None => Observed::default(),
    }
}

/// What the errors of one record mean for its row.
pub(super) fn outcome(errors: &[Json]) -> Outcome {
    let Some(error) = errors.first() else {
        return Outcome::Unknown { reason: "Salesforce refused the record and named no reason".to_owned() };
    };
    let code = json::text(error, "statusCode").or_else(|| json::text(error, "errorCode"));
    let code = code.unwrap_or_else(|| "UNKNOWN_EXCEPTION".to_owned());
    let message = json::text(error, "message").unwrap_or_else(|| code.clone());
    if plain(&code) == "ALLORNONEOPERATIONROLLEDBACK" {
        return Outcome::Deferred { reason: shortened(&message) };
    }
    let field = json::strings(error, "fields").next().filter(|field| !field.is_empty()).map(str::to_owned);
    Outcome::Rejected { code, field, message: shortened(&message) }
}

/// What a failed row of a job is told: `CODE:message:Field1 Field2 --`, or the code alone (Bulk API 2.0 Developer Guide, "Get
/// Job Failed Record Results").
pub(super) fn of_line(text: &str) -> Outcome {
    let (code, rest) = text.split_once(':').unwrap_or((text, ""));
    let is_code = !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_code {
        let message = shortened(if text.is_empty() { "Salesforce named no reason" } else { text });
        return Outcome::Rejected { code: "UNKNOWN_EXCEPTION".to_owned(), field: None, message };
    }
    let (message, fields) = match rest.strip_suffix("--").and_then(|rest| rest.rsplit_once(':')) {
        Some((message, fields)) => (message, fields),
        None => (rest, ""),
    };
    let error = serde_json::json!({
        "statusCode": code,
        "message": if message.is_empty() { code } else { message },
        "fields": fields.split_whitespace().collect::<Vec<_>>(),
    });
    outcome(&[error])
}

/// Whether a job that failed for this (`InvalidBatch : Field name not found : X`) fails again when it is made again.
pub(super) fn is_final(message: &str) -> bool {
    let code = plain(message.split(':').next().unwrap_or_default().trim());
    !matches!(
        code.as_str(),
        "TOOMANYLOCKFAILURE"
            | "TIMEOUT"
            | "QUERYTIMEOUT"
            | "UNKNOWN"
            | "UNKNOWNEXCEPTION"
            | "INTERNALSERVERERROR"
            | "REQUESTRUNNINGTOOLONG"
            | "UNABLETOLOCKROW"
    )
}

/// Whether what was asked for is not there (any more), however that is spelled.
pub(super) fn is_gone(error: &ConnectorError) -> bool {
    let is_404 = error.context.iter().any(|(name, value)| *name == "status" && value == "404");
    is_404 || error.code.as_deref().is_some_and(|code| plain(code) == "NOTFOUND")
}

/// A job that failed before any of its rows was tried.
pub(super) fn of_job(message: &str) -> ConnectorError {
    let code = message.split(':').next().unwrap_or_default().trim().to_owned();
    let (kind, hint) = match plain(&code).as_str() {
        "EXCEEDEDQUOTA" => (Kind::Quota, "run again when batches of the rolling day are free"),
        "FEATURENOTENABLED" | "INVALIDUSER" | "INSUFFICIENTACCESS" => (
            Kind::Auth,
            "give the user the permissions that the operation needs; a hard delete needs \"Bulk API Hard Delete\"",
        ),
        _ => (
            Kind::Config,
            "compare the mapping with `outflow fields`; a field may be gone, or hidden from the user",
        ),
    };
    let known = !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    ConnectorError::new(kind, format!("the job failed: {}", shortened(message)))
        .code(if known { code } else { "InvalidBatch".to_owned() })
        .hint(hint)
}

/// Whether a record was refused only because another transaction held a lock on it or on its parent.
pub(super) fn is_lock(outcome: &Outcome) -> bool {
    let Outcome::Rejected { code, message, .. } = outcome else { return false };
    let code = plain(code);
    matches!(code.as_str(), "UNABLETOLOCKROW" | "TOOMANYLOCKFAILURE")
        || message.to_ascii_lowercase().contains("unable to obtain exclusive access")
}

/// Whether a record was refused because it is not there (any more).
pub(super) fn is_absent(outcome: &Outcome) -> bool {
    let Outcome::Rejected { code, field, .. } = outcome else { return false };
    match plain(code).as_str() {
        "ENTITYISDELETED" | "NOTFOUND" => true,
        // Of a parent it says the same, and names the field.
        "INVALIDCROSSREFERENCEKEY" => field.as_deref().is_none_or(|field| field.eq_ignore_ascii_case("id")),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(status: u16, code: &str, message: &str, usage: &str) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert(USAGE, usage.parse().unwrap());
        let json = Some(json!([{"errorCode": code, "message": message, "fields": []}]));
        Answer { status, headers, json, plain: None, body_is_empty: false }
    }

    #[test]
    fn a_code_says_who_must_act() {
        for (status, code, message, kind) in [
            (401, "INVALID_SESSION_ID", "Session expired or invalid", Kind::Auth),
            (401, "InvalidSessionId", "Session expired or invalid", Kind::Auth),
            (401, "INVALID_AUTH_HEADER", "x", Kind::Auth),
            (403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", Kind::Quota),
            (400, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", Kind::Quota),
            (403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded.", Kind::RateLimited),
            (503, "SERVER_UNAVAILABLE", "x", Kind::Unavailable),
            (403, "API_CURRENTLY_DISABLED", "x", Kind::Auth),
            (403, "SOMETHING_NEW", "x", Kind::Auth),
            (404, "NOT_FOUND", "x", Kind::Config),
            (400, "INVALID_FIELD", "No such column", Kind::Config),
            (400, "JSON_PARSER_ERROR", "x", Kind::Rejected),
            (420, "SOMETHING_NEW", "x", Kind::Unavailable),
        ] {
            let error = judge(&answer(status, code, message, "api-usage=5/100")).unwrap();
            assert_eq!((error.kind, error.code.as_deref()), (kind, Some(code)), "{code}");
            assert!(error.message.contains(message), "{error}");
        }
        let full = answer(403, "REQUEST_LIMIT_EXCEEDED", "too much", "api-usage=100/100");
        assert_eq!(judge(&full).unwrap().kind, Kind::Quota);
        assert!(judge(&answer(500, "SOMETHING_NEW", "x", "")).is_none(), "left to the status");
    }

    #[test]
    fn the_calls_of_the_day_are_read_or_nothing_is() {
        let read = |text: &str| observe(&answer(200, "", "", text).headers);
        let seen = read("api-usage=10018/100000; per-app-api-usage=17/250(appName=x)");
        assert_eq!((seen.daily_limit, seen.daily_remaining), (Some(100_000), Some(89_982)));
        assert_eq!(read("api-usage=101/100").daily_remaining, Some(0));
        for text in ["", "api-usage=", "api-usage=a/b", "usage=1/2", "api-usage=1"] {
            assert_eq!(read(text), Observed::default(), "{text}");
        }
    }

    #[test]
    fn a_records_errors_mean_something_for_its_row() {
        let of = |code: &str, message: &str, field: &str| {
            outcome(&[json!({"statusCode": code, "message": message, "fields": [field]})])
        };
        let refused = of("INVALID_EMAIL_ADDRESS", "Email: invalid email address: x", "Email");
        let Outcome::Rejected { code, field, .. } = &refused else { panic!("{refused:?}") };
        assert_eq!((code.as_str(), field.as_deref()), ("INVALID_EMAIL_ADDRESS", Some("Email")));
        assert!(is_lock(&of("UNABLE_TO_LOCK_ROW", "x", "")) && !is_lock(&refused));
        assert!(is_lock(&of(
            "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
            "Unable to obtain exclusive access to this record",
            ""
        )));
        assert!(is_absent(&of("ENTITY_IS_DELETED", "x", "")) && !is_absent(&refused));
        assert!(is_absent(&of("INVALID_CROSS_REFERENCE_KEY", "x", "Id")));
        assert!(!is_absent(&of("INVALID_CROSS_REFERENCE_KEY", "x", "AccountId")));
        assert!(matches!(of("ALL_OR_NONE_OPERATION_ROLLED_BACK", "x", ""), Outcome::Deferred { .. }));
        assert!(matches!(outcome(&[]), Outcome::Unknown { .. }));
    }
}
