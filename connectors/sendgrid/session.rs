//! Delivery of contacts.

use async_trait::async_trait;
use tokio::sync::OnceCell;

use super::client::Taken;
use super::creation;
use super::encode::{CALL, Rows, Sent, key_of, write_contact};
use super::fields::{self, Definitions};
use super::jobs::{GRACE, Work, must_stop, unknown};
use super::options::{Api, Key, Options};
use super::trail::{Step, Task, Trail, Underway};
use crate::contract::{
    BatchSource, ChangeRef, ConnectorError, Handles, Kind, OneVerb, Outcome, Outcomes, Property, Receipt,
    RemoteHandle, Session, Submitted, Verb,
};
use crate::http::{Reply, in_parts};
use crate::split::Limits;

pub(super) struct ContactSession {
    pub(super) work: Work,
    pub(super) options: Options,
    /// All fields of the mapping.
    pub(super) fields: Vec<String>,
    pub(super) missing: Vec<Property>,
    pub(super) definitions: OnceCell<Definitions>,
    /// What one import may have.
    pub(super) file_limits: Limits,
}

#[async_trait]
impl Session for ContactSession {
    async fn submit(
        &self,
        batch: &dyn BatchSource,
        handles: &dyn Handles,
    ) -> Result<Submitted, ConnectorError> {
        let mut verb = OneVerb::default();
        batch.each_in(0..1, &mut |change| verb.see(change.verb))?;
        let underway = Underway::new(handles);
        let receipt = match verb.get()? {
            Verb::Upsert if self.imports(batch.len()) => return self.import(batch, &underway).await,
            Verb::Upsert => self.upsert(batch, &underway).await?,
            Verb::Delete => self.delete(batch, &underway).await?,
            verb => {
                return Err(ConnectorError::new(
                    Kind::Internal,
                    format!("SendGrid cannot {verb} its contacts"),
                ));
            }
        };
        Ok(Submitted::Done(receipt))
    }

    async fn settle(
        &self,
        handle: &RemoteHandle,
        batch: &dyn BatchSource,
    ) -> Result<Receipt, ConnectorError> {
        self.work.resume(self.options.key, handle, batch).await
    }
}

impl ContactSession {
    /// Whether so many upserts go by an import.
    pub(super) fn imports(&self, rows: usize) -> bool {
        self.options.importable && (self.options.api == Api::Import || rows > CALL.0)
    }

    /// The account's definitions where a request needs them; fields that are missing are created first.
    pub(super) async fn definitions(&self, all: bool) -> Result<Definitions, ConnectorError> {
        let custom = self.fields.iter().any(|field| !fields::is_reserved(field));
        if !custom && !all && self.missing.is_empty() {
            return Ok(Definitions::default());
        }
        let read = creation::ensure(&self.work.client, &self.missing);
        self.definitions.get_or_try_init(|| read).await.cloned()
    }

    async fn upsert(
        &self,
        batch: &dyn BatchSource,
        underway: &Underway<'_>,
    ) -> Result<Receipt, ConnectorError> {
        let definitions = self.definitions(false).await?;
        let (mut rows, mut place) = (Rows::default(), 0);
        let (mut verb, mut outcomes) = (OneVerb::default(), Outcomes::new(batch.len()));
        batch.each(&mut |change| {
            verb.see(change.verb)?;
            if let Err(refused) = self.push(&mut rows, place, change, &definitions) {
                outcomes.set(place, refused);
            }
            place += 1;
            Ok(())
        })?;
        let sent = self.work.by_calls(&rows, &self.options.lists, underway).await?;
        settled(&rows, sent, &mut outcomes);
        Ok(outcomes.receipt())
    }

    pub(super) fn push(
        &self,
        rows: &mut Rows,
        place: usize,
        change: ChangeRef<'_>,
        definitions: &Definitions,
    ) -> Result<(), Outcome> {
        let key = key_of(self.options.key, change)?;
        let sent = Sent { place, key: key.clone() };
        let longest = CALL.1 - Rows::frame(&self.options.lists);
        rows.push(sent, longest, |out| write_contact((self.options.key, &key), change, definitions, out))
    }
}

/// Sets what became of these rows.
pub(super) fn settled(rows: &Rows, sent: Vec<Outcome>, outcomes: &mut Outcomes) {
    for (row, outcome) in sent.into_iter().enumerate() {
        outcomes.set(rows.sent(row).place, outcome);
    }
}

impl Work {
    /// Upserts these rows by as few calls as their number and bytes allow, one after another; one outcome for each.
    ///
    /// # Errors
    /// A failure that is not about a row, as long as nothing had or may have had an effect.
    pub(super) async fn by_calls(
        &self,
        rows: &Rows,
        lists: &[String],
        underway: &Underway<'_>,
    ) -> Result<Vec<Outcome>, ConnectorError> {
        let parts = rows.items().cut(CALL.0, CALL.1, Rows::frame(lists));
        in_parts(rows.len(), &parts, |wanted| async move {
            underway.may_send().await?;
            match self.client.upsert(rows.body(&wanted, lists)).await? {
                Taken::Refused(named) => {
                    let named =
                        named.into_iter().filter_map(|(at, outcome)| Some((*wanted.get(at)?, outcome)));
                    Ok(Reply::Named(named.collect()))
                }
                Taken::Job(job) => {
                    let keys: Vec<&str> = wanted.iter().map(|row| rows.sent(*row).key.as_str()).collect();
                    let places = wanted.iter().map(|row| rows.sent(*row).place).collect();
                    let step = Step { task: Task::Call, job, places };
                    Ok(Reply::Each(self.follow(underway, step, &keys).await))
                }
            }
        })
        .await
    }

    /// What became of a batch that went by these jobs. A row that is in none of them may have been sent all the same, by a
    /// call whose job was not written down.
    ///
    /// # Errors
    /// Where the run may not go on, or the account cannot be asked.
    pub(super) async fn resume(
        &self,
        key: Key,
        handle: &RemoteHandle,
        batch: &dyn BatchSource,
    ) -> Result<Receipt, ConnectorError> {
        let mut keys: Vec<String> = Vec::with_capacity(batch.len());
        batch.each(&mut |change| {
            keys.push(key_of(key, change).unwrap_or_default());
            Ok(())
        })?;
        let mut outcomes = Outcomes::new(batch.len());
        for (place, outcome) in
            unknown(batch.len(), "it is in no job that was written down").into_iter().enumerate()
        {
            outcomes.set(place, outcome);
        }
        for Step { task, job, places } in Trail::read(handle).0 {
            let names: Option<Vec<&str>> =
                places.iter().map(|place| keys.get(*place).map(String::as_str)).collect();
            let Some(names) = names else { continue };
            tracing::info!(job, rows = names.len(), "a job of an earlier run is waited for");
            let whole = if task == Task::Empty { GRACE } else { self.patience.whole };
            let told = match self.told((&job, task), &names, whole).await {
                Ok(told) => told,
                Err(error) if must_stop(&error) => return Err(error),
                Err(error) => unknown(names.len(), &error.message),
            };
            for (place, outcome) in places.into_iter().zip(told) {
                outcomes.set(place, outcome);
            }
        }
        Ok(outcomes.receipt())
    }
}
