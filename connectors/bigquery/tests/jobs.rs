//! The course of a job, and what becomes of one that a process left behind.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value as Json, json};
use tokio::time::timeout;

use super::fake::{Fake, job, page, refusal};
use super::{source, sql};
use crate::bigquery::handle::Handle;
use crate::bigquery::source::BigQuerySource;
use crate::contract::{ConnectorError, Extract, Kind, QueryHandles, ReadContext, Retry, Source};
use crate::testing::Keep;

const QUERY: &str = "select id from people";

#[derive(Default)]
pub(super) struct Kept(pub Mutex<Vec<String>>);

#[async_trait]
impl QueryHandles for Kept {
    async fn store(&self, handle: &str) -> Result<(), ConnectorError> {
        self.0.lock().unwrap().push(handle.to_owned());
        Ok(())
    }
}

struct Broken;

#[async_trait]
impl QueryHandles for Broken {
    async fn store(&self, _: &str) -> Result<(), ConnectorError> {
        Err(ConnectorError::new(Kind::Internal, "the disk is full"))
    }
}

fn context(left: Option<&Handle>, handles: Arc<dyn QueryHandles>) -> ReadContext {
    let left = left.map(Handle::text);
    ReadContext {
        sync: "Leute & mehr".to_owned(),
        run_id: Some("01J9".to_owned()),
        left,
        handles,
        ordered: false,
    }
}

/// Of the account and place that [`source`] asks there.
fn left(fake: &Fake, sql: &str) -> Handle {
    let config = super::config(Some(&fake.url), json!({"credentials": "none"})).unwrap();
    let mut handle = Handle::new(&config, &ReadContext::fleeting("people"), sql, jiff::Timestamp::now());
    handle.job = "outflow_left".to_owned();
    handle
}

async fn extract(
    fake: &Fake,
    values: Json,
    context: &ReadContext,
) -> Result<(Extract, Keep), ConnectorError> {
    let mut sink = Keep::all();
    let read = source(&fake.url, values).extract(&sql(QUERY), context, &mut sink).await?;
    Ok((read, sink))
}

async fn fails(fake: &Fake) -> ConnectorError {
    extract(fake, json!({}), &ReadContext::fleeting("people")).await.err().unwrap()
}

#[tokio::test]
async fn a_job_has_a_name_of_ours_that_is_kept_before_it_runs() {
    let fake = Fake::of_rows(&["1", "2"], 2).await;
    let kept = Arc::new(Kept::default());
    let values = json!({"location": "EU", "labels": {"team": "crm"}, "maximum_bytes_billed": "10GB", "job_timeout": "30m"});
    let (read, sink) = extract(&fake, values, &context(None, kept.clone())).await.unwrap();
    assert_eq!(read, Extract { rows: 2, announced: Some(2) });
    assert_eq!(sink.rows(), [["Integer(1)"], ["Integer(2)"]]);
    let inserted = fake.inserted();
    let [job] = &inserted[..] else { panic!("{inserted:?}") };
    let stored = Handle::parse(&kept.0.lock().unwrap()[0]).unwrap();
    assert_eq!(job["jobReference"], json!({"projectId": "p1", "jobId": stored.job, "location": "EU"}));
    assert!(stored.job.starts_with("outflow_Leute___mehr_01J9_"), "{}", stored.job);
    let configuration = &job["configuration"];
    assert_eq!(
        configuration["labels"],
        json!({"team": "crm", "outflow_sync": "leute___mehr", "outflow_run": "01j9"})
    );
    assert_eq!(configuration["jobTimeoutMs"], "1800000");
    assert_eq!(
        configuration["query"],
        json!({"query": QUERY, "useLegacySql": false, "maximumBytesBilled": "10000000000"})
    );

    let unkept = extract(&fake, json!({}), &context(None, Arc::new(Broken))).await.err().unwrap();
    assert_eq!((unkept.message.as_str(), fake.inserted().len()), ("the disk is full", 1));
}

#[tokio::test]
async fn the_location_that_bigquery_chose_is_kept() {
    let fake = Fake::of_rows(&[], 0).await;
    let kept = Arc::new(Kept::default());
    extract(&fake, json!({}), &context(None, kept.clone())).await.unwrap();
    let stored: Vec<Handle> = kept.0.lock().unwrap().iter().filter_map(|text| Handle::parse(text)).collect();
    assert_eq!(
        stored.iter().map(|handle| handle.location.as_deref()).collect::<Vec<_>>(),
        [None, Some("EU")]
    );
    assert_eq!(stored[0].job, stored[1].job);
}

#[tokio::test]
async fn errors_in_an_answer_are_a_failure_whatever_its_status() {
    let told = json!([{"reason": "invalidQuery", "message": "no such column"}]);
    let in_page =
        json!({"jobComplete": true, "totalRows": "0", "errors": told, "schema": super::fake::columns()});
    let in_job = json!({"status": {"state": "DONE", "errors": told}, "statistics": {"query": {"statementType": "SELECT"}}});
    let failed = json!({"status": {"state": "DONE", "errorResult": told[0]}, "statistics": {"query": {"statementType": "SELECT"}}});
    for (line, wrong) in [
        ("GET /queries/", in_page),
        ("GET /jobs/", in_job),
        ("GET /jobs/", failed.clone()),
        ("POST /jobs", failed),
    ] {
        let fake = Fake::start(move |asked, body| match asked {
            asked if asked.starts_with(line) => (200, wrong.clone()),
            asked if asked.starts_with("GET /queries/") => (200, page(&[], 0)),
            _ => (200, job(body, "DONE")),
        })
        .await;
        let error = fails(&fake).await;
        assert_eq!(
            (error.kind, error.code.as_deref()),
            (Kind::Config, Some("invalidQuery")),
            "{line} {error}"
        );
    }
}

#[tokio::test]
async fn what_does_not_prove_the_result_is_no_result() {
    let fake = Fake::of_rows(&["1", "2"], 3).await;
    let (short, _) = extract(&fake, json!({}), &ReadContext::fleeting("people")).await.unwrap();
    assert_eq!(short, Extract { rows: 2, announced: Some(3) });
    for wrong in [
        json!({"jobComplete": true, "schema": super::fake::columns()}),
        json!({"jobComplete": true, "totalRows": "1"}),
        json!({"jobComplete": true, "totalRows": "1", "schema": super::fake::columns(), "rows": [{"f": []}]}),
        json!({"jobComplete": true, "totalRows": "1", "schema": super::fake::columns(), "pageToken": "x"}),
    ] {
        let fake = Fake::start(move |asked, body| match asked {
            asked if asked.starts_with("GET /queries/") => (200, wrong.clone()),
            _ => (200, job(body, "DONE")),
        })
        .await;
        let error = fails(&fake).await;
        assert_eq!(error.code.as_deref(), Some("incomplete"), "{error}");
    }
}

#[tokio::test]
async fn a_statement_that_writes_is_never_run() {
    for kind in ["DELETE", "SCRIPT", "CREATE_TABLE_AS_SELECT", ""] {
        let fake = Fake::start(move |_, body| {
            let mut job = job(body, "DONE");
            job["statistics"]["query"]["statementType"] = json!(kind);
            (200, job)
        })
        .await;
        let code = fails(&fake).await.code;
        assert_eq!(code.as_deref(), Some(if kind.is_empty() { "incomplete" } else { "would_write" }));
        assert!(fake.inserted().is_empty());
    }
}

#[tokio::test]
async fn a_running_job_of_the_same_query_is_taken_up() {
    let fake = Fake::of_rows(&["7"], 1).await;
    let (read, _) = extract(&fake, json!({}), &context(Some(&left(&fake, QUERY)), Arc::new(Kept::default())))
        .await
        .unwrap();
    assert_eq!(read.rows, 1);
    assert!(fake.inserted().is_empty());
    assert!(fake.lines().iter().any(|line| line == "GET /queries/outflow_left"), "{:?}", fake.lines());
}

#[tokio::test]
async fn a_running_job_of_another_query_is_cancelled() {
    let running = Fake::start(|line, body| match line {
        "GET /jobs/outflow_left" => (200, job(&Json::Null, "RUNNING")),
        line if line.starts_with("GET /queries/") => (200, page(&["7"], 1)),
        _ => (200, job(body, "DONE")),
    })
    .await;
    let context = context(Some(&left(&running, "select other")), Arc::new(Kept::default()));
    extract(&running, json!({}), &context).await.unwrap();
    assert!(running.lines().contains(&"POST /jobs/outflow_left/cancel".to_owned()));
    assert_eq!(running.inserted().len(), 1);

    let gone = Fake::start(|line, body| match line {
        "GET /jobs/outflow_left" => refusal(404, "notFound", "Not found: Job"),
        line if line.starts_with("GET /queries/") => (200, page(&["7"], 1)),
        _ => (200, job(body, "DONE")),
    })
    .await;
    extract(&gone, json!({}), &context).await.unwrap();
    assert_eq!(gone.inserted().len(), 1);
}

#[tokio::test]
async fn a_job_that_was_given_up_is_cancelled_and_a_finished_one_is_not() {
    let fake = Fake::start(|line, body| match line {
        line if line.starts_with("GET /queries/") => (200, json!({"jobComplete": false})),
        _ => (200, job(body, "RUNNING")),
    })
    .await;
    let source = source(&fake.url, json!({}));
    let (query, context, mut sink) = (sql(QUERY), ReadContext::fleeting("people"), Keep::all());
    let given_up = timeout(Duration::from_millis(700), source.extract(&query, &context, &mut sink)).await;
    assert!(given_up.is_err());
    source.cancel().await.unwrap();
    source.cancel().await.unwrap();
    let id = fake.inserted()[0]["jobReference"]["jobId"].as_str().unwrap().to_owned();
    let ended = fake.lines().into_iter().filter(|line| *line == format!("POST /jobs/{id}/cancel"));
    assert_eq!(ended.count(), 1);

    let fake = Fake::of_rows(&["1"], 1).await;
    let source = super::source(&fake.url, json!({}));
    source.extract(&query, &context, &mut sink).await.unwrap();
    source.cancel().await.unwrap();
    assert!(!fake.lines().iter().any(|line| line.ends_with("/cancel")));
}

#[tokio::test]
async fn a_login_that_is_not_taken_is_said_at_once() {
    let fake = Fake::start(|_, _| refusal(401, "authError", "Invalid Credentials")).await;
    let error = fails(&fake).await;
    assert_eq!(
        (error.kind, error.retry, error.code.as_deref()),
        (Kind::Auth, Retry::Never, Some("authError"))
    );
    assert_eq!(fake.lines().len(), 1);

    let bare = Fake::start(|_, _| (401, json!("no"))).await;
    let error = fails(&bare).await;
    assert_eq!((error.kind, error.code.as_deref()), (Kind::Auth, Some("authError")));
}

#[tokio::test]
async fn a_login_that_google_does_not_renew_is_named_without_its_secrets() {
    let fake = Fake::start(|line, _| match line {
        "POST /token" => {
            (400, json!({"error": "invalid_grant", "error_description": "Token t0ken has been expired"}))
        }
        _ => (500, json!("asked without a token")),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("login.json");
    let login = json!({
        "type": "authorized_user", "client_id": "id", "client_secret": "s3cret", "refresh_token": "t0ken",
        "token_uri": format!("{}/token", fake.url),
    });
    std::fs::write(&path, login.to_string()).unwrap();
    let config = super::config(Some(&fake.url), json!({"credentials": path.to_str().unwrap()})).unwrap();
    let error = BigQuerySource::new(config).shape(&sql(QUERY)).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (Kind::Auth, Some("credentials")), "{error}");
    assert!(error.message.contains("invalid_grant"), "{error}");
    let all = format!("{error:?} {:?}", error.source.as_ref().map(ToString::to_string));
    assert!(!all.contains("t0ken") && !all.contains("s3cret"), "{all}");
    assert_eq!(fake.lines(), ["POST /token"]);
}

#[tokio::test]
async fn a_lost_answer_does_not_run_the_query_twice() {
    let asked = AtomicUsize::new(0);
    let fake = Fake::start(move |line, body| match line {
        "POST /jobs" if body["configuration"]["dryRun"].is_null() => {
            match asked.fetch_add(1, Ordering::SeqCst) {
                0 => refusal(503, "backendError", "lost"),
                _ => refusal(409, "duplicate", "Already Exists: Job"),
            }
        }
        line if line.starts_with("GET /queries/") => (200, page(&["1"], 1)),
        _ => (200, job(body, "DONE")),
    })
    .await;
    let (read, _) = extract(&fake, json!({}), &ReadContext::fleeting("people")).await.unwrap();
    assert_eq!(read.rows, 1);
    let inserted = fake.inserted();
    assert_eq!(inserted.len(), 2);
    assert_eq!(inserted[0]["jobReference"], inserted[1]["jobReference"]);
}

#[tokio::test]
async fn an_estimate_names_bytes_and_the_cap() {
    let fake = Fake::of_rows(&[], 0).await;
    let capped = source(&fake.url, json!({"maximum_bytes_billed": 1000}));
    let estimate = capped.estimate(&sql(QUERY)).await.unwrap().unwrap();
    assert_eq!((estimate.bytes, estimate.most), (1234, Some(1000)));
    assert!(fake.inserted().is_empty());
}
