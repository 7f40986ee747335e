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
    Skipped {
        /// Why nothing had to be done, for the log.
        reason: String,
    },
    /// Refused for a reason in this record, known to have had no effect.
    Rejected {
        /// The vendor's own code, or [`Outcome::OBJECT_NOT_FOUND`]; `outflow explain` knows it.
        code: String,
        /// The destination field at fault, where the answer names it.
        field: Option<String>,
        /// The vendor's words, for the user; without secrets.
        message: String,
    },
    /// Not done, known to have had no effect; another run may try again.
    Deferred {
        /// Why it was not done, for the user.
        reason: String,
    },
    /// It may or may not have been done.
    Unknown {
        /// Why nobody knows, for the user.
        reason: String,
    },
}

impl Outcome {
    /// The code of a refusal because there is no such object, whatever the vendor calls it: a row that is to change an
    /// object, or to put it on a list, then waits for one to appear, and is nobody's fault.
    pub const OBJECT_NOT_FOUND: &'static str = "OBJECT_NOT_FOUND";
}

/// The outcomes of a batch while they come in, in any order. What is never set was not sent.
///
/// ```
/// use outflow_connectors::contract::{Outcome, Outcomes};
///
/// let applied = Outcome::Applied { remote_id: Some("101".to_owned()), created: Some(true) };
/// let mut outcomes = Outcomes::new(2);
/// outcomes.set(1, applied.clone());
/// assert_eq!(outcomes.get(1), Some(&applied));
///
/// let receipt = outcomes.receipt();
/// assert!(matches!(&receipt.outcomes()[0], Outcome::Deferred { reason } if reason == "it was not sent"));
/// ```
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
///
/// ```
/// use outflow_connectors::contract::{Kind, Outcome, Receipt};
///
/// let applied = Outcome::Applied { remote_id: None, created: None };
/// let unknown = Outcome::Unknown { reason: "the answer does not name this row".to_owned() };
/// let receipt = Receipt::new(2, vec![applied.clone(), unknown]).unwrap();
/// assert_eq!(receipt.outcomes().len(), 2);
///
/// // An answer for fewer changes than were sent proves none of them.
/// let error = Receipt::new(2, vec![applied]).unwrap_err();
/// assert_eq!(error.kind, Kind::Ambiguous);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt(Vec<Outcome>);

impl Receipt {
    /// The receipt of a batch of so many changes.
    ///
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

    /// In the batch's order.
    pub fn outcomes(&self) -> &[Outcome] {
        &self.0
    }

    /// In the batch's order.
    pub fn into_outcomes(self) -> Vec<Outcome> {
        self.0
    }
}
