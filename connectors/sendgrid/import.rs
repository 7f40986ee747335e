//! Very many upserts by an import: a file that is put where SendGrid says, and read there by a job. What a file cannot say
//! goes by calls.
//!
//! Facts: `PUT /v3/marketing/contacts/imports` (`tsg_mc_contacts_v3.json`): up to a million contacts or 5 GB, plain or packed.
//! The address that it names is on another host, which gets no key.

use super::encode::{Rows, Sent, key_of};
use super::errors;
use super::jobs::{must_stop, unknown};
use super::options::Api;
use super::session::{ContactSession, settled};
use super::sheet::Sheet;
use super::trail::{Step, Task, Underway};
use crate::contract::{BatchSource, ConnectorError, Kind, OneVerb, Outcome, Outcomes, Submitted};
use crate::rehearsal::point;

/// Rows of one import, and their bytes: far below what SendGrid takes, because the packed file is held in memory, and a file
/// that is sent piece by piece would not say its length, which stores of files ask for.
pub(super) const FILE: (usize, usize) = (100_000, 64_000_000);

impl ContactSession {
    /// Upserts a batch by an import, as far as a file can say it.
    ///
    /// # Errors
    /// A failure before anything had or may have had an effect.
    pub(super) async fn import(
        &self,
        batch: &dyn BatchSource,
        underway: &Underway<'_>,
    ) -> Result<Submitted, ConnectorError> {
        let definitions = self.definitions(true).await?;
        let mut columns = self.fields.clone();
        if !columns.iter().any(|field| field == self.options.key.field()) {
            columns.insert(0, self.options.key.field().to_owned());
        }
        let mut sheet = Sheet::new(&columns, &definitions, self.options.api == Api::Import)?;
        let (mut rows, mut place) = (Rows::default(), 0);
        let (mut verb, mut outcomes) = (OneVerb::default(), Outcomes::new(batch.len()));
        batch.each(&mut |change| {
            verb.see(change.verb)?;
            match key_of(self.options.key, change) {
                Ok(key) => {
                    let fits = match &mut sheet {
                        Some(sheet) => sheet.push(Sent { place, key }, change)?,
                        None => false,
                    };
                    if !fits && let Err(refused) = self.push(&mut rows, place, change, &definitions) {
                        outcomes.set(place, refused);
                    }
                }
                Err(refused) => outcomes.set(place, refused),
            }
            place += 1;
            Ok(())
        })?;
        let mut has_effect = false;
        if let Some(sheet) = sheet.filter(|sheet| !sheet.sent.is_empty()) {
            has_effect = self.file(sheet, underway, &mut outcomes).await?;
        }
        match self.work.by_calls(&rows, &self.options.lists, underway).await {
            Ok(sent) => settled(&rows, sent, &mut outcomes),
            Err(error) if has_effect => {
                let reason = error.message.clone();
                let outcome = match error.kind {
                    Kind::Ambiguous => Outcome::Unknown { reason },
                    _ => Outcome::Deferred { reason },
                };
                settled(&rows, vec![outcome; rows.len()], &mut outcomes);
                if must_stop(&error) {
                    return Ok(Submitted::Stopped(outcomes.receipt(), error));
                }
            }
            Err(error) => return Err(error),
        }
        Ok(Submitted::Done(outcomes.receipt()))
    }

    /// Sends a file and sets what became of its rows; whether it had or may have had an effect.
    ///
    /// # Errors
    /// A failure before it may have arrived.
    async fn file(
        &self,
        sheet: Sheet,
        underway: &Underway<'_>,
        outcomes: &mut Outcomes,
    ) -> Result<bool, ConnectorError> {
        let upload = self.work.client.import(&self.options.lists, &sheet.mappings()).await;
        let upload = upload.map_err(refused)?;
        let (file, sent) = sheet.finish()?;
        let places: Vec<usize> = sent.iter().map(|sent| sent.place).collect();
        let step = |task| Step { task, job: upload.job.clone(), places: places.clone() };
        underway.note(step(Task::Empty)).await?;
        point("sendgrid.import.made");
        let keys: Vec<&str> = sent.iter().map(|sent| sent.key.as_str()).collect();
        // From the next step on the file may be there, whether or not its store's answer is heard.
        underway.note(step(Task::Filled)).await?;
        match self.work.files.put(&upload.uri, &upload.headers, file).await {
            Ok(()) => point("sendgrid.import.filled"),
            Err(error) if error.kind == Kind::Ambiguous => {
                tracing::warn!(job = upload.job, %error, "whether an import has its file is told by its job alone");
            }
            Err(error) => return Err(error),
        }
        let whole = self.work.patience.whole;
        let told = self.work.told((&upload.job, Task::Filled), &keys, whole).await;
        let told = told.unwrap_or_else(|error| unknown(sent.len(), &error.message));
        for (sent, outcome) in sent.iter().zip(told) {
            outcomes.set(sent.place, outcome);
        }
        Ok(true)
    }
}

/// An import that is refused before it has a row is nobody's fault but the mapping's.
fn refused(error: ConnectorError) -> ConnectorError {
    match error.kind {
        // Of an import without its file nothing comes, so a lost answer leaves no doubt.
        Kind::Ambiguous => ConnectorError { kind: Kind::Unavailable, ..error },
        Kind::Rejected => ConnectorError { kind: Kind::Config, ..error }
            .hint("`api: contacts` does without an import; else read the message"),
        Kind::Config if errors::is_absent(&error) => error.hint("check `destination.lists`"),
        _ => error,
    }
}
