//! Jobs that nobody knows of: the answer that named one was lost, or a run ended before it was written down. SendGrid lists no
//! jobs, so what such a one may still do is given time.

use std::time::Duration;

use jiff::Timestamp;

use super::jobs::Work;
use super::removal::done;
use crate::contract::{Outcome, Window};

/// A job that an earlier run left is taken to have ended after so long.
const JOB: Duration = Duration::from_secs(3600);

/// And so long after the earliest such run began, whenever the last of them wrote.
const RUNS: Duration = Duration::from_secs(6 * 3600);

/// Whether a job of that time may still be at work.
fn is_recent(left: Window, now: Timestamp) -> bool {
    let before = |time: Timestamp, span: Duration| time.checked_add(span).is_ok_and(|end| now < end);
    before(left.to, JOB) && before(left.from, RUNS)
}

impl Work {
    /// Of a contact that is not there, or not on the list, and shall not be: done, unless a job of an earlier run that nobody
    /// knows of may still make it, or put it on.
    pub(super) fn gone(&self) -> Outcome {
        match self.unsettled {
            Some(left) if is_recent(left, Timestamp::now()) => Outcome::Deferred {
                reason:
                    "there is nothing to remove yet, but a job that an earlier run left may still be at work"
                        .to_owned(),
            },
            _ => done(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_is_given_time_but_not_for_ever() {
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        let now = time("2026-07-15T12:00:00Z");
        for (from, to, recent) in [
            ("2026-07-15T11:59:00Z", "2026-07-15T12:00:00Z", true),
            ("2026-07-15T06:01:00Z", "2026-07-15T12:00:00Z", true),
            ("2026-07-15T05:59:00Z", "2026-07-15T12:00:00Z", false),
            ("2026-07-15T10:00:00Z", "2026-07-15T11:01:00Z", true),
            ("2026-07-15T10:00:00Z", "2026-07-15T10:59:00Z", false),
        ] {
            assert_eq!(is_recent(Window { from: time(from), to: time(to) }, now), recent, "{from} {to}");
        }
    }
}
