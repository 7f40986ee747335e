//! A batch that takes several requests.

use std::future::Future;
use std::ops::Range;

use super::bisect::{Reply, bisect, default_budget};
use crate::contract::{ConnectorError, Kind, Outcome};

/// Sends so many changes in these parts, one after another, each as by [`bisect`]. `send` gets the places of the changes to
/// send, counted through all parts. One outcome per change comes back: after a failure that is not about the data the
/// parts that follow are [`Outcome::Deferred`], and the part that met it is deferred or, where nothing is known of it,
/// unknown.
///
/// # Errors
/// The first failure that is not about the data, as long as no part before it had or may have had an effect, and, where
/// nothing is known of its part, that part is all there is.
pub async fn in_parts<F, R>(
    changes: usize,
    parts: &[Range<usize>],
    send: F,
) -> Result<Vec<Outcome>, ConnectorError>
where
    F: Fn(Vec<usize>) -> R,
    R: Future<Output = Result<Reply, ConnectorError>>,
{
    let mut outcomes: Vec<Outcome> = Vec::with_capacity(changes);
    for (number, part) in parts.iter().enumerate() {
        let from = part.start;
        let absolute = |places: Vec<usize>| places.into_iter().map(|place| from + place).collect();
        let sent = bisect(part.len(), default_budget(part.len()), |places| {
            let answer = send(absolute(places));
            async move { answer.await.map(|reply| relative(reply, from)) }
        });
        let error = match sent.await {
            Ok(sent) => {
                outcomes.extend(sent);
                continue;
            }
            Err(error) => error,
        };
        let nothing_yet = outcomes.iter().all(|o| matches!(o, Outcome::Rejected { .. }));
        let ambiguous = error.kind == Kind::Ambiguous;
        if nothing_yet && (!ambiguous || part.len() == changes) {
            return Err(error);
        }
        let reason = error.message;
        outcomes.extend(part.clone().map(|_| match ambiguous {
            true => Outcome::Unknown { reason: reason.clone() },
            false => Outcome::Deferred { reason: reason.clone() },
        }));
        let rest = parts[number + 1..].iter().flat_map(Range::clone);
        outcomes.extend(rest.map(|_| Outcome::Deferred { reason: reason.clone() }));
        break;
    }
    Ok(outcomes)
}

fn relative(reply: Reply, from: usize) -> Reply {
    match reply {
        Reply::Named(named) => {
            let inside = named.into_iter().filter_map(|(place, o)| Some((place.checked_sub(from)?, o)));
            Reply::Named(inside.collect())
        }
        each @ Reply::Each(_) => each,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied() -> Outcome {
        Outcome::Applied { remote_id: None, created: None }
    }

    fn rejected() -> Outcome {
        Outcome::Rejected { code: "BAD".into(), field: None, message: "bad".into() }
    }

    /// Six changes in three parts, of which the one that holds `place` fails in this way.
    async fn failing(place: usize, kind: Kind) -> Result<Vec<Outcome>, ConnectorError> {
        in_parts(6, &[0..2, 2..4, 4..6], |places| async move {
            match places.contains(&place) {
                true => Err(ConnectorError::new(kind, "no").code("NO")),
                false => Ok(Reply::Each(vec![applied(); places.len()])),
            }
        })
        .await
    }

    #[tokio::test]
    async fn a_failure_is_an_error_only_while_nothing_happened() {
        assert_eq!(failing(0, Kind::Quota).await.unwrap_err().kind, Kind::Quota);
        let outcomes = failing(2, Kind::Quota).await.unwrap();
        assert_eq!(outcomes[..2], [applied(), applied()]);
        assert!(outcomes[2..].iter().all(|o| matches!(o, Outcome::Deferred { .. })), "{outcomes:?}");
        assert_eq!(outcomes.len(), 6);
    }

    #[tokio::test]
    async fn a_part_without_an_answer_is_unknown_and_the_rest_is_not_sent() {
        for place in [0, 2] {
            let outcomes = failing(place, Kind::Ambiguous).await.unwrap();
            let (unknown, rest) = outcomes[place..].split_at(2);
            assert!(unknown.iter().all(|o| matches!(o, Outcome::Unknown { .. })), "{outcomes:?}");
            assert!(rest.iter().all(|o| matches!(o, Outcome::Deferred { .. })), "{outcomes:?}");
        }
        let alone = in_parts(2, &[0..2], |_| async { Err(ConnectorError::new(Kind::Ambiguous, "lost")) });
        assert_eq!(alone.await.unwrap_err().kind, Kind::Ambiguous);
    }

    #[tokio::test]
    async fn a_row_that_is_refused_costs_itself_whichever_part_it_is_in() {
        for named in [false, true] {
            let outcomes = in_parts(6, &[0..2, 2..6], |places| async move {
                match (places.contains(&4), named) {
                    (true, true) => Ok(Reply::Named(vec![(4, rejected())])),
                    (true, false) => Err(ConnectorError::new(Kind::Rejected, "bad").code("BAD")),
                    _ => Ok(Reply::Each(vec![applied(); places.len()])),
                }
            });
            let outcomes = outcomes.await.unwrap();
            for (place, outcome) in outcomes.iter().enumerate() {
                assert_eq!(*outcome, if place == 4 { rejected() } else { applied() }, "{place}");
            }
        }
    }
}
