//! What all clients of one quota owner share: in this process its places and rates, with other processes its book.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::sync::OnceCell;

use super::book::{Ask, Facts, Memory, News, QuotaBook, Taken};
use super::concurrency::Concurrency;
use super::day::{Day, Spent};
use super::limiter::Limiter;
use super::request::Observed;
use super::window::Entry;
use crate::contract::{ConnectorError, Kind, QuotaOwner, RateLimit};
use crate::registry::{DailyCalls, Limits};

/// A request that leaves so soon after it was entered is on time; what is left of the margin is the network's.
const PUNCTUAL: Duration = Duration::from_millis(5);
/// How often the time of one entry is put right at most: on a busy machine that is late, too, now and then.
const PUT_RIGHT: usize = 20;

/// The rate window, the places in flight and the day's budget of one owner.
#[derive(Debug)]
pub(super) struct Quota {
    owner: QuotaOwner,
    book: Arc<dyn QuotaBook>,
    limiter: Limiter,
    /// Waiting is first come, first served: for all, and for the background among itself.
    turns: [tokio::sync::Mutex<()>; 2],
    pub(super) concurrency: Concurrency,
    read: OnceCell<()>,
    facts: Mutex<Facts>,
    /// As it was at the last request that left.
    day: Mutex<Day>,
}

/// What a client asks of its owner's quota.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    pub(super) rate: Option<RateLimit>,
    /// The user set the rate.
    pub(super) fixed: bool,
    pub(super) in_flight: usize,
    /// Where other processes look as well.
    pub(super) book: Option<Arc<dyn QuotaBook>>,
}

impl Quota {
    /// The owner's quota, made at first sight; of several clients the strictest wish holds, and the first one's book.
    pub(super) fn of(owner: &QuotaOwner, wish: &Wish) -> Arc<Quota> {
        static OWNERS: OnceLock<Mutex<HashMap<QuotaOwner, Arc<Quota>>>> = OnceLock::new();
        let mut owners = lock(OWNERS.get_or_init(Mutex::default));
        let quota = owners.entry(owner.clone()).or_insert_with(|| Arc::new(Quota::new(owner, wish))).clone();
        quota.limiter.narrow(wish.rate, wish.fixed);
        quota.concurrency.narrow(wish.in_flight);
        quota
    }

    fn new(owner: &QuotaOwner, wish: &Wish) -> Self {
        Quota {
            owner: owner.clone(),
            book: wish.book.clone().unwrap_or_else(|| Arc::new(Memory::default())),
            limiter: Limiter::new(wish.rate, wish.fixed),
            turns: Default::default(),
            concurrency: Concurrency::new(wish.in_flight),
            read: OnceCell::new(),
            facts: Mutex::default(),
            day: Mutex::default(),
        }
    }

    /// Waits until one request may leave, and writes it down; it must leave at once.
    pub(super) async fn leave(&self, limits: &Limits, longest: Duration) -> Result<Entry, ConnectorError> {
        self.read.get_or_try_init(|| self.read_facts()).await?;
        let _turn = self.turns[usize::from(limits.share.is_some())].lock().await;
        loop {
            let rules = self.limiter.rules(limits.share);
            let ask = Ask { rules, date: self.date(), budget: self.budget(limits) };
            let wait = match self.on_book(move |book, owner| book.take(owner, &ask)).await? {
                Taken::Go(entry, day) => {
                    *lock(&self.day) = day;
                    return self.punctual(entry).await;
                }
                Taken::Spent(spent) => return Err(self.spent(spent)),
                Taken::Wait(wait) => wait,
            };
            if wait > longest {
                let message = format!("the rate limit leaves no room for another {} s", wait.as_secs());
                return Err(ConnectorError::new(Kind::Quota, message)
                    .hint("run again later; what was acknowledged is kept"));
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// What is entered leaves at once, or its entry is put right: a busy machine may not come back to it soon.
    async fn punctual(&self, mut entry: Entry) -> Result<Entry, ConnectorError> {
        for _ in 0..PUT_RIGHT {
            if entry.all == 0 || self.book.now().saturating_sub(entry.at) <= PUNCTUAL {
                break;
            }
            entry = self.late(entry).await?;
        }
        Ok(entry)
    }

    /// An entry's request may have left later than was entered, by now at the latest.
    pub(super) async fn late(&self, mut entry: Entry) -> Result<Entry, ConnectorError> {
        if entry.all > 0 {
            entry.at = self.on_book(move |book, owner| book.postpone(owner, &entry)).await?;
        }
        Ok(entry)
    }

    /// Follows an answer's headers; `took` is the time since its request left.
    pub(super) async fn observe(
        &self,
        observed: &Observed,
        limits: &Limits,
        took: Duration,
    ) -> Result<(), ConnectorError> {
        if let Some(check) = self.limiter.observe(observed) {
            let within = check.ours_within(took);
            let ours = self.on_book(move |book, owner| book.sent_within(owner, within)).await?;
            self.limiter.check(check, ours);
        }
        if let (Some(0), Some(reset)) = (observed.remaining, observed.reset) {
            self.report(News::Full(reset)).await?;
        }
        if let Some(calls) = observed.daily_limit
            && lock(&self.facts).announced.replace(calls) != Some(calls)
        {
            self.report(News::Announced(calls)).await?;
        }
        match observed.daily_remaining {
            Some(remaining) => self.left(remaining, limits).await,
            None => Ok(()),
        }
    }

    /// The vendor refused a request for its rate: nobody sends for this long, or for one window.
    pub(super) async fn refused(&self, asked: Option<Duration>) -> Result<(), ConnectorError> {
        let window = self.limiter.rules(None).window();
        self.report(News::Refused { asked, window }).await
    }

    /// The vendor says that so many requests are left today.
    pub(super) async fn left(&self, remaining: u64, limits: &Limits) -> Result<(), ConnectorError> {
        let budget = self.budget(limits);
        let day = *lock(&self.day);
        if !day.is_news(remaining, budget) {
            return Ok(());
        }
        self.report(News::Left { date: self.date(), remaining, budget }).await
    }

    /// The account's day begins at midnight of this time zone.
    pub(super) async fn zone(&self, name: &str) -> Result<(), ConnectorError> {
        if TimeZone::get(name).is_err() || lock(&self.facts).zone.as_deref() == Some(name) {
            return Ok(());
        }
        lock(&self.facts).zone = Some(name.to_owned());
        self.report(News::Zone(name.to_owned())).await
    }

    /// Requests a day that these limits allow; a share of a limit that the vendor has not named yet is unknown.
    pub(super) fn budget(&self, limits: &Limits) -> Option<u64> {
        match limits.daily_calls? {
            DailyCalls::Number(calls) => Some(calls),
            DailyCalls::Percent(percent) => {
                let announced = lock(&self.facts).announced?;
                Some((announced as f64 * percent / 100.0) as u64)
            }
        }
    }

    /// The owner's day, in days since 1970-01-01.
    fn date(&self) -> i64 {
        let zone = lock(&self.facts).zone.as_deref().and_then(|name| TimeZone::get(name).ok());
        let now = jiff::Timestamp::now().to_zoned(zone.unwrap_or(TimeZone::UTC));
        let local = now.timestamp().as_second() + i64::from(now.offset().seconds());
        local.div_euclid(86_400)
    }

    fn spent(&self, spent: Spent) -> ConnectorError {
        let zone = lock(&self.facts).zone.clone().unwrap_or_else(|| "UTC".to_owned());
        match spent {
            Spent::Vendor => {
                ConnectorError::new(Kind::Quota, "the account's daily limit of API calls is used up")
                    .code("DAILY")
                    .hint("run again after midnight in the account's time zone")
            }
            Spent::Budget(budget) => {
                let message =
                    format!("the budget of {budget} API calls a day (`limits.daily_calls`) is used up");
                ConnectorError::new(Kind::Quota, message).code("DAILY_BUDGET").hint(format!(
                    "run again tomorrow ({zone}), or raise `limits.daily_calls` of the connection"
                ))
            }
        }
    }

    async fn read_facts(&self) -> Result<(), ConnectorError> {
        let facts = self.on_book(|book, owner| book.facts(owner)).await?;
        *lock(&self.facts) = facts;
        Ok(())
    }

    async fn report(&self, news: News) -> Result<(), ConnectorError> {
        self.on_book(move |book, owner| book.report(owner, &news)).await
    }

    async fn on_book<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn QuotaBook, &QuotaOwner) -> Result<T, ConnectorError> + Send + 'static,
    ) -> Result<T, ConnectorError> {
        if !self.book.blocks() {
            return work(&*self.book, &self.owner);
        }
        let (book, owner) = (self.book.clone(), self.owner.clone());
        tokio::task::spawn_blocking(move || work(&*book, &owner)).await.map_err(|error| {
            ConnectorError::new(Kind::Internal, "the record of requests stopped working").source(error)
        })?
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::super::day::ASK_AGAIN;
    use super::*;

    fn owner(name: &str) -> QuotaOwner {
        QuotaOwner(format!("quota-test:{name}"))
    }

    const LONG: Duration = Duration::from_secs(3600);
    fn wish() -> Wish {
        Wish { rate: None, fixed: false, in_flight: 4, book: None }
    }

    fn limited(requests: u32, seconds: u64) -> Wish {
        let rate = RateLimit { requests, per: Duration::from_secs(seconds) };
        Wish { rate: Some(rate), fixed: true, ..wish() }
    }

    fn daily(calls: u64) -> Limits {
        Limits { daily_calls: Some(DailyCalls::Number(calls)), ..Limits::default() }
    }

    #[tokio::test]
    async fn one_owner_has_one_budget() {
        let (a, b) = (Quota::of(&owner("one"), &wish()), Quota::of(&owner("one"), &wish()));
        let other = Quota::of(&owner("other"), &wish());
        for _ in 0..3 {
            a.leave(&daily(3), Duration::ZERO).await.unwrap();
        }
        let error = b.leave(&daily(3), Duration::ZERO).await.unwrap_err();
        assert_eq!(error.kind, Kind::Quota);
        assert!(error.message.contains("budget of 3"), "{error}");
        other.leave(&daily(3), Duration::ZERO).await.unwrap();
    }

    #[tokio::test]
    async fn a_share_of_the_day_is_one_of_what_the_vendor_announces() {
        let quota = Quota::of(&owner("percent"), &wish());
        let limits = Limits { daily_calls: Some(DailyCalls::Percent(30.0)), ..Limits::default() };
        quota.leave(&limits, Duration::ZERO).await.unwrap();
        assert_eq!(quota.budget(&limits), None);
        let seen = Observed { daily_limit: Some(10), daily_remaining: Some(9), ..Observed::default() };
        quota.observe(&seen, &limits, Duration::ZERO).await.unwrap();
        assert_eq!(quota.budget(&limits), Some(3));
        quota.leave(&limits, Duration::ZERO).await.unwrap();
        quota.leave(&limits, Duration::ZERO).await.unwrap();
        let error = quota.leave(&limits, Duration::ZERO).await.unwrap_err();
        assert_eq!(error.code.as_deref(), Some("DAILY_BUDGET"));
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_vendor_has_left_goes_before_our_own_count() {
        let quota = Quota::of(&owner("vendor"), &wish());
        let limits = daily(1000);
        quota.leave(&limits, Duration::ZERO).await.unwrap();
        let seen = Observed { daily_remaining: Some(2), ..Observed::default() };
        quota.observe(&seen, &limits, Duration::ZERO).await.unwrap();
        // Two are left, and one more may ask whether that is still so.
        for _ in 0..3 {
            quota.leave(&limits, Duration::ZERO).await.unwrap();
        }
        let error = quota.leave(&limits, Duration::ZERO).await.unwrap_err();
        assert_eq!((error.kind, error.code.as_deref()), (Kind::Quota, Some("DAILY")));
    }

    #[tokio::test(start_paused = true)]
    async fn requests_that_wait_together_do_not_pass_the_budget() {
        let quota = Quota::of(&owner("together"), &limited(1, 1));
        let limits = daily(2);
        let leave = || quota.leave(&limits, LONG);
        let (a, b, c, d) = tokio::join!(leave(), leave(), leave(), leave());
        let left = [a, b, c, d].iter().filter(|left| left.is_ok()).count();
        assert_eq!(left, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn an_exhausted_day_is_asked_again_after_a_while() {
        let quota = Quota::of(&owner("day"), &wish());
        let limits = Limits::default();
        quota.left(0, &limits).await.unwrap();
        assert_eq!(quota.leave(&limits, Duration::ZERO).await.unwrap_err().kind, Kind::Quota);
        tokio::time::sleep(ASK_AGAIN).await;
        quota.leave(&limits, Duration::ZERO).await.unwrap();
        assert_eq!(quota.leave(&limits, Duration::ZERO).await.unwrap_err().kind, Kind::Quota);
    }

    #[tokio::test]
    async fn the_narrowest_concurrency_holds() {
        let quota = Quota::of(&owner("places"), &wish());
        let again = Quota::of(&owner("places"), &Wish { in_flight: 1, ..wish() });
        let _held = quota.concurrency.place().await.unwrap();
        let more = tokio::time::timeout(Duration::ZERO, again.concurrency.place()).await;
        assert!(more.is_err(), "there is one place for both");
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiter_that_is_cancelled_takes_nothing() {
        let quota = Quota::of(&owner("cancelled"), &limited(5, 1));
        let limits = Limits::default();
        for _ in 0..5 {
            quota.leave(&limits, LONG).await.unwrap();
        }
        let waiter = tokio::spawn({
            let (quota, limits) = (quota.clone(), limits.clone());
            async move { quota.leave(&limits, LONG).await }
        });
        tokio::time::sleep(Duration::from_millis(500)).await;
        waiter.abort();
        let _ = waiter.await;
        tokio::time::sleep(Duration::from_millis(601)).await;
        let before = tokio::time::Instant::now();
        for _ in 0..5 {
            quota.leave(&limits, LONG).await.unwrap();
        }
        assert_eq!(tokio::time::Instant::now(), before);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_holds_everybody_and_widens_the_margin() {
        let quota = Quota::of(&owner("refusal"), &limited(2, 10));
        let limits = Limits::default();
        let start = tokio::time::Instant::now();
        quota.leave(&limits, LONG).await.unwrap();
        quota.refused(Some(Duration::from_secs(30))).await.unwrap();
        for _ in 0..3 {
            quota.leave(&limits, LONG).await.unwrap();
        }
        assert_eq!(tokio::time::Instant::now() - start, Duration::from_millis(40_200));
        quota.refused(Some(LONG * 2)).await.unwrap();
        assert_eq!(quota.leave(&limits, LONG).await.unwrap_err().kind, Kind::Quota);
    }

    #[tokio::test(start_paused = true)]
    async fn the_background_keeps_to_its_share_and_holds_up_nobody() {
        let quota = Quota::of(&owner("background"), &limited(10, 1));
        let background = Limits { share: Some(0.3), ..Limits::default() };
        let slow = tokio::spawn({
            let quota = quota.clone();
            async move {
                for _ in 0..9 {
                    quota.leave(&background, LONG).await.unwrap();
                }
                tokio::time::Instant::now()
            }
        });
        let start = tokio::time::Instant::now();
        tokio::task::yield_now().await;
        for _ in 0..21 {
            quota.leave(&Limits::default(), LONG).await.unwrap();
        }
        // Seven of ten in each window, whatever the others want.
        assert_eq!(tokio::time::Instant::now() - start, Duration::from_millis(2200));
        assert!(slow.await.unwrap() - start >= Duration::from_millis(2200));
    }
}
