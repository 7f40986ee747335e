//! At most so many requests in any window: exact, with a log of the last sends.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::request::Observed;
use crate::contract::RateLimit;

/// The window is kept this much longer than stated, because requests don't all travel equally fast.
pub(super) const MARGIN: Duration = Duration::from_millis(100);

/// Refusals widen the margin up to this share of the window.
const WIDEST_SHARE: u32 = 5;

/// So many windows without a refusal bring the margin back.
const CALM_WINDOWS: u32 = 10;

/// A sliding window over the times of the last sends. Clock: monotonic; it stands still while the machine sleeps, which
/// only makes it stricter.
#[derive(Debug)]
pub(super) struct Limiter {
    state: Mutex<State>,
    /// Waiting is first come, first served.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct State {
    /// The lowest rate that users set where `fixed`, else one to start with.
    own: Option<RateLimit>,
    /// A user set the rate: headers may lower it, never raise it.
    fixed: bool,
    /// What the vendor's headers say.
    vendor: Option<RateLimit>,
    sent: VecDeque<Instant>,
    margin: Duration,
    refused_at: Option<Instant>,
    held_until: Option<Instant>,
    /// Requests of others in the same window, by the vendor's count, and until when that count holds.
    foreign: Option<(u32, Instant)>,
}

/// It would take longer than the caller wants to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLong(pub(super) Duration);

impl Limiter {
    pub(super) fn new(rate: Option<RateLimit>, fixed: bool) -> Self {
        let state = State {
            own: rate,
            fixed,
            vendor: None,
            sent: VecDeque::new(),
            margin: MARGIN,
            refused_at: None,
            held_until: None,
            foreign: None,
        };
        Limiter { state: Mutex::new(state), turn: tokio::sync::Mutex::new(()) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a slot and takes it; the request must leave at once. Dropping the future takes none.
    pub(super) async fn acquire(&self, longest: Duration) -> Result<(), TooLong> {
        let _turn = self.turn.lock().await;
        loop {
            let wait = match self.state().take(Instant::now()) {
                None => return Ok(()),
                Some(wait) => wait,
            };
            if wait > longest {
                return Err(TooLong(wait));
            }
            sleep(wait).await;
        }
    }

    /// The vendor refused a request for its rate: nobody sends for this long, or for one window.
    pub(super) fn refused(&self, wait: Option<Duration>) {
        let now = Instant::now();
        let mut state = self.state();
        let window = state.window();
        let until = now + wait.unwrap_or(window);
        state.held_until = Some(state.held_until.map_or(until, |held| held.max(until)));
        state.margin = (state.margin * 2).min(window / WIDEST_SHARE).max(MARGIN);
        state.refused_at = Some(now);
    }

    /// Another client of the same owner asks for this rate: the lower one holds.
    pub(super) fn narrow(&self, rate: Option<RateLimit>, fixed: bool) {
        let (Some(rate), true) = (rate, fixed) else { return };
        let mut state = self.state();
        if !state.fixed || state.own.is_none_or(|own| per_second(rate) < per_second(own)) {
            (state.own, state.fixed) = (Some(rate), true);
        }
    }

    /// Follows what the vendor's headers say.
    pub(super) fn observe(&self, observed: &Observed) {
        let (Some(max), Some(per)) = (observed.max, observed.interval) else { return };
        if max == 0 || per.is_zero() {
            return;
        }
        let now = Instant::now();
        let mut state = self.state();
        state.vendor = Some(RateLimit { requests: max, per });
        if let Some(remaining) = observed.remaining {
            state.prune(now);
            // Ours may be more than the vendor has counted yet, never less; so the rest is truly others'.
            let ours = u32::try_from(state.sent.len()).unwrap_or(u32::MAX);
            let foreign = max.saturating_sub(remaining).saturating_sub(ours);
            state.foreign = (foreign > 0).then_some((foreign, now + per));
        }
    }
}

fn per_second(rate: RateLimit) -> f64 {
    f64::from(rate.requests) / rate.per.as_secs_f64().max(f64::MIN_POSITIVE)
}

impl State {
    /// All rates that must hold: the user's, whatever the vendor says, and the vendor's. Their windows may differ.
    fn rates(&self) -> impl Iterator<Item = RateLimit> + use<> {
        let own = self.own.filter(|_| self.fixed || self.vendor.is_none());
        [own, self.vendor].into_iter().flatten()
    }

    /// The longest window.
    fn window(&self) -> Duration {
        self.rates().map(|r| r.per).max().unwrap_or(Duration::from_secs(1))
    }

    /// Takes a slot at `now`, or says how long to wait before asking again.
    fn take(&mut self, now: Instant) -> Option<Duration> {
        if let Some(held) = self.held_until {
            if held > now {
                return Some(held - now);
            }
            self.held_until = None;
        }
        if self.refused_at.is_some_and(|at| now >= at + self.window() * CALM_WINDOWS) {
            (self.margin, self.refused_at) = (MARGIN, None);
        }
        self.prune(now);
        let wait = self.rates().filter_map(|rate| self.wait(rate, now)).max();
        if wait.is_none() && self.rates().next().is_some() {
            self.sent.push_back(now);
        }
        wait
    }

    /// How long this rate forbids a request; `None` if it allows one.
    fn wait(&self, rate: RateLimit, now: Instant) -> Option<Duration> {
        let foreign = match self.foreign {
            Some((count, until)) if until > now && self.vendor == Some(rate) => count,
            _ => 0,
        };
        // One slot is always left, or nothing would ever tell that the others have stopped.
        let allowed = rate.requests.saturating_sub(foreign).max(1) as usize;
        let blocking = self.sent.len().checked_sub(allowed).and_then(|at| self.sent.get(at))?;
        let free = *blocking + rate.per + self.margin;
        (free > now).then(|| (free - now).max(Duration::from_millis(1)))
    }

    fn prune(&mut self, now: Instant) {
        let keep = self.window() + self.margin;
        while self.sent.front().is_some_and(|at| *at + keep <= now) {
            self.sent.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    fn rate(requests: u32, seconds: u64) -> RateLimit {
        RateLimit { requests, per: Duration::from_secs(seconds) }
    }

    async fn send_times(limiter: &Limiter, count: usize) -> Vec<Instant> {
        let mut times = Vec::new();
        for _ in 0..count {
            limiter.acquire(LONG).await.unwrap();
            times.push(Instant::now());
        }
        times
    }

    /// The most sends in any half-open window of this length.
    fn densest(times: &[Instant], window: Duration) -> usize {
        let inside = |from: &Instant| times.iter().filter(|t| **t >= *from && **t < *from + window).count();
        times.iter().map(inside).max().unwrap_or(0)
    }

    #[tokio::test(start_paused = true)]
    async fn never_more_than_the_limit_and_nearly_all_of_it() {
        let limiter = Limiter::new(Some(rate(100, 10)), true);
        let start = Instant::now();
        let times = send_times(&limiter, 1000).await;
        assert_eq!(densest(&times, Duration::from_millis(10_099)), 100);
        let used = 1000.0 / (100.0 * ((Instant::now() - start).as_secs_f64() / 10.0 + 1.0));
        assert!(used >= 0.98, "{used}");
    }

    #[tokio::test(start_paused = true)]
    async fn waiters_share_one_window_and_a_cancelled_one_takes_nothing() {
        let limiter = std::sync::Arc::new(Limiter::new(Some(rate(5, 1)), true));
        send_times(&limiter, 5).await;
        let waiter = tokio::spawn({
            let limiter = limiter.clone();
            async move { limiter.acquire(LONG).await }
        });
        sleep(Duration::from_millis(500)).await;
        waiter.abort();
        let _ = waiter.await;
        sleep(Duration::from_millis(601)).await;
        let before = Instant::now();
        send_times(&limiter, 5).await;
        assert_eq!(Instant::now(), before);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_holds_everybody_and_widens_the_margin() {
        let limiter = Limiter::new(Some(rate(2, 10)), true);
        let start = Instant::now();
        limiter.acquire(LONG).await.unwrap();
        limiter.refused(Some(Duration::from_secs(30)));
        send_times(&limiter, 3).await;
        assert_eq!(Instant::now() - start, Duration::from_millis(40_200));
        limiter.refused(Some(LONG * 2));
        assert!(matches!(limiter.acquire(LONG).await, Err(TooLong(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn headers_lower_a_set_rate_and_move_an_unset_one() {
        let seen = |max, remaining| Observed {
            max: Some(max),
            remaining: Some(remaining),
            interval: Some(Duration::from_secs(10)),
            daily_remaining: None,
        };
        let rates = |limiter: &Limiter| limiter.state().rates().collect::<Vec<_>>();
        let set = Limiter::new(Some(rate(50, 10)), true);
        set.observe(&seen(190, 190));
        let times = send_times(&set, 51).await;
        assert_eq!(times[50] - times[0], Duration::from_millis(10_100));
        set.observe(&seen(20, 20));
        assert_eq!(rates(&set), [rate(50, 10), rate(20, 10)]);

        let unset = Limiter::new(Some(rate(100, 10)), false);
        unset.observe(&seen(190, 190));
        assert_eq!(rates(&unset), [rate(190, 10)]);
        unset.narrow(Some(rate(10, 10)), true);
        assert_eq!(rates(&unset), [rate(10, 10), rate(190, 10)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_longer_window_of_the_user_does_not_open_the_vendors() {
        let limiter = Limiter::new(Some(rate(1000, 100)), true);
        limiter.observe(&Observed {
            max: Some(100),
            remaining: Some(100),
            interval: Some(Duration::from_secs(10)),
            daily_remaining: None,
        });
        let times = send_times(&limiter, 1200).await;
        assert_eq!(densest(&times, Duration::from_secs(10)), 100);
        assert_eq!(densest(&times, Duration::from_secs(100)), 1000);
    }

    #[tokio::test(start_paused = true)]
    async fn leaves_room_for_what_others_use() {
        let limiter = Limiter::new(Some(rate(100, 10)), true);
        limiter.acquire(LONG).await.unwrap();
        let observed = Observed {
            max: Some(100),
            remaining: Some(30),
            interval: Some(Duration::from_secs(10)),
            daily_remaining: None,
        };
        limiter.observe(&observed);
        let start = Instant::now();
        let times = send_times(&limiter, 40).await;
        assert_eq!(times.iter().filter(|t| **t == start).count(), 30);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Whatever the pauses between requests, no window holds more than the limit.
        #[test]
        fn no_window_is_ever_too_full(limit in 1u32..20, pauses in proptest::collection::vec(0u64..900, 1..120)) {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time().start_paused(true).build().unwrap();
            let times = runtime.block_on(async {
                let limiter = Limiter::new(Some(rate(limit, 2)), true);
                let mut times = Vec::new();
                for pause in pauses {
                    sleep(Duration::from_millis(pause)).await;
                    limiter.acquire(LONG).await.unwrap();
                    times.push(Instant::now());
                }
                times
            });
            prop_assert!(densest(&times, Duration::from_millis(2_100)) <= limit as usize);
        }
    }
}
