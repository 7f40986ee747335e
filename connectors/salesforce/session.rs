//! One run's delivery: by jobs where there is much, else by collections: at most 200 records in a request, each with an answer of its own, in the order in which they were
//! sent (REST API Developer Guide, "sObject Collections").

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::Method;

use super::client::Client;
use super::columns::Columns;
use super::course::Jobs;
use super::encode::{self, Shape, long_id};
use super::errors;
use super::options::{ID, Options};
use super::{answers, lookup};
use crate::contract::{
    BatchSource, ChangeRef, ConnectorError, Handles, Kind, Outcome, Permission, Receipt, RemoteHandle,
    RunEnd, Session, Submitted, Value, Verb, Window,
};
use crate::http::{Encoded, Items, Reply, in_parts};

/// Most records of a request.
pub(super) const BATCH: usize = 200;

/// Most bytes of a request's body. No page states a limit for collections; Salesforce's largest request is 6 MB.
pub(super) const BYTES: usize = 5_000_000;

const OPEN: &str = "{\"allOrNone\":false,\"records\":[";
const CLOSE: &str = "]}";

/// How often records that are locked are sent again, and how many of them at once.
const ROUNDS: [usize; 5] = [50, 20, 5, 1, 1];

/// One run's delivery to one object.
pub(super) struct RecordSession {
    pub(super) client: Client,
    pub(super) options: Options,
    /// The match key's field: an external id, or `Id`.
    pub(super) key: String,
    pub(super) columns: Columns,
    pub(super) permission: Arc<dyn Permission>,
    /// Before locked records are sent again; it doubles with every round.
    pub(super) pause: Duration,
    /// All fields of the mapping.
    pub(super) fields: Vec<String>,
    pub(super) jobs: Jobs,
    /// When runs wrote that left something unsettled of which no job is known.
    pub(super) unsettled: Option<Window>,
}

#[async_trait]
impl Session for RecordSession {
    async fn submit(
        &self,
        batch: &dyn BatchSource,
        handles: &dyn Handles,
    ) -> Result<Submitted, ConnectorError> {
        match self.goes_by_job(batch)? {
            Some(verb) => self.by_jobs(verb, batch, handles).await,
            None => self.by_collections(batch).await.map(Submitted::Done),
        }
    }

    async fn settle(
        &self,
        handle: &RemoteHandle,
        batch: &dyn BatchSource,
    ) -> Result<Receipt, ConnectorError> {
        self.resume(handle, batch).await
    }

    async fn finish(&self, _: RunEnd) -> Result<(), ConnectorError> {
        self.end_left().await
    }
}

impl RecordSession {
    /// Sends a batch by collections.
    pub(super) async fn by_collections(&self, batch: &dyn BatchSource) -> Result<Receipt, ConnectorError> {
        let ids = self.ids(batch).await?;
        let mut ids = ids.into_iter();
        let shape = Shape { object: &self.options.object, key: &self.key, columns: &self.columns };
        let encoded = Encoded::of(batch, |change, out| match change.verb {
            Verb::Upsert | Verb::Create => encode::record(change, None, &shape, out),
            verb => match ids.next().unwrap_or_default().as_slice() {
                [id] if verb == Verb::Delete => {
                    out.extend_from_slice(id.as_bytes());
                    Ok(())
                }
                [id] => encode::record(change, Some(id), &shape, out),
                [] => Err(answers::absent(verb)),
                several => Err(answers::ambiguous(&self.key, several.len())),
            },
        })?;
        let parts = encoded.items.cut(BATCH, BYTES, OPEN.len() + CLOSE.len());
        let sent = in_parts(encoded.items.len(), &parts, |places| async {
            self.locked(encoded.verb, &encoded.items, places).await.map(Reply::Each)
        });
        let sent = sent.await?;
        Ok(encoded.receipt(sent))
    }

    /// The ids of the records that a batch of updates or deletes is for, one list for each change.
    pub(super) async fn ids(&self, batch: &dyn BatchSource) -> Result<Vec<Vec<String>>, ConnectorError> {
        let (mut ids, mut asked, mut keys) = (Vec::new(), Vec::new(), Vec::new());
        batch.each(&mut |change: ChangeRef<'_>| {
            if matches!(change.verb, Verb::Update | Verb::Delete) {
                let key = change.destination_key.first().and_then(|field| field.value.to_value());
                match (change.remote_id, key) {
                    (Some(id), _) => ids.push(vec![long_id(id).into_owned()]),
                    (None, Some(key)) if self.key == ID => {
                        ids.push(vec![long_id(&key.to_string()).into_owned()])
                    }
                    (None, key) => {
                        asked.push(ids.len());
                        keys.push(key.unwrap_or(Value::Null));
                        ids.push(Vec::new());
                    }
                }
            }
            Ok(())
        })?;
        if !asked.is_empty() {
            let found = lookup::ids(&self.client, (&self.options.object, &self.key), &keys).await?;
            asked.into_iter().zip(found).for_each(|(place, found)| ids[place] = found);
        }
        Ok(ids)
    }

    /// Sends the items at these places; those that another transaction has locked again, fewer at a time.
    async fn locked(
        &self,
        verb: Verb,
        items: &Items,
        places: Vec<usize>,
    ) -> Result<Vec<Outcome>, ConnectorError> {
        let mut outcomes = self.send(verb, items, &places).await?;
        let mut pause = self.pause;
        for most in ROUNDS {
            let again: Vec<usize> = (0..places.len()).filter(|at| errors::is_lock(&outcomes[*at])).collect();
            if again.is_empty() {
                return Ok(outcomes);
            }
            tracing::info!(records = again.len(), "locked records are sent again");
            tokio::select! {
                () = tokio::time::sleep(pause) => pause *= 2,
                () = self.permission.closing() => break,
            }
            for some in again.chunks(most) {
                let wanted: Vec<usize> = some.iter().map(|at| places[*at]).collect();
                match self.send(verb, items, &wanted).await {
                    Ok(sent) => some.iter().zip(sent).for_each(|(at, outcome)| outcomes[*at] = outcome),
                    Err(error) => return Ok(answers::unfinished(outcomes, some, &error)),
                }
            }
        }
        Ok(outcomes.into_iter().map(answers::still_locked).collect())
    }

    async fn send(
        &self,
        verb: Verb,
        items: &Items,
        places: &[usize],
    ) -> Result<Vec<Outcome>, ConnectorError> {
        let body = || items.body(OPEN, places.iter().copied(), CLOSE);
        let upsert = format!("/{}/{}", self.options.object, self.key);
        let (call, body, repeatable) = match verb {
            Verb::Upsert => ((Method::PATCH, upsert), Some(body()), true),
            Verb::Create => ((Method::POST, String::new()), Some(body()), false),
            Verb::Update => ((Method::PATCH, String::new()), Some(body()), true),
            Verb::Delete => {
                let ids = String::from_utf8(items.body("", places.iter().copied(), ""));
                let below = format!("?ids={}&allOrNone=false", ids.unwrap_or_default());
                ((Method::DELETE, below), None, true)
            }
            Verb::Join | Verb::Leave => {
                return Err(ConnectorError::new(Kind::Internal, "Salesforce's records are no list"));
            }
        };
        let (method, below) = call;
        let answer =
            self.client.collection((method, &below), &self.options.headers, body, repeatable).await?;
        Ok(answers::outcomes(verb, places.len(), answer.json.as_ref()))
    }
}
