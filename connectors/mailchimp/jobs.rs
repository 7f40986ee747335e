//! Many upserts by batches of operations, which Mailchimp works through by itself. Each operation is the call on one
//! member, named by the hash of its address, and its own answer in the results is its outcome.
//!
//! Facts: `POST /batches` and `GET /batches/{id}` of the vendor's own client: `operations: [{method, path, params,
//! body, operation_id}]`, and `status` `pending`, `preprocessing`, `started`, `finalizing` or `finished`. A request may
//! have 1,000 operations, by a collection of Mailchimp's limits; its own pages name no number that we know.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value as Json, json};
use tokio::sync::OnceCell;

use super::encode::{Rows, hash, key};
use super::errors;
use super::results::{Operation, Store};
use super::session::{MemberSession, Told, is_about_row, leave};
use super::upsert::{NOT_RESTORED, Shown, half, not_named, shown};
use crate::contract::{
    BatchSource, ConnectorError, Handles, Kind, Outcome, Outcomes, Permission, Receipt, RemoteHandle, Verb,
    Window,
};
use crate::http::Patience;
use crate::http::json::text;

/// Operations of one request.
pub(super) const OPERATIONS: usize = 1000;

/// Clocks may differ by so many seconds.
const SKEW: i64 = 300;

/// What all batches of a session know of batches of operations.
pub(super) struct Jobs {
    /// The mapping can go by them.
    pub(super) allowed: bool,
    pub(super) patience: Patience,
    pub(super) store: Store,
    pub(super) permission: Arc<dyn Permission>,
    /// When an earlier run may have started some that nobody knows.
    pub(super) unsettled: Option<Window>,
    /// They have ended, so that nothing of them comes after what is sent now.
    pub(super) quiet: OnceCell<()>,
}

impl MemberSession {
    /// Sends these rows by as many requests as their number needs and sets their outcomes.
    ///
    /// # Errors
    /// A failure before any row had or may have had an effect.
    pub(super) async fn by_batches(
        &self,
        (rows, open): (&Rows, Vec<usize>),
        handles: &dyn Handles,
        told: &mut Told,
    ) -> Result<(), ConnectorError> {
        let mut started = Vec::new();
        for run in open.chunks(OPERATIONS) {
            if !self.run((rows, run), (handles, &mut started), told).await? {
                break;
            }
        }
        Ok(())
    }

    /// One request; whether more may be sent.
    async fn run(
        &self,
        (rows, run): (&Rows, &[usize]),
        (handles, started): (&dyn Handles, &mut Vec<String>),
        told: &mut Told,
    ) -> Result<bool, ConnectorError> {
        let id = match self.client.start(self.operations(rows, run)).await {
            Ok(id) => id,
            // Refused whole, it did nothing; each member's own call says what is wrong with it.
            Err(error) if error.kind == Kind::Rejected => {
                return self.alone(rows, run.to_vec(), told).await;
            }
            Err(error) if error.kind == Kind::Ambiguous => {
                unknown(rows, run, &error, told);
                return Ok(true);
            }
            Err(error) => {
                let places: Vec<usize> = run.iter().map(|row| rows.sent(*row).place).collect();
                return leave(&places, error, told).map(|()| false);
            }
        };
        started.push(id.clone());
        if let Err(error) = handles.store(&RemoteHandle(started.join(","))).await {
            // A batch that nobody writes down is one too many already.
            unknown(rows, run, &error, told);
            told.stopped = Some(error);
            return Ok(false);
        }
        let results = match self.results(&id).await {
            Ok(results) => results,
            Err(error) => {
                unknown(rows, run, &error, told);
                if must_stop(&error) {
                    told.stopped = Some(error);
                }
                return Ok(told.stopped.is_none());
            }
        };
        for row in run {
            let sent = rows.sent(*row);
            let outcome = match judged(results.get(&sent.hash), &sent.email) {
                Some(outcome) => outcome,
                None => self.brought_back(rows, *row, told).await,
            };
            told.outcomes.set(sent.place, outcome);
        }
        Ok(told.stopped.is_none())
    }

    /// What comes of a row whose member is written and archived. After a failure that is not about a row no other
    /// member is brought back.
    async fn brought_back(&self, rows: &Rows, row: usize, told: &mut Told) -> Outcome {
        if !self.may_restore(rows.sent(row)) {
            return half(NOT_RESTORED);
        }
        if let Some(error) = &told.stopped {
            return half(&error.message);
        }
        match self.restored(rows, row).await {
            Ok(outcome) => outcome,
            Err(error) => {
                let outcome = half(&error.message);
                if !is_about_row(&error) {
                    told.stopped = Some(error);
                }
                outcome
            }
        }
    }

    fn operations(&self, rows: &Rows, run: &[usize]) -> Vec<u8> {
        let operations = run.iter().map(|row| {
            let hash = &rows.sent(*row).hash;
            let body = String::from_utf8_lossy(&rows.single(*row, Verb::Upsert)).into_owned();
            let mut operation = json!({
                "method": "PUT", "path": self.list.member(hash, ""), "operation_id": hash, "body": body,
            });
            if self.list.skip_merge_validation {
                operation["params"] = json!({"skip_merge_validation": "true"});
            }
            operation
        });
        json!({"operations": operations.collect::<Vec<_>>()}).to_string().into_bytes()
    }

    /// Waits for the end of a batch and fetches its results, by the ids of its operations.
    async fn results(&self, id: &str) -> Result<HashMap<String, Operation>, ConnectorError> {
        let ended = self.ended(id).await?;
        self.fetched(&ended).await
    }

    /// Fetches the results of a batch that has ended.
    async fn fetched(&self, ended: &Json) -> Result<HashMap<String, Operation>, ConnectorError> {
        match text(ended, "response_body_url").filter(|url| !url.is_empty()) {
            Some(url) => self.jobs.store.fetch(&url).await,
            None => Err(errors::VENDOR.not_understood("a batch that has ended names no results")),
        }
    }

    /// Waits for the end of a batch, asking less and less often.
    ///
    /// # Errors
    /// [`Kind::Revoked`] where the run ends before; [`errors::is_absent`] for a batch that is not there.
    async fn ended(&self, id: &str) -> Result<Json, ConnectorError> {
        tokio::select! {
            ended = self.asked_until_ended(id) => ended,
            () = self.jobs.permission.closing() => {
                Err(ConnectorError::new(Kind::Revoked, "the run ended before Mailchimp's batch did"))
            }
        }
    }

    async fn asked_until_ended(&self, id: &str) -> Result<Json, ConnectorError> {
        let patience = self.jobs.patience;
        let (begun, mut pause) = (Instant::now(), patience.first);
        loop {
            tokio::time::sleep(pause).await;
            let batch = self.client.batch(id).await?;
            let status = text(&batch, "status").unwrap_or_default();
            if status.eq_ignore_ascii_case("finished") {
                return Ok(batch);
            }
            if begun.elapsed() > patience.whole {
                let message = format!("Mailchimp's batch `{id}` is `{status}` for too long to be waited for");
                return Err(ConnectorError::new(Kind::Unavailable, message));
            }
            pause = (pause * 2).min(patience.longest);
        }
    }

    /// What batches that an earlier run left came to, by the addresses of its rows.
    ///
    /// # Errors
    /// Where the run may not go on, or whether a batch has ended cannot be asked: it may be at work still.
    pub(super) async fn settled(
        &self,
        handle: &RemoteHandle,
        batch: &dyn BatchSource,
    ) -> Result<Receipt, ConnectorError> {
        let mut results = HashMap::new();
        for id in handle.0.split(',').filter(|id| !id.is_empty()) {
            let found = match self.ended(id).await {
                Ok(ended) => self.fetched(&ended).await,
                Err(error) if errors::is_absent(&error) => Err(error),
                Err(error) => return Err(error),
            };
            match found {
                Ok(found) => results.extend(found),
                Err(error) if must_stop(&error) => return Err(error),
                // What it did is not known, and it does no more; its rows go again.
                Err(error) => {
                    tracing::info!(%error, batch = id, "the results of a batch that was left are not to be had");
                }
            }
        }
        let (mut outcomes, mut place) = (Outcomes::new(batch.len()), 0);
        batch.each(&mut |change| {
            let outcome = match key(change) {
                Err(refused) => refused,
                Ok(email) => judged(results.get(&hash(&email)), &email).unwrap_or_else(not_named),
            };
            outcomes.set(place, outcome);
            place += 1;
            Ok(())
        })?;
        Ok(outcomes.receipt())
    }

    /// Waits for the batches that an earlier run may have started without writing their ids down: they would undo what
    /// is sent now.
    ///
    /// # Errors
    /// Where they cannot be asked for, or do not end.
    pub(super) async fn left_ones_end(&self) -> Result<(), ConnectorError> {
        let Some(window) = self.jobs.unsettled else { return Ok(()) };
        for batch in self.client.batches().await? {
            if let (true, Some(id)) = (perhaps_left(&batch, window), text(&batch, "id")) {
                tracing::info!(batch = id, "a batch that an earlier run may have left is waited for");
                // One that is not there any more does nothing.
                if let Err(error) = self.ended(&id).await
                    && !errors::is_absent(&error)
                {
                    return Err(error);
                }
            }
        }
        Ok(())
    }
}

/// Whether a batch may be at work still and may be that of a run of this time. One that does not say when it was
/// submitted may be.
pub(super) fn perhaps_left(batch: &Json, window: Window) -> bool {
    let is_over = text(batch, "status").is_some_and(|status| status.eq_ignore_ascii_case("finished"));
    let submitted = text(batch, "submitted_at").and_then(|time| time.parse::<jiff::Timestamp>().ok());
    let (from, to) = (window.from.as_second() - SKEW, window.to.as_second() + SKEW);
    !is_over && submitted.is_none_or(|submitted| (from..=to).contains(&submitted.as_second()))
}

/// Whether no other batch can be asked for either.
fn must_stop(error: &ConnectorError) -> bool {
    matches!(error.kind, Kind::Revoked | Kind::Auth | Kind::Config | Kind::Quota)
}

/// What an operation's own answer says of its member; `None` where the member is archived.
fn judged(operation: Option<&Operation>, email: &str) -> Option<Outcome> {
    let Some(operation) = operation else {
        return Some(Outcome::Unknown { reason: "the batch's results do not name this member".to_owned() });
    };
    let answer = operation.answer();
    if !answer.is_success() {
        return Some(match errors::judge(&answer) {
            Some(error) if error.kind == Kind::Rejected => errors::outcome(error),
            Some(error) => Outcome::Deferred { reason: error.message },
            None => Outcome::Unknown { reason: format!("its operation was answered with {}", answer.status) },
        });
    }
    match answer.json.as_ref().map(|member| shown(member, email, &hash(email))) {
        Some(Shown::Written(id)) => Some(Outcome::Applied { remote_id: Some(id), created: None }),
        Some(Shown::Archived) => None,
        Some(Shown::Nothing) | None => Some(not_named()),
    }
}

/// The batch may have been, or may still be, at work on these.
fn unknown(rows: &Rows, run: &[usize], error: &ConnectorError, told: &mut Told) {
    for row in run {
        let reason = format!("the batch's result is not known: {}", error.message);
        told.outcomes.set(rows.sent(*row).place, Outcome::Unknown { reason });
    }
}
