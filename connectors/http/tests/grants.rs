//! Tokens of an OAuth grant: when they are asked for, how often, and that nobody sees them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use super::server::{Seen, Server, answer};
use super::*;
use crate::http::{Assertion, ClientAuth, Grant, GrantKind};

const ASK: &str = "POST /oauth/token";

/// Grants `token-1`, `token-2` and so on, each for so many seconds, and refuses all tokens up to this number, and those
/// that were never granted.
async fn oauth(lives: f64, refused: Arc<AtomicUsize>) -> Server {
    let granted = Arc::new(AtomicUsize::new(0));
    Server::start(move |seen: Seen| {
        let (granted, refused) = (granted.clone(), refused.clone());
        async move {
            if seen.line == ASK {
                tokio::time::sleep(Duration::from_millis(20)).await;
                let n = granted.fetch_add(1, SeqCst) + 1;
                let body = format!(
                    r#"{{"access_token":"access-token-{n}","expires_in":{lives},"refresh_token":"refresh-{}"}}"#,
                    n + 1
                );
                return answer("200 OK", &body);
            }
            let token = seen.header("authorization").unwrap_or_default().to_owned();
            let number: usize =
                token.strip_prefix("Bearer access-token-").map_or(0, |number| number.parse().unwrap());
            if number > refused.load(SeqCst) && number <= granted.load(SeqCst) {
                return answer("200 OK", "{}");
            }
            answer("401 No", &format!(r#"{{"message":"expired: {token}"}}"#))
        }
    })
    .await
}

fn grant(url: &str, kind: GrantKind, client_auth: ClientAuth) -> Credentials {
    Credentials::grant(Grant {
        token_url: BaseUrl::parse(&format!("{url}/oauth/token"), "crm").unwrap(),
        kind,
        client_id: "client-id".to_owned(),
        client_secret: SecretString::from("very-secret-client"),
        scope: None,
        client_auth,
        base: None,
        explain: None,
    })
}

fn refreshing(server: &Server) -> HttpClient {
    let kind = GrantKind::RefreshToken(SecretString::from("refresh-1"));
    client_as(&server.url, grant(&server.url, kind, ClientAuth::Form))
}

fn none_refused() -> Arc<AtomicUsize> {
    Arc::default()
}

#[tokio::test]
async fn a_token_is_asked_for_when_it_is_needed_and_kept() {
    let server = oauth(1800.0, none_refused()).await;
    let client = refreshing(&server);
    assert_eq!(server.count(ASK), 0);
    for _ in 0..3 {
        client.send(&write(false)).await.unwrap();
    }
    assert_eq!(server.count(ASK), 1);
    let form = "grant_type=refresh_token&refresh_token=refresh-1&client_id=client-id&client_secret=very-secret-client";
    assert_eq!(server.seen.lock().unwrap()[0].body, form);
    let traffic = client.traffic();
    assert_eq!((traffic.writes, traffic.reads, traffic.retries), (3, 1, 0));
}

#[tokio::test]
async fn a_token_is_renewed_ahead_of_its_end_with_the_refresh_token_in_force() {
    // Due after four fifths of its life.
    let server = oauth(0.25, none_refused()).await;
    let client = refreshing(&server);
    client.send(&write(false)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(210)).await;
    client.send(&write(false)).await.unwrap();
    assert_eq!(server.count(ASK), 2);
    let bodies: Vec<String> = server.seen.lock().unwrap().iter().map(|seen| seen.body.clone()).collect();
    assert!(bodies.iter().any(|body| body.contains("refresh_token=refresh-2")), "{bodies:?}");
    assert_eq!(client.traffic().retries, 0, "nothing had to be refused first");
}

#[tokio::test]
async fn many_that_meet_an_expired_token_cause_one_renewal() {
    let refused = none_refused();
    let server = oauth(1800.0, refused.clone()).await;
    let client = refreshing(&server);
    client.send(&write(false)).await.unwrap();
    refused.store(1, SeqCst);
    let sends = (0..4).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { client.send(&write(false)).await.map(drop) })
    });
    for send in sends.collect::<Vec<_>>() {
        send.await.unwrap().unwrap();
    }
    assert_eq!(server.count(ASK), 2);
}

#[tokio::test]
async fn a_token_that_is_refused_again_is_final() {
    let refused = Arc::new(AtomicUsize::new(99));
    let server = oauth(1800.0, refused).await;
    let client = refreshing(&server);
    let error = client.send(&write(true)).await.unwrap_err();
    assert_eq!((error.kind, error.retry), (Kind::Auth, Retry::Never), "{error:?}");
    assert_eq!((server.count(ASK), server.count("POST /batch")), (2, 2));
    assert!(
        error.message.contains("[secret]") && !format!("{error:?}").contains("access-token"),
        "{error:?}"
    );
    // Whoever asks all the same causes one token request at most.
    client.send(&write(true)).await.unwrap_err();
    assert_eq!((server.count(ASK), server.count("POST /batch")), (3, 3));
}

#[tokio::test]
async fn a_renewal_goes_on_when_whoever_began_it_is_cancelled() {
    let server = oauth(1800.0, none_refused()).await;
    let client = refreshing(&server);
    let begun = tokio::spawn({
        let client = client.clone();
        async move { client.send(&write(false)).await.map(drop) }
    });
    while server.count(ASK) == 0 {
        tokio::task::yield_now().await;
    }
    begun.abort();
    client.send(&write(false)).await.unwrap();
    assert_eq!((server.count(ASK), server.count("POST /batch")), (1, 1));
}

#[tokio::test]
async fn client_credentials_can_go_by_basic_authentication() {
    let server = oauth(1800.0, none_refused()).await;
    let credentials = grant(&server.url, GrantKind::ClientCredentials, ClientAuth::Basic);
    client_as(&server.url, credentials).send(&Request::get("/x")).await.unwrap();
    let ask = server.seen.lock().unwrap()[0].clone();
    assert_eq!(ask.body, "grant_type=client_credentials");
    assert_eq!(ask.header("authorization"), Some("Basic Y2xpZW50LWlkOnZlcnktc2VjcmV0LWNsaWVudA=="));
}

#[tokio::test]
async fn client_credentials_can_go_by_the_address() {
    let server = Server::start(|seen: Seen| async move {
        match seen.line.starts_with("GET /oauth/token?") {
            true => answer("200 OK", r#"{"access_token":"access-token-1","expires_in":1800}"#),
            false => answer("200 OK", "{}"),
        }
    })
    .await;
    let credentials = grant(&server.url, GrantKind::ClientCredentials, ClientAuth::Query);
    client_as(&server.url, credentials).send(&Request::get("/x")).await.unwrap();
    let seen = server.seen.lock().unwrap().clone();
    let query = "grant_type=client_credentials&client_id=client-id&client_secret=very-secret-client";
    assert_eq!(
        (seen[0].line.as_str(), seen[0].body.as_str()),
        (format!("GET /oauth/token?{query}").as_str(), "")
    );
    assert_eq!(seen[1].header("authorization"), Some("Bearer access-token-1"));
}

#[tokio::test]
async fn refused_credentials_are_tried_once_and_trouble_is_waited_out() {
    for (line, body, kind, asked) in [
        ("400 No", r#"{"error":"invalid_grant","error_description":"refresh-1 is old"}"#, Kind::Auth, 1),
        ("404 No", "", Kind::Config, 1),
        ("200 OK", "<html>sign in</html>", Kind::Unavailable, 3),
        ("200 OK", r#"{"success":true}"#, Kind::Unavailable, 3),
        // The vendor's own verdict.
        ("200 OK", r#"{"policyName":"DAILY"}"#, Kind::Quota, 1),
        ("503 Busy\r\nretry-after: 0", "", Kind::Unavailable, 3),
        ("429 Slow\r\nretry-after: 0", "", Kind::RateLimited, 3),
    ] {
        let server = Server::start(move |_| async move { answer(line, body) }).await;
        let kind_of_grant = GrantKind::RefreshToken(SecretString::from("refresh-1"));
        let client = client_as(&server.url, grant(&server.url, kind_of_grant, ClientAuth::Form));
        let error = client.send(&write(false)).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error:?}");
        assert_eq!((server.count(ASK), server.count("POST /batch")), (asked, 0), "{error:?}");
        assert!(!error.message.contains("refresh-1"), "{error}");
    }
}

#[tokio::test]
async fn a_token_request_keeps_the_window_of_the_same_host() {
    let server = oauth(1800.0, none_refused()).await;
    let limits = Limits {
        requests: Some(RateLimit { requests: 1, per: Duration::from_millis(300) }),
        ..Limits::default()
    };
    let credentials = grant(&server.url, GrantKind::ClientCredentials, ClientAuth::Form);
    let start = std::time::Instant::now();
    client_of(&server.url, limits, POLICY, credentials).send(&Request::get("/x")).await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(400), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_request_brings_its_own_headers_and_verdict_but_no_other_credentials() {
    let server = Server::start(|_| async { answer("400 Fine", "done") }).await;
    let mut request = Request::write("/hook", b"a=b".to_vec(), true)
        .content_type("application/x-www-form-urlencoded".parse().unwrap());
    request.headers.insert("authorization", "Bearer mallory".parse().unwrap());
    request.headers.insert("x-trace", "7".parse().unwrap());
    let client = client_as(&server.url, Credentials::bearer(SecretString::from("verysecrettoken")));
    let judge = |answer: &Answer| match answer.plain.as_deref() {
        Some("done") => Verdict::Success,
        _ => Verdict::ByStatus,
    };
    assert_eq!(client.send_judged(&request, &judge).await.unwrap().status, 400);
    let seen = server.seen.lock().unwrap()[0].clone();
    assert_eq!(seen.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(seen.header("x-trace"), Some("7"));
    assert_eq!(seen.header("authorization"), Some("Bearer verysecrettoken"));
    assert_eq!(client.send(&request).await.unwrap_err().kind, Kind::Rejected);
}

/// Grants a token that is good at this address.
async fn naming(address: String) -> Server {
    Server::start(move |seen: Seen| {
        let address = address.clone();
        async move {
            match seen.line.as_str() {
                ASK => answer("200 OK", &format!(r#"{{"access_token":"access-token-1","at":"{address}"}}"#)),
                _ => answer("500 No", "{}"),
            }
        }
    })
    .await
}

fn going_where_it_says(server: &Server) -> HttpClient {
    let read = |body: &serde_json::Value| Some(body["at"].as_str()?.to_owned());
    let app = grant(&server.url, GrantKind::ClientCredentials, ClientAuth::Form).as_grant().cloned().unwrap();
    client_as(&server.url, Credentials::grant(Grant { base: Some(read), ..app }))
}

#[tokio::test]
async fn requests_go_to_the_address_that_the_tokens_answer_names() {
    let api = Server::start(|_: Seen| async { answer("200 OK", "{}") }).await;
    let login = naming(format!("{}/org/", api.url)).await;
    going_where_it_says(&login).send(&write(false)).await.unwrap();
    assert_eq!((login.count(ASK), api.count("POST /org/batch")), (1, 1));
    assert_eq!(api.seen.lock().unwrap()[0].header("authorization"), Some("Bearer access-token-1"));
    assert_eq!(login.seen.lock().unwrap().len(), 1, "nothing else went there");
}

#[tokio::test]
async fn a_token_is_never_sent_in_the_clear_to_where_its_answer_points() {
    for address in ["http://evil.example", "ftp://evil.example", "no address", "https://u:p@evil.example"] {
        let login = naming(address.to_owned()).await;
        let error = going_where_it_says(&login).send(&write(false)).await.unwrap_err();
        assert_eq!((error.kind, login.seen.lock().unwrap().len()), (Kind::Config, 1), "{error:?}");
        assert!(error.message.contains("granted a token for an address"), "{error}");
    }
}

#[tokio::test]
async fn an_assertion_that_is_repeated_by_the_server_is_not_shown() {
    use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
    let login = Server::start(|seen: Seen| async move {
        let signed = seen.body.rsplit_once("assertion=").unwrap().1.to_owned();
        answer("400 No", &format!(r#"{{"error":"invalid_grant","error_description":"not {signed}"}}"#))
    })
    .await;
    let pair = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let body = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, der.as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
    let assertion = Assertion::new(("app", "u@x.io", "aud"), &SecretString::from(pem)).unwrap();
    let kind = GrantKind::Assertion(Arc::new(assertion));
    let client = client_as(&login.url, grant(&login.url, kind, ClientAuth::Form));
    let error = client.send(&write(false)).await.unwrap_err();
    assert_eq!(error.kind, Kind::Auth);
    assert!(
        error.message.contains("the signed assertion is not accepted") && error.message.contains("[secret]"),
        "{error}"
    );
    let form = login.seen.lock().unwrap()[0].body.clone();
    assert!(
        form.starts_with("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=ey"),
        "{form}"
    );
    assert!(!form.contains("client_secret"), "the app is shown by the signature alone: {form}");
}
