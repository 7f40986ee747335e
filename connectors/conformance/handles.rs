//! What a destination must show that stores a handle before each batch: after a crash its own side tells what arrived.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::{Forgetful, Never, is_applied};
use crate::contract::{
    Change, ConnectorError, Destination, Handles, Kind, Outcome, RemoteHandle, RunContext, RunEnd, Session,
    Submitted, Target,
};

/// One destination whose effects can be counted from outside.
pub struct Observed<'a> {
    /// Stores a handle before each batch.
    pub destination: &'a dyn Destination,
    /// What the changes are sent to.
    pub target: Target,
    /// A batch, of the same changes at every call.
    pub changes: fn() -> Vec<Change>,
    /// Changes that have arrived so far, by a look at the other side.
    pub arrived: &'a (dyn Fn() -> usize + Sync),
}

/// Runs all behaviours.
///
/// # Panics
/// At the first that does not hold.
pub async fn run(subject: &Observed<'_>) {
    nothing_arrives_without_a_stored_handle(subject).await;
    nothing_arrives_without_permission(subject).await;
    let handles = a_handle_is_stored_before_anything_arrives(subject).await;
    what_arrived_is_applied_and_what_did_not_is_deferred(subject, handles).await;
}

async fn open(subject: &Observed<'_>, run: &str) -> Box<dyn Session> {
    let context = RunContext::alone(run, "conformance");
    subject.destination.open(&subject.target, context).await.expect("a session")
}

/// Keeps the handles, with what had arrived when each was stored; or refuses them.
struct Store<'a> {
    arrived: &'a (dyn Fn() -> usize + Sync),
    full: bool,
    stored: Mutex<Vec<(RemoteHandle, usize)>>,
}

#[async_trait]
impl Handles for Store<'_> {
    async fn store(&self, handle: &RemoteHandle) -> Result<(), ConnectorError> {
        if self.full {
            return Err(ConnectorError::new(Kind::Internal, "the disk is full"));
        }
        self.stored.lock().expect("no panic before").push((handle.clone(), (self.arrived)()));
        Ok(())
    }
}

async fn nothing_arrives_without_a_stored_handle(subject: &Observed<'_>) {
    let before = (subject.arrived)();
    let session = open(subject, "run-1").await;
    let store = Store { arrived: subject.arrived, full: true, stored: Mutex::default() };
    let error = session.submit(&(subject.changes)(), &store).await.expect_err("the handle was refused");
    assert_eq!(error.message, "the disk is full");
    session.finish(RunEnd::Complete).await.expect("an empty run ends");
    assert_eq!((subject.arrived)(), before);
}

async fn nothing_arrives_without_permission(subject: &Observed<'_>) {
    let before = (subject.arrived)();
    let context = RunContext { permission: Arc::new(Never), ..RunContext::alone("run-0", "conformance") };
    let session = subject.destination.open(&subject.target, context).await.expect("a session");
    let error = session.submit(&(subject.changes)(), &Forgetful).await.expect_err("it was not permitted");
    assert_eq!((error.kind, (subject.arrived)()), (Kind::Revoked, before), "{error:?}");
}

/// The first handle of the batch, and the last.
async fn a_handle_is_stored_before_anything_arrives(subject: &Observed<'_>) -> [RemoteHandle; 2] {
    let (before, changes) = ((subject.arrived)(), (subject.changes)());
    let session = open(subject, "run-2").await;
    let store = Store { arrived: subject.arrived, full: false, stored: Mutex::default() };
    let receipt = match session.submit(&changes, &store).await.expect("delivered") {
        Submitted::Done(receipt) | Submitted::Stopped(receipt, _) => receipt,
        Submitted::Pending(handle) => session.settle(&handle, &changes).await.expect("settled"),
    };
    session.finish(RunEnd::Complete).await.expect("the run ends");
    assert!(receipt.outcomes().iter().all(is_applied), "{receipt:?}");
    assert_eq!((receipt.outcomes().len(), (subject.arrived)() - before), (changes.len(), changes.len()));
    let stored = store.stored.into_inner().expect("no panic before");
    for (_, then) in &stored {
        assert_eq!(*then, before, "something had arrived before the handle was stored");
    }
    [&stored[0], &stored[stored.len() - 1]].map(|(handle, _)| handle.clone())
}

async fn what_arrived_is_applied_and_what_did_not_is_deferred(
    subject: &Observed<'_>,
    [first, last]: [RemoteHandle; 2],
) {
    let before = (subject.arrived)();
    // As after a crash: another session, and changes without fields.
    let bare: Vec<Change> =
        (subject.changes)().into_iter().map(|change| Change { fields: Vec::new(), ..change }).collect();
    let session = open(subject, "run-3").await;
    let receipt = session.settle(&last, &bare).await.expect("settled");
    assert!(
        receipt.outcomes().len() == bare.len() && receipt.outcomes().iter().all(is_applied),
        "{receipt:?}"
    );
    let never = RemoteHandle(first.0.replace("run-2", "run-1"));
    let receipt = session.settle(&never, &bare).await.expect("settled");
    let is_deferred = |outcome: &Outcome| matches!(outcome, Outcome::Deferred { .. });
    assert!(
        receipt.outcomes().len() == bare.len() && receipt.outcomes().iter().all(is_deferred),
        "{receipt:?}"
    );
    assert_eq!((subject.arrived)(), before, "settling sends nothing");
}
