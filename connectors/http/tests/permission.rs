//! A write leaves only while its session may write.

use async_trait::async_trait;
use tokio::sync::Semaphore;

use super::*;
use crate::contract::{Permission, Spacing};

/// Permits so many writes, and is open until it is closed.
#[derive(Debug)]
struct Limited {
    left: AtomicUsize,
    closed: Semaphore,
}

impl Limited {
    fn to(writes: usize) -> Arc<Self> {
        Arc::new(Limited { left: AtomicUsize::new(writes), closed: Semaphore::new(0) })
    }

    fn close(&self) {
        self.closed.add_permits(9);
    }
}

#[async_trait]
impl Permission for Limited {
    fn check(&self) -> Result<(), ConnectorError> {
        let taken = self.left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1));
        taken.map(drop).map_err(|_| ConnectorError::new(Kind::Revoked, "the lease is gone"))
    }

    async fn closing(&self) {
        let _ = self.closed.acquire().await;
    }
}

const BUSY: Act =
    Act::Say("HTTP/1.1 503 Busy\r\nretry-after: 0\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");

#[tokio::test]
async fn a_write_that_is_not_permitted_any_more_does_not_leave() {
    for (act, permitted, kind) in [
        (OK, 0, Kind::Revoked),
        // It was refused before: nothing has happened.
        (BUSY, 1, Kind::Revoked),
        (BUSY, 2, Kind::Revoked),
        (LOST, 1, Kind::Ambiguous),
        (CUT, 2, Kind::Ambiguous),
    ] {
        let server = serve(vec![act]).await;
        let client = client(&server).permitted_by(Limited::to(permitted));
        let error = client.send(&write(true)).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error:?}");
        assert!(error.message.contains("the lease is gone"), "{error}");
        assert_eq!(server.requests.load(SeqCst), permitted, "{error:?}");
        let reads = client.send(&Request::get("/x")).await;
        assert!(!reads.is_err_and(|error| error.kind == Kind::Revoked), "reads go on");
    }
}

#[tokio::test]
async fn what_waits_when_its_session_closes_is_left_unless_it_may_have_had_an_effect() {
    let later =
        status("HTTP/1.1 503 Busy\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    for (first, rest) in [(later, 1), (LOST, 2)] {
        let server = serve(vec![first, OK]).await;
        let permission = Limited::to(9);
        let client = client(&server).permitted_by(permission.clone());
        let request = write(true);
        let (result, ()) = tokio::join!(client.send(&request), async {
            while server.requests.load(SeqCst) == 0 {
                tokio::task::yield_now().await;
            }
            permission.close();
        });
        assert_eq!(server.requests.load(SeqCst), rest, "{result:?}");
        assert_eq!(
            result.map(drop).map_err(|error| error.kind),
            if rest == 1 { Err(Kind::Revoked) } else { Ok(()) }
        );
    }
}

#[tokio::test]
async fn a_closed_session_waits_for_no_turn() {
    let server = serve(vec![OK]).await;
    let requests = Some(RateLimit { requests: 1, per: Duration::from_millis(1_500) });
    let permission = Limited::to(9);
    let client = client_with(&server.url, Limits { requests, ..Limits::default() });
    let client = client.permitted_by(permission.clone());
    client.send(&write(false)).await.unwrap();
    permission.close();
    let error = client.send(&write(true)).await.unwrap_err();
    assert_eq!((error.kind, server.requests.load(SeqCst)), (Kind::Revoked, 1), "{error:?}");
    client.send(&Request::get("/x")).await.unwrap();
}

#[tokio::test]
async fn a_write_belongs_to_a_session() {
    let server = serve(vec![OK]).await;
    let client = without_session(&server.url, Limits::default(), POLICY);
    assert_eq!(client.send(&write(true)).await.unwrap_err().kind, Kind::Internal);
    assert_eq!(server.requests.load(SeqCst), 0);
}

/// Permits all writes, some way apart.
#[derive(Debug)]
struct Spaced(Spacing);

#[async_trait]
impl Permission for Spaced {
    fn check(&self) -> Result<(), ConnectorError> {
        Ok(())
    }

    async fn closing(&self) {
        std::future::pending().await
    }

    fn spacing(&self) -> Option<&Spacing> {
        Some(&self.0)
    }
}

#[tokio::test]
async fn each_attempt_at_a_write_keeps_to_the_rate_of_its_run() {
    let server = serve(vec![BUSY, OK]).await;
    let spacing = Spacing::new(RateLimit { requests: 1, per: Duration::from_millis(300) }).unwrap();
    let permission = Arc::new(Spaced(spacing));
    let (one, other) =
        (client(&server).permitted_by(permission.clone()), client(&server).permitted_by(permission));
    let request = write(true);
    let start = std::time::Instant::now();
    one.send(&request).await.unwrap();
    // Two sessions of one run have one rate.
    let (again, beside) = tokio::join!(one.send(&request), other.send(&request));
    again.and(beside).unwrap();
    assert_eq!(server.requests.load(SeqCst), 4, "the first was refused once");
    assert!(start.elapsed() >= Duration::from_millis(900), "{:?}", start.elapsed());
    // What reads waits for nobody.
    let start = std::time::Instant::now();
    for _ in 0..4 {
        one.send(&Request::get("/x")).await.unwrap();
    }
    assert!(start.elapsed() < Duration::from_millis(900), "{:?}", start.elapsed());
}
