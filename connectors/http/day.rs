//! What of a day's budget is left: ours by our own count, the vendor's by its own.

use std::time::Duration;

/// After the vendor said that a day's budget is used up, one request may ask again after this long.
pub(super) const ASK_AGAIN: Duration = Duration::from_secs(300);

/// One owner's day. Times are those of the log's clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Day {
    /// Requests counted.
    pub calls: u64,
    /// How many `calls` the vendor's own count leaves room for.
    pub ceiling: Option<u64>,
    /// When the vendor last had nothing left, or was asked whether it has again.
    pub asked_at: Option<Duration>,
}

/// Why a day has no room for another request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spent {
    /// The user's budget of so many calls is used up.
    Budget(u64),
    /// The vendor's own limit is.
    Vendor,
}

impl Day {
    /// Counts one more request.
    ///
    /// # Errors
    /// Where there is no room for it.
    pub fn take(&mut self, budget: Option<u64>, now: Duration) -> Result<(), Spent> {
        if let Some(budget) = budget
            && self.calls >= budget
        {
            return Err(Spent::Budget(budget));
        }
        if self.ceiling.is_some_and(|ceiling| self.calls >= ceiling) {
            // A time from before a reboot is later than now.
            let asked = self.asked_at.and_then(|at| now.checked_sub(at));
            if asked.is_some_and(|since| since < ASK_AGAIN) {
                return Err(Spent::Vendor);
            }
            self.asked_at = Some(now);
        }
        self.calls += 1;
        Ok(())
    }

    /// The vendor says that so many requests are left today.
    pub fn follow(&mut self, remaining: u64, now: Duration) {
        self.ceiling = Some(self.calls + remaining);
        self.asked_at = (remaining == 0).then_some(now);
    }

    /// Whether the vendor's count is news worth keeping: less than our budget leaves, and off what is known by more
    /// than a hundredth of it.
    pub fn is_news(&self, remaining: u64, budget: Option<u64>) -> bool {
        let binds = remaining == 0 || budget.is_some_and(|budget| self.calls + remaining < budget);
        match self.ceiling {
            None => binds,
            // What the vendor has not counted yet is on its way: a few more are no news.
            Some(ceiling) if self.calls >= ceiling && remaining > 0 => true,
            Some(ceiling) => {
                let now = self.calls + remaining;
                now + remaining / 100 < ceiling || now > ceiling + remaining / 100 + 100
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1000);

    #[test]
    fn the_lower_of_both_counts_holds() {
        let mut day = Day::default();
        for _ in 0..3 {
            day.take(Some(10), NOW).unwrap();
        }
        assert!(!day.is_news(7, Some(10)), "the vendor has as much left as we have");
        assert!(day.is_news(2, Some(10)));
        day.follow(2, NOW);
        assert!(!day.is_news(2, Some(10)));
        day.take(Some(10), NOW).unwrap();
        day.take(Some(10), NOW).unwrap();
        // One may look whether a new day has begun, and only one.
        day.take(Some(10), NOW).unwrap();
        assert_eq!(day.take(Some(10), NOW), Err(Spent::Vendor));
        day.follow(0, NOW);
        assert_eq!(day.take(Some(10), NOW + ASK_AGAIN / 2), Err(Spent::Vendor));
        day.take(Some(10), NOW + ASK_AGAIN).unwrap();
        assert!(day.is_news(5000, Some(10)), "the vendor's day began anew");
        day.follow(5000, NOW);
        for _ in day.calls..10 {
            day.take(Some(10), NOW).unwrap();
        }
        assert_eq!(day.take(Some(10), NOW), Err(Spent::Budget(10)));
        assert_eq!(day.take(Some(11), NOW), Ok(()));
    }

    #[test]
    fn others_who_use_the_account_are_news_only_now_and_then() {
        let mut day = Day { calls: 100, ..Day::default() };
        let mut written = 0;
        for remaining in (1..=10_000).rev() {
            if day.is_news(remaining, Some(1_000_000)) {
                day.follow(remaining, NOW);
                written += 1;
            }
        }
        assert!((100..1000).contains(&written), "{written}");
        assert_eq!(day.ceiling, Some(101));
    }
}
