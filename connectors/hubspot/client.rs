//! HubSpot's calls.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value as Json, json};

use super::errors::{self, VENDOR};
use super::version::ApiVersion;
use crate::contract::{ConnectorError, Kind};
use crate::http::{Answer, HttpClient, Request, Verdict};

/// Inputs per batch call.
pub(super) const BATCH: usize = 100;

/// The usual objects: name, singular, type id.
const STANDARD: [(&str, &str, &str); 5] = [
    ("contacts", "contact", "0-1"),
    ("companies", "company", "0-2"),
    ("deals", "deal", "0-3"),
    ("tickets", "ticket", "0-5"),
    ("products", "product", "0-7"),
];

/// The name of an object that can be called in several ways: `contacts` is `contact`, `CONTACTS` and `0-1` as well.
pub(super) fn object_name(object: &str) -> String {
    let is_meant = |name: &str| name.eq_ignore_ascii_case(object);
    let standard = STANDARD.iter().find(|(name, one, id)| [name, one, id].into_iter().any(|n| is_meant(n)));
    standard.map_or(object, |(name, ..)| *name).to_owned()
}

/// The type of an object, safe to stand in a path: a name or a type id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ObjectType(String);

impl ObjectType {
    /// # Errors
    /// [`Kind::Config`] for what can be neither.
    pub(super) fn parse(text: &str) -> Result<Self, ConnectorError> {
        let valid = !text.is_empty()
            && text.len() <= 100
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if valid {
            return Ok(ObjectType(text.to_owned()));
        }
        Err(ConnectorError::new(Kind::Config, format!("`{text}` is not the name of a HubSpot object")).hint(
            "use `contacts`, `companies`, `deals`, `tickets`, `products` or a type id like `2-1234567`",
        ))
    }

    pub(super) fn is_contacts(&self) -> bool {
        object_name(&self.0) == "contacts"
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The type's id, where the name tells it.
    pub(super) fn type_id(&self) -> Option<&str> {
        let is_id = self.0.split_once('-').is_some_and(|(kind, number)| {
            [kind, number].iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
        });
        match is_id {
            true => Some(&self.0),
            false => STANDARD.iter().find(|(name, ..)| *name == self.0).map(|(.., id)| *id),
        }
    }
}

/// The batch calls that write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Upsert,
    Create,
    Update,
    Archive,
}

impl Call {
    fn path(self) -> &'static str {
        match self {
            Call::Upsert => "upsert",
            Call::Create => "create",
            Call::Update => "update",
            Call::Archive => "archive",
        }
    }
}

#[derive(Clone)]
pub(super) struct Client {
    pub(super) http: HttpClient,
    pub(super) version: ApiVersion,
}

impl Client {
    /// The portal's id; the answer's `portalId`. Its `timeZone` is the one that the portal's day of calls goes by.
    pub(super) async fn portal(&self) -> Result<String, ConnectorError> {
        let answer = self.http.send(&Request::get("/account-info/v3/details")).await?;
        if let Some(zone) = answer.text("timeZone") {
            self.http.set_zone(zone).await;
        }
        let id = answer.json.as_ref().and_then(|body| body.get("portalId"));
        match id {
            Some(Json::Number(id)) => Ok(id.to_string()),
            Some(Json::String(id)) => Ok(id.clone()),
            _ => Err(VENDOR.not_understood("the account's details have no `portalId`")),
        }
    }

    /// All properties of an object, as HubSpot describes them.
    pub(super) async fn properties(&self, object: &ObjectType) -> Result<Vec<Json>, ConnectorError> {
        let request = Request::get(format!("/crm/v3/properties/{}", object.as_str()));
        let answer = self.http.send(&request).await.map_err(|error| match error.kind {
            // To a read of the schema, "bad request" and "not found" mean the same.
            Kind::Rejected | Kind::Config => unknown_object(object, error),
            _ => error,
        })?;
        match answer.json.as_ref().and_then(|body| body.get("results")) {
            Some(Json::Array(results)) => Ok(results.clone()),
            _ => Err(VENDOR.not_understood("the list of properties has no `results`")),
        }
    }

    /// Creates properties; not repeated after a lost answer.
    pub(super) async fn create_properties(
        &self,
        object: &ObjectType,
        body: Vec<u8>,
    ) -> Result<Answer, ConnectorError> {
        let path = format!("/crm/v3/properties/{}/batch/create", object.as_str());
        self.http.send(&Request::write(path, body, false)).await
    }

    /// One batch call of at most [`BATCH`] inputs; `body` is that of [`Inputs`](super::encode::Inputs). The second is the
    /// answer's body, where the call was refused for its data.
    pub(super) async fn write(
        &self,
        object: &ObjectType,
        call: Call,
        body: Vec<u8>,
    ) -> (Result<Answer, ConnectorError>, Option<Json>) {
        let path = self.version.batch(object, call.path());
        let request = Request::write(path, body, call != Call::Create);
        let refused = Mutex::new(None);
        let judge = |answer: &Answer| match errors::judge(answer) {
            Some(error) => {
                let body = answer.json.clone().filter(|_| error.kind == Kind::Rejected);
                *refused.lock().unwrap_or_else(PoisonError::into_inner) = body;
                Verdict::Failure(error)
            }
            None => Verdict::ByStatus,
        };
        let answer = self.http.send_judged(&request, &judge).await;
        (answer, refused.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// The objects with these values of a unique property, or with these record ids; a strongly consistent read, unlike
    /// search.
    pub(super) async fn read(
        &self,
        object: &ObjectType,
        id_property: Option<&str>,
        keys: &[String],
    ) -> Result<Json, ConnectorError> {
        self.read_properties(object, (id_property, keys), id_property.into_iter().collect()).await
    }

    /// As [`Self::read`], with these properties of each object.
    pub(super) async fn read_properties(
        &self,
        object: &ObjectType,
        (id_property, keys): (Option<&str>, &[String]),
        properties: BTreeSet<&str>,
    ) -> Result<Json, ConnectorError> {
        let inputs: Vec<Json> = keys.iter().map(|key| json!({"id": key})).collect();
        let mut body = json!({"inputs": inputs, "properties": properties, "propertiesWithHistory": []});
        if let Some(name) = id_property {
            body["idProperty"] = name.into();
        }
        let path = self.version.batch(object, "read");
        let answer = self.http.send(&Request::query(path, body.to_string().into_bytes())).await?;
        answer.json.ok_or_else(|| VENDOR.not_understood("a batch read was answered without a body"))
    }
}

fn unknown_object(object: &ObjectType, error: ConnectorError) -> ConnectorError {
    let message = format!("HubSpot has no object `{}`: {}", object.as_str(), error.message);
    ConnectorError { kind: Kind::Config, message, ..error }
        .hint("check `destination.object` of the mapping and the connection's `base_url`")
}
