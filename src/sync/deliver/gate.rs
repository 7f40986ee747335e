//! How many batches may be under way, and how fast they leave.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use outflow_connectors::contract::RateLimit;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Lets batches out, at most so many at once and, under the mapping's own rate, evenly spaced: a burst would let almost
/// twice the rate through one window. What of a batch are requests is spaced once more where they leave.
pub struct Gate {
    places: Semaphore,
    pace: Option<Arc<DefaultDirectRateLimiter>>,
    closed: AtomicBool,
}

impl Gate {
    pub fn new(in_flight: usize, rate: Option<RateLimit>) -> Self {
        let spacing = rate.and_then(|rate| rate.per.checked_div(rate.requests));
        let quota = spacing.and_then(Quota::with_period).map(|quota| quota.allow_burst(NonZeroU32::MIN));
        Gate {
            places: Semaphore::new(in_flight),
            pace: quota.map(RateLimiter::direct).map(Arc::new),
            closed: AtomicBool::new(false),
        }
    }

    /// An open gate after this one, that keeps the distance to what this one has let out.
    pub fn next(&self, in_flight: usize) -> Self {
        Gate { places: Semaphore::new(in_flight), pace: self.pace.clone(), closed: AtomicBool::new(false) }
    }

    /// As [`Self::next`], but closed where this one is: what was stopped stays so.
    pub fn resized(&self, in_flight: usize) -> Self {
        let next = self.next(in_flight);
        if self.is_closed() {
            next.close();
        }
        next
    }

    /// Waits for a place and for the turn; `None` once the gate is closed.
    pub async fn enter(&self) -> Option<SemaphorePermit<'_>> {
        let place = self.places.acquire().await.ok()?;
        while let Some(pace) = &self.pace
            && !self.is_closed()
            && pace.check().is_err()
        {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        (!self.is_closed()).then_some(place)
    }

    /// Lets nobody out any more.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.places.close();
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_gate_of_another_size_lets_out_what_the_first_would() {
        let gate = Gate::new(1, None);
        assert!(gate.resized(3).enter().await.is_some());
        gate.close();
        assert!(gate.resized(3).enter().await.is_none(), "a stop holds for the phases after it");
        assert!(gate.next(3).enter().await.is_some(), "a backfill's next chunk is another matter");
    }

    #[tokio::test]
    async fn a_gate_after_another_keeps_its_pace() {
        let hourly = RateLimit { requests: 1, per: Duration::from_secs(3_600) };
        let first = Gate::new(1, Some(hourly));
        assert!(first.enter().await.is_some());
        let second = first.next(1);
        first.close();
        tokio::select! {
            biased;
            _ = second.enter() => panic!("two in an hour"),
            () = tokio::time::sleep(Duration::from_millis(20)) => {}
        }
    }
}
