//! Bodies: packed, huge, and not what was promised.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::server::{Seen, Server, answer};
use super::*;

fn packed(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    let body = encoder.finish().unwrap();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body].concat()
}

#[tokio::test]
async fn answers_may_be_packed() {
    let server = Server::start(|seen: Seen| async move {
        match seen.header("accept-encoding") {
            Some(accepted) if accepted.contains("gzip") => packed(r#"{"name":"verysecrettoken packed"}"#),
            _ => answer("400 No", "{}").into_bytes(),
        }
    })
    .await;
    let client = client_with(&server.url, Limits::default());
    let answer = client.send(&Request::get("/x")).await.unwrap();
    assert_eq!(answer.text("name"), Some("[secret] packed"));
}

#[tokio::test]
async fn what_is_no_json_is_kept_in_part_and_without_secrets() {
    let page = "<h1>verysecrettoken</h1>".repeat(10_000);
    let server = Server::start(move |_| {
        let page = page.clone();
        async move { answer("200 OK", &page) }
    })
    .await;
    let client = client_with(&server.url, Limits::default());
    let judge = |answer: &Answer| {
        let plain = answer.plain.as_deref().unwrap();
        assert!(plain.len() == Answer::PLAIN && plain.starts_with("<h1>[secret]</h1>"), "{}", plain.len());
        assert!(answer.json.is_none() && !plain.contains("verysecret"));
        Verdict::Success
    };
    client.send_judged(&write(false), &judge).await.unwrap();
    assert_eq!(client.send(&write(false)).await.unwrap_err().code.as_deref(), Some("NOT_JSON"));
}

/// A page without end: whatever its length, its status is an answer, and little of it is read.
#[tokio::test]
async fn an_error_page_of_any_length_is_cut_short() {
    for (status, kind) in [("500 Oops", Kind::Ambiguous), ("400 Bad", Kind::Rejected), ("403 No", Kind::Auth)]
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let sent = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            super::server::read(&mut stream).await;
            let head = format!("HTTP/1.1 {status}\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
            let (page, mut sent) = (vec![b'x'; 64 * 1024], 0);
            while sent < 100 * 1024 * 1024 && stream.write_all(&page).await.is_ok() {
                sent += page.len();
            }
            sent
        });
        let error = client_with(&url, Limits::default()).send(&write(false)).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error:?}");
        assert!(error.message.len() < 500, "{}", error.message.len());
        let sent = sent.await.unwrap();
        assert!(sent < 20 * 1024 * 1024, "{sent} bytes were taken");
    }
}
