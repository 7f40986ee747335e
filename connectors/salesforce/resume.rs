//! The jobs of a batch whose run ended before they did: what has no data is ended, all else is waited for.

use std::collections::HashMap;

use super::encode;
use super::jobs::{Job, State};
use super::lookup;
use super::options::ID;
use super::results::{Keys, NOT_RESULTS, Results, Said};
use super::session::RecordSession;
use super::trail::{Step, Trail};
use super::{answers, errors};
use crate::contract::{
    BatchSource, ConnectorError, OneVerb, Outcome, Outcomes, Receipt, RemoteHandle, Value, Verb,
};

/// What jobs have said of a batch, by place.
struct Heard {
    said: HashMap<usize, Said>,
    /// Every row of every job was spoken of, so that the others were in none.
    is_whole: bool,
}

impl Heard {
    /// Something came after the jobs heard so far of which not all is known: what they left undone may be done by now.
    fn doubt(&mut self) {
        let is_left = |said: &Said| match said {
            Said::Untouched => true,
            Said::Refused(outcome) => errors::is_lock(outcome),
            Said::Saved(..) | Said::Twice => false,
        };
        self.said.retain(|_, said| !is_left(said));
        self.is_whole = false;
    }
}

impl RecordSession {
    /// What became of a batch that went by these jobs.
    ///
    /// # Errors
    /// When Salesforce cannot be asked; nothing is lost then.
    pub(super) async fn resume(
        &self,
        handle: &RemoteHandle,
        batch: &dyn BatchSource,
    ) -> Result<Receipt, ConnectorError> {
        let trail = Trail::read(handle);
        let (verb, keys, values) = self.keys(batch).await?;
        let column = if matches!(verb, Verb::Update | Verb::Delete) { ID } else { &self.key };
        let mut heard = Heard { said: HashMap::new(), is_whole: !trail.by_hand };
        for step in &trail.steps {
            self.hear(step, (&keys, column), &mut heard).await?;
        }
        if trail.by_hand {
            heard.doubt();
        }
        let mut outcomes = Outcomes::new(batch.len());
        let mut unknown = Vec::new();
        for place in 0..batch.len() {
            match heard.said.remove(&place) {
                Some(Said::Saved(id, created)) => {
                    outcomes.set(place, Outcome::Applied { remote_id: Some(id.into()), created });
                }
                Some(Said::Refused(outcome)) if errors::is_lock(&outcome) => {
                    outcomes.set(place, answers::still_locked(*outcome));
                }
                Some(Said::Refused(outcome)) => outcomes.set(place, answers::refused(verb, *outcome)),
                Some(Said::Untouched) => {}
                // In no job: it was not sent. A create is looked for all the same.
                None if heard.is_whole && verb != Verb::Create => {}
                Some(Said::Twice) | None => unknown.push(place),
            }
        }
        self.find(verb, &values, unknown, &mut outcomes).await?;
        Ok(outcomes.receipt())
    }

    /// What the results call each change, and the value of its key.
    async fn keys(&self, batch: &dyn BatchSource) -> Result<(Verb, Keys, Vec<Value>), ConnectorError> {
        let ids = self.ids(batch).await?;
        let (mut verb, mut keys, mut values) = (OneVerb::default(), Keys::default(), Vec::new());
        batch.each(&mut |change| {
            verb.see(change.verb)?;
            let place = values.len();
            let field = change.destination_key.first();
            values.push(field.and_then(|field| field.value.to_value()).unwrap_or(Value::Null));
            let mut text = Vec::new();
            match (ids.get(place).map(Vec::as_slice), field) {
                (Some([id]), _) => text.extend_from_slice(id.as_bytes()),
                (None, Some(field)) => drop(encode::write_plain(field, &mut text)),
                _ => {}
            }
            if !text.is_empty() {
                keys.add(&text, place);
            }
            Ok(())
        })?;
        Ok((verb.get()?, keys, values))
    }

    /// Waits for one job and takes what it says; later jobs have the last word.
    async fn hear(
        &self,
        step: &Step,
        (keys, column): (&Keys, &str),
        heard: &mut Heard,
    ) -> Result<(), ConnectorError> {
        let Some(job) = self.over(step).await? else {
            if step.uploaded {
                heard.doubt();
            }
            return Ok(());
        };
        let mut results = Results::new(keys, column);
        // A job that is not complete does not say how many rows it had.
        let rows = if job.state == State::Complete { job.processed } else { u64::MAX };
        match self.read(&job, usize::MAX, &mut results).await {
            // Such a job must not hold up every run until it is forgotten.
            Err(error) if error.code.as_deref() == Some(NOT_RESULTS) => heard.doubt(),
            Err(error) => return Err(error),
            // Lines of others may be ours, in words that are not.
            Ok(()) if results.foreign() > 0 || (results.len() as u64) < rows => heard.doubt(),
            Ok(()) => {}
        }
        heard.said.extend(results.into_said());
        Ok(())
    }

    /// The job at its end; `None` where it had no data, or is not there any more.
    async fn over(&self, step: &Step) -> Result<Option<Job>, ConnectorError> {
        let job = match self.client.job(&step.id).await {
            Err(error) if errors::is_gone(&error) => return Ok(None),
            job => job?,
        };
        let job = match (job.state, step.uploaded) {
            (State::Open, false) => {
                self.client.abort_job(&job.id).await?;
                return Ok(None);
            }
            (State::Open, true) => self.closed(&job.id).await?,
            _ => job,
        };
        // Nothing ends a job without data but we and those who tidy up.
        if job.state == State::Aborted && !step.uploaded {
            return Ok(None);
        }
        tracing::info!(job = job.id, "a job of an earlier run is waited for");
        self.ended(job).await.map(Some)
    }

    /// Creates of which nobody knows are looked for; all else is sent again in any case.
    async fn find(
        &self,
        verb: Verb,
        values: &[Value],
        unknown: Vec<usize>,
        outcomes: &mut Outcomes,
    ) -> Result<(), ConnectorError> {
        let reason = || "the job's results do not say what became of it".to_owned();
        if verb != Verb::Create {
            unknown.iter().for_each(|place| outcomes.set(*place, Outcome::Unknown { reason: reason() }));
            return Ok(());
        }
        let wanted: Vec<Value> = unknown.iter().map(|place| values[*place].clone()).collect();
        let found = lookup::ids(&self.client, (&self.options.object, &self.key), &wanted).await?;
        for (place, ids) in unknown.into_iter().zip(found) {
            outcomes.set(
                place,
                match ids.as_slice() {
                    [] => Outcome::Deferred { reason: "its job made no record of it".to_owned() },
                    [id] => Outcome::Applied { remote_id: Some(id.clone()), created: None },
                    _ => Outcome::Unknown { reason: reason() },
                },
            );
        }
        Ok(())
    }
}
