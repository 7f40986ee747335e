//! Imports: how far they are, the wait for their end, and what they say of each row
//! (`bulk-lead-import.md`, "Polling Job Status", "Failures", "Warnings").

use std::time::{Duration, Instant};

use serde_json::Value as Json;

use super::failures::Reasons;
use super::session::LeadSession;
use crate::contract::{ConnectorError, Kind, Outcome, Retry};
use crate::http::json::text;
use crate::http::shortened;

/// So often an import may be unknown before it is taken for one that is not there: it may be listed a moment after it was taken.
const UNSEEN: usize = 3;

/// An import as Marketo tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) status: Status,
    pub(super) processed: Option<u64>,
    pub(super) failed: Option<u64>,
    pub(super) warned: Option<u64>,
    pub(super) message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Pending,
    Complete,
    Failed,
}

impl Job {
    /// A word that is not known is waited for.
    pub(super) fn read(body: &Json) -> Option<Self> {
        let status = match text(body, "status")?.as_str() {
            "Complete" => Status::Complete,
            "Failed" => Status::Failed,
            _ => Status::Pending,
        };
        let count = |name: &str| body.get(name).and_then(Json::as_u64);
        Some(Job {
            status,
            processed: count("numOfLeadsProcessed"),
            failed: count("numOfRowsFailed"),
            warned: count("numOfRowsWithWarning"),
            message: shortened(&text(body, "message").unwrap_or_default()),
        })
    }
}

/// What an import comes to for one of its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    Is(Outcome),
    /// It was imported, but not as it was sent, for this reason.
    Warned(String),
}

/// One word for each of an import's rows. Where its files do not name exactly as many rows as it counts, those that are not named
/// may be the ones that they mean, and are unknown.
pub(super) fn told(job: &Job, rows: usize, mut failures: Reasons, mut warnings: Reasons) -> Vec<Told> {
    let (failed, warned) = (job.failed.unwrap_or(0), job.warned.unwrap_or(0));
    let exact = |reasons: &Reasons, count: u64| reasons.strangers == 0 && reasons.named.len() as u64 == count;
    // A count that is missing is none of zero.
    let is_counted = job.failed.is_some() && job.warned.is_some();
    // By the guide's example leads that failed are not among those that were processed; where they are, that is as well.
    let all = |done: u64| done == rows as u64 || done.saturating_add(failed) == rows as u64;
    let is_whole = job.status == Status::Complete
        && is_counted
        && job.processed.is_some_and(all)
        && exact(&failures, failed)
        && exact(&warnings, warned);
    let is_void = job.status == Status::Failed && job.processed == Some(0) && failures.named.is_empty();
    let other = match () {
        () if is_whole => Outcome::Applied { remote_id: None, created: None },
        () if is_void => Outcome::Rejected {
            code: "IMPORT_FAILED".to_owned(),
            field: None,
            message: format!("the import failed before its first row: {}", job.message),
        },
        () => Outcome::Unknown { reason: why(job, failures.named.len(), warnings.named.len()) },
    };
    let word = |row| {
        if let Some(message) = failures.named.remove(&row) {
            let field = super::errors::field(&message);
            return Told::Is(Outcome::Rejected { code: "IMPORT_ROW_FAILED".to_owned(), field, message });
        }
        match warnings.named.remove(&row) {
            Some(reason) => Told::Warned(reason),
            None => Told::Is(other.clone()),
        }
    };
    (0..rows).map(word).collect()
}

fn why(job: &Job, failed: usize, warned: usize) -> String {
    let word = match job.status {
        Status::Failed => "failed",
        Status::Complete | Status::Pending => "is complete",
    };
    let counts = [("processed", job.processed), ("failed", job.failed), ("with a warning", job.warned)];
    let counts: Vec<String> = counts
        .iter()
        .map(|(what, count)| format!("{} {what}", count.map_or("no".to_owned(), |n| n.to_string())))
        .collect();
    let message = if job.message.is_empty() { String::new() } else { format!(" ({})", job.message) };
    format!(
        "the import {word}{message} and counts {}, and its files name {failed} and {warned} rows, not this one",
        counts.join(", ")
    )
}

/// Whether nothing else can be asked in this run.
pub(super) fn must_stop(error: &ConnectorError) -> bool {
    matches!(error.kind, Kind::Revoked | Kind::Auth | Kind::Config | Kind::Quota)
}

impl LeadSession {
    /// What an import says of its rows once it has ended; `keys` are their match keys, in the order of the file. `None` for an
    /// import that Marketo does not know, or not any more.
    ///
    /// # Errors
    /// Where its end cannot be waited for; it may go on.
    pub(super) async fn told(&self, id: &str, keys: &[&str]) -> Result<Option<Vec<Told>>, ConnectorError> {
        let Some(job) = self.ended(id).await? else { return Ok(None) };
        tracing::info!(
            job = id,
            rows = keys.len(),
            failed = ?job.failed,
            warned = ?job.warned,
            status = ?job.status,
            "an import has ended"
        );
        let failures = self.reasons(id, "failures", job.failed, keys).await;
        let warnings = self.reasons(id, "warnings", job.warned, keys).await;
        Ok(Some(told(&job, keys.len(), failures, warnings)))
    }

    /// A file of an import that has ended. One that cannot be read names nobody, and what it may have named is unknown then.
    async fn reasons(&self, id: &str, name: &str, count: Option<u64>, keys: &[&str]) -> Reasons {
        if count.unwrap_or(0) == 0 {
            return Reasons::default();
        }
        match self.client.file(id, name).await {
            Ok(file) => Reasons::read(&file, &self.options.key, keys),
            Err(error) => {
                tracing::warn!(job = id, file = name, %error, "a file of an import was not read");
                Reasons::default()
            }
        }
    }

    /// Waits for an import's end, asking less and less often; `None` for one that is not there.
    ///
    /// # Errors
    /// [`Kind::Revoked`] where the run ends before, [`Kind::Unavailable`] after too long.
    async fn ended(&self, id: &str) -> Result<Option<Job>, ConnectorError> {
        tokio::select! {
            ended = self.asked_until_ended(id) => ended,
            () = self.permission.closing() => {
                Err(ConnectorError::new(Kind::Revoked, format!("the run ended before Marketo's import {id} did")))
            }
        }
    }

    async fn asked_until_ended(&self, id: &str) -> Result<Option<Job>, ConnectorError> {
        let (begun, mut pause, mut unseen) = (Instant::now(), self.patience.first, 0);
        loop {
            tokio::time::sleep(pause).await;
            match self.client.job(id).await? {
                Some(job) if job.status != Status::Pending => return Ok(Some(job)),
                Some(_) => unseen = 0,
                None => unseen += 1,
            }
            if unseen == UNSEEN {
                return Ok(None);
            }
            if begun.elapsed() > self.patience.whole {
                let message = format!("Marketo's import {id} is under way for too long to be waited for");
                return Err(ConnectorError::new(Kind::Unavailable, message).retry(Retry::Exhausted));
            }
            pause = (pause * 2).min(self.patience.longest);
        }
    }

    /// Waits before an import that found no place in the queue is tried again; false once that has lasted too long.
    ///
    /// # Errors
    /// [`Kind::Revoked`] where the run ends before.
    pub(super) async fn waits_for_place(
        &self,
        begun: Instant,
        pause: &mut Duration,
    ) -> Result<bool, ConnectorError> {
        if begun.elapsed() > self.patience.whole {
            return Ok(false);
        }
        tokio::select! {
            () = tokio::time::sleep(*pause) => {}
            () = self.permission.closing() => {
                return Err(ConnectorError::new(Kind::Revoked, "the run ended before Marketo took an import"));
            }
        }
        *pause = (*pause * 2).min(self.patience.longest);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn job(status: Status, processed: u64, failed: u64, warned: u64) -> Job {
        let [processed, failed, warned] = [processed, failed, warned].map(Some);
        Job { status, processed, failed, warned, message: "said".to_owned() }
    }

    fn reasons(named: &[usize], strangers: usize) -> Reasons {
        Reasons { named: named.iter().map(|row| (*row, "bad".to_owned())).collect(), strangers }
    }

    /// `a` applied, `r` refused, `w` warned, `u` unknown.
    fn letters(job: &Job, failures: Reasons, warnings: Reasons) -> String {
        let letter = |told: Told| match told {
            Told::Is(Outcome::Applied { .. }) => 'a',
            Told::Is(Outcome::Rejected { .. }) => 'r',
            Told::Warned(_) => 'w',
            Told::Is(_) => 'u',
        };
        told(job, 3, failures, warnings).into_iter().map(letter).collect()
    }

    #[test]
    fn an_import_is_read_as_the_guide_shows_it() {
        let body = json!({
            "batchId": 1022, "status": "Complete", "numOfLeadsProcessed": 2, "numOfRowsFailed": 1, "numOfRowsWithWarning": 0,
            "message": "Import completed with errors, 2 records imported (2 members), 1 failed",
        });
        let read = Job::read(&body).unwrap();
        assert_eq!(
            (read.status, read.processed, read.failed, read.warned),
            (Status::Complete, Some(2), Some(1), Some(0))
        );
        for (word, status) in [
            ("Queued", Status::Pending),
            ("Importing", Status::Pending),
            ("Odd", Status::Pending),
            ("Failed", Status::Failed),
        ] {
            assert_eq!(Job::read(&json!({"status": word})).unwrap().status, status);
        }
        assert_eq!(Job::read(&json!({"batchId": 1})), None);
    }

    #[test]
    fn nothing_is_done_that_an_import_does_not_say() {
        use Status::{Complete, Failed};
        let none = || reasons(&[], 0);
        for (job, failures, warnings, expected) in [
            (job(Complete, 3, 0, 0), none(), none(), "aaa"),
            (job(Complete, 2, 0, 0), none(), none(), "uuu"),
            (job(Complete, 2, 1, 0), reasons(&[1], 0), none(), "ara"),
            (job(Complete, 3, 1, 0), reasons(&[1], 0), none(), "ara"),
            (job(Complete, 2, 1, 0), none(), none(), "uuu"),
            (job(Complete, 2, 1, 0), reasons(&[1], 1), none(), "uru"),
            (job(Complete, 1, 2, 0), reasons(&[1], 0), none(), "uru"),
            (job(Complete, 3, 0, 1), none(), reasons(&[2], 0), "aaw"),
            (job(Complete, 3, 0, 2), none(), reasons(&[2], 0), "uuw"),
            (job(Complete, 3, 0, 1), none(), none(), "uuu"),
            (job(Complete, 2, 1, 1), reasons(&[0], 0), reasons(&[2], 0), "raw"),
            (job(Failed, 0, 0, 0), none(), none(), "rrr"),
            (job(Failed, 1, 0, 0), none(), none(), "uuu"),
            (job(Failed, 0, 1, 0), reasons(&[0], 0), none(), "ruu"),
        ] {
            assert_eq!(letters(&job, failures, warnings), expected, "{job:?}");
        }
        let counted = || job(Complete, 3, 0, 0);
        for bare in [
            Job { processed: None, ..counted() },
            Job { failed: None, ..counted() },
            Job { warned: None, ..counted() },
        ] {
            assert_eq!(
                letters(&bare, none(), none()),
                "uuu",
                "without a count nothing is confirmed: {bare:?}"
            );
        }
    }
}
