//! The connector over real HTTP: what it sends, in which order, and what it makes of the answers.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value as Json, json};
use tokio::task::AbortHandle;

use super::{change, field, fixture, hubspot, is_applied, rejected, submit, target};
use crate::contract::{AccountId, Destination, Kind, Lookup, Outcome, Target, Value, Verb};
use crate::hubspot::HubSpot;

/// Far longer than any answer of these tests takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A request as the server saw it: path and body.
type Seen = (String, Json);

/// Answers each request by a function of it, and keeps what it saw.
struct Server {
    url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: AbortHandle,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    fn paths(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|(path, _)| path.clone()).collect()
    }

    fn body(&self, request: usize) -> Json {
        self.seen.lock().unwrap()[request].1.clone()
    }

    fn hubspot(&self) -> HubSpot {
        self.with(false)
    }

    fn with(&self, sandbox: bool) -> HubSpot {
        hubspot(&format!("{}/hubspot", self.url), sandbox, PATIENCE)
    }
}

async fn serve(answer: impl Fn(&str, &Json) -> (u16, Json) + Clone + Send + Sync + 'static) -> Server {
    let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
    let log = seen.clone();
    let handler = move |uri: Uri, headers: HeaderMap, body: Bytes| async move {
        let path = uri.path().trim_start_matches("/hubspot").to_owned();
        let body: Json = serde_json::from_slice(&body).unwrap_or_default();
        log.lock().unwrap().push((path.clone(), body.clone()));
        if headers.get("authorization").is_none_or(|h| h != "Bearer pat-test") {
            return StatusCode::UNAUTHORIZED.into_response();
        }
        let (status, body) = answer(&path, &body);
        let status = StatusCode::from_u16(status).unwrap();
        if body.is_null() {
            status.into_response()
        } else {
            (status, axum::Json(body)).into_response() as Response
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().fallback(handler);
    let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() }).abort_handle();
    Server { url, seen, task }
}

/// The answer of a fixture.
fn answer(name: &str) -> (u16, Json) {
    let answer = fixture(name).answer;
    (answer.status, answer.json.unwrap_or_default())
}

/// An answer with the trace ids of this request in the place of its own.
fn in_the_words_of(request: &Json, (status, answer): (u16, Json)) -> (u16, Json) {
    let trace = request["inputs"][0]["objectWriteTraceId"].as_str().unwrap_or_default();
    let name = trace.strip_suffix('0').unwrap_or_default();
    (status, serde_json::from_str(&answer.to_string().replace("row-", name)).unwrap())
}

#[tokio::test]
async fn an_upsert_names_every_row() {
    let server = serve(|_, body| in_the_words_of(body, answer("upsert-partly-refused"))).await;
    let hubspot = server.hubspot();
    let people = ["ann@example.com", "nobody", "cleo@example.com"];
    let outcomes = submit(&hubspot, people.map(|p| change(Verb::Upsert, p, None)).to_vec()).await.unwrap();
    assert!(is_applied(&outcomes[0]) && is_applied(&outcomes[2]));
    assert_eq!(rejected(&outcomes[1]), "INVALID_EMAIL");
    assert_eq!(server.paths(), ["/crm/v3/objects/contacts/batch/upsert"]);
    let first = &server.body(0)["inputs"][0];
    let properties = json!({"email": "ann@example.com", "firstname": "Ann"});
    let trace = first["objectWriteTraceId"].as_str().unwrap();
    assert!(trace.len() == 10 && trace.ends_with("-0"), "{trace}");
    let expected = json!({"id": "ann@example.com", "idProperty": "email", "properties": properties,
        "objectWriteTraceId": trace});
    assert_eq!(*first, expected);
    let traffic = hubspot.traffic();
    assert_eq!((traffic.writes, traffic.reads, traffic.retries), (1, 0, 0));
    assert_eq!(traffic.bytes, server.body(0).to_string().len() as u64);
}

#[tokio::test]
async fn a_batch_refused_whole_is_searched_for_its_bad_row() {
    let server = serve(|_, body| {
        if body.to_string().contains("nobody") {
            return answer("refused-whole");
        }
        let inputs = body["inputs"].as_array().unwrap().iter();
        let results: Vec<Json> = inputs
            .enumerate()
            .map(|(i, input)| json!({"id": format!("{i}"), "properties": input["properties"]}))
            .collect();
        (200, json!({"status": "COMPLETE", "results": results}))
    })
    .await;
    let people = (0..16).map(|i| if i == 11 { "nobody".to_owned() } else { format!("p{i}@example.com") });
    let changes = people.map(|p| change(Verb::Upsert, &p, None)).collect();
    let outcomes = submit(&server.hubspot(), changes).await.unwrap();
    for (i, outcome) in outcomes.iter().enumerate() {
        assert_eq!(is_applied(outcome), i != 11, "{i}: {outcome:?}");
    }
    let Outcome::Rejected { code, field, .. } = &outcomes[11] else { panic!("{:?}", outcomes[11]) };
    assert_eq!((code.as_str(), field.as_deref()), ("INVALID_EMAIL", Some("email")));
    assert!(server.paths().len() <= 9, "{:?}", server.paths());
}

#[tokio::test]
async fn an_account_that_moves_for_hours_ends_the_run_cleanly() {
    let server = serve(|_, _| answer("migration")).await;
    let error =
        submit(&server.hubspot(), vec![change(Verb::Create, "ann@example.com", None)]).await.unwrap_err();
    assert_eq!(
        (error.kind, error.code.as_deref()),
        (Kind::Quota, Some("MIGRATION_IN_PROGRESS")),
        "{error:?}"
    );
    assert!(error.message.contains("24 hours") && error.hint.is_some(), "{error}");
    assert_eq!(server.paths().len(), 1);
}

#[tokio::test]
async fn a_create_is_never_sent_twice() {
    let server = serve(|_, _| answer("server-error")).await;
    let error =
        submit(&server.hubspot(), vec![change(Verb::Create, "a@example.com", None)]).await.unwrap_err();
    assert_eq!(error.kind, Kind::Ambiguous);
    assert_eq!(server.paths(), ["/crm/v3/objects/contacts/batch/create"]);

    let server = serve(|_, _| answer("create-conflict")).await;
    let outcomes =
        submit(&server.hubspot(), vec![change(Verb::Create, "a@example.com", None)]).await.unwrap();
    assert_eq!(rejected(&outcomes[0]), "CONFLICT");
}

#[tokio::test]
async fn an_update_of_what_is_gone_says_so() {
    let server = serve(|_, _| answer("update-not-found")).await;
    let outcomes =
        submit(&server.hubspot(), vec![change(Verb::Update, "a@example.com", Some("7"))]).await.unwrap();
    assert_eq!(rejected(&outcomes[0]), "OBJECT_NOT_FOUND");
    let input = &server.body(0)["inputs"][0];
    assert!(input["id"] == "7" && input.get("idProperty").is_none(), "{input}");
}

#[tokio::test]
async fn a_removal_asks_only_for_ids_it_does_not_know() {
    let server = serve(|path, body| match path {
        "/crm/v3/objects/contacts/batch/read" if body["inputs"][0]["id"] == "bob@example.com" => {
            (200, json!({"status": "COMPLETE", "results": []}))
        }
        "/crm/v3/objects/contacts/batch/read" => answer("read-some-absent"),
        _ => (204, Json::Null),
    })
    .await;
    let hubspot = server.hubspot();
    let changes = vec![
        change(Verb::Delete, "cleo@example.com", Some("900")),
        change(Verb::Delete, "ann@example.com", None),
        change(Verb::Delete, "bob@example.com", None),
    ];
    let outcomes = submit(&hubspot, changes).await.unwrap();
    assert!(outcomes.iter().all(is_applied), "{outcomes:?}");
    let read = json!({"inputs": [{"id": "ann@example.com"}, {"id": "bob@example.com"}], "idProperty": "email",
        "properties": ["email"], "propertiesWithHistory": []});
    assert_eq!(server.body(0), read);
    assert_eq!(server.body(1), json!({"inputs": [{"id": "900"}, {"id": "501"}]}));
    assert_eq!((hubspot.traffic().writes, hubspot.traffic().reads), (1, 1));

    let outcomes = submit(&hubspot, vec![change(Verb::Delete, "bob@example.com", None)]).await.unwrap();
    assert!(is_applied(&outcomes[0]));
    assert_eq!(server.paths().len(), 3, "nothing was left to archive");
}

#[tokio::test]
async fn rows_that_cannot_be_said_are_not_sent() {
    let server = serve(|_, _| answer("upsert-silent")).await;
    let outcomes = submit(&server.hubspot(), vec![change(Verb::Upsert, "", None)]).await.unwrap();
    assert_eq!(rejected(&outcomes[0]), "KEY_EMPTY");
    assert!(server.paths().is_empty());
    let mixed =
        vec![change(Verb::Upsert, "a@example.com", None), change(Verb::Delete, "b@example.com", None)];
    assert_eq!(submit(&server.hubspot(), mixed).await.unwrap_err().kind, Kind::Internal);
}

#[tokio::test]
async fn the_account_is_the_portal_the_sandbox_or_the_host() {
    let server = serve(|_, _| (200, json!({"portalId": 62515, "timeZone": "Asia/Tokyo"}))).await;
    assert_eq!(server.hubspot().account().await.unwrap(), AccountId("hubspot:62515".to_owned()));
    assert_eq!(server.with(true).account().await.unwrap(), AccountId("sandbox".to_owned()));
    assert_eq!(server.paths(), ["/account-info/v3/details", "/account-info/v3/details"]);

    let server = serve(|_, _| answer("missing-scopes")).await;
    assert_eq!(server.hubspot().account().await.unwrap(), AccountId("127.0.0.1".to_owned()));
    let server = serve(|_, _| answer("unauthenticated")).await;
    for sandbox in [false, true] {
        assert_eq!(server.with(sandbox).account().await.unwrap_err().kind, Kind::Auth);
    }
}

#[tokio::test]
async fn the_catalogue_and_look_ups_are_read() {
    let server = serve(|path, _| match path {
        "/crm/v3/properties/contacts" => answer("properties-contacts"),
        "/crm/v3/objects/contacts/batch/read" => answer("read-some-absent"),
        _ => answer("update-not-found"),
    })
    .await;
    let hubspot = server.hubspot();
    assert!(hubspot.catalog(&target()).await.unwrap().get("email").unwrap().unique);
    let keys = ["ann@example.com", "bob@example.com", ""].map(|k| vec![field("email", k)]);
    let found = Lookup::Found { remote_id: "501".to_owned() };
    assert_eq!(hubspot.look_up(&target(), &keys).await.unwrap(), [found, Lookup::Absent, Lookup::Unclear]);
    let error = hubspot.catalog(&Target { object: "pets".to_owned(), ..target() }).await.unwrap_err();
    assert_eq!(error.kind, Kind::Config);
    assert!(error.message.contains("`pets`") && error.hint.is_some(), "{error}");
    assert_eq!(hubspot.traffic().writes, 0);
}

#[tokio::test]
async fn keys_that_cannot_work_die_before_any_request() {
    let server = serve(|_, _| answer("server-error")).await;
    let hubspot = server.hubspot();
    for match_on in [vec!["hs_object_id".to_owned()], vec!["a".to_owned(), "b".to_owned()]] {
        let error = hubspot.capabilities(&Target { match_on, ..target() }).unwrap_err();
        assert_eq!(error.kind, Kind::Config);
        assert!(error.hint.is_some(), "{error}");
    }
    let text = |t: &str| Value::Text(t.to_owned());
    let normalise = hubspot.normaliser(&target(), "email").unwrap();
    assert_eq!(normalise(text(" Ann@Example.COM ")), text("ann@example.com"));
    assert!(hubspot.normaliser(&target(), "code").is_none());
    let companies = Target { object: "companies".to_owned(), ..target() };
    assert!(hubspot.normaliser(&companies, "email").is_none());
    assert!(server.paths().is_empty());
}
