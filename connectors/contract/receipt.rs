//! What a destination answers: one outcome per change, never fewer.

use super::{ConnectorError, Kind};

/// What became of one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The destination confirmed exactly this change.
    Applied {
        /// The object's id, where the answer names it.
        remote_id: Option<String>,
        /// Whether the object is new; `None` where the API doesn't tell.
        created: Option<bool>,
    },
    /// Already as wanted; counts as delivered.
    Skipped { reason: String },
    /// Refused for a reason in this record, known to have had no effect.
    Rejected {
        /// The vendor's own code; `outflow explain` knows it.
        code: String,
        /// The destination field at fault, where the answer names it.
        field: Option<String>,
        message: String,
    },
    /// Not done, known to have had no effect; another run may try again.
    Deferred { reason: String },
    /// It may or may not have been done.
    Unknown { reason: String },
}

/// The outcomes of a batch while they come in, in any order. What is never set was not sent.
#[derive(Debug, Clone)]
pub struct Outcomes(Vec<Option<Outcome>>);

impl Outcomes {
    /// None yet, of so many changes.
    pub fn new(changes: usize) -> Self {
        Outcomes(vec![None; changes])
    }

    /// Sets the outcome of the change at this place; a later one replaces an earlier one. A place that the batch does not
    /// have is nobody's.
    pub fn set(&mut self, place: usize, outcome: Outcome) {
        if let Some(slot) = self.0.get_mut(place) {
            *slot = Some(outcome);
        }
    }

    /// The outcome of the change at this place, where it is known.
    pub fn get(&self, place: usize) -> Option<&Outcome> {
        self.0.get(place)?.as_ref()
    }

    /// One outcome per change: what was not sent is deferred.
    pub fn receipt(self) -> Receipt {
        let unsent = || Outcome::Deferred { reason: "it was not sent".to_owned() };
        Receipt(self.0.into_iter().map(|outcome| outcome.unwrap_or_else(unsent)).collect())
    }
}

/// One [`Outcome`] per change of a batch, in the batch's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt(Vec<Outcome>);

impl Receipt {
    /// # Errors
    /// Unless there is exactly one outcome for each of the `changes`; [`Kind::Ambiguous`], because the answer is not
    /// understood.
    pub fn new(changes: usize, outcomes: Vec<Outcome>) -> Result<Self, ConnectorError> {
        if outcomes.len() == changes {
            return Ok(Receipt(outcomes));
        }
        let message = format!("{changes} changes were sent, but {} outcomes came back", outcomes.len());
        Err(ConnectorError::new(Kind::Ambiguous, message))
    }

    /// The same outcome for every change.
    pub fn uniform(changes: usize, outcome: Outcome) -> Self {
        Receipt(vec![outcome; changes])
    }

    pub fn outcomes(&self) -> &[Outcome] {
        &self.0
    }

    pub fn into_outcomes(self) -> Vec<Outcome> {
        self.0
    }
}
