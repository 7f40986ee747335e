//! What the end of a job means for each of its rows: nothing counts as done that the job does not say.

use super::jobs::{Job, Status};
use super::reasons::Reasons;
use super::trail::Task;
use crate::contract::Outcome;

/// The code of a row that a job's file of errors names.
const ROW: &str = "JOB_ROW_REFUSED";

/// The code of a row whose job, which it had to itself, failed.
const FAILED: &str = "JOB_FAILED";

/// Whether a job did all of so many rows: it is called complete, speaks of no error, and of no fewer rows than it was sent.
pub(super) fn is_clean(job: &Job, task: Task, rows: usize) -> bool {
    job.status == Status::Completed && job.errored.unwrap_or(0) == 0 && counts_all(job, task, rows)
}

/// Whether a job accounts for all of so many rows, as far as it has counts.
fn counts_all(job: &Job, task: Task, rows: usize) -> bool {
    let enough = |count: u64| count >= rows as u64;
    let done = match task {
        Task::Removal => job.deleted,
        Task::Call | Task::Empty | Task::Filled => {
            job.created.zip(job.updated).map(|(created, updated)| created.saturating_add(updated))
        }
    };
    let errored = job.errored.unwrap_or(0);
    job.requested.is_none_or(enough) && done.is_none_or(|done| enough(done.saturating_add(errored)))
}

/// One outcome for each of a job's rows. Where its file does not name exactly as many rows as it counts errors, those that
/// are not named may be the ones at fault, and are unknown.
pub(super) fn outcomes(job: &Job, task: Task, rows: usize, mut reasons: Reasons) -> Vec<Outcome> {
    if is_clean(job, task, rows) {
        let whole = |count: Option<u64>| count == Some(rows as u64);
        let created = match () {
            () if whole(job.created) => Some(true),
            () if whole(job.updated) => Some(false),
            () => None,
        };
        return vec![Outcome::Applied { remote_id: None, created }; rows];
    }
    let named = reasons.named.len() as u64;
    let is_told = job.status == Status::Errored
        && named > 0
        && reasons.strangers == 0
        && job.errored == Some(named)
        && counts_all(job, task, rows);
    let alone =
        rows == 1 && job.status == Status::Failed && job.created.unwrap_or(0) + job.updated.unwrap_or(0) == 0;
    let other = match () {
        () if is_told => Outcome::Applied { remote_id: None, created: None },
        () if alone => Outcome::Rejected {
            code: FAILED.to_owned(),
            field: None,
            message: "SendGrid's job for this contact failed, and no file of errors says why".to_owned(),
        },
        () => Outcome::Unknown { reason: why(job, named) },
    };
    let outcome = |row| match reasons.named.remove(&row) {
        Some(message) => Outcome::Rejected { code: ROW.to_owned(), field: None, message },
        None => other.clone(),
    };
    (0..rows).map(outcome).collect()
}

fn why(job: &Job, named: u64) -> String {
    let word = match job.status {
        Status::Failed => "failed",
        Status::Completed => "is complete without having counted every row as done",
        Status::Errored | Status::Pending => "had errors",
    };
    let counted = job.errored.map_or_else(String::new, |errors| format!(", counts {errors} of them"));
    format!("SendGrid's job {word}{counted}, and its file of errors names {named} of the rows, not this one")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(status: Status, requested: u64, (created, updated, errored): (u64, u64, u64)) -> Job {
        let [requested, created, updated, errored] = [requested, created, updated, errored].map(Some);
        Job { status, requested, created, updated, deleted: None, errored, errors_url: None }
    }

    fn reasons(named: &[usize], strangers: usize) -> Reasons {
        Reasons { named: named.iter().map(|row| (*row, "bad".to_owned())).collect(), strangers }
    }

    /// `a` applied, `r` refused, `u` unknown.
    fn letters(job: &Job, rows: usize, reasons: Reasons) -> String {
        let letter = |outcome: Outcome| match outcome {
            Outcome::Applied { .. } => 'a',
            Outcome::Rejected { .. } => 'r',
            _ => 'u',
        };
        outcomes(job, Task::Call, rows, reasons).into_iter().map(letter).collect()
    }

    #[test]
    fn nothing_is_done_that_a_job_does_not_say() {
        use Status::{Completed, Errored, Failed};
        for (job, named, strangers, expected) in [
            (job(Completed, 3, (2, 1, 0)), &[][..], 0, "aaa"),
            (job(Completed, 2, (2, 0, 0)), &[], 0, "uuu"),
            (job(Completed, 3, (1, 1, 0)), &[], 0, "uuu"),
            (job(Completed, 3, (2, 0, 1)), &[], 0, "uuu"),
            (job(Completed, 3, (2, 0, 1)), &[1], 0, "uru"),
            (job(Errored, 3, (2, 0, 1)), &[1], 0, "ara"),
            (job(Errored, 3, (1, 0, 2)), &[1], 0, "uru"),
            (job(Errored, 3, (1, 0, 1)), &[1], 0, "uru"),
            (job(Errored, 3, (2, 0, 1)), &[1], 1, "uru"),
            (job(Errored, 2, (1, 0, 1)), &[1], 0, "uru"),
            (job(Errored, 3, (2, 0, 1)), &[], 0, "uuu"),
            (job(Errored, 3, (3, 0, 0)), &[], 0, "uuu"),
            (job(Failed, 3, (0, 0, 3)), &[0, 1], 0, "rru"),
            (job(Failed, 3, (0, 0, 3)), &[], 0, "uuu"),
        ] {
            assert_eq!(letters(&job, 3, reasons(named, strangers)), expected, "{job:?} {named:?}");
        }
        assert_eq!(letters(&job(Failed, 1, (0, 0, 1)), 1, reasons(&[], 0)), "r");
        assert_eq!(letters(&job(Failed, 1, (0, 1, 1)), 1, reasons(&[], 0)), "u");
        let bare = Job {
            requested: None,
            created: None,
            updated: None,
            errored: None,
            ..job(Completed, 0, (0, 0, 0))
        };
        assert_eq!(letters(&bare, 2, Reasons::default()), "aa");
    }

    #[test]
    fn only_counts_of_all_rows_say_whether_they_are_new() {
        for (counts, created) in [((2, 0, 0), Some(true)), ((0, 2, 0), Some(false)), ((1, 1, 0), None)] {
            let outcomes = outcomes(&job(Status::Completed, 2, counts), Task::Call, 2, Reasons::default());
            assert_eq!(outcomes[0], Outcome::Applied { remote_id: None, created });
        }
    }
    #[test]
    fn a_removal_is_counted_by_what_was_deleted() {
        let removal = |deleted| Job { deleted, ..job(Status::Completed, 2, (0, 0, 0)) };
        let applied = |deleted| {
            let outcomes = outcomes(&removal(deleted), Task::Removal, 2, Reasons::default());
            outcomes.iter().all(|outcome| matches!(outcome, Outcome::Applied { .. }))
        };
        assert_eq!([Some(2), None, Some(1), Some(0)].map(applied), [true, true, false, false]);
        assert_eq!(
            letters(&removal(Some(2)), 2, Reasons::default()),
            "uu",
            "of contacts that were sent nothing is done"
        );
    }
}
