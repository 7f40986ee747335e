//! Profiles that vanished from the source: removed for good, one in a request (`request_profile_deletion` of the vendor's
//! description), or kept and suppressed, up to 100 in a request (`bulk_suppress_profiles`). Klaviyo takes either at once and does
//! it later. For the end of a deletion it has no word, so that one which was taken counts as done; the end of a suppression is
//! waited for (`get_bulk_suppress_profiles_job`).

use std::sync::Mutex;

use serde_json::{Value as Json, json};

use super::client::{Job, Taken, Work};
use super::encode::key_of;
use super::import::{Begun, handle, lock, unknown};
use super::lookup::{self, Found};
use super::options::{Deletion, Key};
use super::session::ProfileSession;
use super::{answers, consent, errors};
use crate::contract::{BatchSource, ConnectorError, Handles, Kind, Outcome, Outcomes, Submitted, Verb};
use crate::http::{Reply, in_parts};

/// Addresses of a call.
pub(super) const ADDRESSES: usize = 100;

const GONE: Outcome = Outcome::Applied { remote_id: None, created: None };

/// Names of the profiles to remove, each with its place in the batch, and the outcomes of the other changes.
type Named = (Vec<(usize, Json)>, Outcomes);

impl ProfileSession {
    pub(super) async fn remove(
        &self,
        batch: &dyn BatchSource,
        handles: &dyn Handles,
    ) -> Result<Submitted, ConnectorError> {
        let ((named, mut outcomes), told) = match self.options.deletion {
            Deletion::Profile => {
                let named = self.to_delete(batch).await?;
                let told = self.delete(&named.0).await?;
                (named, told)
            }
            Deletion::Suppress => {
                let named = self.to_suppress(batch).await?;
                let told = self.suppress(&named.0, handles).await?;
                (named, told)
            }
        };
        named.iter().zip(told).for_each(|((place, _), outcome)| outcomes.set(*place, outcome));
        Ok(Submitted::Done(outcomes.receipt()))
    }

    /// One identifier for each: the id where it is known, else the match key. One that a deletion does not take is looked
    /// up.
    async fn to_delete(&self, batch: &dyn BatchSource) -> Result<Named, ConnectorError> {
        let key = self.options.key;
        let found = if key == Key::ExternalId { self.found(batch).await? } else { Vec::new() };
        let (mut named, mut outcomes, mut place) = (Vec::new(), Outcomes::new(batch.len()), 0);
        let by_id = |id: &str| json!({"type": "profile", "id": id, "attributes": {}});
        batch.each(&mut |change| {
            let own = key_of(key, change);
            match (change.remote_id, own, found.get(place)) {
                (Some(id), ..) => named.push((place, by_id(id))),
                (None, Err(refused), _) => outcomes.set(place, refused),
                (None, Ok(_), Some(Found::One(id))) => named.push((place, by_id(id))),
                (None, Ok(_), Some(Found::Nothing)) => outcomes.set(place, GONE),
                (None, Ok(_), Some(Found::Refused(refused))) => outcomes.set(place, refused.clone()),
                (None, Ok(_), Some(Found::Several(profiles))) => {
                    outcomes.set(place, lookup::ambiguous(key, *profiles));
                }
                (None, Ok(id), None) if key == Key::Id => named.push((place, by_id(&id))),
                (None, Ok(own), None) => {
                    named.push((place, json!({"type": "profile", "attributes": {key.field(): own}})));
                }
            }
            place += 1;
            Ok(())
        })?;
        Ok((named, outcomes))
    }

    async fn delete(&self, named: &[(usize, Json)]) -> Result<Vec<Outcome>, ConnectorError> {
        let parts: Vec<_> = (0..named.len()).map(|at| at..at + 1).collect();
        in_parts(named.len(), &parts, |places| async move {
            let body = json!({"data": {
                "type": "data-privacy-deletion-job",
                "attributes": {"profile": {"data": named[places[0]].1}},
            }});
            match self.client.delete(body.to_string().into_bytes()).await {
                Ok(answer) if answer.status == 202 => Ok(Reply::Each(vec![GONE])),
                Ok(answer) => Ok(Reply::Each(vec![unconfirmed(answer.status)])),
                Err(error) if errors::is_absent(&error) => Ok(Reply::Each(vec![GONE])),
                Err(error) => Err(error),
            }
        })
        .await
    }

    /// The addresses that have a profile which is not suppressed: an address that has none might be given one by its
    /// suppression, and whether Klaviyo counts what it suppresses again as done is not known.
    async fn to_suppress(&self, batch: &dyn BatchSource) -> Result<Named, ConnectorError> {
        let key = self.options.key;
        let (mut asked, mut keys, mut place) = (Vec::new(), Vec::new(), 0);
        let mut outcomes = Outcomes::new(batch.len());
        batch.each(&mut |change| {
            match key_of(key, change) {
                Ok(own) if !own.is_empty() => {
                    asked.push(place);
                    keys.push(own);
                }
                Ok(_) => outcomes.set(place, lookup::absent(key)),
                Err(refused) => outcomes.set(place, refused),
            }
            place += 1;
            Ok(())
        })?;
        let found = lookup::ids(&self.client, key, &keys).await?;
        let id = |found: &Found| if let Found::One(id) = found { Some(id.clone()) } else { None };
        let ids: Vec<String> = found.iter().filter_map(id).collect();
        let consents = consent::of_profiles(&self.client, (key, ""), &ids).await?;
        let is_suppressed = |id: &str| consents.get(id).is_some_and(|consent| consent.is_suppressed);
        let mut named = Vec::new();
        for ((place, own), found) in asked.into_iter().zip(keys).zip(found) {
            match found {
                Found::Nothing => outcomes.set(place, GONE),
                Found::Refused(refused) => outcomes.set(place, refused),
                Found::One(id) if is_suppressed(&id) => {
                    outcomes.set(place, Outcome::Skipped { reason: "it is suppressed already".to_owned() });
                }
                Found::One(_) | Found::Several(_) => {
                    named.push((place, json!({"type": "profile", "attributes": {key.field(): own}})));
                }
            }
        }
        Ok((named, outcomes))
    }

    /// Suppresses these addresses, and waits for the end of each job. One outcome for each comes back, in their order.
    async fn suppress(
        &self,
        named: &[(usize, Json)],
        handles: &dyn Handles,
    ) -> Result<Vec<Outcome>, ConnectorError> {
        let parts: Vec<_> =
            (0..named.len()).step_by(ADDRESSES).map(|from| from..named.len().min(from + ADDRESSES)).collect();
        let begun = &Mutex::new(Vec::new());
        let told = in_parts(named.len(), &parts, |places| async move {
            let profiles: Vec<&Json> = places.iter().map(|at| &named[*at].1).collect();
            let body = json!({"data": {
                "type": "profile-suppression-bulk-create-job",
                "attributes": {"profiles": {"data": profiles}},
            }});
            let job = match self.client.suppress(body.to_string().into_bytes(), places.len()).await? {
                Taken::Yes(answer) => {
                    answer.json.as_ref().and_then(|body| body.get("data")).and_then(Job::of)
                }
                Taken::No(refused) => {
                    let refused = refused.into_iter().map(|(at, one)| (places[at], one.outcome()));
                    return Ok(Reply::Named(refused.collect()));
                }
            };
            let lost = || {
                let message = "Klaviyo took a suppression, but its answer names no job";
                ConnectorError::new(Kind::Ambiguous, message)
            };
            let job = job.ok_or_else(lost)?.id;
            let rows = Begun::of(Work::Suppression, &job, places.iter().map(|at| named[*at].0));
            let handle = handle(begun, rows);
            handles.store(&handle).await.map_err(unknown)?;
            self.suppressed(&job, places.len()).await.map(Reply::Each).map_err(unknown)
        });
        match told.await {
            // A job is at work on some: each row says so, and the next run asks what became of it.
            Err(error) if !lock(begun).is_empty() => {
                Ok(vec![Outcome::Unknown { reason: error.message }; named.len()])
            }
            told => told,
        }
    }

    /// What a suppression of so many addresses came to.
    pub(super) async fn suppressed(&self, job: &str, sent: usize) -> Result<Vec<Outcome>, ConnectorError> {
        let job = self.ended(Work::Suppression, job).await?;
        tracing::info!(job = job.id, addresses = sent, status = job.status, "suppression ended");
        Ok(answers::suppressed(&job, sent))
    }
}

fn unconfirmed(status: u16) -> Outcome {
    Outcome::Unknown { reason: format!("Klaviyo answered {status}, which confirms no `{}`", Verb::Delete) }
}
