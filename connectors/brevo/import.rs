//! Many upserts by one import. That an import was taken, and that it ended, proves no contact: Brevo skips an invalid
//! address and drops an unknown attribute without a word. So the contacts are read back, and each that does not show what
//! was sent is sent by a request of its own, whose answer says what is wrong with it.
//!
//! Facts: `POST /contacts/import` and `GET /processes/{id}` (<https://developers.brevo.com/reference/import-contacts>,
//! <https://developers.brevo.com/reference/get-process>).

use std::ops::Range;
use std::time::Instant;

use super::encode::{Rows, list_ids};
use super::session::ContactSession;
use super::{errors, readback};
use crate::contract::{ConnectorError, Handles, Kind, Outcome, Outcomes, Receipt, RemoteHandle, Verb};

/// What a process's word for its status means. The vendor's pages name all six; its client knows only three of them.
const STATUS: [(&str, bool); 6] = [
    ("queued", false),
    ("in_process", false),
    ("processing", false),
    ("completed", true),
    ("failed", true),
    ("cancelled", true),
];

/// Whether a process has ended; one whose word is not known may go on.
fn has_ended(status: &str) -> bool {
    STATUS.iter().any(|(word, ended)| *ended && word.eq_ignore_ascii_case(status))
}

/// Whether a question had no room within its hour; a day that is used up does not come back in time.
fn is_hourly(error: &ConnectorError) -> bool {
    error.kind == Kind::Quota && !error.code.as_deref().is_some_and(|code| code.starts_with("DAILY"))
}

/// What is known of a row that an import left open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trace {
    /// It was in no import that was taken.
    None,
    /// It was in one, and its contact is not shown.
    Unseen,
    /// It was in one, and its contact is shown with other values: some of the row's may be the import's work.
    Seen,
}

impl ContactSession {
    /// Imports all rows, in as many requests as their bytes need, and sets their outcomes.
    ///
    /// # Errors
    /// A failure before any row had or may have had an effect.
    pub(super) async fn import(
        &self,
        rows: &Rows,
        handles: &dyn Handles,
        outcomes: &mut Outcomes,
    ) -> Result<(), ConnectorError> {
        let frame = OPEN.len() + close(&self.options.lists, false).len();
        let mut processes = Vec::new();
        for run in rows.items().cut(usize::MAX, self.options.max_bytes, frame) {
            let fits = rows.items().item(run.start).len() + frame <= self.options.max_bytes;
            let open: Vec<(usize, Trace)> = match fits {
                true => self.run(rows, run.clone(), (handles, &mut processes), outcomes).await?,
                false => run.clone().map(|row| (row, Trace::None)).collect(),
            };
            if !open.is_empty() {
                tracing::info!(
                    imported = run.len() - open.len(),
                    unconfirmed = open.len(),
                    "contacts read back"
                );
                self.alone(rows, &open, outcomes).await?;
            }
        }
        Ok(())
    }

    /// Sends what an import left open row by row. A row that was in it is not known to be as it was before, whatever keeps
    /// its own request from being sent; nor is one that is refused after the import did a part of it.
    async fn alone(
        &self,
        rows: &Rows,
        open: &[(usize, Trace)],
        outcomes: &mut Outcomes,
    ) -> Result<(), ConnectorError> {
        for (row, _) in open.iter().filter(|(_, trace)| *trace != Trace::None) {
            let reason = "the import may have done a part of it, and it was not sent alone".to_owned();
            outcomes.set(rows.sent(*row).place, Outcome::Unknown { reason });
        }
        self.each(Verb::Upsert, rows, open.iter().map(|(row, _)| *row).collect(), outcomes).await?;
        for (row, _) in open.iter().filter(|(_, trace)| *trace == Trace::Seen) {
            let place = rows.sent(*row).place;
            if let Some(Outcome::Rejected { code, message, .. }) = outcomes.get(place) {
                let reason = format!(
                    "the import may have done a part of it, and Brevo refuses the rest: {code}: {message}"
                );
                outcomes.set(place, Outcome::Unknown { reason });
            }
        }
        Ok(())
    }

    /// Imports these rows and sets the outcomes of those that are shown as sent, or known to nobody. The others come back.
    async fn run(
        &self,
        rows: &Rows,
        run: Range<usize>,
        (handles, processes): (&dyn Handles, &mut Vec<String>),
        outcomes: &mut Outcomes,
    ) -> Result<Vec<(usize, Trace)>, ConnectorError> {
        let since = readback::since();
        let close = close(&self.options.lists, rows.are_alike(run.clone()));
        let process = match self.client.import(rows.items().body(OPEN, run.clone(), &close)).await {
            Ok(process) => process,
            Err(error) if error.kind == Kind::Rejected => {
                return Ok(run.map(|row| (row, Trace::None)).collect());
            }
            Err(error) if error.kind == Kind::Ambiguous => {
                unknown(rows, run, &error, outcomes);
                return Ok(Vec::new());
            }
            Err(error) => {
                let places: Vec<usize> = run.map(|row| rows.sent(row).place).collect();
                return self.leave(rows, &places, error, outcomes).map(|()| Vec::new());
            }
        };
        // A later run waits for its end, so that it does not undo what is sent then.
        processes.push(process.to_string());
        let shown = match handles.store(&RemoteHandle(processes.join(","))).await {
            Ok(()) => match self.wait(process).await {
                Ok(()) => readback::read(&self.client, (rows, run.clone()), &self.options.lists, since).await,
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        let shown = match shown {
            Ok(shown) => shown,
            Err(error) => {
                unknown(rows, run, &error, outcomes);
                return Ok(Vec::new());
            }
        };
        let mut open = Vec::new();
        for row in run {
            let sent = rows.sent(row);
            match shown.get(&sent.key) {
                Some(Some(id)) => {
                    let applied = Outcome::Applied { remote_id: Some(id.clone()), created: None };
                    outcomes.set(sent.place, applied);
                }
                Some(None) => open.push((row, Trace::Seen)),
                None => open.push((row, Trace::Unseen)),
            }
        }
        Ok(open)
    }

    /// Waits for the end of imports that an earlier run left. What they did is not looked at: each row is sent again.
    ///
    /// # Errors
    /// Where the run may not go on, or the account cannot be asked.
    pub(super) async fn ended(
        &self,
        handle: &RemoteHandle,
        changes: usize,
    ) -> Result<Receipt, ConnectorError> {
        let mut reason = "its import was left by an earlier run".to_owned();
        for process in handle.0.split(',').filter_map(|process| process.parse().ok()) {
            match self.wait(process).await {
                Ok(()) => {}
                // One that Brevo has forgotten is at work no more.
                Err(error) if errors::is_absent(&error) => {}
                Err(error)
                    if matches!(error.kind, Kind::Revoked | Kind::Auth | Kind::Config | Kind::Quota) =>
                {
                    return Err(error);
                }
                Err(error) => reason = error.message,
            }
        }
        Ok(Receipt::uniform(changes, Outcome::Unknown { reason }))
    }

    /// Waits for the end of a process, asking less and less often: such questions have a narrow limit of their own.
    async fn wait(&self, process: u64) -> Result<(), ConnectorError> {
        tokio::select! {
            ended = self.asked_until_ended(process) => ended,
            () = self.permission.closing() => {
                Err(ConnectorError::new(Kind::Revoked, "the run ended before Brevo's import did"))
            }
        }
    }

    async fn asked_until_ended(&self, process: u64) -> Result<(), ConnectorError> {
        let (begun, mut pause) = (Instant::now(), self.patience.first);
        loop {
            tokio::time::sleep(pause).await;
            let status = match self.client.process(process).await {
                Ok(status) => status,
                // The hour's questions are used up, by other imports too; as the hour goes on there is room again.
                Err(error) if is_hourly(&error) && begun.elapsed() <= self.patience.whole => {
                    pause = self.patience.longest;
                    continue;
                }
                Err(error) => return Err(error),
            };
            if has_ended(&status) {
                tracing::debug!(process, status, "import ended");
                return Ok(());
            }
            if begun.elapsed() > self.patience.whole {
                let message = format!("Brevo's import {process} is `{status}` for too long to be waited for");
                return Err(ConnectorError::new(Kind::Unavailable, message));
            }
            pause = (pause * 2).min(self.patience.longest);
        }
    }
}

const OPEN: &str = "{\"jsonBody\":[";

/// The end of an import's body. Whether an attribute that a row leaves out, beside rows that name it, counts as empty stands
/// in no document that we know; so only rows `alike` empty what they name empty.
fn close(lists: &[u64], alike: bool) -> String {
    format!(
        "]{},\"updateExistingContacts\":true,\"emptyContactsAttributes\":{alike},\"disableNotification\":true}}",
        list_ids(lists)
    )
}

/// The import may have been, or may still be, at work on these.
fn unknown(rows: &Rows, run: Range<usize>, error: &ConnectorError, outcomes: &mut Outcomes) {
    for row in run {
        let reason = format!("the import's result is not known: {}", error.message);
        outcomes.set(rows.sent(row).place, Outcome::Unknown { reason });
    }
}

#[cfg(test)]
mod tests {
    use super::{has_ended, is_hourly};
    use crate::contract::{ConnectorError, Kind};

    #[test]
    fn an_hour_passes_and_a_day_does_not() {
        let spent = || ConnectorError::new(Kind::Quota, "no room");
        assert!(is_hourly(&spent()) && is_hourly(&spent().code("too_many_requests")));
        assert!(!is_hourly(&spent().code("DAILY")) && !is_hourly(&spent().code("DAILY_BUDGET")));
        assert!(!is_hourly(&ConnectorError::new(Kind::Auth, "no")));
    }

    #[test]
    fn only_a_known_word_ends_a_process() {
        for (word, ended) in
            [("queued", false), ("in_process", false), ("completed", true), ("failed", true), ("done", false)]
        {
            assert_eq!(has_ended(word), ended, "{word}");
        }
    }
}
