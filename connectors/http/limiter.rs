//! Which rates hold for an owner now: the user's, and what the vendor's headers say.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::request::Observed;
use super::window::{MARGIN, Rules};
use crate::contract::RateLimit;

/// The vendor's count is held against ours at most this often in a window; each time costs a look into the book.
const CHECKS: u32 = 100;

/// The rates of one owner.
#[derive(Debug)]
pub(super) struct Limiter {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The lowest rate that users set where `fixed`, else one to start with.
    own: Option<RateLimit>,
    /// A user set the rate: headers may lower it, never raise it.
    fixed: bool,
    /// What the vendor's headers say.
    vendor: Option<RateLimit>,
    /// Requests of others in the same window, by the vendor's count, and until when that count holds.
    foreign: Option<(u32, Instant)>,
    checked: Option<Instant>,
}

/// A count of the vendor's that ours is to be held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Check {
    used: u32,
    per: Duration,
}

impl Check {
    /// What of ours the vendor may have counted, the answer to a request being this old, left within this time.
    pub(super) fn ours_within(self, took: Duration) -> Duration {
        self.per + MARGIN + took
    }
}

impl Limiter {
    pub(super) fn new(rate: Option<RateLimit>, fixed: bool) -> Self {
        let state = State { own: rate, fixed, vendor: None, foreign: None, checked: None };
        Limiter { state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a request must keep now; with a share, one of the background.
    pub(super) fn rules(&self, share: Option<f64>) -> Rules {
        let now = Instant::now();
        let state = self.state();
        let background = share.into_iter().flat_map(|share| state.rates().map(move |rate| rate.share(share)));
        Rules {
            background: background.collect(),
            all: state.rates().map(|rate| state.left(rate, now)).collect(),
        }
    }

    /// Another client of the same owner asks for this rate: the lower one holds.
    pub(super) fn narrow(&self, rate: Option<RateLimit>, fixed: bool) {
        let (Some(rate), true) = (rate, fixed) else { return };
        let mut state = self.state();
        if !state.fixed || state.own.is_none_or(|own| per_second(rate) < per_second(own)) {
            (state.own, state.fixed) = (Some(rate), true);
        }
    }

    /// Follows what the vendor's headers say; returns what is to be [checked](Self::check).
    pub(super) fn observe(&self, observed: &Observed) -> Option<Check> {
        let (max, per) = (observed.max?, observed.interval?);
        if max == 0 || per.is_zero() {
            return None;
        }
        let now = Instant::now();
        let mut state = self.state();
        state.vendor = Some(RateLimit { requests: max, per });
        let used = max.saturating_sub(observed.remaining?);
        if state.checked.is_some_and(|at| now < at + per / CHECKS) {
            return None;
        }
        state.checked = Some(now);
        Some(Check { used, per })
    }

    /// Ours may be more than the vendor has counted yet, never less; so the rest is truly others'.
    pub(super) fn check(&self, check: Check, ours: u32) {
        let foreign = check.used.saturating_sub(ours);
        self.state().foreign = (foreign > 0).then(|| (foreign, Instant::now() + check.per));
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

    /// What others leave of it.
    fn left(&self, rate: RateLimit, now: Instant) -> RateLimit {
        let foreign = match self.foreign {
            Some((count, until)) if until > now && self.vendor == Some(rate) => count,
            _ => 0,
        };
        // One slot is always left, or nothing would ever tell that the others have stopped.
        RateLimit { requests: rate.requests.saturating_sub(foreign).max(1), per: rate.per }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(requests: u32, seconds: u64) -> RateLimit {
        RateLimit { requests, per: Duration::from_secs(seconds) }
    }

    fn seen(max: u32, remaining: u32) -> Observed {
        let interval = Some(Duration::from_secs(10));
        Observed { max: Some(max), remaining: Some(remaining), interval, ..Observed::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn headers_lower_a_set_rate_and_move_an_unset_one() {
        let set = Limiter::new(Some(rate(50, 10)), true);
        set.observe(&seen(190, 190));
        assert_eq!(set.rules(None).all, [rate(50, 10), rate(190, 10)]);
        set.observe(&seen(20, 20));
        assert_eq!(set.rules(None).all, [rate(50, 10), rate(20, 10)]);

        let unset = Limiter::new(Some(rate(100, 10)), false);
        unset.observe(&seen(190, 190));
        assert_eq!(unset.rules(None).all, [rate(190, 10)]);
        unset.narrow(Some(rate(10, 10)), true);
        assert_eq!(unset.rules(None).all, [rate(10, 10), rate(190, 10)]);
    }

    #[tokio::test(start_paused = true)]
    async fn leaves_room_for_what_others_use_while_they_use_it() {
        let limiter = Limiter::new(Some(rate(100, 10)), false);
        let check = limiter.observe(&seen(100, 30)).unwrap();
        limiter.check(check, 5);
        assert_eq!(limiter.rules(None).all, [rate(35, 10)]);
        assert_eq!(limiter.observe(&seen(100, 29)), None, "not looked at for every answer");
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(limiter.rules(None).all, [rate(100, 10)]);
        let check = limiter.observe(&seen(100, 0)).unwrap();
        limiter.check(check, 0);
        assert_eq!(limiter.rules(None).all, [rate(1, 10)]);
    }

    #[test]
    fn a_share_is_never_more_than_it_says() {
        let limiter = Limiter::new(Some(rate(190, 10)), true);
        let rules = limiter.rules(Some(0.3));
        assert_eq!((rules.all, rules.background), (vec![rate(190, 10)], vec![rate(57, 10)]));
        assert_eq!(Limiter::new(Some(rate(1, 1)), true).rules(Some(0.25)).background, [rate(1, 4)]);
        assert_eq!(limiter.rules(None).background, []);
    }
}
