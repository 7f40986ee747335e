//! Updates of contacts that exist, up to a hundred in one request.
//!
//! Facts: `POST /contacts/batch` takes contacts by `email` or `id` and answers 204 when all were updated
//! (<https://developers.brevo.com/reference/update-batch-contacts>). One that is not there makes it refuse all, with
//! `No contact found for indexes 3,4` (<https://github.com/sendinblue/APIv3-php-library/issues/257>); whether these count
//! from 0 or 1 is not documented, nor is the most that a call takes. The vendor's client also knows an answer with
//! `successIds` and `failureIds`, of which only an id that was sent says anything.

use std::collections::HashSet;

use super::encode::{Rows, list_ids};
use super::errors;
use super::options::Key;
use super::session::ContactSession;
use crate::contract::{ConnectorError, Kind, Outcome, Outcomes, Verb, write_text};
use crate::http::{Items, Reply, in_parts, json};

/// Contacts of one call. The vendor names no number.
const CONTACTS: usize = 100;

/// Bytes of one call's body, far below what an import may have.
const BYTES: usize = 1_000_000;

/// Requests of an update of so many contacts, of which so many go together.
pub(super) fn updates(rows: u64, together: u64) -> u64 {
    match together {
        0 | 1 => rows,
        _ => together.div_ceil(CONTACTS as u64) + rows.saturating_sub(together),
    }
}

impl ContactSession {
    /// Updates all rows, by as few requests as their keys allow, and sets their outcomes.
    ///
    /// # Errors
    /// A failure that is not about a row, as long as no row had or may have had an effect.
    pub(super) async fn update(&self, rows: &Rows, outcomes: &mut Outcomes) -> Result<(), ConnectorError> {
        let is_number = |id: &String| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
        let (many, single): (Vec<usize>, Vec<usize>) = (0..rows.len()).partition(|row| {
            let sent = rows.sent(*row);
            sent.remote_id.as_ref().map_or(self.options.key == Key::Email, is_number)
        });
        if many.len() < 2 {
            return self.each(Verb::Update, rows, (0..rows.len()).collect(), outcomes).await;
        }
        let items = self.elements(rows, &many)?;
        let (many, items) = (&many[..], &items);
        let parts = items.cut(CONTACTS, BYTES, FRAME.len());
        let sent = in_parts(many.len(), &parts, |places| self.part(rows, many, items, places)).await?;
        for (row, outcome) in many.iter().zip(sent) {
            outcomes.set(rows.sent(*row).place, outcome);
        }
        if single.is_empty() { Ok(()) } else { self.each(Verb::Update, rows, single, outcomes).await }
    }

    /// Each of these rows as an element of `contacts`.
    fn elements(&self, rows: &Rows, many: &[usize]) -> Result<Items, ConnectorError> {
        let (mut items, lists) = (Items::default(), list_ids(&self.options.lists));
        for row in many {
            items.push(|out| -> Result<(), ConnectorError> {
                let sent = rows.sent(*row);
                match &sent.remote_id {
                    Some(id) => out.extend_from_slice(format!("{{\"id\":{id},").as_bytes()),
                    None => {
                        out.extend_from_slice(b"{\"email\":");
                        write_text(&sent.key, out);
                        out.push(b',');
                    }
                }
                out.extend_from_slice(&rows.with(*row, &lists)[1..]);
                Ok(())
            })?;
        }
        Ok(items)
    }

    async fn part(
        &self,
        rows: &Rows,
        many: &[usize],
        items: &Items,
        places: Vec<usize>,
    ) -> Result<Reply, ConnectorError> {
        let row = |at: usize| many[places[at]];
        if let [place] = places[..] {
            return self.one(Verb::Update, rows, many[place]).await.map(|outcome| Reply::Each(vec![outcome]));
        }
        let answer = self.client.put_many(items.body(OPEN, places.iter().copied(), CLOSE)).await;
        let (answer, suspects) = match answer {
            Ok(answer) => (Some(answer), Vec::new()),
            Err(error) if errors::is_absent(&error) => {
                let suspects = suspects(&error.message, places.len());
                if suspects.is_empty() {
                    return Err(error);
                }
                (None, suspects)
            }
            Err(error) => return Err(error),
        };
        let Some(answer) = answer else {
            // Which of them is meant its own answer tells.
            let mut named = Vec::with_capacity(suspects.len());
            for at in suspects {
                named.push((places[at], self.told(rows, row(at)).await));
            }
            return Ok(Reply::Named(named));
        };
        let applied = |at: usize| {
            let remote_id = rows.sent(row(at)).remote_id.clone();
            Outcome::Applied { remote_id, created: None }
        };
        if answer.status == 204 {
            return Ok(Reply::Each((0..places.len()).map(applied).collect()));
        }
        let body = answer.json.unwrap_or_default();
        let done: HashSet<String> =
            json::list(&body, "successIds").map(|id| id.to_string().trim_matches('"').to_owned()).collect();
        let mut outcomes = Vec::with_capacity(places.len());
        for at in 0..places.len() {
            let sent = rows.sent(row(at));
            outcomes.push(match sent.remote_id.as_ref().is_some_and(|id| done.contains(id)) {
                true => applied(at),
                // The answer may mean that it was done all the same.
                false => match self.told(rows, row(at)).await {
                    Outcome::Deferred { reason } => Outcome::Unknown { reason },
                    outcome => outcome,
                },
            });
        }
        Ok(Reply::Each(outcomes))
    }

    /// What the row's own request comes to. A failure that is not about the row is left to the next run.
    async fn told(&self, rows: &Rows, row: usize) -> Outcome {
        match self.one(Verb::Update, rows, row).await {
            Ok(outcome) => outcome,
            Err(error) => match error.kind {
                Kind::Rejected => errors::outcome(error),
                Kind::Ambiguous => Outcome::Unknown { reason: error.message },
                _ => Outcome::Deferred { reason: error.message },
            },
        }
    }
}

const OPEN: &str = "{\"contacts\":[";
const CLOSE: &str = "]}";
const FRAME: &str = "{\"contacts\":[]}";

/// The places that `No contact found for indexes 3,4` can mean, counted from 0 or from 1; ascending.
fn suspects(message: &str, contacts: usize) -> Vec<usize> {
    let Some((_, numbers)) = message.split_once("indexes") else { return Vec::new() };
    let numbers = numbers.split(|c: char| !c.is_ascii_digit()).filter_map(|text| text.parse::<usize>().ok());
    let mut places: Vec<usize> = numbers.flat_map(|n| [n.checked_sub(1), Some(n)]).flatten().collect();
    places.retain(|place| *place < contacts);
    places.sort_unstable();
    places.dedup();
    places
}

#[cfg(test)]
mod tests {
    use super::{suspects, updates};

    #[test]
    fn contacts_go_together_where_there_are_two() {
        assert_eq!((updates(250, 250), updates(250, 200), updates(250, 1), updates(2, 2)), (3, 52, 250, 1));
    }

    #[test]
    fn both_ways_of_counting_are_suspected() {
        assert_eq!(suspects("No contact found for indexes 3,4", 100), [2, 3, 4]);
        assert_eq!(suspects("No contact found for indexes 0, 9", 5), [0]);
        assert_eq!(suspects("No contact found for indexes 5", 5), [4]);
        assert!(suspects("Contact does not exist", 5).is_empty());
    }
}
