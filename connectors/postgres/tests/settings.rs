use secrecy::ExposeSecret;

use super::super::config::{POSTGRES, REDSHIFT, login};
use super::*;
use crate::sql::{Login, SslMode};

fn config(values: Json) -> Result<Login, ConnectorError> {
    login(&settings(values), POSTGRES)
}

#[test]
fn a_url_says_what_the_settings_say() {
    let url = config(json!({"url": "postgresql://ann:p%40ss@db.example.com:6432/wh?sslmode=verify-full&sslrootcert=ca.pem"}))
        .unwrap();
    let parts = config(json!({
        "host": "db.example.com", "port": 6432, "database": "wh", "user": "ann", "password": "p@ss",
        "sslmode": "verify-full", "ca_file": "ca.pem"
    }))
    .unwrap();
    for config in [&url, &parts] {
        assert_eq!(
            (&*config.host, config.port, config.database.as_deref(), &*config.user),
            ("db.example.com", 6432, Some("wh"), "ann")
        );
        assert_eq!(config.password.as_ref().map(ExposeSecret::expose_secret), Some("p@ss"));
        assert_eq!((config.sslmode, config.ca_file.is_some()), (SslMode::VerifyFull, true));
        assert!(!format!("{config:?}").contains("p@ss"), "a secret is never printed");
    }
}

#[test]
fn what_is_not_said_has_its_usual_value() {
    let config = config(json!({"host": "db", "user": "ann", "statement_timeout": "10m"})).unwrap();
    assert_eq!(
        (config.port, config.database.as_deref(), config.sslmode),
        (5432, Some("ann"), SslMode::Prefer)
    );
    assert_eq!(config.statement_timeout.map(|t| t.as_secs()), Some(600));
    let redshift = login(&settings(json!({"host": "db", "user": "ann"})), REDSHIFT).unwrap();
    assert_eq!(redshift.port, 5439);
    let mut by_environment = settings(json!({"host": "db", "user": "ann"}));
    by_environment.environment.insert("PGPASSWORD".to_owned(), "secret".to_owned());
    let config = login(&by_environment, POSTGRES).unwrap();
    assert_eq!(config.password.as_ref().map(ExposeSecret::expose_secret), Some("secret"));
}

#[test]
fn wrong_settings_are_named_with_the_fix() {
    for (values, what) in [
        (json!({}), "`host` is missing"),
        (json!({"host": "db"}), "`user` is missing"),
        (json!({"url": "mysql://db/x"}), "`url` must begin with `postgresql://`"),
        (
            json!({"url": "postgresql://ann:se@cret@db/x?foo=1"}),
            "`url` has the parameter `foo`, which is not known",
        ),
        (json!({"url": "postgresql://ann@db/x", "host": "db"}), "`url` and `host` are both set"),
        (json!({"host": "db", "user": "a", "sslmode": "full"}), "there is no `sslmode` `full`"),
        (json!({"host": "db", "user": "a", "sslmode": "disable", "ca_file": "x"}), "`ca_file` has no effect"),
        (
            json!({"host": "db", "user": "a", "statement_timeout": "soon"}),
            "`statement_timeout` is not a length of time",
        ),
        (json!({"host": "db", "user": "a", "port": 70_000}), "`port` must be a number between 1 and 65535"),
    ] {
        let error = config(values).unwrap_err();
        assert!(
            error.message.starts_with("connection `wh` (postgres): ") && error.message.contains(what),
            "{error}"
        );
        assert!(error.hint.is_some() && !error.message.contains("cret"), "{error}");
    }
}
