//! What an answer means as a whole: Template's own words, `{"error": {"code": .., "message": ..}}`, before the HTTP status.
//! Pure.

use serde_json::Value as Json;

use crate::contract::{ConnectorError, Kind};
use crate::http::json::text;
use crate::http::{Answer, Observed, Vendor, shortened};

/// What the sender must know of Template.
pub(super) const VENDOR: Vendor =
    Vendor { title: "Template", request_id: "x-request-id", judge, observe: Observed::usual };

/// Turns an answer into an error, or `None` for a success and for what the HTTP status alone explains: 429 and 5xx among
/// it.
pub(super) fn judge(answer: &Answer) -> Option<ConnectorError> {
    let error = answer.json.as_ref().and_then(|body| body.get("error")).unwrap_or(&Json::Null);
    let said = text(error, "message").map(|message| shortened(&message)).unwrap_or_default();
    match (answer.status, text(error, "code")) {
        (401 | 403, _) => Some(
            ConnectorError::new(Kind::Auth, format!("Template refused the key: {said}"))
                .code("unauthorized")
                .hint("check the connection's `api_key` and what it may do"),
        ),
        // A refusal of the data, and only where the vendor says so: an unknown 4xx is never one.
        (400 | 422, Some(code)) => Some(
            ConnectorError::new(Kind::Rejected, format!("Template refused the request: {said}")).code(code),
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::answer;
    use super::*;

    #[test]
    fn each_answer_has_its_meaning() {
        let error = |code: &str| json!({"error": {"code": code, "message": "no"}});
        for (status, body, expected) in [
            (200, json!({}), None),
            (401, error("unauthorized"), Some((Kind::Auth, "unauthorized"))),
            (403, json!("page"), Some((Kind::Auth, "unauthorized"))),
            (400, error("invalid_request"), Some((Kind::Rejected, "invalid_request"))),
            (400, json!({}), None),
            (404, error("not_found"), None),
            (429, error("rate_limited"), None),
            (503, error("unavailable"), None),
        ] {
            let judged =
                judge(&answer(status, &body)).map(|error| (error.kind, error.code.unwrap_or_default()));
            let expected = expected.map(|(kind, code)| (kind, code.to_owned()));
            assert_eq!(judged, expected, "{status} {body}");
        }
    }
}
