//! The emulated account's exact limits.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::contract::RateLimit;

/// An exact rolling window: never more than `requests` accepted in any time of length `per`.
pub(super) struct Window {
    limit: RateLimit,
    accepted: Mutex<VecDeque<Instant>>,
}

impl Window {
    pub(super) fn new(limit: RateLimit) -> Self {
        Window { limit, accepted: Mutex::new(VecDeque::new()) }
    }

    pub(super) fn limit(&self) -> RateLimit {
        self.limit
    }

    /// Accepts a request now and tells how many more would be, or refuses it. Refused ones do not count.
    pub(super) fn accept(&self, now: Instant) -> Option<u32> {
        let mut accepted = self.accepted.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        while accepted.front().is_some_and(|first| now.saturating_duration_since(*first) >= self.limit.per) {
            accepted.pop_front();
        }
        let used = u32::try_from(accepted.len()).unwrap_or(u32::MAX);
        if used >= self.limit.requests {
            return None;
        }
        accepted.push_back(now);
        Some(self.limit.requests - used - 1)
    }
}

pub(super) fn rate_message(text: &str) -> String {
    format!("`limits.requests: {text}` must look like `190/10s`: requests, a slash, and a time in s, m or h")
}

/// Reads `190/10s`.
pub(super) fn parse_rate(text: &str) -> Result<RateLimit, String> {
    let parse = || {
        let (requests, per) = text.split_once('/')?;
        let requests = requests.trim().parse().ok().filter(|n| *n > 0)?;
        let per = per.trim();
        let seconds = match per.chars().next_back()? {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            _ => return None,
        };
        let count = match &per[..per.len() - 1] {
            "" => 1,
            digits => digits.trim().parse::<u64>().ok().filter(|n| (1..=1_000_000).contains(n))?,
        };
        Some(RateLimit { requests, per: Duration::from_secs(count * seconds) })
    };
    parse().ok_or_else(|| rate_message(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_window_of_its_length_holds_more_than_the_limit() {
        let window = Window::new(RateLimit { requests: 10, per: Duration::from_secs(10) });
        let start = Instant::now();
        let accepted: Vec<u64> = (0..60_000u64)
            .step_by(130)
            .filter(|ms| window.accept(start + Duration::from_millis(*ms)).is_some())
            .collect();
        for first in &accepted {
            let within = accepted.iter().filter(|ms| (*first..first + 10_000).contains(ms)).count();
            assert!(within <= 10, "{within} from {first} ms on");
        }
        assert_eq!(accepted.len(), 60);
    }

    #[test]
    fn it_tells_what_remains() {
        let window = Window::new(RateLimit { requests: 2, per: Duration::from_secs(10) });
        let now = Instant::now();
        assert_eq!(window.accept(now), Some(1));
        assert_eq!(window.accept(now), Some(0));
        assert_eq!(window.accept(now), None);
        assert_eq!(window.accept(now + Duration::from_millis(9_999)), None);
        assert_eq!(window.accept(now + Duration::from_secs(10)), Some(1));
    }
}
