//! What a backfill says while it goes on.

use std::time::{Duration, Instant};

use outflow_connectors::contract::RateLimit;

use super::backfill_chunks::Sending;
use super::event::{Event, Observer};

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

impl Sending<'_> {
    /// Says what binds.
    pub(super) fn tell_pace(&self) {
        let (context, shape) = (self.work.context, self.work.shape());
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
    if rates.iter().any(binds) { "the rate limit" } else { "the concurrency and the destination's answers" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_that_binds() {
        let rate = [RateLimit { requests: 100, per: Duration::from_secs(10) }];
        let time = Duration::from_secs;
        for (sent, budget, by) in [
            ((50, time(5)), None, "the concurrency and the destination's answers"),
            ((100, time(5)), None, "the rate limit"),
            ((590, time(60)), Some(1_000), "the rate limit"),
            ((300, time(60)), Some(1_000), "the concurrency and the destination's answers"),
            ((590, time(60)), Some(999), "the daily budget"),
        ] {
            assert_eq!(bound(sent, &rate, (budget, 1_000)), by, "{sent:?}");
        }
    }
}
