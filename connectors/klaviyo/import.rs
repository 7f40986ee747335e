//! Many upserts by one import job. That a job was taken proves nothing of its rows: its end is waited for, and its errors are
//! read (`bulk_import_profiles`, `get_bulk_import_profiles_job` and `get_errors_for_bulk_import_profiles_job` of the vendor's
//! description).

use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::answers;
use super::client::{Job, Taken, Work};
use super::encode::{Rows, Sent};
use super::session::ProfileSession;
use crate::contract::{BatchSource, ConnectorError, Handles, Kind, Outcome, Outcomes, Receipt, RemoteHandle};
use crate::http::{Reply, in_parts};

/// Most profiles of a job, and most bytes of its request: "5MB", taken for millions.
pub(super) const PROFILES: usize = 10_000;
pub(super) const BYTES: usize = 5_000_000;

const OPEN: &str = "{\"data\":{\"type\":\"profile-bulk-import-job\",\"attributes\":{\"profiles\":{\"data\":[";

/// The end of a job's body, with the list that its profiles are put on.
fn close(list: Option<&str>) -> String {
    match list {
        None => "]}}}}".to_owned(),
        Some(id) => {
            format!(
                "]}}}},\"relationships\":{{\"lists\":{{\"data\":[{{\"type\":\"list\",\"id\":\"{id}\"}}]}}}}}}}}"
            )
        }
    }
}

/// Pages of errors that a job of so many profiles is read for: a row may have several.
fn pages(profiles: usize) -> usize {
    4 * profiles.div_ceil(100) + 10
}

/// A job and the places of its rows in their batch: what a later run needs to settle it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Begun {
    #[serde(default)]
    work: Work,
    job: String,
    rows: Vec<RangeInclusive<usize>>,
}

impl Begun {
    pub(super) fn of(work: Work, job: &str, places: impl Iterator<Item = usize>) -> Self {
        let mut rows: Vec<RangeInclusive<usize>> = Vec::new();
        for place in places {
            match rows.last_mut() {
                Some(last) if *last.end() + 1 == place => *last = *last.start()..=place,
                _ => rows.push(place..=place),
            }
        }
        Begun { work, job: job.to_owned(), rows }
    }
}

impl ProfileSession {
    /// Imports these rows, in as many jobs as their number and bytes need. One outcome for each comes back, in their order.
    ///
    /// # Errors
    /// A failure before any row had or may have had an effect.
    pub(super) async fn import(
        &self,
        rows: &Rows,
        handles: &dyn Handles,
    ) -> Result<Vec<Outcome>, ConnectorError> {
        let close = &close(self.options.list.as_deref());
        let parts = rows.items.cut(PROFILES, BYTES, OPEN.len() + close.len());
        let begun = &Mutex::new(Vec::new());
        let told = in_parts(rows.sent.len(), &parts, |places| async move {
            let body = rows.items.body(OPEN, places.iter().copied(), close);
            let job = match self.client.import(body, places.len()).await? {
                Taken::Yes(answer) => {
                    answer.json.as_ref().and_then(|body| body.get("data")).and_then(Job::of)
                }
                Taken::No(named) => {
                    let named = named.into_iter().map(|(at, refusal)| (places[at], refusal.outcome()));
                    return Ok(Reply::Named(named.collect()));
                }
            };
            let lost = || {
                ConnectorError::new(Kind::Ambiguous, "Klaviyo took an import, but its answer names no job")
            };
            let job = job.ok_or_else(lost)?.id;
            let sent: Vec<&Sent> = places.iter().map(|row| &rows.sent[*row]).collect();
            let handle = handle(begun, Begun::of(Work::Import, &job, sent.iter().map(|sent| sent.place)));
            handles.store(&handle).await.map_err(unknown)?;
            let keys = rows.keys(&places);
            self.result(&job, &keys).await.map(Reply::Each).map_err(unknown)
        });
        match told.await {
            // A job is at work on some: each row says so, and the next run asks what became of it.
            Err(error) if !lock(begun).is_empty() => {
                Ok(vec![Outcome::Unknown { reason: error.message }; rows.sent.len()])
            }
            told => told,
        }
    }

    /// What a job came to, whose profiles had these keys in this order.
    async fn result(&self, job: &str, keys: &[String]) -> Result<Vec<Outcome>, ConnectorError> {
        let job = self.ended(Work::Import, job).await?;
        let (errors, all) = self.client.import_errors(&job.id, pages(keys.len())).await?;
        let outcomes = answers::outcomes(&job, (&errors, all), self.options.key, keys);
        let unknown = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Unknown { .. })).count();
        tracing::info!(job = job.id, profiles = keys.len(), failed = job.failed, unknown, "import ended");
        Ok(outcomes)
    }

    /// Waits for the end of the jobs that an earlier run left, and reads what they came to. What was in none of them may
    /// have been in an import that nobody knows of, so that all that are at work are waited for.
    ///
    /// # Errors
    /// Where the run may not go on, or the account cannot be asked.
    pub(super) async fn resume(
        &self,
        handle: &RemoteHandle,
        batch: &dyn BatchSource,
    ) -> Result<Receipt, ConnectorError> {
        let begun: Vec<Begun> = serde_json::from_str(&handle.0).map_err(|error| {
            ConnectorError::new(Kind::Internal, format!("`{}` names no imports", handle.0)).source(error)
        })?;
        let mut keys = Vec::with_capacity(batch.len());
        batch.each(&mut |change| {
            keys.push(change.destination_key.first().map(|key| key.value.to_string()).unwrap_or_default());
            Ok(())
        })?;
        let mut outcomes = Outcomes::new(batch.len());
        let left = "whether it was in an import that an earlier run left is not known";
        (0..batch.len()).for_each(|place| outcomes.set(place, Outcome::Unknown { reason: left.to_owned() }));
        let named: usize = begun.iter().flat_map(|one| &one.rows).map(|rows| rows.clone().count()).sum();
        let may_import = begun.iter().all(|one| one.work == Work::Import);
        for Begun { work, job, rows } in begun {
            let places: Vec<usize> = rows.into_iter().flatten().filter(|place| *place < keys.len()).collect();
            let own: Vec<String> = places.iter().map(|place| keys[*place].clone()).collect();
            let told = match work {
                Work::Import => self.result(&job, &own).await,
                Work::Suppression => self.suppressed(&job, own.len()).await,
            };
            let told = match told {
                Ok(told) => told,
                Err(error) if must_stop(&error) => return Err(error),
                Err(error) => vec![Outcome::Unknown { reason: error.message }; own.len()],
            };
            places.into_iter().zip(told).for_each(|(place, outcome)| outcomes.set(place, outcome));
        }
        if may_import && named < batch.len() {
            self.wait_for_open().await?;
        }
        Ok(outcomes.receipt())
    }

    /// Waits for a job's end, asking less and less often.
    ///
    /// # Errors
    /// [`Kind::Revoked`] where the run ends before.
    pub(super) async fn ended(&self, work: Work, job: &str) -> Result<Job, ConnectorError> {
        tokio::select! {
            ended = self.asked_until_ended(work, job) => ended,
            () = self.permission.closing() => {
                Err(ConnectorError::new(Kind::Revoked, "the run ended before Klaviyo's job did"))
            }
        }
    }

    async fn asked_until_ended(&self, work: Work, id: &str) -> Result<Job, ConnectorError> {
        let (begun, mut pause) = (Instant::now(), self.patience.first);
        loop {
            tokio::time::sleep(pause).await;
            let job = self.client.job(work, id).await?;
            if job.has_ended() {
                return Ok(job);
            }
            if begun.elapsed() > self.patience.whole {
                let message =
                    format!("Klaviyo's job `{id}` is `{}` for too long to be waited for", job.status);
                return Err(ConnectorError::new(Kind::Unavailable, message));
            }
            pause = (pause * 2).min(self.patience.longest);
        }
    }
}

/// The handle of all jobs of a batch so far.
pub(super) fn handle(all: &Mutex<Vec<Begun>>, begun: Begun) -> RemoteHandle {
    let mut all = lock(all);
    all.push(begun);
    // Texts and numbers are always written.
    RemoteHandle(serde_json::to_string(&*all).unwrap_or_default())
}

pub(super) fn lock(begun: &Mutex<Vec<Begun>>) -> MutexGuard<'_, Vec<Begun>> {
    begun.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether nothing else can be asked in this run.
pub(super) fn must_stop(error: &ConnectorError) -> bool {
    matches!(error.kind, Kind::Revoked | Kind::Auth | Kind::Config | Kind::Quota)
}

/// A job is at work on the rows, and what it does to them is not known here.
pub(super) fn unknown(error: ConnectorError) -> ConnectorError {
    let message = format!("the job's result is not known: {}", error.message);
    ConnectorError { kind: Kind::Ambiguous, message, ..error }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    #[test]
    fn a_handle_holds_the_places_of_each_jobs_rows() {
        let all = Mutex::new(Vec::new());
        handle(&all, Begun::of(Work::Import, "A", [0, 1, 2, 5, 6, 9].into_iter()));
        let handle = handle(&all, Begun::of(Work::Suppression, "B", 10..20));
        let read: Vec<Begun> = serde_json::from_str(&handle.0).unwrap();
        assert_eq!(read[0], Begun { work: Work::Import, job: "A".into(), rows: vec![0..=2, 5..=6, 9..=9] });
        assert_eq!(read[1], Begun { work: Work::Suppression, job: "B".into(), rows: vec![10..=19] });
        assert!(Begun::of(Work::Import, "A", std::iter::empty()).rows.is_empty());
    }

    #[test]
    fn a_job_names_its_list() {
        let body =
            |list: Option<&str>| -> Json { serde_json::from_str(&format!("{OPEN}{}", close(list))).unwrap() };
        let attributes = json!({"profiles": {"data": []}});
        assert_eq!(
            body(None),
            json!({"data": {"type": "profile-bulk-import-job", "attributes": attributes}})
        );
        let lists = json!({"lists": {"data": [{"type": "list", "id": "Y6nRLr"}]}});
        assert_eq!(body(Some("Y6nRLr"))["data"]["relationships"], lists);
    }
}
