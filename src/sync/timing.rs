//! When a sync may send, and by when it is to have delivered.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::event::{Binds, Event, Forecast, Observer, Verdict};
use crate::error::{Error, ErrorKind};
use crate::project::{Opening, SendWindow, Sync};

/// Why nothing may be sent now, where a window says so.
pub fn closed(sync: &Sync, now: Timestamp) -> Option<Error> {
    let window = sync.window.as_ref()?;
    match window.at(now) {
        Opening::Open { .. } => None,
        Opening::Closed { until } => Some(outside(window, until)),
    }
}

/// The end of a window during a run.
pub struct Closing {
    pub at: tokio::time::Instant,
    /// Of a run that has more to send by then.
    pub error: Error,
}

impl Closing {
    /// `None` where the sync has no window.
    pub fn of(sync: &Sync, now: Timestamp) -> Option<Self> {
        let window = sync.window.as_ref()?;
        let (left, opens) = match window.at(now) {
            Opening::Closed { until } => (Duration::ZERO, until),
            Opening::Open { until } => {
                let opens = match window.at(until) {
                    Opening::Closed { until } | Opening::Open { until } => until,
                };
                (Duration::try_from(until.duration_since(now)).unwrap_or_default(), opens)
            }
        };
        Some(Closing { at: tokio::time::Instant::now() + left, error: outside(window, opens) })
    }
}

/// The error of a run outside of its window, which opens next at this moment.
fn outside(window: &SendWindow, opens: Timestamp) -> Error {
    let message = format!("outside of `window: {window}`; it opens at {}", window.local(opens));
    Error::new("OF-RUN-018", ErrorKind::Held, message)
        .hint("what is pending goes with the first run inside; `--allow-any-time` lets this one send now")
}

/// Whether a plan can be delivered within the time that it is given, `begun` so long ago; and that in words.
pub fn verdict(within: Duration, begun: Duration, forecast: &Forecast) -> (Verdict, String) {
    let takes = begun + Duration::try_from_secs_f64(forecast.seconds).unwrap_or(Duration::MAX / 2);
    let over = forecast.quota_percent.filter(|percent| *percent > 100.0);
    let verdict = Verdict {
        seconds: within.as_secs_f64(),
        takes: takes.as_secs_f64(),
        possible: over.is_none() && takes <= within,
        binds: over.map_or(forecast.binds, |_| Binds::Quota),
    };
    let whether = if verdict.possible { "can be kept" } else { "cannot be kept" };
    let requests = match forecast.requests {
        1 => "1 request".to_owned(),
        requests => format!("{requests} requests"),
    };
    let why = match over {
        Some(percent) => format!("{requests} are {percent:.0} % of the daily quota, which binds"),
        None if verdict.possible && forecast.requests == 0 => "there is nothing to send".to_owned(),
        None => {
            let takes = spelled(takes.max(Duration::from_secs(1)));
            format!("delivering takes about {takes} for {requests}; {} binds", verdict.binds)
        }
    };
    (verdict, format!("`deliver_within: {}` {whether}: {why}", spelled(within)))
}

/// Watches whether a delivery falls behind the time that it is given.
pub struct Deadline<'a> {
    pub sync: &'a str,
    pub within: Duration,
    /// When the run began, and when it began to send.
    pub begun: Instant,
    pub sending: Instant,
    pub changes: u64,
    /// What holds it up, as far as is known.
    pub binds: Binds,
    pub said: AtomicBool,
}

/// Answers before which nothing is said of the pace.
const FIRST: Duration = Duration::from_secs(2);

impl Deadline<'_> {
    /// Takes in that so many changes are settled; says once that it falls behind.
    pub fn hear(&self, settled: u64, observer: &dyn Observer) {
        let Some(late) = self.late(settled, self.sending.elapsed(), self.begun.elapsed()) else { return };
        if !self.said.swap(true, Ordering::Relaxed) {
            let event = Event::Behind { sync: self.sync.to_owned(), late, by: self.binds };
            observer.observe(&event);
        }
    }

    /// By how much the end will be too late if it goes on at this pace.
    fn late(&self, settled: u64, sending: Duration, all: Duration) -> Option<Duration> {
        if settled == 0 || settled >= self.changes || (sending < FIRST && all < self.within) {
            return None;
        }
        let left = sending.mul_f64((self.changes - settled) as f64 / settled as f64);
        (all + left).checked_sub(self.within).filter(|late| !late.is_zero())
    }

    /// What is to be said at the end.
    pub fn said(&self) -> Option<String> {
        let took = self.begun.elapsed();
        (took > self.within).then(|| {
            format!(
                "delivered {} after the run began, later than `deliver_within: {}`; {} binds",
                spelled(took),
                spelled(self.within),
                self.binds
            )
        })
    }
}

/// `45m`, `1h 20m`, `12s`: two units at most.
pub fn spelled(time: Duration) -> String {
    let seconds = time.as_secs_f64().round() as u64;
    let units = [(86_400, "d"), (3600, "h"), (60, "m"), (1, "s")];
    let first = units.iter().position(|(unit, _)| seconds >= *unit).unwrap_or(3);
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (unit, name) in units.iter().skip(first).take(2) {
        if rest / unit > 0 || parts.is_empty() {
            parts.push(format!("{}{name}", rest / unit));
        }
        rest %= unit;
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whether_a_time_can_be_kept_is_said_with_what_binds() {
        let said = |requests, seconds, quota_percent| {
            let forecast =
                Forecast { requests, seconds, quota_percent, binds: Binds::Narrow("deletions"), bytes: 0 };
            let (verdict, said) = verdict(Duration::from_secs(2700), Duration::from_secs(60), &forecast);
            (verdict.possible, said)
        };
        assert_eq!(
            said(1000, 4740.0, None),
            (
                false,
                "`deliver_within: 45m` cannot be kept: delivering takes about 1h 20m for 1000 requests; the limit of deletions \
                 binds"
                    .to_owned()
            )
        );
        assert_eq!(
            said(1, 2600.0, Some(99.0)),
            (
                true,
                "`deliver_within: 45m` can be kept: delivering takes about 44m 20s for 1 request; the limit of deletions binds"
                    .to_owned()
            )
        );
        assert_eq!(
            said(0, 0.0, None),
            (true, "`deliver_within: 45m` can be kept: there is nothing to send".to_owned())
        );
        let (possible, over) = said(1000, 1.0, Some(250.0));
        assert!(!possible && over.contains("1000 requests are 250 % of the daily quota"), "{over}");
    }

    #[test]
    fn a_delivery_falls_behind_when_its_pace_is_too_slow() {
        let now = Instant::now();
        let deadline = Deadline {
            sync: "s",
            within: Duration::from_secs(100),
            begun: now,
            sending: now,
            changes: 1000,
            binds: Binds::Answers,
            said: AtomicBool::new(false),
        };
        let late = |settled, sending: u64, all: u64| {
            deadline
                .late(settled, Duration::from_secs(sending), Duration::from_secs(all))
                .map(|late| late.as_secs())
        };
        assert_eq!(late(0, 50, 60), None, "nothing is known of the pace");
        assert_eq!(late(100, 1, 11), None, "or too little");
        assert_eq!(late(500, 40, 50), None);
        assert_eq!(late(500, 60, 70), Some(30));
        assert_eq!(late(1000, 200, 210), None, "it is over");
    }

    #[test]
    fn times_have_two_units() {
        let texts = [0, 59, 60, 61, 3600, 3661, 90_000].map(|seconds| spelled(Duration::from_secs(seconds)));
        assert_eq!(texts, ["0s", "59s", "1m", "1m 1s", "1h", "1h 1m", "1d 1h"]);
    }
}
