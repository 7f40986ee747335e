//! Salesforce's calls.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::Value as Json;

use super::describe::Object;
use super::errors::VENDOR;
use super::options::is_name;
use crate::contract::{ConnectorError, Kind};
use crate::http::{Answer, HttpClient, Request, escaped, json};
use crate::nearest::nearest;

/// Describes of this process, by object: an org's fields do not change under a run.
type Described = Arc<Mutex<BTreeMap<String, Arc<Object>>>>;

#[derive(Clone)]
pub(super) struct Client {
    pub(super) http: HttpClient,
    /// `66.0`
    version: String,
    described: Described,
}

impl Client {
    pub(super) fn new(http: HttpClient, version: String) -> Self {
        Client { http, version, described: Described::default() }
    }

    /// The same client for one session.
    pub(super) fn sending(&self, http: HttpClient) -> Self {
        Client { http, ..self.clone() }
    }

    /// The path of a call of the API's version: `/limits` becomes `/services/data/v66.0/limits`.
    pub(super) fn path(&self, call: &str) -> String {
        format!("/services/data/v{}{call}", self.version)
    }

    async fn get(&self, path: String) -> Result<Json, ConnectorError> {
        let answer = self.http.send(&Request::get(path)).await?;
        answer.json.ok_or_else(|| VENDOR.not_understood("it has no body"))
    }

    /// Checks that the org speaks the API's version.
    ///
    /// # Errors
    /// [`Kind::Config`] where it does not, with the newest that it speaks.
    pub(super) async fn check_version(&self) -> Result<(), ConnectorError> {
        let body = self.get("/services/data/".to_owned()).await?;
        let versions: Vec<String> =
            body.as_array().into_iter().flatten().filter_map(|one| json::text(one, "version")).collect();
        if versions.contains(&self.version) {
            return Ok(());
        }
        let Some(newest) = versions.last() else { return Err(VENDOR.not_understood("it lists no versions")) };
        let message = format!("the org does not speak version {} of the API", self.version);
        Err(ConnectorError::new(Kind::Config, message)
            .hint(format!("set the connection's `api_version` to `{newest}`, its newest")))
    }

    /// The org's id.
    pub(super) async fn org(&self) -> Result<String, ConnectorError> {
        let found = self.query("SELECT Id FROM Organization").await?;
        found
            .first()
            .and_then(|row| json::text(row, "Id"))
            .ok_or_else(|| VENDOR.not_understood("it names no org"))
    }

    /// An object as Salesforce describes it; asked for once.
    ///
    /// # Errors
    /// [`Kind::Config`] for one that is not there, with the nearest names that are.
    pub(super) async fn describe(&self, name: &str) -> Result<Arc<Object>, ConnectorError> {
        let known = || self.described.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(object) = known().get(name) {
            return Ok(object.clone());
        }
        if !is_name(name) {
            return Err(ConnectorError::new(Kind::Config, format!("`{name}` is not the name of an object")));
        }
        let body = match self.get(self.path(&format!("/sobjects/{name}/describe"))).await {
            Err(error) if matches!(error.code.as_deref(), Some("NOT_FOUND" | "INVALID_TYPE")) => {
                return Err(self.no_object(name, error).await);
            }
            body => body?,
        };
        let Some(object) = Object::read(&body) else {
            return Err(VENDOR.not_understood("it describes no object"));
        };
        let object = Arc::new(object);
        known().insert(name.to_owned(), object.clone());
        Ok(object)
    }

    async fn no_object(&self, name: &str, error: ConnectorError) -> ConnectorError {
        let message = format!("Salesforce has no object `{name}`, or the connection's user may not see it");
        let hint = match self.get(self.path("/sobjects")).await {
            Err(_) => None,
            Ok(body) => {
                let names: Vec<String> =
                    json::list(&body, "sobjects").filter_map(|object| json::text(object, "name")).collect();
                nearest(name, names.iter().map(String::as_str)).map(|near| format!("did you mean `{near}`?"))
            }
        };
        let usual = || {
            "write its API name (`Invoice__c`), and give the user access to it by a permission set".to_owned()
        };
        ConnectorError { message, ..error }.hint(hint.unwrap_or_else(usual))
    }

    /// All rows of a query (REST API Developer Guide, "Query"), page after page.
    pub(super) async fn query(&self, soql: &str) -> Result<Vec<Json>, ConnectorError> {
        let mut path = self.path(&format!("/query?q={}", escaped(soql)));
        let mut rows = Vec::new();
        loop {
            let request = Request { label: Some("/query".to_owned()), ..Request::get(path) };
            let body = self.http.send(&request).await?.json.unwrap_or_default();
            match body.get("records") {
                // A page without rows has none after it.
                Some(Json::Array(records)) if !records.is_empty() || body["done"] == true => {
                    rows.extend_from_slice(records);
                }
                _ => return Err(VENDOR.not_understood("a query's answer has no `records`")),
            }
            path = match (body["done"] == true, json::text(&body, "nextRecordsUrl")) {
                (true, _) => return Ok(rows),
                // Another path could be another host's, which would be shown the token.
                (false, Some(next)) if next.starts_with("/services/data/") => next,
                _ => {
                    return Err(
                        VENDOR.not_understood("a query's answer is not whole, and names no next page")
                    );
                }
            };
        }
    }

    /// Sends records to a collection's path below `/composite/sobjects`.
    pub(super) async fn collection(
        &self,
        (method, below): (Method, &str),
        headers: &HeaderMap,
        body: Option<Vec<u8>>,
        repeatable: bool,
    ) -> Result<Answer, ConnectorError> {
        let path = self.path(&format!("/composite/sobjects{below}"));
        let request = Request::write(path, Vec::new(), repeatable).by(method);
        // Up to two hundred ids are no path to be logged.
        let (bare, _) = below.split_once('?').unwrap_or((below, ""));
        let label = Some(self.path(&format!("/composite/sobjects{bare}")));
        self.http.send(&Request { body, label, headers: headers.clone(), ..request }).await
    }
}
