//! Settings of a connection of type `postgres` or `redshift`.

use secrecy::SecretString;

use super::passfile;
use crate::contract::ConnectorError;
use crate::registry::Settings;
use crate::sql::{Login, Server};

pub(super) const POSTGRES: Server =
    Server { name: "postgres", schemes: &["postgresql", "postgres"], port: 5432 };

pub(super) const REDSHIFT: Server =
    Server { name: "redshift", schemes: &["redshift", "postgresql", "postgres"], port: 5439 };

/// As the settings say, and the environment and the password file where they say nothing of a password.
///
/// # Errors
/// Of [`crate::contract::Kind::Config`]: what is missing or does not fit, and what to write.
pub(super) fn login(settings: &Settings, server: Server) -> Result<Login, ConnectorError> {
    let mut login = Login::from_settings(settings, server)?;
    let database = login.database.get_or_insert_with(|| login.user.clone());
    if login.password.is_none() {
        let seeker = passfile::Login { host: &login.host, port: login.port, database, user: &login.user };
        let by_environment = settings.environment.get("PGPASSWORD").cloned();
        let found = match by_environment {
            Some(password) => Some(password),
            None => passfile::look_up(&settings.environment, &seeker).map_err(|what| {
                settings.refuse(server.name, &what, "`chmod 600` it: one that others can read is not used")
            })?,
        };
        login.password = found.map(SecretString::from);
    }
    Ok(login)
}
