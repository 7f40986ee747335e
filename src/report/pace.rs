//! Lines about a backfill where there is no terminal for a bar.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::format::{about, plural, thousands};
use crate::sync::event::Event;

/// Time between two lines.
const INTERVAL: Duration = Duration::from_secs(10);

/// How far each backfill is.
#[derive(Default)]
pub struct Pace {
    of: Mutex<BTreeMap<String, Course>>,
}

#[derive(Clone, Copy)]
struct Course {
    began: Instant,
    said: Instant,
    total: u64,
    done: u64,
}

impl Pace {
    /// The line that this event is worth.
    pub fn line(&self, event: &Event) -> Option<String> {
        let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Planned { sync, changes } => {
                let now = Instant::now();
                of.insert(sync.clone(), Course { began: now, said: now, total: *changes, done: 0 });
                None
            }
            Event::Settled { sync, changes } => {
                if let Some(course) = of.get_mut(sync) {
                    course.done = *changes;
                }
                None
            }
            Event::Bound { sync, by } => {
                let course = of.get_mut(sync).filter(|course| course.said.elapsed() >= INTERVAL)?;
                course.said = Instant::now();
                Some(line(sync, (course.done, course.total), course.began.elapsed(), by))
            }
            Event::Waiting { sync, what } if of.contains_key(sync) => {
                Some(format!("{sync}: waiting for {what}\n"))
            }
            _ => None,
        }
    }
}

/// A pace in the unit that makes it a whole number.
pub fn speed(per_second: f64) -> String {
    match per_second {
        fast if fast >= 1.0 => format!("{} a second", thousands(fast.round() as u64)),
        slow if slow * 60.0 >= 1.0 => format!("{:.0} a minute", slow * 60.0),
        slow => format!("{:.0} an hour", slow * 3_600.0),
    }
}

fn line(sync: &str, (done, total): (u64, u64), time: Duration, by: &str) -> String {
    let rate = done as f64 / time.as_secs_f64().max(0.001);
    let left = total.saturating_sub(done) as f64 / rate.max(0.001);
    format!(
        "{sync}: {} of {}, {}, about {} left; bound by {by}\n",
        thousands(done),
        plural(total, "row"),
        speed(rate),
        about(left)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_how_far_how_fast_and_why_no_faster() {
        assert_eq!(
            line("people", (12_000, 1_000_000), Duration::from_secs(12), "the rate limit"),
            "people: 12,000 of 1,000,000 rows, 1,000 a second, about 16 min left; bound by the rate limit\n"
        );
    }

    #[test]
    fn a_slow_pace_is_not_none() {
        for (pace, text) in [
            (1_234.6, "1,235 a second"),
            (1.0, "1 a second"),
            (0.5, "30 a minute"),
            (0.04, "2 a minute"),
            (0.01, "36 an hour"),
        ] {
            assert_eq!(speed(pace), text);
        }
    }

    #[test]
    fn no_line_before_its_time() {
        let pace = Pace::default();
        let sync = || "people".to_owned();
        assert_eq!(pace.line(&Event::Planned { sync: sync(), changes: 9 }), None);
        assert_eq!(pace.line(&Event::Settled { sync: sync(), changes: 3 }), None);
        assert_eq!(pace.line(&Event::Bound { sync: sync(), by: "x" }), None);
        let waits = pace.line(&Event::Waiting { sync: sync(), what: "a run" });
        assert_eq!(waits.as_deref(), Some("people: waiting for a run\n"));
    }
}
