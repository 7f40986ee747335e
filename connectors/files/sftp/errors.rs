//! Why a server did not do something, and whose turn it is then.

use russh_sftp::client::error::Error;
use russh_sftp::protocol::StatusCode;

use crate::contract::{ConnectorError, Kind, Retry};
use crate::files::errors;

/// Most letters of a server's own words in a message.
const MOST_WORDS: usize = 300;

/// Something was not done.
#[derive(Debug, Clone)]
pub(super) enum Failure {
    /// The connection broke, or none came about, for this reason; another one may do it.
    Broken(String),
    /// The server refuses this request, in these words.
    Status(StatusCode, String),
    /// It would fail again, whatever is asked.
    Refused(Refusal),
}

/// An error that is known whole where it is met.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub kind: Kind,
    pub code: &'static str,
    pub message: String,
    pub hint: String,
}

impl Refusal {
    pub(super) fn error(self) -> ConnectorError {
        ConnectorError::new(self.kind, self.message).code(self.code).retry(Retry::Never).hint(self.hint)
    }
}

impl Failure {
    pub(super) fn is_status(&self, expected: StatusCode) -> bool {
        matches!(self, Failure::Status(code, _) if *code == expected)
    }

    /// The error about this path, which was to be written, read, or whatever `what` says.
    pub(super) fn about(self, account: &str, what: &str, path: &str) -> ConnectorError {
        let (kind, code, retry, message, hint) = match self {
            Failure::Refused(refusal) => return refusal.error(),
            Failure::Broken(why) => (
                Kind::Unavailable,
                errors::STORE_UNREACHABLE,
                Retry::Exhausted,
                format!("`{path}` cannot be {what}: the server of `{account}` cannot be reached: {why}"),
                "check the host and port in `url`, the network, and whether the server runs; run again then",
            ),
            Failure::Status(StatusCode::NoSuchFile, _) => (
                Kind::Config,
                errors::MISSING,
                Retry::Never,
                format!("`{path}` of `{account}` does not exist"),
                "check the folder in the connection's `url`; one that begins at the user's own folder is written `/~/FOLDER`",
            ),
            Failure::Status(StatusCode::PermissionDenied, words) => (
                Kind::Auth,
                errors::STORE_DENIED,
                Retry::Never,
                format!("`{path}` of `{account}` cannot be {what}: the server answers {words}"),
                "let the user read, write and rename in the folder of `url`",
            ),
            Failure::Status(_, words) => (
                Kind::Unavailable,
                errors::STORE_FAILED,
                Retry::Never,
                format!("`{path}` of `{account}` cannot be {what}: the server answers {words}"),
                "look at the disk, the quota and the log of the server, and run again",
            ),
        };
        ConnectorError::new(kind, message).code(code).retry(retry).hint(hint)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Status(status) => {
                let code = status.status_code;
                let own = clean(&status.error_message);
                let words = match own.is_empty() || own.eq_ignore_ascii_case(&code.to_string()) {
                    true => format!("`{code}`"),
                    false => format!("`{code}`: {own}"),
                };
                match code {
                    StatusCode::NoConnection | StatusCode::ConnectionLost => Failure::Broken(words),
                    _ => Failure::Status(code, words),
                }
            }
            Error::Timeout => Failure::Broken("it does not answer in time".to_owned()),
            other => Failure::Broken(format!("the connection broke off ({})", clean(&other.to_string()))),
        }
    }
}

impl From<russh::Error> for Failure {
    fn from(error: russh::Error) -> Self {
        Failure::Broken(match error {
            russh::Error::KeepaliveTimeout | russh::Error::ConnectionTimeout => {
                "it does not answer in time".to_owned()
            }
            russh::Error::SendError
            | russh::Error::RecvError
            | russh::Error::Disconnect
            | russh::Error::HUP => "it closed the connection".to_owned(),
            other => clean(&other.to_string()),
        })
    }
}

/// A server's words on one line, and not too many.
pub(super) fn clean(words: &str) -> String {
    words
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MOST_WORDS)
        .collect::<String>()
        .trim()
        .to_owned()
}
