//! Delivery by jobs of the Bulk API 2.0: made, given their data in one upload, closed, waited for, and answered for row by row.
//!
//! Until a job is closed nothing of it has an effect; from then on its id is on disk, and a later run takes its results.

use std::collections::BTreeSet;
use std::time::Duration;

use super::encode::Shape;
use super::jobs::{Job, State};
use super::options::Api;
use super::part::Part;
use super::results::{Results, Said};
use super::rows::{Made, Rows};
use super::session::{BATCH, RecordSession};
use super::sheet::{Aside, Plan, Sheet};
use super::trail::Trail;
use super::{answers, errors};
use crate::contract::{
    BatchSource, ConnectorError, Handles, Kind, OneVerb, Outcome, Outcomes, Submitted, Verb,
};

/// Bytes of an upload, its header included: below the 100 MB that the guide advises, because Salesforce counts them in base64.
/// The engine counts a batch's values, and quotes and repeated nulls make a sheet longer than those: what is too much is cut off
/// here, and goes by another job.
pub(super) const BYTES: usize = 90_000_000;

/// So many rows that are left go by collections, which is no more calls than another job.
const FEW: usize = 2_000;

/// How often rows that were locked, or that a job left, are sent again.
const ROUNDS: u32 = 6;

/// A batch on its way.
struct Underway<'a> {
    verb: Verb,
    batch: &'a dyn BatchSource,
    handles: &'a dyn Handles,
    /// By place: ids of the records that each change is for, where it goes by id.
    ids: Vec<Vec<String>>,
    outcomes: Outcomes,
    /// Places that are still to be sent, rising.
    left: Vec<usize>,
    /// Places that no job can have.
    by_hand: Vec<usize>,
    trail: Trail,
    /// Something of the batch has or may have had an effect.
    has_effect: bool,
    /// Times that rows were sent again.
    rounds: u32,
}

impl RecordSession {
    /// The verb of a batch that goes by jobs.
    pub(super) fn goes_by_job(&self, batch: &dyn BatchSource) -> Result<Option<Verb>, ConnectorError> {
        let mut verb = OneVerb::default();
        batch.each_in(0..1, &mut |change| verb.see(change.verb))?;
        let verb = verb.get()?;
        let is_keyed = verb != Verb::Create || !self.key.is_empty();
        let many = match self.options.api {
            Api::Collections => false,
            Api::Auto => batch.len() > BATCH || self.is_hard(verb),
            Api::Bulk => true,
        };
        Ok((many && is_keyed).then_some(verb))
    }

    fn is_hard(&self, verb: Verb) -> bool {
        verb == Verb::Delete && self.options.hard_delete
    }

    pub(super) async fn by_jobs(
        &self,
        verb: Verb,
        batch: &dyn BatchSource,
        handles: &dyn Handles,
    ) -> Result<Submitted, ConnectorError> {
        let ids = match verb {
            Verb::Update | Verb::Delete => self.ids(batch).await?,
            _ => Vec::new(),
        };
        let (outcomes, trail) = (Outcomes::new(batch.len()), Trail::default());
        let mut underway = Underway {
            verb,
            batch,
            handles,
            ids,
            outcomes,
            left: Vec::new(),
            by_hand: Vec::new(),
            trail,
            has_effect: false,
            rounds: 0,
        };
        underway.begin(&self.key);
        while !underway.left.is_empty() && !self.are_few(&underway) {
            if let Err(error) = self.next_job(&mut underway).await {
                return underway.stopped(error);
            }
        }
        self.the_rest(underway).await
    }

    /// Whether what is left of a batch goes by collections.
    fn are_few(&self, underway: &Underway<'_>) -> bool {
        self.options.api == Api::Auto
            && !self.is_hard(underway.verb)
            && underway.has_effect
            && underway.left.len() <= FEW
    }

    /// Sends what is left by one job, as far as one job can have it.
    async fn next_job(&self, underway: &mut Underway<'_>) -> Result<(), ConnectorError> {
        let shape = Shape { object: &self.options.object, key: &self.key, columns: &self.columns };
        let plan = Plan::new(underway.verb, &self.fields, &shape);
        let (left, mut sheet) = (std::mem::take(&mut underway.left), None);
        underway.batch.each_in(left[0]..left[0] + 1, &mut |change| {
            sheet = Some(Sheet::of(&plan, change));
            Ok(())
        })?;
        let Some(sheet) = sheet else { return Err(crate::contract::beyond()) };
        let ids = std::mem::take(&mut underway.ids);
        let rows = Rows::new(underway.batch, &left, &sheet, &ids, self.jobs.bytes);
        let uploaded = self.uploaded(&rows, &sheet, (&mut underway.trail, underway.handles)).await;
        let made = rows.into_made();
        underway.ids = ids;
        let id = match uploaded {
            Ok(id) => id,
            Err(error) => {
                underway.left = left;
                return Err(error);
            }
        };
        if made.keys.len() == 0 {
            // Nothing of these rows can go by a job.
            self.give_up(&id, (&mut underway.trail, underway.handles)).await;
            self.aside(made.aside, underway);
            return Ok(());
        }
        match self.closed(&id).await {
            Ok(job) => {
                underway.has_effect = true;
                self.answered(job, made, &sheet, underway).await
            }
            Err(error) if error.kind == Kind::Ambiguous => {
                underway.has_effect = true;
                underway.lost(&made, &error.message);
                self.aside(made.aside, underway);
                Err(error)
            }
            Err(error) => {
                self.give_up(&id, (&mut underway.trail, underway.handles)).await;
                underway.left = left;
                Err(error)
            }
        }
    }

    /// Waits for a job's end and takes its results.
    async fn answered(
        &self,
        job: Job,
        made: Made,
        sheet: &Sheet,
        underway: &mut Underway<'_>,
    ) -> Result<(), ConnectorError> {
        let mut results = Results::new(&made.keys, &sheet.key);
        let id = job.id.clone();
        let read = async {
            let job = self.ended(job).await?;
            self.read(&job, made.keys.len(), &mut results).await.map(|()| job)
        };
        let job = match read.await {
            Ok(job) => job,
            Err(error) => {
                let reason = format!(
                    "job {id} goes on in Salesforce, and a later run asks for its results: {}",
                    error.message
                );
                underway.lost(&made, &reason);
                self.aside(made.aside, underway);
                return Err(error);
            }
        };
        if results.foreign() > 0 {
            tracing::warn!(
                job = id,
                lines = results.foreign(),
                "a job's results name rows that were not sent"
            );
        }
        let places: BTreeSet<usize> = made.keys.places().collect();
        let untouched = || places.iter().all(|place| results.get(*place) == Some(&Said::Untouched));
        if let (State::Failed, Some(error)) = (job.state, &job.error)
            && errors::is_final(error)
            && untouched()
        {
            underway.left.extend(&places);
            underway.has_effect = underway.trail.steps.len() > 1;
            self.aside(made.aside, underway);
            return Err(errors::of_job(error));
        }
        let mut locked = false;
        for place in &places {
            match results.get(*place) {
                Some(Said::Saved(id, created)) => {
                    let applied = Outcome::Applied { remote_id: Some(id.to_string()), created: *created };
                    underway.outcomes.set(*place, applied);
                }
                Some(Said::Refused(outcome)) if errors::is_lock(outcome) => {
                    underway.outcomes.set(*place, answers::still_locked(Outcome::clone(outcome)));
                    underway.left.push(*place);
                    locked = true;
                }
                Some(Said::Refused(outcome)) => {
                    underway.outcomes.set(*place, answers::refused(underway.verb, Outcome::clone(outcome)));
                }
                Some(Said::Untouched) => {
                    let why = job.error.as_deref().unwrap_or("it was ended");
                    let reason = format!("job {id} left it undone: {}", crate::http::shortened(why));
                    underway.outcomes.set(*place, Outcome::Deferred { reason });
                    underway.left.push(*place);
                }
                Some(Said::Twice) | None => {
                    let reason = format!("the results of job {id} do not say what became of it");
                    underway.outcomes.set(*place, Outcome::Unknown { reason });
                }
            }
        }
        self.again(locked, underway).await;
        self.aside(made.aside, underway);
        Ok(())
    }

    /// Waits before rows that are left are sent again, or lets go of them after too many times.
    async fn again(&self, locked: bool, underway: &mut Underway<'_>) {
        if underway.left.is_empty() {
            return;
        }
        underway.rounds += 1;
        if underway.rounds > ROUNDS {
            // Their outcomes say why.
            return underway.left.clear();
        }
        tracing::info!(rows = underway.left.len(), "rows that a job left are sent again");
        let pause = if locked { self.pause * 2_u32.pow(underway.rounds - 1) } else { Duration::ZERO };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = self.permission.closing() => underway.left.clear(),
        }
    }

    /// What becomes of rows that a job could not have.
    fn aside(&self, aside: Vec<(usize, Aside)>, underway: &mut Underway<'_>) {
        for (place, why) in aside {
            match why {
                Aside::Elsewhere => underway.left.push(place),
                Aside::Never(_) if self.options.api == Api::Auto => underway.by_hand.push(place),
                Aside::Never(outcome) | Aside::Refused(outcome) => underway.outcomes.set(place, outcome),
            }
        }
        underway.left.sort_unstable();
    }

    /// Sends what jobs did not take by collections.
    async fn the_rest(&self, mut underway: Underway<'_>) -> Result<Submitted, ConnectorError> {
        let mut places = std::mem::take(&mut underway.left);
        places.append(&mut underway.by_hand);
        places.sort_unstable();
        if places.is_empty() {
            return Ok(Submitted::Done(underway.outcomes.receipt()));
        }
        if !underway.trail.steps.is_empty() {
            underway.trail.by_hand = true;
            if let Err(error) = underway.trail.store(underway.handles).await {
                underway.left = places;
                return underway.stopped(error);
            }
        }
        match self.by_collections(&Part::new(underway.batch, &places)).await {
            Ok(receipt) => {
                let sent = places.iter().zip(receipt.into_outcomes());
                sent.for_each(|(place, outcome)| underway.outcomes.set(*place, outcome));
                Ok(Submitted::Done(underway.outcomes.receipt()))
            }
            Err(error) if matches!(error.kind, Kind::Ambiguous | Kind::Internal) && underway.has_effect => {
                let unknown = || Outcome::Unknown { reason: error.message.clone() };
                places.iter().for_each(|place| underway.outcomes.set(*place, unknown()));
                underway.stopped(error)
            }
            Err(error) => {
                underway.left = places;
                underway.stopped(error)
            }
        }
    }
}

impl Underway<'_> {
    /// All that has one record to go to, or none yet.
    fn begin(&mut self, key: &str) {
        for place in 0..self.batch.len() {
            match self.ids.get(place).map(Vec::as_slice) {
                None | Some([_]) => self.left.push(place),
                Some([]) => self.outcomes.set(place, answers::absent(self.verb)),
                Some(several) => self.outcomes.set(place, answers::ambiguous(key, several.len())),
            }
        }
    }

    /// Nobody knows of these rows.
    fn lost(&mut self, made: &Made, reason: &str) {
        for place in made.keys.places() {
            self.outcomes.set(place, Outcome::Unknown { reason: reason.to_owned() });
        }
    }

    /// What a failure that is about no row means for the batch: it is the batch's own as long as nothing had an effect.
    /// What is left was not sent, or is known to have had no effect.
    fn stopped(mut self, error: ConnectorError) -> Result<Submitted, ConnectorError> {
        if !self.has_effect {
            return Err(error);
        }
        for place in self.left.iter().chain(&self.by_hand) {
            self.outcomes.set(*place, Outcome::Deferred { reason: error.message.clone() });
        }
        Ok(Submitted::Stopped(self.outcomes.receipt(), error))
    }
}
