//! Delivery of contacts.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures_util::{StreamExt, stream};

use super::client::Client;
use super::creation;
use super::encode::{Rows, list_ids};
use super::errors;
use super::options::Options;
use crate::contract::{
    BatchSource, ConnectorError, Handles, Kind, OneVerb, Outcome, Outcomes, Permission, Receipt,
    RemoteHandle, Session, Submitted, Verb,
};
use crate::creation::Creation;
use crate::http::{Patience, json};

/// Contacts of one batch on their way at once, where they go one by one.
const AT_ONCE: usize = 4;

pub(super) struct ContactSession {
    pub(super) client: Client,
    pub(super) options: Options,
    pub(super) creation: Creation,
    pub(super) permission: Arc<dyn Permission>,
    pub(super) patience: Patience,
}

#[async_trait]
impl Session for ContactSession {
    async fn submit(
        &self,
        batch: &dyn BatchSource,
        handles: &dyn Handles,
    ) -> Result<Submitted, ConnectorError> {
        let (mut verb, mut place) = (OneVerb::default(), 0);
        let (mut rows, mut outcomes) = (Rows::new(self.options.key), Outcomes::new(batch.len()));
        batch.each(&mut |change| {
            verb.see(change.verb)?;
            if let Err(refused) = rows.push(place, change) {
                outcomes.set(place, refused);
            }
            place += 1;
            Ok(())
        })?;
        let verb = verb.get()?;
        if verb != Verb::Delete {
            let create = creation::create(&self.client, self.creation.missing());
            self.creation.ensure(create).await?;
        }
        match verb {
            Verb::Upsert if self.options.imports(rows.len()) => {
                self.import(&rows, handles, &mut outcomes).await?
            }
            Verb::Update => self.update(&rows, &mut outcomes).await?,
            _ => self.each(verb, &rows, (0..rows.len()).collect(), &mut outcomes).await?,
        }
        Ok(Submitted::Done(outcomes.receipt()))
    }

    async fn settle(
        &self,
        handle: &RemoteHandle,
        batch: &dyn BatchSource,
    ) -> Result<Receipt, ConnectorError> {
        self.ended(handle, batch.len()).await
    }
}

impl ContactSession {
    /// Sends these rows, each by a request of its own, and sets their outcomes. After a failure that is not about a row
    /// no other is begun.
    ///
    /// # Errors
    /// That failure, as long as no row of the batch had or may have had an effect.
    pub(super) async fn each(
        &self,
        verb: Verb,
        rows: &Rows,
        wanted: Vec<usize>,
        outcomes: &mut Outcomes,
    ) -> Result<(), ConnectorError> {
        let stopped = Mutex::new(None);
        let locked = || stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = stream::iter(wanted).map(|row| {
            let locked = &locked;
            async move {
                if locked().is_some() {
                    return (row, None);
                }
                match self.one(verb, rows, row).await {
                    Ok(outcome) => (row, Some(outcome)),
                    Err(error) if error.kind == Kind::Rejected => (row, Some(errors::outcome(error))),
                    Err(error) if error.kind == Kind::Ambiguous => {
                        (row, Some(Outcome::Unknown { reason: error.message }))
                    }
                    Err(error) => {
                        locked().get_or_insert(error);
                        (row, None)
                    }
                }
            }
        });
        let sent: Vec<(usize, Option<Outcome>)> = sent.buffer_unordered(AT_ONCE).collect().await;
        let mut unsent = Vec::new();
        for (row, outcome) in sent {
            let place = rows.sent(row).place;
            match outcome {
                Some(outcome) => outcomes.set(place, outcome),
                None => unsent.push(place),
            }
        }
        let Some(error) = locked().take() else { return Ok(()) };
        self.leave(rows, &unsent, error, outcomes)
    }

    /// These places were not sent for this failure, which is the batch's as long as nothing of it had an effect.
    pub(super) fn leave(
        &self,
        rows: &Rows,
        unsent: &[usize],
        error: ConnectorError,
        outcomes: &mut Outcomes,
    ) -> Result<(), ConnectorError> {
        let places = (0..rows.len()).map(|row| rows.sent(row).place);
        let harmless = |place| {
            matches!(outcomes.get(place), None | Some(Outcome::Rejected { .. } | Outcome::Deferred { .. }))
        };
        if places.into_iter().all(harmless) {
            return Err(error);
        }
        // What is unknown already stays so.
        let untouched = |place: &&usize| !matches!(outcomes.get(**place), Some(Outcome::Unknown { .. }));
        for place in unsent.iter().filter(untouched).copied().collect::<Vec<_>>() {
            outcomes.set(place, Outcome::Deferred { reason: error.message.clone() });
        }
        Ok(())
    }

    /// Sends one row. What the answer confirms is said of it, and nothing more.
    pub(super) async fn one(&self, verb: Verb, rows: &Rows, row: usize) -> Result<Outcome, ConnectorError> {
        let (key, sent) = (self.options.key, rows.sent(row));
        let lists = list_ids(&self.options.lists);
        let applied = |created| Outcome::Applied { remote_id: sent.remote_id.clone(), created };
        let answer = match verb {
            Verb::Upsert => {
                self.client.post(rows.with(row, &format!("{lists},\"updateEnabled\":true")), true).await?
            }
            Verb::Create => self.client.post(rows.with(row, &lists), false).await?,
            Verb::Update => match self.client.put(key, sent, rows.with(row, &lists)).await {
                Err(error) if errors::is_absent(&error) => {
                    return Ok(errors::outcome(error.code(Outcome::OBJECT_NOT_FOUND)));
                }
                answer => answer?,
            },
            Verb::Delete => match self.client.delete(key, sent).await {
                Err(error) if errors::is_absent(&error) => return Ok(applied(None)),
                answer => answer?,
            },
            Verb::Join | Verb::Leave => {
                return Err(ConnectorError::new(Kind::Internal, "a list is not among the contacts"));
            }
        };
        Ok(match (verb, answer.status) {
            (Verb::Upsert | Verb::Create, 201) => {
                let id = answer.json.as_ref().and_then(|body| json::text(body, "id"));
                Outcome::Applied { remote_id: id, created: Some(true) }
            }
            (Verb::Upsert, 204) => applied(Some(false)),
            (Verb::Update | Verb::Delete, 204) => applied(None),
            (_, status) => {
                Outcome::Unknown { reason: format!("Brevo answered {status}, which confirms no `{verb}`") }
            }
        })
    }
}
