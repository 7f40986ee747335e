//! Members of a static list. Objects are found by their match key, put on the list and taken off by record id.
//!
//! Facts: `/crm/v3/lists` as in the vendor's own client `@hubspot/api-client` 13.5. Whether an answer names an object that
//! was on the list before is not documented; one that it does not name is looked up.

use async_trait::async_trait;
use reqwest::Method;
use serde_json::{Value as Json, json};

use super::answers::lookups;
use super::client::{BATCH, Client, ObjectType};
use super::encode;
use super::errors::VENDOR;
use crate::contract::{
    BatchSource, ConnectorError, Handles, Kind, Lookup, OneVerb, Outcome, Outcomes, Session, Submitted,
    Target, Verb,
};
use crate::http::json::{list, strings, text};
use crate::http::{Request, escaped};

/// Rows of one batch; a call may hold many more, but a lost answer leaves all of them in doubt.
pub(super) const MEMBERS: usize = 500;

/// Objects of one batch that are looked up one by one because the answer does not name them.
const LOOKED_UP: usize = 100;

/// The list that a target names, by id or by name.
pub(super) fn of(target: &Target) -> Option<String> {
    match target.options.get("list")? {
        Json::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// A static list of one type of object.
pub(super) struct List {
    id: String,
    object_type_id: String,
}

impl List {
    /// # Errors
    /// [`Kind::Config`] for a list that is not there, is of other objects, or fills itself.
    pub(super) async fn find(
        client: &Client,
        object: &ObjectType,
        name: &str,
    ) -> Result<Self, ConnectorError> {
        let refuse = |what: String| {
            ConnectorError::new(Kind::Config, what)
                .hint("check `destination.list`: a static list's name or id")
        };
        let is_id = !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit());
        let path = match (is_id, object.type_id()) {
            (true, _) => format!("/crm/v3/lists/{name}"),
            (false, Some(id)) => format!("/crm/v3/lists/object-type-id/{id}/name/{}", escaped(name)),
            (false, None) => {
                let message = format!("a list of `{}` can be named by its id only", object.as_str());
                return Err(refuse(message));
            }
        };
        let answer = client.http.send(&Request::get(path)).await.map_err(|error| match error.kind {
            Kind::Rejected | Kind::Config => {
                refuse(format!("HubSpot has no list `{name}`: {}", error.message))
            }
            _ => error,
        })?;
        let body = answer.json.as_ref().and_then(|body| body.get("list"));
        let body = body.ok_or_else(|| VENDOR.not_understood("the list has no `list`"))?;
        let (Some(id), Some(object_type_id)) = (text(body, "listId"), text(body, "objectTypeId")) else {
            return Err(VENDOR.not_understood("the list has no id"));
        };
        if text(body, "processingType").as_deref() == Some("DYNAMIC") {
            let message = format!("HubSpot fills the list `{name}` itself (an active list)");
            return Err(refuse(message));
        }
        if object.type_id().is_some_and(|ours| ours != object_type_id) {
            let message = format!("the list `{name}` is not one of `{}`", object.as_str());
            return Err(refuse(message));
        }
        Ok(List { id, object_type_id })
    }
}

pub(super) struct ListSession {
    pub(super) client: Client,
    pub(super) object: ObjectType,
    pub(super) list: List,
}

/// One change of a batch.
struct Member {
    key: Result<String, &'static str>,
    property: Option<String>,
    id: Option<String>,
}

#[async_trait]
impl Session for ListSession {
    async fn submit(
        &self,
        batch: &dyn BatchSource,
        _handles: &dyn Handles,
    ) -> Result<Submitted, ConnectorError> {
        let (mut verb, mut members) = (OneVerb::default(), Vec::new());
        batch.each(&mut |change| {
            verb.see(change.verb)?;
            let key = change.destination_key.first();
            members.push(Member {
                key: key.map_or(Ok(String::new()), |field| encode::text(&field.value)),
                property: key.map(|field| field.name.to_owned()),
                id: change.remote_id.filter(|_| change.verb == Verb::Leave).map(str::to_owned),
            });
            Ok(())
        })?;
        let joins = verb.joins("a list")?;
        let mut outcomes = self.find(&mut members, joins).await?;
        self.change(&members, joins, &mut outcomes).await?;
        Ok(Submitted::Done(outcomes.receipt()))
    }
}

impl ListSession {
    /// Looks up the record ids that are not known; what cannot be a member has its outcome then.
    async fn find(&self, members: &mut [Member], joins: bool) -> Result<Outcomes, ConnectorError> {
        let mut outcomes = Outcomes::new(members.len());
        let mut wanted = Vec::new();
        for (place, member) in members.iter().enumerate().filter(|(_, member)| member.id.is_none()) {
            match &member.key {
                Ok(key) if !key.is_empty() => wanted.push((place, key.clone())),
                Ok(_) => outcomes.set(place, refused("KEY_EMPTY", "the match key is empty")),
                Err(why) => outcomes.set(place, refused("LIST_SEPARATOR", why)),
            }
        }
        let property = members.iter().find_map(|member| member.property.clone());
        for part in wanted.chunks(BATCH) {
            let keys: Vec<String> = part.iter().map(|(_, key)| key.clone()).collect();
            let answer = self.client.read(&self.object, property.as_deref(), &keys).await?;
            for ((place, key), lookup) in part.iter().zip(lookups(&keys, property.as_deref(), &answer)) {
                match lookup {
                    Lookup::Found { remote_id } => members[*place].id = Some(remote_id),
                    Lookup::Absent => outcomes.set(*place, absent(&self.object, key, joins)),
                    Lookup::Unclear => {
                        let reason = format!("HubSpot did not say which object has the key `{key}`");
                        outcomes.set(*place, Outcome::Deferred { reason });
                    }
                }
            }
        }
        Ok(outcomes)
    }

    async fn change(
        &self,
        members: &[Member],
        joins: bool,
        outcomes: &mut Outcomes,
    ) -> Result<(), ConnectorError> {
        let ids = |member: &Member| member.id.clone();
        let mut all: Vec<String> = members.iter().filter_map(ids).collect();
        all.sort();
        all.dedup();
        if all.is_empty() {
            return Ok(());
        }
        let call = if joins { "add" } else { "remove" };
        let path = format!("/crm/v3/lists/{}/memberships/{call}", self.list.id);
        let request = Request::write(path, json!(all).to_string().into_bytes(), true).by(Method::PUT);
        let answer = self.client.http.send(&request).await?.json.unwrap_or_default();
        let done: Vec<&str> =
            strings(&answer, if joins { "recordsIdsAdded" } else { "recordIdsRemoved" }).collect();
        let missing: Vec<&str> = strings(&answer, "recordIdsMissing").collect();
        let mut looked_up = 0;
        for (place, member) in members.iter().enumerate() {
            let Some(id) = member.id.as_ref().filter(|_| outcomes.get(place).is_none()) else { continue };
            let key = member.key.as_deref().unwrap_or_default();
            let applied = || Outcome::Applied { remote_id: Some(id.clone()), created: None };
            let outcome = if done.contains(&id.as_str()) {
                applied()
            } else if missing.contains(&id.as_str()) {
                absent(&self.object, key, joins)
            } else {
                looked_up += 1;
                match looked_up <= LOOKED_UP && self.is_member(id).await.is_ok_and(|is| is == joins) {
                    true => applied(),
                    false => Outcome::Unknown { reason: "the answer does not name this member".to_owned() },
                }
            };
            outcomes.set(place, outcome);
        }
        Ok(())
    }

    async fn is_member(&self, id: &str) -> Result<bool, ConnectorError> {
        let path = format!("/crm/v3/lists/records/{}/{id}/memberships", self.list.object_type_id);
        let answer = self.client.http.send(&Request::get(path)).await?;
        let body = answer.json.ok_or_else(|| VENDOR.not_understood("memberships have no body"))?;
        Ok(list(&body, "results").any(|of| text(of, "listId").as_deref() == Some(&self.list.id)))
    }
}

/// There is no such object: it cannot be put on a list, and is on none.
fn absent(object: &ObjectType, key: &str, joins: bool) -> Outcome {
    match joins {
        true => refused(
            Outcome::OBJECT_NOT_FOUND,
            &format!("there is none of `{}` with the key `{key}`", object.as_str()),
        ),
        false => Outcome::Applied { remote_id: None, created: None },
    }
}

fn refused(code: &str, message: &str) -> Outcome {
    Outcome::Rejected { code: code.to_owned(), field: None, message: message.to_owned() }
}
