//! The Storage Read API that says no: rows come by pages then.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use super::fake::Fake;
use super::{source, sql};
use crate::contract::{Kind, ReadContext, Source};
use crate::testing::Keep;

/// A gRPC server that answers every call with this code; it speaks as much HTTP/2 as that takes
/// (<https://www.rfc-editor.org/rfc/rfc9113>).
struct Refusing {
    url: String,
    calls: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl Drop for Refusing {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Refusing {
    async fn start(code: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = calls.clone();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(talk(stream, code, counted.clone()));
            }
        });
        Refusing { url, calls, task: task.abort_handle() }
    }
}

async fn talk(mut stream: TcpStream, code: &str, calls: Arc<AtomicUsize>) {
    const PREFACE: usize = 24;
    const HEADERS: u8 = 1;
    const SETTINGS: u8 = 4;
    const PING: u8 = 6;
    let _ = stream.read_exact(&mut [0; PREFACE]).await;
    let _ = stream.write_all(&frame(SETTINGS, 0, 0, &[])).await;
    let mut head = [0; 9];
    while stream.read_exact(&mut head).await.is_ok() {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let mut payload = vec![0; length];
        stream.read_exact(&mut payload).await.unwrap();
        let answer = match (head[3], head[4] & 1) {
            (SETTINGS, 0) => frame(SETTINGS, 1, 0, &[]),
            (PING, 0) => frame(PING, 1, 0, &payload),
            (HEADERS, _) => {
                calls.fetch_add(1, Ordering::SeqCst);
                frame(HEADERS, 5, id, &trailers(code))
            }
            _ => continue,
        };
        let _ = stream.write_all(&answer).await;
    }
}

fn frame(kind: u8, flags: u8, id: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &id.to_be_bytes(), payload].concat()
}

/// `:status: 200`, and two literals (<https://www.rfc-editor.org/rfc/rfc7541#section-6.2.2>).
fn trailers(code: &str) -> Vec<u8> {
    let mut block = vec![0x88];
    for (name, value) in [("content-type", "application/grpc"), ("grpc-status", code), ("grpc-message", "no")]
    {
        block.push(0);
        for text in [name, value] {
            block.push(text.len() as u8);
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_come_by_pages_where_the_storage_read_api_is_denied() {
    let (rest, storage) = (Fake::of_rows(&["1", "2"], 2).await, Refusing::start("7").await);
    let source = source(&rest.url, json!({"storage_read_url": storage.url}));
    let mut sink = Keep::all();
    let read =
        source.extract(&sql("select 1 as id"), &ReadContext::fleeting("people"), &mut sink).await.unwrap();
    assert_eq!((read.rows, storage.calls.load(Ordering::SeqCst)), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_failure_of_the_storage_read_api_is_one() {
    let (rest, storage) = (Fake::of_rows(&["1", "2"], 2).await, Refusing::start("16").await);
    let source = source(&rest.url, json!({"storage_read_url": storage.url}));
    let mut sink = Keep::all();
    let read = source.extract(&sql("select 1 as id"), &ReadContext::fleeting("people"), &mut sink).await;
    let error = read.unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (Kind::Auth, Some("authError")), "{error}");
    assert!(sink.batches.is_empty());
}
