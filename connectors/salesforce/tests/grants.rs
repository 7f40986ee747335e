//! Settings and sessions.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value as Json, json};

use super::super::config::{Config, explain};
use super::{PATIENCE, Rig, connected};
use crate::conformance::support;
use crate::contract::{Destination, Kind};
use crate::registry::Settings;

/// A new RSA key of 2048 bits.
fn key() -> String {
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let body = BASE64_STANDARD.encode(der.as_ref());
    let lines: Vec<&str> =
        body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
}

fn read(values: Json, base_url: Option<&str>) -> Result<Config, crate::contract::ConnectorError> {
    let settings = support::settings(&values, "http://127.0.0.1:1");
    Config::read(&Settings { base_url: base_url.map(str::to_owned), ..settings })
}

fn with(auth: Json) -> Json {
    json!({"auth": auth})
}

fn every() -> [Json; 5] {
    let app = json!({"client_id": "id-1", "client_secret": "cs-secret"});
    let and = |more: Json| {
        let mut auth = app.clone();
        auth.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        auth
    };
    [
        and(json!({"method": "client_credentials"})),
        and(json!({"method": "refresh_token", "refresh_token": "rt-secret"})),
        and(
            json!({"method": "password", "username": "u@x.io", "password": "pw-secret", "security_token": "st-secret",
            "allow_password": true}),
        ),
        json!({"method": "jwt", "client_id": "id-1", "username": "u@x.io", "private_key": key().replace('\n', "\\n")}),
        json!({"method": "access_token", "access_token": "at-secret", "instance_url": "https://acme.my.salesforce.com"}),
    ]
}

#[test]
fn every_method_is_read_and_shows_no_secret() {
    for auth in every() {
        let config = read(with(auth.clone()), None).unwrap();
        let shown = format!("{config:?}");
        assert!(
            !shown.contains("secret\"") && !shown.contains("-secret") && !shown.contains("PRIVATE KEY"),
            "{shown}"
        );
        let is_direct = auth["method"] == "access_token";
        let address =
            if is_direct { "https://acme.my.salesforce.com" } else { "https://login.salesforce.com" };
        assert_eq!(config.base_url.as_str(), address);
        assert_eq!(config.version, "66.0");
    }
    let sandbox = read(
        json!({"auth": every()[0], "login_url": "https://test.salesforce.com", "api_version": "v61"}),
        None,
    );
    let sandbox = sandbox.unwrap();
    assert_eq!((sandbox.base_url.as_str(), &*sandbox.version), ("https://test.salesforce.com", "61.0"));
}

#[test]
fn what_is_wrong_with_settings_is_named() {
    for (values, word) in [
        (json!({}), "`auth` is missing"),
        (with(json!("x")), "must be a block"),
        (with(json!({"method": "client_credential"})), "did you mean `client_credentials`?"),
        (with(json!({"method": "client_credentials", "client_id": "x"})), "`auth.client_secret` is missing"),
        (with(json!({"method": "client_credentials", "client_idd": "x"})), "did you mean `client_id`?"),
        (with(json!({"method": "password", "username": "u"})), "needs `allow_password: true`"),
        (with(json!({"method": "access_token", "access_token": "x"})), "`auth.instance_url` is missing"),
        (
            with(json!({"method": "jwt", "client_id": "x", "username": "u", "private_key": "abc"})),
            "is no PEM",
        ),
        (
            with(json!({"method": "jwt", "client_id": "x", "username": "u", "private_key_file": "/nowhere"})),
            "cannot be read",
        ),
        (json!({"auth": every()[0], "api_version": "new"}), "no `api_version` `new`"),
        (json!({"auth": every()[0], "login_url": "http://example.com"}), "in the clear"),
        (json!({"auth": every()[0], "token": "x"}), "unknown setting `token`"),
    ] {
        let error = read(values, None).unwrap_err();
        assert_eq!(error.kind, Kind::Config);
        assert!(error.message.contains(word), "{word}: {error}");
    }
}

/// In the words that Salesforce's help and the tests of its clients give.
#[test]
fn a_refused_grant_is_explained_by_its_words() {
    for (code, said, word) in [
        ("invalid_client_id", "client identifier invalid", "consumer key"),
        ("invalid_client", "invalid client credentials", "consumer secret"),
        ("invalid_grant", "ip restricted", "IP restrictions"),
        ("invalid_grant", "user hasn't approved this consumer", "pre-authorized"),
        ("invalid_grant", "no client credentials user enabled", "Client Credentials Flow"),
        ("invalid_grant", "request not supported on this domain", "My Domain"),
        ("invalid_grant", "expired access/refresh token", "revoked"),
        ("invalid_grant", "invalid assertion", "certificate"),
        ("invalid_grant", "certificate has expired", "upload the new one"),
        ("invalid_grant", "audience is invalid", "`login_url`"),
        ("invalid_grant", "authentication failure", "Login History"),
        ("inactive_user", "user is inactive", "not active"),
        ("unsupported_grant_type", "grant type not supported", "enable this flow"),
    ] {
        let hint = explain(code, &format!("`login.salesforce.com:443`: it is not accepted: {said}")).unwrap();
        assert!(hint.contains(word), "{said}: {hint}");
    }
    assert_eq!(explain("something_new", "what"), None);
}

#[tokio::test]
async fn every_method_gets_a_session_at_the_address_that_its_answer_names() {
    let rig = Rig::start(json!({})).await;
    let here = format!("{}/salesforce", rig.sandbox.url());
    for mut auth in every() {
        if auth["method"] == "access_token" {
            auth["instance_url"] = here.clone().into();
        }
        // Without a `base_url` the token's answer says where the org is.
        let values = json!({"auth": auth, "login_url": here});
        let settings = Settings { base_url: None, ..support::settings(&values, &here) };
        let salesforce =
            super::Salesforce::with_policy(&settings, support::policy(PATIENCE), super::TIMES).unwrap();
        assert!(salesforce.account().await.is_ok(), "{}", auth["method"]);
    }
}

#[tokio::test]
async fn a_refused_grant_says_what_to_change() {
    let rig = Rig::start(json!({})).await;
    let here = format!("{}/salesforce", rig.sandbox.url());
    let refused = |name: &str, auth: &Json| {
        let mut auth = auth.clone();
        auth[name] = "invalid".into();
        connected(&with(auth), &here, PATIENCE)
    };
    let [app, refresh, ..] = every();
    for (salesforce, word) in [
        (refused("client_id", &app), "consumer key"),
        (refused("client_secret", &app), "consumer secret"),
        (refused("refresh_token", &refresh), "revoked or has ended"),
    ] {
        let error = salesforce.account().await.unwrap_err();
        assert_eq!(error.kind, Kind::Auth);
        assert!(error.hint.as_deref().unwrap_or_default().contains(word), "{error}: {:?}", error.hint);
    }
}
