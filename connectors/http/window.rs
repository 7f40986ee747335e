//! At most so many requests in any window: exact, over a log of the last sends that one process keeps or several share.

use std::time::Duration;

use crate::contract::RateLimit;

/// The window is kept this much longer than stated, because requests don't all travel equally fast.
pub const MARGIN: Duration = Duration::from_millis(100);

/// Refusals widen the margin up to this share of the window.
const WIDEST_SHARE: u32 = 5;

/// So many windows without a refusal bring the margin back.
const CALM_WINDOWS: u32 = 10;

/// Entries are kept this much longer than any rule needs them, to hold the vendor's count against ours.
const KEEP: Duration = Duration::from_secs(1);

/// Whose requests a log's lane holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Everybody's.
    All,
    /// Those of clients that take a share only; they stand in [`Lane::All`] as well.
    Background,
}

/// What a log knows beside the times of its entries. Times are those of the log's own clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Entries ever made in [`Lane::All`]; the last one has this number, the first had 1.
    pub all: u64,
    /// Entries ever made in [`Lane::Background`].
    pub background: u64,
    /// Nobody sends before; zero where nobody is held.
    pub held_until: Duration,
    /// When the vendor last refused a request for its rate; `None` where it never did.
    pub refused_at: Option<Duration>,
    /// Each window is kept this much longer than stated; at least [`MARGIN`], more for a while after a refusal.
    pub margin: Duration,
    /// How long entries are kept; only grows.
    pub keep: Duration,
}

impl Default for Head {
    fn default() -> Self {
        Head {
            all: 0,
            background: 0,
            held_until: Duration::ZERO,
            refused_at: None,
            margin: MARGIN,
            keep: Duration::ZERO,
        }
    }
}

impl Head {
    fn last(&self, lane: Lane) -> u64 {
        match lane {
            Lane::All => self.all,
            Lane::Background => self.background,
        }
    }

    fn margin(&self, window: Duration, now: Duration) -> Duration {
        let calm = self.refused_at.is_none_or(|at| now >= at + window * CALM_WINDOWS);
        if calm { MARGIN } else { self.margin }
    }
}

/// Where one owner's log is kept. Whoever calls the functions below keeps everybody else out of it meanwhile.
pub trait Log {
    /// What keeping the log can fail with.
    type Error;

    /// What is known beside the entries.
    fn head(&self) -> Head;
    /// Replaces what is known beside the entries.
    ///
    /// # Errors
    /// Where the log is kept, none else.
    fn set_head(&mut self, head: Head) -> Result<(), Self::Error>;
    /// The time of an entry; `None` once it is dropped.
    fn at(&self, lane: Lane, number: u64) -> Result<Option<Duration>, Self::Error>;
    /// Appends an entry; its number is the lane's last one and one more.
    ///
    /// # Errors
    /// Where the log is kept, none else.
    fn push(&mut self, lane: Lane, number: u64, at: Duration) -> Result<(), Self::Error>;
    /// Gives an entry another time.
    fn move_to(&mut self, lane: Lane, number: u64, at: Duration) -> Result<(), Self::Error>;
    /// May drop what is older.
    fn drop_before(&mut self, time: Duration) -> Result<(), Self::Error>;
}

/// The rules that one request must keep.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rules {
    /// For all requests of the owner together; their windows may differ.
    pub all: Vec<RateLimit>,
    /// For those of the background; empty for a request that is none.
    pub background: Vec<RateLimit>,
}

impl Rules {
    /// The longest window; a second where there is none.
    pub fn window(&self) -> Duration {
        self.all.iter().map(|rate| rate.per).max().unwrap_or(Duration::from_secs(1))
    }

    fn each(&self) -> impl Iterator<Item = (Lane, RateLimit)> {
        let all = self.all.iter().map(|rate| (Lane::All, *rate));
        all.chain(self.background.iter().map(|rate| (Lane::Background, *rate)))
    }
}

/// How long to wait before asking again; `None`: a request may leave now.
pub fn wait<L: Log>(log: &L, rules: &Rules, now: Duration) -> Result<Option<Duration>, L::Error> {
    let head = log.head();
    if head.held_until > now {
        return Ok(Some(head.held_until - now));
    }
    let margin = head.margin(rules.window(), now);
    let mut free = now;
    for (lane, rate) in rules.each() {
        // With one more entry this one would be the first of `requests` + 1.
        let Some(before) = (head.last(lane) + 1).checked_sub(u64::from(rate.requests.max(1))) else {
            continue;
        };
        if before > 0
            && let Some(at) = log.at(lane, before)?
        {
            free = free.max(at + rate.per + margin);
        }
    }
    Ok((free > now).then(|| (free - now).max(Duration::from_millis(1))))
}

/// A request in the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its number in each lane; 0 where it is not in the background's.
    pub all: u64,
    /// Its number in [`Lane::Background`]; 0 where it is not in there.
    pub background: u64,
    /// When it left, by the log's clock.
    pub at: Duration,
}

/// The request of an entry leaves later than it was entered, as on a machine that is busy. Who enters as many more as a
/// window allows comes after this, so that they keep their distance to when it truly left.
pub fn postpone<L: Log>(log: &mut L, entry: &Entry, now: Duration) -> Result<(), L::Error> {
    log.move_to(Lane::All, entry.all, now)?;
    match entry.background {
        0 => Ok(()),
        number => log.move_to(Lane::Background, number, now),
    }
}

/// Enters a request that leaves now.
pub fn enter<L: Log>(log: &mut L, rules: &Rules, now: Duration) -> Result<Entry, L::Error> {
    let mut head = log.head();
    let window = rules.each().map(|(_, rate)| rate.per).max().unwrap_or(Duration::ZERO);
    head.keep = head.keep.max(window + (window / WIDEST_SHARE).max(MARGIN) + KEEP);
    head.all += 1;
    log.push(Lane::All, head.all, now)?;
    let mut entry = Entry { all: head.all, background: 0, at: now };
    if !rules.background.is_empty() {
        head.background += 1;
        log.push(Lane::Background, head.background, now)?;
        entry.background = head.background;
    }
    if head.margin(rules.window(), now) == MARGIN {
        (head.margin, head.refused_at) = (MARGIN, None);
    }
    log.set_head(head)?;
    log.drop_before(now.saturating_sub(head.keep))?;
    Ok(entry)
}

/// The vendor refused a request for its rate: nobody sends for as long as it asks, or for one window.
pub fn refuse<L: Log>(
    log: &mut L,
    asked: Option<Duration>,
    window: Duration,
    now: Duration,
) -> Result<(), L::Error> {
    let mut head = log.head();
    head.held_until = head.held_until.max(now + asked.unwrap_or(window));
    head.margin = (head.margin * 2).min(window / WIDEST_SHARE).max(MARGIN);
    head.refused_at = Some(now);
    log.set_head(head)
}

/// Nobody sends for this long.
pub fn hold<L: Log>(log: &mut L, time: Duration, now: Duration) -> Result<(), L::Error> {
    let mut head = log.head();
    head.held_until = head.held_until.max(now + time);
    log.set_head(head)
}

/// Requests that left after this time.
pub fn sent_since<L: Log>(log: &L, time: Duration) -> Result<u32, L::Error> {
    let last = log.head().all;
    let (mut old, mut new) = (0, last + 1);
    while new - old > 1 {
        let middle = old + (new - old) / 2;
        match log.at(Lane::All, middle)? {
            Some(at) if at > time => new = middle,
            _ => old = middle,
        }
    }
    Ok(u32::try_from(last - old).unwrap_or(u32::MAX))
}
