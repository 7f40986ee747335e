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
