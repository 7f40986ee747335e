//! How fast one run may write.

use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Instant, sleep_until};

use super::RateLimit;

/// Spaces the write requests of a run evenly: a burst would let almost twice the rate through one window.
#[derive(Debug)]
pub struct Spacing {
    gap: Duration,
    /// When the next one may leave; who holds it is the next.
    next: Mutex<Instant>,
}

/// The right to be the next. Who drops it without leaving has used nothing up.
#[derive(Debug)]
pub struct Step<'a> {
    gap: Duration,
    next: MutexGuard<'a, Instant>,
}

impl Spacing {
    /// That of a rate; `None` for a rate of no requests, which spaces nothing.
    pub fn new(rate: RateLimit) -> Option<Self> {
        let gap = rate.per.checked_div(rate.requests)?;
        Some(Spacing { gap, next: Mutex::new(Instant::now()) })
    }

    /// Waits until one request may leave; first come, first served. Nobody else leaves before it has left, or is dropped.
    pub async fn step(&self) -> Step<'_> {
        let next = self.next.lock().await;
        sleep_until(*next).await;
        Step { gap: self.gap, next }
    }
}

impl Step<'_> {
    /// The request leaves now.
    pub fn leave(mut self) {
        let now = Instant::now();
        // A gap beyond all clocks is of a rate that lets one request through.
        *self.next = now.checked_add(self.gap).unwrap_or(now + FOREVER);
    }
}

/// Longer than any run.
const FOREVER: Duration = Duration::from_secs(86_400 * 365);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_step_is_counted_from_when_the_last_one_left() {
        let spacing = Spacing::new(RateLimit { requests: 2, per: Duration::from_secs(1) }).unwrap();
        let start = Instant::now();
        let first = spacing.step().await;
        // It waits elsewhere first.
        tokio::time::sleep(Duration::from_secs(5)).await;
        first.leave();
        drop(spacing.step().await);
        assert_eq!(start.elapsed(), Duration::from_millis(5_500));
        // What did not leave has used nothing up.
        spacing.step().await.leave();
        spacing.step().await.leave();
        assert_eq!(start.elapsed(), Duration::from_millis(6_000));
        assert!(Spacing::new(RateLimit { requests: 0, per: Duration::from_secs(1) }).is_none());
    }
}
