//! Many upserts by one import. That an import was taken, and that it ended, proves no contact: Brevo skips an invalid
//! address and drops an unknown attribute without a word. So the contacts are read back, and each that does not show what
//! was sent is sent by a request of its own, whose answer says what is wrong with it.
//!
//! Facts: `POST /contacts/import` and `GET /processes/{id}` (<https://developers.brevo.com/reference/import-contacts>,
//! <https://developers.brevo.com/reference/get-process>).

use std::ops::Range;
use std::time::Instant;

use super::encode::{Rows, list_ids};
use super::readback;
use super::session::ContactSession;
use crate::contract::{ConnectorError, Kind, Outcome, Outcomes, Verb};

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

impl ContactSession {
    /// Imports all rows, in as many requests as their bytes need, and sets their outcomes.
    ///
    /// # Errors
    /// A failure before any row had or may have had an effect.
    pub(super) async fn import(&self, rows: &Rows, outcomes: &mut Outcomes) -> Result<(), ConnectorError> {
        let close = format!(
            "]{},\"updateExistingContacts\":true,\"emptyContactsAttributes\":true,\"disableNotification\":true}}",
            list_ids(&self.options.lists)
        );
        let frame = OPEN.len() + close.len();
        for run in rows.items().cut(usize::MAX, self.options.max_bytes, frame) {
            let fits = rows.items().item(run.start).len() + frame <= self.options.max_bytes;
            let open = match fits {
                true => self.run(rows, run.clone(), &close, outcomes).await?,
                false => run.clone().collect(),
            };
            if !open.is_empty() {
                tracing::info!(
                    imported = run.len() - open.len(),
                    unconfirmed = open.len(),
                    "contacts read back"
                );
                self.each(Verb::Upsert, rows, open, outcomes).await?;
            }
        }
        Ok(())
    }

    /// Imports these rows and sets the outcomes of those that are shown as sent, or known to nobody. The others, which
    /// had no effect as far as can be seen, come back.
    async fn run(
        &self,
        rows: &Rows,
        run: Range<usize>,
        close: &str,
        outcomes: &mut Outcomes,
    ) -> Result<Vec<usize>, ConnectorError> {
        let since = readback::since();
        let process = match self.client.import(rows.items().body(OPEN, run.clone(), close)).await {
            Ok(process) => process,
            Err(error) if error.kind == Kind::Rejected => return Ok(run.collect()),
            Err(error) if error.kind == Kind::Ambiguous => {
                unknown(rows, run, &error, outcomes);
                return Ok(Vec::new());
            }
            Err(error) => {
                let places: Vec<usize> = run.map(|row| rows.sent(row).place).collect();
                return self.leave(rows, &places, error, outcomes).map(|()| Vec::new());
            }
        };
        let shown = match self.wait(process).await {
            Ok(()) => readback::read(&self.client, (rows, run.clone()), &self.options.lists, since).await,
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
                Some(id) => {
                    let applied = Outcome::Applied { remote_id: Some(id.clone()), created: None };
                    outcomes.set(sent.place, applied);
                }
                None => open.push(row),
            }
        }
        Ok(open)
    }

    /// Waits for the end of a process, asking less and less often: such questions have a narrow limit of their own.
    async fn wait(&self, process: u64) -> Result<(), ConnectorError> {
        let (begun, mut pause) = (Instant::now(), self.patience.first);
        loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.permission.closing() => {
                    return Err(ConnectorError::new(Kind::Revoked, "the run ended before Brevo's import did"));
                }
            }
            let status = self.client.process(process).await?;
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

/// The import may have been, or may still be, at work on these.
fn unknown(rows: &Rows, run: Range<usize>, error: &ConnectorError, outcomes: &mut Outcomes) {
    for row in run {
        let reason = format!("the import's result is not known: {}", error.message);
        outcomes.set(rows.sent(row).place, Outcome::Unknown { reason });
    }
}

#[cfg(test)]
mod tests {
    use super::has_ended;

    #[test]
    fn only_a_known_word_ends_a_process() {
        for (word, ended) in
            [("queued", false), ("in_process", false), ("completed", true), ("failed", true), ("done", false)]
        {
            assert_eq!(has_ended(word), ended, "{word}");
        }
    }
}
