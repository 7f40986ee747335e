//! Where the requests of a quota's owner are written down: in this process only, or for all processes of a machine.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::fmt::Debug;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::day::{Day, Spent};
use super::window::{self, Entry, Head, Lane, Log, Rules};
use crate::contract::{ConnectorError, QuotaOwner};

/// What one request asks for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ask {
    /// The windows that hold for it.
    pub rules: Rules,
    /// The owner's day, in days since 1970-01-01.
    pub date: i64,
    /// Requests that this client lets the owner have on that day.
    pub budget: Option<u64>,
}

/// The answer to an [`Ask`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// The request is written down and must leave at once; its entry, and the day with it counted.
    Go(Entry, Day),
    /// Ask again after this long.
    Wait(Duration),
    /// The day's requests are used up.
    Spent(Spent),
}

/// What a vendor's answer says of its limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// It refused a request for its rate; whether it asks for a pause, and the longest window in force.
    Refused {
        /// The pause that it asks for.
        asked: Option<Duration>,
        /// The longest window in force.
        window: Duration,
    },
    /// Its window is used up for so long, by its own word.
    Full(Duration),
    /// So many requests are left on this day.
    Left {
        /// The day, in days since 1970-01-01.
        date: i64,
        /// By the vendor's own count.
        remaining: u64,
        /// Requests that the client lets the owner have on that day.
        budget: Option<u64>,
    },
    /// So many requests a day are allowed.
    Announced(u64),
    /// The account's day begins at midnight of this IANA time zone.
    Zone(String),
}

/// What is known of an owner from earlier answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Requests a day, by the vendor's own word.
    pub announced: Option<u64>,
    /// Of the account's day; `None` where it is UTC or unknown.
    pub zone: Option<String>,
}

/// The requests of every quota's owner. Calls may block for some milliseconds; each is one transaction.
pub trait QuotaBook: Send + Sync + Debug {
    /// Writes one request down, or says why not. The clock is read inside the transaction.
    fn take(&self, owner: &QuotaOwner, ask: &Ask) -> Result<Taken, ConnectorError>;

    /// Writes down what the vendor said, if that is news.
    fn report(&self, owner: &QuotaOwner, news: &News) -> Result<(), ConnectorError>;

    /// Requests written down in the last so long.
    fn sent_within(&self, owner: &QuotaOwner, time: Duration) -> Result<u32, ConnectorError>;

    /// What earlier answers said of this owner.
    ///
    /// # Errors
    /// When the book cannot be read.
    fn facts(&self, owner: &QuotaOwner) -> Result<Facts, ConnectorError>;

    /// The book's clock; does not block.
    fn now(&self) -> Duration;

    /// An entry's request leaves only now; returns the time that was written down.
    fn postpone(&self, owner: &QuotaOwner, entry: &Entry) -> Result<Duration, ConnectorError>;

    /// Whether calls may block.
    fn blocks(&self) -> bool {
        true
    }
}

/// A book for this process alone. Its clock stands still while the machine sleeps, which only makes it stricter.
#[derive(Debug)]
pub struct Memory {
    start: Instant,
    owners: Mutex<HashMap<QuotaOwner, Page>>,
}

#[derive(Debug, Default)]
struct Page {
    log: MemoryLog,
    days: HashMap<i64, Day>,
    facts: Facts,
}

impl Default for Memory {
    fn default() -> Self {
        Memory { start: Instant::now(), owners: Mutex::default() }
    }
}

impl Memory {
    fn with<T>(&self, owner: &QuotaOwner, work: impl FnOnce(&mut Page, Duration) -> T) -> T {
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        // A test's runtime may have a clock of its own that began later.
        let now = self.now();
        work(owners.entry(owner.clone()).or_default(), now)
    }
}

impl QuotaBook for Memory {
    fn take(&self, owner: &QuotaOwner, ask: &Ask) -> Result<Taken, ConnectorError> {
        Ok(self.with(owner, |page, now| {
            let mut day = page.days.get(&ask.date).copied().unwrap_or_default();
            if let Err(spent) = day.take(ask.budget, now) {
                return Taken::Spent(spent);
            }
            let Ok(wait) = window::wait(&page.log, &ask.rules, now);
            if let Some(wait) = wait {
                return Taken::Wait(wait);
            }
            let mut entry = Entry { at: now, ..Entry::default() };
            if !ask.rules.all.is_empty() {
                Ok(entry) = window::enter(&mut page.log, &ask.rules, now);
            }
            page.days.retain(|date, _| *date + 1 >= ask.date);
            page.days.insert(ask.date, day);
            Taken::Go(entry, day)
        }))
    }

    fn report(&self, owner: &QuotaOwner, news: &News) -> Result<(), ConnectorError> {
        self.with(owner, |page, now| match news {
            News::Refused { asked, window } => {
                let Ok(()) = window::refuse(&mut page.log, *asked, *window, now);
            }
            News::Full(time) => {
                let Ok(()) = window::hold(&mut page.log, *time, now);
            }
            News::Left { date, remaining, budget } => {
                let day = page.days.entry(*date).or_default();
                if day.is_news(*remaining, *budget) {
                    day.follow(*remaining, now);
                }
            }
            News::Announced(calls) => page.facts.announced = Some(*calls),
            News::Zone(zone) => page.facts.zone = Some(zone.clone()),
        });
        Ok(())
    }

    fn sent_within(&self, owner: &QuotaOwner, time: Duration) -> Result<u32, ConnectorError> {
        let Ok(sent) = self.with(owner, |page, now| match now.checked_sub(time) {
            Some(since) => window::sent_since(&page.log, since),
            None => Ok(u32::try_from(page.log.head.all).unwrap_or(u32::MAX)),
        });
        Ok(sent)
    }

    fn facts(&self, owner: &QuotaOwner) -> Result<Facts, ConnectorError> {
        Ok(self.with(owner, |page, _| page.facts.clone()))
    }

    fn now(&self) -> Duration {
        Instant::now().saturating_duration_since(self.start)
    }

    fn postpone(&self, owner: &QuotaOwner, entry: &Entry) -> Result<Duration, ConnectorError> {
        Ok(self.with(owner, |page, now| {
            let Ok(()) = window::postpone(&mut page.log, entry, now);
            now
        }))
    }

    fn blocks(&self) -> bool {
        false
    }
}

#[derive(Debug, Default)]
pub(super) struct MemoryLog {
    head: Head,
    all: VecDeque<Duration>,
    background: VecDeque<Duration>,
}

impl Log for MemoryLog {
    type Error = Infallible;

    fn head(&self) -> Head {
        self.head
    }

    fn set_head(&mut self, head: Head) -> Result<(), Infallible> {
        self.head = head;
        Ok(())
    }

    fn at(&self, lane: Lane, number: u64) -> Result<Option<Duration>, Infallible> {
        let (times, last) = match lane {
            Lane::All => (&self.all, self.head.all),
            Lane::Background => (&self.background, self.head.background),
        };
        let from_end = last.saturating_sub(number) as usize;
        Ok(times.len().checked_sub(from_end + 1).and_then(|at| times.get(at)).copied())
    }

    fn push(&mut self, lane: Lane, _: u64, at: Duration) -> Result<(), Infallible> {
        match lane {
            Lane::All => self.all.push_back(at),
            Lane::Background => self.background.push_back(at),
        }
        Ok(())
    }

    fn move_to(&mut self, lane: Lane, number: u64, at: Duration) -> Result<(), Infallible> {
        let (times, last) = match lane {
            Lane::All => (&mut self.all, self.head.all),
            Lane::Background => (&mut self.background, self.head.background),
        };
        let from_end = last.saturating_sub(number) as usize;
        if let Some(time) = times.len().checked_sub(from_end + 1).and_then(|place| times.get_mut(place)) {
            *time = at;
        }
        Ok(())
    }

    fn drop_before(&mut self, time: Duration) -> Result<(), Infallible> {
        for times in [&mut self.all, &mut self.background] {
            while times.front().is_some_and(|at| *at < time) {
                times.pop_front();
            }
        }
        Ok(())
    }
}
