//! What all clients of one quota owner share in this process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::limiter::{Limiter, TooLong};
use super::request::Observed;
use crate::contract::{ConnectorError, Kind, QuotaOwner, RateLimit};

/// After the vendor said that a day's budget is used up, one request may ask again after this long.
const ASK_AGAIN: Duration = Duration::from_secs(300);

/// The rate window, the places in flight and the day's budget of one owner.
#[derive(Debug)]
pub(super) struct Quota {
    pub(super) limiter: Limiter,
    gate: Semaphore,
    places: Mutex<usize>,
    day: Mutex<Day>,
}

#[derive(Debug, Default)]
struct Day {
    /// Days since the epoch, in UTC.
    date: i64,
    calls: u64,
    spent_at: Option<Instant>,
}

/// What a client asks of its owner's quota.
#[derive(Debug, Clone, Copy)]
pub(super) struct Share {
    pub(super) rate: Option<RateLimit>,
    /// The user set the rate.
    pub(super) fixed: bool,
    pub(super) in_flight: usize,
}

impl Quota {
    /// The owner's quota, made at first sight; of several clients the strictest wish holds.
    pub(super) fn of(owner: &QuotaOwner, share: Share) -> Arc<Quota> {
        static OWNERS: OnceLock<Mutex<HashMap<QuotaOwner, Arc<Quota>>>> = OnceLock::new();
        let mut owners = lock(OWNERS.get_or_init(Mutex::default));
        let quota = owners.entry(owner.clone()).or_insert_with(|| Arc::new(Quota::new(share))).clone();
        quota.limiter.narrow(share.rate, share.fixed);
        quota.shrink(share.in_flight);
        quota
    }

    fn new(share: Share) -> Self {
        let places = share.in_flight.max(1);
        Quota {
            limiter: Limiter::new(share.rate, share.fixed),
            gate: Semaphore::new(places),
            places: Mutex::new(places),
            day: Mutex::new(Day { date: today(), ..Day::default() }),
        }
    }

    fn shrink(&self, places: usize) {
        let mut current = lock(&self.places);
        let excess = current.saturating_sub(places.max(1));
        *current -= self.gate.forget_permits(excess);
    }

    /// Waits for a place among the requests in flight.
    pub(super) async fn place(&self) -> Result<SemaphorePermit<'_>, ConnectorError> {
        self.gate
            .acquire()
            .await
            .map_err(|_| ConnectorError::new(Kind::Internal, "the queue of requests was closed"))
    }

    /// Waits until one request may leave, and counts it.
    pub(super) async fn leave(&self, daily: Option<u64>, longest: Duration) -> Result<(), ConnectorError> {
        drop(self.day_allows(daily)?);
        self.limiter.acquire(longest).await.map_err(|TooLong(wait)| {
            ConnectorError::new(
                Kind::Quota,
                format!("the rate limit leaves no room for another {} s", wait.as_secs()),
            )
            .hint("run again later; what was acknowledged is kept")
        })?;
        // Others may have taken the rest of the day while this one waited.
        self.day_allows(daily)?.calls += 1;
        Ok(())
    }

    /// The day, if it has room for one more request.
    fn day_allows(&self, daily: Option<u64>) -> Result<MutexGuard<'_, Day>, ConnectorError> {
        let mut day = lock(&self.day);
        if day.date != today() {
            *day = Day { date: today(), ..Day::default() };
        }
        if day.spent_at.is_some_and(|at| at.elapsed() < ASK_AGAIN) {
            let message = "the account's daily limit of API calls is used up";
            return Err(ConnectorError::new(Kind::Quota, message)
                .code("DAILY")
                .hint("run again after midnight in the account's time zone"));
        }
        match daily {
            Some(budget) if day.calls >= budget => {
                let message =
                    format!("the budget of {budget} API calls a day (`limits.daily_calls`) is used up");
                Err(ConnectorError::new(Kind::Quota, message)
                    .code("DAILY_BUDGET")
                    .hint("run again tomorrow (UTC), or raise `limits.daily_calls` of the connection"))
            }
            _ => Ok(day),
        }
    }

    /// Follows an answer's headers.
    pub(super) fn observe(&self, observed: &Observed) {
        self.limiter.observe(observed);
        match observed.daily_remaining {
            Some(0) => self.spent(),
            Some(_) => lock(&self.day).spent_at = None,
            None => {}
        }
    }

    /// The vendor says that nothing is left today.
    pub(super) fn spent(&self) {
        lock(&self.day).spent_at = Some(Instant::now());
    }
}

fn today() -> i64 {
    jiff::Timestamp::now().as_second().div_euclid(86_400)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(name: &str) -> QuotaOwner {
        QuotaOwner(format!("quota-test:{name}"))
    }

    const SHARE: Share = Share { rate: None, fixed: false, in_flight: 4 };

    #[tokio::test]
    async fn one_owner_has_one_budget() {
        let (a, b) = (Quota::of(&owner("one"), SHARE), Quota::of(&owner("one"), SHARE));
        let other = Quota::of(&owner("other"), SHARE);
        for _ in 0..3 {
            a.leave(Some(3), Duration::ZERO).await.unwrap();
        }
        let error = b.leave(Some(3), Duration::ZERO).await.unwrap_err();
        assert_eq!(error.kind, Kind::Quota);
        assert!(error.message.contains("budget of 3"), "{error}");
        other.leave(Some(3), Duration::ZERO).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn requests_that_wait_together_do_not_pass_the_budget() {
        let rate = Some(RateLimit { requests: 1, per: Duration::from_secs(1) });
        let quota = Quota::of(&owner("together"), Share { rate, fixed: true, ..SHARE });
        let longest = Duration::from_secs(60);
        let leave = || quota.leave(Some(2), longest);
        let (a, b, c, d) = tokio::join!(leave(), leave(), leave(), leave());
        let left = [a, b, c, d].iter().filter(|left| left.is_ok()).count();
        assert_eq!(left, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn an_exhausted_day_is_asked_again_after_a_while() {
        let quota = Quota::of(&owner("day"), SHARE);
        quota.observe(&Observed { daily_remaining: Some(0), ..Observed::default() });
        assert_eq!(quota.leave(None, Duration::ZERO).await.unwrap_err().kind, Kind::Quota);
        tokio::time::sleep(ASK_AGAIN).await;
        quota.leave(None, Duration::ZERO).await.unwrap();
    }

    #[tokio::test]
    async fn the_narrowest_concurrency_holds() {
        let quota = Quota::of(&owner("places"), SHARE);
        let again = Quota::of(&owner("places"), Share { in_flight: 1, ..SHARE });
        let _held = quota.place().await.unwrap();
        assert_eq!(again.gate.available_permits(), 0);
    }
}
