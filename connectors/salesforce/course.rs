//! The course of one job: made, given its data, closed, waited for, read.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;

use super::jobs::{File, Job, State, Wanted, no_batches};
use super::results::Results;
use super::rows::Rows;
use super::session::RecordSession;
use super::sheet::Sheet;
use super::trail::Trail;
use crate::contract::{ConnectorError, Handles, Kind, Retry};
use crate::http::Patience;

/// How often a job is made anew because its upload broke off.
const UPLOADS: u32 = 3;

/// What all batches of a session know of jobs.
#[derive(Debug)]
pub(super) struct Jobs {
    pub(super) patience: Patience,
    /// Bytes of an upload at most.
    pub(super) bytes: u64,
    /// Those that the connection made in this process.
    pub(super) made: Arc<Made>,
    /// The limits were read.
    pub(super) allowed: OnceCell<()>,
}

/// Jobs that a connection made, and the right to make one: whoever looks for lost ones must not find another's that is being
/// made.
#[derive(Debug, Default)]
pub(super) struct Made {
    pub(super) jobs: Mutex<OwnJobs>,
    pub(super) turn: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
pub(super) struct OwnJobs {
    pub(super) ids: BTreeSet<String>,
    /// The last of them.
    pub(super) like: Option<Job>,
}

impl Jobs {
    pub(super) fn new(patience: Patience, bytes: u64, made: Arc<Made>) -> Self {
        Jobs { patience, bytes, made, allowed: OnceCell::new() }
    }

    pub(super) fn note(&self, job: &Job) {
        let mut made = self.made.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        made.ids.insert(job.id.clone());
        made.like = Some(job.clone());
    }
}

impl RecordSession {
    /// A job that has its data, durable as such.
    pub(super) async fn uploaded(
        &self,
        rows: &Rows<'_>,
        sheet: &Sheet,
        (trail, handles): (&mut Trail, &dyn Handles),
    ) -> Result<String, ConnectorError> {
        self.jobs.allowed.get_or_try_init(|| self.allowed()).await?;
        let operation = sheet.operation(self.options.hard_delete);
        let key = (operation == "upsert").then_some(self.key.as_str());
        let rule = self
            .options
            .rule
            .as_deref()
            .filter(|_| key.is_some() || operation == "insert" || operation == "update");
        let wanted = Wanted { object: &self.options.object, operation, key, rule };
        let mut tried = 0;
        loop {
            tried += 1;
            let id = self.created(&wanted).await?;
            trail.begin(&id);
            if let Err(error) = trail.store(handles).await {
                self.give_up(&id, (&mut *trail, handles)).await;
                return Err(error);
            }
            match self.client.upload(&id, rows).await {
                Ok(()) => {
                    trail.uploaded();
                    if let Err(error) = trail.store(handles).await {
                        self.give_up(&id, (&mut *trail, handles)).await;
                        return Err(error);
                    }
                    return Ok(id);
                }
                // Nobody knows whether it has its data; it is not closed, so that nothing comes of it.
                Err(error) => {
                    self.give_up(&id, (&mut *trail, handles)).await;
                    // Refused is also what somebody has ended meanwhile.
                    let again = matches!(error.kind, Kind::Ambiguous | Kind::Unavailable | Kind::Rejected);
                    if !again || tried == UPLOADS {
                        return Err(without_effect(error));
                    }
                    tracing::info!(job = id, %error, "an upload broke off, and is begun anew by another job");
                }
            }
        }
    }

    /// Whether the org has batches left.
    async fn allowed(&self) -> Result<(), ConnectorError> {
        match self.client.bulk_batches().await? {
            Some((_, 0)) => Err(no_batches()),
            _ => Ok(()),
        }
    }

    /// Ends a job from which nothing has come, as well as can be.
    pub(super) async fn give_up(&self, id: &str, (trail, handles): (&mut Trail, &dyn Handles)) {
        match self.client.abort_job(id).await {
            Ok(()) => trail.drop_last(),
            // A later run ends it, and does not close it.
            Err(error) => {
                tracing::info!(job = id, %error, "a job without effect stays open");
                trail.not_uploaded();
            }
        }
        if let Err(error) = trail.store(handles).await {
            tracing::info!(job = id, %error, "that a job is given up could not be noted");
        }
    }

    /// Closes a job, so that it is worked on. [`Kind::Ambiguous`] where nobody knows whether it is.
    pub(super) async fn closed(&self, id: &str) -> Result<Job, ConnectorError> {
        let error = match self.client.close_job(id).await {
            Ok(job) => return Ok(job),
            Err(error) => error,
        };
        // Refused for another reason than the job's state, it had no effect.
        if !matches!(error.kind, Kind::Ambiguous | Kind::Rejected) {
            return Err(error);
        }
        match self.client.job(id).await {
            // Nobody can have worked on what was never closed.
            Ok(job) if job.state == State::Aborted && job.processed == 0 => Err(without_effect(error)),
            Ok(job) if job.state != State::Open => Ok(job),
            Ok(_) if error.kind == Kind::Rejected => Err(without_effect(error)),
            _ => Err(ConnectorError { kind: Kind::Ambiguous, ..error }),
        }
    }

    /// Waits for the end of a job.
    ///
    /// # Errors
    /// When it cannot be seen any more; the job goes on.
    pub(super) async fn ended(&self, mut job: Job) -> Result<Job, ConnectorError> {
        let Patience { first, longest, whole } = self.jobs.patience;
        let (mut pause, mut waited) = (first, Duration::ZERO);
        while !job.state.is_over() {
            if waited >= whole {
                let message = format!("job {} did not end within {} hours", job.id, whole.as_secs() / 3600);
                return Err(ConnectorError::new(Kind::Unavailable, message).retry(Retry::Exhausted));
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.permission.closing() => {
                    return Err(ConnectorError::new(Kind::Revoked, format!("the run ended before job {}", job.id)));
                }
            }
            waited += pause;
            pause = (pause * 3 / 2).min(longest);
            job = self.client.job(&job.id).await?;
            tracing::debug!(job = job.id, processed = job.processed, "a job is asked for");
        }
        Ok(job)
    }

    /// Reads the files of a job that is over, as far as they have something to say.
    pub(super) async fn read(
        &self,
        job: &Job,
        rows: usize,
        results: &mut Results<'_>,
    ) -> Result<(), ConnectorError> {
        self.client.results(&job.id, File::Successful, results).await?;
        if job.failed > 0 || results.len() < rows {
            self.client.results(&job.id, File::Failed, results).await?;
        }
        if results.len() < rows {
            self.client.results(&job.id, File::Unprocessed, results).await?;
        }
        Ok(())
    }
}

/// A failure before a job was closed: nothing came of it.
pub(super) fn without_effect(error: ConnectorError) -> ConnectorError {
    match error.kind {
        Kind::Ambiguous => ConnectorError { kind: Kind::Unavailable, ..error },
        // It is about the job, and says nothing of its rows.
        Kind::Rejected => ConnectorError { kind: Kind::Config, ..error },
        _ => error,
    }
}
