//! Finds the rows for which a batch was refused whole, by sending parts of it.

use std::future::Future;
use std::ops::Range;

use crate::contract::{ConnectorError, Kind, Outcome};

/// Requests for finding about four bad rows in a batch of this many, beyond the first.
pub fn default_budget(changes: usize) -> usize {
    let depth = usize::BITS - changes.saturating_sub(1).leading_zeros();
    8 * depth as usize
}

/// Sends all changes at once, and where that is refused whole, halves of it, down to single changes. `send` gets the
/// range to send and returns one outcome per change of it. At most `budget` requests follow the first.
///
/// One outcome per change comes back: a part without a clear answer is [`Outcome::Unknown`]; what the budget, or a
/// failure of another kind after some part had been answered, left unsent is [`Outcome::Deferred`].
///
/// # Errors
/// The first failure that is not about the data, as long as nothing before it had or may have had an effect.
pub async fn bisect<F, R>(changes: usize, budget: usize, send: F) -> Result<Vec<Outcome>, ConnectorError>
where
    F: Fn(Range<usize>) -> R,
    R: Future<Output = Result<Vec<Outcome>, ConnectorError>>,
{
    let whole = 0..changes;
    let mut search = Search { outcomes: vec![None; changes], parts: Vec::from([whole]), stopped: None };
    let mut left = budget;
    let mut first = true;
    while let Some(part) = search.parts.pop() {
        if part.is_empty() {
            continue;
        }
        if !first && left == 0 {
            search.stopped = Some("the budget for splitting a refused batch is used up".to_owned());
            break;
        }
        left = if first { left } else { left - 1 };
        first = false;
        let answer = send(part.clone()).await;
        search.take(part, answer)?;
        if search.stopped.is_some() {
            break;
        }
    }
    Ok(search.finish())
}

struct Search {
    outcomes: Vec<Option<Outcome>>,
    /// Parts still to be sent; the last goes first.
    parts: Vec<Range<usize>>,
    stopped: Option<String>,
}

impl Search {
    fn take(
        &mut self,
        part: Range<usize>,
        answer: Result<Vec<Outcome>, ConnectorError>,
    ) -> Result<(), ConnectorError> {
        match answer {
            Ok(outcomes) if outcomes.len() == part.len() => {
                for (at, outcome) in part.zip(outcomes) {
                    self.outcomes[at] = Some(outcome);
                }
            }
            Ok(outcomes) => {
                let reason = format!("{} changes were sent, {} answered", part.len(), outcomes.len());
                self.fill(part, &Outcome::Unknown { reason });
            }
            Err(error) if error.kind == Kind::Rejected && part.len() == 1 => {
                self.fill(part, &rejected(error));
            }
            Err(error) if error.kind == Kind::Rejected => {
                let middle = part.start + part.len() / 2;
                self.parts.push(middle..part.end);
                self.parts.push(part.start..middle);
            }
            Err(error) if error.kind == Kind::Ambiguous && part.len() < self.outcomes.len() => {
                self.fill(part, &Outcome::Unknown { reason: error.message });
            }
            Err(error) if self.nothing_happened() => return Err(error),
            Err(error) => {
                self.stopped = Some(error.message);
            }
        }
        Ok(())
    }

    fn fill(&mut self, part: Range<usize>, outcome: &Outcome) {
        for slot in &mut self.outcomes[part] {
            *slot = Some(outcome.clone());
        }
    }

    /// Rejections have no effect, so an error for the whole batch is still the truth.
    fn nothing_happened(&self) -> bool {
        self.outcomes.iter().flatten().all(|o| matches!(o, Outcome::Rejected { .. }))
    }

    fn finish(self) -> Vec<Outcome> {
        let reason = self.stopped.unwrap_or_else(|| "it was not sent".to_owned());
        let deferred = Outcome::Deferred { reason };
        self.outcomes.into_iter().map(|o| o.unwrap_or_else(|| deferred.clone())).collect()
    }
}

/// A refusal of a request that held one change is a refusal of that change.
fn rejected(error: ConnectorError) -> Outcome {
    let field = error.context.iter().find(|(name, _)| *name == "field").map(|(_, value)| value.clone());
    Outcome::Rejected {
        code: error.code.unwrap_or_else(|| "REJECTED".to_owned()),
        field,
        message: error.message,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;

    fn applied(n: usize) -> Vec<Outcome> {
        vec![Outcome::Applied { remote_id: None, created: None }; n]
    }

    fn refusal() -> ConnectorError {
        ConnectorError::new(Kind::Rejected, "bad value").code("VALIDATION_ERROR").with("field", "email")
    }

    async fn run(changes: usize, bad: &[usize], budget: usize) -> (Vec<Outcome>, usize) {
        let requests = AtomicUsize::new(0);
        let outcomes = bisect(changes, budget, |part| {
            requests.fetch_add(1, Relaxed);
            let refused = bad.iter().any(|b| part.contains(b));
            async move { if refused { Err(refusal()) } else { Ok(applied(part.len())) } }
        });
        (outcomes.await.unwrap(), requests.load(Relaxed))
    }

    #[tokio::test]
    async fn one_bad_row_costs_itself() {
        for bad in [0, 37, 99] {
            let (outcomes, requests) = run(100, &[bad], default_budget(100)).await;
            for (i, outcome) in outcomes.iter().enumerate() {
                assert_eq!(matches!(outcome, Outcome::Rejected { .. }), i == bad, "{i}");
                assert_eq!(matches!(outcome, Outcome::Applied { .. }), i != bad, "{i}");
            }
            assert!(requests <= 15, "{requests}");
            let field = Some("email".to_owned());
            let message = "bad value".to_owned();
            assert_eq!(outcomes[bad], Outcome::Rejected { code: "VALIDATION_ERROR".into(), field, message });
        }
    }

    #[tokio::test]
    async fn what_the_budget_does_not_reach_is_deferred() {
        let bad: Vec<usize> = (0..100).collect();
        let (outcomes, requests) = run(100, &bad, 10).await;
        assert_eq!(requests, 11);
        assert_eq!(outcomes.len(), 100);
        assert!(outcomes.iter().all(|o| matches!(o, Outcome::Rejected { .. } | Outcome::Deferred { .. })));
        assert!(matches!(outcomes[0], Outcome::Rejected { .. }));
        assert!(matches!(outcomes[99], Outcome::Deferred { .. }));
    }

    #[tokio::test]
    async fn a_half_without_an_answer_is_unknown_and_the_rest_goes_on() {
        let outcomes = bisect(8, 20, |part| async move {
            match part {
                Range { start: 0, end: 8 } => Err(refusal()),
                Range { start: 0, end: 4 } => Err(ConnectorError::new(Kind::Ambiguous, "no answer")),
                part => Ok(applied(part.len())),
            }
        });
        let outcomes = outcomes.await.unwrap();
        assert!(outcomes[..4].iter().all(|o| matches!(o, Outcome::Unknown { .. })));
        assert!(outcomes[4..].iter().all(|o| matches!(o, Outcome::Applied { .. })));
    }

    #[tokio::test]
    async fn a_failure_not_about_the_data_is_an_error_only_before_any_effect() {
        let quota = || ConnectorError::new(Kind::Quota, "used up");
        let error =
            bisect(4, 9, |part| async move { if part.len() == 4 { Err(refusal()) } else { Err(quota()) } });
        assert_eq!(error.await.unwrap_err().kind, Kind::Quota);
        let outcomes = bisect(4, 9, |part| async move {
            match part.start {
                0 if part.len() == 4 => Err(refusal()),
                0 => Ok(applied(part.len())),
                _ => Err(quota()),
            }
        });
        let outcomes = outcomes.await.unwrap();
        assert!(matches!(outcomes[1], Outcome::Applied { .. }));
        assert_eq!(outcomes[3], Outcome::Deferred { reason: "used up".into() });
        let error = bisect(4, 9, |_| async { Err(ConnectorError::new(Kind::Ambiguous, "lost")) });
        assert_eq!(error.await.unwrap_err().kind, Kind::Ambiguous);
    }
}
