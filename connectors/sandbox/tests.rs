//! The frame, over real HTTP: storage, faults, counters.

use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::*;
use crate::contract::Kind;

const UPSERT: &str = "/hubspot/crm/v3/objects/contacts/batch/upsert";
const READ: &str = "/hubspot/crm/v3/objects/contacts/batch/read";

/// A running sandbox and a raw client of it.
pub(crate) struct Rig {
    pub(crate) sandbox: Sandbox,
    client: reqwest::Client,
}

impl Rig {
    pub(crate) async fn start(block: Json, storage: Storage) -> Rig {
        Self::of("hubspot", block, storage).await
    }

    pub(crate) async fn of(vendor: &str, block: Json, storage: Storage) -> Rig {
        let mut config = SandboxConfig::default();
        config.add(vendor, &block).unwrap();
        let sandbox = Sandbox::start(config, storage, 0).await.unwrap();
        Rig { sandbox, client: reqwest::Client::new() }
    }

    pub(crate) async fn memory(block: Json) -> Rig {
        Self::start(block, Storage::Memory).await
    }

    pub(crate) fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.sandbox.url())).bearer_auth("pat-test")
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Json) {
        let answer = self.request(reqwest::Method::GET, path).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    pub(crate) async fn try_post(&self, path: &str, body: &Json) -> reqwest::Result<(u16, Json)> {
        let answer = self.request(reqwest::Method::POST, path).json(body).send().await?;
        let status = answer.status().as_u16();
        let bytes = answer.bytes().await?;
        Ok((status, serde_json::from_slice(&bytes).unwrap_or(Json::Null)))
    }

    pub(crate) async fn post(&self, path: &str, body: &Json) -> (u16, Json) {
        self.try_post(path, body).await.unwrap()
    }

    /// A `POST` of a form, without credentials.
    pub(crate) async fn form(&self, path: &str, form: &str) -> (u16, Json) {
        let request = self.client.post(format!("{}{path}", self.sandbox.url())).body(form.to_owned());
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    pub(crate) async fn get_as(&self, token: &str, path: &str) -> (u16, Json) {
        let request = self.client.get(format!("{}{path}", self.sandbox.url())).bearer_auth(token);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    async fn stats(&self) -> Json {
        self.get("/__sandbox/stats").await.1
    }

    pub(crate) async fn stop(self) {
        self.sandbox.stop().await;
    }
}

fn contact(email: &str) -> Json {
    json!({"inputs": [{"id": email, "idProperty": "email", "properties": {"firstname": "Ana"}}]})
}

fn find(email: &str) -> Json {
    json!({"inputs": [{"id": email}], "idProperty": "email", "properties": ["email"]})
}

async fn found(rig: &Rig, email: &str) -> usize {
    rig.post(READ, &find(email)).await.1["results"].as_array().unwrap().len()
}

fn file(folder: &TempDir) -> std::path::PathBuf {
    folder.path().join("state").join("sandbox.db")
}

#[tokio::test]
async fn what_was_answered_is_in_the_file_while_the_server_still_runs() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder);
    assert_eq!(show(&path).unwrap()["requests"], json!({"writes": 0, "reads": 0, "refused": 0}));
    let rig = Rig::start(json!({}), Storage::File(path.clone())).await;
    assert_eq!(rig.post(UPSERT, &contact("a@x.io")).await.0, 200);
    // A copy of the files is what a kill at this moment would leave.
    let left = folder.path().join("left.db");
    std::fs::copy(&path, &left).unwrap();
    std::fs::copy(format!("{}-wal", path.display()), format!("{}-wal", left.display())).unwrap();
    for state in [show(&path).unwrap(), show(&left).unwrap()] {
        let contacts = &state["objects"]["hubspot"]["contacts"];
        assert_eq!(contacts[0]["properties"], json!({"email": "a@x.io", "firstname": "Ana"}));
        assert_eq!(contacts[0]["archived"], false);
        assert!(contacts[0]["id"].is_string());
        assert_eq!(state["requests"], json!({"writes": 1, "reads": 0, "refused": 0}));
    }
    rig.stop().await;
    let rig = Rig::start(json!({}), Storage::File(path.clone())).await;
    assert_eq!(found(&rig, "a@x.io").await, 1, "the objects outlive the server");
    rig.stop().await;
    assert_eq!(show(&path).unwrap()["requests"], json!({"writes": 1, "reads": 1, "refused": 0}));
    reset(&path).unwrap();
    assert_eq!(show(&path).unwrap()["objects"], json!({}));
    assert_eq!(show(&path).unwrap()["requests"], json!({"writes": 0, "reads": 0, "refused": 0}));
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_is_its_owners_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = TempDir::new().unwrap();
    let path = file(&folder);
    let rig = Rig::start(json!({}), Storage::File(path.clone())).await;
    rig.post(UPSERT, &contact("a@x.io")).await;
    for side in ["", "-wal", "-shm"] {
        let mode = std::fs::metadata(format!("{}{side}", path.display())).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{side}");
    }
    rig.stop().await;
}

#[tokio::test]
async fn a_snapshot_sees_the_file_and_leaves_every_byte() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder);
    let rig = Rig::start(json!({}), Storage::File(path.clone())).await;
    rig.post(UPSERT, &contact("a@x.io")).await;
    rig.stop().await;
    let files = || {
        let mut files: Vec<_> = std::fs::read_dir(path.parent().unwrap())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.clone(), std::fs::read(path).unwrap()))
            .collect();
        files.sort();
        files
    };
    let before = files();
    let rig = Rig::start(json!({}), Storage::Snapshot(path.clone())).await;
    assert_eq!(found(&rig, "a@x.io").await, 1);
    rig.post(UPSERT, &contact("b@x.io")).await;
    assert_eq!(found(&rig, "b@x.io").await, 1);
    rig.stop().await;
    assert_eq!(files(), before);
}

#[tokio::test]
async fn a_snapshot_sees_what_a_running_server_holds_and_makes_no_file_of_its_own() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder);
    let rig = Rig::start(json!({}), Storage::File(path.clone())).await;
    rig.post(UPSERT, &contact("a@x.io")).await;
    let snapshot = Rig::start(json!({}), Storage::Snapshot(path.clone())).await;
    assert_eq!(found(&snapshot, "a@x.io").await, 1);
    snapshot.stop().await;
    rig.stop().await;
    let nowhere = folder.path().join("none").join("sandbox.db");
    let snapshot = Rig::start(json!({}), Storage::Snapshot(nowhere.clone())).await;
    assert_eq!(snapshot.post(UPSERT, &contact("a@x.io")).await.0, 200);
    snapshot.stop().await;
    assert!(!nowhere.parent().unwrap().exists());
}

#[tokio::test]
async fn a_damaged_or_later_file_is_reported_and_reset_mends_it() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("sandbox.db");
    std::fs::write(&path, "this is no database, and long enough to be sure of it".repeat(20)).unwrap();
    let error = Sandbox::start(SandboxConfig::default(), Storage::File(path.clone()), 0).await.err().unwrap();
    assert_eq!(error.kind, Kind::Internal);
    assert!(
        error.message.contains("sandbox.db") && error.hint.unwrap().contains("reset"),
        "{}",
        error.message
    );
    assert!(show(&path).is_err());
    reset(&path).unwrap();
    let rig = Rig::start(json!({}), Storage::File(path.clone())).await;
    rig.stop().await;
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = Sandbox::start(SandboxConfig::default(), Storage::File(path.clone()), 0).await.err().unwrap();
    assert!(error.message.contains("format 99"), "{}", error.message);
    reset(&path).unwrap();
    assert!(!path.exists());
}

#[tokio::test]
async fn a_port_that_is_taken_is_reported() {
    let rig = Rig::memory(json!({})).await;
    let port = rig.sandbox.url().rsplit(':').next().unwrap().parse().unwrap();
    let error = Sandbox::start(SandboxConfig::default(), Storage::Memory, port).await.err().unwrap();
    assert_eq!(error.kind, Kind::Config);
    assert!(error.message.contains(&format!("127.0.0.1:{port}")), "{}", error.message);
    rig.stop().await;
}

#[tokio::test]
async fn an_unknown_vendor_is_not_found() {
    let rig = Rig::memory(json!({})).await;
    let (status, body) = rig.get("/salesfarce/x").await;
    assert_eq!(status, 404);
    assert!(body["message"].as_str().unwrap().contains("`hubspot`"), "{body}");
    assert_eq!(rig.get("/").await.0, 404);
    assert_eq!(rig.get("/hubspot").await.0, 404);
    rig.stop().await;
}

#[tokio::test]
async fn what_is_no_request_of_an_api_is_refused_and_breaks_nothing() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let rig = Rig::memory(json!({})).await;
    let address = rig.sandbox.url().trim_start_matches("http://").to_owned();
    let head = format!("POST {UPSERT} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer pat-test\r\n");
    for (sent, status) in [
        ("\0\u{1}nonsense\r\n\r\n".to_owned(), "400"),
        ("CONNECT a:443 HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(), "404"),
        ("OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(), "404"),
        ("GET //hubspot HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(), "404"),
        (format!("{head}content-length: -1\r\n\r\n"), "400"),
        (format!("{head}content-length: 200000\r\n\r\n{}", "[".repeat(200_000)), "415"),
    ] {
        let mut socket = tokio::net::TcpStream::connect(&address).await.unwrap();
        socket.write_all(sent.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        socket.read_exact(&mut answer).await.unwrap_or_else(|e| panic!("{sent:.40}: {e}"));
        assert_eq!(String::from_utf8_lossy(&answer), format!("HTTP/1.1 {status}"), "{sent:.40}");
    }
    // A client that goes away in the middle of its body.
    let mut socket = tokio::net::TcpStream::connect(&address).await.unwrap();
    socket.write_all(format!("{head}content-length: 100\r\n\r\n{{\"inputs\"").as_bytes()).await.unwrap();
    drop(socket);
    assert_eq!(rig.post(UPSERT, &contact("a@x.io")).await.0, 200);
    rig.stop().await;
}

#[tokio::test]
async fn a_lost_answer_leaves_its_effect() {
    let rig = Rig::memory(json!({"faults": [{"do": "lost_ack", "path": "upsert", "times": 1}]})).await;
    let error = rig.try_post(UPSERT, &contact("a@x.io")).await.unwrap_err();
    assert!(!error.is_builder() && !error.is_status() && !error.is_timeout(), "{error:?}");
    assert_eq!(found(&rig, "a@x.io").await, 1);
    assert_eq!(rig.post(UPSERT, &contact("a@x.io")).await.1["results"][0]["new"], false);
    let stats = rig.stats().await;
    assert_eq!(stats["fired"], json!({"lost_ack": 1}));
    assert_eq!(stats["requests"], json!({"writes": 2, "reads": 1, "refused": 0}));
    rig.stop().await;
}

#[tokio::test]
async fn a_truncated_body_announces_more_than_it_sends() {
    let rig = Rig::memory(json!({"faults": [{"do": "truncate", "times": 1}]})).await;
    let answer = rig.request(reqwest::Method::POST, UPSERT).json(&contact("a@x.io")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let announced = answer.content_length().unwrap();
    assert!(announced > 100);
    let error = answer.bytes().await.unwrap_err();
    assert!(error.is_decode() || error.is_body(), "{error:?}");
    assert_eq!(found(&rig, "a@x.io").await, 1);
    rig.stop().await;
}

#[tokio::test]
async fn garbage_is_a_200_that_is_not_json() {
    let rig = Rig::memory(json!({"faults": [{"do": "garbage", "times": 1}]})).await;
    let answer = rig.request(reqwest::Method::POST, UPSERT).json(&contact("a@x.io")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(serde_json::from_slice::<Json>(&answer.bytes().await.unwrap()).is_err());
    assert_eq!(found(&rig, "a@x.io").await, 1);
    rig.stop().await;
}

#[tokio::test]
async fn a_status_has_no_effect_and_carries_retry_after() {
    let faults = json!([
        {"do": "status", "code": 423, "retry_after": 2, "path": "/hubspot/crm/v3/objects", "times": 1},
        {"do": "status", "code": 429, "path": "upsert", "times": 1},
        {"do": "status", "code": 500, "path": "upsert", "times": 1},
    ]);
    let rig = Rig::memory(json!({"faults": faults})).await;
    let answer = rig.request(reqwest::Method::POST, UPSERT).json(&contact("a@x.io")).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].to_str().unwrap()), (423, "2"));
    let (status, body) = rig.post(UPSERT, &contact("a@x.io")).await;
    assert_eq!((status, body["policyName"].as_str()), (429, Some("TEN_SECONDLY_ROLLING")));
    let (status, body) = rig.post(UPSERT, &contact("a@x.io")).await;
    assert_eq!((status, body["status"].as_str()), (500, Some("error")));
    assert_eq!(found(&rig, "a@x.io").await, 0);
    assert_eq!(rig.post(UPSERT, &contact("a@x.io")).await.0, 200);
    assert_eq!(rig.stats().await["requests"], json!({"writes": 3, "reads": 1, "refused": 1}));
    rig.stop().await;
}

#[tokio::test]
async fn a_hanging_request_ends_with_its_client_or_with_the_server() {
    let rig = Rig::memory(json!({"faults": [{"do": "hang", "times": 2}]})).await;
    let hanging = rig.request(reqwest::Method::POST, UPSERT).json(&contact("a@x.io"));
    let error = hanging.timeout(Duration::from_millis(150)).send().await.unwrap_err();
    assert!(error.is_timeout());
    let deadline = Instant::now() + Duration::from_secs(5);
    while rig.stats().await["in_flight_writes"] != 0 {
        assert!(Instant::now() < deadline, "the server still waits for a client that has gone");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let waiting = tokio::spawn(rig.request(reqwest::Method::POST, UPSERT).json(&contact("a@x.io")).send());
    while rig.stats().await["in_flight_writes"] != 1 {
        assert!(Instant::now() < deadline, "the second request never arrived");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let started = Instant::now();
    rig.stop().await;
    assert!(started.elapsed() < Duration::from_secs(4), "a hanging request held up the end");
    assert!(waiting.await.unwrap().is_err());
}

#[tokio::test]
async fn a_delay_only_delays() {
    let rig = Rig::memory(json!({"faults": [{"do": "delay", "ms": 80, "times": 1}]})).await;
    let started = Instant::now();
    assert_eq!(rig.post(UPSERT, &contact("a@x.io")).await.0, 200);
    assert!(started.elapsed() >= Duration::from_millis(80));
    rig.stop().await;
}

#[tokio::test]
async fn every_fault_that_fires_under_load_is_counted() {
    let block = json!({
        "limits": {"requests": "10000/10s"},
        "faults": [{"do": "lost_ack", "path": "batch/upsert", "rate": 0.2, "seed": 7}],
    });
    let rig = std::sync::Arc::new(Rig::memory(block).await);
    let mut tasks = tokio::task::JoinSet::new();
    for worker in 0..8 {
        let rig = rig.clone();
        tasks.spawn(async move {
            let mut lost = 0;
            for n in 0..25 {
                lost +=
                    u64::from(rig.try_post(UPSERT, &contact(&format!("c{worker}.{n}@x.io"))).await.is_err());
            }
            lost
        });
    }
    let lost: u64 = tasks.join_all().await.into_iter().sum();
    let stats = rig.stats().await;
    assert!((20..60).contains(&lost), "{lost}");
    assert_eq!(stats["fired"]["lost_ack"], lost);
    assert_eq!(stats["faults"][0]["fired"], lost);
    assert_eq!(stats["requests"]["writes"], 200);
    assert_eq!(stats["in_flight_writes"], 0);
    assert!(stats["first_write_at"].as_str().unwrap() < stats["last_write_at"].as_str().unwrap());
}

#[tokio::test]
async fn twenty_thousand_objects_are_no_effort() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder);
    let rig = Rig::start(json!({"limits": {"requests": "10000/10s"}}), Storage::File(path.clone())).await;
    let started = Instant::now();
    for batch in 0..200 {
        let input = |n: u32| {
            let email = format!("person{}@example.com", batch * 100 + n);
            json!({"id": email, "idProperty": "email", "objectWriteTraceId": n.to_string(),
                   "properties": {"email": email, "firstname": "Zoë", "city": "São Paulo"}})
        };
        let (status, body) =
            rig.post(UPSERT, &json!({"inputs": (0..100).map(input).collect::<Vec<_>>()})).await;
        assert_eq!((status, body["results"].as_array().unwrap().len()), (200, 100));
    }
    let taken = started.elapsed();
    rig.stop().await;
    assert_eq!(show(&path).unwrap()["objects"]["hubspot"]["contacts"].as_array().unwrap().len(), 20_000);
    // Generous, for a machine that does other things as well.
    assert!(taken < Duration::from_secs(20), "{taken:?}");
}

#[test]
fn a_file_that_is_just_being_made_shows_nothing() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("sandbox.db");
    std::fs::write(&file, "").unwrap();
    assert_eq!(show(&file).unwrap()["requests"]["writes"], 0);
    // As it is between the first page of the file and its tables.
    rusqlite::Connection::open(&file).unwrap().pragma_update(None, "journal_mode", "wal").unwrap();
    assert_eq!(show(&file).unwrap()["objects"], json!({}));
}
