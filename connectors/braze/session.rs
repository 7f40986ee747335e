//! One run's delivery.

use async_trait::async_trait;

use super::client::{BULK, Client, LONGEST_BODY, LONGEST_BULK, REMOVALS};
use super::options::{Aim, Api, Deletion, Key, Object};
use super::{answers, encode};
use crate::contract::{BatchSource, ConnectorError, Handles, Session, Submitted, Verb};
use crate::http::{Encoded, Reply, in_parts};

pub(super) struct BrazeSession {
    pub(super) client: Client,
    pub(super) aim: Aim,
    /// Most objects of a request to `/users/track`.
    pub(super) batch_rows: usize,
}

/// One kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Call {
    /// The array that holds the objects.
    array: &'static str,
    /// Around them.
    open: &'static str,
    close: &'static str,
    most: usize,
    bytes: usize,
    removes: bool,
    /// Doing it twice ends as doing it once.
    repeatable: bool,
}

#[async_trait]
impl Session for BrazeSession {
    async fn submit(
        &self,
        batch: &dyn BatchSource,
        _handles: &dyn Handles,
    ) -> Result<Submitted, ConnectorError> {
        let longest = longest(self.aim.api);
        let encoded = Encoded::of(batch, |change, out| encode::object(&self.aim, change, longest, out))?;
        let call = self.call(encoded.verb);
        let items = &encoded.items;
        let parts = items.cut(call.most, call.bytes, call.open.len() + call.close.len());
        let sent = in_parts(items.len(), &parts, |places| async move {
            let body = items.body(call.open, places.iter().copied(), call.close);
            self.send(call, body, &places).await
        });
        let sent = sent.await?;
        Ok(Submitted::Done(encoded.receipt(sent)))
    }
}

fn longest(api: Api) -> usize {
    match api {
        Api::Track => LONGEST_BODY,
        Api::Bulk => LONGEST_BULK,
    }
}

impl BrazeSession {
    fn call(&self, verb: Verb) -> Call {
        let most = match self.aim.api {
            Api::Track => self.batch_rows,
            Api::Bulk => BULK,
        };
        let attributes = Call {
            array: "attributes",
            open: r#"{"attributes":["#,
            close: "]}",
            most,
            bytes: longest(self.aim.api),
            removes: false,
            repeatable: true,
        };
        match (self.aim.object, verb) {
            // Each event that Braze takes is one more, also where it is a repeat.
            (Object::Events, _) => {
                Call { array: "events", open: r#"{"events":["#, repeatable: false, ..attributes }
            }
            (Object::Attributes, Verb::Delete) if self.aim.deletion == Deletion::User => {
                let open = match self.aim.key {
                    Key::ExternalId => r#"{"external_ids":["#,
                    Key::Alias(_) => r#"{"user_aliases":["#,
                };
                Call { open, most: REMOVALS, bytes: LONGEST_BODY, removes: true, ..attributes }
            }
            (Object::Attributes, _) => attributes,
        }
    }

    async fn send(&self, call: Call, body: Vec<u8>, places: &[usize]) -> Result<Reply, ConnectorError> {
        if call.removes {
            return Ok(answers::removed(places.len(), &self.client.delete(body).await?));
        }
        let answer = self.client.track(self.aim.api, body, call.repeatable).await?;
        Ok(answers::reply(call.array, places, &answer))
    }
}
