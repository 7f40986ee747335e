//! What the server says, as an error that says who must act
//! (<https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html>, <https://mariadb.com/kb/en/mariadb-error-codes/>).

use mysql_async::{Error, IoError};

use crate::contract::{ConnectorError, Kind, Retry};
use crate::sql::{Login, ONLY_READS};

const UNREACHABLE: &str = "look at `host` and `port`, at firewalls, and whether the server runs";

/// A login that failed.
pub(super) fn connecting(login: &Login, error: Error) -> ConnectorError {
    match error {
        Error::Server(_) => server(login, error, None),
        Error::Io(IoError::Tls(cause)) => {
            let message = login.about(&format!("no TLS with `{}`: {cause}", login.place()));
            ConnectorError::new(Kind::Config, message)
                .hint("give the server's authority as `ca_file`; `sslmode` says how much is checked")
        }
        Error::Driver(cause) => {
            let message = login.about(&format!("no connection to `{}`: {cause}", login.place()));
            ConnectorError::new(Kind::Config, message).hint("`sslmode: disable` goes without TLS")
        }
        Error::Io(cause) => {
            let message = login.about(&format!("no connection to `{}`: {cause}", login.place()));
            // A TLS stack's refusal can come as a broken socket.
            match cause.to_string() {
                words if words.contains("certificate") => ConnectorError::new(Kind::Config, message)
                    .hint("give the server's authority as `ca_file`; `sslmode` says how much is checked"),
                _ => ConnectorError::new(Kind::Unavailable, message).hint(UNREACHABLE),
            }
        }
        other => {
            let message = login.about(&format!("no connection to `{}`: {other}", login.place()));
            ConnectorError::new(Kind::Unavailable, message).hint(UNREACHABLE)
        }
    }
}

/// What a statement met; `sql` is the user's query, if it was that.
pub(super) fn server(login: &Login, error: Error, sql: Option<&str>) -> ConnectorError {
    let said = match error {
        Error::Server(said) => said,
        other => {
            let message = login.about(&format!("the connection broke: {other}"));
            return ConnectorError::new(Kind::Unavailable, message)
                .hint("nothing was removed; run it again")
                .retry(Retry::Never);
        }
    };
    let (kind, hint) = judge(said.code);
    let message = match (kind, sql) {
        (Kind::Config, Some(_)) => login.about(&format!("the server refused the query: {}", said.message)),
        _ => login.about(&said.message),
    };
    let refusal = ConnectorError::new(kind, message)
        .code(said.code.to_string())
        .with("sqlstate", said.state)
        .retry(Retry::Never);
    match hint {
        Some(hint) => refusal.hint(hint),
        None => refusal,
    }
}

fn judge(code: u16) -> (Kind, Option<&'static str>) {
    match code {
        1045 | 1698 => {
            (Kind::Auth, Some("look at `user` and `password`, and from which hosts the user may log in"))
        }
        1044 | 1142 | 1143 | 1227 => (Kind::Auth, Some("grant the user `select` on what the query reads")),
        1130 | 1129 => (Kind::Auth, Some("the server does not let this host in")),
        1049 => (Kind::Config, Some("look at `database`")),
        1792 | 1290 | 1836 => (Kind::Config, Some(ONLY_READS)),
        3024 | 1969 | 1028 => {
            (Kind::Unavailable, Some("make the query faster, or raise `statement_timeout`"))
        }
        1317 | 1927 => (Kind::Unavailable, Some("somebody cancelled the query; run it again")),
        1040 | 1203 | 1226 => {
            (Kind::Unavailable, Some("the server has no free connection; run it again later"))
        }
        1053 | 1077 | 1079 | 1205 | 1213 | 2006 | 2013 => {
            (Kind::Unavailable, Some("run it again when the server is well"))
        }
        _ => (Kind::Config, None),
    }
}
