use std::io::Write;

use super::*;
use crate::contract::Kind;
use crate::snowflake::config::{Config, Login};
use crate::snowflake::connection;

const PLAIN: &str = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----";
const ENCRYPTED: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----";
/// The cipher's number alone: nothing looks further.
const TRIPLE_DES: &str =
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMCoGCCqGSIb3DQMH\n-----END ENCRYPTED PRIVATE KEY-----";

fn read(values: Json) -> Result<Config, ConnectorError> {
    Config::from_settings(&settings(values, None))
}

#[test]
fn what_is_wrong_is_named_with_the_fix() {
    for (changes, message, hint) in [
        (json!({"account": null}), "`account` is missing", "myorg-myaccount"),
        (json!({"account": "a.snowflakecomputing.com"}), "not an account identifier", "myorg-myaccount"),
        (json!({"account": "https://a"}), "not an account identifier", "myorg-myaccount"),
        (json!({"user": null}), "`user` is missing", ""),
        (json!({"password": null}), "it has no credential", "exactly one of"),
        (json!({"password": ""}), "`password` is empty", "exactly one of"),
        (json!({"token": "x"}), "`token` and `password` are set", "exactly one of"),
        (json!({"passphrase": "x"}), "`passphrase` does not go with `password`", "take it out"),
        (json!({"token_type": "oauth"}), "`token_type` does not go with `password`", "take it out"),
        (json!({"warehous": "x"}), "unknown setting `warehous`", "`warehouse`"),
        (json!({"statement_timeout": "1 day"}), "`statement_timeout` is not a time", "`10m`"),
        (json!({"statement_timeout": 0}), "`statement_timeout` is not a time", "`10m`"),
        (json!({"statement_timeout": "169h"}), "`statement_timeout` is not a time", "`10m`"),
        (json!({"password": null, "token": "x", "token_type": "pat"}), "`token_type: pat`", "`programmatic`"),
        (json!({"password": null, "private_key": "x"}), "is not PEM", "openssl pkcs8"),
        (json!({"password": null, "private_key": ENCRYPTED}), "is encrypted", "`passphrase`"),
        (json!({"password": null, "private_key": PLAIN, "passphrase": "x"}), "not encrypted", "take"),
        (
            json!({"password": null, "private_key": TRIPLE_DES, "passphrase": "x"}),
            "triple DES",
            "aes-256-cbc",
        ),
        (json!({"password": null, "private_key_file": "/nowhere/key.p8"}), "`/nowhere/key.p8`", "relative"),
    ] {
        let error = read(with(changes.clone())).unwrap_err();
        assert_eq!(error.kind, Kind::Config, "{changes}");
        assert!(error.message.starts_with("connection `wh` (snowflake): "), "{error}");
        assert!(error.message.contains(message), "{changes}: {error}");
        assert!(error.hint.as_deref().unwrap_or_default().contains(hint), "{changes}: {:?}", error.hint);
    }
}

#[test]
fn each_credential_is_read() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(PLAIN.as_bytes()).unwrap();
    let path = file.path().to_str().unwrap();
    let login = |mut changes: Json| {
        let values = changes.as_object_mut().unwrap();
        if !values.contains_key("password") {
            values.insert("password".to_owned(), Json::Null);
        }
        read(with(changes)).unwrap().login
    };
    let one_line = PLAIN.replace('\n', "\\n");
    for (changes, encrypted) in [
        (json!({"private_key": PLAIN}), false),
        (json!({"private_key": one_line}), false),
        (json!({"private_key_file": path}), false),
        (json!({"private_key": ENCRYPTED, "passphrase": "hush"}), true),
    ] {
        let Login::Key { passphrase, .. } = login(changes.clone()) else { panic!("{changes}") };
        assert_eq!(passphrase.is_some(), encrypted, "{changes}");
    }
    assert!(matches!(login(json!({"token": "x"})), Login::OAuth(_)));
    assert!(matches!(login(json!({"token": "x", "token_type": "oauth"})), Login::OAuth(_)));
    assert!(matches!(login(json!({"token": "x", "token_type": "programmatic"})), Login::Password(_)));
    assert!(matches!(login(json!({"password": "x"})), Login::Password(_)));
}

#[test]
fn secrets_are_never_printed() {
    for changes in [
        json!({"password": "hush-hush"}),
        json!({"password": null, "token": "hush-hush"}),
        json!({"password": null, "private_key": ENCRYPTED.replace("AAAA", "hush-hush"), "passphrase": "hush-hush"}),
    ] {
        let printed = format!("{:?}", read(with(changes)).unwrap());
        assert!(!printed.contains("hush"), "{printed}");
    }
}

#[test]
fn the_address_is_the_accounts_own_or_the_one_that_is_set() {
    let address = |account: &str, base_url: Option<&str>| {
        let config = Config::from_settings(&settings(with(json!({"account": account})), base_url));
        config.map(|config| config.address.to_string())
    };
    let own = address("MyOrg-My_Account", None).unwrap();
    assert_eq!(own, "https://myorg-my-account.snowflakecomputing.com");
    assert_eq!(address("xy1.eu-central-1", None).unwrap(), "https://xy1.eu-central-1.snowflakecomputing.com");
    assert_eq!(address("a", Some("https://a.privatelink.example")).unwrap(), "https://a.privatelink.example");
    assert_eq!(address("a", Some("http://127.0.0.1:9")).unwrap(), "http://127.0.0.1:9");
    for (base_url, message) in [
        ("http://proxy.example", "would send credentials in the clear"),
        ("https://proxy.example/snow", "has a path"),
    ] {
        let error = address("a", Some(base_url)).unwrap_err();
        assert!(error.kind == Kind::Config && error.message.contains(message), "{error}");
        assert!(error.message.contains("`wh`"), "{error}");
    }
}

#[test]
fn the_session_is_told_its_tag_and_limits() {
    let config = read(with(json!({"statement_timeout": "10m"}))).unwrap();
    let mut context = context();
    context.run_id = Some("r-7".to_owned());
    let tag = connection::tag(&config, Some(&context));
    let said: Json = serde_json::from_str(&tag).unwrap();
    assert_eq!(said, json!({"app": "outflow", "sync": "contacts", "run": "r-7"}));
    let parameters = json!(connection::parameters(&config, &tag).into_iter().collect::<Vec<_>>());
    let told = |name: &str| {
        let pair = parameters.as_array().unwrap().iter().find(|pair| pair[0] == name);
        pair.map_or(Json::Null, |pair| pair[1].clone())
    };
    assert_eq!(told("QUERY_TAG"), json!(tag));
    assert_eq!(told("STATEMENT_TIMEOUT_IN_SECONDS"), json!(600));
    assert_eq!(told("ABORT_DETACHED_QUERY"), json!(true));
    assert_eq!(told("MULTI_STATEMENT_COUNT"), json!(1));

    let long = "é".repeat(2_000);
    let config = read(with(json!({"query_tag": long, "statement_timeout": 90}))).unwrap();
    assert_eq!(connection::tag(&config, Some(&context)).len(), 2_000);
    assert_eq!(config.statement_timeout.unwrap().as_secs(), 90);
}
