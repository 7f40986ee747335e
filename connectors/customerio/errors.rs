//! What Customer.io's answers mean: its own words first, the HTTP status only where there are none.
//!
//! Errors come in three shapes: `{"meta": {"error": ".."}}` (<https://docs.customer.io/journeys/invalid-api-requests>),
//! `{"meta": {"errors": [".."]}}`, and, of `/api/v2`, `{"errors": [{"reason", "field", "message"}]}` (the OpenAPI
//! description of the Track API). No header speaks of limits, and a 429 names no wait.

use serde_json::Value as Json;

use crate::contract::{ConnectorError, Kind, Outcome};
use crate::http::json::{list, text};
use crate::http::{Answer, Observed, Vendor, shortened};

/// What the sender must know of Customer.io.
pub(super) const VENDOR: Vendor =
    Vendor { title: "Customer.io", request_id: "x-request-id", judge, observe: |_| Observed::default() };

/// Turns an answer into an error, or `None` for a success and for what the HTTP status alone explains.
pub(super) fn judge(answer: &Answer) -> Option<ConnectorError> {
    if answer.is_success() {
        return None;
    }
    let said = answer.json.as_ref().and_then(refusal);
    let words = said.as_ref().map(|said| format!(": {}", said.message)).unwrap_or_default();
    let error = match (answer.status, said) {
        (401, _) => {
            ConnectorError::new(Kind::Auth, format!("Customer.io does not know the credentials{words}"))
                .code("UNAUTHORIZED")
                .hint("check `site_id` and `api_key`: those of the Track API, not of the App API")
        }
        (403, _) => ConnectorError::new(Kind::Auth, format!("Customer.io does not allow this{words}"))
            .code("FORBIDDEN")
            .hint("check that the account is active and that its IP allowlist lets this machine in"),
        (429, _) => {
            let message = format!("Customer.io asks for a slower pace{words}");
            ConnectorError::new(Kind::RateLimited, message).code("RATE_LIMITED")
        }
        (413, _) => {
            ConnectorError::new(Kind::Rejected, format!("the request is too large for Customer.io{words}"))
                .code("REQUEST_TOO_LARGE")
        }
        (400 | 422, said) => said.unwrap_or_else(Refusal::silent).error(),
        _ => return None,
    };
    Some(error)
}

/// One refusal, as specific as the answer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    code: String,
    field: Option<String>,
    message: String,
}

impl Refusal {
    fn silent() -> Self {
        Refusal { code: "BAD_REQUEST".to_owned(), field: None, message: "no reason was given".to_owned() }
    }

    /// An error object of `/api/v2`. Its `reason` is the code.
    pub(super) fn of(error: &Json) -> Self {
        let code = text(error, "reason").filter(|reason| !reason.is_empty());
        let message = text(error, "message").filter(|message| !message.is_empty());
        // `attributes.plan` is the field `plan`.
        let field = text(error, "field").map(|path| {
            ["attributes.", "identifiers."]
                .iter()
                .find_map(|part| path.strip_prefix(part))
                .unwrap_or(&path)
                .to_owned()
        });
        Refusal {
            code: code.unwrap_or_else(|| "invalid".to_owned()),
            field: field.filter(|field| !field.is_empty()),
            message: shortened(&message.unwrap_or_else(|| "no reason was given".to_owned())),
        }
    }

    fn error(self) -> ConnectorError {
        let error = ConnectorError::new(Kind::Rejected, self.message).code(self.code);
        match self.field {
            Some(field) => error.with("field", field),
            None => error,
        }
    }

    pub(super) fn message(&self) -> &str {
        &self.message
    }

    pub(super) fn outcome(self) -> Outcome {
        Outcome::Rejected { code: self.code, field: self.field, message: self.message }
    }
}

/// What the body of a refused request says.
fn refusal(body: &Json) -> Option<Refusal> {
    if let Some(first) = list(body, "errors").next() {
        return Some(Refusal::of(first));
    }
    let meta = body.get("meta")?;
    let words = text(meta, "error").or_else(|| list(meta, "errors").next()?.as_str().map(str::to_owned))?;
    Some(Refusal { message: shortened(&words), ..Refusal::silent() })
}

/// A refusal of a whole call to a segment: one that names the segment is not about the people, but about the mapping.
/// Which words it uses is not documented.
pub(super) fn of_segment(id: u32, error: ConnectorError) -> ConnectorError {
    let is_about_it = match error.kind {
        Kind::Rejected => error.message.to_lowercase().contains("segment"),
        // A redirect or a certificate is the connection's matter.
        Kind::Config => error.code.as_deref() == Some("NOT_FOUND"),
        _ => false,
    };
    if !is_about_it {
        return error;
    }
    let message = format!("Customer.io did not change the segment {id}: {}", error.message);
    ConnectorError { kind: Kind::Config, message, code: Some("SEGMENT_UNUSABLE".to_owned()), ..error }
        .with("option", "list")
        .hint("`destination.list` must be the id of a manual segment of this workspace")
}
