//! One run's delivery: by imports where there is much, else by calls of up to 300 leads.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::answers;
use super::client::Client;
use super::encode::{self, Rows};
use super::held::Held;
use super::jobs::must_stop;
use super::lookup;
use super::options::{ID, Options};
use crate::contract::{
    BatchSource, ChangeRef, ConnectorError, Handles, Kind, OneVerb, Outcome, Outcomes, Permission, Receipt,
    RemoteHandle, Session, Submitted, Verb,
};
use crate::http::{Patience, Reply, in_parts};

pub(super) struct LeadSession {
    pub(super) client: Client,
    pub(super) options: Options,
    /// All fields of the mapping.
    pub(super) fields: Vec<String>,
    /// No field but the match key is sent.
    pub(super) members_only: Result<(), String>,
    pub(super) permission: Arc<dyn Permission>,
    pub(super) patience: Patience,
    pub(super) held: Held,
}

#[async_trait]
impl Session for LeadSession {
    async fn submit(
        &self,
        batch: &dyn BatchSource,
        handles: &dyn Handles,
    ) -> Result<Submitted, ConnectorError> {
        let mut verb = OneVerb::default();
        batch.each_in(0..1, &mut |change| verb.see(change.verb))?;
        let verb = verb.get()?;
        self.held.quiet(&*self.permission).await?;
        match verb {
            Verb::Join | Verb::Leave => self.members(verb, batch).await,
            Verb::Delete => self.remove(batch).await,
            Verb::Upsert if self.options.imports(batch.len()) => self.import(batch, handles).await,
            _ => self.send(verb, batch).await,
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

impl LeadSession {
    /// The key of a change, or what becomes of its row where it is not sent.
    pub(super) fn key_of(&self, change: ChangeRef<'_>) -> Result<String, Outcome> {
        let key = encode::key_of(&self.options.key, change)?;
        match self.held.holds(&key, Timestamp::now()) {
            Some(held) => Err(held),
            None => Ok(key),
        }
    }

    /// Whether a change may go by the id of its lead: its key need not be known, but must not be held.
    pub(super) fn may_go(&self, change: ChangeRef<'_>) -> Result<(), Outcome> {
        let Ok(key) = encode::key_of(&self.options.key, change) else { return Ok(()) };
        self.held.holds(&key, Timestamp::now()).map_or(Ok(()), Err)
    }

    /// Adds a change to those that go by calls, found by their key.
    pub(super) fn push(&self, rows: &mut Rows, place: usize, change: ChangeRef<'_>) -> Result<(), Outcome> {
        let key = self.key_of(change)?;
        rows.push(place, |out| match self.options.key == ID {
            true if encode::is_id(key.trim()) => encode::write_by_id(key.trim(), change, out),
            true => Err(lookup::not_an_id(&key)),
            false => encode::write_by_key(&self.options.key, change, out),
        })
    }

    /// Creates, upserts or updates by calls. An update goes by the id of its lead, where that is known.
    async fn send(&self, verb: Verb, batch: &dyn BatchSource) -> Result<Submitted, ConnectorError> {
        let (mut by_key, mut by_id) = (Rows::default(), Rows::default());
        let (mut seen, mut place, mut outcomes) = (OneVerb::default(), 0, Outcomes::new(batch.len()));
        batch.each(&mut |change| {
            seen.see(change.verb)?;
            let id = encode::id_of(change).filter(|_| verb == Verb::Update);
            let pushed = match id {
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
            match self.call(verb, lookup, rows).await {
                Ok(told) => {
                    for (place, outcome) in rows.places().zip(told) {
                        has_effect |= had_effect(Some(&outcome));
                        outcomes.set(place, outcome);
                    }
                }
                Err(error) if !has_effect => return Err(error),
                Err(error) => return Ok(stopped(rows.places(), error, outcomes)),
            }
        }
        self.listed(outcomes, batch.len()).await
    }

    /// Sends leads that are found by this field, by as few calls as their number and bytes allow, one after another; one outcome
    /// for each.
    ///
    /// # Errors
    /// A failure that is not about a lead, as long as nothing had or may have had an effect.
    pub(super) async fn call(
        &self,
        verb: Verb,
        lookup: &str,
        rows: &Rows,
    ) -> Result<Vec<Outcome>, ConnectorError> {
        let action = match verb {
            Verb::Create => "createOnly",
            Verb::Update => "updateOnly",
            _ => "createOrUpdate",
        };
        // A partition is named for what may be made in it.
        let partition = self.options.partition.as_deref().filter(|_| verb != Verb::Update);
        let head = &encode::head(action, lookup, partition);
        in_parts(rows.len(), &rows.parts(head), |wanted| async move {
            let body = self.client.sync(verb, rows.body(head, &wanted)).await?;
            Ok(Reply::Each(answers::outcomes(&body, verb, wanted.len())))
        })
        .await
    }

    /// Puts the leads that were sent on the list, where there is one. What is not known to be on it is not done.
    pub(super) async fn listed(
        &self,
        mut outcomes: Outcomes,
        changes: usize,
    ) -> Result<Submitted, ConnectorError> {
        let Some(list) = self.options.list else { return Ok(Submitted::Done(outcomes.receipt())) };
        let (mut places, mut ids) = (Vec::new(), Vec::new());
        for place in 0..changes {
            if let Some(Outcome::Applied { remote_id: Some(id), .. }) = outcomes.get(place) {
                ids.push(id.clone());
                places.push(place);
            }
        }
        let doubt = |why: &str| Outcome::Unknown {
            reason: format!("the lead was sent, but may not be on the list {list}: {why}"),
        };
        match self.by_ids(Verb::Join, Some(list), &ids).await {
            Ok(told) => {
                for (place, told) in places.into_iter().zip(told) {
                    match told {
                        Outcome::Applied { .. } => {}
                        Outcome::Rejected { code, message, .. } => {
                            outcomes.set(place, doubt(&format!("{code}: {message}")));
                        }
                        Outcome::Deferred { reason }
                        | Outcome::Unknown { reason }
                        | Outcome::Skipped { reason } => outcomes.set(place, doubt(&reason)),
                    }
                }
                Ok(Submitted::Done(outcomes.receipt()))
            }
            Err(error) => {
                places.iter().for_each(|place| outcomes.set(*place, doubt(&error.message)));
                Ok(match must_stop(&error) {
                    true => Submitted::Stopped(outcomes.receipt(), error),
                    false => Submitted::Done(outcomes.receipt()),
                })
            }
        }
    }
}

/// Whether a row had or may have had an effect.
pub(super) fn had_effect(outcome: Option<&Outcome>) -> bool {
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
