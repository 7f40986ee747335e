//! What a connection may say.

use serde_json::{Value as Json, json};

use super::*;

fn made(url: &str, mut values: Json, environment: &[(&str, &str)]) -> String {
    values["url"] = url.into();
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let settings = Settings { environment: environment.collect(), ..settings(values) };
    let made = (CONNECTOR.source.unwrap())(&settings);
    made.err()
        .map(|error| format!("{error} ({})", error.hint.clone().unwrap_or_default()))
        .unwrap_or_default()
}

#[test]
fn each_store_takes_its_own_settings() {
    let key = json!({"access_key_id": "a", "secret_access_key": "b"});
    for (url, values) in [
        ("s3://bucket", json!({})),
        (
            "s3://bucket/a/b/",
            json!({"region": "eu-west-1", "access_key_id": "a", "secret_access_key": "b", "session_token": "c"}),
        ),
        ("s3://bucket", json!({"endpoint": "https://minio.example", "credentials": "none"})),
        ("s3://bucket", json!({"endpoint": "http://127.0.0.1:9000"})),
        ("gs://bucket/a", json!({"credentials": "none"})),
        ("gs://bucket/a", json!({"credentials": "adc"})),
        ("gs://bucket", json!({"service_account_key": "{\"type\":\"service_account\"}"})),
        ("az://container/a", json!({"account": "acme", "access_key": "c2VjcmV0"})),
        ("az://container", json!({"account": "acme", "sas_token": "?sv=1&sig=x%2Fy"})),
        (
            "az://container",
            json!({"account": "acme", "tenant_id": "t", "client_id": "c", "client_secret": "s"}),
        ),
        ("az://container", json!({"account": "acme"})),
    ] {
        assert_eq!(made(url, values.clone(), &[]), "", "{url} {values}");
    }
    for (url, values, words) in [
        ("s3://", json!({}), "names no bucket"),
        ("s3://a@b/c", json!({}), "names no bucket"),
        ("s3://bucket/a//b", json!({}), "an empty part"),
        ("s3://bucket/../b", json!({}), "an empty part"),
        ("s3://bucket", json!({"access_key_id": "a"}), "`secret_access_key` is missing"),
        ("s3://bucket", json!({"session_token": "a"}), "`access_key_id` is missing"),
        ("s3://bucket", json!({"account": "a"}), "`account` is no setting"),
        ("s3://bucket", json!({"credentials": "key.json"}), "can only be `none`"),
        ("s3://bucket", json!({"endpoint": "http://minio.example"}), "in the clear"),
        ("gs://bucket", key, "is no setting of a store at `gs://`"),
        ("gs://bucket", json!({"credentials": "/nowhere/key.json"}), "cannot be read"),
        ("gs://bucket", json!({"service_account_key": "very-secret"}), "is no JSON"),
        ("gs://bucket", json!({"service_account_key": "{}", "credentials": "adc"}), "set one"),
        ("az://container", json!({}), "`account` is missing"),
        (
            "az://container",
            json!({"account": "a", "access_key": "very-secret!"}),
            "connection `lake` (files)",
        ),
        ("az://container", json!({"account": "a", "access_key": "a", "sas_token": "b"}), "two ways"),
        ("az://container", json!({"account": "a", "client_secret": "b"}), "needs `tenant_id`"),
        ("az://container", json!({"account": "a", "sas_token": "a", "client_id": "b"}), "another way"),
        ("/tmp", json!({"region": "a"}), "belongs to a store"),
    ] {
        let told = made(url, values.clone(), &[]);
        assert!(
            told.contains(words) && !told.contains("secret!") && !told.contains("very-"),
            "{url} {values}: {told}"
        );
    }
}

#[test]
fn the_environment_fills_what_the_connection_leaves_open() {
    let account = [("AZURE_STORAGE_ACCOUNT_NAME", "acme"), ("AZURE_STORAGE_SAS_TOKEN", "sv=1&sig=x")];
    assert_eq!(made("az://container", json!({}), &account), "");
    // A key of the connection is not mixed with a token of the environment.
    assert_eq!(made("az://container", json!({"access_key": "c2VjcmV0"}), &account), "");
    let told = made("s3://bucket", json!({}), &[("AWS_ENDPOINT_URL", "http://minio.example")]);
    assert!(told.contains("in the clear"), "{told}");
    assert!(CONNECTOR.environment.contains(&"AWS_ACCESS_KEY_ID"));
}
