//! What a delivery has come to so far.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::answer::Halt;
use crate::error::{Error, ErrorKind};
use crate::ledger::KeyHash;
use crate::project::Bound;
use crate::sync::event::Counts;

/// Why a delivery ended.
#[derive(Debug)]
pub enum Ended {
    Done,
    Interrupted,
    /// `max_rejected` was passed.
    Broken(Error),
    /// The destination, a quota or the ledger stopped it.
    Stopped(Error),
}

/// How one batch went.
#[derive(Default)]
pub struct BatchEnd {
    pub counts: Counts,
    pub delivered: Vec<KeyHash>,
    /// Refused because `mode: update` found no object.
    pub absent: u64,
}

/// What all batches came to so far.
#[derive(Default)]
pub struct Progress {
    pub counts: Counts,
    /// Those of the awaited keys that were delivered.
    pub delivered: HashSet<KeyHash>,
    pub settled: u64,
    /// Part of `rejected`: `mode: update` found no object, which is nobody's fault.
    pub absent: u64,
}

impl Progress {
    /// Takes in the end of a batch; `awaited` are the keys that another change waits for.
    pub fn take(&mut self, end: BatchEnd, awaited: &HashSet<KeyHash>) {
        self.counts.add(&end.counts);
        self.delivered.extend(end.delivered.into_iter().filter(|key| awaited.contains(key)));
        self.settled += end.counts.sent;
        self.absent += end.absent;
    }
}

/// Batches without an answer, one after another, that end a run.
const UNANSWERED: u32 = 3;

/// Hears every answer before the next batch takes its place, and says when no other may leave.
pub struct Watch {
    max_rejected: Option<Bound>,
    heard: Mutex<Heard>,
}

#[derive(Default)]
struct Heard {
    /// First attempts answered, and refused among them.
    firsts: (u64, u64),
    unanswered: u32,
    ended: Option<Ended>,
}

impl Watch {
    pub fn new(max_rejected: Option<Bound>) -> Self {
        Watch { max_rejected, heard: Mutex::default() }
    }

    /// Takes in what a batch says of those after it; `firsts` are its first attempts answered, and refused among them.
    pub fn hear(&self, halt: Halt, firsts: (u64, u64)) {
        let mut heard = self.heard();
        heard.firsts = (heard.firsts.0 + firsts.0, heard.firsts.1 + firsts.1);
        heard.unanswered = if matches!(halt, Halt::Unanswered(_)) { heard.unanswered + 1 } else { 0 };
        let ended = match halt {
            Halt::Stop(error) => Some(Ended::Stopped(error)),
            Halt::Unanswered(error) if heard.unanswered >= UNANSWERED => Some(Ended::Stopped(error)),
            Halt::Unanswered(_) | Halt::GoOn => self.breaker(heard.firsts).map(Ended::Broken),
        };
        if let Some(ended) = ended {
            heard.ended.get_or_insert(ended);
        }
    }

    /// The delivery ends for this reason, unless it has ended for another.
    pub fn end(&self, ended: Ended) {
        self.heard().ended.get_or_insert(ended);
    }

    pub fn has_ended(&self) -> bool {
        self.heard().ended.is_some()
    }

    /// Why the delivery ended.
    pub fn ended(&self) -> Ended {
        self.heard().ended.take().unwrap_or(Ended::Done)
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `max_rejected`, judged over first attempts from 100 answers on.
    fn breaker(&self, (answered, refused): (u64, u64)) -> Option<Error> {
        let bound = self.max_rejected?;
        (answered >= 100 && bound.is_passed(refused, answered)).then(|| {
            let message = format!("{refused} of {answered} rows were refused, but `max_rejected` is {bound}");
            Error::new("OF-RUN-025", ErrorKind::Destination, message)
                .hint("look at `outflow errors`; the rows not sent yet go in the next run")
        })
    }
}

impl Counts {
    /// Adds the counts of a part to those of the whole.
    pub fn add(&mut self, part: &Counts) {
        self.sent += part.sent;
        self.delivered += part.delivered;
        self.rejected += part.rejected;
        self.deferred += part.deferred;
        self.unknown += part.unknown;
        self.pending += part.pending;
    }
}
