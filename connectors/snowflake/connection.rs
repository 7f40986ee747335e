//! A session: logged in, with all that it is told before its first query.

use std::time::Duration;

use reqwest::Url;
use secrecy::ExposeSecret;
use serde_json::{Value as Json, json};
use snowflake_connector_rs::{
    AuthConfig, Client, ClientConfig, EndpointConfig, KeyPairConfig, QueryConfig, Session, SessionConfig,
};

use super::config::{Config, Login};
use super::errors;
use crate::contract::{ConnectorError, Kind, ReadContext};

/// A session's token is good for an hour: no query can be waited for longer.
const SESSION: Duration = Duration::from_secs(3_600);
/// What an answer may take beyond the time in which the service itself ends the query.
const MARGIN: Duration = Duration::from_secs(120);
/// The engine waits ten seconds for a cancellation.
const CANCELLING: Duration = Duration::from_secs(8);
/// Megabytes of a partition: the smallest that Snowflake allows, since one is in memory at a time.
const PARTITION: u32 = 48;
/// Longest tag that Snowflake takes.
const TAG: usize = 2_000;

/// Logs in.
///
/// # Errors
/// [`Kind::Auth`] or [`Kind::Config`] where Snowflake refuses the login, [`Kind::Unavailable`] where it cannot be reached.
pub(super) async fn open(config: &Config, tag: &str) -> Result<Session, ConnectorError> {
    let url = Url::parse(config.address.as_str()).map_err(|error| {
        ConnectorError::new(Kind::Config, format!("`{}` is not an address: {error}", config.address))
    })?;
    let client = ClientConfig::new(&config.user, &config.account, credential(&config.login))
        .with_session(session(config, tag))
        .with_query(
            QueryConfig::new()
                .with_query_response_timeout(config.statement_timeout.unwrap_or(SESSION) + MARGIN)
                .with_query_cancel_request_timeout(CANCELLING),
        )
        .with_endpoint(EndpointConfig::custom_base_url(url));
    let client = Client::new(client).map_err(|error| errors::login(&error, config))?;
    client.create_session().await.map_err(|error| errors::login(&error, config))
}

fn credential(login: &Login) -> AuthConfig {
    match login {
        Login::Key { pem, passphrase: None } => {
            AuthConfig::key_pair(KeyPairConfig::from_pem(pem.expose_secret()))
        }
        Login::Key { pem, passphrase: Some(passphrase) } => AuthConfig::key_pair(
            KeyPairConfig::from_encrypted_pem(pem.expose_secret(), passphrase.expose_secret()),
        ),
        Login::OAuth(token) => AuthConfig::oauth(token.expose_secret()),
        Login::Password(password) => AuthConfig::password(password.expose_secret()),
    }
}

fn session(config: &Config, tag: &str) -> SessionConfig {
    let mut session = SessionConfig::new();
    for (name, value) in parameters(config, tag) {
        session = session.with_session_parameter(name, value);
    }
    if let Some(warehouse) = &config.warehouse {
        session = session.with_warehouse(warehouse);
    }
    if let Some(role) = &config.role {
        session = session.with_role(role);
    }
    if let Some(database) = &config.database {
        session = session.with_database(database);
    }
    if let Some(schema) = &config.schema {
        session = session.with_schema(schema);
    }
    session
}

/// What the login sets for the session: <https://docs.snowflake.com/en/sql-reference/parameters>.
pub(super) fn parameters(config: &Config, tag: &str) -> Vec<(&'static str, Json)> {
    let mut parameters = vec![
        ("QUERY_TAG", json!(tag)),
        // A query that nobody waits for any more ends by itself after five minutes.
        ("ABORT_DETACHED_QUERY", json!(true)),
        // Whatever the account says: what follows a `;` never runs.
        ("MULTI_STATEMENT_COUNT", json!(1)),
        // A bound on results that the account sets would cut them without a word.
        ("ROWS_PER_RESULTSET", json!(0)),
        ("CLIENT_RESULT_CHUNK_SIZE", json!(PARTITION)),
        // Structures without line breaks are a third smaller.
        ("JSON_INDENT", json!(0)),
        ("GEOGRAPHY_OUTPUT_FORMAT", json!("GeoJSON")),
        ("GEOMETRY_OUTPUT_FORMAT", json!("GeoJSON")),
    ];
    if let Some(timeout) = config.statement_timeout {
        parameters.push(("STATEMENT_TIMEOUT_IN_SECONDS", json!(timeout.as_secs())));
    }
    parameters
}

/// The tag of an extract's queries: by it `query_history` tells which sync and run they were of.
pub(super) fn tag(config: &Config, context: Option<&ReadContext>) -> String {
    let mut tag = config.query_tag.clone().unwrap_or_else(|| match context {
        Some(context) => json!({"app": "outflow", "sync": context.sync, "run": context.run_id}).to_string(),
        None => json!({"app": "outflow"}).to_string(),
    });
    tag.truncate(tag.floor_char_boundary(TAG));
    tag
}
