//! What a batch's answer means for its rows and for those after it. Pure.

use outflow_connectors::contract::{ConnectorError, Kind, Outcome, Receipt, Retry};

use crate::error::Error;
use crate::sync::plan::Item;

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

/// First attempts answered, and refused among them.
pub fn first_attempts(items: &[Item], answer: &Answer) -> (u64, u64) {
    let Answer::Outcomes(outcomes) = answer else { return (0, 0) };
    let firsts = items.iter().zip(outcomes).filter(|(item, _)| item.refusal.is_none());
    firsts.fold((0, 0), |(answered, refused), (_, outcome)| match outcome {
        Outcome::Rejected { .. } => (answered + 1, refused + 1),
        Outcome::Applied { .. } | Outcome::Skipped { .. } => (answered + 1, refused),
        Outcome::Deferred { .. } | Outcome::Unknown { .. } => (answered, refused),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_for_fewer_changes_than_were_sent_proves_none() {
        let applied = Outcome::Applied { remote_id: None, created: None };
        let (answer, _) = judge(Ok(Receipt::uniform(1, applied)), 2);
        let Answer::Outcomes(outcomes) = answer else { panic!("{answer:?}") };
        assert!(matches!(outcomes[..], [Outcome::Unknown { .. }, Outcome::Unknown { .. }]), "{outcomes:?}");
    }
}
