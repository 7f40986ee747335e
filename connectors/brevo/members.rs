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
use super::errors;
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
        let joins = verb.joins("a list")?;
        let (by_id, by_key): (Vec<Sent>, Vec<Sent>) =
            members.into_iter().partition(|m| m.remote_id.is_some());
        let mut parts: Vec<Vec<Sent>> =
            by_id.chunks(MEMBERS).chain(by_key.chunks(MEMBERS)).map(<[Sent]>::to_vec).rev().collect();
        let mut touched = false;
        while let Some(part) = parts.pop() {
            let refused = match self.change(&part, joins, &mut outcomes).await {
                Ok(refused) => refused,
                Err(error) if !touched => return Err(error),
                // The rest was not sent.
                Err(_) => break,
            };
            touched = true;
            let Some((mut left, error)) = refused else { continue };
            match left[..] {
                [ref member] if part.len() == 1 => outcomes.set(member.place, errors::outcome(error)),
                // Which of them it was refused for is not said.
                _ if left.len() == part.len() => {
                    parts.push(left.split_off(left.len() / 2));
                    parts.push(left);
                }
                _ => parts.push(left),
            }
        }
        Ok(Submitted::Done(outcomes.receipt()))
    }
}

impl ListSession {
    /// Changes the members of one call, all of which are named in the same way. Where it was refused whole, those that are
    /// there and not yet as they shall be come back, with the refusal.
    async fn change(
        &self,
        part: &[Sent],
        joins: bool,
        outcomes: &mut Outcomes,
    ) -> Result<Option<(Vec<Sent>, ConnectorError)>, ConnectorError> {
        let (answer, refusal) = match self.client.members(self.list, joins, self.body(part)).await {
            Ok(answer) => (answer, None),
            Err(error) if error.kind == Kind::Rejected => (Json::Null, Some(error)),
            // A call that is repeated after a lost answer finds them changed, and is refused: each is as its contact shows.
            Err(error) if error.kind == Kind::Ambiguous => (Json::Null, None),
            Err(error) => return Err(error),
        };
        let named = |name: &str| -> HashSet<String> {
            list(&answer, name).map(|member| fold(member.as_str().unwrap_or(&member.to_string()))).collect()
        };
        let (done, failed) = (named("success"), named("failure"));
        let (mut silent, mut left) = (None, Vec::new());
        for member in part {
            let name = fold(member.remote_id.as_ref().unwrap_or(&member.key));
            if done.contains(&name) && !failed.contains(&name) {
                let remote_id = member.remote_id.clone();
                outcomes.set(member.place, Outcome::Applied { remote_id, created: None });
                continue;
            }
            // One look-up that fails stands for those after it.
            let outcome = match &silent {
                Some(reason) => Outcome::Unknown { reason: String::clone(reason) },
                None => match self.looked_up(member, joins).await {
                    Ok(Some(outcome)) => outcome,
                    Ok(None) if refusal.is_some() => {
                        left.push(member.clone());
                        continue;
                    }
                    Ok(None) => {
                        Outcome::Unknown { reason: "the answer does not name this member as done".to_owned() }
                    }
                    // What Brevo says of this key alone.
                    Err(error) if error.kind == Kind::Rejected => errors::outcome(error),
                    Err(error) => {
                        silent = Some(error.message.clone());
                        Outcome::Unknown { reason: error.message }
                    }
                },
            };
            outcomes.set(member.place, outcome);
        }
        Ok(refusal.filter(|_| !left.is_empty()).map(|refusal| (left, refusal)))
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

    /// What became of a contact that the answer does not name as done; `None` where it is there and not as it shall be.
    async fn looked_up(&self, member: &Sent, joins: bool) -> Result<Option<Outcome>, ConnectorError> {
        let Some(contact) = self.client.contact(self.key, member).await? else {
            let message = format!("there is no contact with this `{}`", self.key.field());
            return Ok(Some(match joins {
                true => self.refused(Outcome::OBJECT_NOT_FOUND, message),
                false => Outcome::Applied { remote_id: None, created: None },
            }));
        };
        let is_on = list(&contact, "listIds").any(|id| id.as_u64() == Some(self.list));
        let applied = Outcome::Applied { remote_id: text(&contact, "id"), created: None };
        Ok((is_on == joins).then_some(applied))
    }

    fn refused(&self, code: &str, message: String) -> Outcome {
        Outcome::Rejected { code: code.to_owned(), field: Some(self.key.field().to_owned()), message }
    }
}
