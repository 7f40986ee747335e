//! What sending a plan takes: requests, bytes, time, and what of the limits holds it up.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use outflow_connectors::contract::{Calls, Load, Narrow, RateLimit, Verb};
use outflow_connectors::http::window::MARGIN;
use tokio::task::block_in_place;

use super::deliver::{Cutter, Shape, size};
use super::diff::{Class, Delta};
use super::event::{Binds, Forecast, InBulk, Preview, Verdict};
use super::known::Memory;
use super::plan::{Items, Phase, Plan};
use super::preview;
use super::run::Work;
use super::timing;
use crate::error::Result;

/// Bytes that a request spends on each record beside names and values.
const OVERHEAD: u64 = 30;

/// Bytes of a field beside its name and value, such as quotes: so many more than the spool spends.
const PUNCTUATION: u64 = 4;

/// Seconds a request is taken to last where nothing better is known.
const LATENCY: f64 = 0.2;

impl Work<'_> {
    pub(super) fn preview(&self, delta: &Delta, plan: &Plan, memory: &Memory<'_>) -> Result<Preview> {
        let mut preview = preview::preview(delta, memory)?;
        if plan.changes() > 0 {
            preview.creates.clone_from(&self.resolved.target.missing);
        }
        (preview.forecast, preview.in_bulk) = self.forecast(delta, plan)?;
        Ok(preview)
    }

    /// # Errors
    /// When what the delta spilled cannot be read.
    fn forecast(&self, delta: &Delta, plan: &Plan) -> Result<(Forecast, InBulk)> {
        let target = &self.resolved.target;
        let calls = |load| self.destination.calls(target, load);
        let mut sum = Sum::new(&calls);
        let fields = &self.resolved.spec.fields;
        let names = OVERHEAD + fields.iter().map(|field| field.name.len() as u64 + PUNCTUATION).sum::<u64>();
        for phase in &plan.phases {
            let way = Way {
                verb: self.verb(phase),
                shape: self.shape_of(phase.len),
                each: self.bulk(phase.len).map_or(1, |bulk| bulk.requests),
                names,
            };
            sum.phase(delta, phase, &way)?;
        }
        let rates = (self.resolved.capabilities.rate, self.shape().rate);
        Ok((sum.forecast(rates, self.destination.daily_budget()), sum.in_bulk))
    }

    fn verb(&self, phase: &Phase) -> Verb {
        match &phase.items {
            Items::Listed(items) => items.first().map_or(Verb::Upsert, |item| item.verb),
            Items::Bulk => self.rules().verb(),
            Items::Narrow => Verb::Update,
            Items::Removals => self.rules().farewell().1,
        }
    }

    /// The forecast, where the run is given a time.
    pub(super) fn timed(&self, delta: &Delta, plan: &Plan) -> Result<Option<Forecast>> {
        let asked = self.context.sync.deliver_within;
        asked.map(|_| block_in_place(|| self.forecast(delta, plan)).map(|(forecast, _)| forecast)).transpose()
    }

    /// Whether the time that the sync is given can be kept, if it is given one, and that in words.
    pub(super) fn verdict(&self, forecast: &Forecast) -> Option<(Verdict, String)> {
        let within = self.context.sync.deliver_within?;
        Some(timing::verdict(within, self.clock.elapsed(), forecast))
    }
}

/// How the changes of a phase are sent.
struct Way {
    verb: Verb,
    shape: Shape,
    /// Requests of a batch of which the destination says nothing.
    each: u64,
    /// Bytes of each record beside its values.
    names: u64,
}

/// A batch while its changes come.
#[derive(Default)]
struct Open {
    rows: u64,
    known: u64,
    links: u64,
}

/// What the phases of a plan come to.
struct Sum<'a> {
    /// What the destination says of a batch.
    calls: &'a dyn Fn(Load) -> Option<Vec<Calls>>,
    /// The answers: most batches are as full as the one before.
    said: HashMap<Load, Option<Vec<Calls>>>,
    requests: u64,
    bytes: u64,
    /// Where nothing limits the requests.
    seconds: f64,
    in_bulk: InBulk,
    /// Requests in windows of their own, by the window's name.
    narrow: BTreeMap<&'static str, (RateLimit, u64)>,
}

impl<'a> Sum<'a> {
    fn new(calls: &'a dyn Fn(Load) -> Option<Vec<Calls>>) -> Self {
        Sum {
            calls,
            said: HashMap::new(),
            requests: 0,
            bytes: 0,
            seconds: 0.0,
            in_bulk: InBulk::default(),
            narrow: BTreeMap::new(),
        }
    }

    fn phase(&mut self, delta: &Delta, phase: &Phase, way: &Way) -> Result<()> {
        let (mut cutter, before) = (Cutter::new(&way.shape), self.requests);
        let mut open = Open::default();
        let mut add = |in_spool: Option<u64>, is_known: bool| {
            if cutter.cuts(in_spool.map_or(64, |bytes| bytes as usize)) {
                self.batch(std::mem::take(&mut open), way);
            }
            if in_spool.is_some() {
                open.links = way.shape.links as u64;
            }
            (open.rows, open.known) = (open.rows + 1, open.known + u64::from(is_known));
            self.bytes += in_spool.map_or(OVERHEAD, |bytes| bytes + way.names);
        };
        match &phase.items {
            Items::Listed(items) => {
                let items = items.iter().take(phase.len as usize);
                items.for_each(|item| add(item.place.map(|_| size(item) as u64), item.remote_id.is_some()));
            }
            Items::Bulk => bulk(delta, (phase.len, false), &mut add)?,
            Items::Narrow => bulk(delta, (phase.len, true), &mut add)?,
            Items::Removals => (0..phase.len).for_each(|_| add(None, true)),
        }
        self.batch(open, way);
        self.seconds += (self.requests - before) as f64 * LATENCY / way.shape.in_flight.max(1) as f64;
        Ok(())
    }

    /// A batch has all its changes.
    fn batch(&mut self, Open { rows, known, links }: Open, way: &Way) {
        if rows == 0 {
            return;
        }
        let load = Load { verb: way.verb, rows, known };
        let said = self.said.entry(load).or_insert_with(|| (self.calls)(load));
        let usual = [Calls { requests: way.each, narrow: None }];
        for call in said.as_deref().unwrap_or(&usual) {
            self.requests += call.requests;
            if let Some(Narrow { name, rate }) = call.narrow {
                self.narrow.entry(name).or_insert((rate, 0)).1 += call.requests;
            }
        }
        self.requests += links;
        if way.each > 1 {
            let InBulk { batches, changes } = self.in_bulk;
            self.in_bulk = InBulk { batches: batches + 1, changes: changes + rows };
        }
    }

    /// All of it, under the owner's rate and the mapping's own.
    fn forecast(&self, (owner, own): (Option<RateLimit>, Option<RateLimit>), daily: Option<u64>) -> Forecast {
        let (mut seconds, mut binds) = (self.seconds, Binds::Answers);
        let owner = owner.map(|rate| (Binds::Requests, in_windows(self.requests, rate)));
        let narrow = self.narrow.iter();
        let narrow = narrow.map(|(name, (rate, sent))| (Binds::Narrow(name), in_windows(*sent, *rate)));
        let own = own.map(|rate| (Binds::Own, spaced(self.requests, rate)));
        for (by, paced) in owner.into_iter().chain(narrow).chain(own) {
            if paced > seconds {
                (seconds, binds) = (paced, by);
            }
        }
        let percent = |daily: u64| self.requests as f64 * 100.0 / daily as f64;
        Forecast {
            requests: self.requests,
            bytes: self.bytes,
            seconds,
            quota_percent: daily.filter(|daily| *daily > 0).map(percent),
            binds,
        }
    }
}

/// When the last of so many requests leaves, where each window is filled at once and then waited for.
fn in_windows(requests: u64, rate: RateLimit) -> f64 {
    let full = requests.saturating_sub(1) / u64::from(rate.requests.max(1));
    full as f64 * (rate.per + MARGIN).as_secs_f64()
}

/// The same, where they leave evenly.
fn spaced(requests: u64, rate: RateLimit) -> f64 {
    let gap = rate.per.checked_div(rate.requests).unwrap_or(Duration::ZERO);
    requests.saturating_sub(1) as f64 * gap.as_secs_f64()
}

/// The candidates of a phase: the bytes of each, and whether its object is known.
fn bulk(delta: &Delta, (most, narrow): (u64, bool), each: &mut impl FnMut(Option<u64>, bool)) -> Result<()> {
    let mut left = most;
    for chunk in delta.candidates.chunks() {
        for candidate in chunk?.iter().filter(|c| c.bulk && c.narrow == narrow) {
            if left == 0 {
                return Ok(());
            }
            left -= 1;
            each(Some(candidate.head.place.size()), candidate.class != Class::Add);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOW: Narrow =
        Narrow { name: "deletions", rate: RateLimit { requests: 3, per: Duration::from_secs(3) } };

    fn way(verb: Verb, each: u64, links: usize) -> Way {
        let shape = Shape {
            batch_rows: 50,
            batch_bytes: 1 << 20,
            in_flight: 4,
            rate: None,
            max_rejected: None,
            links,
        };
        Way { verb, shape, each, names: 0 }
    }

    fn rate(requests: u32, seconds: u64) -> RateLimit {
        RateLimit { requests, per: Duration::from_secs(seconds) }
    }

    #[test]
    fn what_the_destination_says_of_a_batch_is_counted_and_its_window_kept_to() {
        let calls = |load: Load| match load.verb {
            Verb::Delete => Some(vec![Calls::of(load.rows, 1).within(SLOW)]),
            Verb::Upsert => Some(vec![Calls::of(load.rows - load.known, 500), Calls::of(load.known, 1)]),
            _ => None,
        };
        let mut sum = Sum::new(&calls);
        sum.batch(Open { rows: 30, known: 30, links: 0 }, &way(Verb::Delete, 1, 0));
        let forecast = sum.forecast((Some(rate(10, 1)), None), Some(60));
        assert_eq!((forecast.requests, forecast.quota_percent), (30, Some(50.0)));
        // The first three at once, three more after each of nine windows.
        assert_eq!((forecast.binds, forecast.seconds.round()), (Binds::Narrow("deletions"), 28.0));

        sum.batch(Open { rows: 50, known: 20, links: 0 }, &way(Verb::Upsert, 1, 0));
        assert_eq!(sum.requests, 30 + 1 + 20);
        sum.batch(Open { rows: 50, known: 0, links: 2 }, &way(Verb::Create, 1, 2));
        assert_eq!((sum.requests, sum.in_bulk), (51 + 3, InBulk::default()));
        sum.batch(Open { rows: 50, known: 0, links: 0 }, &way(Verb::Create, 6, 0));
        assert_eq!((sum.requests, sum.in_bulk), (54 + 6, InBulk { batches: 1, changes: 50 }));
        assert_eq!(sum.forecast((None, Some(rate(1, 1))), None).binds, Binds::Own);
    }

    #[test]
    fn a_window_is_filled_at_once_and_then_waited_for() {
        let seconds = |requests| in_windows(requests, rate(10, 1));
        assert_eq!((seconds(0), seconds(10)), (0.0, 0.0));
        assert!((seconds(11) - 1.1).abs() < 0.001 && (seconds(306) - 33.0).abs() < 0.001);
        assert!((spaced(250, rate(2, 1)) - 124.5).abs() < 0.001);
    }
}
