//! One run's delivery.

use async_trait::async_trait;

use super::client::{BATCH, Client, LONGEST_BODY};
use super::target::{Aim, Identifier, Object};
use super::{answers, encode, errors};
use crate::contract::{BatchSource, ConnectorError, Handles, Outcome, Session, Submitted, Verb};
use crate::http::{Encoded, Reply, in_parts};

/// Around the entities of a batch, and around the members of a segment.
const BATCH_FRAME: (&str, &str) = (r#"{"batch":["#, "]}");
const MEMBERS_FRAME: (&str, &str) = (r#"{"ids":["#, "]}");

pub(super) struct CustomerIoSession {
    pub(super) client: Client,
    pub(super) aim: Aim,
}

#[async_trait]
impl Session for CustomerIoSession {
    async fn submit(
        &self,
        batch: &dyn BatchSource,
        _handles: &dyn Handles,
    ) -> Result<Submitted, ConnectorError> {
        let encoded = Encoded::of(batch, |change, out| match self.aim.object {
            Object::Segment(_) => encode::member(&self.aim, change, out),
            _ => encode::entity(&self.aim, change, out),
        })?;
        let (open, close) = match self.aim.object {
            Object::Segment(_) => MEMBERS_FRAME,
            _ => BATCH_FRAME,
        };
        let parts = encoded.items.cut(BATCH, LONGEST_BODY, open.len() + close.len());
        let (items, verb) = (&encoded.items, encoded.verb);
        let sent = in_parts(items.len(), &parts, |places| async move {
            let body = items.body(open, places.iter().copied(), close);
            self.send(verb, body, places.len()).await.map(Reply::Each)
        });
        let sent = sent.await?;
        Ok(Submitted::Done(encoded.receipt(sent)))
    }
}

impl CustomerIoSession {
    /// One request, with so many changes. One to a segment is accepted or refused as a whole.
    async fn send(&self, verb: Verb, body: Vec<u8>, changes: usize) -> Result<Vec<Outcome>, ConnectorError> {
        let answer = match self.aim.object {
            Object::Segment(id) => {
                let identifier = self.aim.identifier.unwrap_or(Identifier::Id);
                let answer = self.client.members(id, verb, (identifier, body)).await;
                answer.map_err(|error| errors::of_segment(id, error))?
            }
            _ => self.client.batch(body).await?,
        };
        Ok(answers::outcomes(changes, answer.status, answer.json.as_ref()))
    }
}
