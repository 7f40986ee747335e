//! A server that is too busy: fewer requests at once, and not all of them again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use tokio::sync::Barrier;

use super::server::{Server, answer};
use super::*;

/// Requests in flight at a server, and the most since it was asked last.
#[derive(Default)]
struct Gauge {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Gauge {
    async fn hold(&self, time: Duration) {
        self.most.fetch_max(self.now.fetch_add(1, SeqCst) + 1, SeqCst);
        tokio::time::sleep(time).await;
        self.now.fetch_sub(1, SeqCst);
    }

    fn most(&self) -> usize {
        self.most.swap(0, SeqCst)
    }
}

/// So many tasks that send so many requests each.
async fn crowd(client: &HttpClient, tasks: usize, each: usize) {
    let send = |client: HttpClient| async move {
        for _ in 0..each {
            client.send(&write(true)).await.unwrap();
        }
    };
    let tasks: Vec<_> = (0..tasks).map(|_| tokio::spawn(send(client.clone()))).collect();
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn a_busy_server_gets_half_as_many_at_once_until_it_answers_well() {
    for line in ["503 Busy\r\nretry-after: 0", "429 Slow\r\nretry-after: 0"] {
        let (gauge, arrived) = (Arc::new(Gauge::default()), Arc::new(AtomicUsize::new(0)));
        let together = Arc::new(Barrier::new(4));
        let server = Server::start({
            let gauge = gauge.clone();
            move |_| {
                let (gauge, arrived, together) = (gauge.clone(), arrived.clone(), together.clone());
                async move {
                    if arrived.fetch_add(1, SeqCst) < 4 {
                        together.wait().await;
                        return answer(line, "");
                    }
                    gauge.hold(Duration::from_millis(20)).await;
                    answer("200 OK", "{}")
                }
            }
        })
        .await;
        let client = client_of(&server.url, unlimited(), POLICY, Credentials::none());
        // All four arrive together, or the server would never answer; then all are refused.
        crowd(&client, 4, 1).await;
        assert_eq!(gauge.most(), 2, "halved once, for one event");
        crowd(&client, 8, 10).await;
        assert_eq!(gauge.most(), 4, "grown back to what is permitted");
    }
}

fn unlimited() -> Limits {
    let requests = Some(RateLimit { requests: 10_000, per: Duration::from_millis(1) });
    Limits { requests, ..Limits::default() }
}

#[tokio::test]
async fn a_server_that_is_down_is_not_asked_by_everybody_again_and_again() {
    let server = Server::start(|_| async { answer("503 Down\r\nretry-after: 0", "") }).await;
    let client = client_of(&server.url, unlimited(), POLICY, Credentials::none());
    for _ in 0..60 {
        let error = client.send(&write(true)).await.unwrap_err();
        assert_eq!((error.kind, error.retry), (Kind::Unavailable, Retry::Exhausted), "{error:?}");
    }
    // Each of 60 might be sent three times. 50 repeats are there from the start, and ten requests bring one.
    assert_eq!(server.count("POST /batch"), 60 + 50 + 5);
    let error = client.send(&write(true)).await.unwrap_err();
    assert!(error.hint.unwrap().contains("fails so often"));
}

#[tokio::test]
async fn refusals_for_the_rate_are_waited_out_however_many() {
    let asked = Arc::new(AtomicUsize::new(0));
    let server = Server::start(move |_| {
        let refused = asked.fetch_add(1, SeqCst).is_multiple_of(2);
        async move { if refused { answer("429 Slow\r\nretry-after: 0", "") } else { answer("200 OK", "{}") } }
    })
    .await;
    let client = client_of(&server.url, unlimited(), POLICY, Credentials::none());
    crowd(&client, 1, 60).await;
    assert_eq!(server.count("POST /batch"), 120);
}

#[tokio::test]
async fn a_window_that_is_used_up_is_left_alone_until_it_has_room_again() {
    for line in ["200 OK\r\nratelimit-remaining: 0\r\nratelimit-reset: 1", "429 Slow\r\nx-ratelimit-reset: 1"]
    {
        let asked = Arc::new(AtomicUsize::new(0));
        let server = Server::start(move |_| {
            let first = asked.fetch_add(1, SeqCst) == 0;
            async move { answer(if first { line } else { "200 OK" }, "{}") }
        })
        .await;
        let setup = setup(&server.url, unlimited(), POLICY, Credentials::none());
        let client =
            HttpClient::new(Setup { vendor: Vendor { observe: Observed::usual, ..VENDOR }, ..setup });
        let (client, start) = (client.unwrap(), std::time::Instant::now());
        client.send(&Request::get("/x")).await.unwrap();
        client.send(&Request::get("/x")).await.unwrap();
        assert!(start.elapsed() >= Duration::from_secs(1), "{line}: {:?}", start.elapsed());
    }
}
