//! Finds the rows for which a batch was refused whole: those that the refusal names, else by sending parts of it.

use std::future::Future;

use crate::contract::{ConnectorError, Kind, Outcome};

/// Requests for finding about four bad rows in a batch of this many, beyond the first.
pub fn default_budget(changes: usize) -> usize {
    let depth = usize::BITS - changes.saturating_sub(1).leading_zeros();
    8 * depth as usize
}

/// What became of a part of a batch. A part refused whole without a word on its rows is an error of
/// [`Kind::Rejected`] instead.
#[derive(Debug)]
pub enum Reply {
    /// One outcome per change of the part, in its order.
    Each(Vec<Outcome>),
    /// It was refused whole, with no effect, for these changes of it; the others may be sent again.
    Named(Vec<(usize, Outcome)>),
}

/// Sends all changes at once, and where that is refused whole, what is left of it: all but the changes that the refusal
/// names, else halves of it, down to single changes. A half is not sent where its sibling was accepted: it holds the
/// culprit, so it is halved again. `send` gets the places of the changes to send, in order. At most `budget` requests
/// follow the first.
///
/// One outcome per change comes back: a part without a clear answer is [`Outcome::Unknown`]; what the budget, or a
/// failure of another kind after some part had been answered, left unsent is [`Outcome::Deferred`].
///
/// # Errors
/// The first failure that is not about the data, as long as nothing before it had or may have had an effect.
pub async fn bisect<F, R>(changes: usize, budget: usize, send: F) -> Result<Vec<Outcome>, ConnectorError>
where
    F: Fn(Vec<usize>) -> R,
    R: Future<Output = Result<Reply, ConnectorError>>,
{
    let mut search = Search {
        outcomes: vec![None; changes],
        parts: Vec::from([Part::of((0..changes).collect())]),
        stopped: None,
    };
    let mut left = budget;
    let mut first = true;
    while let Some(part) = search.next() {
        if !first && left == 0 {
            search.stopped = Some("the budget for splitting a refused batch is used up".to_owned());
            break;
        }
        left = if first { left } else { left - 1 };
        first = false;
        let answer = send(part.places.clone()).await;
        search.take(part, answer)?;
        if search.stopped.is_some() {
            break;
        }
    }
    Ok(search.finish())
}

#[derive(Default)]
struct Part {
    /// Ascending.
    places: Vec<usize>,
    /// The next part is the other half of a refused one.
    first_half: bool,
    /// It was refused together with what has been accepted since.
    guilty: bool,
}

impl Part {
    fn of(places: Vec<usize>) -> Self {
        Part { places, ..Part::default() }
    }
}

struct Search {
    outcomes: Vec<Option<Outcome>>,
    /// Parts still to be sent; the last goes first.
    parts: Vec<Part>,
    stopped: Option<String>,
}

impl Search {
    fn next(&mut self) -> Option<Part> {
        while let Some(part) = self.parts.pop() {
            match part.places.len() {
                0 => {}
                // A single one is sent all the same: its own refusal says why, and it may be fine without the others.
                2.. if part.guilty => self.halve(part.places),
                _ => return Some(part),
            }
        }
        None
    }

    fn halve(&mut self, mut places: Vec<usize>) {
        let second = places.split_off(places.len() / 2);
        self.parts.push(Part::of(second));
        self.parts.push(Part { first_half: true, ..Part::of(places) });
    }

    fn take(&mut self, part: Part, answer: Result<Reply, ConnectorError>) -> Result<(), ConnectorError> {
        match answer {
            Ok(Reply::Each(outcomes)) if outcomes.len() == part.places.len() => {
                let accepted = |o: &Outcome| matches!(o, Outcome::Applied { .. } | Outcome::Skipped { .. });
                if part.first_half
                    && outcomes.iter().all(accepted)
                    && let Some(sibling) = self.parts.last_mut()
                {
                    sibling.guilty = true;
                }
                for (at, outcome) in part.places.into_iter().zip(outcomes) {
                    self.outcomes[at] = Some(outcome);
                }
            }
            Ok(Reply::Each(outcomes)) => {
                let reason = format!("{} changes were sent, {} answered", part.places.len(), outcomes.len());
                self.fill(&part.places, &Outcome::Unknown { reason });
            }
            Ok(Reply::Named(named)) => self.leave_out(part.places, named),
            Err(error) if error.kind == Kind::Rejected => match part.places[..] {
                [place] => self.outcomes[place] = Some(rejected(error)),
                _ => self.halve(part.places),
            },
            Err(error) if error.kind == Kind::Ambiguous && part.places.len() < self.outcomes.len() => {
                self.fill(&part.places, &Outcome::Unknown { reason: error.message });
            }
            Err(error) if self.nothing_happened() => return Err(error),
            Err(error) => {
                self.stopped = Some(error.message);
            }
        }
        Ok(())
    }

    /// The named ones are done; the others go again, in one part.
    fn leave_out(&mut self, mut places: Vec<usize>, named: Vec<(usize, Outcome)>) {
        let before = places.len();
        for (place, outcome) in named {
            if let Ok(at) = places.binary_search(&place) {
                places.remove(at);
                self.outcomes[place] = Some(outcome);
            }
        }
        match places[..] {
            // A refusal of others says nothing of these; sending them once more could go on for ever.
            [place] if before == 1 => {
                let error =
                    ConnectorError::new(Kind::Rejected, "it was refused, and the reason names another row");
                self.outcomes[place] = Some(rejected(error));
            }
            _ if places.len() == before => self.halve(places),
            _ => self.parts.push(Part::of(places)),
        }
    }

    fn fill(&mut self, places: &[usize], outcome: &Outcome) {
        for place in places {
            self.outcomes[*place] = Some(outcome.clone());
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
    use std::sync::Mutex;

    use super::*;

    fn applied(part: &[usize]) -> Reply {
        Reply::Each(vec![Outcome::Applied { remote_id: None, created: None }; part.len()])
    }

    fn refusal() -> ConnectorError {
        ConnectorError::new(Kind::Rejected, "bad value").code("VALIDATION_ERROR").with("field", "email")
    }

    fn bad() -> Outcome {
        rejected(refusal())
    }

    /// Refuses every part that holds a bad one, naming the first `named` of these; gives the outcomes and the requests.
    async fn run(
        changes: usize,
        bad_ones: &[usize],
        named: usize,
        budget: usize,
    ) -> (Vec<Outcome>, Vec<Vec<usize>>) {
        let sent = Mutex::new(Vec::new());
        let outcomes = bisect(changes, budget, |part| {
            sent.lock().unwrap().push(part.clone());
            let culprits: Vec<usize> = bad_ones.iter().copied().filter(|b| part.contains(b)).collect();
            async move {
                match culprits.is_empty() {
                    true => Ok(applied(&part)),
                    false if named == 0 => Err(refusal()),
                    false => {
                        Ok(Reply::Named(culprits.into_iter().take(named).map(|at| (at, bad())).collect()))
                    }
                }
            }
        });
        (outcomes.await.unwrap(), sent.into_inner().unwrap())
    }

    fn only_these_are_refused(outcomes: &[Outcome], bad_ones: &[usize]) {
        for (i, outcome) in outcomes.iter().enumerate() {
            let refused = bad_ones.contains(&i);
            assert_eq!(*outcome == bad(), refused, "{i}: {outcome:?}");
            assert_eq!(matches!(outcome, Outcome::Applied { .. }), !refused, "{i}: {outcome:?}");
        }
    }

    #[tokio::test]
    async fn one_bad_row_costs_itself() {
        for (culprit, most) in [(0, 14), (37, 13), (99, 9)] {
            let (outcomes, sent) = run(100, &[culprit], 0, default_budget(100)).await;
            only_these_are_refused(&outcomes, &[culprit]);
            assert!(sent.len() <= most, "{culprit}: {}", sent.len());
        }
    }

    #[tokio::test]
    async fn rows_that_a_refusal_names_are_left_out_and_the_rest_goes_in_one() {
        let culprits = [3, 4, 97];
        let (outcomes, sent) = run(100, &culprits, 9, default_budget(100)).await;
        only_these_are_refused(&outcomes, &culprits);
        assert_eq!(sent.iter().map(Vec::len).collect::<Vec<_>>(), [100, 97]);
        let (outcomes, sent) = run(100, &culprits, 1, default_budget(100)).await;
        only_these_are_refused(&outcomes, &culprits);
        assert_eq!(sent.iter().map(Vec::len).collect::<Vec<_>>(), [100, 99, 98, 97]);
        let (outcomes, sent) = run(2, &[0, 1], 2, default_budget(2)).await;
        only_these_are_refused(&outcomes, &[0, 1]);
        assert_eq!(sent.len(), 1, "nothing was left to send");
    }

    #[tokio::test]
    async fn the_half_that_holds_the_culprit_is_not_sent_whole() {
        let (outcomes, sent) = run(8, &[6], 0, 20).await;
        only_these_are_refused(&outcomes, &[6]);
        let expected: [&[usize]; 5] = [&[0, 1, 2, 3, 4, 5, 6, 7], &[0, 1, 2, 3], &[4, 5], &[6], &[7]];
        assert_eq!(sent, expected);
        // Two halves with one each: nothing follows from a half that was refused.
        let (outcomes, _) = run(8, &[1, 6], 0, 20).await;
        only_these_are_refused(&outcomes, &[1, 6]);
    }

    #[tokio::test]
    async fn a_refusal_that_names_strangers_is_one_that_names_nobody() {
        let outcomes = bisect(4, 20, |part| async move {
            match part.contains(&2) {
                true => Ok(Reply::Named(vec![(99, bad())])),
                false => Ok(applied(&part)),
            }
        });
        let outcomes = outcomes.await.unwrap();
        for (i, outcome) in outcomes.iter().enumerate() {
            assert_eq!(matches!(outcome, Outcome::Rejected { .. }), i == 2, "{i}: {outcome:?}");
        }
    }

    #[tokio::test]
    async fn what_the_budget_does_not_reach_is_deferred() {
        let all: Vec<usize> = (0..100).collect();
        for named in [0, 1] {
            let (outcomes, sent) = run(100, &all, named, 10).await;
            assert_eq!(sent.len(), 11);
            assert_eq!(outcomes.len(), 100);
            assert!(
                outcomes.iter().all(|o| matches!(o, Outcome::Rejected { .. } | Outcome::Deferred { .. }))
            );
            assert!(matches!(outcomes[0], Outcome::Rejected { .. }));
            assert!(matches!(outcomes[99], Outcome::Deferred { .. }));
        }
    }

    #[tokio::test]
    async fn a_half_without_an_answer_is_unknown_and_the_rest_goes_on() {
        let outcomes = bisect(8, 20, |part| async move {
            match (part[0], part.len()) {
                (0, 8) => Err(refusal()),
                (0, 4) => Err(ConnectorError::new(Kind::Ambiguous, "no answer")),
                _ => Ok(applied(&part)),
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
            match part[0] {
                0 if part.len() == 4 => Err(refusal()),
                0 => Ok(applied(&part)),
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
