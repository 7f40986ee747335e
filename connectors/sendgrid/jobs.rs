//! Jobs: how far they are, and the wait for their end.
//!
//! Facts: `GET /v3/marketing/contacts/imports/{id}` serves upserts, imports and deletes (`tsg_mc_contacts_v3.json`,
//! `contact-import`).

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use super::client::Client;
use super::files::Files;
use super::options::Key;
use super::reasons::Reasons;
use super::trail::{Step, Task, Underway};
use super::verdict;
use crate::contract::{ConnectorError, Kind, Outcome, Permission, Window};
use crate::http::Patience;
use crate::http::json::text;

/// So often a job may be unknown before it is taken for one that is not there: it may be listed a moment after it was named.
const UNSEEN: usize = 3;

/// An import whose file was not sent yet is waited for no longer than this: without it nothing comes of it.
pub(super) const GRACE: Duration = Duration::from_secs(5);

/// A job as SendGrid tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) status: Status,
    pub(super) requested: Option<u64>,
    pub(super) created: Option<u64>,
    pub(super) updated: Option<u64>,
    pub(super) deleted: Option<u64>,
    pub(super) errored: Option<u64>,
    /// Where its file of errors is.
    pub(super) errors_url: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Pending,
    /// Without errors.
    Completed,
    /// With some.
    Errored,
    /// With nothing but errors, or not to be worked on at all.
    Failed,
}

impl Job {
    /// A word that is not known is waited for.
    pub(super) fn read(body: &Json) -> Option<Self> {
        let status = match text(body, "status")?.as_str() {
            "completed" => Status::Completed,
            "errored" => Status::Errored,
            "failed" => Status::Failed,
            _ => Status::Pending,
        };
        let none = Json::Null;
        let results = body.get("results").unwrap_or(&none);
        let count = |name: &str| results.get(name).and_then(Json::as_u64);
        Some(Job {
            status,
            requested: count("requested_count"),
            created: count("created_count"),
            updated: count("updated_count"),
            deleted: count("deleted_count"),
            errored: count("errored_count"),
            errors_url: text(results, "errors_url").filter(|url| !url.is_empty()),
        })
    }
}

/// What all batches of a session have together.
pub(super) struct Work {
    /// What contacts are found by.
    pub(super) key: Key,
    pub(super) client: Client,
    pub(super) files: Files,
    pub(super) permission: Arc<dyn Permission>,
    pub(super) patience: Patience,
    /// When runs wrote that left something unsettled of which no job is known.
    pub(super) unsettled: Option<Window>,
}

impl Work {
    /// Writes a job down, waits for its end and takes what it says of its rows. `keys` are the values by which its file may
    /// name them, in the order in which they were sent. Whatever goes wrong from here on, something may have been done.
    pub(super) async fn follow(&self, underway: &Underway<'_>, step: Step, keys: &[&str]) -> Vec<Outcome> {
        let (job, task) = (step.job.clone(), step.task);
        let told = async {
            underway.note(step).await?;
            self.told((&job, task), keys, self.patience.whole).await
        };
        told.await.unwrap_or_else(|error| unknown(keys.len(), &error.message))
    }

    /// What a job says of its rows once it has ended.
    ///
    /// # Errors
    /// Where its end cannot be waited for.
    pub(super) async fn told(
        &self,
        (job, task): (&str, Task),
        keys: &[&str],
        whole: Duration,
    ) -> Result<Vec<Outcome>, ConnectorError> {
        let Some(ended) = self.ended(job, whole).await? else {
            return Ok(unknown(keys.len(), "SendGrid does not know the job any more"));
        };
        tracing::debug!(job, status = ?ended.status, rows = keys.len(), "a job has ended");
        let reasons = match &ended.errors_url {
            Some(url) if !verdict::is_clean(&ended, task, keys.len()) => match self.files.get(url).await {
                Ok(text) => Reasons::read(&text, self.key, keys),
                Err(error) => {
                    tracing::warn!(job, %error, "a job's file of errors was not read");
                    Reasons::default()
                }
            },
            _ => Reasons::default(),
        };
        Ok(verdict::outcomes(&ended, task, keys.len(), reasons))
    }

    /// Waits for a job's end, asking less and less often; `None` for one that is not there.
    ///
    /// # Errors
    /// [`Kind::Revoked`] where the run ends before, [`Kind::Unavailable`] after `whole`.
    pub(super) async fn ended(&self, job: &str, whole: Duration) -> Result<Option<Job>, ConnectorError> {
        tokio::select! {
            ended = self.asked_until_ended(job, whole) => ended,
            () = self.permission.closing() => {
                Err(ConnectorError::new(Kind::Revoked, format!("the run ended before SendGrid's job {job} did")))
            }
        }
    }

    async fn asked_until_ended(&self, job: &str, whole: Duration) -> Result<Option<Job>, ConnectorError> {
        let (begun, mut pause, mut unseen) = (Instant::now(), self.patience.first, 0);
        loop {
            tokio::time::sleep(pause).await;
            match self.client.job(job).await? {
                Some(seen) if seen.status != Status::Pending => return Ok(Some(seen)),
                Some(_) => unseen = 0,
                None => unseen += 1,
            }
            if unseen == UNSEEN {
                return Ok(None);
            }
            if begun.elapsed() > whole {
                let message = format!("SendGrid's job {job} is pending for too long to be waited for");
                return Err(ConnectorError::new(Kind::Unavailable, message));
            }
            pause = (pause * 2).min(self.patience.longest);
        }
    }
}

/// Whether nothing else can be asked in this run.
pub(super) fn must_stop(error: &ConnectorError) -> bool {
    matches!(error.kind, Kind::Revoked | Kind::Auth | Kind::Config | Kind::Quota)
}

pub(super) fn unknown(rows: usize, why: &str) -> Vec<Outcome> {
    vec![Outcome::Unknown { reason: format!("what its job did is not known: {why}") }; rows]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_job_is_read_as_the_document_shows_it() {
        let body = json!({
            "id": "j", "status": "errored", "job_type": "upsert",
            "results": {"requested_count": 3, "created_count": 1, "updated_count": 1, "errored_count": 1, "errors_url": "https://x/e"},
            "started_at": "2026-01-01T00:00:00Z", "finished_at": "2026-01-01T00:00:10Z",
        });
        let job = Job::read(&body).unwrap();
        assert_eq!((job.status, job.requested, job.errored), (Status::Errored, Some(3), Some(1)));
        assert_eq!(job.errors_url.as_deref(), Some("https://x/e"));
        for (word, status) in [
            ("pending", Status::Pending),
            ("completed", Status::Completed),
            ("failed", Status::Failed),
            ("odd", Status::Pending),
        ] {
            assert_eq!(Job::read(&json!({"status": word})).unwrap().status, status);
        }
        assert_eq!(Job::read(&json!({"id": "j"})), None);
    }
}
