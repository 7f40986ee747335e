//! One run's delivery: by import jobs where there is much, else profile by profile.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::OnceCell;

use super::client::Client;
use super::encode::{Clears, Encoded};
use super::import::must_stop;
use super::lookup::{self, Found};
use super::members;
use super::options::{Api, Options};
use crate::contract::{
    BatchSource, ConnectorError, Handles, Kind, OneVerb, Outcome, Outcomes, Permission, Receipt,
    RemoteHandle, Session, Submitted, Verb, Window,
};
use crate::http::Patience;

/// Changes of a batch that goes one by one: five seconds' worth, all of which a crash leaves in doubt.
pub(super) const SINGLE: usize = 50;

pub(super) struct ProfileSession {
    pub(super) client: Client,
    pub(super) options: Options,
    /// No field but the match key is sent.
    pub(super) members_only: Result<(), String>,
    pub(super) permission: Arc<dyn Permission>,
    pub(super) patience: Patience,
    /// When runs wrote that left something unsettled of which no import is known.
    pub(super) unsettled: Option<Window>,
    pub(super) left: OnceCell<()>,
    /// All imports that were at work have ended.
    pub(super) open: OnceCell<()>,
}

#[async_trait]
impl Session for ProfileSession {
    async fn submit(
        &self,
        batch: &dyn BatchSource,
        handles: &dyn Handles,
    ) -> Result<Submitted, ConnectorError> {
        let mut verb = OneVerb::default();
        batch.each(&mut |change| verb.see(change.verb))?;
        // Whatever way this batch goes: what earlier runs left may have gone by import.
        self.wait_for_left().await?;
        match verb.get()? {
            verb @ (Verb::Join | Verb::Leave) => self.members(verb, batch).await,
            Verb::Delete => self.remove(batch, handles).await,
            Verb::Update => self.update(batch).await,
            verb => self.send(verb, batch, handles).await,
        }
    }

    async fn settle(
        &self,
        handle: &RemoteHandle,
        batch: &dyn BatchSource,
    ) -> Result<Receipt, ConnectorError> {
        self.resume(handle, batch).await
    }
}

impl ProfileSession {
    /// Whether a row of such a batch goes by import.
    fn imports(&self, verb: Verb, batch: usize, clears: Clears) -> bool {
        let is_sayable = match clears {
            Clears::Nothing => true,
            Clears::Properties => self.options.unset_by_import,
            Clears::Attributes => false,
        };
        verb == Verb::Upsert && is_much(self.options.api, batch) && is_sayable
    }

    /// Creates or upserts: by import what that can say, then the rest.
    async fn send(
        &self,
        verb: Verb,
        batch: &dyn BatchSource,
        handles: &dyn Handles,
    ) -> Result<Submitted, ConnectorError> {
        let imports = |clears| self.imports(verb, batch.len(), clears);
        let Encoded { many, single, mut outcomes } =
            Encoded::of(batch, self.options.key, |_| Ok(None), imports)?;
        let mut imported = false;
        if !many.sent.is_empty() {
            many.tell(self.import(&many, handles).await?, &mut outcomes);
            imported = many.sent.iter().any(|sent| has_effect(outcomes.get(sent.place)));
        }
        if single.sent.is_empty() {
            return Ok(Submitted::Done(outcomes.receipt()));
        }
        match self.each(verb, &single, &[]).await {
            Ok(told) => single.tell(told, &mut outcomes),
            Err(error) if !imported => return Err(error),
            Err(error) => return Ok(stopped(single.sent.iter().map(|sent| sent.place), error, outcomes)),
        }
        self.listed(single.sent.iter().map(|sent| sent.place).collect(), outcomes).await
    }

    async fn update(&self, batch: &dyn BatchSource) -> Result<Submitted, ConnectorError> {
        let key = self.options.key;
        let found = self.found(batch).await?;
        let id = |place: usize| match found.get(place) {
            Some(Found::One(id)) => Ok(Some(id.clone())),
            Some(Found::Several(profiles)) => Err(lookup::ambiguous(key, *profiles)),
            Some(Found::Refused(refused)) => Err(refused.clone()),
            Some(Found::Nothing) | None => Err(lookup::absent(key)),
        };
        let Encoded { single, mut outcomes, .. } = Encoded::of(batch, key, id, |_| false)?;
        let ids =
            found.iter().map(|found| if let Found::One(id) = found { id.clone() } else { String::new() });
        single.tell(self.each(Verb::Update, &single, &ids.collect::<Vec<_>>()).await?, &mut outcomes);
        self.listed(single.sent.iter().map(|sent| sent.place).collect(), outcomes).await
    }

    /// Puts the profiles at these places on the list, where there is one. What is not known to be on it is not done.
    async fn listed(&self, places: Vec<usize>, mut outcomes: Outcomes) -> Result<Submitted, ConnectorError> {
        let Some(list) = &self.options.list else { return Ok(Submitted::Done(outcomes.receipt())) };
        let (mut on, mut ids) = (Vec::new(), Vec::new());
        for place in places {
            if let Some(Outcome::Applied { remote_id: Some(id), .. }) = outcomes.get(place) {
                ids.push(id.clone());
                on.push(place);
            }
        }
        let doubt = |why: &str| Outcome::Unknown {
            reason: format!("the profile was sent, but may not be on the list `{list}`: {why}"),
        };
        match members::change(&self.client, list, true, &ids).await {
            Ok(told) => {
                for (place, told) in on.into_iter().zip(told) {
                    match told {
                        Outcome::Applied { .. } => {}
                        Outcome::Rejected { code, message, .. } => {
                            outcomes.set(place, doubt(&format!("{code}: {message}")));
                        }
                        Outcome::Deferred { reason }
                        | Outcome::Unknown { reason }
                        | Outcome::Skipped { reason } => {
                            outcomes.set(place, doubt(&reason));
                        }
                    }
                }
                Ok(Submitted::Done(outcomes.receipt()))
            }
            Err(error) => {
                on.iter().for_each(|place| outcomes.set(*place, doubt(&error.message)));
                Ok(match must_stop(&error) {
                    true => Submitted::Stopped(outcomes.receipt(), error),
                    false => Submitted::Done(outcomes.receipt()),
                })
            }
        }
    }
}

/// Whether a batch of so many upserts goes by import, as far as that can say them.
pub(super) fn is_much(api: Api, batch: usize) -> bool {
    match api {
        Api::Auto => batch > SINGLE,
        Api::Import => true,
        Api::Single => false,
    }
}

/// Whether a row had or may have had an effect.
pub(super) fn has_effect(outcome: Option<&Outcome>) -> bool {
    !matches!(outcome, None | Some(Outcome::Rejected { .. } | Outcome::Deferred { .. }))
}

/// The rows at these places met a failure that is not about them, after others of the batch had an effect.
pub(super) fn stopped(
    places: impl Iterator<Item = usize>,
    error: ConnectorError,
    mut outcomes: Outcomes,
) -> Submitted {
    let reason = error.message.clone();
    let outcome = match error.kind {
        Kind::Ambiguous => Outcome::Unknown { reason },
        _ => Outcome::Deferred { reason },
    };
    places.for_each(|place| outcomes.set(place, outcome.clone()));
    match must_stop(&error) {
        true => Submitted::Stopped(outcomes.receipt(), error),
        false => Submitted::Done(outcomes.receipt()),
    }
}
