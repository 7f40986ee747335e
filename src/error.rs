//! The one error of the engine: a stable code, who must act, where it happened and what to do. Rendered in `report` only.

use std::fmt;
use std::path::PathBuf;

use outflow_connectors::contract::{ConnectorError, Kind};
use serde::Serialize;

/// A place in a file of the user's project; line and column count from 1.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Location {
    pub file: PathBuf,
    pub line: usize,
    pub column: usize,
}

/// A failure, ready to be shown.
#[derive(Debug, Clone)]
pub struct Error {
    /// Stable, `OF-` with a room and a number: `outflow explain` knows it.
    pub code: &'static str,
    pub kind: ErrorKind,
    /// One sentence; literals in backticks; no secrets.
    pub message: String,
    pub hint: Option<String>,
    pub location: Option<Location>,
    /// Why, innermost last.
    pub causes: Vec<String>,
}

/// Who must act, or why the run was stopped; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ErrorKind {
    /// Wrong command line.
    Usage,
    Config,
    Auth,
    Source,
    Destination,
    Quota,
    /// A guard, a data test, a policy or the ledger's identity holds the run.
    Held,
    /// Another run holds this sync.
    Locked,
    /// The ledger or the state folder: unreadable, damaged, newer, full.
    State,
    Interrupted,
    Internal,
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub fn new(code: &'static str, kind: ErrorKind, message: impl Into<String>) -> Self {
        Error { code, kind, message: message.into(), hint: None, location: None, causes: Vec::new() }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub fn at(mut self, location: Location) -> Self {
        self.location = Some(location);
        self
    }

    /// Appends an error and its sources as causes.
    pub fn because(mut self, cause: &(dyn std::error::Error + 'static)) -> Self {
        let mut next = Some(cause);
        while let Some(error) = next {
            self.causes.push(error.to_string());
            next = error.source();
        }
        self
    }

    /// The first of several errors, with the others as causes.
    pub fn all(errors: Vec<Error>) -> Self {
        let mut errors = errors.into_iter();
        let nothing = || Error::new("OF-INT-001", ErrorKind::Internal, "a failure without an error");
        let mut first = errors.next().unwrap_or_else(nothing);
        first.causes.extend(errors.map(|error| match &error.location {
            Some(at) => format!("also {}:{}:{}: {error}", at.file.display(), at.line, at.column),
            None => format!("also {error}"),
        }));
        first
    }

    /// `{code, kind, message, hint, file, line, column}`, as JSON output and run history hold it.
    pub fn to_json(&self) -> serde_json::Value {
        let at = self.location.as_ref();
        serde_json::json!({
            "code": self.code,
            "kind": self.kind,
            "message": self.message,
            "hint": self.hint,
            "file": at.map(|at| at.file.display().to_string()),
            "line": at.map(|at| at.line),
            "column": at.map(|at| at.column),
        })
    }

    /// Wraps what a destination said.
    pub fn destination(error: &ConnectorError) -> Self {
        let (code, kind) = match error.kind {
            Kind::Config => ("OF-DST-001", ErrorKind::Config),
            Kind::Auth => ("OF-DST-002", ErrorKind::Auth),
            Kind::RateLimited => ("OF-DST-003", ErrorKind::Destination),
            Kind::Quota => ("OF-DST-004", ErrorKind::Quota),
            Kind::Unavailable => ("OF-DST-005", ErrorKind::Destination),
            Kind::Rejected => ("OF-DST-006", ErrorKind::Destination),
            Kind::Ambiguous => ("OF-DST-007", ErrorKind::Destination),
            Kind::Revoked => ("OF-RUN-040", ErrorKind::Interrupted),
            Kind::Internal => ("OF-INT-001", ErrorKind::Internal),
        };
        Self::connector(code, kind, error)
    }

    /// Wraps what a source said.
    pub fn source(error: &ConnectorError) -> Self {
        let (code, kind) = match error.kind {
            Kind::Auth => ("OF-SRC-002", ErrorKind::Auth),
            Kind::Unavailable | Kind::RateLimited | Kind::Quota => ("OF-SRC-003", ErrorKind::Source),
            Kind::Internal => ("OF-INT-001", ErrorKind::Internal),
            _ => ("OF-SRC-001", ErrorKind::Source),
        };
        Self::connector(code, kind, error)
    }

    fn connector(code: &'static str, kind: ErrorKind, error: &ConnectorError) -> Self {
        // One of ours that only passed through the connector.
        if let Some(own) = std::error::Error::source(error).and_then(|source| source.downcast_ref::<Error>())
        {
            return own.clone();
        }
        let mut wrapped = Error::new(code, kind, error.message.clone());
        wrapped.hint = error.hint.clone();
        match std::error::Error::source(error) {
            Some(source) => wrapped.because(source),
            None => wrapped,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Error {}
