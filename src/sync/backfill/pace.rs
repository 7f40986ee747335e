//! How far a backfill goes at a time, and what it says while it goes on.

use std::time::{Duration, Instant};

use outflow_connectors::contract::RateLimit;

use super::chunks::Sending;
use crate::sync::deliver::Shape;
use crate::sync::event::{Event, Observer};

/// Counts on from the chunks before.
pub struct Onward<'a> {
    pub observer: &'a dyn Observer,
    pub before: u64,
}

impl Observer for Onward<'_> {
    fn observe(&self, event: &Event) {
        match event {
            Event::Settled { sync, changes } => {
                let changes = self.before + changes;
                self.observer.observe(&Event::Settled { sync: sync.clone(), changes });
            }
            other => self.observer.observe(other),
        }
    }
}

/// How long a chunk should take: what a kill costs, and how long a run that waits must wait where a look fails.
const CHUNK: Duration = Duration::from_secs(10);
/// Rows of one chunk at most.
const MOST: usize = 10_000;

/// Rows of the first chunk: a batch for each place in flight.
pub fn first_size(shape: &Shape) -> usize {
    (shape.batch_rows * shape.in_flight).min(MOST)
}

/// Rows of the next chunk, after one of `size` in which so many were sent in this time.
pub fn next_size(size: usize, (sent, took): (u64, Duration), batch_rows: usize) -> usize {
    let fitting = sent as f64 * CHUNK.as_secs_f64() / took.as_secs_f64().max(0.001);
    // A burst that a limit lets through at first tells little of the pace that it will have.
    (fitting as usize).min(size * 4).clamp(batch_rows.min(MOST), MOST)
}

impl Sending<'_> {
    /// How many more changes `--limit` allows.
    pub(super) fn room(&self) -> u64 {
        self.progress.room(self.work.context.options.limit)
    }

    /// What is to be said of the rows that are left.
    pub(super) fn rest(&self, left: u64) -> String {
        let how = match self.room() {
            0 => "`--limit` is reached; without it, or with a higher one, the same command goes on with them",
            _ => "the same command goes on with them",
        };
        format!("{left} rows are left; {how}")
    }

    /// What is to be said of rows of which nobody knows what became, or that were not taken.
    pub(super) fn without_answer(&self, rows: u64) -> String {
        let what = "the next run sends them again, or the same command, which goes on from there";
        format!("{rows} rows were neither delivered nor refused; {what}")
    }

    /// Says what binds.
    pub(super) fn tell_pace(&self) {
        let (context, shape) = (self.work.context, &self.shape);
        let rates: Vec<_> =
            [shape.rate, self.work.resolved.capabilities.rate].into_iter().flatten().collect();
        let left = (self.order.len() - self.at).div_ceil(shape.batch_rows as u64);
        let destination = &self.work.destination;
        let by = self.meter.bound(destination.traffic().writes, &rates, (destination.daily_budget(), left));
        context.observer.observe(&Event::Bound { sync: context.sync.name.clone(), by });
    }
}

/// What has been sent since the first chunk.
pub struct Meter {
    /// Later by all that is left out.
    began: Instant,
    /// Write requests before that.
    before: u64,
}

/// Of the permitted rate: from here on it is the rate that binds.
const NEARLY: f64 = 0.8;

impl Meter {
    pub fn new(writes: u64) -> Self {
        Meter { began: Instant::now(), before: writes }
    }

    /// Time in which nothing could be sent, for a run went first.
    pub fn leave_out(&mut self, time: Duration) {
        self.began += time;
    }

    /// What keeps the backfill from going faster. `rates` hold for it, `budget` is for all of a day, `left` are the
    /// requests still to be sent.
    pub fn bound(
        &self,
        writes: u64,
        rates: &[RateLimit],
        (budget, left): (Option<u64>, u64),
    ) -> &'static str {
        bound((writes - self.before, self.began.elapsed()), rates, (budget, left))
    }
}

fn bound(
    (sent, time): (u64, Duration),
    rates: &[RateLimit],
    (budget, left): (Option<u64>, u64),
) -> &'static str {
    if budget.is_some_and(|budget| left > budget) {
        return "the daily budget";
    }
    let binds = |rate: &RateLimit| {
        // A window that has just opened lets a burst through.
        let allowed = f64::from(rate.requests) * (time.as_secs_f64() / rate.per.as_secs_f64()).max(1.0);
        sent as f64 >= NEARLY * allowed
    };
    if rates.iter().any(binds) { "the rate limit" } else { "concurrency and answer times" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_takes_some_seconds_whatever_the_rate() {
        let seconds = Duration::from_secs;
        for (size, sent, took, next) in [
            (400, 400, seconds(4), 1_000),
            // One batch a second, one in half a minute, one in ten minutes.
            (1_000, 1_000, seconds(10), 1_000),
            (400, 400, seconds(120), 100),
            (100, 100, seconds(600), 100),
            // It grows step by step, and ends at some thousand.
            (400, 400, Duration::from_millis(20), 1_600),
            (9_000, 9_000, seconds(1), 10_000),
            // Given way before anything was sent.
            (400, 0, seconds(1), 100),
        ] {
            assert_eq!(next_size(size, (sent, took), 100), next, "{size} {sent} {took:?}");
        }
    }

    #[test]
    fn the_limit_that_binds() {
        let rate = [RateLimit { requests: 100, per: Duration::from_secs(10) }];
        let time = Duration::from_secs;
        for (sent, budget, by) in [
            ((50, time(5)), None, "concurrency and answer times"),
            ((100, time(5)), None, "the rate limit"),
            ((590, time(60)), Some(1_000), "the rate limit"),
            ((300, time(60)), Some(1_000), "concurrency and answer times"),
            ((590, time(60)), Some(999), "the daily budget"),
        ] {
            assert_eq!(bound(sent, &rate, (budget, 1_000)), by, "{sent:?}");
        }
    }
}
