//! Jobs that nobody knows of: an answer that named one was lost, or a run ended before it was written down. They have no data
//! and no effect, but stay open for a day.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::course::without_effect;
use super::jobs::{Job, State, Wanted};
use super::session::RecordSession;
use crate::contract::{ConnectorError, Kind, Window};

/// How often a job is made anew because the answer that names it was lost.
const LOST: u32 = 3;

/// Clocks may differ by so much.
const SKEW: Duration = Duration::from_secs(300);

/// What makes a job ours: its user, object and operation, and when it was made.
struct Ours<'a> {
    user: &'a str,
    object: &'a str,
    operation: &'a str,
    made: Window,
}

impl Ours<'_> {
    fn is(&self, job: &Job) -> bool {
        let within = |created: Timestamp| (self.made.from..=self.made.to).contains(&created);
        job.created_by == self.user
            && !self.user.is_empty()
            && job.object.eq_ignore_ascii_case(self.object)
            && job.operation == self.operation
            && job.created.is_some_and(within)
    }
}

impl RecordSession {
    /// Makes a job; where an answer is lost, another, and ends the one that was lost. The job's id.
    pub(super) async fn created(&self, wanted: &Wanted<'_>) -> Result<String, ConnectorError> {
        let _turn = self.jobs.made.turn.lock().await;
        let (asked, mut lost) = (Instant::now(), 0);
        let job = loop {
            match self.client.create_job(wanted, &self.options.headers).await {
                Err(error) if error.kind == Kind::Ambiguous && lost < LOST => {
                    tracing::info!(%error, "whether a job was made is not known; another is");
                    lost += 1;
                }
                Err(error) if error.kind == Kind::Rejected => {
                    return Err(ConnectorError { kind: Kind::Config, ..error }
                        .hint("check `object`, `match_on` and the user's permissions; `outflow fields` shows the External IDs"));
                }
                job => break job.map_err(without_effect)?,
            }
        };
        self.jobs.note(&job);
        if lost > 0 {
            self.end_lost(&job, asked.elapsed()).await;
        }
        Ok(job.id)
    }

    /// Ends the jobs like this one that were made not longer ago.
    async fn end_lost(&self, like: &Job, ago: Duration) {
        let Some(made) = like.created else { return };
        let margin = ago + Duration::from_secs(5);
        let ours = Ours {
            user: &like.created_by,
            object: &like.object,
            operation: &like.operation,
            made: Window { from: made - margin, to: made },
        };
        if let Err(error) = self.end_those(&ours).await {
            tracing::info!(%error, "jobs whose answer was lost stay open for a day, without effect");
        }
    }

    async fn end_those(&self, ours: &Ours<'_>) -> Result<(), ConnectorError> {
        let known =
            |id: &str| self.jobs.made.jobs.lock().unwrap_or_else(PoisonError::into_inner).ids.contains(id);
        for job in self.client.all_jobs().await? {
            if job.state != State::Open || known(&job.id) {
                continue;
            }
            match ours.is(&job) {
                true => {
                    self.client.abort_job(&job.id).await?;
                    tracing::info!(job = job.id, "a job of ours that had no data is ended");
                }
                false if job.object.eq_ignore_ascii_case(ours.object) => {
                    tracing::warn!(
                        job = job.id,
                        user = job.created_by,
                        "somebody's job for this object is open"
                    );
                }
                false => {}
            }
        }
        Ok(())
    }

    /// Ends the jobs that a run left which ended before it could write them down.
    pub(super) async fn end_left(&self) -> Result<(), ConnectorError> {
        let Some(left) = self.unsettled else { return Ok(()) };
        let known = self.jobs.made.jobs.lock().unwrap_or_else(PoisonError::into_inner).like.clone();
        // Without a job of this run nobody knows who we are.
        let Some(like) = known else { return Ok(()) };
        let ours = Ours {
            user: &like.created_by,
            object: &like.object,
            operation: &like.operation,
            // What is younger may be another run's, which is filling it.
            made: Window { from: left.from - SKEW, to: left.to - SKEW },
        };
        let _turn = self.jobs.made.turn.lock().await;
        // What is only tidying must not make a run fail.
        if let Err(error) = self.end_those(&ours).await {
            tracing::info!(%error, "jobs that an earlier run left stay open for a day, without effect");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_surely_ours_is_ended() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let made = Window { from: at("2026-01-01T10:00:00Z"), to: at("2026-01-01T10:01:00Z") };
        let ours = Ours { user: "005A", object: "Contact", operation: "upsert", made };
        let job = Job {
            id: "750A".into(),
            state: State::Open,
            object: "contact".into(),
            operation: "upsert".into(),
            processed: 0,
            failed: 0,
            error: None,
            created_by: "005A".into(),
            created: Some(at("2026-01-01T10:00:30Z")),
        };
        assert!(ours.is(&job));
        for other in [
            Job { created_by: "005B".into(), ..job.clone() },
            Job { created_by: String::new(), ..job.clone() },
            Job { object: "Lead".into(), ..job.clone() },
            Job { operation: "delete".into(), ..job.clone() },
            Job { created: Some(at("2026-01-01T09:59:59Z")), ..job.clone() },
            Job { created: Some(at("2026-01-01T10:01:01Z")), ..job.clone() },
            Job { created: None, ..job.clone() },
        ] {
            assert!(!ours.is(&other), "{other:?}");
        }
    }
}
