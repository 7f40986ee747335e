//! Members of a list. A contact is put on it by an upsert that names the list and all identifiers that the contact has, and
//! taken off by its id; both are looked up first, so that no contact is made.

use async_trait::async_trait;
use serde_json::{Map, Value as Json};

use super::encode::{CALL, Rows, Sent};
use super::jobs::Work;
use super::lookup::{self, Seen};
use super::options::Key;
use super::removal::{self, Found, done};
use super::session::settled;
use super::trail::Underway;
use crate::contract::{
    BatchSource, ConnectorError, Handles, OneVerb, Outcome, Outcomes, Receipt, RemoteHandle, Session,
    Submitted,
};
use crate::http::json::{list, text};

/// Changes of one batch: ten searches.
pub(super) const MEMBERS: usize = 1_000;

pub(super) struct ListSession {
    pub(super) work: Work,
    pub(super) key: Key,
    pub(super) list: String,
}

/// A contact without an id, of which nothing can be asked.
pub(super) fn nameless() -> Outcome {
    Outcome::Deferred { reason: "SendGrid shows the contact without an id".to_owned() }
}

#[async_trait]
impl Session for ListSession {
    async fn submit(
        &self,
        batch: &dyn BatchSource,
        handles: &dyn Handles,
    ) -> Result<Submitted, ConnectorError> {
        let mut verb = OneVerb::default();
        batch.each_in(0..1, &mut |change| verb.see(change.verb))?;
        let joins = verb.joins("a list")?;
        let underway = Underway::new(handles);
        let mut outcomes = Outcomes::new(batch.len());
        let keys = removal::keys(self.key, batch, &mut outcomes)?;
        let texts: Vec<&str> = keys.iter().map(|(_, key)| key.as_str()).collect();
        let seen = lookup::find(&self.work.client, self.key, &texts).await?;
        let mut there = Vec::new();
        for ((place, key), seen) in keys.into_iter().zip(seen) {
            match seen {
                Seen::Found(contact) if is_on(&contact, &self.list) != joins => {
                    there.push((Sent { place, key }, contact));
                }
                Seen::Found(_) if joins => outcomes.set(place, done()),
                Seen::Absent if joins => outcomes.set(place, self.absent()),
                Seen::Found(_) | Seen::Absent => outcomes.set(place, self.work.gone()),
                Seen::Unclear(outcome) => outcomes.set(place, outcome),
            }
        }
        match joins {
            true => self.join(there, &underway, &mut outcomes).await?,
            false => self.leave(there, &underway, &mut outcomes).await?,
        }
        Ok(Submitted::Done(outcomes.receipt()))
    }

    async fn settle(
        &self,
        handle: &RemoteHandle,
        batch: &dyn BatchSource,
    ) -> Result<Receipt, ConnectorError> {
        self.work.resume(self.key, handle, batch).await
    }
}

impl ListSession {
    fn absent(&self) -> Outcome {
        Outcome::Rejected {
            code: Outcome::OBJECT_NOT_FOUND.to_owned(),
            field: Some(self.key.field().to_owned()),
            message: format!("there is no contact with this `{}`", self.key.field()),
        }
    }

    async fn join(
        &self,
        there: Vec<(Sent, Json)>,
        underway: &Underway<'_>,
        outcomes: &mut Outcomes,
    ) -> Result<(), ConnectorError> {
        let mut rows = Rows::default();
        for (sent, contact) in there {
            let place = sent.place;
            let pushed = rows.push(sent, CALL.1 / 2, |out| {
                out.extend_from_slice(Json::Object(identifiers(&contact)).to_string().as_bytes());
                Ok(())
            });
            if let Err(refused) = pushed {
                outcomes.set(place, refused);
            }
        }
        let sent = self.work.by_calls(&rows, std::slice::from_ref(&self.list), underway).await?;
        settled(&rows, sent, outcomes);
        Ok(())
    }

    async fn leave(
        &self,
        there: Vec<(Sent, Json)>,
        underway: &Underway<'_>,
        outcomes: &mut Outcomes,
    ) -> Result<(), ConnectorError> {
        let mut found = Vec::with_capacity(there.len());
        for (Sent { place, key }, contact) in there {
            match text(&contact, "id") {
                Some(id) => found.push(Found { place, key, id }),
                None => outcomes.set(place, nameless()),
            }
        }
        self.work.by_ids(Some((&self.list, self.key)), &found, underway, outcomes).await
    }
}

pub(super) fn is_on(contact: &Json, wanted: &str) -> bool {
    list(contact, "list_ids").any(|id| id.as_str().is_some_and(|id| id.eq_ignore_ascii_case(wanted)))
}

/// All identifiers that a contact has.
fn identifiers(contact: &Json) -> Map<String, Json> {
    let own = |key: Key| {
        let text = text(contact, key.field()).filter(|text| !text.is_empty())?;
        Some((key.field().to_owned(), Json::String(text)))
    };
    Key::ALL.into_iter().filter_map(own).collect()
}
