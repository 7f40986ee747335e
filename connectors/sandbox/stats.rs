//! What a running server counts, for tests that drive it: `GET /__sandbox/stats`.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Instant;

use jiff::Timestamp;
use serde_json::{Map, Value as Json, json};

use super::faults::FaultKind;

#[derive(Debug, Default)]
struct Counts {
    writes: u64,
    reads: u64,
    refused: u64,
    in_flight_writes: u64,
    first_write_at: Option<Timestamp>,
    last_write_at: Option<Timestamp>,
    /// When the last requests arrived, whatever became of them.
    arrivals: VecDeque<Instant>,
}

/// So many arrivals are remembered.
const ARRIVALS: usize = 10_000;

/// How a request is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    Write,
    Read,
    /// Over a limit: a 429.
    Refused,
}

impl Counted {
    /// The counter's name in the store.
    pub(super) fn name(self) -> &'static str {
        match self {
            Counted::Write => "writes",
            Counted::Read => "reads",
            Counted::Refused => "refused",
        }
    }
}

/// The counts since the server's start.
#[derive(Default)]
pub(super) struct Stats(Mutex<Counts>);

impl Stats {
    fn with<T>(&self, change: impl FnOnce(&mut Counts) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }

    pub(super) fn count(&self, request: Counted) {
        self.with(|counts| match request {
            Counted::Read => counts.reads += 1,
            Counted::Refused => counts.refused += 1,
            Counted::Write => {
                let now = Timestamp::now();
                counts.writes += 1;
                counts.first_write_at.get_or_insert(now);
                counts.last_write_at = Some(now);
            }
        });
    }

    /// A request begins to arrive.
    pub(super) fn arrived(&self) {
        self.with(|counts| {
            if counts.arrivals.len() == ARRIVALS {
                counts.arrivals.pop_front();
            }
            counts.arrivals.push_back(Instant::now());
        });
    }

    /// When the last requests arrived, in their order.
    pub(super) fn arrivals(&self) -> Vec<Instant> {
        self.with(|counts| counts.arrivals.iter().copied().collect())
    }

    /// Counts a write as in flight until the guard is dropped, also when the client goes away.
    pub(super) fn in_flight(&self, writes: bool) -> Option<InFlight<'_>> {
        writes.then(|| {
            self.with(|counts| counts.in_flight_writes += 1);
            InFlight(self)
        })
    }

    /// `requests` has the sums, `faults` each declared fault, `fired` their sums by kind. Times are RFC 3339 in UTC.
    pub(super) fn report(&self, faults: Vec<(FaultKind, Json)>) -> Json {
        let mut fired = Map::new();
        for (kind, fault) in &faults {
            let sum = fired.get(kind.name()).and_then(Json::as_u64).unwrap_or(0);
            fired.insert(kind.name().into(), json!(sum + fault["fired"].as_u64().unwrap_or(0)));
        }
        let faults: Vec<_> = faults.into_iter().map(|(_, fault)| fault).collect();
        self.with(|counts| {
            json!({
                "requests": {"writes": counts.writes, "reads": counts.reads, "refused": counts.refused},
                "in_flight_writes": counts.in_flight_writes,
                "first_write_at": counts.first_write_at,
                "last_write_at": counts.last_write_at,
                "fired": fired,
                "faults": faults,
            })
        })
    }
}

pub(super) struct InFlight<'a>(&'a Stats);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.with(|counts| counts.in_flight_writes -= 1);
    }
}
