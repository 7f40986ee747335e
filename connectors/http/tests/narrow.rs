//! A window that only some requests have.

use super::server::{Seen, Server, answer};
use super::*;
use crate::http::turn::Windows;
use crate::http::{Memory, QuotaBook};

const HOURLY: Narrow =
    Narrow { name: "search", rate: RateLimit { requests: 2, per: Duration::from_secs(3600) } };

fn search() -> Request {
    Request::get("/search").within(HOURLY)
}

/// Says of every search that the hour is used up, as a vendor with several windows does.
async fn server() -> Server {
    Server::start(|request: Seen| async move {
        match request.line.starts_with("GET /search") {
            true => answer("200 OK\r\nx-ratelimit-remaining: 0\r\nx-ratelimit-reset: 3600", "{}"),
            false => answer("200 OK", "{}"),
        }
    })
    .await
}

fn client(url: &str, limits: Limits, vendor: Vendor) -> HttpClient {
    let token = Credentials::bearer(SecretString::from("verysecrettoken"));
    let setup = Setup { vendor, ..setup(url, limits, POLICY, token) };
    HttpClient::new(setup).unwrap().permitted_by(RunContext::alone("run", "sync").permission)
}

#[tokio::test]
async fn it_holds_those_requests_and_no_others() {
    let server = server().await;
    let client = client(&server.url, Limits::default(), VENDOR);
    for _ in 0..2 {
        client.send(&search()).await.unwrap();
    }
    let error = client.send(&search()).await.unwrap_err();
    assert_eq!(error.kind, Kind::Quota, "{error:?}");
    for _ in 0..5 {
        client.send(&write(true)).await.unwrap();
    }
}

#[tokio::test]
async fn what_an_answer_says_of_it_is_not_said_of_the_rest() {
    let server = server().await;
    let client = client(&server.url, Limits::default(), Vendor { observe: Observed::usual, ..VENDOR });
    client.send(&search()).await.unwrap();
    client.send(&write(true)).await.unwrap();
    let error = client.send(&search()).await.unwrap_err();
    assert_eq!(error.kind, Kind::Quota, "{error:?}");
}

#[tokio::test]
async fn its_requests_are_counted_for_the_day_as_all_are() {
    let server = server().await;
    let limits = Limits { daily_calls: Some(DailyCalls::Number(3)), ..Limits::default() };
    let client = client(&server.url, limits, VENDOR);
    for _ in 0..2 {
        client.send(&search()).await.unwrap();
    }
    client.send(&write(true)).await.unwrap();
    let error = client.send(&write(true)).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (Kind::Quota, Some("DAILY_BUDGET")), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn those_that_wait_together_for_the_owners_window_keep_their_own() {
    let narrow = Narrow { name: "polls", rate: RateLimit { requests: 1, per: Duration::from_millis(400) } };
    let requests = Some(RateLimit { requests: 2, per: Duration::from_secs(10) });
    let limits = Limits { requests, ..Limits::default() };
    let token = Credentials::bearer(SecretString::from("verysecrettoken"));
    let windows = Windows::of(&setup("http://127.0.0.1/polls", limits.clone(), POLICY, token));
    let leave = async |narrow: Option<&Narrow>| {
        let longest = Duration::from_secs(60);
        let turn = windows.narrow_turn(narrow, &limits, longest).await.unwrap();
        windows.turn(turn, &limits, longest).await.unwrap();
        tokio::time::Instant::now()
    };
    leave(None).await;
    leave(None).await;
    let (first, second) = tokio::join!(leave(Some(&narrow)), leave(Some(&narrow)));
    assert!(second - first >= narrow.rate.per, "only {:?} lie between them", second - first);
}

#[tokio::test]
async fn where_the_server_is_of_this_process_alone_so_are_its_narrower_windows() {
    let server = server().await;
    let (book, long) = (Arc::new(Memory::default()), Duration::from_secs(60));
    let owner = QuotaOwner("narrow-test:sandbox".to_owned());
    let shared: Arc<dyn QuotaBook> = book.clone();
    let requests = Some(RateLimit { requests: 100, per: long });
    let limits = Limits { requests, book: Some(shared), owner: Some(owner.clone()), ..Limits::default() };
    client(&server.url, limits, VENDOR).send(&search()).await.unwrap();
    let narrow = QuotaOwner(format!("{}/search", owner.0));
    let sent = [owner, narrow].map(|owner| book.sent_within(&owner, long).unwrap());
    assert_eq!(sent, [1, 0]);
}
