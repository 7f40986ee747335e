//! How many requests of one owner are in flight at once: as many as are permitted, fewer for a while after the other side
//! said that they were too many.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::contract::{ConnectorError, Kind};

/// An answer is quick if it took at most so many times the usual time.
const QUICK: u32 = 2;

/// One part in so many of the usual time comes from the last answer.
const MEMORY: u32 = 16;

/// The number of places as a function of what happened: additive growth, halved by an overload.
#[derive(Debug)]
struct Adaptive {
    most: usize,
    places: f64,
    /// Overloads so far. A request that left before the last one tells nothing new.
    overloads: u64,
    usual: Option<Duration>,
}

impl Adaptive {
    /// Begins with all places: what the other side permits needs no proof.
    fn new(most: usize) -> Self {
        Adaptive { most, places: most as f64, overloads: 0, usual: None }
    }

    fn places(&self) -> usize {
        (self.places as usize).clamp(1, self.most)
    }

    fn narrow(&mut self, most: usize) {
        self.most = self.most.min(most);
        self.places = self.places.min(self.most as f64);
    }

    /// A success; as many of them as there are places make one more.
    fn answered(&mut self, took: Duration) {
        let usual = self.usual.map_or(took, |usual| usual - usual / MEMORY + took / MEMORY);
        if took <= self.usual.unwrap_or(took) * QUICK {
            self.places = (self.places + 1.0 / self.places).min(self.most as f64);
        }
        self.usual = Some(usual);
    }

    /// The other side was too busy for a request that left after this many overloads.
    fn overloaded(&mut self, overloads: u64) {
        if overloads == self.overloads {
            self.overloads += 1;
            self.places = (self.places / 2.0).max(1.0);
        }
    }
}

/// The places of one owner; waiting is first come, first served.
#[derive(Debug)]
pub(super) struct Concurrency {
    gate: Semaphore,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    adaptive: Adaptive,
    /// Places that the gate gives out, once those owed have come back.
    open: usize,
    /// Places that are to be closed when they come back.
    owed: usize,
}

/// A place in flight.
#[derive(Debug)]
pub(super) struct Place<'a> {
    concurrency: &'a Concurrency,
    permit: Option<SemaphorePermit<'a>>,
    overloads: u64,
}

impl Concurrency {
    pub(super) fn new(most: usize) -> Self {
        let most = most.max(1);
        let state = State { adaptive: Adaptive::new(most), open: most, owed: 0 };
        Concurrency { gate: Semaphore::new(most), state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another client of the same owner permits so many.
    pub(super) fn narrow(&self, most: usize) {
        self.change(|adaptive| adaptive.narrow(most.max(1)));
    }

    /// Waits for a place.
    pub(super) async fn place(&self) -> Result<Place<'_>, ConnectorError> {
        let permit = self.gate.acquire().await;
        let permit =
            permit.map_err(|_| ConnectorError::new(Kind::Internal, "the queue of requests was closed"))?;
        let overloads = self.state().adaptive.overloads;
        Ok(Place { concurrency: self, permit: Some(permit), overloads })
    }

    fn change(&self, change: impl FnOnce(&mut Adaptive)) {
        let mut state = self.state();
        change(&mut state.adaptive);
        let wanted = state.adaptive.places();
        while state.open > wanted {
            state.open -= 1;
            state.owed += 1 - self.gate.forget_permits(1);
        }
        while state.open < wanted {
            state.open += 1;
            match state.owed {
                0 => self.gate.add_permits(1),
                _ => state.owed -= 1,
            }
        }
    }
}

impl Place<'_> {
    /// Its request succeeded after this time.
    pub(super) fn answered(&self, took: Duration) {
        self.concurrency.change(|adaptive| adaptive.answered(took));
    }

    /// Its request was refused because there are too many.
    pub(super) fn overloaded(&self) {
        self.concurrency.change(|adaptive| adaptive.overloaded(self.overloads));
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.concurrency.state();
        if state.owed > 0
            && let Some(permit) = self.permit.take()
        {
            state.owed -= 1;
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn an_overload_halves_once_however_many_were_in_flight() {
        let mut adaptive = Adaptive::new(8);
        for _ in 0..8 {
            adaptive.overloaded(0);
        }
        assert_eq!(adaptive.places(), 4);
        for overloads in 1..9 {
            adaptive.overloaded(overloads);
        }
        assert_eq!(adaptive.places(), 1);
        adaptive.overloaded(0);
        assert_eq!(adaptive.overloads, 9);
    }

    #[test]
    fn quick_answers_bring_the_places_back_and_no_more() {
        let mut adaptive = Adaptive::new(4);
        adaptive.answered(50 * MS);
        adaptive.overloaded(0);
        adaptive.answered(50 * MS);
        assert_eq!(adaptive.places(), 2, "a round of answers makes one more");
        for _ in 0..5 {
            adaptive.answered(50 * MS);
        }
        assert!((3..=4).contains(&adaptive.places()));
        for _ in 0..99 {
            adaptive.answered(50 * MS);
        }
        assert_eq!(adaptive.places(), 4);
    }

    #[test]
    fn slow_answers_make_no_room_until_they_are_the_usual_ones() {
        let mut adaptive = Adaptive::new(4);
        for _ in 0..20 {
            adaptive.answered(50 * MS);
        }
        adaptive.overloaded(0);
        for _ in 0..5 {
            adaptive.answered(400 * MS);
        }
        assert_eq!(adaptive.places(), 2);
        for _ in 0..30 {
            adaptive.answered(400 * MS);
        }
        assert_eq!(adaptive.places(), 4);
    }

    #[tokio::test]
    async fn a_place_in_use_is_closed_when_it_comes_back() {
        let concurrency = Concurrency::new(4);
        let mut held = Vec::new();
        for _ in 0..4 {
            held.push(concurrency.place().await.unwrap());
        }
        held[0].overloaded();
        held[1].overloaded();
        drop(held.split_off(2));
        assert_eq!(concurrency.gate.available_permits(), 0, "two are owed");
        drop(held);
        assert_eq!(concurrency.gate.available_permits(), 2);
        concurrency.narrow(1);
        assert_eq!(concurrency.gate.available_permits(), 1);
        concurrency.place().await.unwrap().answered(MS);
        assert_eq!(concurrency.gate.available_permits(), 1, "never more than permitted");
    }

    #[tokio::test]
    async fn what_is_owed_is_taken_back_first_by_growth() {
        let concurrency = Concurrency::new(2);
        let (a, b) = (concurrency.place().await.unwrap(), concurrency.place().await.unwrap());
        a.overloaded();
        a.answered(MS);
        b.answered(MS);
        drop((a, b));
        assert_eq!(concurrency.gate.available_permits(), 2);
    }
}
