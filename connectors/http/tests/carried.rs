//! Bodies that are made while they are sent: whole at the other end, or seen not to be.

use std::sync::Mutex;

use axum::Router;
use axum::body::Body;
use axum::http::{Request as Asked, StatusCode};
use futures_util::StreamExt;

use super::*;
use crate::http::{Pieces, Sink};

/// So many pieces of 100 kB; then the end, or a failure.
struct Made {
    pieces: usize,
    fails: bool,
}

impl Pieces for Made {
    fn piece(&self, place: usize) -> Result<Option<(Vec<u8>, usize)>, ConnectorError> {
        match (place < self.pieces, self.fails) {
            (true, _) => Ok(Some((vec![b'x'; 100_000], place + 1))),
            (false, false) => Ok(None),
            (false, true) => Err(ConnectorError::new(Kind::Internal, "the spool is gone")),
        }
    }
}

/// A server that reads this share of a body and then answers so; what it saw of each body: bytes, and whether it was whole.
async fn served(reads: usize, status: StatusCode) -> (String, Arc<Mutex<Vec<(usize, bool)>>>) {
    let seen: Arc<Mutex<Vec<(usize, bool)>>> = Arc::default();
    let noted = seen.clone();
    let app = Router::new().fallback(move |asked: Asked<Body>| {
        let noted = noted.clone();
        async move {
            let (mut bytes, mut is_whole) = (0, true);
            let mut body = asked.into_body().into_data_stream();
            while bytes < reads
                && let Some(part) = body.next().await
            {
                match part {
                    Ok(part) => bytes += part.len(),
                    Err(_) => {
                        is_whole = false;
                        break;
                    }
                }
            }
            noted.lock().unwrap().push((bytes, is_whole));
            (status, "{}")
        }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, seen)
}

fn upload() -> Request {
    Request { body: None, ..write(false) }
}

#[tokio::test]
async fn an_upload_arrives_whole_and_is_counted() {
    let (url, seen) = served(usize::MAX, StatusCode::CREATED).await;
    let client = client_with(&url, Limits::default());
    client.upload(&upload(), &Made { pieces: 30, fails: false }).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [(3_000_000, true)]);
    assert_eq!((client.traffic().writes, client.traffic().bytes), (1, 3_000_000));
}

#[tokio::test]
async fn an_upload_that_breaks_off_does_not_look_whole() {
    let (url, seen) = served(usize::MAX, StatusCode::CREATED).await;
    let client = client_with(&url, Limits::default());
    let error = client.upload(&upload(), &Made { pieces: 3, fails: true }).await.unwrap_err();
    assert_eq!(error.message, "the spool is gone");
    while seen.lock().unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(matches!(seen.lock().unwrap()[..], [(_, false)]), "{:?}", seen.lock().unwrap());
}

#[tokio::test]
async fn a_refusal_before_the_end_is_heard_and_praise_is_not_believed() {
    let (url, _) = served(1, StatusCode::BAD_REQUEST).await;
    let client = client_with(&url, Limits::default());
    let error = client.upload(&upload(), &Made { pieces: 3_000, fails: false }).await.unwrap_err();
    assert!(matches!(error.kind, Kind::Rejected | Kind::Ambiguous), "{error}");
    let (url, _) = served(1, StatusCode::CREATED).await;
    let client = client_with(&url, Limits::default());
    let error = client.upload(&upload(), &Made { pieces: 3_000, fails: false }).await.unwrap_err();
    assert_eq!(error.kind, Kind::Ambiguous, "{error}");
}

/// Takes everything, and remembers how often it began.
#[derive(Default)]
struct Taken {
    begun: usize,
    bytes: usize,
    ended: bool,
}

impl Sink for Taken {
    fn begin(&mut self) {
        (self.begun, self.bytes) = (self.begun + 1, 0);
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), ConnectorError> {
        self.bytes += bytes.len();
        Ok(())
    }

    fn end(&mut self) -> Result<(), ConnectorError> {
        self.ended = true;
        Ok(())
    }
}

#[tokio::test]
async fn a_file_that_breaks_off_is_taken_again_from_its_beginning() {
    let server =
        serve(vec![CUT, status("HTTP/1.1 500 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"), OK])
            .await;
    let mut taken = Taken::default();
    client(&server).download(&Request::get("/file"), &mut taken).await.unwrap();
    assert_eq!((taken.begun, taken.bytes, taken.ended), (2, 2, true));
}
