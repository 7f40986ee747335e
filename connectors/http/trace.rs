//! One log line for each attempt at a request (`-vv`): what it waited for, what came of it, and what happens next. It
//! names no host, no body and no row.

use std::time::Duration;

use super::request::Request;
use crate::contract::{ConnectorError, Kind};

/// What is known of one attempt.
#[derive(Debug, Default)]
pub(super) struct Trace {
    /// It waited so long for a place among those in flight.
    pub(super) placed: Duration,
    /// It waited so long for the rate limit.
    pub(super) limited: Duration,
    /// From when it left to the last byte of its answer.
    pub(super) took: Duration,
    /// Zero without an answer.
    pub(super) status: u16,
    /// The request's name in the vendor's own log.
    pub(super) id: String,
}

impl Trace {
    pub(super) fn tell(&self, request: &Request, attempt: u32, error: Option<&ConnectorError>) {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let outcome = error.map_or("ok", |error| name(error.kind));
        let code = error.and_then(|error| error.code.as_deref());
        let status = (self.status > 0).then_some(self.status);
        tracing::debug!(
            method = %request.method,
            path = request.shown(),
            status,
            id = self.id,
            ms = millis(self.took),
            waited_for_place_ms = millis(self.placed),
            waited_for_rate_ms = millis(self.limited),
            attempt,
            outcome,
            code,
            "request"
        );
    }

    /// The same request leaves again, after this pause.
    pub(super) fn again(request: &Request, attempt: u32, error: &ConnectorError, pause: Duration) {
        tracing::debug!(
            path = request.shown(),
            attempt = attempt + 1,
            why = name(error.kind),
            code = error.code.as_deref(),
            pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
            "sent again"
        );
    }
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Config => "config",
        Kind::Auth => "auth",
        Kind::RateLimited => "rate_limited",
        Kind::Quota => "quota",
        Kind::Unavailable => "unavailable",
        Kind::Rejected => "rejected",
        Kind::Ambiguous => "no_answer",
        Kind::Revoked => "revoked",
        Kind::Internal => "internal",
    }
}
