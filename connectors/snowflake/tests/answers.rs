//! What is made of Snowflake's answers, by a server of a few lines that gives the one that a test is about.

use std::collections::BTreeSet;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;

use super::*;
use crate::contract::{Kind, Retry};
use crate::snowflake::{errors, playbook};

const TOKEN: &str = r#"{"success":true,"data":{"token":"top-secret"}}"#;

/// Answers each login and each query with one text.
async fn server(status: u16, login: &str, query: &str) -> String {
    let answer = |status: u16, text: &str| {
        let (status, text) = (StatusCode::from_u16(status).unwrap(), text.to_owned());
        post(async move || (status, text))
    };
    let routes = Router::new()
        .route("/session/v1/login-request", answer(status, login))
        .route("/queries/v1/query-request", answer(200, query));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    address
}

async fn failure(address: &str) -> ConnectorError {
    let source = open(with(json!({})), Some(address)).unwrap();
    let error = shape(&*source, "select 1").await.unwrap_err();
    let printed = format!("{error:?} {error} {:?}", error.hint);
    assert!(!printed.contains("top-secret"), "{printed}");
    assert!(std::error::Error::source(&error).is_none(), "what the client says may hold secrets");
    error
}

#[tokio::test]
async fn a_refused_login_says_who_must_do_what() {
    for (said, code, hint) in [
        ("Incorrect username or password was specified.", "390100", "check `user`"),
        ("JWT token is invalid. [8f1c]", "390144", "rsa_public_key"),
        ("OAuth access token expired. [5c0f]", "390318", "fresh token"),
        ("Invalid OAuth access token. [5c0f]", "390303", "token_type"),
        (
            "Incoming request with IP/Token 10.1.2.3 is not allowed to access Snowflake.",
            "390422",
            "network policy",
        ),
        (
            "Role 'X' specified in the connect string does not exist or not authorized.",
            "390189",
            "grant role",
        ),
        ("User temporarily locked. Try again later.", "390102", "wait"),
        ("Multi-factor authentication is required.", "LOGIN_REFUSED", "login_history"),
    ] {
        let answer = json!({"success": false, "data": null, "code": "390000", "message": said}).to_string();
        let error = failure(&server(200, &answer, "").await).await;
        assert_eq!((error.kind, error.code.as_deref(), error.retry), (Kind::Auth, Some(code), Retry::Never));
        assert!(error.message.contains("user `reader`") && error.message.contains(said), "{error}");
        assert!(error.hint.as_deref().unwrap().contains(hint), "{:?}", error.hint);
    }
}

#[tokio::test]
async fn a_host_that_is_no_account_is_told_from_one_that_is_away() {
    for (status, kind) in [
        (403, Kind::Config),
        (404, Kind::Config),
        (429, Kind::RateLimited),
        (500, Kind::Unavailable),
        (503, Kind::Unavailable),
    ] {
        let error = failure(&server(status, "<html>top-secret</html>", "").await).await;
        assert_eq!(error.kind, kind, "{status}: {error}");
    }
    let gone = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let error = failure(&gone).await;
    assert!(error.kind == Kind::Unavailable && error.message.contains("could not be reached"), "{error}");
    assert!(error.message.contains("refused"), "the cause is named: {error}");
}

#[tokio::test]
async fn an_answer_that_is_none_of_snowflakes_is_not_quoted() {
    for login in ["top-secret", r#"{"success":true,"data":{"token":"top-secret""#, r#"{"success":true}"#] {
        let error = failure(&server(200, login, "").await).await;
        assert_eq!(error.kind, Kind::Internal, "{error}");
    }
    let error = failure(&server(200, TOKEN, r#"{"token": "top-secret"}"#).await).await;
    assert!(error.kind == Kind::Internal && error.message.contains("could not be read"), "{error}");
    let arrow =
        json!({"success": true, "data": {"queryId": "q", "queryResultFormat": "arrow", "rowtype": []}});
    let error = failure(&server(200, TOKEN, &arrow.to_string()).await).await;
    assert!(error.message.contains("unsupported result format"), "{error}");
}

#[tokio::test]
async fn a_refused_query_says_who_must_do_what() {
    for (code, kind, hint) in [
        ("001003", Kind::Config, "worksheet"),
        ("002003", Kind::Config, "`select` on the table"),
        ("000606", Kind::Config, "set `warehouse`"),
        ("000605", Kind::Unavailable, "auto_resume"),
        ("000604", Kind::Unavailable, "cancelled"),
        ("000630", Kind::Config, "statement_timeout"),
        ("003001", Kind::Auth, "grant"),
        ("090073", Kind::Quota, "resource monitor"),
        ("390112", Kind::Unavailable, "an hour"),
        ("100038", Kind::Config, "worksheet"),
    ] {
        let answer = json!({
            "success": false, "code": code, "message": "SQL compilation error:\nline 1 at position 7",
            "data": {"queryId": "01b2-3", "sqlState": "42000"}
        });
        let error = failure(&server(200, TOKEN, &answer.to_string()).await).await;
        assert_eq!((error.kind, error.code.as_deref()), (kind, Some(code)), "{error}");
        assert!(error.message.contains("SQL compilation error: line 1 at position 7"), "{error}");
        assert!(error.hint.as_deref().unwrap().contains(hint), "{code}: {:?}", error.hint);
        assert_eq!(error.context, [("query id", "01b2-3".to_owned())]);
    }
}

#[tokio::test]
async fn nothing_that_may_write_is_sent() {
    let source = open(with(json!({})), Some("http://127.0.0.1:1")).unwrap();
    for (sql, part) in [
        ("delete from t", "`delete` is not a query"),
        ("call f()", "`call` is not a query"),
        ("", "is empty"),
        ("with p as procedure () returns int language sql as $$ begin end $$ call p()", "procedure"),
        ("with p AS\nPROCEDURE() returns int as $$ $$ call p()", "procedure"),
    ] {
        let error = shape(&*source, sql).await.unwrap_err();
        assert!(error.kind == Kind::Config && error.message.contains(part), "{sql}: {error}");
        let mut keep = crate::testing::Keep::all();
        let query = Query::Sql(sql.to_owned());
        assert!(source.extract(&query, &context(), &mut keep).await.is_err(), "{sql}");
    }
}

#[test]
fn every_known_code_is_explained() {
    let known: BTreeSet<&str> = errors::known_codes().into_iter().collect();
    let explained: BTreeSet<&str> = playbook::ENTRIES.iter().map(|entry| entry.code).collect();
    assert_eq!(known, explained);
    assert_eq!(explained.len(), playbook::ENTRIES.len(), "each once");
}
