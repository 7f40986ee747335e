//! Members that are archived, or removed for good.
//!
//! Facts: `DELETE /lists/{id}/members/{hash}` archives, and answers 405 for a member that "is bounced, pending or
//! archived" (as recorded); `POST .../actions/delete-permanent` of the vendor's own client.

use super::encode::{key, names};
use super::errors::{self, NOT_ALLOWED};
use super::session::{MemberSession, Told, each, put};
use crate::contract::{BatchSource, ConnectorError, Outcome};
use crate::http::Answer;
use crate::http::json::text;

impl MemberSession {
    /// Removes all members of a batch and sets its outcomes.
    ///
    /// # Errors
    /// A failure that is not about a row, as long as no row had or may have had an effect.
    pub(super) async fn remove(
        &self,
        batch: &dyn BatchSource,
        told: &mut Told,
    ) -> Result<(), ConnectorError> {
        let mut members = Vec::with_capacity(batch.len());
        let mut place = 0;
        batch.each(&mut |change| {
            match key(change) {
                Err(refused) => told.outcomes.set(place, refused),
                Ok(email) => members.push((place, names(&email, change.remote_id))),
            }
            place += 1;
            Ok(())
        })?;
        let members = &members;
        let course = each((0..members.len()).collect(), |row| self.removed(&members[row].1)).await;
        put(course, |row| members[row].0, told).map(drop)
    }

    async fn removed(&self, (first, other): &(String, Option<String>)) -> Result<Outcome, ConnectorError> {
        let mut hash = first.as_str();
        let mut answer = self.taken_off(hash).await;
        if let Some(new) = other
            && answer.as_ref().is_err_and(errors::is_absent)
        {
            // It may have its new address already, by an earlier call whose answer was lost.
            hash = new;
            answer = self.taken_off(hash).await;
        }
        let applied = Outcome::Applied { remote_id: Some(hash.to_owned()), created: None };
        match answer {
            Ok(_) => Ok(applied),
            Err(error) if errors::is_absent(&error) => Ok(applied),
            Err(error) if error.code.as_deref() == Some(NOT_ALLOWED) && !self.options.hard_delete => {
                self.not_archivable(hash, error, applied).await
            }
            Err(error) => Err(error),
        }
    }

    async fn taken_off(&self, hash: &str) -> Result<Answer, ConnectorError> {
        match self.options.hard_delete {
            true => self.client.delete(&self.list, hash).await,
            false => self.client.archive(&self.list, hash).await,
        }
    }

    /// The answer to what cannot be archived has one word for three states, of which one is a member still.
    async fn not_archivable(
        &self,
        hash: &str,
        error: ConnectorError,
        applied: Outcome,
    ) -> Result<Outcome, ConnectorError> {
        let member = self.client.member(&self.list, hash).await?;
        Ok(match member.and_then(|member| text(&member, "status")).as_deref() {
            None | Some("archived") => applied,
            Some("cleaned") => Outcome::Skipped {
                reason: "its address bounced: Mailchimp keeps the member and writes to it no more".to_owned(),
            },
            Some(_) => errors::outcome(error),
        })
    }
}
