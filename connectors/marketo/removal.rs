//! Removing leads: for good, by their ids (`POST /rest/v1/leads/delete.json`), or by unsubscribing them. What is not there counts as
//! removed.

use super::answers;
use super::encode::{self, Rows};
use super::lookup::{self, Seen};
use super::options::{Deletion, ID, UNSUBSCRIBED};
use super::session::{LeadSession, had_effect, stopped};
use crate::contract::{
    BatchSource, ChangeRef, ConnectorError, FieldRef, Kind, OneVerb, Outcome, Outcomes, Submitted, ValueRef,
    Verb,
};
use crate::http::{Reply, in_parts};

/// Ids of one call (`leads.md`, `list-membership.md`).
pub(super) const IDS: usize = 300;

fn done() -> Outcome {
    Outcome::Applied { remote_id: None, created: None }
}

impl LeadSession {
    pub(super) async fn remove(&self, batch: &dyn BatchSource) -> Result<Submitted, ConnectorError> {
        match self.options.deletion {
            Deletion::Lead => {
                let mut outcomes = Outcomes::new(batch.len());
                let (places, ids) = self.found(batch, &mut outcomes).await?;
                let told = self.by_ids(Verb::Delete, None, &ids).await?;
                places.into_iter().zip(told).for_each(|(place, told)| outcomes.set(place, told));
                Ok(Submitted::Done(outcomes.receipt()))
            }
            Deletion::Unsubscribe => self.unsubscribe(batch).await,
        }
    }

    /// Sets `unsubscribed` of each lead that is there.
    async fn unsubscribe(&self, batch: &dyn BatchSource) -> Result<Submitted, ConnectorError> {
        let (mut by_key, mut by_id) = (Rows::default(), Rows::default());
        let (mut verb, mut place, mut outcomes) = (OneVerb::default(), 0, Outcomes::new(batch.len()));
        let fields = [FieldRef { name: UNSUBSCRIBED, value: ValueRef::Boolean(true) }];
        batch.each(&mut |change| {
            verb.see(change.verb)?;
            let change = ChangeRef { fields: &fields, ..change };
            let pushed = match encode::id_of(change) {
                Some(id) => self
                    .may_go(change)
                    .and_then(|()| by_id.push(place, |out| encode::write_by_id(id, change, out))),
                None => self.push(&mut by_key, place, change),
            };
            if let Err(outcome) = pushed {
                outcomes.set(place, outcome);
            }
            place += 1;
            Ok(())
        })?;
        let mut has_effect = false;
        for (lookup, rows) in [(self.options.key.as_str(), &by_key), (ID, &by_id)] {
            match self.call(Verb::Update, lookup, rows).await {
                Ok(told) => {
                    for (place, outcome) in rows.places().zip(told) {
                        has_effect |= had_effect(Some(&outcome));
                        outcomes.set(place, if is_absent(&outcome) { done() } else { outcome });
                    }
                }
                Err(error) if !has_effect => return Err(error),
                Err(error) => return Ok(stopped(rows.places(), error, outcomes)),
            }
        }
        Ok(Submitted::Done(outcomes.receipt()))
    }

    /// The leads of a batch that are there: their places, and their ids. The outcomes of the others are set.
    ///
    /// # Errors
    /// Where Marketo cannot be asked; nothing was done.
    pub(super) async fn found(
        &self,
        batch: &dyn BatchSource,
        outcomes: &mut Outcomes,
    ) -> Result<(Vec<usize>, Vec<String>), ConnectorError> {
        let (mut verb, mut place) = (OneVerb::default(), 0);
        let (mut known, mut wanted) = (Vec::new(), Vec::new());
        batch.each(&mut |change| {
            verb.see(change.verb)?;
            let told = match encode::id_of(change) {
                Some(id) => self.may_go(change).map(|()| known.push((place, id.to_owned()))),
                None => self.key_of(change).map(|key| wanted.push((place, key))),
            };
            if let Err(outcome) = told {
                outcomes.set(place, outcome);
            }
            place += 1;
            Ok(())
        })?;
        let (verb, key) = (verb.get()?, self.options.key.as_str());
        let texts: Vec<&str> = wanted.iter().map(|(_, key)| key.as_str()).collect();
        let seen = lookup::find(&self.client, key, &texts).await?;
        for ((place, _), seen) in wanted.iter().zip(seen) {
            match (seen, verb) {
                (Seen::One(id), _) => known.push((*place, id)),
                (Seen::Absent, Verb::Join) => outcomes.set(*place, lookup::absent(key)),
                (Seen::Absent, _) => outcomes.set(*place, done()),
                (Seen::Several(leads), _) => outcomes.set(*place, lookup::several(key, leads)),
                (Seen::Refused(outcome), _) => outcomes.set(*place, outcome),
            }
        }
        Ok(known.into_iter().unzip())
    }

    /// Removes these leads, puts them on the list or takes them off; one outcome for each, in their order.
    ///
    /// # Errors
    /// A failure that is not about a lead, as long as nothing had or may have had an effect.
    pub(super) async fn by_ids(
        &self,
        verb: Verb,
        list: Option<u64>,
        ids: &[String],
    ) -> Result<Vec<Outcome>, ConnectorError> {
        let parts: Vec<_> =
            (0..ids.len()).step_by(IDS).map(|from| from..(from + IDS).min(ids.len())).collect();
        in_parts(ids.len(), &parts, |wanted| async move {
            let part: Vec<&str> = wanted.iter().map(|at| ids[*at].as_str()).collect();
            let body = match (verb, list) {
                (Verb::Join, Some(list)) => self.client.put_on(list, &part).await?,
                (Verb::Leave, Some(list)) => self.client.take_off(list, &part).await?,
                (Verb::Delete, _) => self.client.delete(&part).await?,
                _ => {
                    return Err(ConnectorError::new(
                        Kind::Internal,
                        "a target without a list has no members",
                    ));
                }
            };
            Ok(Reply::Each(answers::outcomes(&body, verb, part.len())))
        })
        .await
    }
}

/// Whether Marketo left a lead alone because there is none.
fn is_absent(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Rejected { code, .. } if code == Outcome::OBJECT_NOT_FOUND)
}
