//! Whether a request is sent again, and when. What a repeat could break is never repeated.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use super::request::{Access, Answer, Request};
use crate::contract::{ConnectorError, Kind, Retry};

/// How long and how often a client tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// For one attempt, from the connection to the answer's last byte.
    pub timeout: Duration,
    /// Attempts at one request, the first included.
    pub attempts: usize,
    /// Upper bound of the first pause; it doubles with every attempt. The pause is a random part of it.
    pub first_pause: Duration,
    /// Upper bound of any pause between two attempts.
    pub longest_pause: Duration,
    /// A wait longer than this, asked for by the other side or by a limit, ends the call instead.
    pub longest_wait: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            timeout: Duration::from_secs(60),
            attempts: 6,
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(30),
            longest_wait: Duration::from_secs(300),
        }
    }
}

/// What to do after an attempt failed.
#[derive(Debug)]
pub(super) enum Next {
    /// Again, after this pause.
    Again(Duration, ConnectorError),
    Stop(ConnectorError),
}

impl Policy {
    /// Upper bounds of the pauses between attempts.
    pub(super) fn pauses(&self) -> ExponentialBackoff {
        ExponentialBuilder::default()
            .with_min_delay(self.first_pause)
            .with_max_delay(self.longest_pause)
            .with_max_times(self.attempts.saturating_sub(1))
            .build()
    }

    /// Decides from the failure alone; `pause` is the next of [`Self::pauses`], `None` after the last.
    pub(super) fn next(&self, error: ConnectorError, repeatable: bool, pause: Option<Duration>) -> Next {
        if error.kind == Kind::Ambiguous && !repeatable {
            return Next::Stop(error.retry(Retry::Never));
        }
        let asked = match error.retry {
            Retry::Never | Retry::Exhausted => return Next::Stop(error),
            Retry::Backoff => Duration::ZERO,
            Retry::After(wait) => wait,
        };
        if asked > self.longest_wait {
            return Next::Stop(self.too_long(error, asked));
        }
        match pause {
            None => Next::Stop(error.retry(Retry::Exhausted)),
            // The limiter holds back everybody of this owner, this request too; the pause is for a vendor who asks for
            // no wait and refuses again.
            Some(pause) if error.kind == Kind::RateLimited => Next::Again(full_jitter(pause), error),
            Some(pause) => Next::Again(asked + full_jitter(pause), error),
        }
    }

    fn too_long(&self, mut error: ConnectorError, asked: Duration) -> ConnectorError {
        // A refusal that names its end is no failure: the rest goes in another run. A lost answer stays one.
        if matches!(error.kind, Kind::RateLimited | Kind::Unavailable) {
            error.kind = Kind::Quota;
        }
        error.message = format!("{} (it asks to wait {})", error.message, spoken(asked));
        error.hint.get_or_insert_with(|| "run again later; what was acknowledged is kept".to_owned());
        error
    }
}

/// The error of a request that would be sent again, if not too many had been.
pub(super) fn too_often(error: ConnectorError, title: &str) -> ConnectorError {
    let hint = format!("{title} fails so often that repeating makes it worse; run again when it is well");
    let error = ConnectorError { hint: None, ..error };
    error.retry(Retry::Exhausted).hint(hint)
}

/// A wait as a person says it: seconds, minutes or hours, rounded up.
fn spoken(wait: Duration) -> String {
    match wait.as_secs() {
        seconds @ ..=300 => format!("{seconds} s"),
        seconds @ ..=7_200 => format!("{} minutes", seconds.div_ceil(60)),
        seconds => format!("{} hours", seconds.div_ceil(3600)),
    }
}

/// A random part of the pause, so that many clients don't return at once.
fn full_jitter(pause: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or(u32::MAX / 2);
    pause.mul_f64(f64::from(random) / f64::from(u32::MAX))
}

/// After an answer was lost, no later failure proves that the request had no effect.
pub(super) fn after_loss(error: ConnectorError, lost: Option<&str>) -> ConnectorError {
    let Some(lost) = lost else { return error };
    if error.kind == Kind::Ambiguous {
        return error;
    }
    let message = format!("an answer was lost ({lost}), and then: {}", error.message);
    ConnectorError { kind: Kind::Ambiguous, message, retry: Retry::Exhausted, ..error }
}

/// What an answer means by its HTTP status alone; `None` for a sound success.
pub(super) fn by_status(title: &str, answer: &Answer) -> Option<ConnectorError> {
    let status = answer.status;
    let said = answer.text("message").map(|m| format!(": {}", shortened(m))).unwrap_or_default();
    let error = |kind, code: &str, what: &str| {
        ConnectorError::new(kind, format!("{title} answered {status}{what}")).code(code)
    };
    Some(match status {
        200..=299 if answer.json.is_some() || answer.body_is_empty => return None,
        200..=299 => error(Kind::Ambiguous, "NOT_JSON", ", but not with JSON").retry(Retry::Backoff),
        300..=399 => {
            let to = answer
                .header("location")
                .map(|l| format!(", a redirect to `{}`", shortened(l)))
                .unwrap_or_default();
            error(Kind::Config, "REDIRECTED", &to).hint("set the connection's `base_url` to the API itself")
        }
        401 | 403 => error(Kind::Auth, "NOT_AUTHORIZED", &said)
            .hint("check the connection's credentials and their permissions"),
        404 | 405 | 410 => error(Kind::Config, "NOT_FOUND", &said)
            .hint("check the object in the mapping and the connection's `base_url`"),
        408 => error(Kind::Unavailable, "SERVER_ERROR", &said),
        429 => error(Kind::RateLimited, "RATE_LIMITS", &said),
        // Cloudflare's codes for an origin that was never reached.
        521 | 523 | 525 | 526 => error(Kind::Unavailable, "SERVER_ERROR", &said),
        // "Come back later" is a refusal to start; a bare 503 also comes from proxies that lost the answer.
        503 if answer.retry_after().is_some() => error(Kind::Unavailable, "SERVER_ERROR", &said),
        500..=599 => error(Kind::Ambiguous, "SERVER_ERROR", &said).retry(Retry::Backoff),
        _ => error(Kind::Rejected, "REFUSED", &said),
    })
}

/// The first line of a vendor's message, at most 300 characters of it: it can hold whole pages and stack traces.
pub fn shortened(message: &str) -> String {
    const LONGEST: usize = 300;
    let line = message.lines().next().unwrap_or_default();
    match line.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line.to_owned(),
    }
}

/// Whoever made the error, what may be asked again is asked when the answer's headers say: after `Retry-After`, or, of a
/// refusal for the rate, once its window has room again. A wait that the error has already stays.
pub(super) fn as_asked(error: ConnectorError, answer: &Answer, reset: Option<Duration>) -> ConnectorError {
    let reset = reset.filter(|_| error.kind == Kind::RateLimited);
    match (error.retry, answer.retry_after().or(reset)) {
        (Retry::Backoff, Some(wait)) => error.retry(Retry::After(wait)),
        _ => error,
    }
}

/// A read changes nothing, so a failed one leaves no doubt.
pub(super) fn for_access(mut error: ConnectorError, request: &Request) -> ConnectorError {
    if request.access == Access::Read && error.kind == Kind::Ambiguous {
        error.kind = Kind::Unavailable;
    }
    error
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;
    use serde_json::json;

    use super::*;

    fn answer(status: u16, retry_after: Option<&str>) -> Answer {
        let mut headers = HeaderMap::new();
        if let Some(text) = retry_after {
            headers.insert("retry-after", text.parse().unwrap());
        }
        Answer { status, headers, json: Some(json!({})), plain: None, body_is_empty: false }
    }

    #[test]
    fn a_status_says_who_must_act_and_whether_anything_happened() {
        for (status, retry_after, kind, retry) in [
            (302, None, Kind::Config, Retry::Never),
            (400, None, Kind::Rejected, Retry::Never),
            (401, Some("1"), Kind::Auth, Retry::Never),
            (403, None, Kind::Auth, Retry::Never),
            (404, None, Kind::Config, Retry::Never),
            (408, None, Kind::Unavailable, Retry::Backoff),
            (429, None, Kind::RateLimited, Retry::Backoff),
            (429, Some("2.5"), Kind::RateLimited, Retry::After(Duration::from_millis(2500))),
            (500, None, Kind::Ambiguous, Retry::Backoff),
            (503, None, Kind::Ambiguous, Retry::Backoff),
            (503, Some("7"), Kind::Unavailable, Retry::After(Duration::from_secs(7))),
            (504, Some("7"), Kind::Ambiguous, Retry::After(Duration::from_secs(7))),
            (521, None, Kind::Unavailable, Retry::Backoff),
        ] {
            let answer = answer(status, retry_after);
            let error = as_asked(by_status("Acme", &answer).unwrap(), &answer, None);
            assert_eq!((error.kind, error.retry), (kind, retry), "{status}");
            assert!(error.code.is_some() && error.message.contains(&status.to_string()), "{error}");
        }
        assert!(by_status("Acme", &answer(207, None)).is_none());
        let mut long = answer(400, None);
        long.json = Some(json!({"message": "ä".repeat(100_000)}));
        let message = by_status("Acme", &long).unwrap().message;
        assert!(message.len() < 700 && message.ends_with('…'), "{message}");
    }

    #[test]
    fn a_vendors_own_error_waits_as_its_answer_asks() {
        let second = Duration::from_secs(1);
        let limited = |retry| ConnectorError::new(Kind::RateLimited, "slower").retry(retry);
        let (four, none) = (answer(429, Some("4")), answer(429, None));
        for (error, answer, reset, retry) in [
            (limited(Retry::Backoff), &four, None, Retry::After(second * 4)),
            (limited(Retry::Backoff), &four, Some(second * 9), Retry::After(second * 4)),
            (limited(Retry::Backoff), &none, Some(second * 9), Retry::After(second * 9)),
            (limited(Retry::Backoff), &none, None, Retry::Backoff),
            (limited(Retry::After(second)), &four, Some(second * 9), Retry::After(second)),
            (ConnectorError::new(Kind::Unavailable, "busy"), &four, None, Retry::After(second * 4)),
            (ConnectorError::new(Kind::Unavailable, "busy"), &none, Some(second * 9), Retry::Backoff),
            (ConnectorError::new(Kind::Auth, "no"), &four, None, Retry::Never),
        ] {
            let asked = as_asked(error, answer, reset);
            assert_eq!(asked.retry, retry, "{asked:?}, {reset:?}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let past = answer(503, Some("Fri, 31 Dec 1999 23:59:59 GMT")).retry_after();
        assert_eq!(past, Some(Duration::ZERO));
        let far = answer(503, Some("Fri, 31 Dec 2100 23:59:59 GMT")).retry_after().unwrap();
        assert!(far > Duration::from_secs(365 * 24 * 3600));
        // Our clock may be wrong by a day.
        let mut skewed = answer(503, Some("Fri, 31 Dec 2100 23:59:59 GMT"));
        skewed.headers.insert("date", "Fri, 31 Dec 2100 23:59:29 GMT".parse().unwrap());
        assert_eq!(skewed.retry_after(), Some(Duration::from_secs(30)));
        // Since 1970, in seconds and in milliseconds; by our own clock where the sender's is not known.
        for text in ["4133980829", "4133980829000"] {
            skewed.headers.insert("retry-after", text.parse().unwrap());
            assert_eq!(skewed.retry_after(), Some(Duration::from_secs(60)), "{text}");
        }
        assert_eq!(answer(503, Some("1000000000")).retry_after(), Some(Duration::ZERO));
        for nonsense in ["", "soon", "-5", "NaN", "1e300"] {
            assert_eq!(answer(503, Some(nonsense)).retry_after(), None, "{nonsense}");
        }
    }

    #[test]
    fn a_pause_is_a_part_of_its_bound() {
        for _ in 0..100 {
            assert!(full_jitter(Duration::from_millis(80)) <= Duration::from_millis(80));
        }
        let policy = Policy { attempts: 4, ..Policy::default() };
        let bounds: Vec<u128> = policy.pauses().map(|p| p.as_millis()).collect();
        assert_eq!(bounds, [500, 1000, 2000]);
    }
}
