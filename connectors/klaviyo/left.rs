//! Imports that nobody knows of: the answer that named one was lost, or a run ended before it was written down. What they
//! still do must not undo what is sent next, so their end is waited for.

use std::time::Duration;

use jiff::Timestamp;

use super::client::{Job, Work};
use super::errors;
use super::session::ProfileSession;
use crate::contract::{ConnectorError, Window};

/// Clocks may differ by so much.
const SKEW: Duration = Duration::from_secs(300);

/// Pages of imports that are looked at; beyond these others keep the account busy.
const PAGES: usize = 20;

/// Whether an import may be one that a run of that time left. One whose time is not told may be.
fn may_be_ours(job: &Job, written: Window) -> bool {
    let within = |created: Timestamp| {
        let (from, to) = (written.from.checked_sub(SKEW), written.to.checked_add(SKEW));
        from.is_ok_and(|from| created >= from) && to.is_ok_and(|to| created <= to)
    };
    job.created_at.parse().map_or(true, within)
}

impl ProfileSession {
    /// Waits, before the first write of a session, for what an earlier one may have left.
    ///
    /// # Errors
    /// Where the account cannot be asked, or the end does not come; nothing was sent then.
    pub(super) async fn wait_for_left(&self) -> Result<(), ConnectorError> {
        let Some(written) = self.unsettled else { return Ok(()) };
        self.left.get_or_try_init(|| self.all_ended(Some(written))).await.copied()
    }

    /// Waits, once in a session, for all imports that are at work: where a batch has one that is known, nobody is told when
    /// another of it was lost.
    ///
    /// # Errors
    /// As [`Self::wait_for_left`].
    pub(super) async fn wait_for_open(&self) -> Result<(), ConnectorError> {
        self.open.get_or_try_init(|| self.all_ended(None)).await.copied()
    }

    /// Those of the runs that wrote then, or all.
    async fn all_ended(&self, written: Option<Window>) -> Result<(), ConnectorError> {
        let jobs = self.client.open_jobs(PAGES).await.map_err(errors::not_asked)?;
        for job in jobs.iter().filter(|job| written.is_none_or(|written| may_be_ours(job, written))) {
            tracing::info!(job = job.id, "an import of an earlier run is waited for");
            self.ended(Work::Import, &job.id).await.map_err(errors::not_asked)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_of_another_time_is_somebody_elses() {
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        let written = Window { from: time("2026-07-15T10:00:00Z"), to: time("2026-07-15T11:00:00Z") };
        for (created, ours) in [
            ("2026-07-15T10:30:00+00:00", true),
            ("2026-07-15T09:56:00.123456+00:00", true),
            ("2026-07-15T09:54:00Z", false),
            ("2026-07-15T11:04:00Z", true),
            ("2026-07-15T11:06:00Z", false),
            ("", true),
        ] {
            let job = Job { created_at: created.to_owned(), ..Job::default() };
            assert_eq!(may_be_ours(&job, written), ours, "{created}");
        }
    }
}
