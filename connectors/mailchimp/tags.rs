//! Tags of members: those that a row names, and a tag as an audience.
//!
//! Facts: `POST /lists/{id}/members/{hash}/tags` with `[{name, status: active | inactive}]` answers 204, or 404 where
//! there is no such member; tags that are not named stay (as recorded). `GET` of the same path, of the vendor's own
//! client.

use async_trait::async_trait;
use serde_json::{Value as Json, json};

use super::client::{Client, List};
use super::encode::{Rows, key, names};
use super::errors;
use super::session::{MemberSession, Told, each, put};
use crate::contract::{BatchSource, ConnectorError, Handles, OneVerb, Outcome, Session, Submitted, Verb};

fn body<'a>(tags: impl Iterator<Item = (&'a str, bool)>) -> Option<Vec<u8>> {
    let status = |active: bool| if active { "active" } else { "inactive" };
    let tags: Vec<Json> =
        tags.map(|(name, active)| json!({"name": name, "status": status(active)})).collect();
    (!tags.is_empty()).then(|| json!({"tags": tags}).to_string().into_bytes())
}

fn untagged(why: &str) -> Outcome {
    Outcome::Unknown { reason: format!("the member was written, but not its tags: {why}") }
}

impl MemberSession {
    /// Puts their tags on the members that were written, unless the batch was stopped. A member without its tags is not
    /// known to be as it was sent.
    pub(super) async fn tag_written(&self, rows: &Rows, told: &mut Told) {
        let has_word = |row: &usize| {
            let sent = rows.sent(*row);
            let tags = sent.tags.as_ref().is_some_and(|tags| !tags.is_empty() || self.options.sync_tags);
            tags && matches!(told.outcomes.get(sent.place), Some(Outcome::Applied { .. }))
        };
        let wanted: Vec<usize> = (0..rows.len()).filter(has_word).collect();
        if let Some(error) = &told.stopped {
            for row in wanted {
                told.outcomes.set(rows.sent(row).place, untagged(&error.message));
            }
            return;
        }
        let done = told.outcomes.clone();
        let course = each(wanted, |row| {
            let was = done.get(rows.sent(row).place).cloned();
            async move {
                let answer = self.tagged(rows, row, was.as_ref()).await;
                answer.map(|()| was.unwrap_or_else(super::upsert::not_named))
            }
        })
        .await;
        for (row, outcome) in course.done {
            told.outcomes.set(
                rows.sent(row).place,
                match outcome {
                    Outcome::Rejected { message, .. } => untagged(&message),
                    Outcome::Unknown { reason } => untagged(&reason),
                    outcome => outcome,
                },
            );
        }
        for row in course.unsent {
            let why = course.stopped.as_ref().map_or("they were not sent", |error| error.message.as_str());
            told.outcomes.set(rows.sent(row).place, untagged(why));
        }
        told.stopped = course.stopped;
    }

    async fn tagged(&self, rows: &Rows, row: usize, was: Option<&Outcome>) -> Result<(), ConnectorError> {
        let sent = rows.sent(row);
        // The address may have changed, and the path of a member with it.
        let now = match was {
            Some(Outcome::Applied { remote_id: Some(id), .. }) => id.as_str(),
            _ => sent.hash.as_str(),
        };
        let wanted = sent.tags.as_deref().unwrap_or_default();
        let there = match self.options.sync_tags {
            true => self.client.tags(&self.list, now).await?,
            false => Vec::new(),
        };
        let gone = there.iter().filter(|name| !wanted.iter().any(|tag| tag.eq_ignore_ascii_case(name)));
        let all =
            wanted.iter().map(|name| (name.as_str(), true)).chain(gone.map(|name| (name.as_str(), false)));
        match body(all) {
            Some(body) => self.client.tag(&self.list, now, body).await.map(drop),
            None => Ok(()),
        }
    }
}

/// Keeps who has one tag.
pub(super) struct TagSession {
    pub(super) client: Client,
    pub(super) list: List,
    pub(super) tag: String,
}

#[async_trait]
impl Session for TagSession {
    async fn submit(
        &self,
        batch: &dyn BatchSource,
        _handles: &dyn Handles,
    ) -> Result<Submitted, ConnectorError> {
        let (mut verb, mut members, mut place) = (OneVerb::default(), Vec::new(), 0);
        let mut told = Told::new(batch.len());
        batch.each(&mut |change| {
            verb.see(change.verb)?;
            let id = change.remote_id.filter(|_| change.verb == Verb::Leave);
            match key(change) {
                Err(refused) => told.outcomes.set(place, refused),
                Ok(email) => members.push((place, names(&email, id))),
            }
            place += 1;
            Ok(())
        })?;
        let joins = verb.joins("a tag")?;
        let members = &members;
        let course = each((0..members.len()).collect(), |row| self.changed(&members[row].1, joins)).await;
        put(course, |row| members[row].0, &mut told)?;
        Ok(told.submitted())
    }
}

impl TagSession {
    async fn changed(
        &self,
        (first, other): &(String, Option<String>),
        joins: bool,
    ) -> Result<Outcome, ConnectorError> {
        let body = body([(self.tag.as_str(), joins)].into_iter()).unwrap_or_default();
        let mut hash = first.as_str();
        let mut answer = self.client.tag(&self.list, hash, body.clone()).await;
        if let Some(new) = other
            && answer.as_ref().is_err_and(errors::is_absent)
        {
            // Its address may have changed since it joined.
            hash = new;
            answer = self.client.tag(&self.list, hash, body).await;
        }
        match answer {
            Ok(_) => Ok(Outcome::Applied { remote_id: Some(hash.to_owned()), created: None }),
            Err(error) if errors::is_absent(&error) && joins => {
                Ok(errors::outcome(error.code(Outcome::OBJECT_NOT_FOUND)))
            }
            Err(error) if errors::is_absent(&error) => {
                Ok(Outcome::Applied { remote_id: None, created: None })
            }
            Err(error) => Err(error),
        }
    }
}
