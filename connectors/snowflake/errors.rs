//! What Snowflake says, as an error that says who must act.
//!
//! The client's errors are read and never passed on: the address of a partition holds a signature by which anybody can
//! fetch it, and a login's answer holds the session's token.

use std::error::Error as _;

use snowflake_connector_rs::{Error, ErrorKind};

use super::config::Config;
use crate::contract::{ConnectorError, Kind, Retry};

/// Where partitions come from.
pub(super) const STORAGE: &str = "large results come from the cloud storage behind the account, which must be reachable from here too; run again";

const UNREACHABLE: &str =
    "check the network, a proxy, and `account`; Snowflake's state is on status.snowflake.com";

/// A code of Snowflake, who must act on it, and how.
type Known = (&'static str, Kind, &'static str);

/// Of queries: <https://docs.snowflake.com/en/sql-reference/errors> has no list of them; these are the ones that users meet.
const OF_QUERIES: [Known; 21] = [
    ("000008", Kind::Config, "keep one `select`; parts of it can stand in `with`"),
    ("000603", Kind::Unavailable, "run again; if it stays, give the query id to Snowflake's support"),
    ("000604", Kind::Unavailable, "somebody, or a limit of the account, cancelled the query; run again"),
    (
        "000605",
        Kind::Unavailable,
        "resume the warehouse, or let it resume by itself: `alter warehouse NAME set auto_resume = true`",
    ),
    ("000606", Kind::Config, "set `warehouse`, or give the user a default one; the role needs `usage` on it"),
    ("000630", Kind::Config, "make the query faster, use a larger warehouse, or raise `statement_timeout`"),
    ("000904", Kind::Config, "check the column's name; one in double quotes is case-sensitive"),
    ("001003", Kind::Config, "try the query in a worksheet"),
    (
        "002003",
        Kind::Config,
        "check the name, `database` and `schema`; the role needs `usage` on both and `select` on the table",
    ),
    ("002025", Kind::Config, "name one of the columns differently with `as`, and avoid `select *` in joins"),
    ("002043", Kind::Config, "check the name, `database` and `schema`; the role needs `usage` on both"),
    ("003001", Kind::Auth, "grant the role what the message names, or set another `role`"),
    (
        "090073",
        Kind::Quota,
        "raise the resource monitor's quota, wait for its next interval, or use another `warehouse`",
    ),
    ("090105", Kind::Config, "set `database`, or write names as `database.schema.table`"),
    ("090106", Kind::Config, "set `schema`, or write names as `schema.table`"),
    ("390104", Kind::Unavailable, SESSION_OVER),
    ("390110", Kind::Unavailable, SESSION_OVER),
    ("390111", Kind::Unavailable, SESSION_OVER),
    ("390112", Kind::Unavailable, SESSION_OVER),
    ("390114", Kind::Unavailable, SESSION_OVER),
    ("390195", Kind::Unavailable, SESSION_OVER),
];

const SESSION_OVER: &str =
    "a session lasts an hour: let the query take less, by a larger warehouse or a table made beforehand";

/// Of logins. The client keeps their message alone, so the message decides; what it says in small letters.
const OF_LOGINS: [(&str, Known); 9] = [
    (
        "incorrect username or password",
        ("390100", Kind::Auth, "check `user` and `password`, or log in by a key pair"),
    ),
    ("jwt token is invalid", ("390144", Kind::Auth, JWT)),
    (
        "oauth access token expired",
        ("390318", Kind::Auth, "put a fresh token into `token`; outflow does not renew it"),
    ),
    (
        "invalid oauth access token",
        ("390303", Kind::Auth, "check `token`, and `token_type` where it is a programmatic one"),
    ),
    ("network policy", ("390422", Kind::Auth, POLICY)),
    ("is not allowed to access snowflake", ("390422", Kind::Auth, POLICY)),
    (
        "specified in the connect string",
        (
            "390189",
            Kind::Auth,
            "grant the role to the user (`grant role R to user U`), or set another `role`",
        ),
    ),
    (
        "temporarily locked",
        (
            "390102",
            Kind::Auth,
            "wait fifteen minutes, or `alter user U set mins_to_unlock = 0`; then mend the credential",
        ),
    ),
    ("user access disabled", ("390101", Kind::Auth, "an administrator can enable the user again")),
];

const JWT: &str = "the user's `rsa_public_key` must belong to this private key (`desc user U` shows its fingerprint), `user` and `account` must be right, and this machine's clock too";

const POLICY: &str = "add this machine's address to the account's or the user's network policy";

/// A login that failed.
pub(super) fn login(error: &Error, config: &Config) -> ConnectorError {
    match error.kind() {
        ErrorKind::Auth => refused_login(error, config),
        ErrorKind::Network => match status(error) {
            Some(status @ (403 | 404)) => {
                let message = format!("no account answers at {}: HTTP {status}", config.address);
                ConnectorError::new(Kind::Config, message)
                    .hint("check `account`; it is the organisation's name, a hyphen, and the account's name")
            }
            _ => unreachable(error, "the login").with("host", config.address.host()),
        },
        _ => other(error, "the login"),
    }
}

fn refused_login(error: &Error, config: &Config) -> ConnectorError {
    let Some(said) = error.snowflake_message().map(one_line) else {
        // It has not asked Snowflake yet: the key itself cannot be read.
        let message = format!("the private key of user `{}` cannot be read", config.user);
        return ConnectorError::new(Kind::Auth, message)
            .hint("check `passphrase`; the key must be RSA, PEM, PKCS#8, and if encrypted, by AES");
    };
    let lower = said.to_ascii_lowercase();
    let known = OF_LOGINS.iter().find(|(words, _)| lower.contains(words)).map(|(_, known)| *known);
    let hint = "look at the user's login history: `select * from table(information_schema.login_history())`";
    let (number, kind, hint) = known.unwrap_or(("LOGIN_REFUSED", Kind::Auth, hint));
    let message = format!("Snowflake refused the login of user `{}`: {said}", config.user);
    ConnectorError::new(kind, message).code(number).hint(hint)
}

/// A query that failed, before any row of it was there.
pub(super) fn query(error: &Error) -> ConnectorError {
    let failure = match (error.kind(), error.snowflake_code()) {
        (_, Some(number)) => said(error, number),
        (ErrorKind::Cancelled, None) => {
            ConnectorError::new(Kind::Unavailable, "the query was cancelled").retry(Retry::Never)
        }
        (ErrorKind::Network, None) => unreachable(error, "the query"),
        _ => other(error, "the query"),
    };
    tagged(failure, error)
}

/// A partition that could not be had: rows before it may have been read.
pub(super) fn partition(error: &Error) -> ConnectorError {
    let failure = match error.kind() {
        ErrorKind::Network | ErrorKind::Timeout => {
            let status = status(error).map_or_else(|| cause(error), |status| format!(": HTTP {status}"));
            let message = format!("a part of the result could not be downloaded{status}");
            ConnectorError::new(Kind::Unavailable, message).hint(STORAGE)
        }
        _ => other(error, "a part of the result"),
    };
    tagged(failure, error)
}

/// Snowflake's own words, and what is known of the code.
fn said(error: &Error, number: &str) -> ConnectorError {
    let words = error.snowflake_message().map_or_else(|| "no reason given".to_owned(), one_line);
    let (kind, hint) = match OF_QUERIES.iter().find(|(known, ..)| *known == number) {
        Some((_, kind, hint)) => (*kind, *hint),
        None => (Kind::Config, "try the query in a worksheet, with the same role and warehouse"),
    };
    let retry = match number {
        "000603" => Retry::Backoff,
        _ => Retry::Never,
    };
    ConnectorError::new(kind, format!("Snowflake refused the query: {words}"))
        .code(number)
        .hint(hint)
        .retry(retry)
}

fn unreachable(error: &Error, what: &str) -> ConnectorError {
    match status(error) {
        Some(429) => ConnectorError::new(
            Kind::RateLimited,
            format!("Snowflake takes no more requests for now: {what}"),
        ),
        Some(status) => {
            let message = format!("Snowflake answered {what} with HTTP {status}");
            ConnectorError::new(Kind::Unavailable, message).hint(UNREACHABLE)
        }
        None => {
            let message = format!("Snowflake could not be reached for {what}{}", cause(error));
            ConnectorError::new(Kind::Unavailable, message).hint(UNREACHABLE)
        }
    }
}

fn other(error: &Error, what: &str) -> ConnectorError {
    match error.kind() {
        ErrorKind::Timeout => {
            let message = format!("Snowflake did not answer in time: {what}");
            ConnectorError::new(Kind::Unavailable, message).hint(SESSION_OVER).retry(Retry::Never)
        }
        ErrorKind::Config => ConnectorError::new(Kind::Config, format!("{what} cannot begin: {error}")),
        kind => {
            let message = format!("Snowflake's answer could not be read: {what} ({kind:?}{})", detail(error));
            ConnectorError::new(Kind::Internal, message)
                .hint("is `base_url` Snowflake's? if it is, please report it with the query id")
        }
    }
}

/// What the client says, unless it quotes the answer.
fn detail(error: &Error) -> String {
    let text = error.to_string();
    if text.contains("preview") { String::new() } else { format!(": {text}") }
}

/// `HTTP 403` of the client's own sentence; the body behind it is left out.
fn status(error: &Error) -> Option<u16> {
    let text = error.to_string();
    let (_, rest) = text.split_once("HTTP ")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// The first cause, such as `connection refused`; those above it name whole addresses.
fn cause(error: &Error) -> String {
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        causes.push(cause);
        next = cause.source();
    }
    match causes.last() {
        Some(first) if causes.len() > 1 => format!(": {first}"),
        _ => String::new(),
    }
}

fn tagged(failure: ConnectorError, error: &Error) -> ConnectorError {
    match error.query_id() {
        Some(id) => failure.with("query id", id),
        None => failure,
    }
}

/// Snowflake breaks its messages into lines.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
pub(super) fn known_codes() -> Vec<&'static str> {
    let logins = OF_LOGINS.iter().map(|(_, (number, ..))| *number);
    OF_QUERIES.iter().map(|(number, ..)| *number).chain(logins).chain(["LOGIN_REFUSED"]).collect()
}
