//! Members of a list: profiles are found by their match key, put on the list and taken off by id, up to 1,000 in a call
//! (`add_profiles_to_list`, `remove_profiles_from_list` of the vendor's description). Neither changes what a profile has
//! agreed to; `subscribe` does (`bulk_subscribe_profiles`, 1,000 in a call), for those who have not agreed already.

use serde_json::{Value as Json, json};

use super::client::{Client, Taken};
use super::consent;
use super::encode::key_of;
use super::errors::{self, NOT_FOUND};
use super::lookup::{self, Found};
use super::options::Key;
use super::session::{ProfileSession, has_effect, stopped};
use crate::contract::{BatchSource, ConnectorError, Kind, Outcome, Outcomes, Submitted, Verb};
use crate::http::{Reply, in_parts};

/// Profiles of a call.
pub(super) const MEMBERS: usize = 1000;

/// Calls for so many profiles.
fn parts(profiles: usize) -> Vec<std::ops::Range<usize>> {
    (0..profiles).step_by(MEMBERS).map(|from| from..profiles.min(from + MEMBERS)).collect()
}

fn applied(id: &str) -> Outcome {
    Outcome::Applied { remote_id: Some(id.to_owned()), created: None }
}

/// Puts these profiles on the list or takes them off; one outcome for each, in their order.
///
/// # Errors
/// A failure that is not about a profile, as long as nothing had or may have had an effect.
pub(super) async fn change(
    client: &Client,
    list: &str,
    adds: bool,
    ids: &[String],
) -> Result<Vec<Outcome>, ConnectorError> {
    in_parts(ids.len(), &parts(ids.len()), |places| async move {
        let data: Vec<Json> = places.iter().map(|at| json!({"type": "profile", "id": ids[*at]})).collect();
        let body = json!({"data": data}).to_string().into_bytes();
        let taken = match client.members(list, adds, (body, places.len())).await {
            // Who is not there is on no list.
            Err(error) if !adds && places.len() == 1 && errors::is_absent(&error) => {
                return Ok(Reply::Each(vec![applied(&ids[places[0]])]));
            }
            taken => taken?,
        };
        Ok(match taken {
            Taken::Yes(_) => Reply::Each(places.iter().map(|at| applied(&ids[*at])).collect()),
            Taken::No(named) => Reply::Named(
                named
                    .into_iter()
                    .map(|(at, refusal)| match refusal.code == NOT_FOUND && !adds {
                        true => (places[at], applied(&ids[places[at]])),
                        false => (places[at], refusal.outcome()),
                    })
                    .collect(),
            ),
        })
    })
    .await
}

/// Who is to be subscribed: the profile, and the address that it is reached at.
struct Subscriber {
    id: String,
    address: String,
}

/// A profile of a subscription, by the channel that its match key speaks of.
fn subscriber(key: Key, one: &Subscriber) -> Json {
    let channel = if key == Key::Phone { "sms" } else { "email" };
    let agreed = json!({channel: {"marketing": {"consent": "SUBSCRIBED"}}});
    json!({"type": "profile", "id": one.id, "attributes": {key.field(): one.address, "subscriptions": agreed}})
}

impl ProfileSession {
    /// Puts the batch's profiles on the list or takes them off.
    pub(super) async fn members(
        &self,
        verb: Verb,
        batch: &dyn BatchSource,
    ) -> Result<Submitted, ConnectorError> {
        let Some(list) = &self.options.list else {
            return Err(ConnectorError::new(Kind::Internal, "a target without a list has no members"));
        };
        if let Err(message) = &self.members_only {
            let hint =
                "deliver the fields of the profiles by a sync of their own, and take them out of this one";
            return Err(ConnectorError::new(Kind::Config, message.clone()).hint(hint));
        }
        let adds = verb == Verb::Join;
        let (places, who, mut outcomes) = self.who(adds, batch).await?;
        if adds && self.options.subscribe {
            return self.join(list, (places, who), outcomes).await;
        }
        let ids: Vec<String> = who.into_iter().map(|one| one.id).collect();
        let told = change(&self.client, list, adds, &ids).await?;
        places.into_iter().zip(told).for_each(|(place, outcome)| outcomes.set(place, outcome));
        Ok(Submitted::Done(outcomes.receipt()))
    }

    /// The profiles that are there, with their places in the batch, and the outcomes of the others.
    async fn who(
        &self,
        adds: bool,
        batch: &dyn BatchSource,
    ) -> Result<(Vec<usize>, Vec<Subscriber>, Outcomes), ConnectorError> {
        let key = self.options.key;
        let mut keys = Vec::with_capacity(batch.len());
        batch.each(&mut |change| {
            keys.push(key_of(key, change));
            Ok(())
        })?;
        let found = self.found(batch).await?;
        let (mut places, mut who, mut outcomes) = (Vec::new(), Vec::new(), Outcomes::new(batch.len()));
        for (place, (found, own)) in found.into_iter().zip(keys).enumerate() {
            match (found, own) {
                (_, Err(refused)) => outcomes.set(place, refused),
                (Found::One(id), Ok(address)) => {
                    places.push(place);
                    who.push(Subscriber { id, address });
                }
                (Found::Refused(refused), Ok(_)) => outcomes.set(place, refused),
                (Found::Several(profiles), Ok(_)) => outcomes.set(place, lookup::ambiguous(key, profiles)),
                (Found::Nothing, Ok(_)) if adds => outcomes.set(place, lookup::absent(key)),
                (Found::Nothing, Ok(_)) => {
                    outcomes.set(place, Outcome::Applied { remote_id: None, created: None });
                }
            }
        }
        Ok((places, who, outcomes))
    }

    /// Puts those on the list who are subscribed already, and subscribes the others. Where answers of earlier runs were lost,
    /// somebody may have been subscribed by them and have unsubscribed since: such a one is refused.
    async fn join(
        &self,
        list: &str,
        (places, who): (Vec<usize>, Vec<Subscriber>),
        mut outcomes: Outcomes,
    ) -> Result<Submitted, ConnectorError> {
        let key = self.options.key;
        let ids: Vec<String> = who.iter().map(|one| one.id.clone()).collect();
        let consents = consent::of_profiles(&self.client, (key, list), &ids).await?;
        let (mut subscribed, mut others) = (Vec::new(), Vec::new());
        for (place, one) in places.into_iter().zip(who) {
            match consents.get(&one.id) {
                None => {
                    let reason = "Klaviyo does not say what the profile has agreed to".to_owned();
                    outcomes.set(place, Outcome::Deferred { reason });
                }
                Some(consent) if consent.is_given => subscribed.push((place, one.id)),
                Some(consent) if consent.is_withdrawn && self.unsettled.is_some() => {
                    outcomes.set(place, consent::withdrawn(key));
                }
                Some(_) => others.push((place, one)),
            }
        }
        let (on, ids): (Vec<usize>, Vec<String>) = subscribed.into_iter().unzip();
        let told = change(&self.client, list, true, &ids).await?;
        let is_begun = told.iter().any(|outcome| has_effect(Some(outcome)));
        on.into_iter().zip(told).for_each(|(place, outcome)| outcomes.set(place, outcome));
        let (places, who): (Vec<usize>, Vec<Subscriber>) = others.into_iter().unzip();
        match self.subscribe(list, &who).await {
            Ok(told) => places.into_iter().zip(told).for_each(|(place, told)| outcomes.set(place, told)),
            Err(error) if !is_begun => return Err(error),
            Err(error) => return Ok(stopped(places.into_iter(), error, outcomes)),
        }
        Ok(Submitted::Done(outcomes.receipt()))
    }

    async fn subscribe(&self, list: &str, who: &[Subscriber]) -> Result<Vec<Outcome>, ConnectorError> {
        in_parts(who.len(), &parts(who.len()), |places| async move {
            let profiles: Vec<Json> =
                places.iter().map(|at| subscriber(self.options.key, &who[*at])).collect();
            let body = json!({"data": {
                "type": "profile-subscription-bulk-create-job",
                "attributes": {"profiles": {"data": profiles}},
                "relationships": {"list": {"data": {"type": "list", "id": list}}},
            }});
            Ok(match self.client.subscribe(body.to_string().into_bytes(), places.len()).await? {
                Taken::Yes(_) => Reply::Each(places.iter().map(|at| applied(&who[*at].id)).collect()),
                Taken::No(named) => {
                    Reply::Named(named.into_iter().map(|(at, one)| (places[at], one.outcome())).collect())
                }
            })
        })
        .await
    }
}
