//! Delivery of members.

use std::future::Future;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use tokio::sync::OnceCell;

use super::archived::Archived;
use super::client::{Client, List};
use super::creation;
use super::encode::{Reading, Rows};
use super::errors;
use super::fields::{Forms, is_merge_field};
use super::jobs::Jobs;
use super::options::Options;
use crate::contract::{
    BatchSource, ConnectorError, Handles, Kind, OneVerb, Outcome, Outcomes, Receipt, RemoteHandle, Session,
    Submitted, ValueRef, Verb,
};
use crate::creation::Creation;

/// Members of one batch on their way at once, where they go one by one; all batches together keep to the connection's
/// own number.
const AT_ONCE: usize = 8;

pub(super) struct MemberSession {
    pub(super) client: Client,
    pub(super) list: List,
    pub(super) options: Options,
    pub(super) creation: Creation,
    pub(super) archived: Archived,
    pub(super) forms: OnceCell<Forms>,
    pub(super) jobs: Jobs,
}

/// What a look at a batch tells before it is encoded.
#[derive(Default)]
struct Glance {
    verb: OneVerb,
    /// Some value has different forms in different merge fields.
    formed: bool,
}

#[async_trait]
impl Session for MemberSession {
    async fn submit(
        &self,
        batch: &dyn BatchSource,
        handles: &dyn Handles,
    ) -> Result<Submitted, ConnectorError> {
        let mut glance = Glance::default();
        batch.each(&mut |change| {
            glance.verb.see(change.verb)?;
            glance.formed |= change.fields.iter().any(|field| {
                matches!(field.value, ValueRef::Date(_) | ValueRef::Json(_)) && is_merge_field(field.name)
            });
            Ok(())
        })?;
        let verb = glance.verb.get()?;
        // Whichever way this batch goes, an older one that is still at work would undo it.
        self.jobs.quiet.get_or_try_init(|| self.left_ones_end()).await?;
        let mut told = Told::new(batch.len());
        if verb == Verb::Delete {
            self.remove(batch, &mut told).await?;
            return Ok(told.submitted());
        }
        let create = creation::create(&self.client, &self.list, self.creation.missing());
        self.creation.ensure(create).await?;
        let rows = self.encoded(batch, glance.formed, &mut told).await?;
        match verb {
            Verb::Upsert => self.upsert(&rows, handles, &mut told).await?,
            Verb::Create => self.create(&rows, &mut told).await?,
            Verb::Update => self.update(&rows, &mut told).await?,
            _ => return Err(ConnectorError::new(Kind::Internal, "a tag is not among the members")),
        }
        Ok(told.submitted())
    }

    async fn settle(
        &self,
        handle: &RemoteHandle,
        batch: &dyn BatchSource,
    ) -> Result<Receipt, ConnectorError> {
        self.settled(handle, batch).await
    }
}

/// What is told of a batch while it is sent.
pub(super) struct Told {
    pub(super) outcomes: Outcomes,
    changes: usize,
    /// A failure that is not about a row, which came after something had or may have had an effect: nothing more is
    /// sent.
    pub(super) stopped: Option<ConnectorError>,
}

impl Told {
    /// Nothing yet, of so many changes.
    pub(super) fn new(changes: usize) -> Self {
        Told { outcomes: Outcomes::new(changes), changes, stopped: None }
    }

    pub(super) fn submitted(self) -> Submitted {
        match self.stopped {
            Some(error) => Submitted::Stopped(self.outcomes.receipt(), error),
            None => Submitted::Done(self.outcomes.receipt()),
        }
    }
}

/// A failure of the calls on one row.
pub(super) struct Failure {
    pub(super) error: ConnectorError,
    /// What it leaves of the row, where a call before had an effect on it.
    pub(super) outcome: Option<Outcome>,
}

impl From<ConnectorError> for Failure {
    fn from(error: ConnectorError) -> Self {
        Failure { error, outcome: None }
    }
}

/// Whether a failure says something of the row that met it, and nothing of the others.
pub(super) fn is_about_row(error: &ConnectorError) -> bool {
    matches!(error.kind, Kind::Rejected | Kind::Ambiguous)
}

fn of_row(error: ConnectorError) -> Outcome {
    match error.kind {
        Kind::Rejected => errors::outcome(error),
        _ => Outcome::Unknown { reason: error.message },
    }
}

/// What became of rows that went one by one.
pub(super) struct Course {
    pub(super) done: Vec<(usize, Outcome)>,
    /// Not begun after the failure below.
    pub(super) unsent: Vec<usize>,
    /// A failure that is not about a row.
    pub(super) stopped: Option<ConnectorError>,
}

/// Sends these rows, each by itself and several at once. After a failure that is not about a row no other is begun.
pub(super) async fn each<F, R, E>(wanted: Vec<usize>, send: F) -> Course
where
    F: Fn(usize) -> R,
    R: Future<Output = Result<Outcome, E>>,
    E: Into<Failure>,
{
    let stopped = Mutex::new(None);
    let locked = || stopped.lock().unwrap_or_else(PoisonError::into_inner);
    let sent = stream::iter(wanted).map(|row| {
        let (locked, send) = (&locked, &send);
        async move {
            if locked().is_some() {
                return (row, None);
            }
            let answered: Result<Outcome, Failure> = send(row).await.map_err(Into::into);
            match answered {
                Ok(outcome) => (row, Some(outcome)),
                Err(Failure { error, outcome }) if is_about_row(&error) => {
                    (row, Some(outcome.unwrap_or_else(|| of_row(error))))
                }
                Err(Failure { error, outcome }) => {
                    locked().get_or_insert(error);
                    (row, outcome)
                }
            }
        }
    });
    let sent: Vec<(usize, Option<Outcome>)> = sent.buffer_unordered(AT_ONCE).collect().await;
    let (mut done, mut unsent) = (Vec::with_capacity(sent.len()), Vec::new());
    for (row, outcome) in sent {
        match outcome {
            Some(outcome) => done.push((row, outcome)),
            None => unsent.push(row),
        }
    }
    let stopped = locked().take();
    Course { done, unsent, stopped }
}

/// Sets the outcomes of a course, whose rows stand at these places; whether more may be sent.
///
/// # Errors
/// What stopped it, as long as nothing of the batch had or may have had an effect.
pub(super) fn put(
    course: Course,
    place: impl Fn(usize) -> usize,
    told: &mut Told,
) -> Result<bool, ConnectorError> {
    for (row, outcome) in course.done {
        told.outcomes.set(place(row), outcome);
    }
    let Some(error) = course.stopped else { return Ok(true) };
    let unsent: Vec<usize> = course.unsent.into_iter().map(place).collect();
    leave(&unsent, error, told).map(|()| false)
}

/// These places were not sent for this failure, which is the batch's as long as nothing of it had an effect, and else
/// ends it.
///
/// # Errors
/// The failure, where it is the batch's.
pub(super) fn leave(unsent: &[usize], error: ConnectorError, told: &mut Told) -> Result<(), ConnectorError> {
    let harmless = |place| {
        let outcome = told.outcomes.get(place);
        matches!(outcome, None | Some(Outcome::Rejected { .. } | Outcome::Deferred { .. }))
    };
    if (0..told.changes).all(harmless) {
        return Err(error);
    }
    for place in unsent {
        told.outcomes.set(*place, Outcome::Deferred { reason: error.message.clone() });
    }
    told.stopped = Some(error);
    Ok(())
}

impl MemberSession {
    async fn encoded(
        &self,
        batch: &dyn BatchSource,
        formed: bool,
        told: &mut Told,
    ) -> Result<Rows, ConnectorError> {
        let forms = match formed {
            true => self.forms.get_or_try_init(|| self.load_forms()).await?.clone(),
            false => Forms::default(),
        };
        let (resubscribe, status_if_new) = (self.options.resubscribe, self.options.status_if_new.clone());
        let reading = Reading { forms, resubscribe, status_if_new };
        let (mut rows, mut place) = (Rows::default(), 0);
        batch.each(&mut |change| {
            if let Err(refused) = rows.push(place, change, &reading) {
                told.outcomes.set(place, refused);
            }
            place += 1;
            Ok(())
        })?;
        Ok(rows)
    }

    async fn load_forms(&self) -> Result<Forms, ConnectorError> {
        Ok(Forms::of(&self.client.merge_fields(&self.list).await?))
    }
}
