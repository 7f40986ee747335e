//! A server in BigQuery's place that answers what a test says.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{Response, StatusCode};
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

/// What was asked: `POST /jobs`, without what all paths begin with and without the query, and the body.
pub(super) type Seen = Arc<Mutex<Vec<(String, Json)>>>;

pub(super) struct Fake {
    pub url: String,
    pub seen: Seen,
    task: AbortHandle,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Fake {
    pub async fn start(answer: impl Fn(&str, &Json) -> (u16, Json) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (seen, answer) = (Seen::default(), Arc::new(answer));
        let log = seen.clone();
        let router = Router::new().fallback(move |request: Request<Body>| {
            let (log, answer) = (log.clone(), answer.clone());
            async move {
                let path = request.uri().path().trim_start_matches("/bigquery/v2/projects/p1");
                let line = format!("{} {path}", request.method());
                let body = to_bytes(request.into_body(), 1 << 20).await.unwrap();
                let body = serde_json::from_slice(&body).unwrap_or(Json::Null);
                log.lock().unwrap().push((line.clone(), body.clone()));
                let (status, body) = answer(&line, &body);
                Response::builder()
                    .status(StatusCode::from_u16(status).unwrap())
                    .header("content-type", "application/json")
                    .body(Body::from(body.to_string()))
                    .unwrap()
            }
        });
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Fake { url, seen, task: task.abort_handle() }
    }

    /// One that runs every query at once, and gives these rows of one column, as many as it announces or not.
    pub async fn of_rows(rows: &'static [&'static str], announced: usize) -> Self {
        Self::start(move |line, body| match line {
            "POST /jobs" => (200, job(body, "DONE")),
            line if line.starts_with("GET /queries/") => (200, page(rows, announced)),
            _ => (200, job(&Json::Null, "DONE")),
        })
        .await
    }

    pub fn lines(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|(line, _)| line.clone()).collect()
    }

    /// Bodies of the jobs that were to run.
    pub fn inserted(&self) -> Vec<Json> {
        let seen = self.seen.lock().unwrap();
        let runs = seen
            .iter()
            .filter(|(line, body)| line == "POST /jobs" && body["configuration"]["dryRun"].is_null());
        runs.map(|(_, body)| body.clone()).collect()
    }
}

pub(super) fn columns() -> Json {
    json!({"fields": [{"name": "id", "type": "INTEGER", "mode": "NULLABLE"}]})
}

/// A job as asked for, in this state.
pub(super) fn job(asked: &Json, state: &str) -> Json {
    let id = asked["jobReference"]["jobId"].as_str().unwrap_or("outflow_left");
    let mut configuration = asked["configuration"].clone();
    configuration["query"]["destinationTable"] =
        json!({"projectId": "p1", "datasetId": "_anonymous", "tableId": "result"});
    json!({
        "jobReference": {"projectId": "p1", "jobId": id, "location": "EU"},
        "configuration": configuration,
        "status": {"state": state},
        "statistics": {
            "endTime": jiff::Timestamp::now().as_millisecond().to_string(),
            "totalBytesProcessed": "1234",
            "query": {"statementType": "SELECT", "schema": columns()},
        },
    })
}

pub(super) fn page(rows: &[&str], announced: usize) -> Json {
    let rows: Vec<Json> = rows.iter().map(|value| json!({"f": [{"v": value}]})).collect();
    json!({"jobComplete": true, "totalRows": announced.to_string(), "schema": columns(), "rows": rows})
}

/// An answer that refuses, as BigQuery writes it.
pub(super) fn refusal(status: u16, reason: &str, message: &str) -> (u16, Json) {
    let errors = json!([{"reason": reason, "message": message, "domain": "global"}]);
    (status, json!({"error": {"code": status, "message": message, "errors": errors}}))
}
