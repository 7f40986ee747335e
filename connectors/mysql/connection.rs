//! Logging in, and the transaction that everything is read in.

use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, DriverError, Error, Opts, OptsBuilder, SslOpts};
use secrecy::ExposeSecret;
use tokio::time::timeout;

use super::errors;
use crate::contract::{ConnectorError, MAX_CELL};
use crate::sql::{Login, SslMode};

/// How long a server may take to accept a connection.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long the server waits for us while we wait for the destination, in seconds.
const LONG: u64 = 86_400;

/// Rows of a result, as the documents write "no limit".
const ALL: u64 = u64::MAX;

/// Bytes that `group_concat` may give: a cell that is read has no more.
const LONGEST: usize = MAX_CELL;

/// Logs in.
pub(super) async fn open(login: &Login) -> Result<Conn, ConnectorError> {
    let encrypted = options(login, login.sslmode != SslMode::Disable);
    match connect(login, encrypted).await {
        // The server has no TLS.
        Err(Error::Driver(DriverError::NoClientSslFlagFromServer)) if login.sslmode == SslMode::Prefer => {
            connect(login, options(login, false)).await
        }
        result => result,
    }
    .map_err(|error| errors::connecting(login, error))
}

async fn connect(login: &Login, options: Opts) -> Result<Conn, Error> {
    timeout(PATIENCE, Conn::new(options)).await.unwrap_or_else(|_| {
        let silent = format!("`{}` does not answer", login.place());
        Err(Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, silent).into()))
    })
}

fn options(login: &Login, encrypted: bool) -> Opts {
    let tls = encrypted.then(|| {
        let roots = login.ca_file.iter().cloned().map(Into::into).collect();
        SslOpts::default()
            .with_root_certs(roots)
            .with_disable_built_in_roots(login.ca_file.is_some())
            .with_danger_accept_invalid_certs(login.sslmode < SslMode::VerifyFull)
    });
    OptsBuilder::default()
        .ip_or_hostname(&login.host)
        .tcp_port(login.port)
        .user(Some(&login.user))
        .pass(login.password.as_ref().map(ExposeSecret::expose_secret))
        .db_name(login.database.as_ref())
        .prefer_socket(false)
        // A peer that went without a word is noticed.
        .tcp_keepalive(Some(Duration::from_secs(60)))
        .ssl_opts(tls)
        // Cells of any size that the server sends.
        .max_allowed_packet(Some(1 << 30))
        .into()
}

/// Begins the transaction: one snapshot, nothing can be written in it, bounded in time, times in UTC.
pub(super) async fn begin(login: &Login, session: &mut Conn) -> Result<(), ConnectorError> {
    let failed = |error| errors::server(login, error, None);
    let version: Option<String> = session.query_first("select version()").await.map_err(failed)?;
    let mariadb = version.is_some_and(|version| version.to_ascii_lowercase().contains("mariadb"));
    // An operator's bound on results, or on what `group_concat` gives, would cut them without a word.
    let mut settings = format!(
        "set session time_zone = '+00:00', net_write_timeout = {LONG}, wait_timeout = {LONG}, \
         sql_select_limit = {ALL}, group_concat_max_len = {LONGEST}"
    );
    if let Some(limit) = login.statement_timeout {
        settings += &match mariadb {
            // <https://mariadb.com/kb/en/aborting-statements/>: seconds.
            true => format!(", max_statement_time = {}", limit.as_secs_f64()),
            // <https://dev.mysql.com/doc/refman/8.4/en/server-system-variables.html>: milliseconds.
            false => format!(", max_execution_time = {}", limit.as_millis()),
        };
    }
    session.query_drop(settings).await.map_err(failed)?;
    session.query_drop("set session transaction isolation level repeatable read").await.map_err(failed)?;
    session.query_drop("start transaction with consistent snapshot, read only").await.map_err(failed)
}
