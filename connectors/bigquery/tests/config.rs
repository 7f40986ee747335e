//! What a connection may say.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::config;
use crate::bigquery::config::Reading;
use crate::bigquery::login;
use crate::contract::Kind;
use crate::google::Login;

const EMULATOR: Option<&str> = Some("http://127.0.0.1:9050");

#[test]
fn settings_are_read() {
    let plain = config(None, json!({})).unwrap();
    assert_eq!((&*plain.project, plain.reading), ("p1", Reading::Storage(None)));
    assert!(matches!(plain.login, Login::Default));
    let values = json!({
        "location": "europe-west3", "impersonate": "out@acme.iam.gserviceaccount.com", "maximum_bytes_billed": "1 TiB",
        "labels": {"team": "crm", "stage": 2}, "job_timeout": "90s",
    });
    let full = config(None, values).unwrap();
    assert_eq!(full.most_bytes, Some(1 << 40));
    assert_eq!(full.job_timeout, Some(Duration::from_secs(90)));
    assert_eq!(full.labels["stage"], "2");
    for (values, reading) in [
        (json!({"storage_read": false, "storage_read_url": "http://127.0.0.1:1"}), Reading::Pages),
        (json!({"storage_read": "false"}), Reading::Pages),
        (json!({}), Reading::Pages),
        (
            json!({"storage_read_url": "http://127.0.0.1:1"}),
            Reading::Storage(Some("http://127.0.0.1:1".to_owned())),
        ),
    ] {
        assert_eq!(config(EMULATOR, values).unwrap().reading, reading);
    }
}

#[test]
fn what_cannot_be_meant_is_refused_with_a_way_out() {
    for (base_url, values, what) in [
        (None, json!({"projekt": "x"}), "unknown setting `projekt`"),
        (None, json!({"project": "Acme Analytics"}), "`project` has letters"),
        (None, json!({"project": ""}), "`project` is empty"),
        (None, json!({"location": "E U"}), "`location` is no location"),
        (None, json!({"impersonate": "me"}), "`impersonate` is no address"),
        (None, json!({"maximum_bytes_billed": "much"}), "`maximum_bytes_billed` is no size"),
        (None, json!({"labels": {"Team": "crm"}}), "`labels.Team` is no label"),
        (None, json!({"labels": ["x"]}), "`labels` must be a block"),
        (None, json!({"job_timeout": "30"}), "`job_timeout` is no time"),
        (None, json!({"job_timeout": "0s"}), "`job_timeout` is no time"),
        (None, json!({"storage_read": "maybe"}), "`storage_read` is neither"),
        (EMULATOR, json!({"storage_read": true}), "`storage_read` is on"),
        (None, json!({"credentials": "none"}), "`credentials: none`"),
        (
            EMULATOR,
            json!({"credentials": "none", "impersonate": "o@a.iam.gserviceaccount.com"}),
            "`credentials: none`",
        ),
        (
            None,
            json!({"credentials": "/nowhere/key.json"}),
            "`credentials`: `/nowhere/key.json` cannot be read",
        ),
        (Some("http://bq.example.com"), json!({}), "`base_url` of connection `wh` is `http://`"),
        (
            None,
            json!({"storage_read_url": "http://bq.example.com"}),
            "`storage_read_url` of connection `wh` is",
        ),
    ] {
        let error = config(base_url, values).err().unwrap();
        assert!(error.kind == Kind::Config && error.message.contains(what), "{what}: {error}");
        assert!(error.message.contains("connection `wh`") && error.hint.is_some(), "{error}");
    }
}

fn file(content: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.json");
    std::fs::write(&path, content).unwrap();
    let path = path.to_string_lossy().into_owned();
    (folder, path)
}

#[test]
fn a_file_of_credentials_goes_by_its_type_and_its_secrets_are_never_printed() {
    for (content, what) in [
        ("-----BEGIN", "is no JSON"),
        ("{}", "has no `type`"),
        (r#"{"type": "magic", "private_key": "s3cret"}"#, "is of a `type` that is not known"),
    ] {
        let (_folder, path) = file(content);
        let error = config(None, json!({"credentials": path})).err().unwrap();
        assert!(error.message.contains(what) && !error.message.contains("s3cret"), "{error}");
    }
    let user = json!({"type": "authorized_user", "client_id": "id", "client_secret": "s3cret", "refresh_token": "t0ken"});
    let federation = json!({
        "type": "external_account", "audience": "//iam.googleapis.com/x", "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": "https://sts.googleapis.com/v1/token", "credential_source": {"file": "/tmp/token"},
    });
    let acting = json!({
        "type": "impersonated_service_account", "source_credentials": user,
        "service_account_impersonation_url": "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/o@a.iam:generateAccessToken",
    });
    for known in [user.clone(), federation, acting] {
        assert!(built(&known, json!({})).is_ok(), "{known}");
    }
    assert!(built(&user, json!({"impersonate": "o@a.iam.gserviceaccount.com"})).is_ok());
    let broken = json!({"type": "service_account", "client_email": "o@a", "private_key_id": "k1", "private_key": "s3cret", "project_id": "p"});
    let error = built(&broken, json!({})).err();
    assert!(error.as_ref().is_none_or(|error| !error.contains("s3cret")), "{error:?}");

    let (_folder, path) = file(&user.to_string());
    let config = config(None, json!({"credentials": path})).unwrap();
    let said = config.error(Kind::Auth, "Google does not take t0ken or s3cret").message;
    assert_eq!(said, "connection `wh` (bigquery): Google does not take [hidden] or [hidden]");
}

/// Made, without a request.
fn built(key: &Json, mut values: Json) -> Result<(), String> {
    let (_folder, path) = file(&key.to_string());
    values["credentials"] = json!(path);
    let config = config(None, values).map_err(|error| error.message)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _entered = runtime.enter();
    login::credentials(&config).map(drop).map_err(|error| error.message)
}
