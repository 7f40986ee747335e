//! MySQL and MariaDB as a warehouse: rows stream in the binary protocol out of one read-only snapshot.

mod connection;
mod errors;
mod playbook;
mod source;
mod value;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use secrecy::SecretString;

use crate::contract::{ConnectorError, Source};
use crate::registry::{Connector, Setting, Settings};
use crate::sql::{Dialect, Login, Server, SslMode};

const SERVER: Server = Server { name: "mysql", schemes: &["mysql", "mariadb"], port: 3306 };

/// The registry's entry.
pub const CONNECTOR: Connector = Connector {
    name: "mysql",
    title: "MySQL",
    summary: "Rows of a query on MySQL or MariaDB, read in a transaction that cannot write.",
    settings: &[
        setting(
            "url",
            true,
            "`mysql://USER@HOST:PORT/DATABASE?sslmode=...`, in place of the settings below.",
        ),
        setting("host", false, "The server's name or address."),
        setting("port", false, "3306 unless set."),
        setting("database", false, "The database that names without one mean."),
        setting("user", false, "The user to log in as; it needs `select` alone."),
        setting("password", true, "Its password; else `MYSQL_PWD`."),
        setting(
            "sslmode",
            false,
            "`disable | prefer | require | verify-full`: `prefer` unless set, which checks no certificate.",
        ),
        setting(
            "ca_file",
            false,
            "Certificates of the authorities to trust, as PEM; Mozilla's list unless set.",
        ),
        setting("statement_timeout", false, "Most time that the query may take, such as `10m`."),
    ],
    environment: &["MYSQL_PWD"],
    source: Some(open),
    dialect: Dialect::MySql,
    errors: playbook::ENTRIES,
    ..Connector::BLANK
};

const fn setting(name: &'static str, secret: bool, help: &'static str) -> Setting {
    Setting { name, required: false, secret, help }
}

fn open(settings: &Settings) -> Result<Arc<dyn Source>, ConnectorError> {
    let mut login = Login::from_settings(settings, SERVER)?;
    if login.sslmode == SslMode::VerifyCa {
        // Its client cannot leave out the look at the name.
        let hint = "`verify-full` checks the server's name as well; `require` checks nothing";
        return Err(settings.refuse(SERVER.name, "`sslmode: verify-ca` is not to be had here", hint));
    }
    if login.binds {
        return Err(settings.refuse(
            SERVER.name,
            "`channel_binding` is PostgreSQL's",
            "take it out of the URL",
        ));
    }
    if login.password.is_none() {
        login.password = settings.environment.get("MYSQL_PWD").cloned().map(SecretString::from);
    }
    Ok(Arc::new(source::MysqlSource::new(login)))
}
