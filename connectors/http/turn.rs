//! A request's turn: room in its owner's window, and in a narrower one where some requests have their own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;

use super::quota::{Quota, Wish};
use super::window::Entry;
use super::{Narrow, Observed, Setup};
use crate::contract::{ConnectorError, QuotaOwner};
use crate::registry::Limits;

/// The windows of one client.
#[derive(Debug)]
pub(super) struct Windows {
    pub(super) owner: Arc<Quota>,
    narrow: Mutex<HashMap<&'static str, Lane>>,
    /// What is wished for narrower windows, but for their rates.
    wish: Wish,
    name: QuotaOwner,
}

/// A narrower window, and who is between it and the owner's: one request at a time, so that those that wait for the
/// owner's window do not leave it together.
#[derive(Debug, Clone)]
struct Lane {
    window: Arc<Quota>,
    gate: Arc<tokio::sync::Mutex<()>>,
}

/// A request's entries; it must leave at once.
pub(super) struct Turn {
    /// A window with an entry in it.
    entries: Vec<(Arc<Quota>, Entry)>,
    /// Held until the owner's window has room, too.
    gate: Option<OwnedMutexGuard<()>>,
}

impl Windows {
    pub(super) fn of(setup: &Setup) -> Self {
        let wish = Wish {
            rate: setup.limits.requests.or(setup.start_rate),
            fixed: setup.limits.requests.is_some(),
            in_flight: setup.limits.concurrency.unwrap_or(setup.in_flight),
            book: setup.limits.book.clone(),
        };
        let (owner, name) = (Quota::of(&setup.owner, &wish), setup.owner.clone());
        // A server of this process alone has not seen what others sent.
        let book = wish.book.clone().filter(|_| setup.limits.owner.is_none());
        Windows { owner, narrow: Mutex::default(), wish: Wish { book, ..wish }, name }
    }

    /// The window that answers to this request speak of.
    pub(super) fn spoken_of(&self, narrow: Option<&Narrow>) -> Arc<Quota> {
        narrow.map_or_else(|| self.owner.clone(), |narrow| self.lane(narrow).window)
    }

    fn lane(&self, Narrow { name, rate }: &Narrow) -> Lane {
        let mut lanes = self.narrow.lock().unwrap_or_else(PoisonError::into_inner);
        let lane = lanes.entry(name).or_insert_with(|| {
            let wish = Wish { rate: Some(*rate), fixed: false, ..self.wish.clone() };
            let window = Quota::of(&QuotaOwner(format!("{}/{name}", self.name.0)), &wish);
            Lane { window, gate: Arc::default() }
        });
        lane.clone()
    }

    /// Waits for the narrower window of a request that has one. Nothing else should be held meanwhile: such a window may be
    /// an hour long.
    pub(super) async fn narrow_turn(
        &self,
        narrow: Option<&Narrow>,
        limits: &Limits,
        longest: Duration,
    ) -> Result<Turn, ConnectorError> {
        let Some(narrow) = narrow else { return Ok(Turn { entries: Vec::new(), gate: None }) };
        let Lane { window, gate } = self.lane(narrow);
        let gate = Some(gate.lock_owned().await);
        // The day's budget is the owner's.
        let limits = Limits { daily_calls: None, ..limits.clone() };
        let entry = window.leave(&limits, longest).await?;
        Ok(Turn { entries: vec![(window, entry)], gate })
    }

    /// Waits until a request may leave by its owner's window as well, and writes it down there.
    pub(super) async fn turn(
        &self,
        mut turn: Turn,
        limits: &Limits,
        longest: Duration,
    ) -> Result<Turn, ConnectorError> {
        let entry = self.owner.leave(limits, longest).await?;
        turn.late().await?;
        turn.entries.push((self.owner.clone(), entry));
        turn.gate = None;
        Ok(turn)
    }
}

impl Turn {
    /// The request may have left later than was entered, by now at the latest.
    pub(super) async fn late(&mut self) -> Result<(), ConnectorError> {
        for (window, entry) in &mut self.entries {
            *entry = window.late(*entry).await?;
        }
        Ok(())
    }
}

/// Headers that were read for one window say nothing of the day where that window is a narrow one.
pub(super) fn of_window(observed: Observed, narrow: Option<&Narrow>) -> Observed {
    match narrow {
        Some(_) => Observed { daily_limit: None, daily_remaining: None, ..observed },
        None => observed,
    }
}
