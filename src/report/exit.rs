//! The whole list of exit codes, and which one a command ends with.

use std::process::ExitCode;

use crate::error::{Error, ErrorKind};
use crate::sync::event::{Status, SyncReport};

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done,
    Failed,
    /// A wrong command line; with `diff --exit-code`: there are changes.
    Usage,
    Partial,
    Held,
    Locked,
    Quota,
    Interrupted,
}

/// Every code with its meaning, as `--help` shows them.
pub const LIST: [(Exit, &str); 8] = [
    (Exit::Done, "done, or nothing to do"),
    (Exit::Failed, "failed: configuration, connection, source query, destination down"),
    (Exit::Usage, "usage error; with `diff --exit-code`: there are changes"),
    (Exit::Partial, "finished, but some rows were invalid, rejected or deferred"),
    (Exit::Held, "held by a guard, a failed data test, a closed `window` or a policy; nothing was sent"),
    (Exit::Locked, "another run holds this sync"),
    (Exit::Quota, "stopped cleanly at a quota; the rest goes next run"),
    (Exit::Interrupted, "interrupted; what was acknowledged is kept"),
];

/// Of several syncs the first of these that applies decides.
const PRECEDENCE: [Exit; 6] =
    [Exit::Interrupted, Exit::Failed, Exit::Held, Exit::Locked, Exit::Quota, Exit::Partial];

impl Exit {
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Partial => 3,
            Exit::Held => 4,
            Exit::Locked => 5,
            Exit::Quota => 6,
            Exit::Interrupted => 130,
        }
    }

    /// How a command ends that could not do its work because of this.
    pub fn of_error(error: &Error) -> Self {
        match error.kind {
            ErrorKind::Usage => Exit::Usage,
            ErrorKind::Held => Exit::Held,
            ErrorKind::Locked => Exit::Locked,
            ErrorKind::Quota => Exit::Quota,
            ErrorKind::Interrupted => Exit::Interrupted,
            _ => Exit::Failed,
        }
    }

    fn of_status(status: Status) -> Self {
        match status {
            Status::Ok | Status::Skipped => Exit::Done,
            Status::Partial => Exit::Partial,
            Status::Failed => Exit::Failed,
            Status::Held => Exit::Held,
            Status::Locked => Exit::Locked,
            Status::Quota => Exit::Quota,
            Status::Interrupted => Exit::Interrupted,
        }
    }

    /// How `sync` ends.
    pub fn of_runs(reports: &[SyncReport]) -> Self {
        first_of(reports.iter().map(|report| Exit::of_status(report.status)))
    }

    /// How `diff` ends: 0 wherever the preview could be made, unless `--exit-code` asks what it shows.
    pub fn of_previews(reports: &[SyncReport], exit_code: bool) -> Self {
        let made = |report: &&SyncReport| report.preview.is_none() || report.status == Status::Interrupted;
        let failed = first_of(reports.iter().filter(made).map(|report| Exit::of_status(report.status)));
        // As the run would end that meets the same.
        let stopped = |report: &SyncReport| {
            let stop = report.preview.as_ref().and_then(|preview| preview.would_hold.as_ref());
            let held = if report.status == Status::Held { Exit::Held } else { Exit::Done };
            stop.map_or(held, Exit::of_error)
        };
        let changes = |report: &SyncReport| {
            let counts = report.counts;
            counts.added + counts.changed + counts.removed > 0
        };
        if failed != Exit::Done || !exit_code {
            return failed;
        }
        match first_of(reports.iter().map(stopped)) {
            Exit::Done if reports.iter().any(changes) => Exit::Usage,
            stopped => stopped,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}

fn first_of(exits: impl Iterator<Item = Exit>) -> Exit {
    let exits: Vec<Exit> = exits.collect();
    PRECEDENCE.into_iter().find(|exit| exits.contains(exit)).unwrap_or(Exit::Done)
}

/// The block that ends every `--help`.
pub fn help() -> String {
    let lines = LIST.iter().map(|(exit, meaning)| format!("  {:<4} {meaning}\n", exit.code()));
    format!("Exit codes:\n{}", lines.collect::<String>().trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, ErrorKind};
    use crate::report::samples;
    use crate::sync::event::Preview;

    fn with(status: Status) -> SyncReport {
        SyncReport { status, ..samples::run() }
    }

    fn preview(status: Status, added: u64, would_hold: Option<Error>) -> SyncReport {
        let mut report = with(status);
        report.counts = crate::sync::event::Counts { added, ..Default::default() };
        report.preview = Some(Preview { would_hold, ..Preview::default() });
        report
    }

    #[test]
    fn the_first_that_applies_of_several_syncs() {
        use Status::*;
        for (statuses, code) in [
            (vec![], 0),
            (vec![Ok, Ok], 0),
            (vec![Ok, Skipped], 0),
            (vec![Partial, Ok], 3),
            (vec![Partial, Quota], 6),
            (vec![Quota, Locked], 5),
            (vec![Locked, Held], 4),
            (vec![Held, Failed, Skipped], 1),
            (vec![Failed, Interrupted], 130),
        ] {
            let reports: Vec<_> = statuses.iter().copied().map(with).collect();
            assert_eq!(Exit::of_runs(&reports).code(), code, "{statuses:?}");
        }
    }

    #[test]
    fn a_preview_ends_with_zero_unless_asked() {
        let held = || Some(Error::new("OF-RUN-000", ErrorKind::Held, "too many"));
        let clash = || Some(Error::new("OF-RUN-013", ErrorKind::Source, "rows share a key"));
        let failed = || SyncReport { preview: None, ..with(Status::Failed) };
        for (report, plain, asked) in [
            (preview(Status::Ok, 0, None), 0, 0),
            (preview(Status::Ok, 3, None), 0, 2),
            (preview(Status::Partial, 3, None), 0, 2),
            (preview(Status::Held, 3, held()), 0, 4),
            (preview(Status::Ok, 3, clash()), 0, 1),
            (failed(), 1, 1),
        ] {
            let reports = [report];
            assert_eq!(Exit::of_previews(&reports, false).code(), plain, "{:?}", reports[0].status);
            assert_eq!(Exit::of_previews(&reports, true).code(), asked, "{:?}", reports[0].status);
        }
    }

    #[test]
    fn the_list_names_every_code_once() {
        let codes: Vec<u8> = LIST.iter().map(|(exit, _)| exit.code()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 130]);
    }
}
