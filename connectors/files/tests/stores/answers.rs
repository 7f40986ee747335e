//! A server that answers as S3 does, and does not always do it well.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::written::{rows, target};
use super::*;
use crate::contract::{Outcome, RemoteHandle, RunContext};
use crate::files::tests::delivery::run;

/// How it answers.
#[derive(Clone, Default)]
struct Plan {
    /// What `lake/a.csv` holds.
    content: Vec<u8>,
    /// So many answers with content break off in the middle.
    cut: usize,
    /// All requests end with this status and body.
    refusal: Option<(u16, String)>,
}

/// Serves on a port of its own until the process ends; the address, and how many requests had a range.
fn serve(plan: Plan) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = answer(&mut stream.unwrap(), &plan, &counted);
        }
    });
    (address, asked)
}

fn answer(stream: &mut TcpStream, plan: &Plan, asked: &AtomicUsize) -> std::io::Result<()> {
    let lines = BufReader::new(stream.try_clone()?).lines().map_while(Result::ok);
    let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let is_head = head[0].starts_with("HEAD");
    if let Some((status, body)) = &plan.refusal {
        let body = if is_head { "" } else { body };
        let length = body.len();
        return write!(
            stream,
            "HTTP/1.1 {status} No\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        );
    }
    let range = head
        .iter()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("range: bytes=").map(str::to_owned));
    let all = plan.content.len();
    let common = "connection: close\r\netag: \"v1\"\r\nlast-modified: Fri, 01 Mar 2024 00:00:00 GMT";
    let Some((first, last)) = range.as_deref().and_then(|range| range.split_once('-')) else {
        return write!(stream, "HTTP/1.1 200 OK\r\n{common}\r\ncontent-length: {all}\r\n\r\n");
    };
    let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
    let part = &plan.content[first..=last];
    let sent = if asked.fetch_add(1, Ordering::SeqCst) < plan.cut { &part[..part.len() / 2] } else { part };
    let length = part.len();
    write!(
        stream,
        "HTTP/1.1 206 Part\r\n{common}\r\ncontent-length: {length}\r\ncontent-range: bytes {first}-{last}/{all}\r\n\r\n"
    )?;
    stream.write_all(sent)
}

fn known(address: &str) -> Settings {
    Settings {
        base_url: Some(address.to_owned()),
        ..settings(serde_json::json!({
            "url": "s3://bucket/lake", "access_key_id": "AKID", "secret_access_key": "very-secret", "session_token": "token-secret",
        }))
    }
}

fn at(address: &str) -> Arc<dyn Source> {
    (CONNECTOR.source.unwrap())(&known(address)).unwrap()
}

fn body(code: &str, words: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?>\n<Error><Code>{code}</Code><Message>{words}</Message><StringToSign>very-secret</StringToSign></Error>"
    )
}

fn csv() -> Vec<u8> {
    let rows: String = (0..60_000).map(|n| format!("{n},text {n}\n")).collect();
    format!("id,text\n{rows}").into_bytes()
}

#[test]
fn an_answer_that_breaks_off_is_gone_on_with() {
    let (address, asked) = serve(Plan { content: csv(), cut: 3, ..Plan::default() });
    let (extract, kept) = block_on(rows_of(&*at(&address), "a.csv")).unwrap();
    assert_eq!((extract.rows, asked.load(Ordering::SeqCst) > 5), (60_000, true));
    let last = kept.rows().pop().unwrap();
    assert_eq!(last, ["Text(\"59999\")", "Text(\"text 59999\")"]);
}

/// So small that several threads are at several of them at once.
#[test]
fn a_row_group_is_asked_for_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let texts = (0..400).map(|n| format!("text {n}"));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from_iter_values(0..400))),
        ("text", Arc::new(StringArray::from_iter_values(texts))),
    ];
    write_parquet(&path, columns, 10);
    let (address, asked) = serve(Plan { content: std::fs::read(&path).unwrap(), ..Plan::default() });
    let (found, kept) = block_on(rows_of(&*at(&address), "a.parquet")).unwrap();
    assert_eq!(found, Extract { rows: 400, announced: Some(400) });
    assert!(kept.rows() == extract(folder.path(), "a.parquet").unwrap().1.rows());
    // The end of the file for its columns, again when it is read, and then 40 row groups.
    assert_eq!(asked.load(Ordering::SeqCst), 2 + 40);
}

#[test]
fn answers_that_always_break_off_are_an_error() {
    let (address, _) = serve(Plan { content: csv(), cut: usize::MAX, ..Plan::default() });
    let error = block_on(rows_of(&*at(&address), "a.csv")).err().unwrap();
    assert_eq!((error.kind, error.retry), (Kind::Unavailable, crate::contract::Retry::Exhausted), "{error}");
    refusal(error);
}

#[test]
fn a_refusal_says_whose_turn_it_is() {
    for (status, vendor, words, kind, code) in [
        (404, "NoSuchBucket", "The specified bucket does not exist", Kind::Config, "FILE_STORE_MISSING"),
        (404, "NoSuchKey", "The specified key does not exist.", Kind::Config, "FILE_MISSING"),
        (403, "AccessDenied", "Access Denied", Kind::Auth, "FILE_STORE_DENIED"),
        (403, "InvalidAccessKeyId", "AKID with very-secret", Kind::Auth, "FILE_STORE_LOGIN"),
        (403, "SignatureDoesNotMatch", "does not match", Kind::Auth, "FILE_STORE_LOGIN"),
        (400, "ExpiredToken", "The provided token has expired.", Kind::Auth, "FILE_STORE_LOGIN"),
        (401, "", "", Kind::Auth, "FILE_STORE_LOGIN"),
        (301, "PermanentRedirect", "", Kind::Config, "FILE_STORE_REGION"),
        (400, "AuthorizationHeaderMalformed", "expecting 'eu-west-1'", Kind::Config, "FILE_STORE_REGION"),
        (409, "OperationAborted", "try again", Kind::Unavailable, "FILE_STORE_FAILED"),
    ] {
        let (address, _) = serve(Plan { refusal: Some((status, body(vendor, words))), ..Plan::default() });
        for pattern in ["a.csv", "*.csv"] {
            let error = block_on(rows_of(&*at(&address), pattern)).err().unwrap();
            assert_eq!(
                (error.kind, error.code.as_deref()),
                (kind, Some(code)),
                "{vendor} {pattern}: {error}"
            );
            let told = format!("{error:?} {} {:?}", error.message, error.hint);
            assert!(!told.contains("secret") && error.source.is_none(), "{told}");
            assert!(error.message.contains("s3://bucket/lake"), "{told}");
            refusal(error);
        }
    }
}

#[test]
fn a_store_that_is_not_there_is_told_as_such() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = block_on(rows_of(&*at(&format!("http://127.0.0.1:{port}")), "a.csv")).err().unwrap();
    let (code, message) = refusal(error);
    assert!(code == "FILE_STORE_UNREACHABLE" && message.contains("refused"), "{code} {message}");
}

/// What a later run finds that has an upload in its ledger, where the store answers so to all of its requests.
fn settled(status: u16, body: String) -> Result<Vec<Outcome>, ConnectorError> {
    let (address, _) = serve(Plan { refusal: Some((status, body)), ..Plan::default() });
    let destination = (CONNECTOR.destination.unwrap())(&known(&address)).unwrap();
    let part = serde_json::json!({"staged": {"id": "u1", "pieces": ["\"e1\""]}, "name": "a.csv", "rows": 1, "bytes": 5, "sha256": "00"});
    let handle = serde_json::json!({
        "run_id": "r1", "name": ".outflow-people@r1-0001", "staged": {"parts": [part], "refused": []},
    });
    run(async {
        let context = RunContext::alone("r2", "people");
        let session = destination.open(&target(serde_json::json!({})), context).await?;
        let receipt = session.settle(&RemoteHandle(handle.to_string()), &rows(1, 1)).await?;
        Ok(receipt.into_outcomes())
    })
}

#[test]
fn an_upload_that_the_store_does_not_know_any_more_is_no_delivery() {
    let outcomes = settled(404, body("NoSuchUpload", "The specified upload does not exist.")).unwrap();
    assert!(matches!(outcomes[..], [Outcome::Unknown { .. }]), "{outcomes:?}");
    for (status, vendor, code, hint) in [
        (404, "NoSuchBucket", "FILE_STORE_MISSING", "`url`"),
        (403, "AccessDenied", "FILE_STORE_DENIED", "`s3:PutObject`"),
        (403, "SignatureDoesNotMatch", "FILE_STORE_LOGIN", "credentials"),
        (301, "PermanentRedirect", "FILE_STORE_REGION", "`region`"),
        (409, "OperationAborted", "FILE_STORE_FAILED", "the next run"),
    ] {
        let error = settled(status, body(vendor, "with very-secret")).unwrap_err();
        assert_eq!((error.kind, error.code.as_deref()), (Kind::Ambiguous, Some(code)), "{vendor}: {error}");
        let told = format!("{error} {:?}", error.hint);
        assert!(
            told.contains(hint) && told.contains("s3://bucket/lake") && !told.contains("secret"),
            "{told}"
        );
    }
}
