//! A failure of a whole call: who must act, whether to try again, and what was asked.

use std::fmt;
use std::time::Duration;

/// Who must act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The user: settings, mapping, query.
    Config,
    /// The user: credentials or permissions. Never retried.
    Auth,
    /// Nobody: wait.
    RateLimited,
    /// Nobody: a budget is used up; the rest goes in another run.
    Quota,
    /// The other side's operators, or the network.
    Unavailable,
    /// The batch's data: the request was refused whole, with no effect.
    Rejected,
    /// Nobody knows whether the request had an effect.
    Ambiguous,
    /// Nobody: the run may not write any more, or ends before this request's turn; it had no effect.
    Revoked,
    /// We: a defect or a damaged file on this side.
    Internal,
}

/// Whether the same call may be made again in this run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It would fail again, or could do harm.
    Never,
    /// After a pause of the sender's choice.
    Backoff,
    /// Not before this long has passed.
    After(Duration),
    /// It was tried as often as allowed.
    Exhausted,
}

/// A call that failed as a whole.
///
/// ```
/// use std::time::Duration;
///
/// use outflow_connectors::contract::{ConnectorError, Kind, Retry};
///
/// let error = ConnectorError::new(Kind::RateLimited, "the account takes no more requests for now")
///     .code("TOO_MANY")
///     .retry(Retry::After(Duration::from_secs(10)))
///     .hint("lower `limits.requests` if it comes often")
///     .with("status", 429);
/// assert_eq!(error.to_string(), "the account takes no more requests for now");
/// ```
pub struct ConnectorError {
    /// Who must act.
    pub kind: Kind,
    /// Whether the same call may be made again in this run.
    pub retry: Retry,
    /// The vendor's own code (`VALIDATION_ERROR`), where there is one.
    pub code: Option<String>,
    /// One sentence for the user, without secrets.
    pub message: String,
    /// What the user can do, if more is known than the kind says.
    pub hint: Option<String>,
    /// Facts for the log: request id, path, status.
    pub context: Vec<(&'static str, String)>,
    /// What caused it, for the log and for `Caused by`.
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl ConnectorError {
    /// An error of this kind; one that waits may mend is retried after a pause ([`Retry::Backoff`]), any other never.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        let retry = match kind {
            Kind::RateLimited | Kind::Unavailable => Retry::Backoff,
            _ => Retry::Never,
        };
        ConnectorError {
            kind,
            retry,
            code: None,
            message: message.into(),
            hint: None,
            context: Vec::new(),
            source: None,
        }
    }

    /// The same error, with another word on whether to retry.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// The same error, with the vendor's own code.
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// The same error, with what the user can do: part of a sentence, in small letters.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same error, with one more fact for the log; never a value of a row.
    pub fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.context.push((name, value.to_string()));
        self
    }

    /// The same error, with its cause.
    pub fn source(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }
}

impl fmt::Display for ConnectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for ConnectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}/{:?}: {} {:?}", self.kind, self.retry, self.message, self.context)
    }
}

impl std::error::Error for ConnectorError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|e| e as _)
    }
}
