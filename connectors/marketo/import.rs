//! Very many upserts by imports: files of CSV that Marketo reads later, one after another (`bulk-lead-import.md`). That an import was
//! taken proves nothing of its rows: its end is waited for, and its files of failures and warnings are taken row by row.
//!
//! An import works from the moment in which its file has arrived, and Marketo lists no imports. So what is about to be sent is
//! written down before, and its number as soon as Marketo's answer gives it.

use std::time::Instant;

use jiff::Timestamp;

use super::encode::{self, Rows};
use super::errors::QUEUE_FULL;
use super::jobs::{Told, must_stop};
use super::session::{LeadSession, stopped};
use super::sheet::{File, Sent, Sheet, query};
use super::trail::{Step, Trail};
use crate::contract::{
    BatchSource, ConnectorError, Handles, Kind, OneVerb, Outcome, Outcomes, Receipt, RemoteHandle, Submitted,
    Verb,
};
use crate::rehearsal::point;

impl LeadSession {
    /// Upserts a batch by imports, as far as a file can say it, and the rest by calls.
    ///
    /// # Errors
    /// A failure before anything had or may have had an effect.
    pub(super) async fn import(
        &self,
        batch: &dyn BatchSource,
        handles: &dyn Handles,
    ) -> Result<Submitted, ConnectorError> {
        let mut sheet = Sheet::new(&self.options.key, &self.fields);
        let (mut rows, mut place) = (Rows::default(), 0);
        let (mut verb, mut outcomes) = (OneVerb::default(), Outcomes::new(batch.len()));
        batch.each(&mut |change| {
            verb.see(change.verb)?;
            let pushed = self.key_of(change).and_then(|key| sheet.push(Sent { place, key }, change));
            let pushed = match pushed {
                Ok(true) => Ok(()),
                Ok(false) => self.push(&mut rows, place, change),
                Err(outcome) => Err(outcome),
            };
            if let Err(outcome) = pushed {
                outcomes.set(place, outcome);
            }
            place += 1;
            Ok(())
        })?;
        let (mut trail, mut warned) = (Trail::default(), Vec::new());
        for file in &sheet.files() {
            match self.file(file, (&mut trail, handles), &mut outcomes).await {
                Ok(more) => warned.extend(more),
                Err(error) if trail.0.is_empty() => return Err(error),
                // What was not sent is deferred.
                Err(error) => return Ok(stopped(std::iter::empty(), error, outcomes)),
            }
        }
        self.the_rest(batch, (rows, warned), (outcomes, !trail.0.is_empty())).await
    }

    /// Sends by calls what no file could say, and what an import did not take as it was sent.
    async fn the_rest(
        &self,
        batch: &dyn BatchSource,
        (mut rows, warned): (Rows, Vec<usize>),
        (mut outcomes, has_effect): (Outcomes, bool),
    ) -> Result<Submitted, ConnectorError> {
        for place in &warned {
            batch.each_in(*place..place + 1, &mut |change| {
                if let Err(refused) = self.push(&mut rows, *place, change) {
                    outcomes.set(*place, partly(refused));
                }
                Ok(())
            })?;
        }
        let told = match self.call(Verb::Upsert, &self.options.key, &rows).await {
            Ok(told) => told,
            Err(error) if !has_effect => return Err(error),
            Err(error) => {
                let is_warned = |place: &usize| warned.contains(place);
                return Ok(stopped(rows.places().filter(|place| !is_warned(place)), error, outcomes));
            }
        };
        for (place, outcome) in rows.places().zip(told) {
            let is_warned = warned.contains(&place);
            outcomes.set(place, if is_warned { partly(outcome) } else { outcome });
        }
        self.listed(outcomes, batch.len()).await
    }

    /// Sends a file and sets what became of its rows. Those of which the import warned come back: they go by calls as well.
    ///
    /// # Errors
    /// A failure before it may have arrived.
    async fn file(
        &self,
        file: &File,
        (trail, handles): (&mut Trail, &dyn Handles),
        outcomes: &mut Outcomes,
    ) -> Result<Vec<usize>, ConnectorError> {
        let keys: Vec<&str> = file.sent.iter().map(|sent| sent.key.as_str()).collect();
        let unknown = |reason: &str, outcomes: &mut Outcomes| {
            for sent in &file.sent {
                outcomes.set(sent.place, Outcome::Unknown { reason: reason.to_owned() });
            }
        };
        let id = match self.taken(file, (&mut *trail, handles)).await {
            Ok(id) => id,
            Err(error) if error.kind == Kind::Ambiguous => {
                self.let_alone(&keys, begun_of(trail));
                unknown(
                    &format!("whether Marketo took its import is not known: {}", error.message),
                    outcomes,
                );
                return Ok(Vec::new());
            }
            Err(error) => return Err(error),
        };
        point("marketo.import.taken");
        if let Some(step) = trail.0.last_mut() {
            step.job = Some(id.clone());
        }
        let told = match trail.store(handles).await {
            Ok(()) => {
                point("marketo.import.noted");
                self.told(&id, &keys).await
            }
            Err(error) => Err(error),
        };
        let told = match told {
            Ok(Some(told)) => told,
            Ok(None) => {
                self.let_alone(&keys, begun_of(trail));
                unknown(&not_known(&id), outcomes);
                return Ok(Vec::new());
            }
            Err(error) => {
                self.held.keys(keys.iter().copied(), Timestamp::MAX);
                unknown(&format!("what the import {id} did is not known: {}", error.message), outcomes);
                return Ok(Vec::new());
            }
        };
        let mut warned = Vec::new();
        for (sent, told) in file.sent.iter().zip(told) {
            match told {
                Told::Is(outcome) => outcomes.set(sent.place, outcome),
                Told::Warned(reason) => {
                    let reason = format!("its import warned, and it was not sent again: {reason}");
                    outcomes.set(sent.place, Outcome::Unknown { reason });
                    warned.push(sent.place);
                }
            }
        }
        Ok(warned)
    }

    /// Has Marketo take a file, once there is a place in its queue; the import's number.
    ///
    /// # Errors
    /// [`Kind::Ambiguous`] where it may have taken it; any other kind means that it did not.
    async fn taken(
        &self,
        file: &File,
        (trail, handles): (&mut Trail, &dyn Handles),
    ) -> Result<String, ConnectorError> {
        let (query, first, mut pause) = (query(&self.options), Instant::now(), self.patience.first);
        loop {
            let upload = file.multipart()?;
            trail.0.push(Step::of(Timestamp::now(), file.sent.iter().map(|sent| sent.place)));
            let sent = match trail.store(handles).await {
                Ok(()) => {
                    point("marketo.import.begun");
                    self.client.import(&query, upload).await
                }
                Err(error) => Err(error),
            };
            let error = match sent {
                Ok(id) => return Ok(id),
                Err(error) if error.kind == Kind::Ambiguous => return Err(error),
                Err(error) => error,
            };
            trail.0.pop();
            if let Err(error) = trail.store(handles).await {
                tracing::info!(%error, "that an import was not taken could not be noted");
            }
            let is_full = error.code.as_deref().is_some_and(|code| QUEUE_FULL.contains(&code));
            if !is_full || !self.waits_for_place(first, &mut pause).await? {
                return Err(refused(error));
            }
        }
    }

    /// What became of a batch that went by these imports.
    ///
    /// # Errors
    /// Where the run may not go on, or the instance cannot be asked.
    pub(super) async fn resume(
        &self,
        handle: &RemoteHandle,
        batch: &dyn BatchSource,
    ) -> Result<Receipt, ConnectorError> {
        let trail = Trail::read(handle)?;
        let mut keys: Vec<String> = Vec::with_capacity(batch.len());
        batch.each(&mut |change| {
            keys.push(encode::key_of(&self.options.key, change).unwrap_or_default());
            Ok(())
        })?;
        let mut outcomes = Outcomes::new(batch.len());
        let left = || Outcome::Unknown { reason: "an earlier run may have sent it by a call".to_owned() };
        (0..batch.len()).for_each(|place| outcomes.set(place, left()));
        let mut by_calls = trail.0.iter().map(|step| step.places().count()).sum::<usize>() < batch.len();
        for step in &trail.0 {
            let places: Vec<usize> = step.places().filter(|place| *place < keys.len()).collect();
            let own: Vec<&str> = places.iter().map(|place| keys[*place].as_str()).collect();
            for (place, told) in places.iter().zip(self.of_step(step, &own).await?) {
                outcomes.set(
                    *place,
                    match told {
                        Told::Is(outcome) => outcome,
                        Told::Warned(reason) => {
                            by_calls = true;
                            Outcome::Unknown { reason: format!("its import warned: {reason}") }
                        }
                    },
                );
            }
        }
        if by_calls {
            self.held.calls(Timestamp::now());
        }
        Ok(outcomes.receipt())
    }

    /// An import that began then has these keys, and nobody can ask whether it has ended: they wait for as long as it may take.
    fn let_alone(&self, keys: &[&str], begun: Timestamp) {
        let until = begun.checked_add(self.options.lost_import).unwrap_or(Timestamp::MAX);
        self.held.keys(keys.iter().copied(), until);
    }

    /// What an import of an earlier run says of its rows. Where nobody can know that it has ended, their keys are let alone.
    async fn of_step(&self, step: &Step, keys: &[&str]) -> Result<Vec<Told>, ConnectorError> {
        let unknown = |reason: String| vec![Told::Is(Outcome::Unknown { reason }); keys.len()];
        let Some(id) = &step.job else {
            self.let_alone(keys, step.begun);
            return Ok(unknown("a run ended while it sent the import, whose number is not known".to_owned()));
        };
        tracing::info!(job = id, rows = keys.len(), "an import of an earlier run is waited for");
        match self.told(id, keys).await {
            Ok(Some(told)) => Ok(told),
            Ok(None) => {
                self.let_alone(keys, step.begun);
                Ok(unknown(not_known(id)))
            }
            Err(error) if must_stop(&error) => Err(error),
            Err(error) => {
                self.held.keys(keys.iter().copied(), Timestamp::MAX);
                Ok(unknown(format!("what the import {id} did is not known: {}", error.message)))
            }
        }
    }
}

/// When the import began that was sent last.
fn begun_of(trail: &Trail) -> Timestamp {
    trail.0.last().map_or_else(Timestamp::now, |step| step.begun)
}

fn not_known(id: &str) -> String {
    format!("Marketo does not know the import {id}, or not any more")
}

/// A row of which an import did a part, once it was sent again: a refusal of the rest leaves that part.
fn partly(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Rejected { code, message, .. } => Outcome::Unknown {
            reason: format!(
                "its import may have done a part of it, and Marketo refuses the rest: {code}: {message}"
            ),
        },
        Outcome::Deferred { reason } => {
            Outcome::Unknown { reason: format!("its import may have done a part of it, and then: {reason}") }
        }
        outcome => outcome,
    }
}

/// An import that is refused is about no row.
fn refused(error: ConnectorError) -> ConnectorError {
    match error.kind {
        Kind::Rejected => ConnectorError { kind: Kind::Config, ..error }
            .hint("`api: leads` does without imports; else read the message"),
        _ => error,
    }
}
