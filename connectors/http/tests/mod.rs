//! The sender against a small server of its own: what is repeated, what never is, and what an error then says.

mod bodies;
mod carried;
mod grants;
mod load;
mod narrow;
mod permission;
mod server;
mod window;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use reqwest::header::HeaderMap;
use secrecy::SecretString;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use super::{
    Answer, BaseUrl, Credentials, HttpClient, Narrow, Observed, Policy, Request, Setup, Vendor, Verdict,
};
use crate::contract::{ConnectorError, Kind, QuotaOwner, RateLimit, Retry, RunContext};
use crate::registry::{DailyCalls, Limits};

/// What the server does with one request.
#[derive(Clone, Copy)]
enum Act {
    /// These bytes, then the connection is closed.
    Say(&'static str),
    /// The same bytes as [`OK`], but only after so many milliseconds.
    Think(u64),
    /// Nothing, for as long as the client waits.
    Hang,
}

const OK: Act = Act::Say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}");
const LOST: Act = Act::Say("");
const CUT: Act =
    Act::Say("HTTP/1.1 200 OK\r\ncontent-length: 900\r\nconnection: close\r\n\r\n{\"results\":[");
const GARBAGE: Act = Act::Say("HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\n<html>");

fn status(line: &'static str) -> Act {
    Act::Say(line)
}

struct Server {
    url: String,
    requests: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Answers the first request with the first act and so on; the last act repeats.
async fn serve(acts: Vec<Act>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(AtomicUsize::new(0));
    let count = requests.clone();
    let task = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let act = acts[count.fetch_add(1, SeqCst).min(acts.len() - 1)];
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                match act {
                    Act::Say(text) => {
                        let _ = stream.write_all(text.as_bytes()).await;
                        let _ = stream.shutdown().await;
                    }
                    Act::Think(millis) => {
                        tokio::time::sleep(Duration::from_millis(millis)).await;
                        let Act::Say(text) = OK else { return };
                        let _ = stream.write_all(text.as_bytes()).await;
                    }
                    Act::Hang => tokio::time::sleep(Duration::from_secs(60)).await,
                }
            });
        }
    });
    Server { url, requests, task: task.abort_handle() }
}

fn judge(answer: &Answer) -> Option<ConnectorError> {
    (answer.text("policyName") == Some("DAILY")).then(|| ConnectorError::new(Kind::Quota, "daily limit"))
}

fn observe(_: &HeaderMap) -> Observed {
    Observed::default()
}

const POLICY: Policy = Policy {
    // Only a hanging server is ever waited for so long.
    timeout: Duration::from_secs(20),
    attempts: 3,
    first_pause: Duration::from_millis(1),
    longest_pause: Duration::from_millis(4),
    longest_wait: Duration::from_secs(2),
};

fn client_with(url: &str, limits: Limits) -> HttpClient {
    client_for(url, limits, POLICY)
}

fn client_for(url: &str, limits: Limits, policy: Policy) -> HttpClient {
    without_session(url, limits, policy).permitted_by(RunContext::alone("run", "sync").permission)
}

fn without_session(url: &str, limits: Limits, policy: Policy) -> HttpClient {
    made(url, limits, policy, Credentials::bearer(SecretString::from("verysecrettoken")))
}

fn client_as(url: &str, credentials: Credentials) -> HttpClient {
    client_of(url, Limits::default(), POLICY, credentials)
}

fn client_of(url: &str, limits: Limits, policy: Policy, credentials: Credentials) -> HttpClient {
    made(url, limits, policy, credentials).permitted_by(RunContext::alone("run", "sync").permission)
}

fn made(url: &str, limits: Limits, policy: Policy, credentials: Credentials) -> HttpClient {
    HttpClient::new(setup(url, limits, policy, credentials)).unwrap()
}

const VENDOR: Vendor = Vendor { title: "Acme", request_id: "x-request-id", judge, observe };

fn setup(url: &str, limits: Limits, policy: Policy, credentials: Credentials) -> Setup {
    Setup {
        vendor: VENDOR,
        base_url: BaseUrl::parse(url, "crm").unwrap(),
        owner: QuotaOwner(url.to_owned()),
        limits,
        start_rate: Some(RateLimit { requests: 50, per: Duration::from_millis(200) }),
        in_flight: 4,
        credentials,
        ca_file: None,
        policy,
    }
}

fn client(server: &Server) -> HttpClient {
    client_with(&server.url, Limits::default())
}

fn write(repeatable: bool) -> Request {
    Request::write("/batch", b"{}".to_vec(), repeatable)
}

#[tokio::test]
async fn too_many_requests_then_well() {
    let server = serve(vec![
        status("HTTP/1.1 429 Slow\r\nretry-after: 0\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"),
        OK,
    ])
    .await;
    let client = client(&server);
    client.send(&write(false)).await.unwrap();
    let traffic = client.traffic();
    assert_eq!((traffic.writes, traffic.retries, traffic.bytes, traffic.reads), (2, 1, 4, 0));
}

#[tokio::test]
async fn a_lost_answer_is_repeated_only_where_that_is_safe() {
    for act in [LOST, CUT, GARBAGE] {
        let server = serve(vec![act, OK]).await;
        client(&server).send(&write(true)).await.unwrap();
        assert_eq!(server.requests.load(SeqCst), 2);

        let server = serve(vec![act, OK]).await;
        let error = client(&server).send(&write(false)).await.unwrap_err();
        assert_eq!((error.kind, error.retry), (Kind::Ambiguous, Retry::Never), "{error:?}");
        assert_eq!(server.requests.load(SeqCst), 1);

        let server = serve(vec![act]).await;
        let error = client(&server).send(&write(true)).await.unwrap_err();
        assert_eq!((error.kind, error.retry), (Kind::Ambiguous, Retry::Exhausted), "{error:?}");
        assert_eq!(server.requests.load(SeqCst), 3);
    }
}

#[tokio::test]
async fn a_server_that_hangs_is_left_and_asked_again() {
    let patience = |millis| Policy { timeout: Duration::from_millis(millis), ..POLICY };
    let server = serve(vec![Act::Hang, OK]).await;
    client_for(&server.url, Limits::default(), patience(1000)).send(&write(true)).await.unwrap();

    let server = serve(vec![Act::Hang]).await;
    let client = client_for(&server.url, Limits::default(), patience(50));
    let error = client.send(&write(false)).await.unwrap_err();
    assert_eq!((error.kind, error.retry), (Kind::Ambiguous, Retry::Never), "{error:?}");
    let error = client.send(&write(true)).await.unwrap_err();
    assert_eq!((error.kind, error.retry), (Kind::Ambiguous, Retry::Exhausted), "{error:?}");
    assert!(error.message.contains("50 ms"), "{error}");
    assert_eq!(client.traffic().writes, 4);
}

#[tokio::test]
async fn a_refusal_after_a_lost_answer_proves_nothing() {
    let refusal =
        status("HTTP/1.1 400 Bad\r\ncontent-length: 17\r\nconnection: close\r\n\r\n{\"message\":\"bad\"}");
    let server = serve(vec![LOST, refusal]).await;
    let error = client(&server).send(&write(true)).await.unwrap_err();
    assert_eq!(error.kind, Kind::Ambiguous, "{error:?}");
    assert!(error.message.contains("bad"), "{error}");
    let server = serve(vec![refusal]).await;
    assert_eq!(client(&server).send(&write(true)).await.unwrap_err().kind, Kind::Rejected);
}

#[tokio::test]
async fn a_read_without_an_answer_leaves_no_doubt() {
    let server = serve(vec![LOST]).await;
    let error = client(&server).send(&Request::get("/x")).await.unwrap_err();
    assert_eq!((error.kind, error.retry), (Kind::Unavailable, Retry::Exhausted));
    assert_eq!(server.requests.load(SeqCst), 3);
}

#[tokio::test]
async fn server_errors_of_a_create_are_never_repeated() {
    let broken = status("HTTP/1.1 500 Oops\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let server = serve(vec![broken, OK]).await;
    assert_eq!(client(&server).send(&write(false)).await.unwrap_err().kind, Kind::Ambiguous);
    let server = serve(vec![broken, OK]).await;
    client(&server).send(&write(true)).await.unwrap();
}

#[tokio::test]
async fn bad_credentials_are_tried_once_and_never_shown() {
    let answer = status(
        "HTTP/1.1 401 No\r\ncontent-length: 36\r\nconnection: close\r\n\r\n{\"message\":\"no: verysecrettoken !!\"}",
    );
    let server = serve(vec![answer]).await;
    let error = client(&server).send(&Request::get("/x")).await.unwrap_err();
    assert_eq!((error.kind, error.retry), (Kind::Auth, Retry::Never));
    assert_eq!(server.requests.load(SeqCst), 1);
    assert!(error.message.contains("[secret]") && !format!("{error:?}").contains("verysecret"), "{error:?}");
}

#[tokio::test]
async fn a_used_up_day_stops_everything_at_once() {
    let daily = status(
        "HTTP/1.1 429 Slow\r\ncontent-length: 22\r\nconnection: close\r\n\r\n{\"policyName\":\"DAILY\"}",
    );
    let server = serve(vec![daily]).await;
    let client = client(&server);
    assert_eq!(client.send(&write(true)).await.unwrap_err().kind, Kind::Quota);
    assert_eq!(client.send(&write(true)).await.unwrap_err().kind, Kind::Quota);
    assert_eq!(server.requests.load(SeqCst), 1);
}

#[tokio::test]
async fn long_waits_end_the_call_instead() {
    for (line, kind) in [
        (
            "HTTP/1.1 429 Slow\r\nretry-after: 9\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            Kind::Quota,
        ),
        (
            "HTTP/1.1 503 Down\r\nretry-after: 9\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            Kind::Quota,
        ),
        // Nobody knows what a gateway that gave up has passed on.
        (
            "HTTP/1.1 504 Late\r\nretry-after: 9\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            Kind::Ambiguous,
        ),
    ] {
        let server = serve(vec![status(line)]).await;
        let error = client(&server).send(&write(true)).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error:?}");
        assert!(error.message.contains("9 s") && error.hint.is_some(), "{error}");
        assert_eq!(server.requests.load(SeqCst), 1);
    }
}

#[tokio::test]
async fn a_budget_of_calls_counts_retries_too() {
    let server = serve(vec![LOST, OK]).await;
    let client =
        client_with(&server.url, Limits { daily_calls: Some(DailyCalls::Number(2)), ..Limits::default() });
    client.send(&Request::get("/x")).await.unwrap();
    let error = client.send(&Request::get("/x")).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (Kind::Quota, Some("DAILY_BUDGET")));
    assert_eq!(client.traffic().reads, 2);
}

#[tokio::test]
async fn nobody_there_is_unavailable_even_for_a_create() {
    let gone = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let error = client_with(&gone, Limits::default()).send(&write(false)).await.unwrap_err();
    assert_eq!((error.kind, error.retry), (Kind::Unavailable, Retry::Exhausted), "{error:?}");
    let address = gone.trim_start_matches("http://");
    assert!(error.message.contains(&format!("`{address}`")) && error.hint.is_some(), "{error}");
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let server = serve(vec![status(
        "HTTP/1.1 302 Go\r\nlocation: /other\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    )])
    .await;
    let error = client(&server).send(&write(true)).await.unwrap_err();
    assert_eq!(error.kind, Kind::Config);
    assert_eq!(server.requests.load(SeqCst), 1);
}

#[tokio::test]
async fn a_request_that_first_opens_a_connection_counts_from_its_answer() {
    let server = serve(vec![Act::Think(300)]).await;
    let requests = Some(RateLimit { requests: 1, per: Duration::from_millis(400) });
    let client = client_with(&server.url, Limits { requests, ..Limits::default() });
    client.send(&Request::get("/x")).await.unwrap();
    let answered = std::time::Instant::now();
    client.send(&Request::get("/x")).await.unwrap();
    // The window, its margin, and the second answer's time.
    assert!(answered.elapsed() >= Duration::from_millis(400 + 100 + 300 - 20), "{:?}", answered.elapsed());
}
