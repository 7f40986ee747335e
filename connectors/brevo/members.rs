//! Members of a list. Contacts are found by their match key, or taken off by the id that is known of them.
//!
//! Facts: `POST /contacts/lists/{listId}/contacts/add` and `/remove` take up to 150 contacts and answer with those that
//! succeeded and failed (<https://developers.brevo.com/reference/add-contact-to-list>). Why one failed is not said, and one
//! that is on the list already fails too, so those are looked up.

use std::collections::HashSet;

use async_trait::async_trait;
use serde_json::{Value as Json, json};

use super::client::Client;
use super::encode::Sent;
use super::options::Key;
use crate::contract::{
    BatchSource, ConnectorError, Handles, Kind, OneVerb, Outcome, Outcomes, Session, Submitted, Verb, fold,
};
use crate::http::json::{list, text};

/// Contacts of one call.
pub(super) const MEMBERS: usize = 150;

pub(super) struct ListSession {
    pub(super) client: Client,
    pub(super) key: Key,
    pub(super) list: u64,
}

#[async_trait]
impl Session for ListSession {
    async fn submit(
        &self,
        batch: &dyn BatchSource,
        _handles: &dyn Handles,
    ) -> Result<Submitted, ConnectorError> {
        let (mut verb, mut members, mut place) = (OneVerb::default(), Vec::new(), 0);
        let mut outcomes = Outcomes::new(batch.len());
        batch.each(&mut |change| {
            verb.see(change.verb)?;
            let key = change.destination_key.first().map(|key| key.value.to_string()).unwrap_or_default();
            let remote_id = change.remote_id.filter(|_| change.verb == Verb::Leave).map(str::to_owned);
            if remote_id.is_none() && key.is_empty() {
                outcomes.set(place, self.refused("KEY_EMPTY", "the match key is empty".to_owned()));
            } else {
                members.push(Sent { place, key, remote_id });
            }
            place += 1;
            Ok(())
        })?;
        let joins = match verb.get()? {
            Verb::Join => true,
            Verb::Leave => false,
            _ => return Err(ConnectorError::new(Kind::Internal, "a list takes members only")),
        };
        let (by_id, by_key): (Vec<Sent>, Vec<Sent>) =
            members.into_iter().partition(|m| m.remote_id.is_some());
        let mut touched = false;
        for part in by_id.chunks(MEMBERS).chain(by_key.chunks(MEMBERS)) {
            match self.change(part, joins, &mut outcomes).await {
                Ok(()) => touched = true,
                Err(error) if !touched => return Err(error),
                // The rest was not sent.
                Err(_) => break,
            }
        }
        Ok(Submitted::Done(outcomes.receipt()))
    }
}

impl ListSession {
    /// Changes the members of one call, all of which are named in the same way.
    async fn change(
        &self,
        part: &[Sent],
        joins: bool,
        outcomes: &mut Outcomes,
    ) -> Result<(), ConnectorError> {
        let answer = match self.client.members(self.list, joins, self.body(part)).await {
            Ok(answer) => answer,
            // None of them could be changed, or nobody knows: a call that is repeated after a lost answer finds them
            // changed, and is refused. Each is as its contact shows.
            Err(error) if matches!(error.kind, Kind::Rejected | Kind::Ambiguous) => Json::Null,
            Err(error) => return Err(error),
        };
        let named = |name: &str| -> HashSet<String> {
            list(&answer, name).map(|member| fold(member.as_str().unwrap_or(&member.to_string()))).collect()
        };
        let (done, failed) = (named("success"), named("failure"));
        let mut silent = None;
        for member in part {
            let name = fold(member.remote_id.as_ref().unwrap_or(&member.key));
            let outcome = match done.contains(&name) && !failed.contains(&name) {
                true => Outcome::Applied { remote_id: member.remote_id.clone(), created: None },
                // One look-up that fails stands for those after it.
                false => match &silent {
                    Some(reason) => Outcome::Unknown { reason: String::clone(reason) },
                    None => self.looked_up(member, joins).await.unwrap_or_else(|error| {
                        silent = Some(error.message.clone());
                        Outcome::Unknown { reason: error.message }
                    }),
                },
            };
            outcomes.set(member.place, outcome);
        }
        Ok(())
    }

    fn body(&self, part: &[Sent]) -> Vec<u8> {
        let keys = || part.iter().map(|member| member.key.as_str()).collect::<Vec<_>>();
        let ids: Option<Vec<&str>> = part.iter().map(|member| member.remote_id.as_deref()).collect();
        let body = match (ids, self.key) {
            (Some(ids), _) => {
                json!({"ids": ids.iter().filter_map(|id| id.parse::<u64>().ok()).collect::<Vec<_>>()})
            }
            (None, Key::Email) => json!({"emails": keys()}),
            (None, Key::ExtId) => json!({"extIds": keys()}),
        };
        body.to_string().into_bytes()
    }

    /// What became of a contact that the answer does not name as done.
    async fn looked_up(&self, member: &Sent, joins: bool) -> Result<Outcome, ConnectorError> {
        let Some(contact) = self.client.contact(self.key, member).await? else {
            let message = format!("there is no contact whose `{}` is `{}`", self.key.field(), member.key);
            return Ok(match joins {
                true => self.refused(Outcome::OBJECT_NOT_FOUND, message),
                false => Outcome::Applied { remote_id: None, created: None },
            });
        };
        let is_on = list(&contact, "listIds").any(|id| id.as_u64() == Some(self.list));
        Ok(match is_on == joins {
            true => Outcome::Applied { remote_id: text(&contact, "id"), created: None },
            false => Outcome::Unknown { reason: "the answer does not name this member as done".to_owned() },
        })
    }

    fn refused(&self, code: &str, message: String) -> Outcome {
        Outcome::Rejected { code: code.to_owned(), field: Some(self.key.field().to_owned()), message }
    }
}
