//! The behaviour that every destination must show, run against its emulator in the sandbox: one call per connector.
//!
//! What a destination cannot do by its own capabilities is left out; everything else holds for all of them.

pub mod asynchronous;
mod delivery;
mod faults;
pub mod handles;
mod hostile;
mod lists;
pub mod openapi;
#[cfg(test)]
pub mod rig;
#[cfg(test)]
pub mod support;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value as Json, json};

use crate::contract::{
    Capabilities, Change, ConnectorError, Destination, Handles, Kind, Outcome, Permission, RemoteHandle,
    RunContext, RunEnd, Submitted, Target, Verb,
};
use crate::sandbox::{Sandbox, SandboxConfig, Storage};

/// With what rights a connection is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Those that the sandbox takes.
    Good,
    /// Credentials that the sandbox refuses.
    Bad,
    /// Good ones with a token that is renewed when it expires; asked for only where [`Subject::renews`].
    Renewing,
}

/// How to make a connection: its address below the vendor's prefix, its rights, and the time for one attempt. Pauses
/// between attempts should be some milliseconds.
pub type Connect = fn(base_url: &str, access: Access, timeout: Duration) -> Arc<dyn Destination>;

/// One destination and what to expect of it.
pub struct Subject {
    /// The emulator's name in the sandbox.
    pub vendor: &'static str,
    /// The `sandbox:` block that declares what the changes below need, without limits and faults.
    pub block: Json,
    /// What the changes below are sent to, declared in `block`.
    pub target: Target,
    /// Where there are lists: a target of `mode: audience` for the same objects, declared in `block`. It gets `good` changes.
    pub list: Option<Target>,
    /// The name under which the sandbox shows the target's objects.
    pub shown_as: &'static str,
    /// Connects to an emulated account; called anew for each test.
    pub connect: Connect,
    /// The destination can be connected with a token that is renewed.
    pub renews: bool,
    /// Part of the path of the requests that deliver the changes below.
    pub written_at: &'static str,
    /// A change that the destination accepts, of the record with this number; the same number has the same key.
    pub good: fn(Verb, usize) -> Change,
    /// A record that only the destination can refuse.
    pub refused: fn(Verb, usize) -> Change,
}

/// Runs all behaviours, each in a new sandbox.
///
/// # Panics
/// At the first behaviour that does not hold, naming it.
pub async fn run(subject: &Subject) {
    run_in(subject, 1).await;
}

/// As [`run`], for a destination that works on later what it has taken: it does not send a write again whose answer was lost,
/// for what is left of it could end after what is sent next. What is unknown then goes in another session.
///
/// # Panics
/// As [`run`].
pub async fn run_unrepeated(subject: &Subject) {
    run_in(subject, 3).await;
}

/// `sessions` are those that a change may need where answers are lost, twice at most.
async fn run_in(subject: &Subject, sessions: usize) {
    delivery::one_outcome_per_change(subject).await;
    delivery::a_repeated_upsert_makes_no_second_object(subject).await;
    delivery::removing_what_is_absent_is_applied(subject).await;
    delivery::an_update_never_creates(subject).await;
    delivery::limits_are_waited_out(subject).await;
    delivery::bad_credentials_stop_at_once(subject).await;
    delivery::nothing_is_written_without_permission(subject).await;
    faults::an_answer_lost_once_is_made_good(subject).await;
    faults::an_answer_never_understood_is_never_a_refusal(subject).await;
    faults::a_create_is_made_once(subject).await;
    faults::a_moment_of_trouble_is_waited_out(subject, sessions).await;
    faults::trouble_without_end_is_no_refusal(subject).await;
    lists::a_list_is_kept(subject, sessions).await;
    hostile::credentials_that_end_stop_the_rest(subject).await;
    hostile::a_token_that_expires_is_renewed_once(subject).await;
    hostile::a_slow_answer_is_waited_for(subject).await;
    hostile::no_window_of_the_server_is_too_full(subject).await;
    hostile::an_endless_error_page_is_left(subject).await;
    hostile::a_redirect_is_not_followed(subject).await;
    hostile::without_tls_nothing_is_sent(subject).await;
}

/// A sandbox and a connection to it.
struct Rig<'a> {
    subject: &'a Subject,
    sandbox: Sandbox,
    destination: Arc<dyn Destination>,
}

/// Enough for any answer on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

impl<'a> Rig<'a> {
    async fn start(subject: &'a Subject, limits: Json, faults: Json) -> Rig<'a> {
        Self::with(subject, limits, faults, (Access::Good, PATIENCE)).await
    }

    async fn with(subject: &'a Subject, limits: Json, faults: Json, how: (Access, Duration)) -> Rig<'a> {
        let mut block = subject.block.clone();
        block["limits"] = limits;
        block["faults"] = faults;
        let mut config = SandboxConfig::default();
        config.add(subject.vendor, &block).expect("the subject's block is valid");
        let sandbox = Sandbox::start(config, Storage::Memory, 0).await.expect("the sandbox starts");
        let destination = (subject.connect)(&format!("{}/{}", sandbox.url(), subject.vendor), how.0, how.1);
        Rig { subject, sandbox, destination }
    }

    fn supports(&self, verb: Verb) -> bool {
        self.capabilities(&self.subject.target).supports(verb)
    }

    fn capabilities(&self, target: &Target) -> Capabilities {
        self.destination.capabilities(target).expect("the target is known")
    }

    /// Delivers one batch in a session of its own.
    async fn submit(&self, changes: Vec<Change>) -> Result<Vec<Outcome>, ConnectorError> {
        self.submit_in(RunContext::alone("conformance", "conformance"), changes).await
    }

    async fn submit_in(
        &self,
        context: RunContext,
        changes: Vec<Change>,
    ) -> Result<Vec<Outcome>, ConnectorError> {
        submit_in(&*self.destination, &self.subject.target, context, changes).await
    }

    /// Delivers one good record.
    async fn make(&self, number: usize) -> Result<Vec<Outcome>, ConnectorError> {
        self.submit(vec![(self.subject.good)(self.making(), number)]).await
    }

    /// As [`Self::make`], again for as long as nothing is known of the record, in at most so many sessions.
    async fn make_within(&self, sessions: usize) -> Result<Vec<Outcome>, ConnectorError> {
        let mut result = self.make(1).await;
        for _ in 1..sessions {
            if !is_open(&result) {
                break;
            }
            result = self.make(1).await;
        }
        result
    }

    fn making(&self) -> Verb {
        making(&*self.destination, &self.subject.target)
    }

    /// The objects that live in the sandbox.
    async fn living(&self) -> usize {
        let shown = self.sandbox.show().await.expect("the sandbox shows its objects");
        let objects = shown["objects"][self.subject.vendor][self.subject.shown_as].as_array();
        objects.map_or(0, |objects| objects.iter().filter(|object| object["archived"] == false).count())
    }

    fn requests(&self, kind: &str) -> u64 {
        self.sandbox.stats()["requests"][kind].as_u64().expect("a count")
    }

    async fn stop(self) {
        self.sandbox.stop().await;
    }
}

/// The verb that brings an object into being.
fn making(destination: &dyn Destination, target: &Target) -> Verb {
    let capabilities = destination.capabilities(target).expect("the target is known");
    match capabilities.supports(Verb::Upsert) {
        true => Verb::Upsert,
        false => Verb::Create,
    }
}

/// Delivers one batch in a session of its own.
async fn submit_to(
    destination: &dyn Destination,
    target: &Target,
    changes: Vec<Change>,
) -> Result<Vec<Outcome>, ConnectorError> {
    submit_in(destination, target, RunContext::alone("conformance", "conformance"), changes).await
}

async fn submit_in(
    destination: &dyn Destination,
    target: &Target,
    context: RunContext,
    changes: Vec<Change>,
) -> Result<Vec<Outcome>, ConnectorError> {
    let count = changes.len();
    let session = destination.open(target, context).await?;
    let receipt = match session.submit(&changes, &Forgetful).await? {
        Submitted::Done(receipt) | Submitted::Stopped(receipt, _) => receipt,
        Submitted::Pending(handle) => session.settle(&handle, &changes).await?,
    };
    session.finish(RunEnd::Complete).await?;
    assert_eq!(receipt.outcomes().len(), count, "one outcome per change");
    Ok(receipt.into_outcomes())
}

/// Handles are not kept: nothing crashes here.
struct Forgetful;

#[async_trait]
impl Handles for Forgetful {
    async fn store(&self, _: &RemoteHandle) -> Result<(), ConnectorError> {
        Ok(())
    }
}

/// The permission of a run that has lost its lease.
#[derive(Debug)]
struct Never;

#[async_trait]
impl Permission for Never {
    fn check(&self) -> Result<(), ConnectorError> {
        Err(ConnectorError::new(Kind::Revoked, "the lease is gone"))
    }

    async fn closing(&self) {
        std::future::pending().await
    }
}

/// The window is short, because a refusal is waited out for as long as it.
fn no_limits() -> Json {
    json!({"requests": "10000/1s"})
}

fn is_applied(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Applied { .. })
}

/// Whether nothing is claimed about the effect.
fn is_open(result: &Result<Vec<Outcome>, ConnectorError>) -> bool {
    match result {
        Ok(outcomes) => outcomes.iter().all(|outcome| matches!(outcome, Outcome::Unknown { .. })),
        Err(error) => error.kind == Kind::Ambiguous,
    }
}
