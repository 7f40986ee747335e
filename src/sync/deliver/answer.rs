//! What a batch's answer means for its rows and for those after it. Pure.

use outflow_connectors::contract::{ConnectorError, Kind, Outcome, Receipt, Retry, Verb};

use crate::error::Error;
use crate::sync::plan::{Item, is_absent};

/// What a batch says of those after it.
#[derive(Debug, Default)]
pub enum Halt {
    #[default]
    GoOn,
    /// No answer came, however often it was tried: after some such batches in a row the destination counts as down.
    Unanswered(Error),
    /// No further batch starts.
    Stop(Error),
}

/// What came of a request.
#[derive(Debug)]
pub enum Answer {
    Outcomes(Vec<Outcome>),
    /// Known to have had no effect, for a reason that concerns no row.
    NotSent,
}

/// What a batch's answer means for its rows and for the run.
pub fn judge(answer: Result<Receipt, ConnectorError>, changes: usize) -> (Answer, Halt) {
    let error = match answer {
        Ok(receipt) if receipt.outcomes().len() == changes => {
            return (Answer::Outcomes(receipt.into_outcomes()), Halt::GoOn);
        }
        Ok(receipt) => {
            let message =
                format!("{changes} changes were sent, but {} outcomes came", receipt.outcomes().len());
            ConnectorError::new(Kind::Ambiguous, message)
        }
        Err(error) => error,
    };
    let all = |outcome: Outcome| Answer::Outcomes(vec![outcome; changes]);
    let unknown = || all(Outcome::Unknown { reason: error.message.clone() });
    let failure = Error::destination(&error);
    match error.kind {
        Kind::Ambiguous if error.retry == Retry::Exhausted => (unknown(), Halt::Unanswered(failure)),
        Kind::Ambiguous => (unknown(), Halt::GoOn),
        // A defect on this side may have come after the bytes left.
        Kind::Internal => (unknown(), Halt::Stop(failure)),
        Kind::Rejected => {
            let code = error.code.clone().unwrap_or_else(|| "REJECTED".into());
            (all(Outcome::Rejected { code, field: None, message: error.message.clone() }), Halt::GoOn)
        }
        Kind::RateLimited | Kind::Unavailable => {
            (all(Outcome::Deferred { reason: error.message.clone() }), Halt::Stop(failure))
        }
        Kind::Config | Kind::Auth | Kind::Quota => (Answer::NotSent, Halt::Stop(failure)),
        // Whoever revoked it knows why.
        Kind::Revoked => (Answer::NotSent, Halt::GoOn),
    }
}

/// What a failure says of the batches after it, where its own batch has its outcomes.
pub fn halts(error: &ConnectorError) -> Halt {
    match error.kind {
        Kind::Ambiguous => Halt::Unanswered(Error::destination(error)),
        Kind::Rejected | Kind::Revoked => Halt::GoOn,
        _ => Halt::Stop(Error::destination(error)),
    }
}

impl Answer {
    /// Where an object that is to be emptied is not there, nothing of it is left.
    pub fn without_absent(mut self, items: &[Item]) -> Self {
        if let Answer::Outcomes(outcomes) = &mut self {
            let is_emptied = |item: &Item| item.place.is_none() && item.verb == Verb::Update;
            for (_, outcome) in items.iter().zip(outcomes).filter(|(item, _)| is_emptied(item)) {
                if matches!(&*outcome, Outcome::Rejected { code, .. } if is_absent(code)) {
                    *outcome = Outcome::Skipped { reason: "there is no such object".into() };
                }
            }
        }
        self
    }
}

/// First attempts answered, and refused among them; a row that waits for its object to appear is neither.
pub fn first_attempts(items: &[Item], answer: &Answer, waits_for_objects: bool) -> (u64, u64) {
    let Answer::Outcomes(outcomes) = answer else { return (0, 0) };
    let firsts = items.iter().zip(outcomes).filter(|(item, _)| item.refusal.is_none());
    firsts.fold((0, 0), |(answered, refused), (_, outcome)| match outcome {
        Outcome::Rejected { code, .. } if waits_for_objects && is_absent(code) => (answered, refused),
        Outcome::Rejected { .. } => (answered + 1, refused + 1),
        Outcome::Applied { .. } | Outcome::Skipped { .. } => (answered + 1, refused),
        Outcome::Deferred { .. } | Outcome::Unknown { .. } => (answered, refused),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Detail, KeyHash};
    use crate::sync::plan::{Purpose, removal};
    use crate::sync::spool::Place;

    fn rejected(code: &str) -> Outcome {
        Outcome::Rejected { code: code.into(), field: None, message: String::new() }
    }

    fn farewell(verb: Verb) -> Item {
        removal(KeyHash([1; 16]), &Detail::default(), (Purpose::Replace, verb))
    }

    fn record() -> Item {
        let place = Some(Place { offset: 0, len: 1 });
        Item { place, purpose: Purpose::Deliver, ..farewell(Verb::Update) }
    }

    #[test]
    fn an_object_that_is_not_there_has_nothing_to_be_emptied() {
        let items = [farewell(Verb::Update), farewell(Verb::Update), farewell(Verb::Leave), record()];
        let absent = Outcome::OBJECT_NOT_FOUND;
        let outcomes = [absent, "OTHER", absent, absent].map(rejected);
        let Answer::Outcomes(outcomes) = Answer::Outcomes(outcomes.into()).without_absent(&items) else {
            panic!("no outcomes")
        };
        let is_skipped = outcomes.iter().map(|outcome| matches!(outcome, Outcome::Skipped { .. }));
        assert_eq!(is_skipped.collect::<Vec<_>>(), [true, false, false, false]);
    }

    #[test]
    fn a_row_that_waits_for_its_object_is_no_refused_one() {
        let items = [record(), record()];
        let answer = Answer::Outcomes([Outcome::OBJECT_NOT_FOUND, "OTHER"].map(rejected).into());
        assert_eq!(first_attempts(&items, &answer, true), (1, 1));
        assert_eq!(first_attempts(&items, &answer, false), (2, 2));
    }

    #[test]
    fn an_answer_for_fewer_changes_than_were_sent_proves_none() {
        let applied = Outcome::Applied { remote_id: None, created: None };
        let (answer, _) = judge(Ok(Receipt::uniform(1, applied)), 2);
        let Answer::Outcomes(outcomes) = answer else { panic!("{answer:?}") };
        assert!(matches!(outcomes[..], [Outcome::Unknown { .. }, Outcome::Unknown { .. }]), "{outcomes:?}");
    }
}
