//! Brevo's calls.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use super::encode::Sent;
use super::errors::{self, VENDOR};
use super::options::Key;
use crate::contract::{ConnectorError, Kind, RateLimit};
use crate::http::{Answer, HttpClient, Narrow, Request, escaped, json};

/// What all calls but those on contacts have together, in every plan (<https://developers.brevo.com/docs/api-limits>).
const OTHERS: Narrow = Narrow {
    name: "calls other than those on contacts",
    rate: RateLimit { requests: 100, per: Duration::from_secs(3600) },
};

/// What logs say in place of a path that holds an e-mail address.
const ONE: &str = "/contacts/{identifier}";

#[derive(Clone)]
pub(super) struct Client {
    pub(super) http: HttpClient,
}

/// The path of one contact: by its id, else by its key.
fn path(key: Key, sent: &Sent) -> String {
    match &sent.remote_id {
        Some(id) => format!("/contacts/{}?identifierType=contact_id", escaped(id)),
        None => format!("/contacts/{}?identifierType={}", escaped(&sent.key), key.identifier()),
    }
}

impl Client {
    /// The account's id; without one a word that stands for its login.
    pub(super) async fn account(&self) -> Result<String, ConnectorError> {
        let request = Request::get("/account").within(OTHERS);
        let body = self.http.send(&request).await?.json.unwrap_or_default();
        if let Some(id) = json::text(&body, "organization_id").filter(|id| !id.is_empty()) {
            return Ok(id);
        }
        match json::text(&body, "email") {
            Some(email) => Ok(format!("login-{}", digest(&email))),
            None => Err(VENDOR.not_understood("the account has neither `organization_id` nor `email`")),
        }
    }

    /// The `attributes` of contacts, as Brevo describes them.
    pub(super) async fn attributes(&self) -> Result<Vec<Json>, ConnectorError> {
        let body = self.http.send(&Request::get("/contacts/attributes")).await?.json.unwrap_or_default();
        match body.get("attributes") {
            Some(Json::Array(attributes)) => Ok(attributes.clone()),
            _ => Err(VENDOR.not_understood("the list of attributes has no `attributes`")),
        }
    }

    /// Creates an attribute of the category `normal`; not repeated after a lost answer.
    pub(super) async fn create_attribute(&self, name: &str, kind: &str) -> Result<Answer, ConnectorError> {
        let path = format!("/contacts/attributes/normal/{}", escaped(name));
        self.http
            .send(&Request::write(path, serde_json::json!({"type": kind}).to_string().into_bytes(), false))
            .await
    }

    /// A list as Brevo describes it.
    ///
    /// # Errors
    /// [`Kind::Config`] for one that is not there.
    pub(super) async fn list(&self, id: u64) -> Result<Json, ConnectorError> {
        let answer = self.http.send(&Request::get(format!("/contacts/lists/{id}"))).await;
        let answer =
            answer.map_err(|error| match errors::is_absent(&error) || error.kind == Kind::Rejected {
                true => no_list(id, error),
                false => error,
            })?;
        answer.json.ok_or_else(|| VENDOR.not_understood("a list has no body"))
    }

    /// Creates a contact, or also updates it where the body asks for that.
    pub(super) async fn post(&self, body: Vec<u8>, repeatable: bool) -> Result<Answer, ConnectorError> {
        self.http.send(&Request::write("/contacts", body, repeatable)).await
    }

    /// Changes a contact; [`errors::is_absent`] where there is none.
    pub(super) async fn put(&self, key: Key, sent: &Sent, body: Vec<u8>) -> Result<Answer, ConnectorError> {
        let request = Request::write(path(key, sent), body, true).by(Method::PUT);
        self.http.send(&Request { label: Some(ONE.to_owned()), ..request }).await
    }

    /// Changes up to a hundred contacts that exist, all or none.
    pub(super) async fn put_many(&self, body: Vec<u8>) -> Result<Answer, ConnectorError> {
        self.http.send(&Request::write("/contacts/batch", body, true)).await
    }

    /// Removes a contact for good; [`errors::is_absent`] where there is none.
    pub(super) async fn delete(&self, key: Key, sent: &Sent) -> Result<Answer, ConnectorError> {
        let request = Request::write(path(key, sent), Vec::new(), true).by(Method::DELETE);
        self.http.send(&Request { body: None, label: Some(ONE.to_owned()), ..request }).await
    }

    /// A contact, or `None` where there is none.
    pub(super) async fn contact(&self, key: Key, sent: &Sent) -> Result<Option<Json>, ConnectorError> {
        let request = Request { label: Some(ONE.to_owned()), ..Request::get(path(key, sent)) };
        match self.http.send(&request).await {
            Ok(answer) => Ok(answer.json),
            Err(error) if errors::is_absent(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Puts contacts on a list or takes them off, and gives the answer's `contacts`.
    ///
    /// # Errors
    /// [`Kind::Config`] for a list that is not there.
    pub(super) async fn members(&self, list: u64, adds: bool, body: Vec<u8>) -> Result<Json, ConnectorError> {
        let call = if adds { "add" } else { "remove" };
        let path = format!("/contacts/lists/{list}/contacts/{call}");
        let answer = self.http.send(&Request::write(path, body, true)).await;
        let answer =
            answer.map_err(|error| if errors::is_absent(&error) { no_list(list, error) } else { error })?;
        Ok(answer.json.and_then(|body| body.get("contacts").cloned()).unwrap_or_default())
    }

    /// Starts an import and gives its process. It is not repeated after a lost answer: two imports at once could end in
    /// either order.
    pub(super) async fn import(&self, body: Vec<u8>) -> Result<u64, ConnectorError> {
        let answer = self.http.send(&Request::write("/contacts/import", body, false)).await?;
        let process = answer.json.as_ref().and_then(|body| body.get("processId")).and_then(Json::as_u64);
        process.ok_or_else(|| {
            ConnectorError::new(Kind::Ambiguous, "Brevo took an import, but its answer names no process")
        })
    }

    /// The word for how far a process is.
    pub(super) async fn process(&self, id: u64) -> Result<String, ConnectorError> {
        let request = Request::get(format!("/processes/{id}")).within(OTHERS);
        let answer = self.http.send(&request).await?;
        answer
            .text("status")
            .map(str::to_owned)
            .ok_or_else(|| VENDOR.not_understood("a process has no `status`"))
    }

    /// One page of the contacts of a list that were changed since, the oldest contacts first.
    pub(super) async fn changed(
        &self,
        list: u64,
        since: jiff::Timestamp,
        (limit, offset): (usize, usize),
    ) -> Result<Vec<Json>, ConnectorError> {
        let since = since.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string();
        let since = escaped(&since);
        let path =
            format!("/contacts?listIds={list}&modifiedSince={since}&sort=asc&limit={limit}&offset={offset}");
        let body = self.http.send(&Request::get(path)).await?.json.unwrap_or_default();
        match body.get("contacts") {
            Some(Json::Array(contacts)) => Ok(contacts.clone()),
            _ => Err(VENDOR.not_understood("the list of contacts has no `contacts`")),
        }
    }
}

/// An address is not written into ledgers and reports.
fn digest(email: &str) -> String {
    Sha256::digest(email).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn no_list(id: u64, error: ConnectorError) -> ConnectorError {
    let message = format!("Brevo has no list {id}: {}", error.message);
    ConnectorError { kind: Kind::Config, message, ..error }
        .hint("check `destination.list` or `lists`: Brevo shows the number beside each list's name")
}
