//! Members that are made or changed. Nobody is brought back who left: a member that is there is written by a call that
//! has a status for new ones only (`status_if_new`), unless the mapping says what its status is to be.
//!
//! Facts: `PUT /lists/{id}/members/{hash}` with and without a `status`, and what became of the status, as recorded;
//! `status_if_new` by the vendor's own client: "required only if the email address is not already present on the list".

use super::encode::{Rows, Sent, hash};
use super::errors::{self, ARCHIVED};
use super::session::{Failure, MemberSession, Told, each, put};
use crate::contract::{ConnectorError, Handles, Outcome, Verb, fold};
use crate::http::Answer;
use crate::http::json::text;

/// What an answer says of the one member that was sent.
pub(super) enum Shown {
    /// It is as it was sent; its id.
    Written(String),
    /// It is archived, whatever else was written.
    Archived,
    /// Another member, or none.
    Nothing,
}

/// Reads a member, which must be that with this address, or with this hash where the address is not known.
pub(super) fn shown(member: &serde_json::Value, email: &str, known_as: &str) -> Shown {
    let expected = if email.is_empty() { known_as.to_owned() } else { hash(email) };
    let id = text(member, "id");
    let is_it = id.as_deref() == Some(&expected)
        || text(member, "email_address").is_some_and(|shown| !email.is_empty() && fold(&shown) == email);
    match id {
        Some(_) if is_it && text(member, "status").as_deref() == Some("archived") => Shown::Archived,
        Some(id) if is_it => Shown::Written(id),
        _ => Shown::Nothing,
    }
}

/// Nothing was sent for this row.
fn archived() -> Outcome {
    Outcome::Rejected {
        code: ARCHIVED.to_owned(),
        field: None,
        message: "the member is archived, and `restore_archived` is not set".to_owned(),
    }
}

/// The fields of an archived member were written, and it did not come back.
pub(super) fn half(why: &str) -> Outcome {
    Outcome::Unknown { reason: format!("the member was written, but is archived: {why}") }
}

/// Why a member that was archived meanwhile is left so.
pub(super) const NOT_RESTORED: &str = "`restore_archived` is not set";

pub(super) fn not_named() -> Outcome {
    Outcome::Unknown { reason: "the answer does not show the member that was sent".to_owned() }
}

fn of_answer(answer: &Answer, sent: &Sent) -> Shown {
    answer.json.as_ref().map_or(Shown::Nothing, |member| shown(member, &sent.email, &sent.hash))
}

impl MemberSession {
    /// Upserts all rows and sets their outcomes.
    ///
    /// # Errors
    /// A failure that is not about a row, as long as no row had or may have had an effect.
    pub(super) async fn upsert(
        &self,
        rows: &Rows,
        handles: &dyn Handles,
        told: &mut Told,
    ) -> Result<(), ConnectorError> {
        let open = self.not_archived(rows, told).await?;
        if self.jobs.allowed && self.options.is_much(rows.len()) {
            return self.by_batches((rows, open), handles, told).await;
        }
        // Whose status is the row's to say is written as it stands; the others must not be touched by a status.
        let said = |row: &usize| self.options.resubscribe && rows.sent(*row).status.is_some();
        let (said, rest): (Vec<usize>, Vec<usize>) = open.into_iter().partition(said);
        let (known, fresh): (Vec<usize>, Vec<usize>) =
            rest.into_iter().partition(|row| rows.sent(*row).known);
        let mut goes_on = self.together(rows, &said, (true, true), told).await?;
        goes_on = goes_on && self.together(rows, &fresh, (false, true), told).await?;
        let exists = |row: &usize| {
            let outcome = told.outcomes.get(rows.sent(*row).place);
            matches!(outcome, Some(Outcome::Rejected { code, .. }) if code == errors::EXISTS)
        };
        let there: Vec<usize> = fresh.into_iter().filter(exists).collect();
        if goes_on {
            // One that is there may have been made just now, by an earlier call whose answer was lost.
            goes_on = self.alone(rows, there, told).await?;
        } else {
            // Their refusal was a question, and its answer was not followed.
            let reason = || "the member is there, and was not changed yet".to_owned();
            for row in there {
                told.outcomes.set(rows.sent(row).place, Outcome::Deferred { reason: reason() });
            }
        }
        if goes_on {
            self.alone(rows, known, told).await?;
        }
        self.tag_written(rows, told).await;
        Ok(())
    }

    /// Makes all rows' members and sets their outcomes.
    ///
    /// # Errors
    /// As [`Self::upsert`].
    pub(super) async fn create(&self, rows: &Rows, told: &mut Told) -> Result<(), ConnectorError> {
        let open = self.not_archived(rows, told).await?;
        self.together(rows, &open, (false, false), told).await?;
        self.tag_written(rows, told).await;
        Ok(())
    }

    /// Changes all rows' members and sets their outcomes.
    ///
    /// # Errors
    /// As [`Self::upsert`].
    pub(super) async fn update(&self, rows: &Rows, told: &mut Told) -> Result<(), ConnectorError> {
        let course = each((0..rows.len()).collect(), |row| self.patched(rows, row)).await;
        put(course, |row| rows.sent(row).place, told)?;
        self.tag_written(rows, told).await;
        Ok(())
    }

    /// Whether this row's member is brought back where it is archived. A row that may say what its member's status is
    /// to be says so of an archived one as well.
    pub(super) fn may_restore(&self, sent: &Sent) -> bool {
        self.options.restore_archived || (self.options.resubscribe && sent.status.is_some())
    }

    /// The rows whose members are not archived, or may be brought back; the others are refused.
    async fn not_archived(&self, rows: &Rows, told: &mut Told) -> Result<Vec<usize>, ConnectorError> {
        let mut open = Vec::with_capacity(rows.len());
        for row in 0..rows.len() {
            let sent = rows.sent(row);
            let may = self.may_restore(sent);
            match !may && self.archived.has(&self.client, &self.list, &sent.hash).await? {
                true => told.outcomes.set(sent.place, archived()),
                false => open.push(row),
            }
        }
        Ok(open)
    }

    /// Writes each of these by a call of its own; whether more may be sent.
    pub(super) async fn alone(
        &self,
        rows: &Rows,
        wanted: Vec<usize>,
        told: &mut Told,
    ) -> Result<bool, ConnectorError> {
        let course = each(wanted, |row| self.written(rows, row)).await;
        put(course, |row| rows.sent(row).place, told)
    }

    async fn written(&self, rows: &Rows, row: usize) -> Result<Outcome, Failure> {
        let sent = rows.sent(row);
        let answer = self.client.put(&self.list, &sent.hash, rows.single(row, Verb::Upsert)).await?;
        Ok(match of_answer(&answer, sent) {
            Shown::Written(id) => Outcome::Applied { remote_id: Some(id), created: None },
            Shown::Archived if self.may_restore(sent) => {
                return self.restored(rows, row).await.map_err(|error| {
                    let outcome = Some(half(&error.message));
                    Failure { error, outcome }
                });
            }
            Shown::Archived => half(NOT_RESTORED),
            Shown::Nothing => not_named(),
        })
    }

    /// Brings a member back that was written and is archived, with the status of a new one. Whatever the error, its
    /// fields are written.
    pub(super) async fn restored(&self, rows: &Rows, row: usize) -> Result<Outcome, ConnectorError> {
        let mut body = Vec::new();
        rows.listed(row, &mut body);
        let answer = self.client.post(&self.list, body).await?;
        Ok(match of_answer(&answer, rows.sent(row)) {
            Shown::Written(id) => Outcome::Applied { remote_id: Some(id), created: Some(false) },
            Shown::Archived => half("it did not come back"),
            Shown::Nothing => not_named(),
        })
    }

    async fn patched(&self, rows: &Rows, row: usize) -> Result<Outcome, ConnectorError> {
        let sent = rows.sent(row);
        let body = rows.single(row, Verb::Update);
        let mut answer = self.client.patch(&self.list, &sent.hash, body.clone()).await;
        let new = hash(&sent.email);
        let is_moved = !sent.email.is_empty() && new != sent.hash;
        if is_moved && answer.as_ref().is_err_and(errors::is_absent) {
            // It may have its new address already, by an earlier call whose answer was lost.
            answer = self.client.patch(&self.list, &new, body).await;
        }
        match answer {
            Err(error) if errors::is_absent(&error) => {
                Ok(errors::outcome(error.code(Outcome::OBJECT_NOT_FOUND)))
            }
            answer => {
                let answer = answer?;
                let member = answer.json.as_ref().and_then(|member| text(member, "id"));
                Ok(match (of_answer(&answer, sent), member) {
                    (Shown::Written(id), _) | (Shown::Archived, Some(id)) => {
                        Outcome::Applied { remote_id: Some(id), created: None }
                    }
                    _ => not_named(),
                })
            }
        }
    }
}
