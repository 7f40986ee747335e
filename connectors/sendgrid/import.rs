//! Very many upserts by imports: each a file that is put where SendGrid says, and read there by a job. What a file cannot say
//! goes by calls.
//!
//! Facts: `PUT /v3/marketing/contacts/imports` (`tsg_mc_contacts_v3.json`): up to a million contacts or 5 GB, plain or packed.
//! The address that it names is on another host, which gets no key.

use super::encode::{Rows, Sent, key_of};
use super::errors;
use super::fields::Definitions;
use super::jobs::{must_stop, unknown};
use super::options::Api;
use super::session::{ContactSession, settled};
use super::sheet::Sheet;
use super::trail::{Step, Task, Underway};
use crate::contract::{BatchSource, ConnectorError, Kind, OneVerb, Outcome, Outcomes, Submitted};
use crate::rehearsal::point;
use crate::split::{Fit, Limits};

/// Rows of one import, and bytes of its file before it is packed: far below what SendGrid takes, because the packed file is
/// held in memory, and a file that is sent piece by piece would not say its length, which stores of files ask for.
///
/// The engine counts a batch's values, and quotes make a file longer than those: what is too much goes by another import.
pub(super) const FILE: Limits = Limits { rows: 100_000, bytes: 64_000_000 };

/// A batch on its way.
struct Import<'a> {
    batch: &'a dyn BatchSource,
    definitions: Definitions,
    columns: Vec<String>,
    /// The first place that was not looked at.
    from: usize,
    verb: OneVerb,
    /// What goes by calls.
    rows: Rows,
    outcomes: Outcomes,
    /// A file had or may have had an effect.
    has_effect: bool,
}

impl ContactSession {
    /// Upserts a batch by imports, as far as files can say it.
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
        let (rows, verb, outcomes) = (Rows::default(), OneVerb::default(), Outcomes::new(batch.len()));
        let mut import =
            Import { batch, definitions, columns, from: 0, verb, rows, outcomes, has_effect: false };
        match self.files_and_calls(&mut import, underway).await {
            Ok(()) => {}
            Err(error) if import.has_effect => {
                import.left(&error);
                if must_stop(&error) {
                    return Ok(Submitted::Stopped(import.outcomes.receipt(), error));
                }
            }
            Err(error) => return Err(error),
        }
        Ok(Submitted::Done(import.outcomes.receipt()))
    }

    /// # Errors
    /// The failure after which nothing else was sent. Of what has no outcome nothing is known where it is
    /// [`Kind::Ambiguous`], and nothing was done where it is not.
    async fn files_and_calls(
        &self,
        import: &mut Import<'_>,
        underway: &Underway<'_>,
    ) -> Result<(), ConnectorError> {
        while import.from < import.batch.len() {
            if let Some(sheet) = self.next_file(import)? {
                let ended = self.file(sheet, underway, &mut import.outcomes).await?;
                import.has_effect = true;
                if let Some(error) = ended {
                    return Err(error);
                }
            }
        }
        let sent = self.work.by_calls(&import.rows, &self.options.lists, underway).await?;
        settled(&import.rows, sent, &mut import.outcomes);
        Ok(())
    }

    /// The file of the changes that come next, as many as one may have; of those among them that a file cannot say, rows for
    /// calls. `None` where no file has anything to say.
    fn next_file(&self, import: &mut Import<'_>) -> Result<Option<Sheet>, ConnectorError> {
        let dates = self.options.api == Api::Import;
        let mut sheet = Sheet::new(&import.columns, &import.definitions, dates, self.file_limits)?;
        let (batch, mut place, mut is_full) = (import.batch, import.from, false);
        batch.each_in(place..batch.len(), &mut |change| {
            if is_full {
                return Ok(());
            }
            import.verb.see(change.verb)?;
            let put = match key_of(self.options.key, change) {
                Err(refused) => Err(refused),
                Ok(key) => {
                    let fit = match &mut sheet {
                        Some(sheet) => sheet.push(Sent { place, key }, change)?,
                        None => Fit::Never,
                    };
                    match fit {
                        Fit::Here => Ok(()),
                        Fit::Next => {
                            is_full = true;
                            return Ok(());
                        }
                        Fit::Never => self.push(&mut import.rows, place, change, &import.definitions),
                    }
                }
            };
            if let Err(refused) = put {
                import.outcomes.set(place, refused);
            }
            place += 1;
            Ok(())
        })?;
        import.from = place;
        Ok(sheet.filter(|sheet| !sheet.sent.is_empty()))
    }

    /// Sends a file and sets what became of its rows; the failure after which nothing else is to begin, where the run ended
    /// before its job did.
    ///
    /// # Errors
    /// A failure before it may have arrived.
    async fn file(
        &self,
        sheet: Sheet,
        underway: &Underway<'_>,
        outcomes: &mut Outcomes,
    ) -> Result<Option<ConnectorError>, ConnectorError> {
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
        let (told, ended) = match told {
            Ok(told) => (told, None),
            Err(error) => {
                (unknown(sent.len(), &error.message), Some(error).filter(|error| error.kind == Kind::Revoked))
            }
        };
        for (sent, outcome) in sent.iter().zip(told) {
            outcomes.set(sent.place, outcome);
        }
        Ok(ended)
    }
}

impl Import<'_> {
    /// What the failure after which nothing else was sent means for all that has no outcome.
    fn left(&mut self, error: &ConnectorError) {
        let reason = error.message.clone();
        let outcome = match error.kind {
            Kind::Ambiguous => Outcome::Unknown { reason },
            _ => Outcome::Deferred { reason },
        };
        for place in 0..self.batch.len() {
            if self.outcomes.get(place).is_none() {
                self.outcomes.set(place, outcome.clone());
            }
        }
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
