//! Logging in, and the transaction that everything is read in.

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::task::{AbortHandle, JoinHandle};
use tokio_postgres::config::{ChannelBinding, SslMode as ClientSslMode};
use tokio_postgres::{CancelToken, Client};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::config;
use super::{errors, tls};
use crate::contract::ConnectorError;
use crate::sql::{Login, SslMode};

/// How long a server may take to accept a connection.
const PATIENCE: Duration = Duration::from_secs(30);

/// A session, and the task that carries its messages.
pub(super) struct Session {
    pub client: Client,
    carrier: JoinHandle<()>,
    socket: Arc<Socket>,
    tls: MakeRustlsConnect,
}

/// The connection, open for as long as somebody holds this.
struct Socket(AbortHandle);

impl Drop for Socket {
    /// Closes it at once: without it the carrier would read a long result to its end.
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Ends the query of a session from another connection. Until then the session's own stays open: the server is told why,
/// before it notices that its client has gone.
pub(super) struct Cancel {
    token: CancelToken,
    tls: MakeRustlsConnect,
    _socket: Arc<Socket>,
}

impl Cancel {
    pub(super) async fn send(self) -> Result<(), tokio_postgres::Error> {
        self.token.cancel_query(self.tls).await
    }
}

impl Session {
    /// Logs in; nothing is read yet.
    pub(super) async fn open(login: &Login, label: &str) -> Result<Self, ConnectorError> {
        let tls = tls::connector(login).map_err(|what| errors::settings(login, &what))?;
        let mut client = tokio_postgres::Config::new();
        client
            .host(&login.host)
            .port(login.port)
            .dbname(login.database.as_deref().unwrap_or(&login.user))
            .user(&login.user)
            .application_name(label)
            .connect_timeout(PATIENCE)
            .keepalives_idle(Duration::from_secs(60))
            .ssl_mode(match login.sslmode {
                SslMode::Disable => ClientSslMode::Disable,
                SslMode::Prefer => ClientSslMode::Prefer,
                _ => ClientSslMode::Require,
            });
        if login.binds {
            client.channel_binding(ChannelBinding::Require);
        }
        if let Some(password) = &login.password {
            client.password(password.expose_secret());
        }
        let connecting = client.connect(tls.clone());
        let (client, connection) = match tokio::time::timeout(PATIENCE, connecting).await {
            Ok(connected) => connected.map_err(|error| errors::connecting(login, error))?,
            Err(_) => return Err(errors::silent(login)),
        };
        let carrier = tokio::spawn(async move {
            // Its error reaches whoever waits for an answer.
            let _ = connection.await;
        });
        let socket = Arc::new(Socket(carrier.abort_handle()));
        Ok(Session { client, carrier, socket, tls })
    }

    /// Says goodbye, so that the server's log has no word of a client that it lost.
    pub(super) async fn close(self) {
        let Session { client, carrier, socket: _open, .. } = self;
        drop(client);
        // One that does not answer is left alone.
        let _ = tokio::time::timeout(Duration::from_secs(1), carrier).await;
    }

    pub(super) fn cancel(&self) -> Cancel {
        Cancel { token: self.client.cancel_token(), tls: self.tls.clone(), _socket: Arc::clone(&self.socket) }
    }

    /// Begins the transaction: one snapshot, nothing can be written in it, bounded in time.
    pub(super) async fn begin(&self, login: &Login) -> Result<(), ConnectorError> {
        let mut commands = vec![match login.server {
            config::POSTGRES => "begin isolation level repeatable read, read only".to_owned(),
            // <https://docs.aws.amazon.com/redshift/latest/dg/r_BEGIN.html>
            _ => "begin read only".to_owned(),
        }];
        if let Some(limit) = login.statement_timeout {
            commands.push(format!("set statement_timeout to {}", limit.as_millis()));
        }
        // The server notices soon that a process was killed, also while it works and sends nothing (from version 14).
        if login.server == config::POSTGRES && self.watches_clients().await? {
            commands.push("set client_connection_check_interval to 2000".to_owned());
        }
        let begun = self.client.batch_execute(&commands.join("; ")).await;
        begun.map_err(|error| errors::server(login, error, None))
    }

    async fn watches_clients(&self) -> Result<bool, ConnectorError> {
        const ASK: &str =
            "select count(*) from pg_catalog.pg_settings where name = 'client_connection_check_interval'";
        match self.client.query_one(ASK, &[]).await {
            Ok(row) => Ok(row.try_get::<_, i64>(0).unwrap_or(0) > 0),
            Err(_) => Ok(false), // a server that speaks the protocol and lacks the catalogue
        }
    }
}
