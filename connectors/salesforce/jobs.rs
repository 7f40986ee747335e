//! Calls for jobs of the Bulk API 2.0 (Bulk API 2.0 and Bulk API Developer Guide, "Bulk API 2.0 Ingest").

use jiff::Timestamp;
use reqwest::Method;
use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};
use serde_json::{Value as Json, json};

use super::client::Client;
use super::errors::VENDOR;
use super::results::Results;
use crate::contract::{ConnectorError, Kind};
use crate::http::{Pieces, Request, json};

/// A job as Salesforce tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) id: String,
    pub(super) state: State,
    pub(super) object: String,
    pub(super) operation: String,
    /// Rows that were worked through, well or not.
    pub(super) processed: u64,
    pub(super) failed: u64,
    /// Why the job as a whole failed.
    pub(super) error: Option<String>,
    /// The id of the user who made it.
    pub(super) created_by: String,
    pub(super) created: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It waits for its data, or to be closed.
    Open,
    /// It is worked on, or waits for that.
    Working,
    Complete,
    Failed,
    Aborted,
}

impl State {
    pub(super) fn is_over(self) -> bool {
        matches!(self, State::Complete | State::Failed | State::Aborted)
    }
}

/// The file of a job's results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum File {
    Successful,
    Failed,
    Unprocessed,
}

/// What a job is to do.
pub(super) struct Wanted<'a> {
    pub(super) object: &'a str,
    pub(super) operation: &'a str,
    /// The match key of an upsert.
    pub(super) key: Option<&'a str>,
    pub(super) rule: Option<&'a str>,
}

impl Job {
    fn read(body: &Json) -> Option<Self> {
        let text = |name: &str| json::text(body, name);
        let number = |name: &str| body.get(name).and_then(Json::as_u64).unwrap_or(0);
        let state = match text("state")?.as_str() {
            "Open" => State::Open,
            "UploadComplete" | "InProgress" => State::Working,
            "JobComplete" => State::Complete,
            "Failed" => State::Failed,
            "Aborted" => State::Aborted,
            _ => return None,
        };
        Some(Job {
            id: text("id")?,
            state,
            object: text("object").unwrap_or_default(),
            operation: text("operation").unwrap_or_default(),
            processed: number("numberRecordsProcessed"),
            failed: number("numberRecordsFailed"),
            error: text("errorMessage").filter(|message| !message.is_empty()),
            created_by: text("createdById").unwrap_or_default(),
            created: text("createdDate").and_then(|date| moment(&date)),
        })
    }
}

/// `2018-12-18T22:51:36.000+0000`
fn moment(date: &str) -> Option<Timestamp> {
    Timestamp::strptime("%Y-%m-%dT%H:%M:%S%.f%z", date).ok()
}

/// A write that makes nothing happen to a record, and so may be repeated.
fn harmless(method: Method, path: String, body: &Json) -> Request {
    Request::write(path, body.to_string().into_bytes(), true).by(method)
}

impl Client {
    fn job_path(&self, id: &str) -> String {
        self.path(&format!("/jobs/ingest/{id}"))
    }

    fn job_of(&self, body: Option<Json>) -> Result<Job, ConnectorError> {
        body.as_ref().and_then(Job::read).ok_or_else(|| VENDOR.not_understood("it tells of no job"))
    }

    /// Makes a job without data. It is asked for once: a lost answer leaves one behind that nobody knows.
    pub(super) async fn create_job(
        &self,
        wanted: &Wanted<'_>,
        headers: &HeaderMap,
    ) -> Result<Job, ConnectorError> {
        let mut body = json!({
            "object": wanted.object, "operation": wanted.operation, "contentType": "CSV", "columnDelimiter": "COMMA",
            "lineEnding": "LF",
        });
        if let Some(key) = wanted.key {
            body["externalIdFieldName"] = key.into();
        }
        if let Some(rule) = wanted.rule {
            body["assignmentRuleId"] = rule.into();
        }
        let path = self.path("/jobs/ingest");
        let request = Request::write(path, body.to_string().into_bytes(), false);
        let answer = self.http.send(&Request { headers: headers.clone(), ..request }).await?;
        self.job_of(answer.json)
    }

    /// Gives a job its data. No second time: a job takes one upload.
    pub(super) async fn upload(&self, id: &str, rows: &dyn Pieces) -> Result<(), ConnectorError> {
        let path = format!("{}/batches", self.job_path(id));
        let request = Request::write(path, Vec::new(), false).by(Method::PUT);
        let request = Request { body: None, ..request }.content_type(HeaderValue::from_static("text/csv"));
        self.http.upload(&request, rows).await.map(drop)
    }

    /// Has a job's data worked on, from now on and not before.
    pub(super) async fn close_job(&self, id: &str) -> Result<Job, ConnectorError> {
        let body = json!({"state": "UploadComplete"});
        let answer = self.http.send(&harmless(Method::PATCH, self.job_path(id), &body)).await?;
        // It was done, whatever it is that was said.
        self.job_of(answer.json).map_err(|error| ConnectorError { kind: Kind::Ambiguous, ..error })
    }

    pub(super) async fn abort_job(&self, id: &str) -> Result<(), ConnectorError> {
        let body = json!({"state": "Aborted"});
        self.http.send(&harmless(Method::PATCH, self.job_path(id), &body)).await.map(drop)
    }

    pub(super) async fn job(&self, id: &str) -> Result<Job, ConnectorError> {
        self.job_of(self.http.send(&Request::get(self.job_path(id))).await?.json)
    }

    /// The org's jobs, whoever made them.
    pub(super) async fn all_jobs(&self) -> Result<Vec<Job>, ConnectorError> {
        let mut path = self.path("/jobs/ingest?jobType=V2Ingest");
        let mut jobs = Vec::new();
        loop {
            let body = self.http.send(&Request::get(path)).await?.json.unwrap_or_default();
            let Some(Json::Array(records)) = body.get("records") else {
                return Err(VENDOR.not_understood("it lists no jobs"));
            };
            jobs.extend(records.iter().filter_map(Job::read));
            path = match json::text(&body, "nextRecordsUrl") {
                Some(next) if body["done"] != true && next.starts_with("/services/data/") => next,
                _ => return Ok(jobs),
            };
        }
    }

    /// Reads one file of a job's results.
    pub(super) async fn results(
        &self,
        id: &str,
        file: File,
        results: &mut Results<'_>,
    ) -> Result<(), ConnectorError> {
        let name = match file {
            File::Successful => "successfulResults",
            File::Failed => "failedResults",
            File::Unprocessed => "unprocessedrecords",
        };
        let mut request = Request::get(format!("{}/{name}/", self.job_path(id)));
        request.headers.insert(ACCEPT, HeaderValue::from_static("text/csv"));
        self.http.download(&request, &mut results.of(file)).await
    }

    /// Batches of the Bulk API that the org has a day, and how many are left; `None` where it does not say.
    pub(super) async fn bulk_batches(&self) -> Result<Option<(u64, u64)>, ConnectorError> {
        let limits = self.http.send(&Request::get(self.path("/limits"))).await?.json.unwrap_or_default();
        let batches = &limits["DailyBulkApiBatches"];
        Ok(batches["Max"].as_u64().zip(batches["Remaining"].as_u64()))
    }
}

/// The org has none of these batches left.
pub(super) fn no_batches() -> ConnectorError {
    ConnectorError::new(Kind::Quota, "the org has used up its batches of the Bulk API for the day")
        .code("ExceededQuota")
        .hint("run again when some of the rolling day are free; `api: collections` does without them")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_read_as_the_guide_shows_it() {
        let body = json!({
            "id": "7505fEXAMPLE4C2AAM", "operation": "insert", "object": "Account", "createdById": "0055fEXAMPLEtG4AAM",
            "createdDate": "2022-01-02T21:33:43.000+0000", "systemModstamp": "2022-01-02T21:34:31.000+0000",
            "state": "JobComplete", "concurrencyMode": "Parallel", "contentType": "CSV", "apiVersion": 66.0,
            "jobType": "V2Ingest", "lineEnding": "LF", "columnDelimiter": "COMMA", "numberRecordsProcessed": 5,
            "numberRecordsFailed": 1, "retries": 0, "totalProcessingTime": 886,
        });
        let job = Job::read(&body).unwrap();
        assert_eq!((job.state, job.processed, job.failed), (State::Complete, 5, 1));
        assert_eq!(job.created, Some("2022-01-02T21:33:43Z".parse().unwrap()));
        assert_eq!((job.error, job.created_by.as_str()), (None, "0055fEXAMPLEtG4AAM"));
        for (state, read) in
            [("Open", State::Open), ("UploadComplete", State::Working), ("InProgress", State::Working)]
        {
            assert_eq!(Job::read(&json!({"id": "750", "state": state})).unwrap().state, read);
        }
        for nonsense in [json!({}), json!({"id": "750"}), json!({"id": "750", "state": "Odd"}), json!([])] {
            assert_eq!(Job::read(&nonsense), None);
        }
    }
}
