//! What deliveries come to where the other side is not what it should be: other credentials than expected, endless pages,
//! a redirect, no TLS, much patience asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use super::{Access, PATIENCE, Rig, Subject, is_applied, is_open, making, no_limits, submit_to};
use crate::contract::{Change, ConnectorError, Kind, Outcome};

/// Credentials that end in the middle of a run: what was delivered stands, nothing more is, and nobody asks twice.
pub(super) async fn credentials_that_end_stop_the_rest(subject: &Subject) {
    let faults = json!([{"do": "status", "code": 401}]);
    let rig = Rig::start(subject, no_limits(), faults).await;
    let error = rig.make(1).await.expect_err("the credentials are refused");
    let requests = rig.requests("reads") + rig.requests("writes");
    assert_eq!((error.kind, requests, rig.living().await), (Kind::Auth, 1, 0), "{error:?}");
    rig.stop().await;
}

/// A token that can be renewed is, once; where the new one is refused too, that is final.
pub(super) async fn a_token_that_expires_is_renewed_once(subject: &Subject) {
    if !subject.renews {
        return;
    }
    let faults = json!([{"do": "status", "code": 401, "times": 1, "path": subject.written_at}]);
    let rig = Rig::with(subject, no_limits(), faults, (Access::Renewing, PATIENCE)).await;
    let outcomes = rig.make(1).await.expect("delivered with a new token");
    assert!(is_applied(&outcomes[0]), "{outcomes:?}");
    assert_eq!((rig.requests("writes"), rig.living().await), (2, 1));
    rig.stop().await;

    let faults = json!([{"do": "status", "code": 401, "path": subject.written_at}]);
    let rig = Rig::with(subject, no_limits(), faults, (Access::Renewing, PATIENCE)).await;
    let error = rig.make(1).await.expect_err("the new token is refused, too");
    assert_eq!((error.kind, rig.requests("writes")), (Kind::Auth, 2), "{error:?}");
    rig.stop().await;
}

/// Slow, but within the time for an answer: nothing is sent twice.
pub(super) async fn a_slow_answer_is_waited_for(subject: &Subject) {
    let rig = Rig::start(subject, no_limits(), json!([{"do": "delay", "ms": 300}])).await;
    let outcomes = rig.make(1).await.expect("delivered");
    assert!(is_applied(&outcomes[0]), "{outcomes:?}");
    assert_eq!((rig.requests("writes"), rig.living().await), (1, 1));
    rig.stop().await;
}

/// Three times as many requests as a window allows, some at once, by the server's own clock. Where nobody states a rate,
/// the first refusal is what tells of it.
pub(super) async fn no_window_of_the_server_is_too_full(subject: &Subject) {
    const LIMIT: usize = 10;
    const WINDOW: Duration = Duration::from_secs(1);
    // A machine that stands still for longer than the sender's margin may once deliver two requests too close together.
    for left in (0..3).rev() {
        let rig = Rig::start(subject, json!({"requests": format!("{LIMIT}/1s")}), json!([])).await;
        let known = rig.destination.capabilities(&subject.target).expect("the target is known").rate;
        if known.is_none() {
            return rig.stop().await;
        }
        rig.destination.account().await.expect("the account answers, and its answer carries the limits");
        let mut number = 0;
        while number < 3 * LIMIT {
            let (a, b) = tokio::join!(rig.make(number), rig.make(number + 1));
            for result in [a, b] {
                let outcomes = result.expect("delivered");
                assert!(is_applied(&outcomes[0]), "{outcomes:?}");
            }
            number += 2;
        }
        assert_eq!(rig.living().await, 3 * LIMIT);
        let most = densest(&rig.sandbox.arrivals(), WINDOW);
        rig.stop().await;
        if most <= LIMIT {
            return;
        }
        assert!(left > 0, "{most} requests arrived in one window of {LIMIT}, three times running");
    }
}

/// The most times in any half-open window of this length.
fn densest(times: &[Instant], window: Duration) -> usize {
    let inside =
        |(at, from): (usize, &Instant)| times[at..].iter().take_while(|time| **time < *from + window).count();
    times.iter().enumerate().map(inside).max().unwrap_or(0)
}

/// An error page of 100 MB: its status is the answer, little of it is taken, and the message stays short.
pub(super) async fn an_endless_error_page_is_left(subject: &Subject) {
    for (status, known) in [("500 Oops", false), ("403 No", true)] {
        let server =
            Hostile::start(format!("HTTP/1.1 {status}\r\nconnection: close\r\n\r\n"), 100 << 20).await;
        let result = deliver(subject, &server.url).await;
        match &result {
            // Some turn away too many requests so, before they look at them.
            Err(error) if known => {
                assert!(matches!(error.kind, Kind::Auth | Kind::RateLimited), "{error:?}");
            }
            result => assert!(is_open(result), "{status}: {result:?}"),
        }
        if let Err(error) = &result {
            assert!(error.message.len() < 1000, "{} bytes", error.message.len());
        }
        let each = server.sent.load(SeqCst) / server.requests.load(SeqCst).max(1);
        assert!(each < 20 << 20, "{each} bytes of each page were taken");
    }
}

/// A redirect is not followed: nobody but the configured host gets rows or credentials.
pub(super) async fn a_redirect_is_not_followed(subject: &Subject) {
    let other = Hostile::start("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_owned(), 0).await;
    for status in ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"] {
        let head = format!(
            "HTTP/1.1 {status}\r\nlocation: {}/elsewhere\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            other.url
        );
        let server = Hostile::start(head, 0).await;
        let error = deliver(subject, &server.url).await.expect_err("nothing was delivered");
        assert_eq!(error.kind, Kind::Config, "{status}: {error:?}");
        assert_eq!((server.requests.load(SeqCst), other.requests.load(SeqCst)), (1, 0), "{status}");
    }
}

/// Where no TLS is spoken nothing is sent, so nothing can have happened.
pub(super) async fn without_tls_nothing_is_sent(subject: &Subject) {
    let server = Hostile::start("HTTP/1.1 400 Bad\r\nconnection: close\r\n\r\n".to_owned(), 0).await;
    let url = server.url.replace("http://", "https://");
    let error = deliver(subject, &url).await.expect_err("nothing was delivered");
    assert!(matches!(error.kind, Kind::Unavailable | Kind::Config), "{error:?}");
    assert_eq!(server.rows.load(SeqCst), 0, "no request came through");
}

async fn deliver(subject: &Subject, url: &str) -> Result<Vec<Outcome>, ConnectorError> {
    let destination = (subject.connect)(url, Access::Good, PATIENCE);
    let changes: Vec<Change> = vec![(subject.good)(making(&*destination, &subject.target), 1)];
    submit_to(&*destination, &subject.target, changes).await
}

/// A server that says the same to everybody.
struct Hostile {
    url: String,
    requests: Arc<AtomicUsize>,
    /// Of them, those that were readable as HTTP.
    rows: Arc<AtomicUsize>,
    /// Bytes of pages that were taken.
    sent: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Hostile {
    /// Answers with this head and a page of so many bytes.
    async fn start(head: String, page: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let [requests, rows, sent] = [(); 3].map(|()| Arc::<AtomicUsize>::default());
        let counts = [requests.clone(), rows.clone(), sent.clone()];
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (head, [requests, rows, sent]) = (head.clone(), counts.clone());
                tokio::spawn(async move {
                    requests.fetch_add(1, SeqCst);
                    let mut request = [0; 16 * 1024];
                    let length = stream.read(&mut request).await.unwrap_or(0);
                    if request[..length].windows(8).any(|part| part == b"HTTP/1.1") {
                        rows.fetch_add(1, SeqCst);
                    }
                    let mut fine = stream.write_all(head.as_bytes()).await.is_ok();
                    let (part, mut left) = (vec![b'x'; 64 * 1024], page);
                    while fine && left > 0 {
                        fine = stream.write_all(&part).await.is_ok();
                        left = left.saturating_sub(part.len());
                        sent.fetch_add(part.len(), SeqCst);
                    }
                });
            }
        });
        Hostile { url, requests, rows, sent, task: task.abort_handle() }
    }
}
