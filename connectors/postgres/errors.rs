//! What the server says, as an error that says who must act
//! (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).

use std::error::Error;

use tokio_postgres::Error as ClientError;
use tokio_postgres::error::{DbError, ErrorPosition};

use crate::contract::{ConnectorError, Kind, Retry};
use crate::sql::{self, Login, ONLY_READS};

/// A setting that does not work out.
pub(super) fn settings(config: &Login, what: &str) -> ConnectorError {
    ConnectorError::new(Kind::Config, config.about(what))
}

/// Nobody answered in time.
pub(super) fn silent(config: &Login) -> ConnectorError {
    let message = config.about(&format!("`{}` does not answer", config.place()));
    ConnectorError::new(Kind::Unavailable, message).hint(UNREACHABLE)
}

const UNREACHABLE: &str = "look at `host` and `port`, at firewalls, and whether the server runs";

/// A login that failed, or a socket that broke.
pub(super) fn connecting(config: &Login, error: ClientError) -> ConnectorError {
    if error.as_db_error().is_some() {
        return server(config, error, None);
    }
    let words = words(&error);
    let (kind, hint) = if words.contains("certificate") || words.contains("tls") || words.contains("TLS") {
        (Kind::Config, "give the server's authority as `ca_file`; `sslmode` says how much is checked")
    } else if words.contains("password") {
        (Kind::Auth, "set `password`, or a line of `~/.pgpass`")
    } else {
        (Kind::Unavailable, UNREACHABLE)
    };
    let message = config.about(&format!("no connection to `{}`: {words}", config.place()));
    ConnectorError::new(kind, message).hint(hint).source(error)
}

/// What a statement met; `sql` is the user's query, if it was that.
pub(super) fn server(config: &Login, error: ClientError, sql: Option<&str>) -> ConnectorError {
    let Some(said) = error.as_db_error() else {
        if error.is_closed() || error.source().is_some() {
            let message = config.about(&format!("the connection broke: {}", words(&error)));
            return ConnectorError::new(Kind::Unavailable, message)
                .hint("nothing was removed; run it again")
                .source(error);
        }
        return ConnectorError::new(Kind::Unavailable, config.about(&words(&error))).source(error);
    };
    let code = said.code().code().to_owned();
    let (kind, retry, hint) = judge(&code, said.message());
    let place = sql.map_or_else(String::new, |sql| place(sql, said));
    let message = config.about(&format!("the server refused the query{place}: {}", said.message()));
    let message = if kind == Kind::Auth || sql.is_none() { config.about(said.message()) } else { message };
    let refusal = ConnectorError::new(kind, message).code(code).retry(retry);
    match (said.hint(), hint) {
        (Some(hint), _) => refusal.hint(hint.to_owned()),
        (None, Some(hint)) => refusal.hint(hint),
        (None, None) => refusal,
    }
}

/// The cause beneath the client's own words, which are general.
fn words(error: &ClientError) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !words.contains(&text) {
            words = format!("{words}: {text}");
        }
        cause = inner.source();
    }
    words
}

fn judge(code: &str, message: &str) -> (Kind, Retry, Option<&'static str>) {
    const GRANT: &str = "grant the role `usage` on the schema and `select` on what the query reads";
    let (kind, hint) = match code {
        "28P01" | "28000" => (Kind::Auth, Some("look at `user` and `password`, and at `pg_hba.conf`")),
        "42501" => (Kind::Auth, Some(GRANT)),
        "3D000" => (Kind::Config, Some("look at `database`")),
        "25006" => (Kind::Config, Some(ONLY_READS)),
        "57014" if message.contains("statement timeout") => {
            (Kind::Unavailable, Some("make the query faster, or raise `statement_timeout`"))
        }
        "57014" => (Kind::Unavailable, Some("somebody cancelled the query; run it again")),
        "42883" if message.contains("binary output") => {
            (Kind::Config, Some("cast that column to `text` in the query"))
        }
        "42601" if message.contains("multiple commands") => (Kind::Config, Some(ONLY_READS)),
        "53300" => (Kind::Unavailable, Some("the server has no free connection; run it again later")),
        "40001" | "40P01" => {
            (Kind::Unavailable, Some("on a standby, raise `max_standby_streaming_delay`; run it again"))
        }
        _ => match &code[..2.min(code.len())] {
            "08" | "53" | "55" | "57" | "58" | "XX" => {
                (Kind::Unavailable, Some("run it again when the server is well"))
            }
            "22" | "42" | "0A" | "21" | "44" | "54" => (Kind::Config, None),
            "28" => (Kind::Auth, Some("look at `user` and `password`")),
            _ => (Kind::Config, None),
        },
    };
    // The client asks once: whoever runs outflow again is the retry.
    (kind, Retry::Never, hint)
}

/// ` in line 3, column 8` of the user's query: the server counts characters from one.
fn place(query: &str, said: &DbError) -> String {
    let Some(ErrorPosition::Original(position)) = said.position() else { return String::new() };
    let before = (*position as usize).saturating_sub(1);
    let bytes = query.char_indices().nth(before).map_or(query.len(), |(at, _)| at);
    sql::place(query, bytes)
}
