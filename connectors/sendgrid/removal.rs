//! Removing contacts: by their ids, which are looked up by their keys. What SendGrid says is not
//! there counts as removed, unless a job that an earlier run left may still make it.
//!
//! Facts: `DELETE /v3/marketing/contacts?ids=` (`tsg_mc_contacts_v3.json`), worked through by a job.

use super::encode::key_of;
use super::errors;
use super::jobs::Work;
use super::lookup::Seen;
use super::options::Key;
use super::session::ContactSession;
use super::trail::{Step, Task, Underway};
use super::{lookup, members};
use crate::contract::{BatchSource, ConnectorError, Kind, OneVerb, Outcome, Outcomes, Receipt};
use crate::http::json::text;
use crate::http::{Reply, in_parts};

/// Ids of one call: their address is about four kilobytes long.
pub(super) const IDS: usize = 100;

/// A contact that is there, by its place in the batch.
pub(super) struct Found {
    pub(super) place: usize,
    pub(super) key: String,
    pub(super) id: String,
}

pub(super) fn done() -> Outcome {
    Outcome::Applied { remote_id: None, created: None }
}

impl ContactSession {
    pub(super) async fn delete(
        &self,
        batch: &dyn BatchSource,
        underway: &Underway<'_>,
    ) -> Result<Receipt, ConnectorError> {
        let mut outcomes = Outcomes::new(batch.len());
        let keys = keys(self.options.key, batch, &mut outcomes)?;
        let texts: Vec<&str> = keys.iter().map(|(_, key)| key.as_str()).collect();
        let seen = lookup::find(&self.work.client, self.options.key, &texts).await?;
        let mut found = Vec::with_capacity(seen.len());
        for ((place, key), seen) in keys.into_iter().zip(seen) {
            match seen {
                Seen::Found(contact) => match text(&contact, "id") {
                    Some(id) => found.push(Found { place, key, id }),
                    None => outcomes.set(place, members::nameless()),
                },
                Seen::Absent => outcomes.set(place, self.work.gone()),
                Seen::Unclear(outcome) => outcomes.set(place, outcome),
            }
        }
        self.work.by_ids(None, &found, underway, &mut outcomes).await?;
        Ok(outcomes.receipt())
    }
}

/// The keys of a batch with their places; a change without one is refused.
pub(super) fn keys(
    key: Key,
    batch: &dyn BatchSource,
    outcomes: &mut Outcomes,
) -> Result<Vec<(usize, String)>, ConnectorError> {
    let (mut verb, mut keys, mut place) = (OneVerb::default(), Vec::with_capacity(batch.len()), 0);
    batch.each(&mut |change| {
        verb.see(change.verb)?;
        match key_of(key, change) {
            Ok(text) => keys.push((place, text)),
            Err(refused) => outcomes.set(place, refused),
        }
        place += 1;
        Ok(())
    })?;
    Ok(keys)
}

impl Work {
    /// Takes these contacts off a list, or away for good, and sets their outcomes.
    ///
    /// # Errors
    /// A failure that is not about a contact, as long as nothing had or may have had an effect.
    pub(super) async fn by_ids(
        &self,
        list: Option<(&str, Key)>,
        found: &[Found],
        underway: &Underway<'_>,
        outcomes: &mut Outcomes,
    ) -> Result<(), ConnectorError> {
        let parts: Vec<_> =
            (0..found.len()).step_by(IDS).map(|from| from..(from + IDS).min(found.len())).collect();
        let sent = in_parts(found.len(), &parts, |wanted| async move {
            underway.may_send().await?;
            let ids: Vec<&str> = wanted.iter().map(|at| found[*at].id.as_str()).collect();
            let sent = match list {
                Some((list, _)) => self.client.take_off(list, &ids).await,
                None => self.client.delete(&ids).await,
            };
            match sent {
                Ok(job) => {
                    let keys: Vec<&str> = wanted.iter().map(|at| found[*at].key.as_str()).collect();
                    let step = Step {
                        task: Task::Removal,
                        job,
                        places: wanted.iter().map(|at| found[*at].place).collect(),
                    };
                    let told = self.follow(underway, step, &keys).await;
                    Ok(Reply::Each(match list {
                        Some((list, key)) => self.seen_off(list, (key, &keys), told).await,
                        None => told,
                    }))
                }
                // One of them has gone since it was looked up, or the list has.
                Err(error) if errors::is_absent(&error) => match wanted[..] {
                    [_] => Ok(Reply::Each(vec![self.gone()])),
                    _ => Err(ConnectorError { kind: Kind::Rejected, ..error }),
                },
                Err(error) => Err(error),
            }
        });
        for (found, outcome) in found.iter().zip(sent.await?) {
            outcomes.set(found.place, outcome);
        }
        Ok(())
    }

    /// Whether the status of a job that takes contacts off a list can be asked for stands in no document that we know. Of
    /// those that it does not tell of, each that is not on the list any more is done.
    async fn seen_off(&self, list: &str, (key, keys): (Key, &[&str]), told: Vec<Outcome>) -> Vec<Outcome> {
        if !told.iter().any(|outcome| matches!(outcome, Outcome::Unknown { .. })) {
            return told;
        }
        let Ok(seen) = lookup::find(&self.client, key, keys).await else { return told };
        let is_off = |at: usize| match seen.get(at) {
            Some(Seen::Found(contact)) => !members::is_on(contact, list),
            _ => false,
        };
        let settled = told.into_iter().enumerate().map(|(at, outcome)| match outcome {
            Outcome::Unknown { .. } if is_off(at) => done(),
            outcome => outcome,
        });
        settled.collect()
    }
}
